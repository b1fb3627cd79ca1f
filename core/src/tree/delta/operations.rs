//! What a delta does to the columns of one record.
//!
//! Owns the grammar of operations, which [`super::sweep`] shares: found between two records, written, read, applied.
//! Never knows keys or positions.

use crate::codec::{Malformed, Reader, put_bytes, put_varint};
use crate::limits::RECORD_COLUMNS_MAX;
use crate::record::{Cell, CellKind, Cells, ColumnId, put_cell};

/// A splice pays only where this many bytes stay.
const SPLICE_BYTES_MIN: usize = 4;

/// One operation on one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operation<'a> {
    pub(super) column: ColumnId,
    pub(super) change: Change<'a>,
}

/// What happens to the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change<'a> {
    /// It has this value, whatever it had.
    Set(CellKind, &'a [u8]),
    /// It has none.
    Unset,
    /// It keeps its kind and so many bytes at both ends, with others between.
    Splice { prefix: usize, suffix: usize, middle: &'a [u8] },
}

/// Finds the operations that lead from one record to another, ascending by column.
pub(super) fn between<'a>(old: &'a [u8], new: &'a [u8], out: &mut Vec<Operation<'a>>) -> Result<(), Malformed> {
    out.clear();
    let (mut old_cells, mut new_cells) = (Cells::new(old), Cells::new(new));
    let (mut before, mut after) = (old_cells.next_cell()?, new_cells.next_cell()?);
    loop {
        match (before, after) {
            (None, None) => return Ok(()),
            (Some(gone), fresh) if fresh.is_none_or(|fresh| gone.column < fresh.column) => {
                out.push(Operation { column: gone.column, change: Change::Unset });
                before = old_cells.next_cell()?;
            }
            (Some(was), Some(is)) if was.column == is.column => {
                if was != is {
                    out.push(Operation { column: is.column, change: change(was, is) });
                }
                (before, after) = (old_cells.next_cell()?, new_cells.next_cell()?);
            }
            (_, Some(fresh)) => {
                out.push(Operation { column: fresh.column, change: Change::Set(fresh.kind, fresh.bytes) });
                after = new_cells.next_cell()?;
            }
            (Some(_), None) => return Err(Malformed::new("record: cells")),
        }
    }
}

fn change<'a>(was: Cell<'_>, is: Cell<'a>) -> Change<'a> {
    let prefix = was.bytes.iter().zip(is.bytes).take_while(|(x, y)| x == y).count();
    let suffix = was.bytes.iter().rev().zip(is.bytes.iter().rev()).take_while(|(x, y)| x == y).count();
    let suffix = suffix.min(was.bytes.len() - prefix).min(is.bytes.len() - prefix);
    if was.kind == is.kind && prefix + suffix >= SPLICE_BYTES_MIN {
        let middle = is.bytes.get(prefix..is.bytes.len() - suffix).unwrap_or_default();
        Change::Splice { prefix, suffix, middle }
    } else {
        Change::Set(is.kind, is.bytes)
    }
}

/// Appends operations, which ascend by column.
pub(super) fn put(operations: &[Operation<'_>], out: &mut Vec<u8>) {
    put_varint(out, operations.len() as u64);
    let mut previous = 0;
    for operation in operations {
        let gap = u64::from(operation.column.0 - previous) << 2;
        previous = operation.column.0;
        match operation.change {
            Change::Set(kind, bytes) => {
                put_varint(out, gap);
                put_varint(out, (bytes.len() as u64) << 2 | u64::from(kind.number()));
                out.extend_from_slice(bytes);
            }
            Change::Unset => put_varint(out, gap | 1),
            Change::Splice { prefix, suffix, middle } => {
                put_varint(out, gap | 2);
                put_varint(out, prefix as u64);
                put_varint(out, suffix as u64);
                put_bytes(out, middle);
            }
        }
    }
}

/// Reads operations in place of those in `out`.
pub(super) fn read<'a>(reader: &mut Reader<'a>, out: &mut Vec<Operation<'a>>) -> Result<(), Malformed> {
    out.clear();
    let mut column = ColumnId(0);
    for _ in 0..reader.bounded(RECORD_COLUMNS_MAX as u64)? {
        let head = u32::try_from(reader.bounded(RECORD_COLUMNS_MAX as u64 * 8)?).map_err(|_| reader.malformed())?;
        if head >> 2 == 0 {
            return Err(reader.malformed());
        }
        column = ColumnId(column.0.saturating_add(head >> 2));
        let change = match head & 3 {
            0 => {
                let value = reader.varint()?;
                let length = usize::try_from(value >> 2).map_err(|_| reader.malformed())?;
                Change::Set(CellKind::from_number((value & 3) as u8), reader.take(length)?)
            }
            1 => Change::Unset,
            2 => {
                let length =
                    |reader: &mut Reader<'_>| usize::try_from(reader.varint()?).map_err(|_| reader.malformed());
                let (prefix, suffix) = (length(reader)?, length(reader)?);
                Change::Splice { prefix, suffix, middle: reader.bytes()? }
            }
            _ => return Err(reader.malformed()),
        };
        out.push(Operation { column, change });
    }
    Ok(())
}

/// Makes the new record of an old one.
///
/// To unset what the record lacks is nothing; to splice it is an error.
pub(super) fn apply(operations: &[Operation<'_>], old: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(old.len() + 16);
    let mut cells = Cells::new(old);
    let mut waiting = cells.next_cell()?;
    let mut last = ColumnId(0);
    let mut keep = |out: &mut Vec<u8>, cell: Cell<'_>| {
        put_cell(out, last, cell);
        last = cell.column;
    };
    for Operation { column, change } in operations {
        while let Some(cell) = waiting.filter(|cell| cell.column < *column) {
            keep(&mut out, cell);
            waiting = cells.next_cell()?;
        }
        let was = waiting.filter(|cell| cell.column == *column);
        if was.is_some() {
            waiting = cells.next_cell()?;
        }
        match (*change, was) {
            (Change::Set(kind, bytes), _) => keep(&mut out, Cell { column: *column, kind, bytes }),
            (Change::Unset, _) => {}
            (Change::Splice { prefix, suffix, middle }, Some(was)) => {
                let bytes = splice(was.bytes, prefix, suffix, middle)?;
                keep(&mut out, Cell { column: *column, kind: was.kind, bytes: &bytes });
            }
            (Change::Splice { .. }, None) => return Err(Malformed::new("delta leaf: nothing to splice")),
        }
    }
    while let Some(cell) = waiting {
        keep(&mut out, cell);
        waiting = cells.next_cell()?;
    }
    Ok(out)
}

fn splice(was: &[u8], prefix: usize, suffix: usize, middle: &[u8]) -> Result<Vec<u8>, Malformed> {
    let too_long = Malformed::new("delta leaf: splice");
    let (head, rest) = was.split_at_checked(prefix).ok_or(too_long)?;
    let tail = rest.len().checked_sub(suffix).and_then(|from| rest.get(from..)).ok_or(too_long)?;
    Ok([head, middle, tail].concat())
}
