//! Reads a manifest, one stage of trust after the other.

use super::body::{ClassEntry, Envelope, ManifestBody, VERSION};
use super::head::{ClassHead, ManifestHead};
use super::seal::{body_hash, context, snapshot_root};
use super::{MAGIC, ManifestError};
use crate::codec::Reader;
use crate::digest::IdFunctions;
use crate::frame::Decompressor;
use crate::id::{HeadHash, SnapshotRoot};
use crate::limits::MANIFEST_BODY_BYTES_MAX;
use crate::seal::{Aead, OpeningKey, OpensDataKeys, SIGNATURE_LEN, VerifyingKey};

/// Which head came before, as far as the caller knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Predecessor {
    /// There was none: the head must be the first.
    None,
    /// The head must follow this one.
    Head {
        /// Its sequence.
        sequence: u64,
        /// Its hash.
        hash: HeadHash,
    },
    /// The head is read by itself; its place in the chain stays unproven.
    Unchecked,
}

/// A manifest whose bytes have the right shape. Nothing it says is a fact yet.
#[derive(Clone, Debug)]
pub struct UnverifiedManifest {
    head: ManifestHead,
    signed: Vec<u8>,
    signature: Vec<u8>,
    body: Vec<u8>,
}

impl UnverifiedManifest {
    /// Takes a file apart.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(ManifestError::NotAManifest)?;
        let mut reader = Reader::new(rest, "manifest");
        let len = reader.u32()? as usize;
        let head = reader.take(len)?;
        let head = ManifestHead::decode(head)?;
        let signed = bytes.get(..bytes.len() - reader.remaining()).unwrap_or_default().to_vec();
        let signature = reader.take(SIGNATURE_LEN)?.to_vec();
        if head.body_bytes != reader.remaining() as u64 {
            return Err(ManifestError::Damaged { what: "length of the body" });
        }
        Ok(Self { head, signed, signature, body: reader.rest().to_vec() })
    }

    /// What the head claims, to find the keys to check it with.
    pub const fn claimed_head(&self) -> &ManifestHead {
        &self.head
    }

    /// Checks signature, body hash and chain.
    pub fn verify(self, signers: &[VerifyingKey], after: Predecessor) -> Result<VerifiedManifest, ManifestError> {
        let signer = self.head.signer;
        let key = signers.iter().find(|key| key.id() == signer).ok_or(ManifestError::UnknownSigner { signer })?;
        if !key.verifies(&self.signed, &self.signature) {
            return Err(ManifestError::BadSignature { signer });
        }
        if body_hash(&self.head.scope, &self.body) != self.head.body_hash {
            return Err(ManifestError::Damaged { what: "hash of the body" });
        }
        let (expected, previous) = match after {
            Predecessor::None => (1, None),
            Predecessor::Head { sequence, hash } => (sequence.saturating_add(1), Some(hash)),
            Predecessor::Unchecked => (self.head.sequence, self.head.previous),
        };
        if self.head.sequence != expected || self.head.previous != previous {
            return Err(ManifestError::BrokenChain { expected, found: self.head.sequence });
        }
        let hash = self.head.hash();
        Ok(VerifiedManifest { head: self.head, hash, body: self.body })
    }
}

/// A manifest that its source signed, in its place of the chain.
#[derive(Clone, Debug)]
pub struct VerifiedManifest {
    head: ManifestHead,
    hash: HeadHash,
    body: Vec<u8>,
}

impl VerifiedManifest {
    /// The head's facts.
    pub const fn head(&self) -> &ManifestHead {
        &self.head
    }

    /// The name under which the next head knows this one.
    pub const fn hash(&self) -> HeadHash {
        self.hash
    }

    /// What a next head is to follow.
    pub const fn as_predecessor(&self) -> Predecessor {
        Predecessor::Head { sequence: self.head.sequence, hash: self.hash }
    }

    /// Opens the body with the keys of a custodian, a rescue or this host.
    pub fn open_body(&self, keys: &dyn OpensDataKeys) -> Result<ManifestBody, ManifestError> {
        let key = keys.open_data_key(&self.head.key, &self.context())?;
        self.open_body_with(&key)
    }

    /// The root that the classes and blobs of a body have; nothing if the head lists other classes.
    pub fn root_of(&self, ids: &IdFunctions, body: &ManifestBody) -> Option<SnapshotRoot> {
        let of_head = |entry: &ClassEntry| {
            let listed = self.head.classes.iter().find(|listed| listed.class == entry.id)?;
            Some(ClassHead { class: entry.id, tags: listed.tags, root: entry.root })
        };
        let captured = body.classes.iter().filter(|entry| entry.captured);
        let captured: Vec<ClassHead> = captured.filter_map(of_head).collect();
        (captured.len() == self.head.classes.len()).then(|| snapshot_root(ids, &captured, &body.blobs))
    }

    /// Opens the body with its data key.
    pub fn open_body_with(&self, key: &OpeningKey) -> Result<ManifestBody, ManifestError> {
        const WHAT: &str = "body";
        let aead = Aead::new(self.head.scope.profile, key.expose())?;
        let mut sealed = self.body.clone();
        let envelope = aead.open(0, &self.context(), &mut sealed, WHAT)?;
        let mut decompressor = Decompressor::new().map_err(ManifestError::Compression)?;
        let json = decompressor.open(envelope, MANIFEST_BODY_BYTES_MAX, WHAT)?;
        let damaged = |_| ManifestError::Damaged { what: WHAT };
        let version = serde_json::from_slice::<Envelope>(&json).map_err(damaged)?.version;
        if version != VERSION {
            return Err(ManifestError::UnknownVersion { found: version });
        }
        serde_json::from_slice(&json).map_err(damaged)
    }

    fn context(&self) -> Vec<u8> {
        context(&self.head.scope, self.head.source, self.head.snapshot, self.head.sequence)
    }
}
