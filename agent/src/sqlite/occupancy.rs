//! What lies under a target's name, and the lock that keeps it still while it is replaced.
//!
//! Looking never changes anything. The hold is taken only when the place changes hands: it excludes every other
//! connection, brings what lies in a write-ahead log into the file, and leaves no side file that SQLite would take for
//! the new database's own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use strongroom_core::error::Code;

use super::connect::{open, pragma_word};
use super::location::{SqliteLocation, beside};
use crate::source::SourceError;

/// How long to wait for others to let go of a database that is to be replaced.
const BUSY_WAIT: Duration = Duration::from_secs(2);

/// Files that belong to a database as long as it is open, or was left in the middle of a write.
pub(super) const SIDE_FILES: [&str; 3] = ["-journal", "-wal", "-shm"];

/// What a target's name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occupancy {
    /// Nothing.
    Missing,
    /// A database without any object.
    Empty,
    /// A database with objects.
    Holds,
    /// A file that SQLite can't read.
    Damaged,
}

/// The absolute path behind a target's name, links resolved, and what is there.
pub(super) fn examine(location: &SqliteLocation) -> Result<(PathBuf, Occupancy), SourceError> {
    let subject = location.shown();
    let Some(path) = location.resolve()? else {
        let path = absolute(location)?;
        if path.is_symlink() {
            return Err(SourceError::engine(Code::TargetFailed, subject, "this is a link that leads nowhere"));
        }
        refuse_side_files(&path, Code::TargetFailed)?;
        return Ok((path, Occupancy::Missing));
    };
    if !path.is_file() {
        return Err(SourceError::engine(Code::TargetFailed, subject, "this is not a file"));
    }
    let objects = open(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).and_then(|connection| {
        connection.busy_timeout(BUSY_WAIT)?;
        connection.query_row("SELECT count(*) FROM main.sqlite_schema", [], |row| row.get::<_, i64>(0))
    });
    match objects {
        Ok(0) => Ok((path, Occupancy::Empty)),
        Ok(_) => Ok((path, Occupancy::Holds)),
        Err(error) if is_damage(&error) => Ok((path, Occupancy::Damaged)),
        Err(error) => Err(busy_or_failed(&path, error)),
    }
}

/// Refuses a place with side files: SQLite would apply them to whatever stands under the name.
pub(super) fn refuse_side_files(path: &Path, code: Code) -> Result<(), SourceError> {
    let is_there = |suffix: &&str| beside(path, suffix).symlink_metadata().is_ok();
    let Some(suffix) = SIDE_FILES.into_iter().find(is_there) else { return Ok(()) };
    let message = "this file belongs to an open or unfinished write; open and close the database with its application, or \
        move the file away";
    Err(SourceError::engine(code, beside(path, suffix).display().to_string(), message))
}

/// An exclusive lock on a database that is about to lose its name.
pub(super) struct Hold {
    connection: Option<Connection>,
    /// Whether the database was in WAL mode.
    pub(super) was_wal: bool,
}

impl Hold {
    /// Finds out whether the lock could be had, and lets go of it.
    pub(super) fn probe(path: &Path) -> Result<(), SourceError> {
        try_exclusive(path).or_else(|error| if is_damage(&error) { Ok(()) } else { Err(busy_or_failed(path, error)) })
    }

    /// Takes the lock and leaves nothing beside the file.
    pub(super) fn take(path: &Path, occupancy: Occupancy) -> Result<Self, SourceError> {
        let mut hold = Self { connection: None, was_wal: false };
        if occupancy != Occupancy::Damaged {
            let (connection, was_wal) = settle(path, occupancy).map_err(|error| busy_or_failed(path, error))?;
            hold = Self { connection: Some(connection), was_wal };
            if occupancy == Occupancy::Empty && hold.objects(path)? > 0 {
                return Err(SourceError::engine(
                    Code::TargetNotEmpty,
                    shown(path),
                    "it was empty when the restore began",
                ));
            }
        }
        refuse_side_files(path, Code::Busy)?;
        Ok(hold)
    }

    /// Lets go. The database gets its mode back, under the name that it has now.
    pub(super) fn release(mut self, kept_as: Option<&Path>) -> rusqlite::Result<()> {
        if let Some(connection) = self.connection.take() {
            connection.execute_batch("ROLLBACK")?;
            connection.close().map_err(|(_, error)| error)?;
        }
        match kept_as.filter(|_| self.was_wal) {
            Some(path) => set_wal(path),
            None => Ok(()),
        }
    }

    fn objects(&self, path: &Path) -> Result<i64, SourceError> {
        let Some(connection) = &self.connection else { return Ok(0) };
        connection
            .query_row("SELECT count(*) FROM main.sqlite_schema", [], |row| row.get(0))
            .map_err(|error| busy_or_failed(path, error))
    }
}

/// Puts a database into WAL mode and closes it again, which leaves no log behind.
pub(super) fn set_wal(path: &Path) -> rusqlite::Result<()> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.query_row("PRAGMA main.journal_mode = WAL", [], |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)
}

/// Says whether nobody else has the database open in WAL mode, or is in a transaction otherwise. Changes nothing.
fn try_exclusive(path: &Path) -> rusqlite::Result<()> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY_WAIT)?;
    // Said before the first access, this makes a database in WAL mode refuse if anybody else has it open.
    connection.query_row("PRAGMA main.locking_mode = EXCLUSIVE", [], |_| Ok(()))?;
    connection.query_row("SELECT count(*) FROM main.sqlite_schema", [], |_| Ok(()))?;
    if pragma_word(&connection, "journal_mode")? != "wal" {
        lock(&connection)?;
        connection.execute_batch("ROLLBACK")?;
    }
    connection.close().map_err(|(_, error)| error)
}

/// Brings the log into the file, leaves WAL mode, and locks. Leaving it is refused while others have the file open.
fn settle(path: &Path, occupancy: Occupancy) -> rusqlite::Result<(Connection, bool)> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY_WAIT)?;
    let was_wal = occupancy == Occupancy::Holds && pragma_word(&connection, "journal_mode")? == "wal";
    connection.query_row("PRAGMA main.journal_mode = DELETE", [], |_| Ok(()))?;
    lock(&connection)?;
    Ok((connection, was_wal))
}

/// Locks a database that is not in WAL mode. The journal of this transaction is kept in memory: a file of that name
/// would be applied to the new database.
fn lock(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA main.journal_mode = MEMORY", [], |_| Ok(()))?;
    connection.execute_batch("BEGIN EXCLUSIVE")
}

/// The path under which a file would be made: its folder must be there.
fn absolute(location: &SqliteLocation) -> Result<PathBuf, SourceError> {
    let folder = match location.path().parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let folder = folder.canonicalize().map_err(|error| SourceError::Engine {
        code: Code::TargetFailed,
        subject: location.shown(),
        message: "the folder is not there or can't be entered".into(),
        source: Some(Box::new(error)),
    })?;
    let name = location.path().file_name();
    let name = name.ok_or_else(|| SourceError::engine(Code::Usage, location.shown(), "the path names no file"))?;
    Ok(folder.join(name))
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

/// The error of a target for an error of SQLite about the file that has the target's name.
fn busy_or_failed(path: &Path, error: rusqlite::Error) -> SourceError {
    let (code, message) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (Code::Busy, "others have the database open; stop its application first")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
            (Code::Busy, "the database can't be opened for writing, or was left in the middle of a write")
        }
        _ => (Code::TargetFailed, "SQLite answered with an error"),
    };
    SourceError::Engine { code, subject: shown(path), message: message.into(), source: Some(Box::new(error)) }
}
