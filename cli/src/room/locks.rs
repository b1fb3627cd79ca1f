//! Locks between processes that work on one room. All of them end with their process, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use strongroom_agent::capture::Spool;
use strongroom_core::error::Code;
use strongroom_core::id::SourceId;

use super::{Room, paths};
use crate::failure::{Attempt as _, Failure};

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    _file: File,
}

impl Room {
    /// The lock of one source: one backup, or comparison, at a time.
    pub(crate) fn lock_source(&self, source: SourceId, name: &str) -> Result<Held, Failure> {
        let dir = Self::agent_dir(source);
        self.disk().create_dir_all(&dir).attempt(|| format!("can't use the state of {name}"))?;
        let file = open(&self.root().join(dir).join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Held { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(Failure::new(Code::Busy, format!("another run works on the source {name}")))
            }
            Err(TryLockError::Error(error)) => Err(error).attempt(|| format!("can't lock the source {name}")),
        }
    }

    /// The lock of restores of classes and records, and their undos: a run that is alive must not be taken for one that
    /// died.
    pub(crate) fn lock_restores(&self) -> Result<Held, Failure> {
        let file = open(&self.root().join("state/restores.lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Held { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(Failure::new(Code::Busy, "another restore of classes or records is under way in this room"))
            }
            Err(TryLockError::Error(error)) => Err(error).attempt(|| "can't lock the room's safety copies"),
        }
    }

    /// The right to write into the depot, which any number of runs may have at once. Whoever is alone first removes what
    /// a run left behind that died.
    pub(crate) fn lock_depot(&self) -> Result<Held, Failure> {
        self.share("state/depot.lock", || {
            let removed = self.backend().recover().attempt(|| "can't clean the depot up")?;
            if removed > 0 {
                tracing::info!(removed, "unfinished files of an earlier run removed from the depot");
            }
            Ok(())
        })
    }

    /// The right to use the spool, in the same way.
    pub(crate) fn lock_spool(&self) -> Result<Held, Failure> {
        self.share("state/spool.lock", || {
            Spool::remove_strays(self.disk().as_ref(), paths::SPOOL).attempt(|| "can't clean the spool up")
        })
    }

    fn share(&self, lock: &str, clean: impl FnOnce() -> Result<(), Failure>) -> Result<Held, Failure> {
        let what = || format!("can't lock {lock}");
        let file = open(&self.root().join(lock))?;
        if file.try_lock().is_ok() {
            clean()?;
            file.unlock().attempt(what)?;
        }
        file.lock_shared().attempt(what)?;
        Ok(Held { _file: file })
    }
}

/// Waits for a lock whose holders keep it for moments only.
pub(crate) fn wait_for(path: &Path) -> Result<Held, Failure> {
    let file = open(path)?;
    file.lock().attempt(|| format!("can't lock {}", path.display()))?;
    Ok(Held { _file: file })
}

fn open(path: &Path) -> Result<File, Failure> {
    let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    opened.attempt(|| format!("can't open the lock {}", path.display()))
}
