//! The source: where the database lies, and how a cut of it begins.
//!
//! Owns the choice between reading the database where it lies and reading a copy, and the limit to waiting for others.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use strongroom_platform::clock::Clock;

use super::connect::{failed, open, open_read_only, pragma_word};
use super::copy::{Attempt, Copy};
use super::cut::{SqliteCut, Standing};
use super::findings;
use super::lanes::Lanes;
use super::location::SqliteLocation;
use super::wal::WalWatch;
use crate::source::{CaptureOptions, Cut, Source, SourceError};

/// How long to wait for a writer that is just committing, unless told otherwise.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Bytes that one part of a class aims at: enough to be worth a range of its own, small enough to balance lanes.
const PART_BYTES: u64 = 16 << 20;

/// A SQLite database that is protected.
#[derive(Clone)]
pub struct SqliteSource {
    location: SqliteLocation,
    clock: Arc<dyn Clock>,
    busy_wait: Duration,
    copies: Option<PathBuf>,
    part_bytes: u64,
}

impl SqliteSource {
    /// A source behind a location. Nothing is opened yet.
    pub fn new(location: SqliteLocation, clock: Arc<dyn Clock>) -> Self {
        Self { location, clock, busy_wait: BUSY_WAIT, copies: None, part_bytes: PART_BYTES }
    }

    /// A source behind `sqlite:PATH`. Nothing is opened yet.
    pub fn from_url(url: &str, clock: Arc<dyn Clock>) -> Result<Self, SourceError> {
        Ok(Self::new(SqliteLocation::parse(url)?, clock))
    }

    /// The same source with another limit to how long it waits for a writer that excludes readers.
    #[must_use]
    pub fn with_busy_wait(self, busy_wait: Duration) -> Self {
        Self { busy_wait, ..self }
    }

    /// The same source with a folder for the copy that is read instead of a database with a rollback journal, so that
    /// writers wait as shortly as can be. The folder is this source's own, and is made when it is needed; one run at a
    /// time may use it.
    #[must_use]
    pub fn with_copies_in(self, folder: impl Into<PathBuf>) -> Self {
        Self { copies: Some(folder.into()), ..self }
    }

    /// The same source with tables divided into parts of about another size.
    #[must_use]
    pub fn with_part_bytes(self, part_bytes: u64) -> Self {
        Self { part_bytes, ..self }
    }

    /// Where the database lies.
    pub fn location(&self) -> &SqliteLocation {
        &self.location
    }

    /// Opens a cut.
    pub(super) fn open_cut(&self, options: &CaptureOptions) -> Result<SqliteCut, SourceError> {
        let (connection, path) = open_read_only(&self.location, self.busy_wait)?;
        let subject = self.location.shown();
        let failed = |error| failed(&subject, error);
        let is_wal = is_wal(&connection).map_err(failed)?;
        let copied = match &self.copies {
            Some(folder) if !is_wal => Some(Copy::make(&connection, &subject, folder, self.clock.as_ref())?),
            _ => None,
        };
        let began = self.clock.monotonic();
        let (reading, copy, standing) = match copied {
            Some(Attempt::Made(copy)) => (copy.path().to_owned(), Some(copy), Standing::Copied),
            Some(Attempt::Impossible(why)) => (path, None, Standing::Locked { began, why: Some(why) }),
            None if is_wal => (path.clone(), None, Standing::Logged(WalWatch::begin(&path))),
            None => (path, None, Standing::Locked { began, why: None }),
        };
        let open = || read_only(&reading, self.busy_wait);
        let first = if copy.is_some() { open().map_err(failed)? } else { connection };
        let lanes = Lanes::begin(first, options.readers, is_wal, open).map_err(failed)?;
        let locked = copy.as_ref().map(|copy| copy.locked);
        // The lanes have it open: from here on it needs no name.
        drop(copy);
        let mut cut = SqliteCut::plan(lanes, &subject, (options, self.part_bytes), standing, Arc::clone(&self.clock))
            .map_err(failed)?;
        if let Some(locked) = locked {
            cut.is_a_copy(locked);
        }
        cut.facts.findings.extend(self.location.resolve()?.as_deref().and_then(findings::of_files));
        cut.validate()?;
        Ok(cut)
    }
}

impl Source for SqliteSource {
    fn open(&self, options: &CaptureOptions) -> Result<Box<dyn Cut>, SourceError> {
        Ok(Box::new(self.open_cut(options)?))
    }
}

/// Whether readers and writers of this database do not meet.
fn is_wal(connection: &Connection) -> rusqlite::Result<bool> {
    // Only a database that was read knows its mode.
    connection.query_row("SELECT count(*) FROM main.sqlite_schema", [], |_| Ok(()))?;
    Ok(pragma_word(connection, "journal_mode")? == "wal")
}

fn read_only(path: &Path, busy_wait: Duration) -> rusqlite::Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(busy_wait)?;
    Ok(connection)
}
