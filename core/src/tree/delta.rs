//! Delta forms of leaves: what changed against an earlier generation.
//!
//! A changed record stands as operations on its columns where the base's record is at hand, else as a record gone and a
//! record new. Strings that differ only in the middle are spliced, so that one changed member of a JSON document costs
//! that member.
//!
//! ```text
//! delta leaf = varint(generation ≥ 1)  base hint (6)  varint(first ordinal)
//!              varint(gone)     (varint(position gap))*
//!              varint(changed)  (varint(position gap) varint(operations) operation*)*
//!              block of new records
//! operation  = varint(column id gap << 2 | 0 set · 1 unset · 2 splice)
//! set        = varint(length << 2 | kind) value            splice = varint(prefix) varint(suffix) varint(length) middle
//! ```
//! Positions count the base's records; a gap counts those skipped since the one before.

use crate::codec::{Malformed, Reader, put_bytes, put_varint};
use crate::id::Hint;
use crate::limits::{LEAF_RECORDS_MAX, RECORD_COLUMNS_MAX};
use crate::record::{Cell, CellKind, Cells, ColumnId, KeyError, put_cell};

use super::block::{BlockWriter, read_block};
use super::leaf::{Assembly, Leaf, LeafContext, Packed};

/// What a delta says before its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaHead {
    /// The generation of the part, at least 1.
    pub generation: u32,
    /// The short name of the base.
    pub base: Hint,
}

impl DeltaHead {
    /// Appends the head.
    pub(super) fn put(self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.generation));
        out.extend_from_slice(self.base.as_bytes());
    }

    /// Reads the head of any delta form.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let generation = u32::try_from(reader.varint()?).map_err(|_| reader.malformed())?;
        if generation == 0 {
            return Err(reader.malformed());
        }
        Ok(Self { generation, base: Hint(reader.array()?) })
    }
}

/// Appends the delta that leads from `base` to `leaf`.
pub fn put_delta(
    context: &LeafContext,
    head: DeltaHead,
    base: &Leaf,
    leaf: &Leaf,
    writer: &mut BlockWriter,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    head.put(out);
    put_varint(out, leaf.first_ordinal(context));
    let mut gone = Positions::default();
    let mut changed = Positions::default();
    let mut operations = Vec::new();
    let (mut at, mut new) = (0, 0);
    while at < base.len() || new < leaf.len() {
        let order = match (at < base.len(), new < leaf.len()) {
            (true, true) => base.key(at).cmp(leaf.key(new)),
            (true, false) => std::cmp::Ordering::Less,
            _ => std::cmp::Ordering::Greater,
        };
        match order {
            std::cmp::Ordering::Less => gone.push(at, &[]),
            std::cmp::Ordering::Greater => writer.push(leaf.record(new))?,
            std::cmp::Ordering::Equal => {
                if base.digest(at) != leaf.digest(new) {
                    operations.clear();
                    put_operations(base.record(at), leaf.record(new), &mut operations)?;
                    changed.push(at, &operations);
                }
            }
        }
        at += usize::from(order.is_le());
        new += usize::from(order.is_ge());
    }
    gone.put(out);
    changed.put(out);
    writer.finish(out);
    Ok(())
}

/// Ascending positions with something behind each.
#[derive(Default)]
struct Positions {
    count: u64,
    next: usize,
    bytes: Vec<u8>,
}

impl Positions {
    fn push(&mut self, at: usize, tail: &[u8]) {
        put_varint(&mut self.bytes, (at - self.next) as u64);
        self.bytes.extend_from_slice(tail);
        self.next = at + 1;
        self.count += 1;
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.count);
        out.extend_from_slice(&self.bytes);
    }
}

fn put_operations(old: &[u8], new: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let (mut old_cells, mut new_cells) = (Cells::new(old), Cells::new(new));
    let (mut a, mut b) = (old_cells.next_cell()?, new_cells.next_cell()?);
    let mut count = 0_u64;
    let mut body = Vec::new();
    let mut previous = ColumnId(0);
    let mut start = |body: &mut Vec<u8>, column: ColumnId, operation: u64| {
        put_varint(body, u64::from(column.0 - previous.0) << 2 | operation);
        previous = column;
        count += 1;
    };
    loop {
        match (a, b) {
            (None, None) => break,
            (Some(gone), fresh) if fresh.is_none_or(|fresh| gone.column < fresh.column) => {
                start(&mut body, gone.column, 1);
                a = old_cells.next_cell()?;
            }
            (Some(before), Some(after)) if before.column == after.column => {
                if before != after {
                    put_change(&mut body, &mut start, before, after);
                }
                (a, b) = (old_cells.next_cell()?, new_cells.next_cell()?);
            }
            (_, Some(fresh)) => {
                start(&mut body, fresh.column, 0);
                put_value(&mut body, fresh);
                b = new_cells.next_cell()?;
            }
            (Some(_), None) => return Err(Malformed::new("record: cells")),
        }
    }
    put_varint(out, count);
    out.extend_from_slice(&body);
    Ok(())
}

fn put_value(out: &mut Vec<u8>, cell: Cell<'_>) {
    put_varint(out, (cell.bytes.len() as u64) << 2 | u64::from(cell.kind.number()));
    out.extend_from_slice(cell.bytes);
}

fn put_change(
    out: &mut Vec<u8>,
    start: &mut impl FnMut(&mut Vec<u8>, ColumnId, u64),
    before: Cell<'_>,
    after: Cell<'_>,
) {
    let same_kind = before.kind == after.kind;
    let prefix = before.bytes.iter().zip(after.bytes).take_while(|(x, y)| x == y).count();
    let (old_rest, new_rest) = (before.bytes.len() - prefix, after.bytes.len() - prefix);
    let suffix = before.bytes.iter().rev().zip(after.bytes.iter().rev()).take_while(|(x, y)| x == y).count();
    let suffix = suffix.min(old_rest).min(new_rest);
    if same_kind && prefix + suffix >= 4 {
        start(out, after.column, 2);
        put_varint(out, prefix as u64);
        put_varint(out, suffix as u64);
        put_bytes(out, after.bytes.get(prefix..after.bytes.len() - suffix).unwrap_or_default());
    } else {
        start(out, after.column, 0);
        put_value(out, after);
    }
}

/// Applies a delta to its base. The result is a complete, checked leaf; whether it is the wanted one, its id tells.
pub fn apply_delta(context: &LeafContext, base: &Leaf, body: &[u8]) -> Result<Leaf, KeyError> {
    let mut reader = Reader::new(body, "delta leaf");
    DeltaHead::read(&mut reader)?;
    let first_ordinal = reader.varint()?;
    let gone = read_gone(&mut reader, base.len())?;
    let changed = read_changed(&mut reader, base)?;
    let mut fresh = Packed::default();
    read_block(&mut reader, |record| {
        fresh.push(record);
        Ok(())
    })?;
    reader.finish()?;
    if context.key_plan.is_some() {
        merge_keyed(context, base, &gone, &changed, &fresh)
    } else {
        merge_keyless(context, base, &gone, &changed, &fresh, first_ordinal)
    }
}

fn read_gone(reader: &mut Reader<'_>, records: usize) -> Result<Vec<usize>, Malformed> {
    let count = reader.bounded(records as u64)?;
    let mut next = 0;
    (0..count).map(|_| read_position(reader, &mut next, records)).collect()
}

fn read_position(reader: &mut Reader<'_>, next: &mut usize, records: usize) -> Result<usize, Malformed> {
    let at = next.saturating_add(reader.bounded(LEAF_RECORDS_MAX as u64)?);
    if at >= records {
        return Err(reader.malformed());
    }
    *next = at + 1;
    Ok(at)
}

fn read_changed(reader: &mut Reader<'_>, base: &Leaf) -> Result<Vec<(usize, Vec<u8>)>, Malformed> {
    let count = reader.bounded(base.len() as u64)?;
    let mut next = 0;
    let mut changed = Vec::with_capacity(count);
    for _ in 0..count {
        let at = read_position(reader, &mut next, base.len())?;
        changed.push((at, apply_operations(reader, base.record(at))?));
    }
    Ok(changed)
}

fn apply_operations(reader: &mut Reader<'_>, old: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut cells = Cells::new(old);
    let mut waiting = cells.next_cell()?;
    let mut out = Vec::with_capacity(old.len() + 16);
    let mut last = ColumnId(0);
    let mut keep = |out: &mut Vec<u8>, cell: Cell<'_>| {
        put_cell(out, last, cell);
        last = cell.column;
    };
    let mut column = ColumnId(0);
    for _ in 0..reader.bounded(RECORD_COLUMNS_MAX as u64)? {
        let head = u32::try_from(reader.bounded(RECORD_COLUMNS_MAX as u64 * 8)?).map_err(|_| reader.malformed())?;
        if head >> 2 == 0 {
            return Err(reader.malformed());
        }
        column = ColumnId(column.0.saturating_add(head >> 2));
        while let Some(cell) = waiting.filter(|cell| cell.column < column) {
            keep(&mut out, cell);
            waiting = cells.next_cell()?;
        }
        let old = waiting.filter(|cell| cell.column == column);
        if old.is_some() {
            waiting = cells.next_cell()?;
        }
        match (head & 3, old) {
            (0, _) => {
                let value = reader.varint()?;
                let length = usize::try_from(value >> 2).map_err(|_| reader.malformed())?;
                let kind = CellKind::from_number((value & 3) as u8);
                keep(&mut out, Cell { column, kind, bytes: reader.take(length)? });
            }
            (1, Some(_)) => {}
            (2, Some(old)) => {
                let bytes = splice(reader, old.bytes)?;
                keep(&mut out, Cell { column, kind: old.kind, bytes: &bytes });
            }
            _ => return Err(reader.malformed()),
        }
    }
    while let Some(cell) = waiting {
        keep(&mut out, cell);
        waiting = cells.next_cell()?;
    }
    Ok(out)
}

fn splice(reader: &mut Reader<'_>, old: &[u8]) -> Result<Vec<u8>, Malformed> {
    let prefix = reader.bounded(old.len() as u64)?;
    let suffix = reader.bounded((old.len() - prefix) as u64)?;
    let middle = reader.bytes()?;
    let (head, tail) = (old.get(..prefix), old.get(old.len() - suffix..));
    Ok([head.unwrap_or_default(), middle, tail.unwrap_or_default()].concat())
}

/// Walks the base without what is gone, with changed records in place.
fn survivors<'a>(
    base: &'a Leaf,
    gone: &'a [usize],
    changed: &'a [(usize, Vec<u8>)],
) -> impl Iterator<Item = (usize, Option<&'a [u8]>)> {
    let (mut gone, mut changed) = (gone.iter().peekable(), changed.iter().peekable());
    (0..base.len()).filter_map(move |at| {
        let record = changed.next_if(|(position, _)| *position == at).map(|(_, record)| record.as_slice());
        if gone.next_if_eq(&&at).is_some() { None } else { Some((at, record)) }
    })
}

fn merge_keyed(
    context: &LeafContext,
    base: &Leaf,
    gone: &[usize],
    changed: &[(usize, Vec<u8>)],
    fresh: &Packed,
) -> Result<Leaf, KeyError> {
    let mut leaf = Leaf::default();
    let mut added = Leaf::default();
    let mut key = Vec::new();
    let Some(plan) = &context.key_plan else { return Err(Malformed::new("delta leaf: keys").into()) };
    for record in fresh.iter() {
        key.clear();
        plan.key_of(record, &mut key)?;
        added.push(&key, context.ids.record(record), record);
    }
    let mut next = 0;
    let take_below = |leaf: &mut Leaf, next: &mut usize, bound: Option<&[u8]>| {
        while *next < added.len() && bound.is_none_or(|bound| added.key(*next) < bound) {
            if let Some(digest) = added.digest(*next) {
                leaf.push(added.key(*next), digest, added.record(*next));
            }
            *next += 1;
        }
    };
    for (at, record) in survivors(base, gone, changed) {
        take_below(&mut leaf, &mut next, Some(base.key(at)));
        match (record, base.digest(at)) {
            (Some(record), _) => {
                key.clear();
                plan.key_of(record, &mut key)?;
                leaf.push(&key, context.ids.record(record), record);
            }
            (None, Some(digest)) => leaf.push(base.key(at), digest, base.record(at)),
            (None, None) => {}
        }
    }
    take_below(&mut leaf, &mut next, None);
    let ascending = (1..leaf.len()).all(|at| leaf.key(at - 1) < leaf.key(at));
    if ascending { Ok(leaf) } else { Err(Malformed::new("delta leaf: keys do not ascend").into()) }
}

fn merge_keyless(
    context: &LeafContext,
    base: &Leaf,
    gone: &[usize],
    changed: &[(usize, Vec<u8>)],
    fresh: &Packed,
    first_ordinal: u64,
) -> Result<Leaf, KeyError> {
    let kept = survivors(base, gone, changed).map(|(at, record)| record.unwrap_or_else(|| base.record(at)));
    let mut records: Vec<_> = kept.chain(fresh.iter()).map(|record| (context.ids.record(record), record)).collect();
    records.sort_by_key(|(digest, _)| *digest);
    let mut assembly = Assembly::new(context, first_ordinal);
    for (digest, record) in records {
        assembly.push_digested(record, digest)?;
    }
    Ok(assembly.finish()?)
}
