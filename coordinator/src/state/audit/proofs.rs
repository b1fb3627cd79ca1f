//! Proofs out of the rows of the audit log.
//!
//! Owns the way from a place in the tree to the row that has its hash, and reads nothing else. A proof of any size that
//! the log ever had can be made from the rows of today, and takes at most some hundred reads for each row of the tree.
//! The functions of [`strongroom_core::audit`] take [`AuditHashes`] for paths of either kind.

use strongroom_core::audit::{
    AuditEvent, EventProof, HashSource, LeafIndex, ProofError, SignedCheckpoint, TileCoordinate, leaf_hash,
};
use strongroom_core::id::TreeHash;

use super::{AuditEvents, AuditTiles};
use crate::state::rows::{Rows, Unreadable};
use crate::state::tables;

/// A hash of the audit log that can't be had.
#[derive(Debug, thiserror::Error)]
pub enum HashUnreadable {
    /// The rows can't be read.
    #[error(transparent)]
    Rows(#[from] Unreadable),
    /// The log of this state is not as large.
    #[error("the audit log has no hash at level {}, place {} yet", .0.level, .0.index)]
    Absent(TileCoordinate),
}

/// An event that can't be proven.
#[derive(Debug, thiserror::Error)]
pub enum EventUnproven {
    /// The rows can't be read.
    #[error(transparent)]
    Rows(#[from] Unreadable),
    /// There is no such event.
    #[error("the audit log has no event {0} yet")]
    NoEvent(LeafIndex),
    /// There is no path from the event to the checkpoint.
    #[error(transparent)]
    Path(#[from] ProofError<HashUnreadable>),
}

/// The rows of the state as the source of the tree's hashes.
#[derive(Clone, Copy)]
pub struct AuditHashes<'a>(&'a Rows);

impl<'a> AuditHashes<'a> {
    /// The hashes of these rows.
    pub const fn of(rows: &'a Rows) -> Self {
        Self(rows)
    }
}

impl HashSource for AuditHashes<'_> {
    type Error = HashUnreadable;

    fn node(&self, at: TileCoordinate) -> Result<TreeHash, HashUnreadable> {
        let found = if at.level == 0 {
            // A leaf's hash is that of its event, which is kept anyway.
            self.0.get::<AuditEvents>(&LeafIndex(at.index))?.map(|bytes| leaf_hash(&bytes))
        } else {
            self.0.get::<AuditTiles>(&at)?
        };
        found.ok_or(HashUnreadable::Absent(at))
    }
}

/// The proof that an event is in the log that a checkpoint promises.
pub fn prove_event(rows: &Rows, leaf: LeafIndex, checkpoint: SignedCheckpoint) -> Result<EventProof, EventUnproven> {
    let bytes = rows.get::<AuditEvents>(&leaf)?.ok_or(EventUnproven::NoEvent(leaf))?;
    let malformed = |_| Unreadable::Malformed { table: tables::AUDIT_EVENTS };
    let event = AuditEvent::decode(&bytes).map_err(malformed)?;
    Ok(EventProof::prove(&AuditHashes::of(rows), leaf, event, checkpoint)?)
}
