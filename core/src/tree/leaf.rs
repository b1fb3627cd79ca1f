//! Leaves: the ordered records of one stretch of keys.
//!
//! A [`Leaf`] is always complete and checked: its keys and digests were computed from its records, and its keys ascend.
//! Its id is the keyed hash over the ordered (key, record digest) pairs.
//!
//! ```text
//! full leaf = varint(generation = 0)  varint(first ordinal)  block
//! leaf id   = H(for each record: varint(key length) key digest)
//! ```

use crate::codec::{Malformed, Reader, put_bytes, put_varint};
use crate::digest::IdFunctions;
use crate::id::{LeafId, RecordDigest};
use crate::limits::{LEAF_RECORD_BYTES_MAX, LEAF_RECORDS_MAX};
use crate::record::{ClassSchema, KeyError, KeyPlan, keyless_key};

use super::block::{BlockWriter, block_records, read_block};

/// Bytes of a key that is one number or uuid.
const KEY_BYTES_USUAL: usize = 20;

/// What a reader must know of a class to make keys and digests from records.
#[derive(Clone)]
pub struct LeafContext {
    /// The id functions of the source.
    pub ids: IdFunctions,
    /// How keys are made; nothing for a keyless class.
    pub key_plan: Option<KeyPlan>,
}

impl LeafContext {
    /// The context of a class.
    pub fn new(ids: IdFunctions, schema: &ClassSchema) -> Self {
        Self { ids, key_plan: KeyPlan::new(schema) }
    }
}

/// A byte arena of items laid end to end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Packed {
    /// An arena with room for so many items of so many bytes together.
    pub fn with_capacity(items: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(items) }
    }

    /// Appends an item.
    #[inline]
    pub fn push(&mut self, item: &[u8]) {
        self.bytes.extend_from_slice(item);
        self.ends.push(self.bytes.len());
    }

    /// The item at a position; empty beyond the end.
    #[inline]
    pub fn get(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends.get(at - 1).copied().unwrap_or(0) };
        let end = self.ends.get(at).copied().unwrap_or(start);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The number of items.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of all items.
    pub fn total_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Removes all items and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// All items in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|at| self.get(at))
    }
}

/// A complete, checked leaf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    keys: Packed,
    digests: Vec<RecordDigest>,
    records: Packed,
}

impl Leaf {
    /// A leaf with room for so many records, their keys and bytes.
    pub fn with_capacity(records: usize, key_bytes: usize, record_bytes: usize) -> Self {
        Self {
            keys: Packed::with_capacity(records, key_bytes),
            digests: Vec::with_capacity(records),
            records: Packed::with_capacity(records, record_bytes),
        }
    }

    /// Appends a record whose key and digest the caller has computed. Keys must ascend.
    #[inline]
    pub fn push(&mut self, key: &[u8], digest: RecordDigest, record: &[u8]) {
        self.keys.push(key);
        self.digests.push(digest);
        self.records.push(record);
    }

    /// Forgets all records and keeps the memory.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.digests.clear();
        self.records.clear();
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.digests.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// The key of a record.
    #[inline]
    pub fn key(&self, at: usize) -> &[u8] {
        self.keys.get(at)
    }

    /// The digest of a record.
    #[inline]
    pub fn digest(&self, at: usize) -> Option<RecordDigest> {
        self.digests.get(at).copied()
    }

    /// The bytes of a record.
    #[inline]
    pub fn record(&self, at: usize) -> &[u8] {
        self.records.get(at)
    }

    /// An empty leaf with room for as much as this one holds, and a little more.
    pub(super) fn room_alike(&self) -> Self {
        let more = |bytes: usize| bytes + bytes / 16 + 64;
        Self::with_capacity(more(self.len()), more(self.keys.total_bytes()), more(self.record_bytes()))
    }

    /// The bytes of all records.
    pub fn record_bytes(&self) -> usize {
        self.records.total_bytes()
    }

    /// Refuses a leaf of more records, or more bytes, than any leaf that is written.
    pub(super) fn check_bounds(&self) -> Result<(), Malformed> {
        let fits = self.len() <= LEAF_RECORDS_MAX && self.record_bytes() <= LEAF_RECORD_BYTES_MAX;
        if fits { Ok(()) } else { Err(Malformed::new("leaf: more than a leaf can hold")) }
    }

    /// The position of a key.
    pub fn find(&self, key: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.key(middle).cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// The id.
    pub fn id(&self, ids: &IdFunctions) -> LeafId {
        leaf_id(ids, self.keys.iter().zip(self.digests.iter().copied()))
    }

    /// Appends the full form.
    pub fn put_full(
        &self,
        context: &LeafContext,
        writer: &mut BlockWriter,
        out: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        put_varint(out, 0);
        put_varint(out, self.first_ordinal(context));
        for record in self.records.iter() {
            writer.push(record)?;
        }
        writer.finish(out);
        Ok(())
    }

    /// Reads a full form and computes keys and digests anew.
    pub fn read_full(context: &LeafContext, body: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::new(body, "full leaf");
        if reader.varint()? != 0 {
            return Err(reader.malformed().into());
        }
        let first_ordinal = reader.varint()?;
        let records = block_records(&reader)?;
        // Rows have a head a cell, which columns share.
        let room = Leaf::with_capacity(records, records * KEY_BYTES_USUAL, body.len() + body.len() / 4);
        let mut assembly = Assembly::new(context, first_ordinal, room);
        let mut failed = None;
        read_block(&mut reader, |record| {
            assembly.push_new(record).map_err(|error| {
                failed = Some(error);
                Malformed::new("full leaf: record")
            })
        })
        .map_err(|malformed| failed.unwrap_or(KeyError::Malformed(malformed)))?;
        reader.finish()?;
        Ok(assembly.finish()?)
    }

    /// The ordinal of the first record among equal ones; 0 where the class has keys.
    pub(super) fn first_ordinal(&self, context: &LeafContext) -> u64 {
        if context.key_plan.is_some() {
            return 0;
        }
        self.key(0).last_chunk::<4>().map_or(0, |bytes| u64::from(u32::from_be_bytes(*bytes)))
    }
}

/// The id of a leaf from its ordered (key, digest) pairs.
pub fn leaf_id<'a>(ids: &IdFunctions, pairs: impl Iterator<Item = (&'a [u8], RecordDigest)>) -> LeafId {
    let mut message = Vec::with_capacity(4096);
    for (key, digest) in pairs {
        put_bytes(&mut message, key);
        message.extend_from_slice(digest.as_bytes());
    }
    LeafId(ids.leaf.digest(&message))
}

/// Puts a leaf together from records in key order, and checks that it is one.
pub(super) struct Assembly<'a> {
    context: &'a LeafContext,
    leaf: Leaf,
    key: Vec<u8>,
    next_ordinal: u64,
}

impl<'a> Assembly<'a> {
    /// `room` is an empty leaf.
    pub(super) fn new(context: &'a LeafContext, first_ordinal: u64, room: Leaf) -> Self {
        Self { context, leaf: room, key: Vec::new(), next_ordinal: first_ordinal }
    }

    /// Appends a record of which nothing is known yet.
    pub(super) fn push_new(&mut self, record: &[u8]) -> Result<(), KeyError> {
        let digest = self.context.ids.record(record);
        self.push_digested(record, digest)
    }

    /// Appends a record whose digest is known to be right.
    pub(super) fn push_digested(&mut self, record: &[u8], digest: RecordDigest) -> Result<(), KeyError> {
        self.key.clear();
        if let Some(plan) = &self.context.key_plan {
            plan.key_of(record, &mut self.key)?;
        } else {
            if !self.leaf.is_empty() && self.leaf.digests.last() != Some(&digest) {
                self.next_ordinal = 0;
            }
            let ordinal = u32::try_from(self.next_ordinal).map_err(|_| Malformed::new("leaf: ordinal"))?;
            self.key.extend_from_slice(&keyless_key(digest, ordinal));
            self.next_ordinal += 1;
        }
        self.leaf.push(&self.key, digest, record);
        Ok(self.leaf.check_bounds()?)
    }

    pub(super) fn finish(self) -> Result<Leaf, Malformed> {
        let ascending = (1..self.leaf.len()).all(|at| self.leaf.key(at - 1) < self.leaf.key(at));
        if ascending { Ok(self.leaf) } else { Err(Malformed::new("leaf: keys do not ascend")) }
    }
}
