//! Identities. Each kind of thing has its own type, so that a leaf can't be asked for by the id of a node.
//!
//! Random ids are minted by the shell from injected entropy; derived ids (digests) come from [`crate::digest`]. All are
//! shown as lower-case hexadecimal, and written so where people may read; a binary form carries the bytes themselves.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text that is not the hexadecimal form of an id of this length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected {expected} hexadecimal digits")]
pub struct NotAnId {
    /// Digits that the id has.
    pub expected: usize,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), hex::encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let mut bytes = [0; $len];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| NotAnId { expected: 2 * $len })?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; $len]>::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

id!(
    /// A protected system. Random, never reused.
    SourceId,
    16
);
id!(
    /// A class of one source. Random and opaque, so that policy and catalogue see no names.
    ClassId,
    16
);
id!(
    /// One snapshot of one source. Random.
    SnapshotId,
    16
);
id!(
    /// One restore into one target. Random.
    RestoreId,
    16
);
id!(
    /// One sealed pack, and the name of its file. Random.
    PackId,
    16
);
id!(
    /// Tenant × home jurisdiction: whose keys seal a source. Random.
    DomainId,
    16
);
id!(
    /// An agent, for as long as its keys live. Random, never reused.
    AgentId,
    16
);
id!(
    /// A depot, for as long as its folder or bucket is used. Random, never reused.
    DepotId,
    16
);
id!(
    /// One attempt to take a snapshot of a source. Random.
    RunId,
    16
);
id!(
    /// One agent's upload of one snapshot. Random.
    UploadId,
    16
);
id!(
    /// The host, or the hosts, whose load several sources share. Opaque: names of hosts stay with the operator.
    HostGroup,
    16
);
id!(
    /// Names a join token, and is no secret. Random.
    TokenId,
    8
);
id!(
    /// Serial number of a certificate. Random.
    CertificateSerial,
    16
);
id!(
    /// A client's session with the group, within which a retried request takes effect once. Random.
    ClientSession,
    16
);
id!(
    /// Keyed digest of one canonical record.
    RecordDigest,
    16
);
id!(
    /// Keyed hash over the ordered (key, record digest) pairs of a leaf.
    LeafId,
    32
);
id!(
    /// Keyed hash over the children of an inner node.
    NodeId,
    32
);
id!(
    /// Keyed hash over tree parameters, schema digest and top of one class.
    ClassRoot,
    32
);
id!(
    /// Keyed hash over the class roots and blobs of one snapshot.
    SnapshotRoot,
    32
);
id!(
    /// Keyed hash over the content of a blob, whatever its chunks.
    BlobId,
    32
);
id!(
    /// Keyed hash over one chunk of a blob.
    ChunkId,
    32
);
id!(
    /// Keyed hash over a class schema.
    SchemaDigest,
    32
);
id!(
    /// Hash over ciphertext that anybody can recompute; see [`crate::merkle`].
    MerkleRoot,
    32
);
id!(
    /// A hash in the tree of the audit log: of one event, of a subtree, or the root; see [`crate::audit`].
    TreeHash,
    32
);
id!(
    /// Hash of a request as it arrived, which the audit event that it led to names.
    RequestDigest,
    32
);
id!(
    /// Hash of the policy by which something was decided.
    PolicyHash,
    32
);
id!(
    /// Hash of one manifest's signed head, which the next head names.
    HeadHash,
    32
);
id!(
    /// Hash of the name of an environment (production, test …): sealed bytes are bound to it.
    EnvironmentHash,
    32
);
id!(
    /// Hash of the label of allowed places: sealed bytes are bound to it.
    PlacesHash,
    32
);
id!(
    /// The first bytes of a hash of a public key, or of a check value of a secret one: says which key is needed.
    KeyId,
    8
);

/// What a pack may hold under a name: the ids that a reader asks the depot for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectId {
    /// A leaf, in any form.
    Leaf(LeafId),
    /// An inner node, in any form.
    Node(NodeId),
    /// A blob: whole, or the list of its chunks.
    Blob(BlobId),
    /// One chunk of a blob.
    Chunk(ChunkId),
}

impl ObjectId {
    /// The bytes of the id, whatever its kind.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        match self {
            Self::Leaf(LeafId(bytes))
            | Self::Node(NodeId(bytes))
            | Self::Blob(BlobId(bytes))
            | Self::Chunk(ChunkId(bytes)) => bytes,
        }
    }

    /// The short name under which packs index the object, always checked against the full id by the reader.
    pub fn hint(&self) -> Hint {
        let bytes = self.as_bytes();
        Hint([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]])
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.as_bytes()))
    }
}

id!(
    /// The first bytes of an object's id. Several objects may share one; readers recompute the full id.
    Hint,
    6
);
