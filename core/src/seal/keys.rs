//! The keys that wrap data keys: the epochs of a home domain, and the key of one host.
//!
//! A data key is wrapped once, when its pack is begun, and the header that carries the wrap never changes. The clear
//! [`KeyId`] beside it tells a wrong key from damage.

use std::fmt;

use aws_lc_rs::aead::{self, AES_256_GCM, LessSafeKey, NONCE_LEN, Nonce, RandomizedNonceKey, UnboundKey};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{OpeningKey, SealError, hpke};
use crate::codec::Malformed;
use crate::digest::{KeyedHash, Profile};
use crate::entropy::{Entropy, random_array};
use crate::id::KeyId;
use crate::merkle::labelled_hash;

const INFO: &[u8] = b"strongroom v1 data key";
const WHAT: &str = "a wrapped data key";
/// A wrapped data key: 32 bytes and a tag.
const WRAP_LEN: usize = 32 + 16;

/// The number of an epoch of one home domain, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EpochNumber(pub u32);

impl fmt::Display for EpochNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// To whom a data key is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum WrapKind {
    /// By HPKE to an epoch's public key.
    Epoch = 1,
    /// By AES-256-GCM under a host-bound key.
    Host = 2,
}

impl WrapKind {
    /// The kind of a byte in a header.
    pub(crate) const fn from_byte(byte: u8) -> Result<Self, Malformed> {
        match byte {
            1 => Ok(Self::Epoch),
            2 => Ok(Self::Host),
            _ => Err(Malformed::new("wrap kind")),
        }
    }
}

/// A wrapped data key with what says who can open it. All clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// How it is wrapped.
    pub kind: WrapKind,
    /// The epoch; 0 under a host key.
    pub epoch: EpochNumber,
    /// The key that opens it.
    pub key_id: KeyId,
    /// Encapsulated key and ciphertext, or nonce and ciphertext filled up with zeros: 80 bytes, or 113 in the FIPS profile.
    pub bytes: Vec<u8>,
}

/// Length of [`WrappedKey::bytes`] in a profile.
pub(crate) const fn wrapped_len(profile: Profile) -> usize {
    hpke::enc_len(profile) + WRAP_LEN
}

/// Draws a data key for one writer.
pub(crate) fn new_data_key(entropy: &dyn Entropy) -> Result<Zeroizing<[u8; 32]>, SealError> {
    Ok(Zeroizing::new(random_array(entropy)?))
}

/// An epoch's public key: all that an agent needs to seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochPublicKey {
    profile: Profile,
    epoch: EpochNumber,
    id: KeyId,
    bytes: Vec<u8>,
}

impl EpochPublicKey {
    /// A public key in the serialised form of RFC 9180.
    pub fn new(profile: Profile, epoch: EpochNumber, bytes: Vec<u8>) -> Result<Self, SealError> {
        if bytes.len() != hpke::enc_len(profile) {
            return Err(SealError::BadKey { what: "an epoch's public key" });
        }
        Ok(Self { profile, epoch, id: public_key_id(profile, &bytes), bytes })
    }

    /// The epoch.
    pub const fn epoch(&self) -> EpochNumber {
        self.epoch
    }

    /// The name of the key in headers.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The serialised key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The profile that the key belongs to.
    pub const fn profile(&self) -> Profile {
        self.profile
    }
}

/// An epoch's private key, held by a custodian or a rescue while it works.
pub struct EpochPrivateKey {
    public: EpochPublicKey,
    private: Zeroizing<[u8; 32]>,
}

impl EpochPrivateKey {
    /// Makes the key pair of a new epoch.
    pub fn generate(profile: Profile, epoch: EpochNumber, entropy: &dyn Entropy) -> Result<Self, SealError> {
        let pair = hpke::derive_key_pair(profile, &Zeroizing::new(random_array::<32>(entropy)?))?;
        Ok(Self { public: EpochPublicKey::new(profile, epoch, pair.public)?, private: pair.private })
    }

    /// A private key that was unwrapped, with the public key that the keyring states for it.
    pub(crate) fn from_parts(public: EpochPublicKey, private: &[u8]) -> Result<Self, SealError> {
        let private = private.try_into().map_err(|_| SealError::BadKey { what: "an epoch's private key" })?;
        Ok(Self { public, private: Zeroizing::new(private) })
    }

    /// The public half.
    pub const fn public(&self) -> &EpochPublicKey {
        &self.public
    }

    /// The secret half, for wrapping by key services only.
    pub(crate) const fn expose(&self) -> &Zeroizing<[u8; 32]> {
        &self.private
    }

    /// Opens what was sealed by HPKE to this key.
    pub(crate) fn open(&self, info: &[u8], aad: &[u8], sealed: &hpke::Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        hpke::open(self.public.profile, &*self.private, info, aad, sealed)
    }
}

/// The key of one host, under which its image and its spooled data keys lie.
#[derive(Clone)]
pub struct HostKey {
    profile: Profile,
    id: KeyId,
    key: Zeroizing<[u8; 32]>,
}

impl HostKey {
    /// A key from 32 random bytes.
    pub fn new(profile: Profile, bytes: [u8; 32]) -> Self {
        let check = KeyedHash::new(profile, &bytes).digest(b"strongroom v1 host key id");
        Self { profile, id: short_id(check), key: Zeroizing::new(bytes) }
    }

    /// The name of the key in headers.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The profile that the key belongs to.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Seals a small secret under the host key: nonce, then ciphertext. `context` is bound to it.
    pub fn wrap(&self, context: &[u8], secret: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, SealError> {
        let refused = |_| SealError::Refused { action: "wrap a key" };
        let mut body = secret.to_vec();
        let aad = aead::Aad::from(context);
        let nonce = match self.profile {
            Profile::Blake3 => {
                let nonce: [u8; NONCE_LEN] = random_array(entropy)?;
                let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*self.key).map_err(refused)?);
                key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut body).map_err(refused)?;
                nonce
            }
            Profile::Fips => {
                let key = RandomizedNonceKey::new(&AES_256_GCM, &*self.key).map_err(refused)?;
                *key.seal_in_place_append_tag(aad, &mut body).map_err(refused)?.as_ref()
            }
        };
        Ok([&nonce[..], &body].concat())
    }

    /// Opens what [`Self::wrap`] sealed.
    pub fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let damaged = || SealError::Damaged { what: "a key wrapped for this host" };
        let (nonce, body) = wrapped.split_first_chunk::<NONCE_LEN>().ok_or_else(damaged)?;
        let mut body = Zeroizing::new(body.to_vec());
        let key = UnboundKey::new(&AES_256_GCM, &*self.key).map_err(|_| damaged())?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = LessSafeKey::new(key).open_in_place(nonce, aead::Aad::from(context), &mut body);
        let len = opened.map_err(|_| damaged())?.len();
        body.truncate(len);
        Ok(body)
    }
}

/// Who a new pack is sealed for.
#[derive(Clone, Copy)]
pub enum Recipient<'a> {
    /// A home domain, by the public key of its newest epoch.
    Epoch(&'a EpochPublicKey),
    /// This host.
    Host(&'a HostKey),
}

impl Recipient<'_> {
    /// The profile of the recipient's key.
    pub const fn profile(&self) -> Profile {
        match self {
            Self::Epoch(key) => key.profile,
            Self::Host(key) => key.profile,
        }
    }

    /// The clear fields of the wrap, before there is one: they are part of what the wrap is bound to.
    pub(crate) const fn address(&self) -> (WrapKind, EpochNumber, KeyId) {
        match self {
            Self::Epoch(key) => (WrapKind::Epoch, key.epoch, key.id),
            Self::Host(key) => (WrapKind::Host, EpochNumber(0), key.id),
        }
    }

    /// Wraps a data key, bound to `context`.
    pub(crate) fn wrap(&self, context: &[u8], key: &[u8; 32], entropy: &dyn Entropy) -> Result<WrappedKey, SealError> {
        let (kind, epoch, key_id) = self.address();
        let mut bytes = match self {
            Self::Epoch(to) => {
                let sealed = hpke::seal(to.profile, &to.bytes, INFO, context, key, entropy)?;
                [sealed.enc, sealed.ciphertext].concat()
            }
            Self::Host(host) => host.wrap(context, key, entropy)?,
        };
        bytes.resize(wrapped_len(self.profile()), 0);
        Ok(WrappedKey { kind, epoch, key_id, bytes })
    }
}

/// Whoever can turn wrapped data keys into opening keys: an opened keyring, a host key, later a custodian.
pub trait OpensDataKeys {
    /// Unwraps one; [`SealError::WrongKey`] if it is for somebody else.
    fn open_data_key(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<OpeningKey, SealError>;
}

impl OpensDataKeys for EpochPrivateKey {
    fn open_data_key(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<OpeningKey, SealError> {
        if wrapped.kind != WrapKind::Epoch || wrapped.key_id != self.public.id {
            return Err(SealError::WrongKey { needed: wrapped.key_id });
        }
        let damaged = || SealError::Damaged { what: WHAT };
        let (enc, ciphertext) =
            wrapped.bytes.split_at_checked(hpke::enc_len(self.public.profile)).ok_or_else(damaged)?;
        let sealed = hpke::Sealed { enc: enc.to_vec(), ciphertext: ciphertext.to_vec() };
        opening_key(&self.open(INFO, context, &sealed)?)
    }
}

impl OpensDataKeys for HostKey {
    fn open_data_key(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<OpeningKey, SealError> {
        if wrapped.kind != WrapKind::Host || wrapped.key_id != self.id {
            return Err(SealError::WrongKey { needed: wrapped.key_id });
        }
        let damaged = || SealError::Damaged { what: WHAT };
        let (sealed, filler) = wrapped.bytes.split_at_checked(NONCE_LEN + WRAP_LEN).ok_or_else(damaged)?;
        if filler.iter().any(|byte| *byte != 0) {
            return Err(damaged());
        }
        opening_key(&self.unwrap(context, sealed)?)
    }
}

fn opening_key(bytes: &[u8]) -> Result<OpeningKey, SealError> {
    let mut array: [u8; 32] = bytes.try_into().map_err(|_| SealError::Damaged { what: WHAT })?;
    let key = OpeningKey::from_bytes(array);
    array.zeroize();
    Ok(key)
}

/// The name of a public key.
pub(crate) fn public_key_id(profile: Profile, key: &[u8]) -> KeyId {
    short_id(labelled_hash(profile, "public key", key))
}

fn short_id(hash: [u8; 32]) -> KeyId {
    let mut id = [0; KeyId::LEN];
    id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    KeyId(id)
}
