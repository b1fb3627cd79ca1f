//! The rows of a member that is alone, for whoever only reads them.
//!
//! Owns an opening that changes nothing: all of it happens over the folder, in memory, and is forgotten with the view. So
//! it needs no sync, and works where nothing can be written. The lock on the folder is the caller's: nobody may write
//! there while the view lives, or it would show a mixture.

use std::sync::Arc;

use strongroom_core::entropy::Entropy;
use strongroom_platform::clock::Clock;
use strongroom_platform::disk::{Disk, OverlayDisk};

use super::{LocalError, LocalMember};
use crate::id::MemberId;
use crate::state::{Actor, Rows};

/// A member that is looked at.
pub struct LocalView(LocalMember);

impl LocalView {
    /// Looks at the member in a folder.
    pub fn look(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>, entropy: &dyn Entropy) -> Result<Self, LocalError> {
        let overlay: Arc<dyn Disk> = Arc::new(OverlayDisk::with_own_locks(disk));
        LocalMember::leading(&overlay, clock, entropy, Actor::System).map(Self)
    }

    /// Who it is.
    pub const fn member(&self) -> MemberId {
        self.0.member()
    }

    /// How often the member was opened to be written, as far as it counts that.
    pub const fn boot(&self) -> u64 {
        self.0.boot().saturating_sub(1)
    }

    /// The state as it is.
    pub fn rows(&self) -> &Rows {
        self.0.rows()
    }

    /// Whether all rows together have the digest that the state keeps of them. Reads every row.
    pub fn is_digest_right(&self) -> Result<bool, LocalError> {
        self.0.is_digest_right()
    }

    /// The member, for a service that only reads.
    pub(super) fn into_member(self) -> LocalMember {
        self.0
    }
}
