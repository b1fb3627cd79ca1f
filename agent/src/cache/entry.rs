//! The values of the index: what is remembered of one leaf or node.
//!
//! ```text
//! leaf  = lineage  varint(records)  (varint(shared with key before) varint(rest length) rest)*  digest (16)*
//! node  = lineage  varint(records)
//! lineage = varint(generations)  (varint(generation)  id (32))*   newest first
//! ```

use strongroom_core::codec::{Malformed, Reader, put_bytes, put_varint};
use strongroom_core::id::RecordDigest;
use strongroom_core::limits::LEAF_RECORDS_MAX;
use strongroom_core::tree::leaf::Packed;
use strongroom_core::tree::lineage::Lineage;
use strongroom_core::tree::params::PartId;

/// More generations than any lineage remembers.
const GENERATIONS_MAX: u64 = 20;

/// What is remembered of a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafEntry {
    /// Its id and those of the bases that later generations may name.
    pub lineage: Lineage,
    /// The keys, in order.
    pub keys: Packed,
    /// The digests of the records, in the same order.
    pub digests: Vec<RecordDigest>,
}

impl LeafEntry {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.keys.total_bytes() + self.digests.len() * RecordDigest::LEN);
        put_lineage(&mut out, &self.lineage);
        put_varint(&mut out, self.digests.len() as u64);
        let mut previous: &[u8] = &[];
        for key in self.keys.iter() {
            let shared = previous.iter().zip(key).take_while(|(a, b)| a == b).count();
            put_varint(&mut out, shared as u64);
            put_bytes(&mut out, key.get(shared..).unwrap_or_default());
            previous = key;
        }
        self.digests.iter().for_each(|digest| out.extend_from_slice(digest.as_bytes()));
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, "index leaf");
        let lineage = read_lineage(&mut reader)?;
        let records = reader.bounded(LEAF_RECORDS_MAX as u64)?;
        let mut keys = Packed::default();
        let mut key = Vec::new();
        for _ in 0..records {
            let shared = reader.bounded(key.len() as u64)?;
            key.truncate(shared);
            key.extend_from_slice(reader.bytes()?);
            keys.push(&key);
        }
        let digests = (0..records).map(|_| reader.array().map(RecordDigest)).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { lineage, keys, digests })
    }
}

/// What is remembered of an inner node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEntry {
    /// Its id and those of the bases that later generations may name.
    pub lineage: Lineage,
}

impl NodeEntry {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_lineage(&mut out, &self.lineage);
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, "index node");
        let lineage = read_lineage(&mut reader)?;
        reader.finish()?;
        Ok(Self { lineage })
    }
}

fn put_lineage(out: &mut Vec<u8>, lineage: &Lineage) {
    put_varint(out, lineage.generations().len() as u64);
    for (generation, id) in lineage.generations() {
        put_varint(out, u64::from(*generation));
        out.extend_from_slice(&id.0);
    }
}

fn read_lineage(reader: &mut Reader<'_>) -> Result<Lineage, Malformed> {
    let count = reader.bounded(GENERATIONS_MAX)?;
    let mut generations = Vec::with_capacity(count);
    for _ in 0..count {
        let generation = u32::try_from(reader.varint()?).map_err(|_| reader.malformed())?;
        generations.push((generation, PartId(reader.array()?)));
    }
    Lineage::from_generations(generations).ok_or(reader.malformed())
}
