//! The custodian: opens a keyring with a key file, and reads what was sealed in a depot.
//!
//! It needs a depot's files, a key and a place for the derived index: in a one-process room those of the room, in a
//! rescue what is left. Only verbs that read need it. It never hands a key to a source or a target.

use std::sync::Arc;

use strongroom_agent::view::SnapshotView;
use strongroom_core::digest::IdFunctions;
use strongroom_core::error::Code;
use strongroom_core::id::{PackId, SnapshotRoot, SourceId};
use strongroom_core::manifest::{ClassHead, ManifestBody, VerifiedManifest, snapshot_root};
use strongroom_core::seal::{KeyFileError, Keyring, OpenKeyring};
use strongroom_depot::backend::{Backend, Reads};
use strongroom_depot::index::{Index, IndexError};
use strongroom_depot::reader::{PackFileError, Reader, SharedKeys};
use strongroom_platform::disk::Disk;
use strongroom_platform::keys::{KeyFile, OpenKeyFileError};

use super::manifests::Manifests;
use super::store::DepotStore;
use super::{Room, paths};
use crate::app::App;
use crate::failure::{Attempt as _, Failure};

/// Memory for opened frames.
const FRAME_CACHE_BYTES: usize = 48 << 20;

/// An opened keyring, and the way to the objects that it opens.
pub(crate) struct Custodian {
    keyring: Keyring,
    keys: Arc<OpenKeyring>,
    backend: Arc<dyn Backend>,
    index: Arc<Index>,
    reader: Arc<Reader>,
    unreadable: Vec<(PackId, PackFileError)>,
}

/// A snapshot whose manifest is open.
pub(crate) struct OpenSnapshot {
    /// The verified manifest.
    pub(crate) manifest: VerifiedManifest,
    /// Its body.
    pub(crate) body: ManifestBody,
    /// The id functions of its source.
    pub(crate) ids: IdFunctions,
    /// Its objects.
    pub(crate) store: DepotStore,
}

impl OpenSnapshot {
    /// The snapshot's classes and records.
    pub(crate) fn view(&self) -> Result<SnapshotView<'_, DepotStore>, Failure> {
        let what = || format!("can't read snapshot {}", self.manifest.head().snapshot);
        SnapshotView::new(&self.store, &self.ids, &self.body).attempt(what)
    }

    /// The root that the classes and blobs of the body have; nothing if the head lists other classes.
    pub(crate) fn root_of_body(&self) -> Option<SnapshotRoot> {
        let head = self.manifest.head();
        let captured: Vec<ClassHead> = self
            .body
            .classes
            .iter()
            .filter(|entry| entry.captured)
            .filter_map(|entry| {
                let listed = head.classes.iter().find(|listed| listed.class == entry.id)?;
                Some(ClassHead { class: entry.id, tags: listed.tags, root: entry.root })
            })
            .collect();
        (captured.len() == head.classes.len()).then(|| snapshot_root(&self.ids, &captured, &self.body.blobs))
    }
}

impl Custodian {
    /// Opens the room's keyring, asking for the passphrase if the key file has one.
    pub(crate) fn open(room: &Room, app: &App) -> Result<Self, Failure> {
        let what = format!("can't open the room's key {}", room.root().join(paths::KEY_FILE).display());
        let key = open_key_file(room.disk().as_ref(), paths::KEY_FILE, &what, app)?;
        let keyring = room.depot().read_keyring().attempt(|| "can't read the room's keyring")?;
        let keyring = keyring.ok_or_else(|| Failure::new(Code::WrongKey, "the depot has no keyring of this room"))?;
        let keys = keyring.open(&key).attempt(|| "the room's key does not open its keyring")?;
        let custodian = Self::over(Arc::clone(room.backend()), keyring, keys, open_index(room)?)?;
        for (pack, error) in &custodian.unreadable {
            app.output.warn(format!("pack {pack} can't be opened and is left out: {error}"));
        }
        Ok(custodian)
    }

    /// Reads a depot's files with the keys of its keyring, by an index that may know nothing yet.
    pub(crate) fn over(
        backend: Arc<dyn Backend>,
        keyring: Keyring,
        keys: OpenKeyring,
        index: Index,
    ) -> Result<Self, Failure> {
        let (keys, index) = (Arc::new(keys), Arc::new(index));
        let caught_up = index.catch_up(backend.as_ref(), keys.as_ref()).attempt(|| "can't read the depot's packs")?;
        tracing::info!(added = caught_up.added, removed = caught_up.removed, "index of the depot caught up");
        let shared: SharedKeys = Arc::clone(&keys) as _;
        let reader = Reader::new(Arc::clone(&backend), Arc::clone(&index), shared, FRAME_CACHE_BYTES);
        Ok(Self { keyring, keys, backend, index, reader: Arc::new(reader), unreadable: caught_up.unreadable })
    }

    /// Packs that are there and can't be opened.
    pub(crate) fn unreadable(&self) -> &[(PackId, PackFileError)] {
        &self.unreadable
    }

    /// A reader that remembers nothing of what was read so far.
    pub(crate) fn fresh_reader(&self) -> Arc<Reader> {
        let keys: SharedKeys = Arc::clone(&self.keys) as _;
        Arc::new(Reader::new(Arc::clone(&self.backend), Arc::clone(&self.index), keys, FRAME_CACHE_BYTES))
    }

    /// Reads of the depot so far.
    pub(crate) fn reads(&self) -> Reads {
        self.backend.reads().so_far()
    }

    /// The opened keys.
    pub(crate) fn keys(&self) -> &OpenKeyring {
        &self.keys
    }

    /// The id functions of a source.
    pub(crate) fn ids(&self, source: SourceId) -> Result<IdFunctions, Failure> {
        let key =
            self.keyring.id_key(source, &self.keys).attempt(|| format!("can't read the id key of source {source}"))?;
        Ok(IdFunctions::new(self.keyring.profile(), &key))
    }

    /// Opens a manifest's body.
    pub(crate) fn body(&self, manifest: &VerifiedManifest) -> Result<ManifestBody, Failure> {
        let what = || format!("can't open the manifest of snapshot {}", manifest.head().snapshot);
        manifest.open_body(self.keys.as_ref()).attempt(what)
    }

    /// Opens a snapshot.
    pub(crate) fn snapshot(&self, manifests: &Manifests, manifest: &VerifiedManifest) -> Result<OpenSnapshot, Failure> {
        let head = manifest.head();
        Ok(OpenSnapshot {
            manifest: manifest.clone(),
            body: self.body(manifest)?,
            ids: self.ids(head.source)?,
            store: DepotStore::new(Arc::clone(&self.reader), manifests.needed_packs(head)),
        })
    }
}

/// The index of the depot; one that is gone with this run, if another process has the one on disk.
fn open_index(room: &Room) -> Result<Index, Failure> {
    match Index::open(&room.root().join(paths::DEPOT_INDEX)) {
        Err(IndexError::Busy { .. }) => {
            tracing::info!("another process has the index of the depot: building one in memory");
            Index::in_memory()
        }
        opened => opened,
    }
    .attempt(|| "can't open the index of the depot")
}

/// Opens a key file, asking for the passphrase if it has one; `what` is what can't be done without it.
pub(crate) fn open_key_file(disk: &dyn Disk, path: &str, what: &str, app: &App) -> Result<KeyFile, Failure> {
    let open = |passphrase: Option<&[u8]>| KeyFile::open(disk, path, passphrase, Arc::clone(&app.entropy));
    let opened = match open(None) {
        Err(OpenKeyFileError::Document(KeyFileError::PassphraseNeeded)) => {
            let passphrase = app.passphrase.required()?;
            open(Some(passphrase.as_bytes()))
        }
        opened => opened,
    };
    opened.attempt(|| what)
}
