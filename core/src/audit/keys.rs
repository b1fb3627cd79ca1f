//! Who signs checkpoints: names, keys and signatures of C2SP signed notes, and the set of keys that somebody trusts.
//!
//! A key is known by its name and by four bytes over name, kind and public key; these bytes find a key and prove nothing.
//! A log's key is named after the log's origin, and only such a key makes a checkpoint: all other trusted keys are
//! cosigners, whose word counts beside the log's and never in its place.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::base64;
use super::note::{NoteSignature, SignedNote};
use crate::digest::Profile;
use crate::merkle::sha256;
use crate::seal::VerifyingKey;

/// Most bytes of a name: what cosigners can put before a single byte of length.
const NAME_BYTES_MAX: usize = 255;
const PUBLIC_KEY_LEN: usize = 32;

/// Text that is no name or key of a signed note, or keys that can't be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Not a name.
    #[error("a key's name has 1 to {NAME_BYTES_MAX} bytes, without spaces, plus signs and control characters")]
    Name,
    /// Not of the form of a verifier key.
    #[error("a verifier key is NAME+ID+BASE64, with an Ed25519 key behind its kind")]
    Form,
    /// The id is not that of the name and key.
    #[error("the id of the verifier key is not that of its name and key")]
    Id,
    /// Two trusted keys have one name and one id.
    #[error("two trusted keys have the same name and the same id")]
    Ambiguous,
}

/// The name of a key, and the origin of a log: a URL without its scheme is usual.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct KeyName(String);

impl KeyName {
    /// A name of these characters.
    pub fn new(name: &str) -> Result<Self, KeyFault> {
        let is_allowed = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
        let is_name = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(is_allowed);
        if is_name { Ok(Self(name.to_owned())) } else { Err(KeyFault::Name) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The first bytes of a hash over a key: finds the key that made a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteKeyId(pub [u8; 4]);

/// What a key signs; the byte before it in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureKind {
    /// The text of the note: `signed-note`, 01.
    Note,
    /// The text and the time at which a cosigner saw it, in seconds since 1970: `tlog-cosignature`, 04.
    Cosignature,
}

impl SignatureKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Note => 1,
            Self::Cosignature => 4,
        }
    }
}

/// The public half of a key, with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    kind: SignatureKind,
    key: VerifyingKey,
}

impl VerifierKey {
    pub(super) const fn new(name: KeyName, kind: SignatureKind, key: VerifyingKey) -> Self {
        Self { name, kind, key }
    }

    /// Its name.
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// What it signs.
    pub const fn kind(&self) -> SignatureKind {
        self.kind
    }

    /// Its short name: the start of `SHA-256(name ‖ 0A ‖ kind ‖ public key)`.
    pub fn id(&self) -> NoteKeyId {
        let [a, b, c, d, ..] = sha256(&[self.name.0.as_bytes(), b"\n", &[self.kind.byte()], self.key.as_bytes()]);
        NoteKeyId([a, b, c, d])
    }

    /// Whether this key made the signature over the text of a note. The signature's name and id are not looked at.
    pub fn verifies(&self, text: &str, signature: &NoteSignature) -> bool {
        match self.kind {
            SignatureKind::Note => self.key.verifies(text.as_bytes(), &signature.bytes),
            SignatureKind::Cosignature => {
                signature.bytes.split_first_chunk::<8>().is_some_and(|(seconds, signature)| {
                    let seconds = u64::from_be_bytes(*seconds);
                    let is_time = i64::try_from(seconds).is_ok();
                    is_time && self.key.verifies(cosigned(seconds, text).as_bytes(), signature)
                })
            }
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.kind.byte()];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id().0), base64::encode(&bytes))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyFault;

    fn from_str(text: &str) -> Result<Self, KeyFault> {
        let (name, rest) = text.split_once('+').ok_or(KeyFault::Form)?;
        let (id, key) = rest.split_once('+').ok_or(KeyFault::Form)?;
        let bytes = base64::decode(key).ok_or(KeyFault::Form)?;
        let (kind, public) = match bytes.split_first() {
            Some((1, public)) => (SignatureKind::Note, public),
            Some((4, public)) => (SignatureKind::Cosignature, public),
            _ => return Err(KeyFault::Form),
        };
        if public.len() != PUBLIC_KEY_LEN {
            return Err(KeyFault::Form);
        }
        let key = VerifyingKey::new(Profile::Blake3, public.to_vec()).map_err(|_| KeyFault::Form)?;
        let key = Self::new(KeyName::new(name)?, kind, key);
        if id == hex::encode(key.id().0) { Ok(key) } else { Err(KeyFault::Id) }
    }
}

impl Serialize for VerifierKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VerifierKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a cosigner signs.
pub(super) fn cosigned(seconds: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
}

/// A signature that claims to be of a trusted key and is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Forged(pub(super) KeyName);

/// The keys that somebody trusts: those of logs, and those of cosigners.
#[derive(Clone, Debug, Default)]
pub struct TrustedKeys {
    keys: BTreeMap<(KeyName, NoteKeyId), VerifierKey>,
}

impl TrustedKeys {
    /// A set of keys. One that is there twice counts once.
    pub fn new(keys: impl IntoIterator<Item = VerifierKey>) -> Result<Self, KeyFault> {
        let mut trusted = Self::default();
        for key in keys {
            let replaced = trusted.keys.insert((key.name.clone(), key.id()), key.clone());
            if replaced.is_some_and(|other| other != key) {
                return Err(KeyFault::Ambiguous);
            }
        }
        Ok(trusted)
    }

    /// The trusted keys that signed a note, in the note's order. Signatures of unknown keys are passed over, and one that
    /// a trusted key should have made and did not spoils the note.
    pub(super) fn signers(&self, note: &SignedNote) -> Result<Vec<&VerifierKey>, Forged> {
        let mut signers = Vec::new();
        for signature in note.signatures() {
            let Some(key) = self.keys.get(&(signature.name.clone(), signature.id)) else { continue };
            if !key.verifies(note.text(), signature) {
                return Err(Forged(signature.name.clone()));
            }
            signers.push(key);
        }
        Ok(signers)
    }
}

#[cfg(test)]
pub(super) mod tests;
