//! A disk that fails at the N-th operation, over any other disk.
//!
//! Owns the count of operations. A scenario is run once without a fault, to learn how many operations it takes, and then
//! once for each of them with the fault there: so every place where a disk can fail is tried, and none has to be named.
//!
//! ```
//! use std::sync::Arc;
//! use strongroom_platform::disk::failpoint::{FailpointDisk, Fault};
//! use strongroom_platform::disk::{Disk, DiskError, SimDisk, durable_write};
//!
//! let scenario = |disk: &Arc<dyn Disk>| durable_write(disk, "head", b"new");
//! let counting = Arc::new(FailpointDisk::counting(Arc::new(SimDisk::from_seed(1))));
//! let disk: Arc<dyn Disk> = counting.clone();
//! scenario(&disk)?;
//! for at in 0..counting.log().len() {
//!     let sim = SimDisk::from_seed(at as u64);
//!     let disk: Arc<dyn Disk> = Arc::new(FailpointDisk::failing(Arc::new(sim.clone()), at, Fault::Kill));
//!     assert!(scenario(&disk).is_err());
//!     sim.crash();
//!     // What the scenario promises must hold of `sim` now.
//! }
//! # Ok::<(), DiskError>(())
//! ```
//!
//! A failed sync condemns this disk as it would a real one. A write that fails has had no effect, or a part of it, which
//! is for the caller to bear; a sync that fails has made nothing durable.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use super::poison::Poison;
use super::{DirEntry, Disk, DiskError, DiskFile, DiskLock, DiskOp, DiskRead, DiskUpdate};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The operation fails with an input/output error and has no effect; a sync that fails so condemns the disk.
    Eio,
    /// The next operation that needs space finds none and has no effect.
    NoSpace,
    /// The next write carries half of its bytes, then fails with an input/output error.
    TornWrite,
    /// The next sync fails and condemns the disk.
    SyncFails,
    /// The process dies: this operation and all after it have no effect and answer [`DiskError::Killed`].
    Kill,
}

impl Fault {
    /// Says whether the fault can strike an operation of this kind; if not, it waits for one that it can.
    pub const fn strikes(self, op: DiskOp) -> bool {
        match self {
            Self::Eio | Self::Kill => true,
            Self::NoSpace => op.is_change() && !matches!(op, DiskOp::Sync | DiskOp::SyncDir | DiskOp::Remove),
            Self::TornWrite => matches!(op, DiskOp::WriteAll | DiskOp::WriteAt),
            Self::SyncFails => op.is_sync(),
        }
    }
}

/// One operation that was asked of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedOp {
    /// Its kind.
    pub op: DiskOp,
    /// The file or folder; of a rename, the old name.
    pub path: String,
}

/// A disk that counts its operations and can fail at one of them.
pub struct FailpointDisk {
    inner: Arc<dyn Disk>,
    gate: Gate,
}

impl FailpointDisk {
    /// Counts, and never fails.
    pub fn counting(inner: Arc<dyn Disk>) -> Self {
        Self { inner, gate: Gate::default() }
    }

    /// Fails once with `fault`, at operation number `at`, counted from zero, or at the first one after it that the
    /// fault can strike.
    pub fn failing(inner: Arc<dyn Disk>, at: usize, fault: Fault) -> Self {
        let disk = Self::counting(inner);
        disk.gate.journal().armed = Some((at, fault));
        disk
    }

    /// The operations so far, in order, the failed ones among them.
    pub fn log(&self) -> Vec<LoggedOp> {
        self.gate.journal().log.clone()
    }

    /// Says whether the fault has struck.
    pub fn has_struck(&self) -> bool {
        self.gate.journal().struck
    }
}

impl Disk for FailpointDisk {
    fn create_new(&self, path: &str) -> Result<Box<dyn DiskFile>, DiskError> {
        self.gate.pass(DiskOp::CreateNew, path)?;
        let inner = self.inner.create_new(path)?;
        Ok(Box::new(Watched { inner, path: path.to_owned(), gate: self.gate.clone() }))
    }

    fn open_read(&self, path: &str) -> Result<Box<dyn DiskRead>, DiskError> {
        self.gate.pass(DiskOp::OpenRead, path)?;
        let inner = self.inner.open_read(path)?;
        Ok(Box::new(Watched { inner, path: path.to_owned(), gate: self.gate.clone() }))
    }

    fn open_update(&self, path: &str) -> Result<Box<dyn DiskUpdate>, DiskError> {
        self.gate.pass(DiskOp::OpenUpdate, path)?;
        let inner = self.inner.open_update(path)?;
        Ok(Box::new(Watched { inner, path: path.to_owned(), gate: self.gate.clone() }))
    }

    fn rename_no_replace(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.gate.pass(DiskOp::RenameNoReplace, from)?;
        self.inner.rename_no_replace(from, to)
    }

    fn rename_replace(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.gate.pass(DiskOp::RenameReplace, from)?;
        self.inner.rename_replace(from, to)
    }

    fn sync_dir(&self, dir: &str) -> Result<(), DiskError> {
        self.gate.pass(DiskOp::SyncDir, dir)?;
        self.inner.sync_dir(dir)
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, DiskError> {
        self.gate.pass(DiskOp::List, dir)?;
        self.inner.list(dir)
    }

    fn create_dir_all(&self, dir: &str) -> Result<(), DiskError> {
        self.gate.pass(DiskOp::CreateDirAll, dir)?;
        self.inner.create_dir_all(dir)
    }

    fn remove(&self, path: &str) -> Result<(), DiskError> {
        self.gate.pass(DiskOp::Remove, path)?;
        self.inner.remove(path)
    }

    fn exists(&self, path: &str) -> Result<bool, DiskError> {
        self.gate.pass(DiskOp::Exists, path)?;
        self.inner.exists(path)
    }

    fn lock(&self, path: &str) -> Result<DiskLock, DiskError> {
        self.gate.pass(DiskOp::Lock, path)?;
        self.inner.lock(path)
    }

    fn free_space(&self) -> Result<u64, DiskError> {
        self.gate.pass(DiskOp::FreeSpace, "")?;
        self.inner.free_space()
    }
}

/// An open file whose operations are counted.
struct Watched<F: ?Sized> {
    path: String,
    gate: Gate,
    inner: Box<F>,
}

impl DiskFile for Watched<dyn DiskFile> {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        match self.gate.strike(DiskOp::WriteAll, &self.path)? {
            Some(Fault::TornWrite) => {
                let (half, _) = bytes.split_at(bytes.len() / 2);
                self.inner.write_all(half)?;
                Err(eio(DiskOp::WriteAll, &self.path))
            }
            Some(fault) => Err(self.gate.error(fault, DiskOp::WriteAll, &self.path)),
            None => self.inner.write_all(bytes),
        }
    }

    fn sync(&mut self) -> Result<(), DiskError> {
        self.gate.pass(DiskOp::Sync, &self.path)?;
        self.inner.sync()
    }
}

impl<F: DiskRead + ?Sized> DiskRead for Watched<F> {
    fn len(&self) -> Result<u64, DiskError> {
        self.gate.pass(DiskOp::Len, &self.path)?;
        self.inner.len()
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        self.gate.pass(DiskOp::ReadAt, &self.path)?;
        self.inner.read_at(offset, bytes)
    }
}

impl DiskUpdate for Watched<dyn DiskUpdate> {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        match self.gate.strike(DiskOp::WriteAt, &self.path)? {
            Some(Fault::TornWrite) => {
                let (half, _) = bytes.split_at(bytes.len() / 2);
                self.inner.write_at(offset, half)?;
                Err(eio(DiskOp::WriteAt, &self.path))
            }
            Some(fault) => Err(self.gate.error(fault, DiskOp::WriteAt, &self.path)),
            None => self.inner.write_at(offset, bytes),
        }
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        self.gate.pass(DiskOp::SetLen, &self.path)?;
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        self.gate.pass(DiskOp::Sync, &self.path)?;
        self.inner.sync_data()
    }
}

/// Where each operation of a disk and of its open files passes, one after another.
#[derive(Debug, Clone, Default)]
struct Gate {
    journal: Arc<Mutex<Journal>>,
    poison: Poison,
}

#[derive(Debug, Default)]
struct Journal {
    log: Vec<LoggedOp>,
    armed: Option<(usize, Fault)>,
    struck: bool,
    is_dead: bool,
}

impl Gate {
    /// Counts an operation, and lets it through unless it is to fail.
    fn pass(&self, op: DiskOp, path: &str) -> Result<(), DiskError> {
        match self.strike(op, path)? {
            Some(fault) => Err(self.error(fault, op, path)),
            None => Ok(()),
        }
    }

    /// Counts an operation, and gives the fault that strikes it, if any.
    fn strike(&self, op: DiskOp, path: &str) -> Result<Option<Fault>, DiskError> {
        let mut journal = self.journal();
        let number = journal.log.len();
        journal.log.push(LoggedOp { op, path: path.to_owned() });
        if journal.is_dead {
            return Err(DiskError::Killed);
        }
        if op.is_change() {
            self.poison.check(Path::new(path))?;
        }
        let struck = journal.armed.filter(|(at, fault)| number >= *at && fault.strikes(op)).map(|(_, fault)| fault);
        if let Some(fault) = struck {
            journal.armed = None;
            journal.struck = true;
            journal.is_dead = fault == Fault::Kill;
        }
        Ok(struck)
    }

    fn error(&self, fault: Fault, op: DiskOp, path: &str) -> DiskError {
        match fault {
            Fault::Kill => DiskError::Killed,
            Fault::NoSpace => DiskError::NoSpace { path: path.into() },
            Fault::Eio | Fault::SyncFails if op.is_sync() => self.poison.condemn(Path::new(path), Errno::IO.into()),
            Fault::Eio | Fault::SyncFails | Fault::TornWrite => eio(op, path),
        }
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn eio(op: DiskOp, path: &str) -> DiskError {
    DiskError::Io { op, path: path.into(), source: Errno::IO.into() }
}
