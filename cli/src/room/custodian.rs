//! The custodian: opens a keyring with a key file, and reads what was sealed in a depot.
//!
//! It needs a depot's files, a key and a place for the derived index: in a one-process room those of the room, in a
//! rescue what is left. Only verbs that read need it. It never hands a key to a source or a target.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use strongroom_agent::capture::Progress;
use strongroom_agent::view::SnapshotView;
use strongroom_core::digest::IdFunctions;
use strongroom_core::error::Code;
use strongroom_core::id::{PackId, SnapshotRoot, SourceId};
use strongroom_core::manifest::{ManifestBody, VerifiedManifest};
use strongroom_core::seal::{KeyFileError, Keyring, OpenKeyring};
use strongroom_depot::OpenDepot;
use strongroom_depot::backend::{Backend, Reads};
use strongroom_depot::index::{Index, IndexError};
use strongroom_depot::reader::{PackFileError, Reader};
use strongroom_depot::store::DepotStore;
use strongroom_platform::disk::Disk;
use strongroom_platform::keys::{KeyFile, OpenKeyFileError};

use super::manifests::Manifests;
use super::{Room, paths};
use crate::app::App;
use crate::failure::{Attempt as _, Failure};

/// Memory for opened frames.
const FRAME_CACHE_BYTES: usize = 48 << 20;

/// An opened keyring, and the way to the objects that it opens.
pub(crate) struct Custodian {
    depot: OpenDepot,
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
        self.manifest.root_of(&self.ids, &self.body)
    }

    /// Stops reading once a run is asked to.
    pub(crate) fn heed(&mut self, progress: Arc<Progress>) {
        self.store.heed(Arc::new(move || progress.stop.load(Ordering::Relaxed)));
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
        for (pack, error) in custodian.unreadable() {
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
        let depot = OpenDepot::new(backend, keyring, keys, index, FRAME_CACHE_BYTES);
        Ok(Self { depot: depot.attempt(|| "can't read the depot's packs")? })
    }

    /// Packs that are there and can't be opened.
    pub(crate) fn unreadable(&self) -> &[(PackId, PackFileError)] {
        self.depot.unreadable()
    }

    /// A reader that remembers nothing of what was read so far.
    pub(crate) fn fresh_reader(&self) -> Arc<Reader> {
        self.depot.fresh_reader()
    }

    /// Reads of the depot so far.
    pub(crate) fn reads(&self) -> Reads {
        self.depot.reads()
    }

    /// The opened keys.
    pub(crate) fn keys(&self) -> &OpenKeyring {
        self.depot.keys()
    }

    /// The id functions of a source.
    pub(crate) fn ids(&self, source: SourceId) -> Result<IdFunctions, Failure> {
        self.depot.ids(source).attempt(|| format!("can't read the id key of source {source}"))
    }

    /// Opens a manifest's body.
    pub(crate) fn body(&self, manifest: &VerifiedManifest) -> Result<ManifestBody, Failure> {
        self.depot
            .body(manifest)
            .attempt(|| format!("can't open the manifest of snapshot {}", manifest.head().snapshot))
    }

    /// Opens a snapshot.
    pub(crate) fn snapshot(&self, manifests: &Manifests, manifest: &VerifiedManifest) -> Result<OpenSnapshot, Failure> {
        let head = manifest.head();
        Ok(OpenSnapshot {
            manifest: manifest.clone(),
            body: self.body(manifest)?,
            ids: self.ids(head.source)?,
            store: self.depot.store(manifests.needed_packs(head)),
        })
    }
}

/// The index of the depot; one that is gone with this run, if another process has the one on disk, or none can be
/// written there.
fn open_index(room: &Room) -> Result<Index, Failure> {
    match Index::open(&room.root().join(paths::DEPOT_INDEX)) {
        Err(error) if is_out_of_reach(&error) => {
            tracing::info!(%error, "the index of the depot can't be used: building one in memory");
            Index::in_memory()
        }
        opened => opened,
    }
    .attempt(|| "can't open the index of the depot")
}

/// Whether the index may be sound, and only this process can't open it.
fn is_out_of_reach(error: &IndexError) -> bool {
    match error {
        IndexError::Busy { .. } => true,
        IndexError::Database(error) => matches!(
            error.as_ref(),
            redb::Error::Io(error) if matches!(error.kind(), ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied)
        ),
        _ => false,
    }
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
