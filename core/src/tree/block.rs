//! Blocks: records side by side, column by column.
//!
//! Values of one column compress far better next to each other than spread over rows. A block is a pure transposition:
//! it gives back the very bytes of its records. Used by the full form of leaves and for the new records of deltas.
//!
//! ```text
//! block  = varint(records)  varint(columns)  column*
//! column = varint(column id − previous id)  flags  [presence bitmap]  [kinds, 2 bits each]  lengths  values
//! flags  = 1 present in every record · 2 all kinds canonical · 4 one length for all
//! ```

use crate::codec::{Malformed, Reader, put_varint};
use crate::limits::{LEAF_RECORDS_MAX, OBJECT_BYTES_MAX, RECORD_COLUMNS_MAX};
use crate::record::{Cell, CellKind, Cells, ColumnId, put_cell};

const ALL_PRESENT: u8 = 1;
const ALL_CANONICAL: u8 = 2;
const ONE_LENGTH: u8 = 4;

#[derive(Default)]
struct Gathered {
    rows: Vec<u32>,
    kinds: Vec<u8>,
    lengths: Vec<u32>,
    values: Vec<u8>,
}

/// Turns records into blocks; reuses its buffers.
#[derive(Default)]
pub struct BlockWriter {
    columns: Vec<Gathered>,
    used: Vec<u32>,
    records: u32,
}

impl BlockWriter {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one record.
    pub fn push(&mut self, record: &[u8]) -> Result<(), Malformed> {
        let mut cells = Cells::new(record);
        while let Some(cell) = cells.next_cell()? {
            let at = cell.column.0 as usize;
            if at > RECORD_COLUMNS_MAX * 2 {
                return Err(Malformed::new("record: column id"));
            }
            if at >= self.columns.len() {
                self.columns.resize_with(at + 1, Gathered::default);
            }
            let length = u32::try_from(cell.bytes.len()).map_err(|_| Malformed::new("record: cell length"))?;
            let Some(column) = self.columns.get_mut(at) else { continue };
            if column.rows.is_empty() {
                self.used.push(cell.column.0);
            }
            column.rows.push(self.records);
            column.kinds.push(cell.kind.number());
            column.lengths.push(length);
            column.values.extend_from_slice(cell.bytes);
        }
        self.records += 1;
        Ok(())
    }

    /// Appends the block of all records taken, and starts anew.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.used.sort_unstable();
        put_varint(out, u64::from(self.records));
        put_varint(out, self.used.len() as u64);
        let mut previous = 0;
        for id in std::mem::take(&mut self.used) {
            put_varint(out, u64::from(id - previous));
            previous = id;
            if let Some(column) = self.columns.get_mut(id as usize) {
                column.put(self.records, out);
                column.clear();
            }
        }
        self.records = 0;
    }
}

impl Gathered {
    fn put(&self, records: u32, out: &mut Vec<u8>) {
        let all_present = self.rows.len() == records as usize;
        let all_canonical = self.kinds.iter().all(|kind| *kind == 0);
        let first = self.lengths.first().copied().unwrap_or(0);
        let one_length = self.lengths.iter().all(|length| *length == first);
        out.push(
            u8::from(all_present) * ALL_PRESENT
                + u8::from(all_canonical) * ALL_CANONICAL
                + u8::from(one_length) * ONE_LENGTH,
        );
        if !all_present {
            put_packed(out, records as usize, 1, self.rows.iter().map(|row| (*row as usize, 1)));
        }
        if !all_canonical {
            put_packed(out, self.kinds.len(), 2, self.kinds.iter().copied().enumerate());
        }
        if one_length {
            put_varint(out, u64::from(first));
        } else {
            self.lengths.iter().for_each(|length| put_varint(out, u64::from(*length)));
        }
        out.extend_from_slice(&self.values);
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.kinds.clear();
        self.lengths.clear();
        self.values.clear();
    }
}

/// Appends `count` fields of `width` bits, lowest bits first; fields not given are zero.
fn put_packed(out: &mut Vec<u8>, count: usize, width: usize, fields: impl Iterator<Item = (usize, u8)>) {
    let start = out.len();
    out.resize(start + (count * width).div_ceil(8), 0);
    for (at, field) in fields {
        if let Some(byte) = out.get_mut(start + at * width / 8) {
            *byte |= field << (at * width % 8);
        }
    }
}

fn packed(bytes: &[u8], width: usize, at: usize) -> u8 {
    let byte = bytes.get(at * width / 8).copied().unwrap_or(0);
    byte >> (at * width % 8) & ((1 << width) - 1)
}

struct Column<'a> {
    id: ColumnId,
    presence: Option<&'a [u8]>,
    kinds: Option<&'a [u8]>,
    lengths: Lengths<'a>,
    values: Reader<'a>,
    at: usize,
}

enum Lengths<'a> {
    One(usize),
    Each(Reader<'a>),
}

impl<'a> Column<'a> {
    fn read(reader: &mut Reader<'a>, id: ColumnId, records: usize) -> Result<Self, Malformed> {
        let flags = reader.u8()?;
        let presence = if flags & ALL_PRESENT == 0 { Some(reader.take(records.div_ceil(8))?) } else { None };
        let present = presence.map_or(records, |bits| (0..records).filter(|at| packed(bits, 1, *at) == 1).count());
        let kinds = if flags & ALL_CANONICAL == 0 { Some(reader.take((present * 2).div_ceil(8))?) } else { None };
        let (lengths, total) = if flags & ONE_LENGTH == 0 {
            let lengths = reader.clone();
            let mut total = 0_usize;
            for _ in 0..present {
                total = total.saturating_add(reader.bounded(OBJECT_BYTES_MAX as u64)?);
            }
            (Lengths::Each(lengths), total)
        } else {
            let length = reader.bounded(OBJECT_BYTES_MAX as u64)?;
            (Lengths::One(length), length.saturating_mul(present))
        };
        let values = Reader::new(reader.take(total)?, "block values");
        Ok(Self { id, presence, kinds, lengths, values, at: 0 })
    }

    fn next(&mut self, record: usize) -> Result<Option<Cell<'a>>, Malformed> {
        if self.presence.is_some_and(|bits| packed(bits, 1, record) == 0) {
            return Ok(None);
        }
        let kind = self.kinds.map_or(CellKind::Canonical, |bits| CellKind::from_number(packed(bits, 2, self.at)));
        self.at += 1;
        let length = match &mut self.lengths {
            Lengths::One(length) => *length,
            Lengths::Each(reader) => reader.bounded(OBJECT_BYTES_MAX as u64)?,
        };
        Ok(Some(Cell { column: self.id, kind, bytes: self.values.take(length)? }))
    }
}

/// The number of records in the block that comes next, left unread.
pub fn block_records(reader: &Reader<'_>) -> Result<usize, Malformed> {
    reader.clone().bounded(LEAF_RECORDS_MAX as u64)
}

/// Reads a block and hands each record on.
pub fn read_block(
    reader: &mut Reader<'_>,
    mut record: impl FnMut(&[u8]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let records = reader.bounded(LEAF_RECORDS_MAX as u64)?;
    let count = reader.bounded(RECORD_COLUMNS_MAX as u64)?;
    let mut columns = Vec::with_capacity(count.min(reader.remaining()));
    let mut previous = 0_u32;
    for _ in 0..count {
        let gap = u32::try_from(reader.bounded(RECORD_COLUMNS_MAX as u64 * 2)?).map_err(|_| reader.malformed())?;
        if gap == 0 {
            return Err(reader.malformed());
        }
        previous = previous.saturating_add(gap);
        columns.push(Column::read(reader, ColumnId(previous), records)?);
    }
    let mut buffer = Vec::new();
    for at in 0..records {
        buffer.clear();
        let mut last = ColumnId(0);
        for column in &mut columns {
            if let Some(cell) = column.next(at)? {
                put_cell(&mut buffer, last, cell);
                last = cell.column;
            }
        }
        record(&buffer)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(cells: &std::collections::BTreeMap<u32, (u8, Vec<u8>)>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut previous = ColumnId(0);
        for (id, (kind, bytes)) in cells {
            put_cell(&mut out, previous, Cell { column: ColumnId(*id), kind: CellKind::from_number(*kind), bytes });
            previous = ColumnId(*id);
        }
        out
    }

    proptest! {
        #[test]
        fn a_block_gives_back_its_records(rows in prop::collection::vec(prop::collection::btree_map(1_u32..40,
            (0_u8..4, prop::collection::vec(any::<u8>(), 0..40)), 0..8), 0..40)) {
            let records: Vec<_> = rows.iter().map(record).collect();
            let mut writer = BlockWriter::new();
            let mut bytes = Vec::new();
            for _ in 0..2 {
                bytes.clear();
                for record in &records {
                    writer.push(record).unwrap();
                }
                writer.finish(&mut bytes);
            }
            let mut back = Vec::new();
            let mut reader = Reader::new(&bytes, "block");
            read_block(&mut reader, |record| { back.push(record.to_vec()); Ok(()) }).unwrap();
            prop_assert!(reader.is_empty());
            prop_assert_eq!(back, records);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = read_block(&mut Reader::new(&bytes, "block"), |_| Ok(()));
        }
    }
}
