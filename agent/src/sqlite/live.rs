//! SQLite as a live target: single records, in one transaction on one connection.
//!
//! The transaction takes the write lock when it begins, so what is read in it stands until it ends, and waits for other
//! writers no longer than it was told to. Foreign keys are not enforced here, since whether they are is the business of
//! each connection and not of the file: the planner checks them. Triggers do not fire.
//!
//! SQLite does not know transactions again: after a crash the records themselves tell what became of one.

mod describe;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use strongroom_core::codec::Malformed;
use strongroom_core::digest::IdFunctions;
use strongroom_core::error::Code;
use strongroom_core::record::{ClassSchema, ColumnId, DynamicValue, Encoded};

use super::connect::{failed, open, pragma_word};
use super::insert::{Inserter, bind, is_wide};
use super::location::SqliteLocation;
use super::quote;
use super::rows::{Which, read_rows};
use super::staging::load_failed;
use super::wide::ByteOrder;
use crate::live::{Change, Fate, Intent, LiveClass, LiveSession, LiveTarget, Lookup, TransactionMark};
use crate::partial::row::{Row, Value, key_columns};
use crate::source::{Finding, RowConsumer, RowWriter, SourceError};
use crate::target::FeedRecord;

/// How long to wait for another writer, unless told otherwise.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Rows that one statement names: a parameter each, of which SQLite has some thousands.
const ROWS_AT_ONCE: usize = 64;

/// A SQLite database in use.
#[derive(Clone, Debug)]
pub struct SqliteLive {
    location: SqliteLocation,
    busy_wait: Duration,
}

impl SqliteLive {
    /// A database at `sqlite:PATH`. Nothing is opened yet.
    pub fn from_url(url: &str) -> Result<Self, SourceError> {
        Ok(Self { location: SqliteLocation::parse(url)?, busy_wait: BUSY_WAIT })
    }

    /// The same database with another limit to how long another writer is waited for.
    #[must_use]
    pub fn with_busy_wait(self, busy_wait: Duration) -> Self {
        Self { busy_wait, ..self }
    }

    fn path(&self) -> Result<PathBuf, SourceError> {
        let missing = || SourceError::engine(Code::SourceUnreachable, self.location.shown(), "there is no such file");
        self.location.resolve()?.filter(|path| path.is_file()).ok_or_else(missing)
    }
}

impl LiveTarget for SqliteLive {
    fn connect(&self) -> Result<Box<dyn LiveSession>, SourceError> {
        let path = self.path()?;
        let shown = self.location.shown();
        let prepared = || -> rusqlite::Result<(Connection, String)> {
            let connection = open_for_writing(&path, self.busy_wait)?;
            let encoding = pragma_word(&connection, "encoding")?;
            Ok((connection, encoding))
        };
        let (connection, encoding) = prepared().map_err(|error| live_failed(&shown, error))?;
        let order = ByteOrder::of_encoding(&encoding);
        Ok(Box::new(SqliteSession { connection, shown, order }))
    }

    fn place(&self) -> String {
        let path = self.location.resolve().ok().flatten().unwrap_or_else(|| self.location.path().to_owned());
        format!("sqlite:{}", path.display())
    }
}

fn open_for_writing(path: &Path, busy_wait: Duration) -> rusqlite::Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(busy_wait)?;
    // What is noted as committed must survive a loss of power: the journal's end, too, which is the commit.
    connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA synchronous = EXTRA;")?;
    Ok(connection)
}

struct SqliteSession {
    connection: Connection,
    shown: String,
    order: Option<ByteOrder>,
}

impl LiveSession for SqliteSession {
    fn begin(&mut self, intent: Intent, _whole: &[&str]) -> Result<(), SourceError> {
        let begin = if intent == Intent::Write { "BEGIN IMMEDIATE" } else { "BEGIN" };
        self.run(begin)?;
        if intent == Intent::Write && self.connection.is_readonly("main").unwrap_or(false) {
            return Err(SourceError::engine(Code::SourcePrivilege, &self.shown, "the file can't be written"));
        }
        // The first read takes the snapshot.
        self.connection
            .query_row("SELECT count(*) FROM main.sqlite_schema", [], |_| Ok(()))
            .map_err(|error| live_failed(&self.shown, error))
    }

    fn describe(&mut self, classes: &[(&str, Option<&ClassSchema>)]) -> Result<Vec<Option<LiveClass>>, SourceError> {
        let described = describe::describe(&self.connection, classes);
        let mut described = described.map_err(|error| live_failed(&self.shown, error))?;
        if self.connection.is_readonly("main").unwrap_or(false) {
            let why = "the file can't be written by this user".to_owned();
            described.iter_mut().flatten().for_each(|class| class.unwritable = Some(why.clone()));
        }
        Ok(described)
    }

    fn silence(&mut self) -> Result<bool, SourceError> {
        let is_on = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false);
        is_on.map(|is_on| !is_on).map_err(|error| live_failed(&self.shown, error))
    }

    fn lookup(&mut self, lookup: &Lookup<'_>, ids: &IdFunctions) -> Result<Vec<Row>, SourceError> {
        let mut rows = Vec::new();
        let mut take = |encoded: &Encoded<'_>| {
            rows.push(Row::of_encoded(encoded).map_err(malformed)?);
            Ok(())
        };
        let schema = &lookup.class.schema;
        for values in lookup.values.chunks(ROWS_AT_ONCE) {
            let condition = condition(schema, lookup.columns, values)?;
            let clause = format!(" WHERE {} LIMIT {}", condition.clause, lookup.rows_max);
            let which = Which { clause, values: condition.values };
            let mut writer = RowWriter::new(ids.clone(), schema, &mut take);
            read_rows(&self.connection, schema, self.order, &which, &mut writer)?;
        }
        Ok(rows)
    }

    fn scan(&mut self, class: &LiveClass, ids: &IdFunctions, take: &mut RowConsumer<'_>) -> Result<(), SourceError> {
        let mut consume = |encoded: &Encoded<'_>| take(encoded);
        let mut writer = RowWriter::new(ids.clone(), &class.schema, &mut consume);
        read_rows(&self.connection, &class.schema, self.order, &Which::all(), &mut writer).map(drop)
    }

    fn apply(&mut self, class: &LiveClass, change: &Change<'_>) -> Result<(), SourceError> {
        let schema = &class.schema;
        match change {
            Change::Insert { columns, rows } => {
                let mut given = schema.clone();
                given.columns.retain(|column| columns.contains(&column.id));
                let mut inserter = Inserter::new(&self.connection, &given, self.order)?;
                for row in *rows {
                    inserter.insert(&FeedRecord { record: row.as_bytes(), large: &[] })?;
                }
                Ok(())
            }
            Change::Update { row, columns, to } => self.update(schema, row, columns, to),
            Change::Delete { rows } => {
                for rows in rows.chunks(ROWS_AT_ONCE) {
                    let values: Vec<_> = rows.iter().filter_map(|row| row.values(key_columns(schema))).collect();
                    let which = condition(schema, key_columns(schema), &values)?;
                    let sql = format!("DELETE FROM main.{} WHERE {}", quote::name(&schema.name), which.clause);
                    let values: Vec<_> = which.values.iter().copied().map(Some).collect();
                    self.execute(schema, &sql, &values)?;
                }
                Ok(())
            }
        }
    }

    fn advance(&mut self, _class: &LiveClass, _rows: &[&Row]) -> Result<Vec<Finding>, SourceError> {
        // SQLite itself moves the counter of AUTOINCREMENT past every row number that is given, and never back.
        Ok(Vec::new())
    }

    fn check(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    fn mark(&mut self) -> Result<Option<TransactionMark>, SourceError> {
        Ok(None)
    }

    fn commit(&mut self) -> Result<(), SourceError> {
        self.run("COMMIT")
    }

    fn roll_back(&mut self) -> Result<(), SourceError> {
        self.run("ROLLBACK")
    }

    fn fate(&mut self, _mark: &TransactionMark) -> Result<Fate, SourceError> {
        Ok(Fate::Unknown)
    }
}

impl SqliteSession {
    fn run(&self, sql: &str) -> Result<(), SourceError> {
        self.connection.execute_batch(sql).map_err(|error| live_failed(&self.shown, error))
    }

    fn update(&self, schema: &ClassSchema, row: &Row, columns: &[ColumnId], to: &Row) -> Result<(), SourceError> {
        if columns.is_empty() {
            return Ok(());
        }
        let new: Vec<Option<Value>> = columns.iter().map(|column| to.value(*column)).collect();
        let mut wide: Vec<Option<Vec<u8>>> = Vec::with_capacity(new.len());
        let mut values = Vec::with_capacity(new.len() + 1);
        for value in &new {
            let value =
                value.as_ref().map(|value| DynamicValue::decode(&value.bytes)).transpose().map_err(malformed)?;
            // Text that can't go through UTF-8 is bound as raw UTF-16.
            wide.push(match (value, self.order) {
                (Some(text @ DynamicValue::Text(bytes)), Some(order)) if is_wide(&text) => order.restore(bytes),
                _ => None,
            });
            values.push(value);
        }
        let mut sets = Vec::with_capacity(columns.len());
        for (at, (column, raw)) in columns.iter().zip(&wide).enumerate() {
            let name = schema.column(*column).map(|column| quote::name(&column.name)).unwrap_or_default();
            let number = at + 1;
            sets.push(match raw {
                Some(_) => format!("{name} = CAST(?{number} AS TEXT)"),
                None => format!("{name} = ?{number}"),
            });
        }
        for (value, raw) in values.iter_mut().zip(&wide) {
            *value = raw.as_deref().map(DynamicValue::Blob).or(*value);
        }
        let keys = key_columns(schema);
        let key = row.values(keys).unwrap_or_default();
        let mut conditions = Vec::with_capacity(keys.len());
        for (column, value) in keys.iter().zip(&key) {
            let name = schema.column(*column).map(|column| quote::name(&column.name)).unwrap_or_default();
            values.push(Some(DynamicValue::decode(&value.bytes).map_err(malformed)?));
            conditions.push(format!("{name} = ?{}", values.len()));
        }
        let sql = format!(
            "UPDATE OR ABORT main.{} SET {} WHERE {}",
            quote::name(&schema.name),
            sets.join(", "),
            conditions.join(" AND ")
        );
        self.execute(schema, &sql, &values)
    }

    fn execute(&self, schema: &ClassSchema, sql: &str, values: &[Option<DynamicValue<'_>>]) -> Result<(), SourceError> {
        let run = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(sql)?;
            for (at, value) in values.iter().enumerate() {
                bind(&mut statement, at + 1, *value)?;
            }
            statement.raw_execute().map(drop)
        };
        run().map_err(|error| load_failed(&schema.name, error))
    }
}

/// The condition that some columns have one of some values.
fn condition<'v>(
    schema: &ClassSchema,
    columns: &[ColumnId],
    values: &'v [Vec<Value>],
) -> Result<Which<'v>, SourceError> {
    let mut bound = Vec::with_capacity(values.len() * columns.len());
    let mut any = Vec::with_capacity(values.len());
    for values in values {
        let mut all = Vec::with_capacity(columns.len());
        for (column, value) in columns.iter().zip(values) {
            bound.push(DynamicValue::decode(&value.bytes).map_err(malformed)?);
            let name = schema.column(*column).map(|column| quote::name(&column.name)).unwrap_or_default();
            all.push(format!("{name} = ?{}", bound.len()));
        }
        any.push(format!("({})", all.join(" AND ")));
    }
    Ok(Which { clause: any.join(" OR "), values: bound })
}

/// The error of a live target for an error of SQLite.
fn live_failed(subject: &str, error: rusqlite::Error) -> SourceError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => SourceError::Engine {
            code: Code::SourceLocked,
            subject: subject.into(),
            message: "another connection writes, and did not end in time".into(),
            source: Some(Box::new(error)),
        },
        Some(ErrorCode::DiskFull) => load_failed(subject, error),
        Some(ErrorCode::ReadOnly) => SourceError::Engine {
            code: Code::SourcePrivilege,
            subject: subject.into(),
            message: "the database can't be written".into(),
            source: Some(Box::new(error)),
        },
        _ => failed(subject, error),
    }
}

fn malformed(error: Malformed) -> SourceError {
    SourceError::Key(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_lasts_whatever_the_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("live.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        let connection = open_for_writing(&path, BUSY_WAIT).unwrap();
        let level: u8 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
        assert_eq!(level, 3, "the folder is synchronised after the journal is gone");
    }
}
