//! The source and its cut.
//!
//! A cut is one read transaction on one connection. What it reads is the database as it was when the transaction made
//! its first read, whatever is committed meanwhile. Nothing is written, no lock outlives the cut, and dropping it
//! without closing it ends the transaction too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use strongroom_core::error::Code;
use strongroom_core::record::{ClassSchema, DynamicValue};
use strongroom_platform::clock::{Clock, MonotonicTime};

use super::catalog::{Catalog, Kind, Object};
use super::connect::{failed, open_read_only};
use super::findings;
use super::location::SqliteLocation;
use super::native::{self, Pragmas};
use super::wide::ByteOrder;
use super::{insert, quote, schema};
use crate::source::{
    CaptureOptions, Cut, CutClass, CutFacts, Finding, NativeBlob, PartRead, RowWriter, Severity, Source, SourceError,
};

/// Rows of a WITHOUT ROWID table are counted no further than this for an estimate.
const ESTIMATE_COUNT_MAX: i64 = 100_000;

/// How long to wait for a writer that is just committing, unless told otherwise.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// No row takes less of the file: header, one value and its place in the page.
const ROW_BYTES_MIN: u64 = 4;

/// A SQLite database that is protected.
#[derive(Clone)]
pub struct SqliteSource {
    location: SqliteLocation,
    clock: Arc<dyn Clock>,
    busy_wait: Duration,
}

impl SqliteSource {
    /// A source behind a location. Nothing is opened yet.
    pub fn new(location: SqliteLocation, clock: Arc<dyn Clock>) -> Self {
        Self { location, clock, busy_wait: BUSY_WAIT }
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

    /// Where the database lies.
    pub fn location(&self) -> &SqliteLocation {
        &self.location
    }

    /// Opens a cut.
    pub(super) fn open_cut(&self, options: &CaptureOptions) -> Result<SqliteCut, SourceError> {
        let connection = open_read_only(&self.location, self.busy_wait)?;
        let subject = self.location.shown();
        let opened = self.clock.monotonic();
        SqliteCut::begin(connection, &subject, options)
            .map_err(|error| failed(&subject, error))
            .and_then(|cut| cut.describe(self, opened))
    }
}

impl Source for SqliteSource {
    fn open(&self, options: &CaptureOptions) -> Result<Box<dyn Cut>, SourceError> {
        Ok(Box::new(self.open_cut(options)?))
    }
}

/// One read transaction.
pub(super) struct SqliteCut {
    connection: Mutex<Connection>,
    pub(super) catalog: Catalog,
    pub(super) pragmas: Pragmas,
    classes: Vec<CutClass>,
    facts: CutFacts,
    clock: Option<(Arc<dyn Clock>, MonotonicTime)>,
}

impl SqliteCut {
    /// Starts the transaction and reads the catalog in it.
    fn begin(connection: Connection, database: &str, options: &CaptureOptions) -> rusqlite::Result<Self> {
        connection.execute_batch("BEGIN")?;
        // BEGIN alone takes no snapshot: the first read does.
        connection.query_row("SELECT count(*) FROM main.sqlite_schema", [], |_| Ok(()))?;
        let catalog = Catalog::read(&connection)?;
        let pragmas = Pragmas::read(&connection, &catalog)?;
        let mut facts = facts(&connection, database, &pragmas)?;
        let mut classes = Vec::new();
        for table in catalog.of(Kind::Table) {
            let (mut schema, unusable) = schema::read(&connection, &catalog, table)?;
            if let Some(earlier) = options.earlier.get(&schema.name) {
                schema::adopt_ids(&mut schema, earlier);
            }
            facts.findings.extend(findings::of_key(&schema, unusable));
            let records_estimate = estimate(&connection, table)?;
            classes.push(CutClass { schema, parts: 1, records_estimate, bytes_estimate: 0, skipped: None });
        }
        classes.sort_by(|a, b| a.schema.name.cmp(&b.schema.name));
        share_bytes(&mut classes, file_bytes(&connection)?);
        facts.findings.extend(findings::of_catalog(&catalog, &classes));
        Ok(Self { connection: Mutex::new(connection), catalog, pragmas, classes, facts, clock: None })
    }

    /// Adds what is known from outside the database.
    fn describe(mut self, source: &SqliteSource, opened: MonotonicTime) -> Result<Self, SourceError> {
        if let Some(path) = source.location.resolve()? {
            self.facts.findings.extend(findings::of_files(&path));
        }
        for class in &self.classes {
            class
                .schema
                .validate()
                .map_err(|error| SourceError::engine(Code::SourceUnsupported, &class.schema.name, error.to_string()))?;
        }
        self.clock = Some((Arc::clone(&source.clock), opened));
        Ok(self)
    }

    /// Works on the connection, in turns.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Connection) -> T) -> T {
        // A thread that panicked while it read has left a statement unfinished, and nothing worse.
        work(&self.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Cut for SqliteCut {
    fn facts(&self) -> &CutFacts {
        &self.facts
    }

    fn classes(&self) -> &[CutClass] {
        &self.classes
    }

    fn read(&self, _lane: usize, class: usize, part: usize, rows: &mut RowWriter<'_>) -> Result<PartRead, SourceError> {
        let Some(class) = self.classes.get(class).filter(|_| part == 0) else {
            return Err(SourceError::engine(Code::Internal, class.to_string(), "there is no such class or part"));
        };
        let order = ByteOrder::of_encoding(&self.pragmas.encoding);
        self.with(|connection| read_rows(connection, &class.schema, order, &Which::all(), rows))
    }

    fn blobs(&self) -> Result<Vec<NativeBlob>, SourceError> {
        self.with(|connection| native::blobs(connection, &self.catalog, &self.pragmas))
    }

    fn check(&self) -> Result<(), SourceError> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<Vec<Finding>, SourceError> {
        let Self { connection, pragmas, facts, clock, .. } = *self;
        let connection = connection.into_inner().unwrap_or_else(PoisonError::into_inner);
        connection.execute_batch("COMMIT").map_err(|error| failed(&facts.database, error))?;
        connection.close().map_err(|(_, error)| failed(&facts.database, error))?;
        let mut findings = Vec::new();
        if let Some((clock, opened)) = clock.filter(|_| pragmas.journal_mode != "wal") {
            let held = clock.monotonic().since(opened).as_millis();
            findings.push(Finding {
                severity: Severity::Info,
                subject: facts.database,
                message: format!(
                    "the database has a rollback journal: writers could not commit for the {held} ms of the cut; \
                     in WAL mode they can"
                ),
            });
        }
        Ok(findings)
    }
}

/// Which rows of a table are read: what follows its name in the statement, and the values that this binds.
pub(super) struct Which<'a> {
    pub(super) clause: String,
    pub(super) values: Vec<DynamicValue<'a>>,
}

impl Which<'_> {
    /// All rows, in the order in which they lie.
    pub(super) const fn all() -> Self {
        Self { clause: String::new(), values: Vec::new() }
    }
}

/// Reads rows of a table.
pub(super) fn read_rows(
    connection: &Connection,
    schema: &ClassSchema,
    order: Option<ByteOrder>,
    which: &Which<'_>,
    rows: &mut RowWriter<'_>,
) -> Result<PartRead, SourceError> {
    let failed = |error| failed(&schema.name, error);
    let mut statement = connection.prepare(&(select(schema, order) + &which.clause)).map_err(failed)?;
    for (at, value) in which.values.iter().enumerate() {
        insert::bind(&mut statement, at + 1, Some(*value)).map_err(failed)?;
    }
    let columns = schema.columns.len();
    let mut read = PartRead::default();
    let mut held = Vec::new();
    let mut found = statement.raw_query();
    while let Some(row) = found.next().map_err(failed)? {
        rows.begin();
        for column in 0..columns {
            let raw = row.get_ref(column).map_err(failed)?;
            read.bytes += size_of_value(raw);
            let value = match (raw, order) {
                (ValueRef::Null, _) => continue,
                (ValueRef::Integer(value), _) => DynamicValue::Integer(value),
                (ValueRef::Real(value), _) => DynamicValue::Real(value),
                (ValueRef::Text(bytes), _) => DynamicValue::Text(bytes),
                (ValueRef::Blob(bytes), None) => DynamicValue::Blob(bytes),
                (ValueRef::Blob(bytes), Some(order)) => {
                    if row.get(columns + column).map_err(failed)? {
                        held.clear();
                        order.hold(bytes, &mut held);
                        DynamicValue::Text(&held)
                    } else {
                        DynamicValue::Blob(bytes)
                    }
                }
            };
            rows.dynamic(column, value);
        }
        rows.end()?;
        read.captured += 1;
    }
    Ok(read)
}

/// The statement that reads a class. From a UTF-16 database, text comes as raw bytes, and behind the values stands for
/// each whether it is text.
fn select(schema: &ClassSchema, order: Option<ByteOrder>) -> String {
    let names: Vec<String> = schema.columns.iter().map(|column| quote::name(&column.name)).collect();
    let list = if order.is_none() {
        names.join(", ")
    } else {
        let raw = names
            .iter()
            .map(|name| format!("CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END"));
        let is_text = names.iter().map(|name| format!("typeof({name}) = 'text'"));
        raw.chain(is_text).collect::<Vec<_>>().join(", ")
    };
    format!("SELECT {list} FROM main.{}", quote::name(&schema.name))
}

fn size_of_value(value: ValueRef<'_>) -> u64 {
    match value {
        ValueRef::Null => 0,
        ValueRef::Integer(_) | ValueRef::Real(_) => 8,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len() as u64,
    }
}

fn facts(connection: &Connection, database: &str, pragmas: &Pragmas) -> rusqlite::Result<CutFacts> {
    let number = |name| super::connect::pragma_number(connection, name).map(|value| value.to_string());
    Ok(CutFacts {
        engine: "sqlite".into(),
        engine_version: rusqlite::version().into(),
        database: database.into(),
        position: [("schema_version".into(), number("schema_version")?)].into(),
        settings: [
            ("encoding".into(), pragmas.encoding.clone()),
            ("journal_mode".into(), pragmas.journal_mode.clone()),
            ("page_size".into(), pragmas.page_size.to_string()),
            ("application_id".into(), pragmas.application_id.to_string()),
            ("user_version".into(), pragmas.user_version.to_string()),
        ]
        .into(),
        findings: Vec::new(),
    })
}

/// Bytes of the database, as of the cut.
fn file_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let pages = super::connect::pragma_number(connection, "page_count")?;
    let page = super::connect::pragma_number(connection, "page_size")?;
    Ok(u64::try_from(pages.saturating_mul(page)).unwrap_or(0))
}

/// Rows of a table, without reading it: the highest row number, or a short count.
fn estimate(connection: &Connection, table: &Object) -> rusqlite::Result<u64> {
    let name = quote::name(&table.name);
    let sql = if table.without_rowid {
        format!("SELECT count(*) FROM (SELECT 1 FROM main.{name} LIMIT {ESTIMATE_COUNT_MAX})")
    } else {
        format!("SELECT max(_rowid_) FROM main.{name}")
    };
    // A column may be called _rowid_ and hold anything.
    let rows = connection.query_row(&sql, [], |row| Ok(row.get_ref(0)?.as_i64().unwrap_or(0)))?;
    Ok(u64::try_from(rows).unwrap_or(0).min(file_bytes(connection)? / ROW_BYTES_MIN))
}

/// Shares the bytes of the file among the classes, by rows.
fn share_bytes(classes: &mut [CutClass], bytes: u64) {
    let records: u64 = classes.iter().map(|class| class.records_estimate).sum();
    for class in classes {
        let share = u128::from(bytes) * u128::from(class.records_estimate) / u128::from(records.max(1));
        class.bytes_estimate = u64::try_from(share).unwrap_or(bytes);
    }
}
