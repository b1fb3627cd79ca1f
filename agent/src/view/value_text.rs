//! The fields of a record as people and programs see them.

use std::fmt::Write as _;

use strongroom_core::codec::Malformed;
use strongroom_core::record::{Cell, CellKind, Cells, ClassSchema, Codec, Column, DynamicValue};

/// One field of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// The source's text.
    Text(String),
    /// Bytes that are no text.
    Bytes(Vec<u8>),
    /// A whole number.
    Integer(i64),
    /// A double.
    Real(f64),
    /// NULL.
    Null,
}

impl FieldValue {
    fn text(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
    }

    /// The value for a JSON document: text, number, null, or hexadecimal digits behind `\x`.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Bytes(bytes) => {
                let mut text = "\\x".to_owned();
                for byte in bytes {
                    // Writing to a string never fails.
                    let _ = write!(text, "{byte:02x}");
                }
                text.into()
            }
            Self::Integer(value) => (*value).into(),
            Self::Real(value) => {
                serde_json::Number::from_f64(*value).map_or_else(|| value.to_string().into(), Into::into)
            }
            Self::Null => serde_json::Value::Null,
        }
    }
}

/// The names and values of a record's fields, in the order of the schema. `large` holds the contents of the cells that
/// refer to blobs, in order.
pub fn field_values<'s>(
    schema: &'s ClassSchema,
    record: &[u8],
    large: &[Vec<u8>],
) -> Result<Vec<(&'s str, FieldValue)>, Malformed> {
    let mut cells = Cells::new(record);
    let mut waiting = cells.next_cell()?;
    let mut large = large.iter();
    let mut fields = Vec::with_capacity(schema.columns.len());
    for column in &schema.columns {
        while waiting.is_some_and(|cell| cell.column < column.id) {
            waiting = cells.next_cell()?;
        }
        let Some(cell) = waiting.filter(|cell| cell.column == column.id) else {
            fields.push((column.name.as_str(), FieldValue::Null));
            continue;
        };
        waiting = cells.next_cell()?;
        let bytes: &[u8] = match cell.kind {
            CellKind::Blob | CellKind::TextBlob => large.next().ok_or(Malformed::new("large value"))?,
            CellKind::Canonical | CellKind::Text => cell.bytes,
        };
        fields.push((column.name.as_str(), value(column.codec, cell.kind.out_of_blob(), bytes)?));
    }
    Ok(fields)
}

/// The value of a column that never stands in a blob, as those of keys.
pub(crate) fn inline_value(column: &Column, record: &[u8]) -> Result<FieldValue, Malformed> {
    let mut cells = Cells::new(record);
    while let Some(cell) = cells.next_cell()? {
        if cell.column == column.id {
            return cell_value(column.codec, &cell);
        }
    }
    Ok(FieldValue::Null)
}

/// The value of a cell whose content stands in the record.
pub(crate) fn cell_value(codec: Codec, cell: &Cell<'_>) -> Result<FieldValue, Malformed> {
    value(codec, cell.kind, cell.bytes)
}

fn value(codec: Codec, kind: CellKind, bytes: &[u8]) -> Result<FieldValue, Malformed> {
    Ok(match (kind, codec) {
        (CellKind::Canonical, Codec::Dynamic) => match DynamicValue::decode(bytes)? {
            DynamicValue::Integer(value) => FieldValue::Integer(value),
            DynamicValue::Real(value) => FieldValue::Real(value),
            DynamicValue::Text(text) => FieldValue::text(text.to_vec()),
            DynamicValue::Blob(bytes) => FieldValue::Bytes(bytes.to_vec()),
        },
        (CellKind::Canonical, codec) => {
            let mut text = Vec::new();
            codec.decode(bytes, &mut text)?;
            FieldValue::text(text)
        }
        _ => FieldValue::text(bytes.to_vec()),
    })
}
