//! The file in which a restore is built: `PATH.strongroom-TOKEN`, beside the target.
//!
//! It is readable by its owner alone, and goes away with the value that owns it unless it was given the target's name.
//! A killed restore leaves it behind, under a name that nobody takes for a database.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use strongroom_core::error::Code;

use super::connect::open;
use super::location::beside;
use super::occupancy::{SIDE_FILES, shown};
use crate::source::SourceError;

/// The file under way.
pub(super) struct Staging {
    path: PathBuf,
    removed: bool,
}

impl Staging {
    /// Makes the file, which must not be there.
    pub(super) fn create(target: &Path, token: &str) -> Result<Self, SourceError> {
        let path = beside(target, &format!(".strongroom-{token}"));
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| io_failed(&path, "the file for the restore can't be made", error))?;
        Ok(Self { path, removed: false })
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A connection that writes as fast as it can: if it is cut off, the file is worth nothing, and nobody knows it.
    pub(super) fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = open(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.execute_batch(
            "PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;
             PRAGMA cache_size = -16384; PRAGMA temp_store = FILE;",
        )?;
        // No statement of a snapshot has a reason to open another file.
        connection.set_limit(rusqlite::limits::Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        Ok(connection)
    }

    /// Makes what was written durable.
    pub(super) fn sync(&self) -> Result<(), SourceError> {
        File::open(&self.path)
            .and_then(|file| file.sync_all())
            .map_err(|error| io_failed(&self.path, "the restored file can't be made durable", error))
    }

    /// The file has another name now, or none.
    pub(super) fn forget(&mut self) {
        self.removed = true;
    }

    /// Whether the file still has its first name.
    pub(super) fn is_there(&self) -> bool {
        !self.removed
    }

    /// Removes the file.
    pub(super) fn remove(mut self) -> Result<(), SourceError> {
        self.clear().map_err(|error| io_failed(&self.path, "the file of the restore can't be removed", error))
    }

    fn clear(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.removed, true) {
            return Ok(());
        }
        for suffix in SIDE_FILES {
            remove_if_there(&beside(&self.path, suffix))?;
        }
        remove_if_there(&self.path)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Whoever drops it has an error to report already; what is left lies under a name that says what it is.
        let _ = self.clear();
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The error of a target for an error of the file system.
pub(super) fn io_failed(path: &Path, message: &str, error: io::Error) -> SourceError {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::NoSpace,
        _ => Code::TargetFailed,
    };
    SourceError::Engine { code, subject: shown(path), message: message.into(), source: Some(Box::new(error)) }
}

/// The error of a target for an error of SQLite about what is being built.
pub(super) fn load_failed(subject: &str, error: rusqlite::Error) -> SourceError {
    let (code, message) = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => (Code::NoSpace, "the volume of the target is full"),
        _ => (Code::TargetFailed, "SQLite refused it"),
    };
    SourceError::Engine { code, subject: subject.into(), message: message.into(), source: Some(Box::new(error)) }
}
