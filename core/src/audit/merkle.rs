//! The tree over the events: its hashes, and the frontier from which it grows.
//!
//! RFC 9162 §2.1.1: a leaf is `SHA-256(00 ‖ event)`, a node `SHA-256(01 ‖ left ‖ right)`, the left subtree is the largest
//! power of two that leaves something for the right one, and nothing at all hashes to `SHA-256("")`.
//!
//! A frontier keeps the full subtrees that a size decomposes into, largest first, and so as many hashes as its size has
//! bits set. That is enough to append and to know the root; it proves nothing by itself. For proofs the store keeps rows
//! of hashes, which C2SP `tlog-tiles` cuts into tiles of 256: row 0 has the leaf hashes, row L the hashes of full
//! subtrees of 256^L leaves. What an append completes in the rows above 0 is told once, by that append.
//!
//! ```text
//!   version   1   1
//!   size      8   leaves, big-endian
//!   hashes   32   of each full subtree, largest first: one for each bit that is set in the size
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader};
use crate::id::TreeHash;
use crate::merkle::sha256;

/// Most leaves of a log. Twice as many still fit 64 bits, so no position that is derived from a size overflows, and
/// readers that count with a sign read every size.
pub const TREE_SIZE_MAX: u64 = i64::MAX.cast_unsigned();

/// How many levels of the tree lie between two rows of hashes: tiles are 2^8 = 256 hashes wide.
pub(super) const TILE_HEIGHT: u32 = 8;

const FRONTIER_VERSION: u8 = 1;
const WHAT: &str = "frontier of an audit log";

/// The place of an event in the audit log, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeafIndex(pub u64);

/// How many events a log had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TreeSize(pub u64);

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A log at one time: all that a checkpoint promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TreeHead {
    /// Its events.
    pub size: TreeSize,
    /// The root over them.
    pub root: TreeHash,
}

/// The place of one hash in the rows that a store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileCoordinate {
    /// The row: its hashes stand for 256^level leaves each. At most 7.
    pub level: u8,
    /// The place in the row: the hash is over the leaves from `index` · 256^level on.
    pub index: u64,
}

impl TileCoordinate {
    /// The place of a leaf's own hash.
    pub const fn leaf(leaf: LeafIndex) -> Self {
        Self { level: 0, index: leaf.0 }
    }

    /// The tile of the row that the hash lies in, as C2SP `tlog-tiles` counts them.
    pub const fn tile(self) -> u64 {
        self.index >> TILE_HEIGHT
    }

    /// The place of the hash within its tile.
    pub const fn place_in_tile(self) -> u8 {
        self.index.to_le_bytes()[0]
    }
}

/// What an append did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Where the leaf is.
    pub leaf: LeafIndex,
    /// The hashes that now stand for good in the rows above the leaves, from the lowest row up. Mostly none, at most 7.
    pub complete: Vec<(TileCoordinate, TreeHash)>,
}

/// A log has [`TREE_SIZE_MAX`] leaves and takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log takes no more events")]
pub struct LogFull;

/// The hash of an event's bytes.
pub fn leaf_hash(bytes: &[u8]) -> TreeHash {
    TreeHash(sha256(&[&[0], bytes]))
}

/// The hash of two subtrees that lie side by side.
pub fn node_hash(left: &TreeHash, right: &TreeHash) -> TreeHash {
    TreeHash(sha256(&[&[1], &left.0, &right.0]))
}

/// The root of a log without events.
pub fn empty_root() -> TreeHash {
    TreeHash(sha256(&[]))
}

/// The growing edge of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<TreeHash>,
}

impl Frontier {
    /// The frontier of a log without events.
    pub const fn new() -> Self {
        Self { size: 0, subtrees: Vec::new() }
    }

    /// How many leaves were appended.
    pub const fn size(&self) -> TreeSize {
        TreeSize(self.size)
    }

    /// Appends a leaf: two hashes on the average, 63 at the most.
    pub fn append(&mut self, leaf: TreeHash) -> Result<Appended, LogFull> {
        if self.size >= TREE_SIZE_MAX {
            return Err(LogFull);
        }
        let index = self.size;
        let (mut hash, mut complete) = (leaf, Vec::new());
        let mut level = 0;
        for height in 1..=index.trailing_ones() {
            let Some(left) = self.subtrees.pop() else { break };
            hash = node_hash(&left, &hash);
            if height % TILE_HEIGHT == 0 {
                level += 1;
                complete.push((TileCoordinate { level, index: index >> height }, hash));
            }
        }
        self.subtrees.push(hash);
        self.size += 1;
        Ok(Appended { leaf: LeafIndex(index), complete })
    }

    /// The root over all leaves.
    pub fn root(&self) -> TreeHash {
        let subtrees = self.subtrees.iter().rev().copied();
        subtrees.reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size(), root: self.root() }
    }

    /// The bytes to keep.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(9 + self.subtrees.len() * TreeHash::LEN);
        out.push(FRONTIER_VERSION);
        out.extend_from_slice(&self.size.to_be_bytes());
        self.subtrees.iter().for_each(|hash| out.extend_from_slice(&hash.0));
        out
    }

    /// Reads what [`Frontier::encode`] wrote. Whether the hashes are true can't be seen from them.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, WHAT);
        let (version, size) = (reader.u8()?, reader.u64()?);
        if version != FRONTIER_VERSION || size > TREE_SIZE_MAX {
            return Err(reader.malformed());
        }
        let subtrees = (0..size.count_ones()).map(|_| Ok(TreeHash(reader.array()?))).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { size, subtrees })
    }
}

#[cfg(test)]
pub(super) mod tests;
