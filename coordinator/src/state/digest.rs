//! The digest of all rows, kept as they change.
//!
//! A multiset hash: the sum of one BLAKE3 hash a row, over four lanes of 64 bits that wrap. Adding and removing a row
//! each cost one hash, whatever the size of the state, and the order in which rows came does not matter. It finds
//! members that differ by accident, and is no proof against somebody who picks rows to collide (Clarke et al.,
//! "Incremental Multiset Hash Functions", 2003, which names the sum's limits).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The digest of a state; zero for no rows.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StateDigest([u64; 4]);

impl StateDigest {
    /// Takes a row in.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.fold(key, value, u64::wrapping_add);
    }

    /// Takes a row out that was taken in before.
    pub fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.fold(key, value, u64::wrapping_sub);
    }

    /// The digest as bytes, for the wire and for people.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (place, lane) in bytes.chunks_exact_mut(8).zip(self.0) {
            place.copy_from_slice(&lane.to_be_bytes());
        }
        bytes
    }

    /// The digest that [`Self::to_bytes`] gave.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut lanes = [0; 4];
        for (lane, place) in lanes.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *lane = u64::from_be_bytes(*place);
        }
        Self(lanes)
    }

    fn fold(&mut self, key: &[u8], value: &[u8], by: fn(u64, u64) -> u64) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(key.len() as u64).to_be_bytes());
        hasher.update(key);
        hasher.update(value);
        let row = Self::from_bytes(*hasher.finalize().as_bytes());
        for (lane, row) in self.0.iter_mut().zip(row.0) {
            *lane = by(*lane, row);
        }
    }
}

impl fmt::Display for StateDigest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::encode(self.to_bytes()))
    }
}

impl fmt::Debug for StateDigest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "StateDigest({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_in_any_order_give_one_digest(rows in proptest::collection::btree_map(any::<Vec<u8>>(), any::<Vec<u8>>(), 0..20)) {
            let (mut up, mut down) = (StateDigest::default(), StateDigest::default());
            for (key, value) in &rows {
                up.add(key, value);
            }
            for (key, value) in rows.iter().rev() {
                down.add(key, value);
            }
            prop_assert_eq!(up, down);
            for (key, value) in &rows {
                up.remove(key, value);
            }
            prop_assert_eq!(up, StateDigest::default());
        }
    }

    #[test]
    fn a_byte_that_moves_from_key_to_value_changes_the_digest() {
        let (mut one, mut other) = (StateDigest::default(), StateDigest::default());
        one.add(b"ab", b"c");
        other.add(b"a", b"bc");
        assert_ne!(one, other);
        assert_eq!(StateDigest::from_bytes(one.to_bytes()), one);
    }
}
