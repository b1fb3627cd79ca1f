//! Connections to a source, and what SQLite's errors mean.
//!
//! A source's connection is read-only: it can't change the file, whatever statement it is given. A database in WAL mode
//! has a shared-memory file beside it that every reader must be able to open or make; where that can't be done, the
//! error says so.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use strongroom_core::error::Code;

use super::location::SqliteLocation;
use super::quote;
use crate::source::SourceError;

/// Opens a database that must be there, read-only, and says where it really lies.
pub(super) fn open_read_only(
    location: &SqliteLocation,
    busy_wait: Duration,
) -> Result<(Connection, PathBuf), SourceError> {
    let subject = location.shown();
    let path = location
        .resolve()?
        .ok_or_else(|| SourceError::engine(Code::SourceUnreachable, &subject, "there is no such file"))?;
    if !path.is_file() {
        return Err(SourceError::engine(Code::SourceUnreachable, subject, "this is not a file"));
    }
    // Asked, and not tried: closing a file of our own would free every lock that this process has on the database.
    rustix::fs::access(&path, rustix::fs::Access::READ_OK).map_err(|error| SourceError::Engine {
        code: Code::SourcePrivilege,
        subject: subject.clone(),
        message: "the file can't be read".into(),
        source: Some(Box::new(error)),
    })?;
    let connection = open(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|error| failed(&subject, error))?;
    connection.busy_timeout(busy_wait).map_err(|error| failed(&subject, error))?;
    Ok((connection, path))
}

/// Opens a file by its absolute path; SQLite's own URIs are off, and so is its mutex: a connection is never shared
/// without a lock of ours.
pub(super) fn open(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// A pragma of the main database that gives a number.
pub(super) fn pragma_number(connection: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    connection.query_row(&format!("PRAGMA main.{pragma}"), [], |row| row.get(0))
}

/// A pragma of the main database that gives a word.
pub(super) fn pragma_word(connection: &Connection, pragma: &str) -> rusqlite::Result<String> {
    connection.query_row(&format!("PRAGMA main.{pragma}"), [], |row| row.get(0))
}

/// The rows that a pragma gives for a table or an index.
pub(super) fn pragma_rows<T>(
    connection: &Connection,
    pragma: &str,
    of: &str,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = connection.prepare(&format!("PRAGMA main.{pragma}({})", quote::name(of)))?;
    let rows = statement.query_map([], read)?;
    rows.collect()
}

/// The error of a source for an error of SQLite.
pub(super) fn failed(subject: &str, error: rusqlite::Error) -> SourceError {
    let (code, message) = meaning(&error);
    SourceError::Engine { code, subject: subject.into(), message: message.into(), source: Some(Box::new(error)) }
}

/// What an error says to the person who runs the backup.
fn meaning(error: &rusqlite::Error) -> (Code, &'static str) {
    const WITHOUT_SHM: &str = "the database is in WAL mode or was left in the middle of a write, and its -shm file can't \
        be opened or made here: give this user write access to the folder, or capture it where the medium is writable";
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (Code::SourceLocked, "another connection holds a lock that excludes readers")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => (Code::SourcePrivilege, WITHOUT_SHM),
        Some(ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied) => {
            (Code::SourcePrivilege, "the file can't be read")
        }
        Some(ErrorCode::NotADatabase) => (Code::SourceFailed, "the file is not a SQLite database, or it is encrypted"),
        Some(ErrorCode::DatabaseCorrupt) => {
            (Code::SourceFailed, "the database is damaged; `PRAGMA integrity_check` says where")
        }
        Some(ErrorCode::SystemIoFailure) => (Code::SourceLost, "the file could not be read to its end"),
        Some(ErrorCode::SchemaChanged) => (Code::SourceChanged, "the schema changed while it was read"),
        _ => (Code::SourceFailed, "SQLite answered with an error"),
    }
}
