//! From canonical records to rows.
//!
//! Every captured column is bound, absent ones as NULL, so that no default of the table fills in a value that the
//! source did not have; and no conflict clause of the table may swallow a row.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement};
use strongroom_core::codec::Malformed;
use strongroom_core::error::Code;
use strongroom_core::record::{Cells, ClassSchema, DynamicValue};

use super::quote;
use super::staging::load_failed;
use super::wide::ByteOrder;
use crate::source::SourceError;
use crate::target::FeedRecord;

/// Inserts the records of one class.
pub(super) struct Inserter<'a> {
    connection: &'a Connection,
    schema: &'a ClassSchema,
    order: Option<ByteOrder>,
    statement: Statement<'a>,
}

impl<'a> Inserter<'a> {
    /// An inserter into a table that is there.
    pub(super) fn new(
        connection: &'a Connection,
        schema: &'a ClassSchema,
        order: Option<ByteOrder>,
    ) -> Result<Self, SourceError> {
        let statement = connection.prepare(&insert(schema, &[])).map_err(|error| load_failed(&schema.name, error))?;
        Ok(Self { connection, schema, order, statement })
    }

    /// Inserts one record.
    pub(super) fn insert(&mut self, record: &FeedRecord<'_>) -> Result<(), SourceError> {
        let row = decode(self.schema, record).map_err(|error| damaged(&self.schema.name, error))?;
        let outcome = match self.order.filter(|_| row.iter().flatten().any(is_wide)) {
            None => execute(&mut self.statement, &row),
            Some(order) => self.insert_wide(&row, order),
        };
        outcome.map_err(|error| load_failed(&self.schema.name, error))
    }

    /// Inserts a record with text that can't go through UTF-8: it is bound as raw UTF-16.
    fn insert_wide(&self, row: &[Option<DynamicValue<'_>>], order: ByteOrder) -> rusqlite::Result<()> {
        let wide = |value: &Option<DynamicValue<'_>>| match value {
            Some(value @ DynamicValue::Text(bytes)) if is_wide(value) => order.restore(bytes),
            _ => None,
        };
        let raw: Vec<Option<Vec<u8>>> = row.iter().map(wide).collect();
        let bound: Vec<_> =
            row.iter().zip(&raw).map(|(value, raw)| raw.as_deref().map(DynamicValue::Blob).or(*value)).collect();
        let places: Vec<usize> = raw.iter().enumerate().filter_map(|(at, raw)| raw.as_ref().map(|_| at)).collect();
        execute(&mut self.connection.prepare(&insert(self.schema, &places))?, &bound)
    }
}

/// Whether the value is text of a UTF-16 database that is no valid UTF-8.
pub(super) fn is_wide(value: &DynamicValue<'_>) -> bool {
    matches!(value, DynamicValue::Text(bytes) if std::str::from_utf8(bytes).is_err())
}

/// The record's values, in the order of the columns.
fn decode<'r>(schema: &ClassSchema, record: &FeedRecord<'r>) -> Result<Vec<Option<DynamicValue<'r>>>, Malformed> {
    let mut row = vec![None; schema.columns.len()];
    let mut large = record.large.iter();
    let mut cells = Cells::new(record.record);
    while let Some(cell) = cells.next_cell()? {
        let bytes = match cell.blob()? {
            Some(_) => large.next().ok_or(Malformed::new("record: a large value is missing"))?,
            None => cell.bytes,
        };
        let at = schema.columns.binary_search_by_key(&cell.column, |column| column.id);
        let place = at.ok().and_then(|at| row.get_mut(at));
        *place.ok_or(Malformed::new("record: a column that the class lacks"))? = Some(DynamicValue::decode(bytes)?);
    }
    Ok(row)
}

fn execute(statement: &mut Statement<'_>, row: &[Option<DynamicValue<'_>>]) -> rusqlite::Result<()> {
    for (at, value) in row.iter().enumerate() {
        bind(statement, at + 1, *value)?;
    }
    statement.raw_execute().map(drop)
}

/// Binds a value, its storage class kept.
pub(super) fn bind(
    statement: &mut Statement<'_>,
    parameter: usize,
    value: Option<DynamicValue<'_>>,
) -> rusqlite::Result<()> {
    let value = match value {
        None => ValueRef::Null,
        Some(DynamicValue::Integer(value)) => ValueRef::Integer(value),
        Some(DynamicValue::Real(value)) => ValueRef::Real(value),
        Some(DynamicValue::Text(bytes)) => ValueRef::Text(bytes),
        Some(DynamicValue::Blob(bytes)) => ValueRef::Blob(bytes),
    };
    statement.raw_bind_parameter(parameter, ToSqlOutput::Borrowed(value))
}

/// The statement that inserts a row; values at `wide` are raw UTF-16, taken as text.
fn insert(schema: &ClassSchema, wide: &[usize]) -> String {
    let names = quote::names(schema.columns.iter().map(|column| column.name.as_str()));
    let parameter =
        |at: usize| if wide.contains(&at) { format!("CAST(?{} AS TEXT)", at + 1) } else { format!("?{}", at + 1) };
    let values = (0..schema.columns.len()).map(parameter).collect::<Vec<_>>().join(", ");
    format!("INSERT OR ABORT INTO main.{} ({names}) VALUES ({values})", quote::name(&schema.name))
}

fn damaged(subject: &str, error: Malformed) -> SourceError {
    SourceError::Engine {
        code: Code::Damaged,
        subject: subject.into(),
        message: "a record does not follow its format".into(),
        source: Some(Box::new(error)),
    }
}
