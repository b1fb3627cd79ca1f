//! The disk, as far as Strongroom needs one.
//!
//! A [`Disk`] is one volume under one root. It owns every call that touches a file of a depot, a spool, a cache or a
//! coordinator, and knows nothing of what the files mean. Most files are written once, from start to end, under a name
//! that did not exist; afterwards they are read, renamed or removed. Two kinds are changed in place, through
//! [`DiskUpdate`]: the replicated log and the database behind a state machine, each with a format that can bear it.
//!
//! **Paths** are relative to the root: names joined by `/`, none of them empty, `.` or `..`; the empty path is the root
//! itself. Anything else is refused with [`DiskError::InvalidPath`], so that no id or name that came from outside can
//! lead out of the root. New files are readable and writable by their owner alone (0600), new folders likewise (0700).
//!
//! **What survives a crash**: the bytes of a file that was synced, under a name in a folder that was synced after the
//! name was given, in folders of which the same is true. Anything else may be there, may be gone, or may be there in
//! part. [`durable`] has the one order of steps that holds to this.
//!
//! ```text
//!   create_new ──► write_all … ──► sync ──► rename_no_replace ──► sync_dir      durable
//!                      │             │                               │
//!                      ▼             └───────────────┬───────────────┘
//!                  the file is                       ▼ a sync fails
//!                  unfinished            the volume is condemned: each later
//!                                        change answers `Poisoned`; reads go on
//! ```
//!
//! **A failed sync condemns the volume.** The kernel may have dropped the pages that it could not write, and says so
//! only once: a second sync that succeeds proves nothing. So there is no second sync. A process that starts anew may be
//! shown what was never written, and writes again what it means to rely on.

pub mod durable;
mod error;
pub mod failpoint;
mod lock;
mod overlay;
mod path;
mod pieces;
mod poison;
mod real;
mod sim;
#[cfg(test)]
mod tests;

pub use durable::{DurableFile, durable_replace, durable_write};
pub use error::{DiskError, DiskOp};
pub use failpoint::{FailpointDisk, Fault, LoggedOp};
pub use lock::DiskLock;
pub use overlay::OverlayDisk;
pub use pieces::Pieces;
pub use real::RealDisk;
pub use sim::{SimDisk, Unsynced};

/// One volume under one root; see the [module](self) for paths, durability and condemnation.
///
/// Implementations are handles: they can be shared between threads, and a file stays open when its disk is dropped.
pub trait Disk: Send + Sync {
    /// Makes an empty file for writing; [`DiskError::AlreadyExists`] if the name is taken, whatever by.
    fn create_new(&self, path: &str) -> Result<Box<dyn DiskFile>, DiskError>;

    /// Opens a file for reading.
    fn open_read(&self, path: &str) -> Result<Box<dyn DiskRead>, DiskError>;

    /// Opens a file that is to be changed in place.
    fn open_update(&self, path: &str) -> Result<Box<dyn DiskUpdate>, DiskError>;

    /// Gives a file another name in one step; [`DiskError::AlreadyExists`], and nothing done, if that name is taken.
    fn rename_no_replace(&self, from: &str, to: &str) -> Result<(), DiskError>;

    /// Gives a file another name in one step; a file that had the name is gone once the folder is synced.
    fn rename_replace(&self, from: &str, to: &str) -> Result<(), DiskError>;

    /// Makes the names in a folder durable, as they are now.
    fn sync_dir(&self, dir: &str) -> Result<(), DiskError>;

    /// Names what lies in a folder, in byte order of the names.
    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, DiskError>;

    /// Makes a folder and those above it where they are missing, and makes all of their names durable.
    ///
    /// Names of folders that were there already are made durable too: whoever made them may have died before that.
    fn create_dir_all(&self, dir: &str) -> Result<(), DiskError>;

    /// Removes a file. The name may come back after a crash until its folder is synced.
    fn remove(&self, path: &str) -> Result<(), DiskError>;

    /// Says whether a file or folder has this name now, durable or not.
    fn exists(&self, path: &str) -> Result<bool, DiskError>;

    /// Takes the lock of this name, without waiting; [`DiskError::Locked`] if anybody has it, in this process too.
    ///
    /// A file of the name is made where there is none, and stays when the lock is given back.
    fn lock(&self, path: &str) -> Result<DiskLock, DiskError>;

    /// Bytes that can still be written.
    fn free_space(&self) -> Result<u64, DiskError>;

    /// Reads a whole file; [`DiskError::TooLarge`] if it is longer than the caller is willing to hold.
    fn read(&self, path: &str, max_len: u64) -> Result<Vec<u8>, DiskError> {
        let file = self.open_read(path)?;
        let len = file.len()?;
        let too_large = || DiskError::TooLarge { path: path.into(), len, max_len };
        if len > max_len {
            return Err(too_large());
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| too_large())?];
        file.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads a whole file as [`Self::read`] does; nothing if no file has the name.
    fn read_if_there(&self, path: &str, max_len: u64) -> Result<Option<Vec<u8>>, DiskError> {
        match self.read(path, max_len) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(DiskError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A file that is being written, from start to end.
pub trait DiskFile: Send {
    /// Appends all of `bytes`. After an error, any part of them may have been written.
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), DiskError>;

    /// Makes everything written so far durable. The file's name is another matter: see [`Disk::sync_dir`].
    fn sync(&mut self) -> Result<(), DiskError>;
}

/// A file that is changed in place, at any offset and from any thread.
///
/// What was written since the last sync may survive a crash sector by sector: each sector of 512 bytes is as it was
/// before or as it was written, and what lies past the length of the last sync may be anything.
pub trait DiskUpdate: DiskRead {
    /// Writes all of `bytes` from `offset` on, past the end too: what lies between reads as zero.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError>;

    /// Cuts the file, or lets it grow by zeros.
    fn set_len(&self, len: u64) -> Result<(), DiskError>;

    /// Makes everything written so far durable, and the length. The file's name is another matter: see
    /// [`Disk::sync_dir`].
    fn sync_data(&self) -> Result<(), DiskError>;
}

/// A file that is open for reading, at any offset and from any thread.
pub trait DiskRead: Send + Sync {
    /// The file's length in bytes.
    fn len(&self) -> Result<u64, DiskError>;

    /// Says whether the file has no bytes.
    fn is_empty(&self) -> Result<bool, DiskError> {
        Ok(self.len()? == 0)
    }

    /// Fills `bytes` from `offset` on; [`DiskError::UnexpectedEnd`] if the file ends before that.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError>;
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The name, without the folder's path. Bytes that are no UTF-8 are shown as U+FFFD, and can't be opened.
    pub name: String,
    /// The file's length in bytes; zero for a folder.
    pub len: u64,
    /// Says whether this is a folder.
    pub is_dir: bool,
}
