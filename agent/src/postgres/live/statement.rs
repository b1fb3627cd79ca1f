//! The SQL that reads and changes single rows.
//!
//! Values stand in it as plain literals, without a type: the server takes them for the type of the column that they are
//! compared with or given to, by the same function that reads a dump.

use strongroom_core::codec::Malformed;
use strongroom_core::error::Code;
use strongroom_core::record::{CellKind, ClassSchema, Codec, ColumnId};

use super::table_of;
use crate::partial::row::{Row, Value, key_columns};
use crate::postgres::names::{literal, quoted};
use crate::source::SourceError;

/// The columns of a class.
pub(super) fn column_list(schema: &ClassSchema) -> String {
    schema.columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
}

/// The condition that some columns have one of some values.
pub(super) fn condition(
    schema: &ClassSchema,
    columns: &[ColumnId],
    values: &[Vec<Value>],
) -> Result<String, SourceError> {
    let names: Vec<String> =
        columns.iter().filter_map(|id| schema.column(*id)).map(|column| quoted(&column.name)).collect();
    let mut tuples = Vec::with_capacity(values.len());
    for values in values {
        let literals = columns.iter().zip(values).map(|(column, value)| value_literal(schema, *column, value));
        let literals = literals.collect::<Result<Vec<_>, _>>()?.join(", ");
        tuples.push(if columns.len() == 1 { literals } else { format!("({literals})") });
    }
    let left = if columns.len() == 1 { names.concat() } else { format!("({})", names.join(", ")) };
    Ok(format!("{left} IN ({})", tuples.join(", ")))
}

/// The statement that gives some columns of a row other values; nothing if there are none.
pub(super) fn update(
    schema: &ClassSchema,
    row: &Row,
    columns: &[ColumnId],
    to: &Row,
) -> Result<Option<String>, SourceError> {
    let mut sets = Vec::with_capacity(columns.len());
    for column in columns {
        let name = schema.column(*column).map(|column| quoted(&column.name)).unwrap_or_default();
        let value = to.value(*column).map(|value| value_literal(schema, *column, &value)).transpose()?;
        sets.push(format!("{name} = {}", value.unwrap_or_else(|| "NULL".to_owned())));
    }
    let keys = key_columns(schema);
    let Some(key) = row.values(keys).filter(|_| !sets.is_empty()) else { return Ok(None) };
    let condition = condition(schema, keys, &[key])?;
    Ok(Some(format!("UPDATE ONLY {} SET {} WHERE {condition}", table_of(&schema.name), sets.join(", "))))
}

fn value_literal(schema: &ClassSchema, column: ColumnId, value: &Value) -> Result<String, SourceError> {
    let codec = schema.column(column).map_or(Codec::Text, |column| column.codec);
    let malformed = |error: Malformed| SourceError::Key(error.into());
    let mut text = Vec::new();
    match value.kind {
        CellKind::Text => text.clone_from(&value.bytes),
        _ => codec.decode(&value.bytes, &mut text).map_err(malformed)?,
    }
    let text = String::from_utf8(text).map_err(|_| {
        let message = "a value is no UTF-8, so that it can't stand in a statement; restore the whole database";
        SourceError::engine(Code::SourceUnsupported, schema.name.clone(), message)
    })?;
    Ok(literal(&text))
}

#[cfg(test)]
mod tests {
    use strongroom_core::record::{Cell, Column, KeySpec, put_cell};

    use super::*;

    fn schema() -> ClassSchema {
        let columns = [("id", Codec::Integer), ("na\"me", Codec::Text), ("note", Codec::Text)];
        let columns = (1..).zip(columns).map(|(id, (name, codec))| Column {
            id: ColumnId(id),
            name: name.into(),
            source_type: "t".into(),
            codec,
            nullable: true,
            source_ordinal: id,
        });
        ClassSchema {
            name: "public.ci".into(),
            columns: columns.collect(),
            key: KeySpec::Columns(vec![ColumnId(1)]),
            references: Vec::new(),
            dropped_id_max: 0,
        }
    }

    fn row(name: &str) -> Row {
        let mut out = Vec::new();
        put_cell(&mut out, ColumnId(0), Cell { column: ColumnId(1), kind: CellKind::Canonical, bytes: &[14] });
        put_cell(
            &mut out,
            ColumnId(1),
            Cell { column: ColumnId(2), kind: CellKind::Canonical, bytes: name.as_bytes() },
        );
        Row::from_bytes(&out).unwrap()
    }

    #[test]
    fn values_stand_as_literals_that_mean_themselves() {
        let sql = update(&schema(), &row("a"), &[2, 3].map(ColumnId), &row("it's \\")).unwrap().unwrap();
        assert_eq!(
            sql,
            "UPDATE ONLY \"public\".\"ci\" SET \"na\"\"me\" = E'it''s \\\\', \"note\" = NULL WHERE \"id\" IN ('7')"
        );
        let pairs = [row("x").values(&[1, 2].map(ColumnId)).unwrap()];
        let condition = condition(&schema(), &[1, 2].map(ColumnId), &pairs).unwrap();
        assert_eq!(condition, "(\"id\", \"na\"\"me\") IN (('7', 'x'))");
        assert_eq!(update(&schema(), &row("a"), &[], &row("b")).unwrap(), None);
    }
}
