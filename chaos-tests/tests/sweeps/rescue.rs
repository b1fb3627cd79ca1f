//! What can be read from a depot's folder and a key file alone, snapshot by snapshot.
//!
//! Reads with what the program itself reads with: the opened depot, its store, and the agent's views.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_agent::view::{SnapshotView, ViewError, field_values};
use strongroom_core::id::SnapshotId;
use strongroom_depot::backend::DirectoryBackend;
use strongroom_depot::index::Index;
use strongroom_depot::store::DepotStore;
use strongroom_depot::verify::{Heads, read_heads};
use strongroom_depot::{Depot, OpenDepot};
use strongroom_platform::disk::Disk;
use strongroom_platform::keys::KeyFile;
use strongroom_platform::rng::SystemEntropy;

use crate::world::{Installation, KEY_FILE, handle, volume};

/// Memory for opened frames: less than a depot has of them.
const CACHE_BYTES: usize = 1 << 20;

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
    depot: OpenDepot,
    heads: Heads,
}

type Failed = Box<dyn std::error::Error>;

impl Opened {
    /// Opens a depot. An error means that nothing can be read at all.
    pub(crate) fn new(depot: &Arc<dyn Disk>, keys: &Arc<dyn Disk>) -> Result<Self, Failed> {
        let key = KeyFile::open(keys.as_ref(), KEY_FILE, None, Arc::new(SystemEntropy))?;
        let depot = Depot::open(Arc::new(DirectoryBackend::new(Arc::clone(depot))))?;
        let keyring = depot.read_keyring()?.ok_or("there is no keyring")?;
        let opened = keyring.open(&key)?;
        let heads = read_heads(&depot, &|source| keyring.signers(source).to_vec())?;
        let depot = OpenDepot::new(Arc::clone(depot.backend()), keyring, opened, Index::in_memory()?, CACHE_BYTES)?;
        Ok(Self { depot, heads })
    }

    /// Opens a snapshot and has something done with it.
    pub(crate) fn with_view<T>(
        &self,
        snapshot: SnapshotId,
        act: impl FnOnce(&SnapshotView<'_, DepotStore>) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        let mut verified = self.heads.verified.iter();
        let manifest = verified.find(|manifest| manifest.head().snapshot == snapshot);
        let manifest = manifest.ok_or("there is no such snapshot")?;
        let ids = self.depot.ids(manifest.head().source)?;
        let body = self.depot.body(manifest)?;
        if manifest.root_of(&ids, &body) != Some(manifest.head().root) {
            return Err("the body does not have the root of its head".into());
        }
        let store = self.depot.store(self.heads.needed_packs(manifest.head()));
        act(&SnapshotView::new(&store, &ids, &body)?)
    }
}

impl Installation {
    pub(crate) fn keys(&self) -> Arc<dyn Disk> {
        handle(&volume(&self.keys, 0))
    }

    /// What can be read of it.
    pub(crate) fn rescue(&self) -> Rescued {
        rescue(&handle(&volume(&self.depot, 0)), &self.keys()).unwrap()
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

fn contents(view: &SnapshotView<'_, DepotStore>) -> Result<Contents, Failed> {
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
