//! The key file as a document: a random 256-bit master key, as it is or under a passphrase.
//!
//! ```text
//!   {"format": "strongroom key file", "version": 1, "profile": "blake3", "key_id": "…",
//!    "protection": {"kind": "none", "key": "…"}, "check": "…"}
//!   protection = {"kind": "argon2id", "memory_kib": 65536, "passes": 3, "lanes": 4, "salt": "…", "sealed": "…"}
//!              | {"kind": "pbkdf2-hmac-sha-256", "iterations": 600000, "salt": "…", "sealed": "…"}
//! ```
//!
//! `sealed` is the master key under the key that the passphrase gives. `check` is a hash over all other fields, so that
//! a damaged file and a wrong passphrase are different errors; `key_id` tells a wrong file from both.

use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::pbkdf2;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::scope::profile_byte;
use super::{HostKey, SealError};
use crate::codec::Hex;
use crate::digest::Profile;
use crate::entropy::{Entropy, EntropyError, random_array};
use crate::error::Code;
use crate::id::KeyId;
use crate::merkle::labelled_hash;

const FORMAT: &str = "strongroom key file";
const VERSION: u64 = 1;
const CONTEXT: &[u8] = b"strongroom v1 key file";
/// A hostile file may not ask for more memory than a host can spare, or for days of work.
const MEMORY_KIB_MAX: u32 = 1 << 20;
const PASSES_MAX: u32 = 64;
const LANES_MAX: u32 = 16;
const ITERATIONS_MAX: u32 = 100_000_000;

/// What a passphrase costs whoever guesses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassphraseCost {
    /// Argon2id (RFC 9106), for the BLAKE3 profile.
    Argon2id {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over it.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// PBKDF2 with HMAC-SHA-256 (SP 800-132), for the FIPS profile.
    Pbkdf2 {
        /// Iterations.
        iterations: u32,
    },
}

impl PassphraseCost {
    /// What new key files use: the second recommendation of RFC 9106 §4 (64 MiB, three passes, four lanes), or 600,000
    /// iterations.
    pub const fn standard(profile: Profile) -> Self {
        match profile {
            Profile::Blake3 => Self::Argon2id { memory_kib: 64 * 1024, passes: 3, lanes: 4 },
            Profile::Fips => Self::Pbkdf2 { iterations: 600_000 },
        }
    }

    /// The least that the algorithms take: for tests, which protect nothing.
    pub const fn for_tests(profile: Profile) -> Self {
        match profile {
            Profile::Blake3 => Self::Argon2id { memory_kib: 8, passes: 1, lanes: 1 },
            Profile::Fips => Self::Pbkdf2 { iterations: 1 },
        }
    }

    fn derive(self, passphrase: &[u8], salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
        let bad = || KeyFileError::Damaged { what: "the cost of its passphrase" };
        let mut key = Zeroizing::new([0; 32]);
        match self {
            Self::Argon2id { memory_kib, passes, lanes } => {
                if memory_kib > MEMORY_KIB_MAX || passes > PASSES_MAX || lanes > LANES_MAX {
                    return Err(bad());
                }
                let params = Params::new(memory_kib, passes, lanes, Some(key.len())).map_err(|_| bad())?;
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
                argon2.hash_password_into(passphrase, salt, &mut *key).map_err(|_| bad())?;
            }
            Self::Pbkdf2 { iterations } => {
                let bounded = NonZeroU32::new(iterations).filter(|number| number.get() <= ITERATIONS_MAX);
                pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, bounded.ok_or_else(bad)?, salt, passphrase, &mut *key);
            }
        }
        Ok(key)
    }
}

/// A key file can't be read or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The document is not one of ours.
    #[error("not a key file")]
    NotAKeyFile,
    /// A later version of the format.
    #[error("key file of unknown version {found}")]
    UnknownVersion {
        /// The version that the document states.
        found: u64,
    },
    /// The document was changed since it was written.
    #[error("the key file is damaged: {what}")]
    Damaged {
        /// What is wrong.
        what: &'static str,
    },
    /// The key is protected, and no passphrase was given.
    #[error("the key file needs a passphrase")]
    PassphraseNeeded,
    /// The document is whole, and the passphrase is not that of its key.
    #[error("the passphrase is not that of the key file")]
    WrongPassphrase,
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl KeyFileError {
    /// The stable code of the error.
    pub const fn code(&self) -> Code {
        match self {
            Self::NotAKeyFile | Self::UnknownVersion { .. } => Code::UnknownFormat,
            Self::Damaged { .. } => Code::Damaged,
            Self::PassphraseNeeded | Self::WrongPassphrase => Code::WrongKey,
            Self::Seal(error) => error.code(),
            Self::Entropy(_) => Code::Internal,
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    format: String,
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    version: u64,
    profile: Profile,
    key_id: KeyId,
    protection: Protection,
    check: Hex,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Protection {
    #[serde(rename = "none")]
    None { key: Hex },
    #[serde(rename = "argon2id")]
    Argon2id { memory_kib: u32, passes: u32, lanes: u32, salt: Hex, sealed: Hex },
    #[serde(rename = "pbkdf2-hmac-sha-256")]
    Pbkdf2 { iterations: u32, salt: Hex, sealed: Hex },
}

impl Protection {
    const fn new(cost: PassphraseCost, salt: Hex, sealed: Hex) -> Self {
        match cost {
            PassphraseCost::Argon2id { memory_kib, passes, lanes } => {
                Self::Argon2id { memory_kib, passes, lanes, salt, sealed }
            }
            PassphraseCost::Pbkdf2 { iterations } => Self::Pbkdf2 { iterations, salt, sealed },
        }
    }

    /// What is hashed into `check`: a byte of kind, three numbers, salt and key material behind their lengths.
    fn parts(&self) -> (u8, [u32; 3], &[u8], &[u8]) {
        match self {
            Self::None { key } => (0, [0; 3], &[], &key.0),
            Self::Argon2id { memory_kib, passes, lanes, salt, sealed } => {
                (1, [*memory_kib, *passes, *lanes], &salt.0, &sealed.0)
            }
            Self::Pbkdf2 { iterations, salt, sealed } => (2, [*iterations, 0, 0], &salt.0, &sealed.0),
        }
    }
}

impl Drop for Protection {
    fn drop(&mut self) {
        if let Self::None { key } = self {
            zeroize::Zeroize::zeroize(&mut key.0);
        }
    }
}

/// The key of a key file, unlocked.
pub struct MasterKey {
    bytes: Zeroizing<[u8; 32]>,
    key: HostKey,
}

impl MasterKey {
    /// Draws a new one.
    pub fn generate(profile: Profile, entropy: &dyn Entropy) -> Result<Self, KeyFileError> {
        Ok(Self::from_bytes(profile, Zeroizing::new(random_array(entropy)?)))
    }

    fn from_bytes(profile: Profile, bytes: Zeroizing<[u8; 32]>) -> Self {
        Self { key: HostKey::new(profile, *bytes), bytes }
    }

    /// The key as a cipher.
    pub const fn key(&self) -> &HostKey {
        &self.key
    }

    /// The document to store, unprotected or under a passphrase.
    pub fn to_json(
        &self,
        passphrase: Option<(&[u8], PassphraseCost)>,
        entropy: &dyn Entropy,
    ) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        let profile = self.key.profile();
        let protection = match passphrase {
            None => Protection::None { key: Hex(self.bytes.to_vec()) },
            Some((passphrase, cost)) => {
                let salt: [u8; 16] = random_array(entropy)?;
                let derived = cost.derive(passphrase, &salt)?;
                let sealed = HostKey::new(profile, *derived).wrap(CONTEXT, &*self.bytes, entropy)?;
                Protection::new(cost, Hex(salt.to_vec()), Hex(sealed))
            }
        };
        let key_id = self.key.id();
        let check = Hex(check(profile, key_id, &protection).to_vec());
        let document = Document { format: FORMAT.into(), version: VERSION, profile, key_id, protection, check };
        let json = serde_json::to_vec_pretty(&document);
        let mut json = Zeroizing::new(json.map_err(|_| KeyFileError::Damaged { what: "it can't be written" })?);
        json.push(b'\n');
        Ok(json)
    }

    /// Reads a stored document.
    pub fn from_json(json: &[u8], passphrase: Option<&[u8]>) -> Result<Self, KeyFileError> {
        let envelope: Envelope = serde_json::from_slice(json).map_err(|_| KeyFileError::NotAKeyFile)?;
        if envelope.format != FORMAT {
            return Err(KeyFileError::NotAKeyFile);
        }
        if envelope.version != VERSION {
            return Err(KeyFileError::UnknownVersion { found: envelope.version });
        }
        let damaged = |what| KeyFileError::Damaged { what };
        let document: Document = serde_json::from_slice(json).map_err(|_| damaged("a field is missing or wrong"))?;
        let profile = document.profile;
        if document.check.0 != check(profile, document.key_id, &document.protection) {
            return Err(damaged("its check value differs"));
        }
        let unlock = |cost: PassphraseCost, salt: &Hex, sealed: &Hex| {
            let passphrase = passphrase.ok_or(KeyFileError::PassphraseNeeded)?;
            let key = HostKey::new(profile, *cost.derive(passphrase, &salt.0)?);
            key.unwrap(CONTEXT, &sealed.0).map_err(|_| KeyFileError::WrongPassphrase)
        };
        let bytes = match &document.protection {
            Protection::None { key } => Zeroizing::new(key.0.clone()),
            Protection::Argon2id { memory_kib, passes, lanes, salt, sealed } => {
                let cost = PassphraseCost::Argon2id { memory_kib: *memory_kib, passes: *passes, lanes: *lanes };
                unlock(cost, salt, sealed)?
            }
            Protection::Pbkdf2 { iterations, salt, sealed } => {
                unlock(PassphraseCost::Pbkdf2 { iterations: *iterations }, salt, sealed)?
            }
        };
        let bytes = bytes.as_slice().try_into().map_err(|_| damaged("the length of its key"))?;
        let master = Self::from_bytes(profile, Zeroizing::new(bytes));
        if master.key.id() != document.key_id {
            return Err(damaged("its key is not the one it names"));
        }
        Ok(master)
    }
}

fn check(profile: Profile, key_id: KeyId, protection: &Protection) -> [u8; 32] {
    let (kind, numbers, salt, material) = protection.parts();
    let mut message = Zeroizing::new(vec![profile_byte(profile)]);
    message.extend_from_slice(&key_id.0);
    message.push(kind);
    for number in numbers {
        message.extend_from_slice(&number.to_be_bytes());
    }
    for part in [salt, material] {
        message.extend_from_slice(&(part.len() as u64).to_be_bytes());
        message.extend_from_slice(part);
    }
    labelled_hash(profile, "key file", &message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::testing::Seeded;

    const PROFILES: [Profile; 2] = [Profile::Blake3, Profile::Fips];

    #[test]
    fn comes_back_with_and_without_a_passphrase() {
        for profile in PROFILES {
            let entropy = Seeded::new(1);
            let master = MasterKey::generate(profile, &entropy).unwrap();
            let open = master.to_json(None, &entropy).unwrap();
            assert_eq!(MasterKey::from_json(&open, None).unwrap().bytes, master.bytes);
            let cost = PassphraseCost::for_tests(profile);
            let sealed = master.to_json(Some((b"correct horse", cost)), &entropy).unwrap();
            assert_eq!(MasterKey::from_json(&sealed, Some(b"correct horse")).unwrap().bytes, master.bytes);
            assert!(matches!(MasterKey::from_json(&sealed, Some(b"horse")), Err(KeyFileError::WrongPassphrase)));
            assert!(matches!(MasterKey::from_json(&sealed, None), Err(KeyFileError::PassphraseNeeded)));
        }
    }

    #[test]
    fn damage_is_not_a_wrong_passphrase() {
        let entropy = Seeded::new(1);
        let master = MasterKey::generate(Profile::Blake3, &entropy).unwrap();
        let cost = PassphraseCost::for_tests(Profile::Blake3);
        for passphrase in [None, Some((&b"pass"[..], cost))] {
            let json = master.to_json(passphrase, &entropy).unwrap();
            for at in 0..json.len() {
                let mut changed = json.to_vec();
                changed[at] = if changed[at] == b'7' { b'8' } else { b'7' };
                match MasterKey::from_json(&changed, Some(b"pass")) {
                    Ok(read) => assert_eq!(read.bytes, master.bytes, "byte {at}"),
                    Err(KeyFileError::WrongPassphrase) => panic!("byte {at} taken for a wrong passphrase"),
                    Err(_) => {}
                }
            }
        }
    }

    #[test]
    fn a_hostile_cost_is_refused_before_it_is_paid() {
        let cost = PassphraseCost::Argon2id { memory_kib: u32::MAX, passes: 1, lanes: 1 };
        assert!(matches!(cost.derive(b"x", &[0; 16]), Err(KeyFileError::Damaged { .. })));
        let cost = PassphraseCost::Pbkdf2 { iterations: u32::MAX };
        assert!(matches!(cost.derive(b"x", &[0; 16]), Err(KeyFileError::Damaged { .. })));
    }

    /// RFC 9106 §5.3 uses secret and associated data, which we do not; this vector is that of the reference program
    /// `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32`, quoted in its README and tests.
    #[test]
    fn argon2id_agrees_with_the_reference() {
        let cost = PassphraseCost::Argon2id { memory_kib: 65_536, passes: 2, lanes: 1 };
        assert_eq!(
            hex::encode(*cost.derive(b"password", b"somesalt").unwrap()),
            "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"
        );
    }
}
