//! The cut: one state of a database, read by one lane or by several.
//!
//! It is the database as it was when the first lane made its first read, whatever is committed meanwhile. Nothing is
//! written to the source, no lock outlives the cut, and dropping it without closing it ends its transactions too.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use strongroom_core::error::Code;
use strongroom_core::record::SchemaError;
use strongroom_platform::clock::{Clock, MonotonicTime};

use super::catalog::Catalog;
use super::connect::failed;
use super::lanes::Lanes;
use super::native::{self, Pragmas};
use super::plan::{self, Plan};
use super::rows::{Parts, read_rows};
use super::wal::WalWatch;
use super::wide::ByteOrder;
use crate::source::{
    CaptureOptions, Cut, CutClass, CutFacts, Finding, NativeBlob, PartRead, RowWriter, Severity, SourceError,
};

/// What the cut costs those who write.
pub(super) enum Standing {
    /// Nothing but room in the log.
    Logged(WalWatch),
    /// They could not commit while the copy was made, and can now.
    Copied,
    /// They can't commit while it stands; why there is no copy, if one was wanted.
    Locked { began: MonotonicTime, why: Option<String> },
}

/// One state of a database.
pub(super) struct SqliteCut {
    lanes: Lanes,
    pub(super) catalog: Catalog,
    pub(super) pragmas: Pragmas,
    classes: Vec<CutClass>,
    parts: Vec<Parts>,
    pub(super) facts: CutFacts,
    standing: Standing,
    clock: Arc<dyn Clock>,
}

impl SqliteCut {
    /// Reads the catalog in the transactions that have begun.
    pub(super) fn plan(
        lanes: Lanes,
        database: &str,
        options: (&CaptureOptions, u64),
        standing: Standing,
        clock: Arc<dyn Clock>,
    ) -> rusqlite::Result<Self> {
        let read = |connection: &Connection| plan::read(connection, database, options, lanes.len());
        let Plan { catalog, pragmas, facts, classes, parts } = lanes.with(0, read).unwrap_or(Err(no_lane()))?;
        Ok(Self { lanes, catalog, pragmas, classes, parts, facts, standing, clock })
    }

    /// Says of the cut what only its original knows.
    pub(super) fn is_a_copy(&mut self, locked: Duration) {
        // The copy's schema counts one more than the original's.
        if let Some(version) = self.facts.position.get_mut("schema_version")
            && let Ok(number) = version.parse::<i64>()
        {
            *version = (number - 1).to_string();
        }
        let message = format!(
            "the database has a rollback journal: writers could not commit for the {} ms in which it was copied; in WAL \
             mode they can",
            locked.as_millis()
        );
        self.facts.findings.push(Finding { severity: Severity::Info, subject: self.facts.database.clone(), message });
    }

    pub(super) fn validate(&self) -> Result<(), SourceError> {
        self.classes.iter().try_for_each(|class| {
            let unsupported = |error: SchemaError| {
                SourceError::engine(Code::SourceUnsupported, &class.schema.name, error.to_string())
            };
            class.schema.validate().map_err(unsupported)
        })
    }

    /// Works on the first lane's connection.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        self.lanes.with(0, work).unwrap_or(Err(no_lane()))
    }
}

impl Cut for SqliteCut {
    fn facts(&self) -> &CutFacts {
        &self.facts
    }

    fn classes(&self) -> &[CutClass] {
        &self.classes
    }

    fn read(&self, lane: usize, class: usize, part: usize, rows: &mut RowWriter<'_>) -> Result<PartRead, SourceError> {
        let missing = |what: &str| SourceError::engine(Code::Internal, what, "the cut has no such thing");
        let (Some(info), Some(parts)) = (self.classes.get(class), self.parts.get(class)) else {
            return Err(missing("class"));
        };
        if part >= parts.len() {
            return Err(missing("part"));
        }
        let order = ByteOrder::of_encoding(&self.pragmas.encoding);
        let read = |connection: &Connection| read_rows(connection, &info.schema, order, &parts.which(part), rows);
        self.lanes.with(lane, read).unwrap_or_else(|| Err(missing("lane")))
    }

    fn blobs(&self) -> Result<Vec<NativeBlob>, SourceError> {
        let blobs = |connection: &Connection| native::blobs(connection, &self.catalog, &self.pragmas);
        self.lanes.with(0, blobs).unwrap_or_else(|| Err(failed(&self.facts.database, no_lane())))
    }

    fn check(&self) -> Result<(), SourceError> {
        match &self.standing {
            Standing::Logged(watch) => watch.check(),
            Standing::Copied | Standing::Locked { .. } => Ok(()),
        }
    }

    fn close(self: Box<Self>) -> Result<Vec<Finding>, SourceError> {
        let Self { lanes, facts, standing, clock, .. } = *self;
        // Seen before the last reader leaves: whoever comes next may truncate the log.
        let grown = if let Standing::Logged(watch) = &standing { watch.finding() } else { None };
        lanes.close().map_err(|error| failed(&facts.database, error))?;
        let Standing::Locked { began, why } = standing else { return Ok(grown.into_iter().collect()) };
        let held = clock.monotonic().since(began).as_millis();
        let mut message = format!(
            "the database has a rollback journal: writers could not commit for the {held} ms of the cut; in WAL mode \
             they can"
        );
        if let Some(why) = why {
            // Writing to a string can't fail.
            let _ = write!(message, "; SQLite could not copy it to keep that short: {why}");
        }
        Ok(vec![Finding { severity: Severity::Info, subject: facts.database, message }])
    }
}

fn no_lane() -> rusqlite::Error {
    rusqlite::Error::InvalidQuery
}
