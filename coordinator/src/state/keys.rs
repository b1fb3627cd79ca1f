//! How ids name rows.
//!
//! Owns the bytes of keys. Numbers are big-endian, so that rows list in their order; a key of two parts has its
//! fixed-size part first, so that all rows of one thing share a prefix. A text may only be the last part.

use std::cmp::Reverse;

use strongroom_core::audit::{LeafIndex, TileCoordinate};
use strongroom_core::id::{
    AgentId, CertificateSerial, ClientSession, DepotId, HostGroup, MerkleRoot, PackId, RunId, SnapshotId, SourceId,
    TokenId, UploadId,
};

use super::rows::Key;
use crate::id::{ClusterEpoch, MemberId};

macro_rules! keyed_by_bytes {
    ($($name:ident),*) => {
        $(impl Key for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.as_bytes());
            }

            fn decode(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        })*
    };
}

macro_rules! pairs {
    ($($first:ident, $second:ty);* $(;)?) => {
        $(impl Key for ($first, $second) {
            fn encode(&self, out: &mut Vec<u8>) {
                self.0.encode(out);
                self.1.encode(out);
            }

            fn decode(bytes: &[u8]) -> Option<Self> {
                let (first, second) = bytes.split_at_checked($first::LEN)?;
                Some(($first::decode(first)?, Key::decode(second)?))
            }
        })*
    };
}

keyed_by_bytes!(
    AgentId,
    CertificateSerial,
    ClientSession,
    DepotId,
    HostGroup,
    MerkleRoot,
    PackId,
    RunId,
    SnapshotId,
    SourceId,
    TokenId,
    UploadId
);

pairs!(
    ClientSession, u64;
    SourceId, u64;
    SourceId, Reverse<u64>;
    SourceId, PackId;
    PackId, DepotId;
    DepotId, MerkleRoot;
);

impl Key for () {
    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.is_empty().then_some(())
    }
}

impl Key for u64 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

/// A day of accrued time and a session last used on it.
impl Key for (u64, ClientSession) {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
        self.1.encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (day, session) = bytes.split_at_checked(8)?;
        Some((u64::decode(day)?, ClientSession::decode(session)?))
    }
}

impl Key for Reverse<u64> {
    fn encode(&self, out: &mut Vec<u8>) {
        (!self.0).encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        u64::decode(bytes).map(|number| Self(!number))
    }
}

impl Key for LeafIndex {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        u64::decode(bytes).map(Self)
    }
}

impl Key for TileCoordinate {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.level);
        self.index.encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (level, index) = bytes.split_first()?;
        Some(Self { level: *level, index: u64::decode(index)? })
    }
}

impl Key for ClusterEpoch {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        u64::decode(bytes).map(Self)
    }
}

impl Key for MemberId {
    fn encode(&self, out: &mut Vec<u8>) {
        self.number().encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        u64::decode(bytes).and_then(Self::from_number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes<K: Key>(key: &K) -> Vec<u8> {
        let mut out = Vec::new();
        key.encode(&mut out);
        out
    }

    proptest! {
        #[test]
        fn keys_sort_as_their_bytes_and_are_read_back(one: (([u8; 16], u64), u64), other: (([u8; 16], u64), u64)) {
            let key = |parts: (([u8; 16], u64), u64)| (SourceId(parts.0.0), Reverse(parts.0.1));
            prop_assert_eq!(key(one).cmp(&key(other)), bytes(&key(one)).cmp(&bytes(&key(other))));
            prop_assert_eq!(Key::decode(&bytes(&key(one))), Some(key(one)));
            prop_assert_eq!(one.1.cmp(&other.1), bytes(&one.1).cmp(&bytes(&other.1)));
        }

        #[test]
        fn bytes_of_another_length_are_no_key(bytes: Vec<u8>) {
            prop_assert_eq!(<(SourceId, u64)>::decode(&bytes).is_some(), bytes.len() == 24);
            prop_assert_eq!(u64::decode(&bytes).is_some(), bytes.len() == 8);
        }
    }
}
