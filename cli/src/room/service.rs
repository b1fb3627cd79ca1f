//! The operators' service of a room, in the process of whoever asks it.
//!
//! Owns the opening: for writing, or for reading alone, over the member's folder; a room on a medium that can't be
//! written is only read. The caller is the room's owner: whoever may use its files. It is decided upon by the same policy
//! as an operator of any group.

use std::sync::Arc;

use strongroom_coordinator::server::{LocalDoor, LocalService};
use strongroom_platform::tls::SpiffeId;
use tokio::runtime::Runtime;

use super::group::{Group, Look};
use super::locks::{Held, is_read_only};
use super::{Room, founding};
use crate::failure::{Attempt as _, Failure};

/// What is asked of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Changes, perhaps.
    Change,
    /// Nothing that changes anything.
    Read,
}

/// A room's service, until it is stopped.
pub(crate) struct Served {
    service: LocalService,
    owner: SpiffeId,
    may_change: bool,
    _held: Option<Held>,
}

impl Room {
    /// Serves the room's group on a runtime.
    pub(crate) fn serve(&self, purpose: Purpose, runtime: &Runtime) -> Result<Served, Failure> {
        let what = || "can't ask the room's coordinator";
        if purpose == Purpose::Change {
            match self.group() {
                Err(failure) if is_read_only(&failure) => {}
                group => {
                    let (caller, disk) = (founding::owner(self.settings())?, self.member_disk()?);
                    let Group { local, held, .. } = group?;
                    let started = LocalService::start(local, disk, Arc::clone(self.clock()), caller.clone());
                    let service = runtime.block_on(started).attempt(what)?;
                    return Ok(Served { service, owner: caller, may_change: true, _held: held });
                }
            }
        }
        let (caller, disk) = (founding::owner(self.settings())?, self.member_disk()?);
        let Look { local, held, .. } = self.look()?;
        let _entered = runtime.enter();
        let service = LocalService::show(local, disk, Arc::clone(self.clock()), caller.clone()).attempt(what)?;
        Ok(Served { service, owner: caller, may_change: false, _held: held })
    }
}

impl Served {
    /// The way to it.
    pub(crate) fn door(&self) -> LocalDoor {
        self.service.door()
    }

    /// As whom it is asked.
    pub(crate) const fn owner(&self) -> &SpiffeId {
        &self.owner
    }

    /// Whether what is changed lasts.
    pub(crate) const fn may_change(&self) -> bool {
        self.may_change
    }

    /// Ends it; other processes go on.
    pub(crate) fn stop(self, runtime: &Runtime) {
        runtime.block_on(self.service.stop());
    }
}
