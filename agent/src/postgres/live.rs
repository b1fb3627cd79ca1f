//! PostgreSQL as a live target: single records, in one transaction on one connection.
//!
//! Rows are read as `COPY` text and written by `COPY`, `UPDATE` and `DELETE`, so that values go in as they came out. Rows
//! that are to change are locked before they are read. Whether a COMMIT took effect is asked of the server by the number
//! of the transaction.

mod describe;
mod fate;
mod sequence;
mod statement;

use std::time::Duration;

use strongroom_core::codec::Malformed;
use strongroom_core::digest::IdFunctions;
use strongroom_core::error::Code;
use strongroom_core::record::{ClassSchema, ColumnId, Encoded};

use super::copy::RowParser;
use super::endpoint::Endpoint;
use super::failure::Side;
use super::marker;
use super::names::{parse_class_name, qualified};
use super::options::PostgresOptions;
use super::session::Session;
use super::target::line::RowFormat;
use crate::live::{Change, Fate, Hold, Intent, LiveClass, LiveSession, LiveTarget, Lookup, TransactionMark};
use crate::partial::row::Row;
use crate::source::{Finding, RowConsumer, RowWriter, SourceError};
use crate::target::FeedRecord;

/// What is noted as committed must survive a loss of power, whatever the login or the database is set to.
const LASTING: &str = "SELECT set_config('synchronous_commit', 'on', true) \
    WHERE current_setting('synchronous_commit') = 'off'";

/// A PostgreSQL database in use.
#[derive(Clone, Debug)]
pub struct PostgresLive {
    endpoint: Endpoint,
    lock_wait: Duration,
}

impl PostgresLive {
    /// The database behind a URL. Nothing is connected yet.
    pub fn new(url: &str, options: &PostgresOptions) -> Result<Self, SourceError> {
        let endpoint = Endpoint::parse(url, options.password.as_deref())?;
        Ok(Self { endpoint, lock_wait: options.lock_wait })
    }
}

impl LiveTarget for PostgresLive {
    fn connect(&self) -> Result<Box<dyn LiveSession>, SourceError> {
        let session = Session::open(&self.endpoint, Side::Live)?;
        let lock_wait = self.lock_wait;
        Ok(Box::new(PostgresSession { session, endpoint: self.endpoint.clone(), lock_wait, intent: Intent::Look }))
    }

    fn place(&self) -> String {
        // Another login may undo what this one did.
        let shown = self.endpoint.to_string();
        shown.split_once('@').map_or(shown.clone(), |(_, rest)| format!("postgres://{rest}"))
    }
}

struct PostgresSession {
    session: Session,
    endpoint: Endpoint,
    lock_wait: Duration,
    intent: Intent,
}

impl LiveSession for PostgresSession {
    fn begin(&mut self, intent: Intent, whole: &[&str]) -> Result<(), SourceError> {
        self.intent = intent;
        if intent == Intent::Look {
            self.session.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
            return marker::refuse(&mut self.session, &self.endpoint);
        }
        let wait = self.lock_wait.as_millis();
        self.session.batch(&format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout TO {wait}; \
             SET CONSTRAINTS ALL DEFERRED; {LASTING}"
        ))?;
        marker::refuse(&mut self.session, &self.endpoint)?;
        for class in whole {
            let lock = format!("LOCK TABLE ONLY {} IN SHARE ROW EXCLUSIVE MODE", table_of(class));
            self.session.batch(&lock).map_err(|error| error.about(class))?;
        }
        Ok(())
    }

    fn describe(&mut self, classes: &[(&str, Option<&ClassSchema>)]) -> Result<Vec<Option<LiveClass>>, SourceError> {
        describe::describe(&mut self.session, classes)
    }

    fn silence(&mut self) -> Result<bool, SourceError> {
        self.session.batch("SAVEPOINT silence")?;
        let is_silent = self.session.try_batch("SET LOCAL session_replication_role TO replica");
        match is_silent.map_err(|refusal| (refusal.state, refusal.error)) {
            Ok(()) => self.session.batch("RELEASE silence").map(|()| true),
            Err((Some(_), _)) => self.session.batch("ROLLBACK TO silence").map(|()| false),
            Err((None, error)) => Err(error),
        }
    }

    fn lookup(&mut self, lookup: &Lookup<'_>, ids: &IdFunctions) -> Result<Vec<Row>, SourceError> {
        let class = lookup.class;
        if lookup.values.is_empty() {
            return Ok(Vec::new());
        }
        let condition = statement::condition(&class.schema, lookup.columns, lookup.values)?;
        let table = table_of(&class.schema.name);
        let strength = match lookup.hold {
            Hold::Change => Some("UPDATE"),
            // A lock needs the right to write; without it the server's own checks have to do.
            Hold::Keep => Some("KEY SHARE").filter(|_| class.unwritable.is_none()),
            Hold::Nothing => None,
        };
        let lock = strength.filter(|_| self.intent == Intent::Write).map(|strength| format!(" FOR {strength}"));
        let lock = lock.unwrap_or_default();
        if !lock.is_empty() {
            // Whoever has one of them is waited for first, so that what is read then is what they left.
            let wait = format!("SELECT FROM ONLY {table} WHERE {condition}{lock}");
            self.session.batch(&wait).map_err(|error| error.about(&class.schema.name))?;
        }
        let columns = statement::column_list(&class.schema);
        let most = lookup.rows_max;
        let sql = format!("COPY (SELECT {columns} FROM ONLY {table} WHERE {condition} LIMIT {most}{lock}) TO STDOUT");
        let mut rows = Vec::new();
        self.read(class, &sql, ids, &mut |encoded| {
            rows.push(Row::of_encoded(encoded).map_err(malformed)?);
            Ok(())
        })?;
        Ok(rows)
    }

    fn scan(&mut self, class: &LiveClass, ids: &IdFunctions, take: &mut RowConsumer<'_>) -> Result<(), SourceError> {
        let columns = statement::column_list(&class.schema);
        let sql = format!("COPY (SELECT {columns} FROM ONLY {}) TO STDOUT", table_of(&class.schema.name));
        self.read(class, &sql, ids, take)
    }

    fn apply(&mut self, class: &LiveClass, change: &Change<'_>) -> Result<(), SourceError> {
        let done = match change {
            Change::Insert { columns, rows } => self.insert(class, columns, rows),
            Change::Update { row, columns, to } => {
                let sql = statement::update(&class.schema, row, columns, to)?;
                sql.map_or(Ok(()), |sql| self.session.batch(&sql))
            }
            Change::Delete { rows } => {
                let keys = crate::partial::row::key_columns(&class.schema);
                let values: Vec<_> = rows.iter().filter_map(|row| row.values(keys)).collect();
                let condition = statement::condition(&class.schema, keys, &values)?;
                self.session.batch(&format!("DELETE FROM ONLY {} WHERE {condition}", table_of(&class.schema.name)))
            }
        };
        done.map_err(|error| error.about(&class.schema.name))
    }

    fn advance(&mut self, class: &LiveClass, rows: &[&Row]) -> Result<Vec<Finding>, SourceError> {
        sequence::advance(&mut self.session, class, rows)
    }

    fn check(&mut self) -> Result<(), SourceError> {
        self.session.batch("SET CONSTRAINTS ALL IMMEDIATE")
    }

    fn mark(&mut self) -> Result<Option<TransactionMark>, SourceError> {
        fate::mark(&mut self.session).map(Some)
    }

    fn commit(&mut self) -> Result<(), SourceError> {
        self.session.batch("COMMIT")
    }

    fn roll_back(&mut self) -> Result<(), SourceError> {
        self.session.batch("ROLLBACK")
    }

    fn fate(&mut self, mark: &TransactionMark) -> Result<Fate, SourceError> {
        fate::fate(&mut self.session, mark)
    }
}

impl PostgresSession {
    fn read(
        &mut self,
        class: &LiveClass,
        sql: &str,
        ids: &IdFunctions,
        take: &mut RowConsumer<'_>,
    ) -> Result<(), SourceError> {
        let schema = &class.schema;
        let mut parser = RowParser::new(&schema.name, schema.columns.len());
        let mut consume = |encoded: &Encoded<'_>| take(encoded);
        let mut rows = RowWriter::new(ids.clone(), schema, &mut consume);
        self.session
            .copy_out(sql, &mut |bytes| parser.feed(bytes, &mut rows))
            .map_err(|error| error.about(&schema.name))?;
        parser.finish()
    }

    /// `COPY` gives identity columns the values that it is given, as `OVERRIDING SYSTEM VALUE` would.
    fn insert(&mut self, class: &LiveClass, columns: &[ColumnId], rows: &[&Row]) -> Result<(), SourceError> {
        let mut given = class.schema.clone();
        given.columns.retain(|column| columns.contains(&column.id));
        let list = statement::column_list(&given);
        let sql = format!("COPY {} ({list}) FROM STDIN", table_of(&class.schema.name));
        let mut format = RowFormat::new(&given);
        let mut copy = self.session.copy_in(&sql)?;
        for row in rows {
            format.put(&FeedRecord { record: row.as_bytes(), large: &[] }, copy.buffer()).map_err(malformed)?;
            copy.passed()?;
        }
        let (_, taken) = copy.finish()?;
        if taken == rows.len() as u64 {
            return Ok(());
        }
        let message = format!("{} records were sent, and the server took {taken}", rows.len());
        Err(SourceError::engine(Code::TargetFailed, class.schema.name.clone(), message))
    }
}

/// The quoted name of a class's table.
fn table_of(class: &str) -> String {
    let (schema, table) = parse_class_name(class).unwrap_or_default();
    qualified(&schema, &table)
}

fn malformed(error: Malformed) -> SourceError {
    SourceError::Key(error.into())
}
