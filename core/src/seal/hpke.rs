//! HPKE (RFC 9180) in base mode, one message a context.
//!
//! Suites: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM in the BLAKE3 profile and DHKEM(P-256, HKDF-SHA256),
//! HKDF-SHA256, AES-256-GCM in the FIPS profile. All primitives come from aws-lc; what is here is the composition that
//! the RFC spells out, with the ephemeral key derived from injected randomness (its §7.1.3), so that a simulation
//! replays. `docs/decisions/2026-11-22-hpke-over-aws-lc.md` says why it is our own.
//!
//! ```text
//!   ikm (32 random bytes) ─DeriveKeyPair─► ephemeral pair ─DH─► shared secret ─KeySchedule─► key, nonce ─► AES-256-GCM
//! ```

use aws_lc_rs::aead::{self, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{agreement, hkdf, hmac};
use zeroize::Zeroizing;

use super::SealError;
use crate::digest::Profile;
use crate::entropy::{Entropy, random_array};

/// HKDF-SHA256 in the registry of KDFs.
const KDF_ID: u16 = 0x0001;
/// Length of private keys in both key-encapsulation mechanisms.
const PRIVATE_LEN: usize = 32;

/// A sealed message with the encapsulated key that opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The encapsulated key: the serialised ephemeral public key.
    pub enc: Vec<u8>,
    /// The ciphertext with its tag.
    pub ciphertext: Vec<u8>,
}

/// A private key and its public key, serialised as RFC 9180 §7.1.1 has it.
pub struct KeyPair {
    /// The private key.
    pub private: Zeroizing<[u8; PRIVATE_LEN]>,
    /// The public key: 32 bytes, or an uncompressed point of 65 bytes.
    pub public: Vec<u8>,
}

/// Length of an encapsulated key.
pub const fn enc_len(profile: Profile) -> usize {
    match profile {
        Profile::Blake3 => 32,
        Profile::Fips => 65,
    }
}

/// Derives a key pair from 32 random bytes.
pub fn derive_key_pair(profile: Profile, ikm: &[u8; 32]) -> Result<KeyPair, SealError> {
    Suite::of(profile).kem.derive_key_pair(ikm)
}

/// Seals a message to a public key.
pub fn seal(
    profile: Profile,
    public: &[u8],
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Result<Sealed, SealError> {
    let ikm = Zeroizing::new(random_array::<32>(entropy)?);
    Suite::of(profile).seal(&ikm, public, info, aad, plaintext)
}

/// Opens a message with a private key.
pub fn open(
    profile: Profile,
    private: &[u8],
    info: &[u8],
    aad: &[u8],
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    Suite::of(profile).open(private, info, aad, sealed)
}

/// One combination of algorithms.
#[derive(Clone, Copy)]
struct Suite {
    kem: Kem,
    aead: &'static aead::Algorithm,
    aead_id: u16,
}

#[derive(Clone, Copy)]
enum Kem {
    X25519,
    P256,
}

impl Suite {
    const fn of(profile: Profile) -> Self {
        let kem = match profile {
            Profile::Blake3 => Kem::X25519,
            Profile::Fips => Kem::P256,
        };
        Self { kem, aead: &aead::AES_256_GCM, aead_id: 0x0002 }
    }

    fn id(self) -> Vec<u8> {
        let mut id = b"HPKE".to_vec();
        for part in [self.kem.id(), KDF_ID, self.aead_id] {
            id.extend_from_slice(&part.to_be_bytes());
        }
        id
    }

    fn seal(
        self,
        ikm: &[u8; 32],
        public: &[u8],
        info: &[u8],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<Sealed, SealError> {
        let ephemeral = self.kem.derive_key_pair(ikm)?;
        let shared = self.kem.shared_secret(&*ephemeral.private, public, &[&ephemeral.public, public])?;
        let (key, nonce) = self.key_schedule(&shared, info)?;
        let mut ciphertext = plaintext.to_vec();
        key.seal_in_place_append_tag(nonce, aead::Aad::from(aad), &mut ciphertext)
            .map_err(|_| SealError::Refused { action: "seal a message" })?;
        Ok(Sealed { enc: ephemeral.public, ciphertext })
    }

    fn open(self, private: &[u8], info: &[u8], aad: &[u8], sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let damaged = SealError::Damaged { what: "a wrapped key" };
        let public = self.kem.public_key(private)?;
        let Ok(shared) = self.kem.shared_secret(private, &sealed.enc, &[&sealed.enc, &public]) else {
            return Err(damaged);
        };
        let (key, nonce) = self.key_schedule(&shared, info)?;
        let mut bytes = Zeroizing::new(sealed.ciphertext.clone());
        let opened = key.open_in_place(nonce, aead::Aad::from(aad), &mut bytes).map_err(|_| damaged)?.len();
        bytes.truncate(opened);
        Ok(bytes)
    }

    /// RFC 9180 §5.1 for `mode_base`, where the pre-shared key and its id are empty.
    fn key_schedule(self, shared: &[u8; 32], info: &[u8]) -> Result<(LessSafeKey, Nonce), SealError> {
        let suite = self.id();
        let mut context = vec![0];
        context.extend_from_slice(&labelled_extract(&suite, &[], "psk_id_hash", &[]));
        context.extend_from_slice(&labelled_extract(&suite, &[], "info_hash", info));
        let secret = Zeroizing::new(labelled_extract(&suite, shared, "secret", &[]));
        let mut key = Zeroizing::new(vec![0; self.aead.key_len()]);
        labelled_expand(&suite, &secret, "key", &context, &mut key)?;
        let mut nonce = [0; aead::NONCE_LEN];
        labelled_expand(&suite, &secret, "base_nonce", &context, &mut nonce)?;
        let key = UnboundKey::new(self.aead, &key).map_err(|_| SealError::Refused { action: "make a key" })?;
        Ok((LessSafeKey::new(key), Nonce::assume_unique_for_key(nonce)))
    }
}

impl Kem {
    const fn id(self) -> u16 {
        match self {
            Self::P256 => 0x0010,
            Self::X25519 => 0x0020,
        }
    }

    fn suite_id(self) -> [u8; 5] {
        let [high, low] = self.id().to_be_bytes();
        [b'K', b'E', b'M', high, low]
    }

    const fn algorithm(self) -> &'static agreement::Algorithm {
        match self {
            Self::X25519 => &agreement::X25519,
            Self::P256 => &agreement::ECDH_P256,
        }
    }

    /// RFC 9180 §7.1.3. For P-256, draws candidates until one is a scalar; the chance of a second is below 2^-32.
    fn derive_key_pair(self, ikm: &[u8; 32]) -> Result<KeyPair, SealError> {
        let suite = self.suite_id();
        let prk = Zeroizing::new(labelled_extract(&suite, &[], "dkp_prk", ikm));
        let mut private = Zeroizing::new([0; PRIVATE_LEN]);
        let attempts: u8 = match self {
            Self::X25519 => {
                labelled_expand(&suite, &prk, "sk", &[], &mut *private)?;
                return Ok(KeyPair { public: self.public_key(&*private)?, private });
            }
            Self::P256 => u8::MAX,
        };
        for counter in 0..attempts {
            labelled_expand(&suite, &prk, "candidate", &[counter], &mut *private)?;
            if let Ok(public) = self.public_key(&*private) {
                return Ok(KeyPair { private, public });
            }
        }
        Err(SealError::Refused { action: "derive a key pair" })
    }

    fn private_key(self, private: &[u8]) -> Result<agreement::PrivateKey, SealError> {
        agreement::PrivateKey::from_private_key(self.algorithm(), private)
            .map_err(|_| SealError::BadKey { what: "a private key" })
    }

    fn public_key(self, private: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = self.private_key(private)?;
        let public = key.compute_public_key().map_err(|_| SealError::BadKey { what: "a private key" })?;
        Ok(public.as_ref().to_vec())
    }

    /// Encap and Decap after the key pair is made: the shared secret over the exchange and its context.
    fn shared_secret(
        self,
        private: &[u8],
        public: &[u8],
        kem_context: &[&[u8]],
    ) -> Result<Zeroizing<[u8; 32]>, SealError> {
        let private = self.private_key(private)?;
        // Only the serialised form of the RFC, never the compressed or DER ones that the library would also take.
        let expected = match self {
            Self::X25519 => 32,
            Self::P256 => 65,
        };
        let bad = || SealError::BadKey { what: "a public key" };
        if public.len() != expected {
            return Err(bad());
        }
        let peer = agreement::UnparsedPublicKey::new(self.algorithm(), public);
        agreement::agree(&private, peer, bad(), |exchanged| {
            let suite = self.suite_id();
            let prk = Zeroizing::new(labelled_extract(&suite, &[], "eae_prk", exchanged));
            let mut shared = Zeroizing::new([0; 32]);
            labelled_expand(&suite, &prk, "shared_secret", &kem_context.concat(), &mut *shared)?;
            Ok(shared)
        })
    }
}

/// `LabeledExtract`: HKDF-Extract is HMAC under the salt, and a missing salt is 32 zero bytes.
fn labelled_extract(suite: &[u8], salt: &[u8], label: &str, ikm: &[u8]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, if salt.is_empty() { &[0; 32] } else { salt });
    let mut context = hmac::Context::with_key(&key);
    for part in [b"HPKE-v1", suite, label.as_bytes(), ikm] {
        context.update(part);
    }
    let mut prk = [0; 32];
    prk.copy_from_slice(context.sign().as_ref());
    prk
}

/// `LabeledExpand` into `out`.
fn labelled_expand(suite: &[u8], prk: &[u8; 32], label: &str, info: &[u8], out: &mut [u8]) -> Result<(), SealError> {
    struct Len(usize);
    impl hkdf::KeyType for Len {
        fn len(&self) -> usize {
            self.0
        }
    }
    let refused = |_| SealError::Refused { action: "expand a key" };
    let len = u16::try_from(out.len()).map_err(|_| SealError::Refused { action: "expand a key" })?;
    let parts = [&len.to_be_bytes()[..], b"HPKE-v1", suite, label.as_bytes(), info];
    let prk = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, prk);
    prk.expand(&parts, Len(out.len())).map_err(refused)?.fill(out).map_err(refused)
}

#[cfg(test)]
mod tests;
