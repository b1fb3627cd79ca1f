//! The reading of rows: the parts of a class, and the values of each row as they are stored.

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use strongroom_core::record::{ClassSchema, DynamicValue};

use super::catalog::Object;
use super::connect::failed;
use super::schema::{TableColumn, row_number_name};
use super::wide::ByteOrder;
use super::{insert, quote};
use crate::source::{PartRead, RowWriter, SourceError};

/// Parts of one class at most.
const PARTS_MAX: u64 = 256;

/// A range of row numbers, both ends included.
pub(super) type Range = (i64, i64);

/// How a class is read.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    /// By what name the row number is known, where the class is read in ranges.
    row_number: Option<&'static str>,
    /// One range a part; where there are none, the class is one part.
    ranges: Vec<Range>,
}

impl Parts {
    /// The whole class at once.
    pub(super) const WHOLE: Self = Self { row_number: None, ranges: Vec::new() };

    /// Divides a table by its row numbers, into as many parts as are wanted.
    pub(super) fn divide(
        connection: &Connection,
        table: &Object,
        columns: &[TableColumn],
        wanted: u64,
    ) -> rusqlite::Result<Self> {
        let parts = wanted.min(PARTS_MAX);
        let Some(name) = row_number_name(table, columns).filter(|_| parts > 1) else { return Ok(Self::WHOLE) };
        let sql = format!("SELECT min({name}), max({name}) FROM main.{}", quote::name(&table.name));
        let (least, greatest): (Option<i64>, Option<i64>) =
            connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (Some(least), Some(greatest)) = (least, greatest) else { return Ok(Self::WHOLE) };
        Ok(Self { row_number: Some(name), ranges: ranges(least, greatest, parts) })
    }

    /// How many parts there are.
    pub(super) fn len(&self) -> usize {
        self.ranges.len().max(1)
    }

    /// The rows of one part. The table itself is read: an index may not agree with it.
    pub(super) fn which(&self, part: usize) -> Which<'static> {
        let within = match self.row_number.zip(self.ranges.get(part)) {
            Some((name, (from, to))) => format!(" WHERE {name} BETWEEN {from} AND {to}"),
            None => String::new(),
        };
        Which { clause: format!(" NOT INDEXED{within}"), values: Vec::new() }
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

/// Ranges that cover all numbers, of about equal length between the least and the greatest.
fn ranges(least: i64, greatest: i64, parts: u64) -> Vec<Range> {
    let width = (i128::from(greatest) - i128::from(least) + 1) / i128::from(parts.max(1));
    let border = |at: u64| i64::try_from(i128::from(least) + width * i128::from(at)).unwrap_or(i64::MAX);
    let mut from = i64::MIN;
    let mut ranges = Vec::new();
    for to in (1..parts).map(border) {
        if to > from {
            ranges.push((from, to - 1));
            from = to;
        }
    }
    ranges.push((from, i64::MAX));
    ranges
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_cover_every_number_once(least: i64, greatest: i64, parts in 1_u64..PARTS_MAX) {
            let ranges = ranges(least.min(greatest), least.max(greatest), parts);
            prop_assert_eq!(ranges.first().unwrap().0, i64::MIN);
            prop_assert_eq!(ranges.last().unwrap().1, i64::MAX);
            prop_assert!(ranges.iter().all(|(from, to)| from <= to));
            prop_assert!(ranges.windows(2).all(|pair| pair[0].1.checked_add(1) == Some(pair[1].0)));
        }
    }
}
