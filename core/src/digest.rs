//! The keyed hash functions that name things.
//!
//! One id key per source, fixed for the source's life; each kind of thing is hashed under a subkey of its own, so that
//! an id of one kind can never pass for another. Two profiles: keyed BLAKE3 (the BLAKE3 paper, §2.3) and HMAC-SHA-256
//! (RFC 2104, FIPS 198-1). The profile is fixed when the repository is made.
//!
//! Border hashes only spread the borders of leaves: they protect nothing, so SipHash-2-4 under a secret subkey serves
//! in both profiles.

use std::hash::Hasher as _;

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::id::{BlobId, ChunkId, RecordDigest, SchemaDigest};

/// Which algorithms a repository uses throughout. An incompatible flag of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// BLAKE3, X25519, Argon2id, Ed25519, AES-256-GCM with counter nonces.
    Blake3,
    /// HMAC-SHA-256, P-256, PBKDF2, AES-256-GCM with random nonces.
    Fips,
}

/// The secret under which all ids of one source are computed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct IdKey([u8; 32]);

impl IdKey {
    /// A key from 32 random bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret itself, for wrapping only.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// One keyed hash function.
#[derive(Clone)]
pub struct KeyedHash(Algorithm);

#[derive(Clone)]
enum Algorithm {
    Blake3([u8; 32]),
    Hmac(Box<hmac::Key>),
}

impl KeyedHash {
    /// The function of a profile under a key.
    pub fn new(profile: Profile, key: &[u8; 32]) -> Self {
        Self(match profile {
            Profile::Blake3 => Algorithm::Blake3(*key),
            Profile::Fips => Algorithm::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, key))),
        })
    }

    /// The digest of a whole message.
    #[inline]
    pub fn digest(&self, message: &[u8]) -> [u8; 32] {
        match &self.0 {
            Algorithm::Blake3(key) => *blake3::keyed_hash(key, message).as_bytes(),
            Algorithm::Hmac(key) => tag_bytes(&hmac::sign(key, message)),
        }
    }

    /// A digest that is fed piece by piece.
    pub fn start(&self) -> Streaming {
        match &self.0 {
            Algorithm::Blake3(key) => Streaming(State::Blake3(Box::new(blake3::Hasher::new_keyed(key)))),
            Algorithm::Hmac(key) => Streaming(State::Hmac(Box::new(hmac::Context::with_key(key)))),
        }
    }
}

/// A digest under way.
pub struct Streaming(State);

enum State {
    Blake3(Box<blake3::Hasher>),
    Hmac(Box<hmac::Context>),
}

impl Streaming {
    /// Feeds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Blake3(hasher) => {
                hasher.update(bytes);
            }
            State::Hmac(context) => context.update(bytes),
        }
    }

    /// The digest of all that was fed.
    pub fn finish(self) -> [u8; 32] {
        match self.0 {
            State::Blake3(hasher) => *hasher.finalize().as_bytes(),
            State::Hmac(context) => tag_bytes(&context.sign()),
        }
    }
}

fn tag_bytes(tag: &hmac::Tag) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(tag.as_ref());
    out
}

/// All id functions of one source.
#[derive(Clone)]
pub struct IdFunctions {
    profile: Profile,
    record: KeyedHash,
    pub(crate) leaf: KeyedHash,
    pub(crate) node: KeyedHash,
    pub(crate) class: KeyedHash,
    pub(crate) snapshot: KeyedHash,
    blob: KeyedHash,
    chunk: KeyedHash,
    schema: KeyedHash,
    border: [u8; 16],
    splitter: [u8; 32],
}

impl IdFunctions {
    /// Derives the functions from a source's id key: each subkey is the keyed hash of its label.
    pub fn new(profile: Profile, key: &IdKey) -> Self {
        let root = KeyedHash::new(profile, key.expose());
        let subkey = |label: &str| root.digest(format!("strongroom v1 {label}").as_bytes());
        let function = |label: &str| KeyedHash::new(profile, &subkey(label));
        let mut border = [0; 16];
        border.copy_from_slice(&subkey("border")[..16]);
        Self {
            profile,
            record: function("record"),
            leaf: function("leaf"),
            node: function("node"),
            class: function("class"),
            snapshot: function("snapshot"),
            blob: function("blob"),
            chunk: function("chunk"),
            schema: function("schema"),
            border,
            splitter: subkey("splitter"),
        }
    }

    /// The profile of these functions.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// The digest of a canonical record: the first 128 bits of its keyed hash.
    #[inline]
    pub fn record(&self, record: &[u8]) -> RecordDigest {
        let full = self.record.digest(record);
        let mut short = [0; RecordDigest::LEN];
        short.copy_from_slice(&full[..RecordDigest::LEN]);
        RecordDigest(short)
    }

    /// The id of a blob with this content.
    pub fn blob(&self, content: &[u8]) -> BlobId {
        BlobId(self.blob.digest(content))
    }

    /// The id of a blob whose content is fed piece by piece; finish it with [`BlobId`].
    pub fn blob_start(&self) -> Streaming {
        self.blob.start()
    }

    /// The id of one chunk.
    pub fn chunk(&self, content: &[u8]) -> ChunkId {
        ChunkId(self.chunk.digest(content))
    }

    /// The digest of a class schema in its canonical bytes.
    pub fn schema(&self, canonical: &[u8]) -> SchemaDigest {
        SchemaDigest(self.schema.digest(canonical))
    }

    /// The border hash of a key at one level of a tree (0 for leaves). The smallest in a window ends a part.
    #[inline]
    pub fn border(&self, level: u8, key: &[u8]) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.border);
        hasher.write(key);
        hasher.write_u8(level);
        hasher.finish()
    }

    /// The secret from which the chunk splitter derives its table.
    pub const fn splitter_key(&self) -> &[u8; 32] {
        &self.splitter
    }
}
