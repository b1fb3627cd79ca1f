//! The lock on a member's folder.
//!
//! Owns the rule that one process at a time writes there: two that were open on one folder could both vote under one id.
//! The lock is taken before anything is read or removed, and every job that may write in the folder holds a share of it,
//! so that it is given back only when the last of them is done. It ends with its process, however that ends.

use std::sync::{Arc, Weak};

use strongroom_platform::disk::{Disk, DiskError, DiskLock};

use super::error::OpenError;

/// The file that carries the lock. It says nothing by being there.
const PATH: &str = "member.lock";

/// A share of the right to write in a member's folder.
#[derive(Clone, Debug)]
pub struct FolderLock {
    held: Arc<DiskLock>,
}

/// The way to a share of the lock, for as long as the member has it.
#[derive(Clone, Debug)]
pub struct FolderShares {
    held: Weak<DiskLock>,
}

impl FolderLock {
    /// Takes the lock, or says that another process has it.
    pub(crate) fn take(disk: &dyn Disk) -> Result<Self, OpenError> {
        match disk.lock(PATH) {
            Ok(held) => Ok(Self { held: Arc::new(held) }),
            Err(DiskError::Locked { .. }) => Err(OpenError::InUse),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the lock's name away, on a disk that forgets what is changed.
    pub(crate) fn forget(disk: &dyn Disk) -> Result<(), OpenError> {
        match disk.remove(PATH) {
            Ok(()) | Err(DiskError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A way to shares that does not keep the lock by itself.
    pub(super) fn shares(&self) -> FolderShares {
        FolderShares { held: Arc::downgrade(&self.held) }
    }
}

impl FolderShares {
    /// A share, to be held while something is written; nothing once the member and its jobs are gone.
    pub fn take(&self) -> Option<FolderLock> {
        self.held.upgrade().map(|held| FolderLock { held })
    }
}
