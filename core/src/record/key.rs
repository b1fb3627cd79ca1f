//! Keys: the order of records within a class.
//!
//! A key is the concatenation of its columns' values, each in a self-delimiting form whose byte order is the order of
//! the values: numbers by value, everything else by bytes. It never depends on a collation. One tag byte a component
//! keeps the types apart, so that values of mixed types have an order too.
//!
//! ```text
//! 05                       NULL
//! 10 i64 + 2^63            whole number          18 f64 bits, ordered     double
//! 20 16 bytes              UUID                  28 i64 + 2^63            timestamp     29 i32 + 2^31   date
//! 30 escaped 00 00         text                  31 escaped 00 00         bytes         32 escaped 00 00  text of a typed column
//! escaped: each 00 is written 00 FF
//! ```

use std::ops::Deref;

use crate::codec::{Malformed, Reader, unzigzag};
use crate::id::RecordDigest;
use crate::limits::KEY_BYTES_MAX;

use super::cell::{Cell, CellKind, Cells};
use super::schema::{ClassSchema, ColumnId, KeySpec};
use super::value::{Codec, DynamicValue};

/// An encoded key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Box<[u8]>);

impl Key {
    /// A key from its encoded bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// A record from which no key can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The record does not follow the format.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The key is longer than the format allows.
    #[error("a key has {bytes} bytes, more than the {KEY_BYTES_MAX} that are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

/// The key of a record in a class without one: the digest and an ordinal among equal records.
pub fn keyless_key(digest: RecordDigest, ordinal: u32) -> [u8; 20] {
    let mut key = [0; 20];
    key[..16].copy_from_slice(digest.as_bytes());
    key[16..].copy_from_slice(&ordinal.to_be_bytes());
    key
}

/// How the key of a class is made from a record.
#[derive(Clone, Debug)]
pub struct KeyPlan {
    columns: Vec<(ColumnId, Codec)>,
}

impl KeyPlan {
    /// The plan of a class, or nothing if it is keyless.
    pub fn new(schema: &ClassSchema) -> Option<Self> {
        let KeySpec::Columns(ids) = &schema.key else { return None };
        let columns = ids.iter().filter_map(|id| schema.column(*id)).map(|column| (column.id, column.codec)).collect();
        Some(Self { columns })
    }

    /// Appends the key of a record.
    pub fn key_of(&self, record: &[u8], out: &mut Vec<u8>) -> Result<(), KeyError> {
        let start = out.len();
        if let [(id, codec)] = self.columns.as_slice() {
            put_component(out, *codec, find(record, *id)?)?;
        } else {
            for (id, codec) in &self.columns {
                put_component(out, *codec, find(record, *id)?)?;
            }
        }
        let bytes = out.len() - start;
        if bytes > KEY_BYTES_MAX { Err(KeyError::TooLong { bytes }) } else { Ok(()) }
    }

    /// Whether the column is part of the key.
    pub fn has(&self, id: ColumnId) -> bool {
        self.columns.iter().any(|(column, _)| *column == id)
    }
}

fn find(record: &[u8], id: ColumnId) -> Result<Option<Cell<'_>>, Malformed> {
    let mut cells = Cells::new(record);
    while let Some(cell) = cells.next_cell()? {
        if cell.column >= id {
            return Ok((cell.column == id).then_some(cell));
        }
    }
    Ok(None)
}

fn put_component(out: &mut Vec<u8>, codec: Codec, cell: Option<Cell<'_>>) -> Result<(), Malformed> {
    let Some(cell) = cell else {
        out.push(0x05);
        return Ok(());
    };
    match (cell.kind, codec) {
        (CellKind::Text, _) => put_escaped(out, 0x32, cell.bytes),
        (CellKind::Blob | CellKind::TextBlob, _) => return Err(Malformed::new("key: a key column stands in a blob")),
        (CellKind::Canonical, Codec::Text) => put_escaped(out, 0x30, cell.bytes),
        (CellKind::Canonical, Codec::HexBytes) => put_escaped(out, 0x31, cell.bytes),
        (CellKind::Canonical, Codec::Dynamic) => put_dynamic(out, DynamicValue::decode(cell.bytes)?),
        (CellKind::Canonical, typed) => put_typed(out, typed, cell.bytes)?,
    }
    Ok(())
}

fn put_typed(out: &mut Vec<u8>, codec: Codec, bytes: &[u8]) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes, "key component");
    match codec {
        Codec::Integer => put_integer(out, unzigzag(reader.varint()?)),
        Codec::Uuid => {
            out.push(0x20);
            out.extend_from_slice(&reader.array::<16>()?);
        }
        Codec::Date => {
            out.push(0x29);
            out.extend_from_slice(&(reader.u32()? ^ 1 << 31).to_be_bytes());
        }
        _ => {
            out.push(0x28);
            out.extend_from_slice(&(reader.u64()? ^ 1 << 63).to_be_bytes());
        }
    }
    reader.finish()
}

fn put_integer(out: &mut Vec<u8>, value: i64) {
    out.push(0x10);
    out.extend_from_slice(&(value.cast_unsigned() ^ 1 << 63).to_be_bytes());
}

fn put_dynamic(out: &mut Vec<u8>, value: DynamicValue<'_>) {
    match value {
        DynamicValue::Integer(value) => put_integer(out, value),
        DynamicValue::Real(value) => {
            let bits = value.to_bits();
            let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
            out.push(0x18);
            out.extend_from_slice(&ordered.to_be_bytes());
        }
        DynamicValue::Text(bytes) => put_escaped(out, 0x30, bytes),
        DynamicValue::Blob(bytes) => put_escaped(out, 0x31, bytes),
    }
}

fn put_escaped(out: &mut Vec<u8>, tag: u8, mut bytes: &[u8]) {
    out.push(tag);
    while let Some(at) = memchr::memchr(0, bytes) {
        let (head, tail) = bytes.split_at(at);
        out.extend_from_slice(head);
        out.extend_from_slice(&[0, 0xff]);
        bytes = tail.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(bytes);
    out.extend_from_slice(&[0, 0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn escaped(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_escaped(&mut out, 0x30, bytes);
        out
    }

    fn dynamic(value: DynamicValue<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        put_dynamic(&mut out, value);
        out
    }

    proptest! {
        #[test]
        fn text_keys_order_as_their_bytes(a: Vec<u8>, b: Vec<u8>, more_a: u8, more_b: u8) {
            let (mut ka, mut kb) = (escaped(&a), escaped(&b));
            prop_assert_eq!(ka.cmp(&kb), a.cmp(&b));
            ka.push(more_a);
            kb.push(more_b);
            if a != b {
                prop_assert_eq!(ka.cmp(&kb), a.cmp(&b), "a component must delimit itself");
            }
        }

        #[test]
        fn number_keys_order_as_their_values(a: i64, b: i64, x: f64, y: f64) {
            prop_assert_eq!(dynamic(DynamicValue::Integer(a)).cmp(&dynamic(DynamicValue::Integer(b))), a.cmp(&b));
            prop_assert_eq!(dynamic(DynamicValue::Real(x)).cmp(&dynamic(DynamicValue::Real(y))), x.total_cmp(&y));
        }
    }
}
