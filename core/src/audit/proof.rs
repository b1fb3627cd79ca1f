//! Proofs over the tree: that an event is in a log, and that a log only grew.
//!
//! The paths are those of RFC 9162 §2.1.3 and §2.1.4. They are made from the rows of hashes that a store keeps, and
//! checked with nothing but the path and the heads. A proof reads from at most two tiles of each row, and no hash twice.
//! Whoever checks a path believes none of it: any path is refused or true, and none takes more steps than it is long.

use super::merkle::{LeafIndex, TILE_HEIGHT, TREE_SIZE_MAX, TileCoordinate, TreeHead, TreeSize, empty_root, node_hash};
use crate::id::TreeHash;

/// Most hashes in a path: a tree of 2^63 leaves has 63 levels, and the path from one head to another one hash more.
pub const PATH_LEN_MAX: usize = 64;

/// Where hashes are kept.
pub trait HashSource {
    /// Why a hash can't be had.
    type Error: std::error::Error + 'static;

    /// The hash at a place in the rows: a leaf's hash, or one that an append told to be complete.
    fn node(&self, at: TileCoordinate) -> Result<TreeHash, Self::Error>;
}

/// A proof could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ProofError<E: std::error::Error + 'static> {
    /// The log does not have what is to be proven, or is not as large.
    #[error("no proof for {asked} in an audit log of {size} events")]
    OutOfRange {
        /// The leaf, or the older size.
        asked: u64,
        /// The size of the log.
        size: TreeSize,
    },
    /// A hash could not be read.
    #[error("a hash of the audit log can't be read")]
    Unreadable {
        /// Why.
        source: E,
    },
}

/// A path that proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofRefuted {
    /// The leaf lies beyond the log, or the older log is larger than the newer one.
    #[error("{asked} lies beyond an audit log of {size} events")]
    OutOfRange {
        /// The leaf, or the older size.
        asked: u64,
        /// The size of the log.
        size: TreeSize,
    },
    /// The path has too many or too few hashes.
    #[error("a path of {found} hashes does not fit the size of the audit log")]
    PathLength {
        /// Its hashes.
        found: usize,
    },
    /// The path does not lead to the root. Where the older log is one full subtree, whose root the path begins with,
    /// either root may be the wrong one.
    #[error("the path does not lead to the root of the audit log")]
    RootDiffers,
    /// The path does not begin at the older root: the newer log is no extension of it.
    #[error("the newer audit log does not extend the older one")]
    OldRootDiffers,
}

/// The path from a leaf to the root of the log when it had `size` events, from the leaf up.
pub fn prove_inclusion<S: HashSource>(
    source: &S,
    leaf: LeafIndex,
    size: TreeSize,
) -> Result<Vec<TreeHash>, ProofError<S::Error>> {
    if leaf.0 >= size.0 || size.0 > TREE_SIZE_MAX {
        return Err(ProofError::OutOfRange { asked: leaf.0, size });
    }
    let mut path = Vec::new();
    let (mut begin, mut end) = (0, size.0);
    while end - begin > 1 {
        let middle = begin + left_len(end - begin);
        if leaf.0 < middle {
            path.push(range(source, middle, end)?);
            end = middle;
        } else {
            path.push(range(source, begin, middle)?);
            begin = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The path that shows that the log of `new` events extends that of `old` events.
pub fn prove_consistency<S: HashSource>(
    source: &S,
    old: TreeSize,
    new: TreeSize,
) -> Result<Vec<TreeHash>, ProofError<S::Error>> {
    if old > new || new.0 > TREE_SIZE_MAX {
        return Err(ProofError::OutOfRange { asked: old.0, size: new });
    }
    let mut path = Vec::new();
    if old.0 == 0 {
        return Ok(path);
    }
    let (mut begin, mut end) = (0, new.0);
    while end != old.0 {
        let middle = begin + left_len(end - begin);
        if old.0 <= middle {
            path.push(range(source, middle, end)?);
            end = middle;
        } else {
            path.push(range(source, begin, middle)?);
            begin = middle;
        }
    }
    // With nothing to the left, the last subtree is the older log, whose root the other side has.
    if begin > 0 {
        path.push(range(source, begin, end)?);
    }
    path.reverse();
    Ok(path)
}

/// The root of the log when it had `size` events.
pub fn root_at<S: HashSource>(source: &S, size: TreeSize) -> Result<TreeHash, ProofError<S::Error>> {
    match size.0 {
        0 => Ok(empty_root()),
        1..=TREE_SIZE_MAX => range(source, 0, size.0),
        _ => Err(ProofError::OutOfRange { asked: size.0, size }),
    }
}

/// The size of the left subtree of a tree of two leaves or more: the largest power of two below its size.
const fn left_len(len: u64) -> u64 {
    1 << (len - 1).ilog2()
}

/// The hash over a run of leaves that is a subtree: it is not empty, and begins where a tree of its size may.
fn range<S: HashSource>(source: &S, begin: u64, end: u64) -> Result<TreeHash, ProofError<S::Error>> {
    let len = end - begin;
    if len.is_power_of_two() {
        let height = len.ilog2();
        return full(source, height, begin >> height).map_err(|source| ProofError::Unreadable { source });
    }
    let middle = begin + left_len(len);
    Ok(node_hash(&range(source, begin, middle)?, &range(source, middle, end)?))
}

/// The hash of the full subtree of 2^height leaves at a place among those of its height.
fn full<S: HashSource>(source: &S, height: u32, index: u64) -> Result<TreeHash, S::Error> {
    match u8::try_from(height / TILE_HEIGHT) {
        Ok(level) if height.is_multiple_of(TILE_HEIGHT) => source.node(TileCoordinate { level, index }),
        _ => Ok(node_hash(&full(source, height - 1, 2 * index)?, &full(source, height - 1, 2 * index + 1)?)),
    }
}

/// Checks that a leaf is in a log: RFC 9162 §2.1.3.2.
pub fn verify_inclusion(
    leaf_hash: &TreeHash,
    leaf: LeafIndex,
    head: &TreeHead,
    path: &[TreeHash],
) -> Result<(), ProofRefuted> {
    if leaf.0 >= head.size.0 {
        return Err(ProofRefuted::OutOfRange { asked: leaf.0, size: head.size });
    }
    let length = ProofRefuted::PathLength { found: path.len() };
    let mut steps = Steps { at: leaf.0, last: head.size.0 - 1 };
    let mut hash = *leaf_hash;
    for sibling in path {
        hash = match steps.up().ok_or(length)? {
            Side::Left => node_hash(sibling, &hash),
            Side::Right => node_hash(&hash, sibling),
        };
    }
    match (steps.last, hash == head.root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofRefuted::RootDiffers),
        _ => Err(length),
    }
}

/// Checks that a log extends an older one: RFC 9162 §2.1.4.2. Every log extends the one without events.
pub fn verify_consistency(old: &TreeHead, new: &TreeHead, path: &[TreeHash]) -> Result<(), ProofRefuted> {
    let length = ProofRefuted::PathLength { found: path.len() };
    if old.size > new.size {
        return Err(ProofRefuted::OutOfRange { asked: old.size.0, size: new.size });
    }
    if old.size.0 == 0 || old.size == new.size {
        let is_same = old.size != new.size || old.root == new.root;
        let is_empty = old.size.0 > 0 || old.root == empty_root();
        return match (path, is_same && is_empty) {
            ([], true) => Ok(()),
            ([], false) => Err(ProofRefuted::OldRootDiffers),
            _ => Err(length),
        };
    }
    let mut steps = Steps { at: old.size.0 - 1, last: new.size.0 - 1 };
    steps.skip(steps.at.trailing_ones());
    // An older log that is one full subtree is where the path begins; else the path names the subtree.
    let (mut old_hash, rest) = match (old.size.0.is_power_of_two(), path.split_first()) {
        (true, _) => (old.root, path),
        (false, Some((first, rest))) => (*first, rest),
        (false, None) => return Err(length),
    };
    let mut new_hash = old_hash;
    for sibling in rest {
        match steps.up().ok_or(length)? {
            Side::Left => {
                old_hash = node_hash(sibling, &old_hash);
                new_hash = node_hash(sibling, &new_hash);
            }
            Side::Right => new_hash = node_hash(&new_hash, sibling),
        }
    }
    match (steps.last, old_hash == old.root, new_hash == new.root) {
        (0, true, true) => Ok(()),
        (0, false, _) => Err(ProofRefuted::OldRootDiffers),
        (0, true, false) => Err(ProofRefuted::RootDiffers),
        _ => Err(length),
    }
}

/// On which side of the path its next hash lies.
enum Side {
    Left,
    Right,
}

/// The way from a subtree to the root: its place at the present level, and the last place there.
struct Steps {
    at: u64,
    last: u64,
}

impl Steps {
    const fn skip(&mut self, levels: u32) {
        self.at >>= levels;
        self.last >>= levels;
    }

    /// One step up, if there is one; a subtree at the edge without a sibling is passed up until it has one on its left.
    const fn up(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let side = if self.at & 1 == 1 || self.at == self.last { Side::Left } else { Side::Right };
        if matches!(side, Side::Left) && self.at > 0 {
            self.skip(self.at.trailing_zeros());
        }
        self.skip(1);
        Some(side)
    }
}

#[cfg(test)]
mod tests;
