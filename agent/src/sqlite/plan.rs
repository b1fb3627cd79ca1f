//! What a cut will read: catalog, settings, classes and their parts, facts and findings.
//!
//! Everything is read in the cut's own transaction, so that it fits the rows that are read later.

use rusqlite::Connection;

use super::catalog::{Catalog, Kind, Object};
use super::native::Pragmas;
use super::rows::Parts;
use super::schema::{TableColumn, row_number_name};
use super::{findings, quote, schema};
use crate::source::{CaptureOptions, CutClass, CutFacts};

/// Rows of a table without row numbers are counted no further than this for an estimate.
const ESTIMATE_COUNT_MAX: i64 = 100_000;

/// No row takes less of the file: header, one value and its place in the page.
const ROW_BYTES_MIN: u64 = 4;

/// Everything that is known before the first row is read.
pub(super) struct Plan {
    pub(super) catalog: Catalog,
    pub(super) pragmas: Pragmas,
    pub(super) facts: CutFacts,
    pub(super) classes: Vec<CutClass>,
    /// How each class is read.
    pub(super) parts: Vec<Parts>,
}

/// A class while it is planned.
struct Planned {
    class: CutClass,
    columns: Vec<TableColumn>,
}

/// Reads the catalog in a transaction that has begun.
pub(super) fn read(
    connection: &Connection,
    database: &str,
    (options, part_bytes): (&CaptureOptions, u64),
    lanes: usize,
) -> rusqlite::Result<Plan> {
    let catalog = Catalog::read(connection)?;
    let pragmas = Pragmas::read(connection, &catalog)?;
    let mut facts = facts(connection, database, &pragmas)?;
    let mut planned = Vec::new();
    for table in catalog.of(Kind::Table) {
        let read = schema::read(connection, &catalog, table)?;
        let mut schema = read.schema;
        if let Some(earlier) = options.earlier.get(&schema.name) {
            schema::adopt_ids(&mut schema, earlier);
        }
        facts.findings.extend(findings::of_key(&schema, read.unusable_key));
        let records_estimate = estimate(connection, table, &read.columns)?;
        let class = CutClass { schema, parts: 1, records_estimate, bytes_estimate: 0, skipped: None };
        planned.push(Planned { class, columns: read.columns });
    }
    planned.sort_by(|a, b| a.class.schema.name.cmp(&b.class.schema.name));
    share_bytes(&mut planned, file_bytes(connection)?);
    let (mut classes, mut parts) = (Vec::new(), Vec::new());
    for Planned { mut class, columns } in planned {
        let divided = match catalog.table(&class.schema.name).filter(|_| lanes > 1) {
            Some(table) => Parts::divide(connection, table, &columns, class.bytes_estimate / part_bytes.max(1))?,
            None => Parts::WHOLE,
        };
        class.parts = divided.len();
        classes.push(class);
        parts.push(divided);
    }
    facts.findings.extend(findings::of_catalog(&catalog, &classes));
    Ok(Plan { catalog, pragmas, facts, classes, parts })
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
fn estimate(connection: &Connection, table: &Object, columns: &[TableColumn]) -> rusqlite::Result<u64> {
    let name = quote::name(&table.name);
    let sql = match row_number_name(table, columns) {
        Some(number) => format!("SELECT max({number}) FROM main.{name}"),
        None => format!("SELECT count(*) FROM (SELECT 1 FROM main.{name} LIMIT {ESTIMATE_COUNT_MAX})"),
    };
    let rows: i64 = connection.query_row(&sql, [], |row| Ok(row.get::<_, Option<i64>>(0)?.unwrap_or(0)))?;
    Ok(u64::try_from(rows).unwrap_or(0).min(file_bytes(connection)? / ROW_BYTES_MIN))
}

/// Shares the bytes of the file among the classes, by rows.
fn share_bytes(planned: &mut [Planned], bytes: u64) {
    let records: u64 = planned.iter().map(|planned| planned.class.records_estimate).sum();
    for Planned { class, .. } in planned {
        let share = u128::from(bytes) * u128::from(class.records_estimate) / u128::from(records.max(1));
        class.bytes_estimate = u64::try_from(share).unwrap_or(bytes);
    }
}
