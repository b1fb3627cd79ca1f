//! From records back to `COPY … FROM STDIN` text: the hot path of loading.

use memchr::{memchr, memchr3};
use strongroom_core::codec::Malformed;
use strongroom_core::record::{Cell, CellKind, Cells, ClassSchema, Codec};

use crate::target::FeedRecord;

/// Writes the rows of one class.
pub(in crate::postgres) struct RowFormat<'a> {
    schema: &'a ClassSchema,
    text: Vec<u8>,
}

impl<'a> RowFormat<'a> {
    /// The rows of a class, its columns in the order of the schema.
    pub(in crate::postgres) const fn new(schema: &'a ClassSchema) -> Self {
        Self { schema, text: Vec::new() }
    }

    /// Appends a record as one line.
    pub(in crate::postgres) fn put(&mut self, record: &FeedRecord<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let mut cells = Cells::new(record.record);
        let mut large = record.large.iter();
        let mut next = cells.next_cell()?;
        for (at, column) in self.schema.columns.iter().enumerate() {
            if at > 0 {
                out.push(b'\t');
            }
            match next.filter(|cell| cell.column == column.id) {
                Some(cell) => {
                    put_cell(cell, column.codec, &mut large, &mut self.text, out)?;
                    next = cells.next_cell()?;
                }
                None => out.extend_from_slice(b"\\N"),
            }
        }
        if next.is_some() {
            return Err(Malformed::new("a cell of a column that the schema lacks"));
        }
        out.push(b'\n');
        Ok(())
    }
}

fn put_cell(
    cell: Cell<'_>,
    codec: Codec,
    large: &mut std::slice::Iter<'_, Vec<u8>>,
    text: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let bytes = match cell.kind {
        CellKind::Canonical | CellKind::Text => cell.bytes,
        CellKind::Blob | CellKind::TextBlob => large.next().ok_or(Malformed::new("a large value is missing"))?,
    };
    match (cell.kind.out_of_blob(), codec) {
        (CellKind::Text, _) | (_, Codec::Text) => put_field(out, bytes),
        (_, Codec::HexBytes) => {
            text.clear();
            codec.decode(bytes, text)?;
            put_field(out, text);
        }
        // The text of the other codecs has nothing that COPY would take for its own.
        _ => codec.decode(bytes, out)?,
    }
    Ok(())
}

/// Appends a value as a field. A field `\N` of the value itself is kept apart from NULL, since its backslash is doubled.
fn put_field(out: &mut Vec<u8>, mut value: &[u8]) {
    if memchr(b'\r', value).is_some() {
        return put_field_slowly(out, value);
    }
    while let Some(at) = memchr3(b'\\', b'\n', b'\t', value) {
        let (plain, tail) = value.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, rest)) = tail.split_first() else { return };
        put_escaped(out, *byte);
        value = rest;
    }
    out.extend_from_slice(value);
}

#[cold]
fn put_field_slowly(out: &mut Vec<u8>, value: &[u8]) {
    for byte in value {
        match byte {
            b'\\' | b'\n' | b'\t' | b'\r' => put_escaped(out, *byte),
            _ => out.push(*byte),
        }
    }
}

fn put_escaped(out: &mut Vec<u8>, byte: u8) {
    out.push(b'\\');
    out.push(match byte {
        b'\n' => b'n',
        b'\t' => b't',
        b'\r' => b'r',
        other => other,
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use strongroom_core::digest::{IdFunctions, IdKey, Profile};
    use strongroom_core::record::{Column, ColumnId, KeySpec};

    use super::*;
    use crate::postgres::copy::RowParser;
    use crate::source::RowWriter;

    fn schema() -> ClassSchema {
        let columns = [Codec::Text, Codec::Integer, Codec::HexBytes, Codec::Text];
        let columns = (1..).zip(columns).map(|(id, codec)| Column {
            id: ColumnId(id),
            name: format!("c{id}"),
            source_type: "t".into(),
            codec,
            nullable: true,
            source_ordinal: id,
        });
        ClassSchema {
            name: "s.t".into(),
            columns: columns.collect(),
            key: KeySpec::Keyless,
            references: Vec::new(),
            dropped_id_max: 0,
        }
    }

    proptest! {
        /// What is written for COPY and read as COPY is the same record again.
        #[test]
        fn a_record_survives_the_way_into_a_table_and_back(
            first in prop::option::of(prop::collection::vec(prop::sample::select(b"ab\\N\n\t\r\x08\x0b\x0c\xff'".to_vec()), 0..12)),
            number in prop::option::of(any::<i64>()),
            bytes in prop::option::of(prop::collection::vec(any::<u8>(), 0..2000)),
            last in prop::option::of(".{0,20}"),
        ) {
            let schema = schema();
            let ids = IdFunctions::new(Profile::Blake3, &IdKey::from_bytes([1; 32]));
            let mut kept: Vec<(Vec<u8>, Vec<Vec<u8>>)> = Vec::new();
            let mut keep = |row: &strongroom_core::record::Encoded<'_>| {
                let large = row.large.iter().map(|value| row.large_bytes[value.span.clone()].to_vec()).collect();
                kept.push((row.record.to_vec(), large));
                Ok(())
            };
            let mut rows = RowWriter::new(ids.clone(), &schema, &mut keep);
            rows.begin();
            if let Some(first) = &first { rows.text(0, first); }
            if let Some(number) = number { rows.text(1, number.to_string().as_bytes()); }
            let hex: Option<String> = bytes.as_ref().map(|bytes| bytes.iter().fold("\\x".into(), |text, byte| format!("{text}{byte:02x}")));
            if let Some(hex) = &hex { rows.text(2, hex.as_bytes()); }
            if let Some(last) = &last { rows.text(3, last.as_bytes()); }
            rows.end().unwrap();
            let (record, large) = kept.pop().unwrap();
            let mut line = Vec::new();
            RowFormat::new(&schema).put(&FeedRecord { record: &record, large: &large }, &mut line).unwrap();

            let mut again = Vec::new();
            let mut keep = |row: &strongroom_core::record::Encoded<'_>| { again.push(row.record.to_vec()); Ok(()) };
            let mut rows = RowWriter::new(ids, &schema, &mut keep);
            let mut parser = RowParser::new("s.t", 4);
            let cut = line.len() / 2;
            parser.feed(&line[..cut], &mut rows).unwrap();
            parser.feed(&line[cut..], &mut rows).unwrap();
            parser.finish().unwrap();
            prop_assert_eq!(again, vec![record]);
        }
    }
}
