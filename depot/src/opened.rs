//! An opened depot: its files, the keys of its keyring, and the index that leads to its objects.
//!
//! Owns what every reader of snapshots needs, be it a room, a rescue with nothing else alive, or a test of either. It
//! holds keys in memory and gives none of them out but to those who open what was sealed.

use std::sync::Arc;

use strongroom_core::digest::IdFunctions;
use strongroom_core::id::{PackId, SourceId};
use strongroom_core::manifest::{ManifestBody, ManifestError, NeededPacks, VerifiedManifest};
use strongroom_core::seal::{Keyring, KeyringError, OpenKeyring};

use crate::backend::{Backend, Reads};
use crate::index::{Index, IndexError};
use crate::reader::{PackFileError, Reader, SharedKeys};
use crate::store::DepotStore;

/// A depot whose keyring is open.
pub struct OpenDepot {
    keyring: Keyring,
    keys: Arc<OpenKeyring>,
    backend: Arc<dyn Backend>,
    index: Arc<Index>,
    reader: Arc<Reader>,
    cache_bytes: usize,
    unreadable: Vec<(PackId, PackFileError)>,
}

impl OpenDepot {
    /// Reads a depot's files with the keys of its keyring, by an index that may know nothing yet. At most `cache_bytes`
    /// of opened frames are kept.
    pub fn new(
        backend: Arc<dyn Backend>,
        keyring: Keyring,
        keys: OpenKeyring,
        index: Index,
        cache_bytes: usize,
    ) -> Result<Self, IndexError> {
        let (keys, index) = (Arc::new(keys), Arc::new(index));
        let caught_up = index.catch_up(backend.as_ref(), keys.as_ref())?;
        let shared: SharedKeys = Arc::clone(&keys) as _;
        let reader = Arc::new(Reader::new(Arc::clone(&backend), Arc::clone(&index), shared, cache_bytes));
        Ok(Self { keyring, keys, backend, index, reader, cache_bytes, unreadable: caught_up.unreadable })
    }

    /// Packs that are there and can't be opened.
    pub fn unreadable(&self) -> &[(PackId, PackFileError)] {
        &self.unreadable
    }

    /// A reader that remembers nothing of what was read so far.
    pub fn fresh_reader(&self) -> Arc<Reader> {
        let keys: SharedKeys = Arc::clone(&self.keys) as _;
        Arc::new(Reader::new(Arc::clone(&self.backend), Arc::clone(&self.index), keys, self.cache_bytes))
    }

    /// Reads of the depot so far.
    pub fn reads(&self) -> Reads {
        self.backend.reads().so_far()
    }

    /// The opened keys.
    pub fn keys(&self) -> &OpenKeyring {
        &self.keys
    }

    /// The id functions of a source.
    pub fn ids(&self, source: SourceId) -> Result<IdFunctions, KeyringError> {
        Ok(IdFunctions::new(self.keyring.profile(), &self.keyring.id_key(source, &self.keys)?))
    }

    /// Opens a manifest's body.
    pub fn body(&self, manifest: &VerifiedManifest) -> Result<ManifestBody, ManifestError> {
        manifest.open_body(self.keys.as_ref())
    }

    /// The objects in the packs that a snapshot needs, or in all of them where the list is not known.
    pub fn store(&self, packs: Option<NeededPacks>) -> DepotStore {
        DepotStore::new(Arc::clone(&self.reader), packs)
    }
}
