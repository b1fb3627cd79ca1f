//! What can go wrong with a disk, as facts that a caller can act on.
//!
//! A path in an error is the one that an operator would look for: the real disk puts its root before it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a disk did not do what it was asked to.
#[derive(Debug, Error)]
pub enum DiskError {
    /// Nothing has this name, or a folder on the way to it does not exist.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// The name that was asked for.
        path: PathBuf,
    },
    /// The name is taken, and was to be a new one. It need not be durable yet.
    #[error("{} exists already", path.display())]
    AlreadyExists {
        /// The name that is taken.
        path: PathBuf,
    },
    /// The path leads out of the root, or is not written the one way that is allowed.
    #[error("{path:?} is no path of names joined by '/' below the root")]
    InvalidPath {
        /// The path as it was given.
        path: String,
    },
    /// The volume, or the share of it that this user may use, is full.
    #[error("no space is left for {}", path.display())]
    NoSpace {
        /// The file that was written, or the folder that was to get another name.
        path: PathBuf,
    },
    /// The file is longer than the caller is willing to hold in memory.
    #[error("{} has {len} bytes, more than the {max_len} expected of it", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        len: u64,
        /// The caller's limit in bytes.
        max_len: u64,
    },
    /// The file ends before the bytes that were asked for.
    #[error("{} ends before byte {end}", path.display())]
    UnexpectedEnd {
        /// The file.
        path: PathBuf,
        /// The end of the range that was asked for.
        end: u64,
    },
    /// Somebody else has the lock, in this process or in another one.
    #[error("{} is locked: another process has it", path.display())]
    Locked {
        /// The lock's name.
        path: PathBuf,
    },
    /// A sync failed. What had not been synced may be lost or not, and the volume takes no more changes.
    #[error("{} could not be made durable; this volume takes no more changes", path.display())]
    SyncFailed {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// An earlier sync on this volume failed, so nothing is changed on it any more. Reads still work.
    #[error("{} is left as it is: an earlier sync on this volume failed", path.display())]
    Poisoned {
        /// The file or folder that was to be changed.
        path: PathBuf,
    },
    /// The simulated process that asked is dead. A real disk never says so.
    #[error("the simulated process is dead")]
    Killed,
    /// The operating system refused for another reason.
    #[error("cannot {op} {}", path.display())]
    Io {
        /// What was tried.
        op: DiskOp,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

impl DiskError {
    /// Sorts what the operating system said about `op` on `path`.
    pub(crate) fn from_io(op: DiskOp, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path },
            io::ErrorKind::AlreadyExists => Self::AlreadyExists { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path },
            _ => Self::Io { op, path, source },
        }
    }
}

/// One kind of operation on a disk, as errors name it and fail points count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiskOp {
    /// Making a file.
    CreateNew,
    /// Opening a file for reading.
    OpenRead,
    /// Opening a file that is to be changed in place.
    OpenUpdate,
    /// Asking for a file's length.
    Len,
    /// Reading from a file.
    ReadAt,
    /// Appending to a file.
    WriteAll,
    /// Writing into a file, at an offset.
    WriteAt,
    /// Cutting a file, or letting it grow.
    SetLen,
    /// Syncing a file.
    Sync,
    /// Renaming where the new name must be free.
    RenameNoReplace,
    /// Renaming over what may have the new name.
    RenameReplace,
    /// Syncing a folder.
    SyncDir,
    /// Listing a folder.
    List,
    /// Making a folder.
    CreateDirAll,
    /// Removing a file.
    Remove,
    /// Looking whether a name is taken.
    Exists,
    /// Taking a lock.
    Lock,
    /// Asking for the free space.
    FreeSpace,
}

impl DiskOp {
    /// Says whether the operation makes something durable.
    pub const fn is_sync(self) -> bool {
        matches!(self, Self::Sync | Self::SyncDir | Self::CreateDirAll)
    }

    /// Says whether the operation can change what a later one sees, now or after a crash.
    pub const fn is_change(self) -> bool {
        let is_change = matches!(
            self,
            Self::CreateNew
                | Self::WriteAll
                | Self::WriteAt
                | Self::SetLen
                | Self::RenameNoReplace
                | Self::RenameReplace
                | Self::Remove
        );
        is_change || self.is_sync()
    }
}

impl fmt::Display for DiskOp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::CreateNew => "create",
            Self::OpenRead | Self::OpenUpdate => "open",
            Self::Len => "ask for the length of",
            Self::ReadAt => "read from",
            Self::WriteAll | Self::WriteAt => "write to",
            Self::SetLen => "set the length of",
            Self::Sync | Self::SyncDir => "sync",
            Self::RenameNoReplace | Self::RenameReplace => "rename",
            Self::List => "list",
            Self::CreateDirAll => "make the folder",
            Self::Remove => "remove",
            Self::Exists => "look for",
            Self::Lock => "lock",
            Self::FreeSpace => "ask for the free space of",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_error_leaves_its_source_to_the_chain_printer() {
        let error = DiskError::from_io(DiskOp::WriteAll, Path::new("packs/a"), io::Error::other("the cable is out"));
        assert_eq!(error.to_string(), "cannot write to packs/a");
        assert_eq!(error.source().unwrap().to_string(), "the cable is out");
    }

    #[test]
    fn a_full_quota_is_a_full_disk() {
        let full = io::Error::from(io::ErrorKind::QuotaExceeded);
        let error = DiskError::from_io(DiskOp::WriteAll, Path::new("packs/a"), full);
        assert!(matches!(error, DiskError::NoSpace { .. }));
    }
}
