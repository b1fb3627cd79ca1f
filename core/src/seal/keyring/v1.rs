//! The keyring as a document, version 1: JSON with bytes in hexadecimal.
//!
//! An unknown version and a broken document are different errors. Unknown fields are refused: a keyring is rewritten as
//! a whole, and what a reader skips it would lose.

use serde::{Deserialize, Serialize};

use super::{Epoch, Keyring, KeyringError, Source, Wrap};
use crate::codec::Hex;
use crate::digest::Profile;
use crate::id::{DomainId, SourceId};
use crate::seal::{EpochNumber, EpochPublicKey, ServiceKind, VerifyingKey, hpke};

const FORMAT: &str = "strongroom keyring";
const VERSION: u64 = 1;

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
    domain: DomainId,
    epochs: Vec<EpochDocument>,
    sources: Vec<SourceDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EpochDocument {
    epoch: EpochNumber,
    public_key: Hex,
    private_key: Vec<WrapDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrapDocument {
    service: ServiceKind,
    service_id: String,
    jurisdiction: String,
    ciphertext: Hex,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceDocument {
    source: SourceId,
    epoch: EpochNumber,
    id_key: SealedDocument,
    signing_keys: Vec<Hex>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedDocument {
    enc: Hex,
    ciphertext: Hex,
}

impl Keyring {
    /// The document to store.
    pub fn to_json(&self) -> Result<Vec<u8>, KeyringError> {
        let document = Document {
            format: FORMAT.into(),
            version: VERSION,
            profile: self.profile,
            domain: self.domain,
            epochs: self.epochs.iter().map(EpochDocument::from).collect(),
            sources: self.sources.iter().map(SourceDocument::from).collect(),
        };
        let mut json =
            serde_json::to_vec_pretty(&document).map_err(|_| KeyringError::Damaged { what: "it can't be written" })?;
        json.push(b'\n');
        Ok(json)
    }

    /// Reads a stored document.
    pub fn from_json(json: &[u8]) -> Result<Self, KeyringError> {
        let envelope: Envelope = serde_json::from_slice(json).map_err(|_| KeyringError::NotAKeyring)?;
        if envelope.format != FORMAT {
            return Err(KeyringError::NotAKeyring);
        }
        if envelope.version != VERSION {
            return Err(KeyringError::UnknownVersion { found: envelope.version });
        }
        let damaged = |what| KeyringError::Damaged { what };
        let document: Document = serde_json::from_slice(json).map_err(|_| damaged("a field is missing or wrong"))?;
        let profile = document.profile;
        let epochs: Vec<Epoch> =
            document.epochs.into_iter().map(|epoch| epoch.read(profile)).collect::<Result<_, _>>()?;
        if epochs.is_empty() || !epochs.is_sorted_by(|a, b| a.public.epoch() < b.public.epoch()) {
            return Err(damaged("its epochs are out of order"));
        }
        let sources: Vec<Source> =
            document.sources.into_iter().map(|source| source.read(profile)).collect::<Result<_, _>>()?;
        if !sources.is_sorted_by(|a, b| a.id < b.id) {
            return Err(damaged("its sources are out of order"));
        }
        Ok(Self { profile, domain: document.domain, epochs, sources })
    }
}

impl From<&Epoch> for EpochDocument {
    fn from(epoch: &Epoch) -> Self {
        let private_key = epoch.wraps.iter().cloned().map(|wrap| WrapDocument {
            service: wrap.service,
            service_id: wrap.service_id,
            jurisdiction: wrap.jurisdiction,
            ciphertext: Hex(wrap.ciphertext),
        });
        Self {
            epoch: epoch.public.epoch(),
            public_key: Hex(epoch.public.as_bytes().to_vec()),
            private_key: private_key.collect(),
        }
    }
}

impl EpochDocument {
    fn read(self, profile: Profile) -> Result<Epoch, KeyringError> {
        let wraps = self.private_key.into_iter().map(|wrap| Wrap {
            service: wrap.service,
            service_id: wrap.service_id,
            jurisdiction: wrap.jurisdiction,
            ciphertext: wrap.ciphertext.0,
        });
        Ok(Epoch { public: EpochPublicKey::new(profile, self.epoch, self.public_key.0)?, wraps: wraps.collect() })
    }
}

impl From<&Source> for SourceDocument {
    fn from(source: &Source) -> Self {
        Self {
            source: source.id,
            epoch: source.epoch,
            id_key: SealedDocument {
                enc: Hex(source.id_key.enc.clone()),
                ciphertext: Hex(source.id_key.ciphertext.clone()),
            },
            signing_keys: source.signers.iter().map(|key| Hex(key.as_bytes().to_vec())).collect(),
        }
    }
}

impl SourceDocument {
    fn read(self, profile: Profile) -> Result<Source, KeyringError> {
        let signers = self.signing_keys.into_iter().map(|key| VerifyingKey::new(profile, key.0));
        Ok(Source {
            id: self.source,
            epoch: self.epoch,
            id_key: hpke::Sealed { enc: self.id_key.enc.0, ciphertext: self.id_key.ciphertext.0 },
            signers: signers.collect::<Result<_, _>>()?,
        })
    }
}
