//! Delta forms of leaves: what changed against an earlier generation.
//!
//! What happens to the same columns of nearly every record is said once. Any other changed record stands as operations
//! on its columns. Strings that differ only in the middle are spliced, so that one changed member of a JSON
//! document costs that member.
//!
//! ```text
//! delta leaf = varint(generation ≥ 1)  base hint (6)  varint(first ordinal)
//!              varint(operations) operation*            on every record of the base
//!              varint(gone)     (varint(position gap))*
//!              varint(changed)  (varint(position gap) varint(operations) operation*)*
//!              block of new records
//! operation  = varint(column id gap << 2 | 0 set · 1 unset · 2 splice)
//! set        = varint(length << 2 | kind) value            splice = varint(prefix) varint(suffix) varint(length) middle
//! ```
//! Positions count the base's records; a gap counts those skipped since the one before.

mod operations;
mod sweep;

use std::cmp::Ordering;

use crate::codec::{Malformed, Reader, put_varint};
use crate::id::Hint;
use crate::limits::LEAF_RECORDS_MAX;
use crate::record::KeyError;

use super::block::{BlockWriter, read_block};
use super::leaf::{Assembly, Leaf, LeafContext, Packed};

/// Where a record that both leaves have lies in the base, and where in the new leaf.
type Pair = (usize, usize);

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
) -> Result<(), KeyError> {
    head.put(out);
    put_varint(out, leaf.first_ordinal(context));
    let mut gone = Positions::default();
    let mut both = Vec::new();
    let (mut at, mut new) = (0, 0);
    while at < base.len() || new < leaf.len() {
        let order = match (at < base.len(), new < leaf.len()) {
            (true, true) => base.key(at).cmp(leaf.key(new)),
            (true, false) => Ordering::Less,
            _ => Ordering::Greater,
        };
        match order {
            Ordering::Less => gone.push(at, |_| ()),
            Ordering::Greater => writer.push(leaf.record(new))?,
            Ordering::Equal => both.push((at, new)),
        }
        at += usize::from(order.is_le());
        new += usize::from(order.is_ge());
    }
    let sweep = sweep::find(context, base, leaf, &both)?;
    operations::put(&sweep, out);
    gone.put(out);
    let swept = sweep::apply(context, &sweep, base)?;
    changes(&swept, leaf, &both)?.put(out);
    writer.finish(out);
    Ok(())
}

/// The operations on single records that lead from the swept base to the leaf.
fn changes(base: &Leaf, leaf: &Leaf, both: &[Pair]) -> Result<Positions, Malformed> {
    let mut changed = Positions::default();
    let mut found = Vec::new();
    for (at, new) in both {
        if base.digest(*at) != leaf.digest(*new) {
            operations::between(base.record(*at), leaf.record(*new), &mut found)?;
            changed.push(*at, |bytes| operations::put(&found, bytes));
        }
    }
    Ok(changed)
}

/// Ascending positions with something behind each.
#[derive(Default)]
struct Positions {
    count: u64,
    next: usize,
    bytes: Vec<u8>,
}

impl Positions {
    fn push(&mut self, at: usize, tail: impl FnOnce(&mut Vec<u8>)) {
        put_varint(&mut self.bytes, (at - self.next) as u64);
        tail(&mut self.bytes);
        self.next = at + 1;
        self.count += 1;
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.count);
        out.extend_from_slice(&self.bytes);
    }
}

/// Applies a delta to its base. The result is a complete, checked leaf; whether it is the wanted one, its id tells.
pub fn apply_delta(context: &LeafContext, base: &Leaf, body: &[u8]) -> Result<Leaf, KeyError> {
    let mut reader = Reader::new(body, "delta leaf");
    DeltaHead::read(&mut reader)?;
    let first_ordinal = reader.varint()?;
    let mut sweep = Vec::new();
    operations::read(&mut reader, &mut sweep)?;
    let base = sweep::apply(context, &sweep, base)?;
    let gone = read_gone(&mut reader, base.len())?;
    let changed = read_changed(&mut reader, &base)?;
    let mut fresh = Packed::default();
    read_block(&mut reader, |record| {
        fresh.push(record);
        Ok(())
    })?;
    reader.finish()?;
    if context.key_plan.is_some() {
        merge_keyed(context, &base, &gone, &changed, &fresh)
    } else {
        merge_keyless(context, &base, &gone, &changed, &fresh, first_ordinal)
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
    let mut found = Vec::new();
    for _ in 0..count {
        let at = read_position(reader, &mut next, base.len())?;
        operations::read(reader, &mut found)?;
        changed.push((at, operations::apply(&found, base.record(at))?));
    }
    Ok(changed)
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
    let mut leaf = base.room_alike();
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
    leaf.check_bounds()?;
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
    let mut assembly = Assembly::new(context, first_ordinal, base.room_alike());
    for (digest, record) in records {
        assembly.push_digested(record, digest)?;
    }
    Ok(assembly.finish()?)
}
