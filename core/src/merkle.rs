//! Hashes that need no key: roots over ciphertext, hashes of clear heads, names of public things.
//!
//! BLAKE3 profile: the BLAKE3 hash of the bytes, which is itself the root of a binary tree over 1 KiB chunks, so any
//! range can later be proven with a path. FIPS profile: the SHA-256 tree of RFC 6962 over blocks of 64 KiB: a leaf is
//! `SHA-256(00 ‖ block)`, a node `SHA-256(01 ‖ left ‖ right)`, the left subtree is the largest power of two that leaves
//! something for the right one; nothing at all hashes to `SHA-256("")`.
//!
//! None of these is a secret or an id of content: ids are keyed ([`crate::digest`]), since a plain hash of guessable
//! content would confirm the guess.

use aws_lc_rs::digest;

use crate::digest::Profile;
use crate::id::MerkleRoot;

/// Bytes under one leaf of the SHA-256 tree.
pub const MERKLE_BLOCK_BYTES: usize = 64 * 1024;

/// The root of a whole message.
pub fn merkle_root(profile: Profile, bytes: &[u8]) -> MerkleRoot {
    let mut hasher = MerkleHasher::new(profile);
    hasher.update(bytes);
    hasher.finish()
}

/// The hash of a few public bytes under a label, so that hashes of one kind never pass for another.
pub fn labelled_hash(profile: Profile, label: &str, bytes: &[u8]) -> [u8; 32] {
    let mut message = Vec::with_capacity(label.len() + bytes.len() + 15);
    message.extend_from_slice(b"strongroom v1 ");
    message.extend_from_slice(label.as_bytes());
    message.push(0);
    message.extend_from_slice(bytes);
    match profile {
        Profile::Blake3 => *blake3::hash(&message).as_bytes(),
        Profile::Fips => sha256(&[&message]),
    }
}

/// A root under way.
pub struct MerkleHasher(State);

enum State {
    Blake3(Box<blake3::Hasher>),
    Sha256(Sha256Tree),
}

impl MerkleHasher {
    /// Starts with nothing.
    pub fn new(profile: Profile) -> Self {
        Self(match profile {
            Profile::Blake3 => State::Blake3(Box::new(blake3::Hasher::new())),
            Profile::Fips => State::Sha256(Sha256Tree::new()),
        })
    }

    /// Feeds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Blake3(hasher) => {
                hasher.update(bytes);
            }
            State::Sha256(tree) => tree.update(bytes),
        }
    }

    /// The root over all that was fed.
    pub fn finish(self) -> MerkleRoot {
        MerkleRoot(match self.0 {
            State::Blake3(hasher) => *hasher.finalize().as_bytes(),
            State::Sha256(tree) => tree.finish(),
        })
    }
}

/// The tree as it grows: full subtrees of falling size, and the block that is being filled.
struct Sha256Tree {
    block: Option<digest::Context>,
    filled: usize,
    full: Vec<(u32, [u8; 32])>,
}

impl Sha256Tree {
    const fn new() -> Self {
        Self { block: None, filled: 0, full: Vec::new() }
    }

    fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = MERKLE_BLOCK_BYTES - self.filled;
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.block.get_or_insert_with(leaf_context).update(now);
            self.filled += now.len();
            bytes = later;
            if self.filled == MERKLE_BLOCK_BYTES {
                self.close_block();
            }
        }
    }

    fn close_block(&mut self) {
        let Some(block) = self.block.take() else { return };
        self.filled = 0;
        let mut height = 0;
        let mut hash = array(&block.finish());
        while let Some((_, left)) = self.full.pop_if(|(other, _)| *other == height) {
            hash = sha256(&[&[1], &left, &hash]);
            height += 1;
        }
        self.full.push((height, hash));
    }

    fn finish(mut self) -> [u8; 32] {
        self.close_block();
        let subtrees = self.full.into_iter().rev().map(|(_, hash)| hash);
        subtrees.reduce(|right, left| sha256(&[&[1], &left, &right])).unwrap_or_else(|| sha256(&[]))
    }
}

fn leaf_context() -> digest::Context {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&[0]);
    context
}

/// SHA-256 over the parts, one behind the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    array(&context.finish())
}

fn array(digest: &digest::Digest) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 §2.1 word for word, over blocks held in memory.
    fn naive(blocks: &[&[u8]]) -> [u8; 32] {
        match blocks {
            [] => sha256(&[]),
            [one] => sha256(&[&[0], one]),
            _ => {
                let k = blocks.len().next_power_of_two() / 2;
                sha256(&[&[1], &naive(&blocks[..k]), &naive(&blocks[k..])])
            }
        }
    }

    #[test]
    fn sha256_tree_is_that_of_rfc_6962() {
        for len in [0, 1, 65_535, 65_536, 65_537, 3 * 65_536, 5 * 65_536 + 9, 8 * 65_536] {
            let bytes: Vec<u8> = (0..251).cycle().take(len).collect();
            let blocks: Vec<&[u8]> = bytes.chunks(MERKLE_BLOCK_BYTES).collect();
            let mut hasher = MerkleHasher::new(Profile::Fips);
            bytes.chunks(10_007).for_each(|part| hasher.update(part));
            assert_eq!(hasher.finish().0, naive(&blocks), "{len} bytes");
        }
    }

    #[test]
    fn blake3_root_is_the_plain_hash() {
        assert_eq!(merkle_root(Profile::Blake3, b"pack").0, *blake3::hash(b"pack").as_bytes());
    }
}
