//! A depot: a backend that was made for one home domain and profile.

use std::sync::Arc;

use strongroom_core::digest::Profile;
use strongroom_core::entropy::Entropy;
use strongroom_core::error::Code;
use strongroom_core::frame::CompressedFrame;
use strongroom_core::id::{DomainId, PackId, SnapshotId, SourceId};
use strongroom_core::manifest::{ManifestError, UnverifiedManifest};
use strongroom_core::pack::{FrameNumber, PackError, PackIdentity, PackWriter, SealedPack};
use strongroom_core::seal::{Keyring, KeyringError, Recipient};

use crate::backend::{Backend, BackendError, PackSink};
use crate::format::{DepotFormat, FormatError};

/// A depot did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DepotError {
    /// The folder is no depot, or one of another kind.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// There is a depot already.
    #[error("there is a depot here already")]
    DepotExists,
    /// The pack or manifest belongs to another home domain or profile.
    #[error("home domain {found} does not belong into this depot")]
    ForeignDomain {
        /// The domain of what was to be put.
        found: DomainId,
    },
    /// The keyring can't be used.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The pack can't be sealed or opened.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The manifest can't be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The files can't be read or written.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

impl DepotError {
    /// The stable code of the error.
    pub fn code(&self) -> Code {
        match self {
            Self::Format(error) => error.code(),
            Self::DepotExists => Code::RoomExists,
            Self::ForeignDomain { .. } => Code::Internal,
            Self::Keyring(error) => error.code(),
            Self::Pack(error) => error.code(),
            Self::Manifest(error) => error.code(),
            Self::Backend(error) => error.code(),
        }
    }
}

/// The packs, manifests and keyring of one home domain at one site. A handle: clones share the backend.
#[derive(Clone)]
pub struct Depot {
    backend: Arc<dyn Backend>,
    format: DepotFormat,
}

impl Depot {
    /// Makes a depot where none is.
    pub fn create(backend: Arc<dyn Backend>, format: DepotFormat) -> Result<Self, DepotError> {
        if backend.read_format()?.is_some() {
            return Err(DepotError::DepotExists);
        }
        backend.put_format(&format.to_json()?)?;
        Ok(Self { backend, format })
    }

    /// Opens a depot.
    pub fn open(backend: Arc<dyn Backend>) -> Result<Self, DepotError> {
        let json = backend.read_format()?.ok_or(FormatError::NoDepot)?;
        let format = DepotFormat::from_json(&json)?;
        Ok(Self { backend, format })
    }

    /// Opens what is left of a depot whose file `format` is lost, as what something else in it says that it is.
    pub const fn open_as(backend: Arc<dyn Backend>, format: DepotFormat) -> Self {
        Self { backend, format }
    }

    /// Where the files lie.
    pub const fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// The algorithms in use.
    pub const fn profile(&self) -> Profile {
        self.format.profile
    }

    /// Whose packs it holds.
    pub const fn domain(&self) -> DomainId {
        self.format.domain
    }

    /// Begins a pack.
    pub fn begin_pack(
        &self,
        identity: PackIdentity,
        recipient: Recipient<'_>,
        entropy: &dyn Entropy,
    ) -> Result<PackUpload, DepotError> {
        self.check_domain(identity.scope.domain, identity.scope.profile)?;
        let mut buffer = Vec::new();
        let writer = PackWriter::begin(identity, recipient, entropy, &mut buffer)?;
        let sink = self.backend.put_pack(identity.pack)?;
        Ok(PackUpload { writer, sink, buffer })
    }

    /// Puts a manifest; a typed conflict if its place in the chain is taken by another.
    ///
    /// The caller has put all packs that it names; signature and chain are its own to check.
    pub fn put_manifest(&self, bytes: &[u8]) -> Result<(), DepotError> {
        let manifest = UnverifiedManifest::parse(bytes)?;
        let head = manifest.claimed_head();
        self.check_domain(head.scope.domain, head.scope.profile)?;
        Ok(self.backend.put_manifest(head.source, head.sequence, bytes)?)
    }

    /// Reads a manifest; the caller verifies it.
    pub fn read_manifest(&self, source: SourceId, sequence: u64) -> Result<UnverifiedManifest, DepotError> {
        Ok(UnverifiedManifest::parse(&self.backend.read_manifest(source, sequence)?)?)
    }

    /// Which snapshot, if any, has a place in a source's chain.
    pub fn snapshot_at(&self, source: SourceId, sequence: u64) -> Result<Option<SnapshotId>, DepotError> {
        match self.read_manifest(source, sequence) {
            Ok(manifest) => Ok(Some(manifest.claimed_head().snapshot)),
            Err(DepotError::Backend(BackendError::NoManifest { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The sequences of a source's manifests, ascending.
    pub fn sequences(&self, source: SourceId) -> Result<Vec<u64>, DepotError> {
        let manifests = self.backend.list_manifests()?.items;
        Ok(manifests.iter().filter(|found| found.source == source).map(|found| found.sequence).collect())
    }

    /// Stores the domain's keyring in the place of the one before.
    pub fn put_keyring(&self, keyring: &Keyring) -> Result<(), DepotError> {
        self.check_domain(keyring.domain(), keyring.profile())?;
        Ok(self.backend.put_keyring(keyring.domain(), &keyring.to_json()?)?)
    }

    /// Reads the domain's keyring, if it has one.
    pub fn read_keyring(&self) -> Result<Option<Keyring>, DepotError> {
        let Some(json) = self.backend.read_keyring(self.domain())? else {
            return Ok(None);
        };
        let keyring = Keyring::from_json(&json)?;
        self.check_domain(keyring.domain(), keyring.profile())?;
        Ok(Some(keyring))
    }

    fn check_domain(&self, found: DomainId, profile: Profile) -> Result<(), DepotError> {
        let ours = found == self.domain() && profile == self.profile();
        if ours { Ok(()) } else { Err(DepotError::ForeignDomain { found }) }
    }
}

/// A pack that is sealed and stored at once. Dropped before the end, it leaves nothing behind.
pub struct PackUpload {
    writer: PackWriter,
    sink: Box<dyn PackSink>,
    buffer: Vec<u8>,
}

impl PackUpload {
    /// The pack's id.
    pub const fn pack(&self) -> PackId {
        self.writer.pack()
    }

    /// The writer, to ask how full it is.
    pub const fn writer(&self) -> &PackWriter {
        &self.writer
    }

    /// Seals a frame and stores it.
    pub fn append(&mut self, frame: &CompressedFrame) -> Result<FrameNumber, DepotError> {
        let number = self.writer.append(frame, &mut self.buffer)?;
        self.sink.write(&self.buffer)?;
        self.buffer.clear();
        Ok(number)
    }

    /// Ends the pack and makes it durable.
    pub fn finish(mut self) -> Result<SealedPack, DepotError> {
        let sealed = self.writer.finish(&mut self.buffer)?;
        self.sink.write(&self.buffer)?;
        self.sink.commit()?;
        Ok(sealed)
    }
}
