//! The keyring of a home domain: its epochs and the id keys of its sources, as one small document.
//!
//! It lies as `keys/<domain>.keyring` in every depot that holds the domain's packs and is replaced as a whole by a
//! durable rename. Each epoch's private key is wrapped once per recovery jurisdiction (and for escrow), bound to domain,
//! epoch, public key and jurisdiction. Each source's id key is sealed by HPKE to an epoch's public key, bound to domain
//! and source, so that an agent registers a source with public material alone. Signing public keys are clear:
//! heads are verified without any secret.
//!
//! Rotation adds an epoch; nothing is ever removed, since packs of old epochs stay as they are.

mod v1;

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::keys::WrapKind;
use super::scope::profile_byte;
use super::{
    EpochNumber, EpochPrivateKey, EpochPublicKey, KeyService, KeyServiceError, OpeningKey, OpensDataKeys, SealError,
    ServiceKind, VerifyingKey, WrappedKey, hpke,
};
use crate::digest::{IdKey, Profile};
use crate::entropy::Entropy;
use crate::error::Code;
use crate::id::{DomainId, KeyId, SourceId};

const ID_KEY_INFO: &[u8] = b"strongroom v1 id key";

/// A keyring can't be read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The document is not one of ours.
    #[error("not a keyring")]
    NotAKeyring,
    /// A later version of the format.
    #[error("keyring of unknown version {found}")]
    UnknownVersion {
        /// The version that the document states.
        found: u64,
    },
    /// The document breaks its format.
    #[error("the keyring is damaged: {what}")]
    Damaged {
        /// What is wrong.
        what: &'static str,
    },
    /// No epoch has a wrap that this key service made.
    #[error("the {kind} key {id} opens no epoch of this keyring")]
    WrongKey {
        /// The kind of service that was tried.
        kind: ServiceKind,
        /// The name of the key that was tried.
        id: String,
    },
    /// The source was never registered here.
    #[error("source {source_id} is not in the keyring")]
    UnknownSource {
        /// The source asked for.
        source_id: SourceId,
    },
    /// The source is registered already; its id key never changes.
    #[error("source {source_id} is in the keyring already")]
    SourceExists {
        /// The source to be registered.
        source_id: SourceId,
    },
    /// A keyring needs at least one key service.
    #[error("no key service to wrap for")]
    NoRecovery,
    /// Sealing or opening failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A key service failed.
    #[error(transparent)]
    Service(#[from] KeyServiceError),
}

impl KeyringError {
    /// The stable code of the error.
    pub const fn code(&self) -> Code {
        match self {
            Self::NotAKeyring | Self::UnknownVersion { .. } => Code::UnknownFormat,
            Self::Damaged { .. } => Code::Damaged,
            Self::WrongKey { .. } | Self::Service(_) => Code::WrongKey,
            Self::UnknownSource { .. } => Code::NotFound,
            Self::SourceExists { .. } | Self::NoRecovery => Code::Internal,
            Self::Seal(error) => error.code(),
        }
    }
}

/// A key service with the jurisdiction that it can recover for.
pub struct Recovery<'a> {
    /// The recovery jurisdiction, as policy writes it; `escrow` for an offline key.
    pub jurisdiction: &'a str,
    /// The service.
    pub service: &'a dyn KeyService,
}

/// One wrap of an epoch's private key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wrap {
    service: ServiceKind,
    service_id: String,
    jurisdiction: String,
    ciphertext: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Epoch {
    public: EpochPublicKey,
    wraps: Vec<Wrap>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    id: SourceId,
    epoch: EpochNumber,
    id_key: hpke::Sealed,
    signers: Vec<VerifyingKey>,
}

/// All that is needed to seal for a domain, and, with a key service, to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    profile: Profile,
    domain: DomainId,
    epochs: Vec<Epoch>,
    sources: Vec<Source>,
}

impl Keyring {
    /// The keyring of a new domain, with its first epoch.
    pub fn create(
        profile: Profile,
        domain: DomainId,
        recoveries: &[Recovery<'_>],
        entropy: &dyn Entropy,
    ) -> Result<Self, KeyringError> {
        let mut keyring = Self { profile, domain, epochs: Vec::new(), sources: Vec::new() };
        keyring.rotate(recoveries, entropy)?;
        Ok(keyring)
    }

    /// Adds an epoch, under which all new packs are sealed. Old packs stay readable.
    pub fn rotate(
        &mut self,
        recoveries: &[Recovery<'_>],
        entropy: &dyn Entropy,
    ) -> Result<EpochPublicKey, KeyringError> {
        if recoveries.is_empty() {
            return Err(KeyringError::NoRecovery);
        }
        let last = self.epochs.last().map_or(0, |epoch| epoch.public.epoch().0);
        let number = last.checked_add(1).ok_or(KeyringError::Damaged { what: "the last epoch's number" })?;
        let private = EpochPrivateKey::generate(self.profile, EpochNumber(number), entropy)?;
        let public = private.public().clone();
        let mut wraps = Vec::with_capacity(recoveries.len());
        for Recovery { jurisdiction, service } in recoveries {
            let context = self.wrap_context(&public, jurisdiction);
            wraps.push(Wrap {
                service: service.kind(),
                service_id: service.id(),
                jurisdiction: (*jurisdiction).into(),
                ciphertext: service.wrap(&context, private.expose().as_slice())?,
            });
        }
        self.epochs.push(Epoch { public: public.clone(), wraps });
        Ok(public)
    }

    /// The profile of the domain.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// The domain.
    pub const fn domain(&self) -> DomainId {
        self.domain
    }

    /// The public key that new packs are sealed to.
    pub fn newest_epoch(&self) -> Option<&EpochPublicKey> {
        self.epochs.last().map(|epoch| &epoch.public)
    }

    /// The recovery jurisdictions of an epoch, each with the kind and name of the service that can open it.
    pub fn recoveries(&self, epoch: EpochNumber) -> Vec<(&str, &ServiceKind, &str)> {
        let found = self.epochs.iter().find(|entry| entry.public.epoch() == epoch);
        let wraps = found.map(|entry| entry.wraps.as_slice()).unwrap_or_default();
        wraps.iter().map(|wrap| (wrap.jurisdiction.as_str(), &wrap.service, wrap.service_id.as_str())).collect()
    }

    /// Enters a source: its id key, sealed to the newest epoch, and the key that will sign its heads.
    pub fn register_source(
        &mut self,
        source: SourceId,
        id_key: &IdKey,
        signer: &VerifyingKey,
        entropy: &dyn Entropy,
    ) -> Result<(), KeyringError> {
        if self.sources.iter().any(|entry| entry.id == source) {
            return Err(KeyringError::SourceExists { source_id: source });
        }
        let public = self.newest_epoch().ok_or(KeyringError::Damaged { what: "no epoch" })?.clone();
        let context = self.id_key_context(source);
        let id_key = hpke::seal(self.profile, public.as_bytes(), ID_KEY_INFO, &context, id_key.expose(), entropy)?;
        self.sources.push(Source { id: source, epoch: public.epoch(), id_key, signers: vec![signer.clone()] });
        self.sources.sort_by_key(|entry| entry.id);
        Ok(())
    }

    /// Adds another signing key of a source, after its host was replaced.
    pub fn add_signer(&mut self, source: SourceId, signer: &VerifyingKey) -> Result<(), KeyringError> {
        let entry = self.sources.iter_mut().find(|entry| entry.id == source);
        let entry = entry.ok_or(KeyringError::UnknownSource { source_id: source })?;
        if !entry.signers.contains(signer) {
            entry.signers.push(signer.clone());
        }
        Ok(())
    }

    /// The registered sources.
    pub fn sources(&self) -> impl Iterator<Item = SourceId> + '_ {
        self.sources.iter().map(|entry| entry.id)
    }

    /// The keys that may have signed a source's heads.
    pub fn signers(&self, source: SourceId) -> &[VerifyingKey] {
        self.sources.iter().find(|entry| entry.id == source).map_or(&[], |entry| &entry.signers)
    }

    /// Unwraps every epoch that this key service can; [`KeyringError::WrongKey`] if it is none.
    pub fn open(&self, service: &dyn KeyService) -> Result<OpenKeyring, KeyringError> {
        let (kind, id) = (service.kind(), service.id());
        let mut epochs = BTreeMap::new();
        for epoch in &self.epochs {
            let Some(wrap) = epoch.wraps.iter().find(|wrap| wrap.service == kind && wrap.service_id == id) else {
                continue;
            };
            let context = self.wrap_context(&epoch.public, &wrap.jurisdiction);
            let private = service.unwrap(&context, &wrap.ciphertext)?;
            let private = EpochPrivateKey::from_parts(epoch.public.clone(), &private)?;
            epochs.insert(epoch.public.id(), private);
        }
        if epochs.is_empty() {
            return Err(KeyringError::WrongKey { kind, id });
        }
        Ok(OpenKeyring { epochs })
    }

    /// A source's id key, by an opened keyring.
    pub fn id_key(&self, source: SourceId, opened: &OpenKeyring) -> Result<IdKey, KeyringError> {
        let entry = self.sources.iter().find(|entry| entry.id == source);
        let entry = entry.ok_or(KeyringError::UnknownSource { source_id: source })?;
        let epoch = self.epochs.iter().find(|epoch| epoch.public.epoch() == entry.epoch);
        let public = &epoch.ok_or(KeyringError::Damaged { what: "a source of a missing epoch" })?.public;
        let private = opened.epochs.get(&public.id()).ok_or(SealError::WrongKey { needed: public.id() })?;
        let bytes = private.open(ID_KEY_INFO, &self.id_key_context(source), &entry.id_key)?;
        let bytes: Zeroizing<[u8; 32]> =
            Zeroizing::new(bytes.as_slice().try_into().map_err(|_| KeyringError::Damaged { what: "an id key" })?);
        Ok(IdKey::from_bytes(*bytes))
    }

    fn wrap_context(&self, public: &EpochPublicKey, jurisdiction: &str) -> Vec<u8> {
        let mut context = b"strongroom v1 epoch private key".to_vec();
        context.push(profile_byte(self.profile));
        context.extend_from_slice(&self.domain.0);
        context.extend_from_slice(&public.epoch().0.to_be_bytes());
        context.extend_from_slice(public.as_bytes());
        context.extend_from_slice(jurisdiction.as_bytes());
        context
    }

    fn id_key_context(&self, source: SourceId) -> Vec<u8> {
        [&[profile_byte(self.profile)], &self.domain.0[..], &source.0[..]].concat()
    }
}

/// The private keys of a domain's epochs, while a custodian or a rescue works.
pub struct OpenKeyring {
    epochs: BTreeMap<KeyId, EpochPrivateKey>,
}

impl OpensDataKeys for OpenKeyring {
    fn open_data_key(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<OpeningKey, SealError> {
        let key = self.epochs.get(&wrapped.key_id).filter(|_| wrapped.kind == WrapKind::Epoch);
        key.ok_or(SealError::WrongKey { needed: wrapped.key_id })?.open_data_key(wrapped, context)
    }
}

#[cfg(test)]
mod tests;
