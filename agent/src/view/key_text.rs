//! Keys as people write them: the values of the key's columns, percent-encoded, joined by commas.

use std::fmt::Write as _;

use strongroom_core::codec::Malformed;
use strongroom_core::record::{
    Cell, CellKind, ClassSchema, Codec, ColumnId, DynamicValue, KeyError, KeyPlan, KeySpec, put_cell,
};

use super::value_text::{FieldValue, inline_value};

/// A text that is not a key of the class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyTextError {
    /// The class has no key.
    #[error("class {class} has no key, so its records can't be named")]
    Keyless {
        /// The class.
        class: String,
    },
    /// Too few or too many values.
    #[error("{found} values were given for the key of class {class}, which is {names}")]
    Count {
        /// The class.
        class: String,
        /// Columns of the key.
        expected: usize,
        /// Their names.
        names: String,
        /// Values given.
        found: usize,
    },
    /// A percent sign is not followed by two hexadecimal digits.
    #[error("{text} is not percent-encoded")]
    Encoding {
        /// The value.
        text: String,
    },
    /// The key can't be made.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The encoded keys that a text may stand for: one, except where values carry their own storage class.
pub fn parse_key(schema: &ClassSchema, text: &str) -> Result<Vec<Vec<u8>>, KeyTextError> {
    let (KeySpec::Columns(columns), Some(plan)) = (&schema.key, KeyPlan::new(schema)) else {
        return Err(KeyTextError::Keyless { class: schema.name.clone() });
    };
    let values = text.split(',').map(decode_percent).collect::<Result<Vec<_>, _>>()?;
    if values.len() != columns.len() {
        let names: Vec<_> = columns.iter().filter_map(|id| schema.column(*id)).map(|c| c.name.as_str()).collect();
        let (class, expected, found) = (schema.name.clone(), columns.len(), values.len());
        return Err(KeyTextError::Count { class, expected, names: names.join(", "), found });
    }
    let mut readings: Vec<Vec<(ColumnId, CellKind, Vec<u8>)>> = vec![Vec::new()];
    for (id, value) in columns.iter().zip(&values) {
        let codec = schema.column(*id).map_or(Codec::Text, |column| column.codec);
        let forms = stored_forms(codec, value);
        readings = readings
            .iter()
            .flat_map(|reading| {
                forms.iter().map(move |(kind, bytes)| [reading.as_slice(), &[(*id, *kind, bytes.clone())]].concat())
            })
            .collect();
    }
    readings.into_iter().map(|reading| key_of(&plan, reading)).collect()
}

fn key_of(plan: &KeyPlan, mut cells: Vec<(ColumnId, CellKind, Vec<u8>)>) -> Result<Vec<u8>, KeyTextError> {
    cells.sort_by_key(|(id, ..)| *id);
    let mut record = Vec::new();
    let mut previous = ColumnId(0);
    for (column, kind, bytes) in &cells {
        put_cell(&mut record, previous, Cell { column: *column, kind: *kind, bytes });
        previous = *column;
    }
    let mut key = Vec::new();
    plan.key_of(&record, &mut key)?;
    Ok(key)
}

fn stored_forms(codec: Codec, value: &[u8]) -> Vec<(CellKind, Vec<u8>)> {
    if codec == Codec::Dynamic {
        let text = std::str::from_utf8(value).unwrap_or_default();
        let mut values = vec![DynamicValue::Text(value), DynamicValue::Blob(value)];
        values.extend(text.parse().ok().map(DynamicValue::Integer));
        values.extend(text.parse().ok().map(DynamicValue::Real));
        let encode = |value: DynamicValue<'_>| {
            let mut out = Vec::new();
            value.encode(&mut out);
            (CellKind::Canonical, out)
        };
        return values.into_iter().rev().map(encode).collect();
    }
    let mut typed = Vec::new();
    if codec.encode(value, &mut typed) {
        vec![(CellKind::Canonical, typed)]
    } else {
        vec![(CellKind::Text, value.to_vec())]
    }
}

fn decode_percent(text: &str) -> Result<Vec<u8>, KeyTextError> {
    let wrong = || KeyTextError::Encoding { text: text.to_owned() };
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or_else(wrong);
        let value = digit()? << 4 | digit()?;
        out.push(u8::try_from(value).map_err(|_| wrong())?);
    }
    Ok(out)
}

/// The text of a record's key; for a keyless class, nothing.
pub fn key_text(schema: &ClassSchema, record: &[u8]) -> Result<Option<String>, Malformed> {
    let KeySpec::Columns(columns) = &schema.key else { return Ok(None) };
    let mut parts = Vec::with_capacity(columns.len());
    for id in columns {
        let value = schema.column(*id).map(|column| inline_value(column, record)).transpose()?;
        parts.push(value.as_ref().map_or_else(String::new, encode_percent));
    }
    Ok(Some(parts.join(",")))
}

fn encode_percent(value: &FieldValue) -> String {
    let bytes = match value {
        FieldValue::Text(text) => text.as_bytes().to_vec(),
        FieldValue::Bytes(bytes) => bytes.clone(),
        FieldValue::Integer(value) => value.to_string().into_bytes(),
        FieldValue::Real(value) => value.to_string().into_bytes(),
        FieldValue::Null => Vec::new(),
    };
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~:@/+".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string never fails.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
