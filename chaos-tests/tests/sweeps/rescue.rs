//! What can be read from a depot's folder and a key file alone, snapshot by snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_agent::view::{ObjectStore, SnapshotView, ViewError, field_values};
use strongroom_core::blob::{BlobError, BlobForm, BlobVerifier};
use strongroom_core::digest::IdFunctions;
use strongroom_core::error::Code;
use strongroom_core::frame::ObjectKind;
use strongroom_core::id::{BlobId, ChunkId, Hint, LeafId, NodeId, ObjectId, SnapshotId};
use strongroom_core::manifest::NeededPacks;
use strongroom_core::seal::{Keyring, OpenKeyring};
use strongroom_core::tree::reader::{Body, Form, PartSource};
use strongroom_depot::Depot;
use strongroom_depot::backend::{Backend, DirectoryBackend};
use strongroom_depot::index::Index;
use strongroom_depot::reader::{ReadError, Reader, StoredObject};
use strongroom_depot::verify::{Heads, read_heads};
use strongroom_platform::disk::Disk;
use strongroom_platform::keys::KeyFile;
use strongroom_platform::rng::SystemEntropy;

use crate::world::KEY_FILE;

/// Everything that a snapshot holds, in lines that can be compared: records by class, and blobs by role.
pub(crate) type Contents = Vec<String>;

/// What a depot gives back.
pub(crate) struct Rescued {
    /// Each snapshot whose head can be believed, with its contents or the reason why they can't be had.
    pub(crate) snapshots: BTreeMap<SnapshotId, Result<Contents, String>>,
    /// What is wrong with heads and their chain.
    pub(crate) findings: usize,
}

impl Rescued {
    /// The contents of a snapshot that can be read.
    pub(crate) fn contents(&self, snapshot: SnapshotId) -> Option<&Contents> {
        self.snapshots.get(&snapshot)?.as_ref().ok()
    }
}

/// A depot that was opened with its key file.
pub(crate) struct Opened {
    keyring: Keyring,
    keys: Arc<OpenKeyring>,
    heads: Heads,
    backend: Arc<dyn Backend>,
    index: Arc<Index>,
}

type Failed = Box<dyn std::error::Error>;

impl Opened {
    /// Opens a depot. An error means that nothing can be read at all.
    pub(crate) fn new(depot: &Arc<dyn Disk>, keys: &Arc<dyn Disk>) -> Result<Self, Failed> {
        let key = KeyFile::open(keys.as_ref(), KEY_FILE, None, Arc::new(SystemEntropy))?;
        let depot = Depot::open(Arc::new(DirectoryBackend::new(Arc::clone(depot))))?;
        let keyring = depot.read_keyring()?.ok_or("there is no keyring")?;
        let opened = Arc::new(keyring.open(&key)?);
        let heads = read_heads(&depot, &|source| keyring.signers(source).to_vec())?;
        let index = Arc::new(Index::in_memory()?);
        index.catch_up(depot.backend().as_ref(), opened.as_ref())?;
        Ok(Self { heads, keys: opened, backend: Arc::clone(depot.backend()), index, keyring })
    }

    /// Opens a snapshot and has something done with it.
    pub(crate) fn with_view<T>(
        &self,
        snapshot: SnapshotId,
        act: impl FnOnce(&SnapshotView<'_, Store>) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        let mut packs = NeededPacks::new();
        let mut chain = self.heads.verified.iter();
        let manifest = loop {
            let manifest = chain.next().ok_or("there is no such snapshot")?;
            packs.apply(manifest.head())?;
            if manifest.head().snapshot == snapshot {
                break manifest;
            }
        };
        let reader =
            Reader::new(Arc::clone(&self.backend), Arc::clone(&self.index), Arc::clone(&self.keys) as _, 1 << 20);
        let store = Store { reader, packs };
        let id_key = self.keyring.id_key(manifest.head().source, &self.keys)?;
        let ids = IdFunctions::new(self.keyring.profile(), &id_key);
        let body = manifest.open_body(self.keys.as_ref())?;
        act(&SnapshotView::new(&store, &ids, &body)?)
    }
}

/// Reads all that a depot holds. An error means that nothing can be read at all.
pub(crate) fn rescue(depot: &Arc<dyn Disk>, keys: &Arc<dyn Disk>) -> Result<Rescued, String> {
    let opened = Opened::new(depot, keys).map_err(|error| error.to_string())?;
    let mut rescued = Rescued { snapshots: BTreeMap::new(), findings: opened.heads.findings.len() };
    for manifest in &opened.heads.verified {
        let snapshot = manifest.head().snapshot;
        let contents = opened.with_view(snapshot, contents).map_err(|error| error.to_string());
        rescued.snapshots.insert(snapshot, contents);
    }
    Ok(rescued)
}

fn contents(view: &SnapshotView<'_, Store>) -> Result<Contents, Failed> {
    let mut lines = Vec::new();
    for class in view.classes() {
        class.for_each_leaf(|leaf| {
            for at in 0..leaf.len() {
                let large = class.large_values(leaf.record(at))?;
                let fields = field_values(class.schema(), leaf.record(at), &large)?;
                lines.push(format!("{} {fields:?}", class.name()));
            }
            Ok::<_, ViewError>(())
        })?;
    }
    for blob in view.native_blobs()? {
        let mut content = String::from_utf8_lossy(&blob.content).into_owned();
        if blob.role == "facts" {
            let mut facts: serde_json::Value = serde_json::from_str(&content)?;
            // Each run of a sweep has its source in a folder of its own.
            facts["database"].take();
            content = facts.to_string();
        }
        lines.push(format!("{} {content}", blob.role));
    }
    lines.sort();
    Ok(lines)
}

/// The objects of a depot, as far as the heads name their packs.
pub(crate) struct Store {
    reader: Reader,
    packs: NeededPacks,
}

impl Store {
    fn candidates(&self, id: &ObjectId) -> Result<Vec<StoredObject>, ReadError> {
        let locations = self.reader.locate(id)?.into_iter().filter(|location| self.packs.contains(location.pack));
        let (mut found, mut failed) = (Vec::new(), None);
        for location in locations {
            match self.reader.load(&location) {
                Ok(object) => found.push(object),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if found.is_empty() => Err(error),
            _ => Ok(found),
        }
    }

    fn chunk(&self, ids: &IdFunctions, id: ChunkId) -> Result<Vec<u8>, NotHeld> {
        let found = self.candidates(&ObjectId::Chunk(id))?;
        let fits = found.iter().filter_map(StoredObject::object).find(|object| ids.chunk(object.body) == id);
        fits.map(|object| object.body.to_vec()).ok_or(NotHeld::Missing)
    }
}

/// An object that can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotHeld {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("no such object")]
    Missing,
}

impl PartSource for Store {
    type Error = NotHeld;

    fn forms(&self, hint: Hint, inner: bool) -> Result<Vec<Form>, NotHeld> {
        let mut bytes = [0; 32];
        bytes[..6].copy_from_slice(&hint.0);
        let id = if inner { ObjectId::Node(NodeId(bytes)) } else { ObjectId::Leaf(LeafId(bytes)) };
        let form = |stored: &StoredObject| Form {
            delta: matches!(stored.location().kind, ObjectKind::DeltaLeaf | ObjectKind::DeltaNode),
            body: Body::new(Arc::clone(stored.frame()), stored.location().slot),
        };
        Ok(self.candidates(&id)?.iter().map(form).collect())
    }
}

impl ObjectStore for Store {
    fn blob(&self, ids: &IdFunctions, blob: BlobId) -> Result<Vec<u8>, NotHeld> {
        for stored in self.candidates(&ObjectId::Blob(blob))? {
            let Some(object) = stored.object() else { continue };
            match BlobForm::decode(ids, blob, object) {
                Ok(BlobForm::Whole(content)) => return Ok(content.into_owned()),
                Ok(BlobForm::List(list)) => {
                    let mut verifier = BlobVerifier::new(ids, blob, &list);
                    let mut content = Vec::new();
                    for chunk in &list.chunks {
                        let bytes = self.chunk(ids, chunk.id)?;
                        verifier.push(&bytes)?;
                        content.extend(bytes);
                    }
                    verifier.finish()?;
                    return Ok(content);
                }
                Err(_) => {}
            }
        }
        Err(NotHeld::Missing)
    }

    fn code(_: &NotHeld) -> Code {
        Code::Damaged
    }
}
