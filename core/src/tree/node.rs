//! Inner nodes: the children of one stretch of keys, and their delta forms.
//!
//! ```text
//! node id    = H(level, for each child: varint(key length) first key, child id, varint(records))
//! full node  = varint(generation = 0)  level  varint(children)
//!              (varint(shared with key before) varint(rest length) rest)*  varint(records)*  child id*
//! delta node = varint(generation ≥ 1)  base hint (6)  level
//!              varint(gone)     (varint(position gap))*
//!              varint(changed)  (varint(position gap << 1 | records differ) [varint(records)] child id)*
//!              varint(new)      (varint(key length) first key  varint(records)  child id)*
//! ```

use crate::codec::{Malformed, Reader, put_bytes, put_varint};
use crate::digest::IdFunctions;
use crate::id::NodeId;
use crate::limits::{KEY_BYTES_MAX, NODE_CHILDREN_MAX, OBJECT_BYTES_MAX, TREE_LEVELS_MAX};
use crate::record::Key;

use super::delta::DeltaHead;
use super::params::PartId;

/// One child of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// The first key below it.
    pub first_key: Key,
    /// Its id.
    pub id: PartId,
    /// Records below it.
    pub records: u64,
}

/// A complete node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its level, at least 1.
    pub level: u8,
    /// Its children in the order of their first keys.
    pub children: Vec<Child>,
}

impl Node {
    /// The id.
    pub fn id(&self, ids: &IdFunctions) -> NodeId {
        let mut message = vec![self.level];
        for child in &self.children {
            put_bytes(&mut message, &child.first_key);
            message.extend_from_slice(&child.id.0);
            put_varint(&mut message, child.records);
        }
        NodeId(ids.node.digest(&message))
    }

    /// Records below the node.
    pub fn records(&self) -> u64 {
        self.children.iter().map(|child| child.records).sum()
    }

    /// The child whose stretch holds a key, if any does.
    pub fn child_of(&self, key: &[u8]) -> Option<&Child> {
        let after = self.children.partition_point(|child| &*child.first_key <= key);
        self.children.get(after.checked_sub(1)?)
    }

    /// Appends the full form.
    pub fn put_full(&self, out: &mut Vec<u8>) {
        put_varint(out, 0);
        out.push(self.level);
        put_varint(out, self.children.len() as u64);
        let mut previous: &[u8] = &[];
        for child in &self.children {
            let shared = previous.iter().zip(child.first_key.iter()).take_while(|(a, b)| a == b).count();
            put_varint(out, shared as u64);
            put_bytes(out, child.first_key.get(shared..).unwrap_or_default());
            previous = &child.first_key;
        }
        self.children.iter().for_each(|child| put_varint(out, child.records));
        self.children.iter().for_each(|child| out.extend_from_slice(&child.id.0));
    }

    /// Reads a full form.
    pub fn read_full(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body, "full node");
        if reader.varint()? != 0 {
            return Err(reader.malformed());
        }
        let level = read_level(&mut reader)?;
        let count = reader.bounded(NODE_CHILDREN_MAX as u64)?;
        let mut keys = Vec::with_capacity(count);
        let mut key = Vec::new();
        let mut total = 0;
        for _ in 0..count {
            let shared = reader.bounded(key.len() as u64)?;
            key.truncate(shared);
            key.extend_from_slice(reader.bytes()?);
            total += key.len();
            if key.len() > KEY_BYTES_MAX || total > OBJECT_BYTES_MAX {
                return Err(reader.malformed());
            }
            keys.push(Key::from_bytes(&key));
        }
        let records = (0..count).map(|_| reader.varint()).collect::<Result<Vec<_>, _>>()?;
        let mut children = Vec::with_capacity(count);
        for (first_key, records) in keys.into_iter().zip(records) {
            children.push(Child { first_key, id: PartId(reader.array()?), records });
        }
        reader.finish()?;
        Self { level, children }.checked()
    }

    /// Appends the delta that leads from `base` to `self`.
    pub fn put_delta(&self, head: DeltaHead, base: &Self, out: &mut Vec<u8>) {
        head.put(out);
        out.push(self.level);
        let (mut gone, mut changed, mut new) = (Vec::new(), Vec::new(), Vec::new());
        let (mut gone_count, mut changed_count, mut new_count) = (0_u64, 0_u64, 0_u64);
        let (mut gone_next, mut changed_next) = (0, 0);
        let mut fresh = self.children.iter().peekable();
        let mut put_new = |child: &Child| {
            put_bytes(&mut new, &child.first_key);
            put_varint(&mut new, child.records);
            new.extend_from_slice(&child.id.0);
            new_count += 1;
        };
        for (at, old) in base.children.iter().enumerate() {
            while let Some(child) = fresh.next_if(|child| child.first_key < old.first_key) {
                put_new(child);
            }
            match fresh.next_if(|child| child.first_key == old.first_key) {
                None => {
                    put_varint(&mut gone, (at - gone_next) as u64);
                    gone_next = at + 1;
                    gone_count += 1;
                }
                Some(child) if child != old => {
                    let differ = child.records != old.records;
                    put_varint(&mut changed, ((at - changed_next) as u64) << 1 | u64::from(differ));
                    changed_next = at + 1;
                    changed_count += 1;
                    if differ {
                        put_varint(&mut changed, child.records);
                    }
                    changed.extend_from_slice(&child.id.0);
                }
                Some(_) => {}
            }
        }
        fresh.for_each(put_new);
        for (count, bytes) in [(gone_count, gone), (changed_count, changed), (new_count, new)] {
            put_varint(out, count);
            out.extend_from_slice(&bytes);
        }
    }

    /// Applies a delta to its base. Whether the result is the wanted node, its id tells.
    pub fn apply_delta(base: &Self, body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body, "delta node");
        DeltaHead::read(&mut reader)?;
        let level = read_level(&mut reader)?;
        let mut slots: Vec<Option<Child>> = base.children.iter().cloned().map(Some).collect();
        let mut next = 0;
        for _ in 0..reader.count()? {
            let at = next + reader.bounded(slots.len() as u64)?;
            *slots.get_mut(at).ok_or(reader.malformed())? = None;
            next = at + 1;
        }
        next = 0;
        for _ in 0..reader.count()? {
            let head = reader.bounded(slots.len() as u64 * 2 + 1)?;
            let at = next + (head >> 1);
            let records = if head & 1 == 1 { Some(reader.varint()?) } else { None };
            let id = PartId(reader.array()?);
            let slot = slots.get_mut(at).and_then(Option::as_mut).ok_or(reader.malformed())?;
            slot.id = id;
            slot.records = records.unwrap_or(slot.records);
            next = at + 1;
        }
        let mut children: Vec<_> = slots.into_iter().flatten().collect();
        for _ in 0..reader.count()? {
            let first_key = Key::from_bytes(reader.bytes()?);
            let records = reader.varint()?;
            children.push(Child { first_key, id: PartId(reader.array()?), records });
        }
        reader.finish()?;
        children.sort_by(|a, b| a.first_key.cmp(&b.first_key));
        Self { level, children }.checked()
    }

    fn checked(self) -> Result<Self, Malformed> {
        let ascending = self.children.windows(2).all(|pair| matches!(pair, [a, b] if a.first_key < b.first_key));
        let counted = self.children.iter().try_fold(0_u64, |sum, child| sum.checked_add(child.records)).is_some();
        let few = self.children.len() <= NODE_CHILDREN_MAX;
        if ascending && counted && few && !self.children.is_empty() {
            Ok(self)
        } else {
            Err(Malformed::new("node: children"))
        }
    }
}

fn read_level(reader: &mut Reader<'_>) -> Result<u8, Malformed> {
    let level = reader.u8()?;
    if level == 0 || level > TREE_LEVELS_MAX { Err(reader.malformed()) } else { Ok(level) }
}
