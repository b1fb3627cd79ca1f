//! The copy of a database that has a rollback journal, made by one `VACUUM INTO` on the agent's spool.
//!
//! With a rollback journal, writers can't commit while somebody reads. A copy keeps them waiting for as long as the
//! disk needs, and not for as long as hashing, compressing and a slow depot do. SQLite itself makes it, in one read
//! transaction; the file is never copied by its bytes.
//!
//! ```text
//!  room for it? ─► 0600, empty ─► VACUUM INTO ─► lanes open it ─► its name is removed ─► the cut reads
//!                                └─ writers wait ─┘
//! ```
//!
//! The copy has a name only until the lanes have opened it, so that nothing is left behind however the run ends after
//! that. What a run leaves that was killed before is removed by the next one, which holds the source's lock.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use strongroom_core::error::Code;
use strongroom_platform::clock::Clock;

use super::connect::{failed, pragma_number};
use crate::source::SourceError;

/// The name of a copy in its folder.
const NAME: &str = "copy.sqlite";

/// What a copy may need beyond the pages of the original.
const SPARE_BYTES: u64 = 1 << 20;

/// A copy that is there, under its name.
#[derive(Debug)]
pub(super) struct Copy {
    path: PathBuf,
    /// How long the original was locked.
    pub(super) locked: Duration,
}

/// What became of the attempt to make a copy.
pub(super) enum Attempt {
    /// It is there.
    Made(Copy),
    /// SQLite can't copy this database, for the reason given.
    Impossible(String),
}

impl Copy {
    /// Makes a copy in a folder that is this source's own.
    pub(super) fn make(
        original: &Connection,
        subject: &str,
        folder: &Path,
        clock: &dyn Clock,
    ) -> Result<Attempt, SourceError> {
        let path = folder.join(NAME);
        prepare(folder).map_err(|error| spool_failed(folder, "the folder for a copy can't be used", error))?;
        let needed = bytes_needed(original).map_err(|error| failed(subject, error))?;
        let free = free_bytes(folder).map_err(|error| spool_failed(folder, "its free space can't be told", error))?;
        refuse_without_room(folder, needed, free)?;
        let name = path.to_str().ok_or_else(|| {
            SourceError::engine(Code::Usage, path.display().to_string(), "SQLite takes only paths that are UTF-8")
        })?;
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| spool_failed(folder, "the copy can't be made", error))?;
        let mut copy = Self { path: path.clone(), locked: Duration::ZERO };
        let began = clock.monotonic();
        let outcome = vacuum_into(original, name);
        copy.locked = clock.monotonic().since(began);
        match outcome {
            Ok(()) => Ok(Attempt::Made(copy)),
            Err(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => Err(no_room(folder, needed, 0)),
                Some(
                    ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::OutOfMemory,
                ) => Err(failed(subject, error)),
                // A collation, a function or a module that only the application has.
                _ => Ok(Attempt::Impossible(error.to_string())),
            },
        }
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // Whoever has it open goes on reading. If this fails, the next run removes it.
        let _ = remove(&self.path);
    }
}

fn vacuum_into(original: &Connection, name: &str) -> rusqlite::Result<()> {
    // A copy that does not outlive this run need not be durable.
    original.execute_batch("PRAGMA synchronous = OFF")?;
    original.execute("VACUUM main INTO ?1", [name]).map(drop)
}

/// The folder, for its owner alone and without what an earlier run left in it.
fn prepare(folder: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    remove(&folder.join(NAME))
}

/// Removes a copy and what SQLite may have put beside it.
fn remove(path: &Path) -> io::Result<()> {
    for path in [super::location::beside(path, "-journal"), path.to_owned()] {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Bytes of the pages that are in use, which a copy has too.
fn bytes_needed(original: &Connection) -> rusqlite::Result<u64> {
    let pages = pragma_number(original, "page_count")? - pragma_number(original, "freelist_count")?;
    let bytes = pages.saturating_mul(pragma_number(original, "page_size")?);
    Ok(u64::try_from(bytes).unwrap_or(0))
}

pub(super) fn free_bytes(folder: &Path) -> io::Result<u64> {
    let volume = rustix::fs::statvfs(folder)?;
    Ok(volume.f_bavail.saturating_mul(volume.f_frsize))
}

fn refuse_without_room(folder: &Path, needed: u64, free: u64) -> Result<(), SourceError> {
    if free >= needed.saturating_add(SPARE_BYTES) { Ok(()) } else { Err(no_room(folder, needed, free)) }
}

fn no_room(folder: &Path, needed: u64, free: u64) -> SourceError {
    let mb = |bytes: u64| bytes.div_ceil(1 << 20);
    let message = format!(
        "a copy of the database needs {} MiB here and {} MiB are free: free some, or put the database into WAL mode, \
         which needs no copy",
        mb(needed.saturating_add(SPARE_BYTES)),
        mb(free)
    );
    SourceError::engine(Code::NoSpace, folder.display().to_string(), message)
}

fn spool_failed(folder: &Path, message: &str, error: io::Error) -> SourceError {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::NoSpace,
        _ => Code::VolumeFailed,
    };
    SourceError::Engine {
        code,
        subject: folder.display().to_string(),
        message: message.into(),
        source: Some(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use strongroom_platform::clock::SystemClock;

    fn make(original: &Connection, folder: &Path) -> Result<Attempt, SourceError> {
        Copy::make(original, "test.db", folder, &SystemClock)
    }

    #[test]
    fn a_copy_is_for_its_owner_alone_and_goes_with_its_value() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("spool/source");
        let original = Connection::open(place.path().join("a.db")).unwrap();
        original.execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES (1)").unwrap();
        let Attempt::Made(copy) = make(&original, &folder).unwrap() else { panic!("no copy") };
        assert_eq!(copy.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let reader = Connection::open(copy.path()).unwrap();
        assert_eq!(reader.query_row("SELECT a FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), 1);
        drop(copy);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_run_left_is_removed_and_an_error_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join(NAME), "left").unwrap();
        let path = place.path().join("a.db");
        let original = Connection::open(&path).unwrap();
        original.execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES (1)").unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        original.busy_timeout(Duration::ZERO).unwrap();
        let error = make(&original, &place.path().join("spool")).err().unwrap();
        assert_eq!(error.code(), Code::SourceLocked);
        assert_eq!(std::fs::read_dir(place.path().join("spool")).unwrap().count(), 0);
        other.execute_batch("ROLLBACK").unwrap();
        drop(make(&original, place.path()).unwrap());
        assert!(!place.path().join(NAME).exists());
    }

    #[test]
    fn without_room_the_error_says_what_to_do() {
        let folder = Path::new("/spool");
        refuse_without_room(folder, 10 << 20, 11 << 20).unwrap();
        let error = refuse_without_room(folder, 10 << 20, 10 << 20).unwrap_err();
        assert_eq!(error.code(), Code::NoSpace);
        assert!(error.to_string().contains("needs 11 MiB here and 10 MiB are free"), "{error}");
        assert!(error.to_string().contains("WAL"), "{error}");
    }
}
