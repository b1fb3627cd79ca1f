//! A load under way: tables, rows, everything built upon them, and the checks.
//!
//! One connection writes, so lanes take turns. Rows come in key order, which is the order of the table's own tree for
//! row numbers and binary keys, so that pages fill up one after another. Indexes are built when the rows are in.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use strongroom_core::error::Code;
use strongroom_core::record::ClassSchema;
use strongroom_platform::clock::Clock;

use super::checks;
use super::insert::Inserter;
use super::location::SqliteLocation;
use super::native::{DdlObject, Pragmas, parse_ddl};
use super::occupancy::{Occupancy, refuse_side_files, set_wal};
use super::publish;
use super::source::SqliteSource;
use super::staging::{Staging, load_failed};
use super::target::blob_of;
use super::wide::ByteOrder;
use crate::source::{Finding, Severity, Source, SourceError};
use crate::target::{FeedRecord, Load, LoadPlan, RecordFeed};

/// A restore that has begun.
pub(super) struct SqliteLoad {
    path: PathBuf,
    occupancy: Occupancy,
    token: String,
    staging: Staging,
    /// The connection that loads; gone once everything is in.
    connection: Mutex<Option<Connection>>,
    pragmas: Pragmas,
    after: Vec<DdlObject>,
    sequences: Option<String>,
    clock: Arc<dyn Clock>,
}

impl SqliteLoad {
    /// Creates the tables in the staging file.
    pub(super) fn create(
        path: PathBuf,
        occupancy: Occupancy,
        staging: Staging,
        plan: &LoadPlan<'_>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SourceError> {
        let pragmas = Pragmas::from_blob(blob_of(plan, "pragmas")?)?;
        let tables = parse_ddl(blob_of(plan, "ddl-before")?)?;
        let after = parse_ddl(blob_of(plan, "ddl-after")?)?;
        let sequences = blob_of(plan, "sequences").ok().map(|sql| String::from_utf8_lossy(sql).into_owned());
        let connection = staging.connect().map_err(|error| load_failed(&super::occupancy::shown(&path), error))?;
        prepare(&connection, &pragmas).map_err(|error| load_failed("pragmas", error))?;
        for table in &tables {
            connection.execute_batch(&table.sql).map_err(|error| load_failed(&table.name, error))?;
        }
        connection.execute_batch("COMMIT").map_err(|error| load_failed("tables", error))?;
        let connection = Mutex::new(Some(connection));
        let token = plan.token.into();
        Ok(Self { path, occupancy, token, staging, connection, pragmas, after, sequences, clock })
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T, SourceError>) -> Result<T, SourceError> {
        let slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = || SourceError::engine(Code::Internal, "load", "rows came after the end of the data");
        work(slot.as_ref().ok_or_else(ended)?)
    }

    /// Builds what stands upon the rows; what SQLite refuses becomes a finding.
    fn build(&self, connection: &Connection) -> Result<Vec<Finding>, SourceError> {
        let mut findings = Vec::new();
        for object in &self.after {
            if let Err(error) = connection.execute_batch(&object.sql) {
                let message = format!("the {} could not be made: {error}", object.kind);
                findings.push(Finding { severity: Severity::Incomplete, subject: object.name.clone(), message });
            }
        }
        if let Some(sequences) = &self.sequences {
            restore_sequences(connection, sequences).map_err(|error| load_failed("sqlite_sequence", error))?;
        }
        Ok(findings)
    }

    /// Takes the connection away, so that nothing can be loaded any more.
    fn end(&self) -> Result<Connection, SourceError> {
        let taken = self.connection.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.ok_or_else(|| SourceError::engine(Code::Internal, "load", "the data was ended twice"))
    }

    fn is_loading(&self) -> bool {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Everything but the change of names: the file as it will be, durable.
    fn seal(&self) -> Result<(), SourceError> {
        if self.is_loading() {
            return Err(SourceError::engine(Code::Internal, "load", "it was published before its data ended"));
        }
        if self.pragmas.journal_mode == "wal" {
            set_wal(self.staging.path()).map_err(|error| load_failed("journal_mode", error))?;
        }
        refuse_side_files(self.staging.path(), Code::Busy)?;
        self.staging.sync()
    }

    /// Publishes, asking before each step that changes names.
    pub(super) fn publish_with(mut self, before: &mut publish::BeforeStep<'_>) -> Result<Vec<Finding>, SourceError> {
        self.seal()?;
        publish::publish(&self.path, self.occupancy, &self.token, &mut self.staging, before)
    }
}

impl Load for SqliteLoad {
    fn load(&self, _lane: usize, class: &ClassSchema, feed: &mut RecordFeed<'_>) -> Result<u64, SourceError> {
        let failed = |error| load_failed(&class.name, error);
        self.with(|connection| {
            connection.execute_batch("BEGIN").map_err(failed)?;
            let order = ByteOrder::of_encoding(&self.pragmas.encoding);
            let mut inserter = Inserter::new(connection, class, order)?;
            let mut take = |record: &FeedRecord<'_>| inserter.insert(record);
            let outcome = feed(&mut take);
            connection.execute_batch("COMMIT").map_err(failed)?;
            outcome
        })
    }

    fn after_data(&self) -> Result<Vec<Finding>, SourceError> {
        let connection = self.end()?;
        let mut findings = self.build(&connection)?;
        connection.close().map_err(|(_, error)| load_failed("schema", error))?;
        // A new connection reads the schema anew, virtual tables included.
        let connection = self.staging.connect().map_err(|error| load_failed("schema", error))?;
        findings.extend(checks::run(&connection, &self.pragmas));
        connection.close().map_err(|(_, error)| load_failed("schema", error))?;
        Ok(findings)
    }

    fn as_source(&self) -> Result<Box<dyn Source>, SourceError> {
        let location = SqliteLocation::new(self.staging.path());
        Ok(Box::new(SqliteSource::new(location, Arc::clone(&self.clock))))
    }

    fn publish(self: Box<Self>) -> Result<Vec<Finding>, SourceError> {
        self.publish_with(&mut |_| Ok(()))
    }

    fn abandon(self: Box<Self>) -> Result<(), SourceError> {
        drop(self.end());
        self.staging.remove()
    }
}

/// Sets what must be set before the first table, and begins the transaction that makes the tables.
fn prepare(connection: &Connection, pragmas: &Pragmas) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "PRAGMA page_size = {}; PRAGMA encoding = '{}'; PRAGMA auto_vacuum = {};",
        pragmas.page_size, pragmas.encoding, pragmas.auto_vacuum
    ))?;
    connection.query_row("PRAGMA main.journal_mode = OFF", [], |_| Ok(()))?;
    connection.execute_batch(&format!(
        "PRAGMA application_id = {}; PRAGMA user_version = {}; BEGIN;",
        pragmas.application_id, pragmas.user_version
    ))
}

/// Sets the counters of AUTOINCREMENT. The table that holds them comes into being with the first table that needs it.
fn restore_sequences(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    let is_there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence')";
    if !connection.query_row(is_there, [], |row| row.get::<_, bool>(0))? {
        connection.execute_batch(
            "CREATE TABLE \"strongroom sequence\"(id INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE \"strongroom sequence\";",
        )?;
    }
    connection.execute_batch(sql)
}
