//! The memory of a failed sync.
//!
//! One per volume, shared by every handle and open file of it. It is set by the first sync that fails and never cleared
//! while the process lives; it is not stored, since a new process writes again what it means to rely on.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::DiskError;

/// Says whether a volume has been condemned.
#[derive(Debug, Clone, Default)]
pub(crate) struct Poison {
    is_set: Arc<AtomicBool>,
}

impl Poison {
    /// Refuses a change to `path` if an earlier sync failed.
    pub(crate) fn check(&self, path: &Path) -> Result<(), DiskError> {
        if self.is_set.load(Ordering::Acquire) {
            return Err(DiskError::Poisoned { path: path.to_path_buf() });
        }
        Ok(())
    }

    /// Condemns the volume because `path` could not be synced.
    pub(crate) fn condemn(&self, path: &Path, source: std::io::Error) -> DiskError {
        self.is_set.store(true, Ordering::Release);
        DiskError::SyncFailed { path: path.to_path_buf(), source }
    }
}
