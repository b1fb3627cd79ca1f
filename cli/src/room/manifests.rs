//! The snapshots of a depot, from the heads in it. Needs no secret.
//!
//! A head counts only if its source signed it. Which key that is, the room's group says, and for sources that it does not
//! know, or without a room, the keyring.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_core::id::{SnapshotId, SourceId};
use strongroom_core::manifest::{ManifestHead, NeededPacks, VerifiedManifest};
use strongroom_core::seal::{Keyring, VerifyingKey};
use strongroom_depot::Depot;
use strongroom_depot::verify::{Finding, Heads, read_heads};

use super::Room;
use super::group::Look;
use super::kept::RunFacts;
use crate::failure::{Attempt as _, Failure};

/// The snapshots of a depot.
pub(crate) struct Manifests {
    heads: Heads,
    names: BTreeMap<SourceId, String>,
    runs: BTreeMap<SnapshotId, RunFacts>,
    protected: BTreeSet<SnapshotId>,
}

/// Who signs the heads of each source.
pub(crate) struct Signers {
    known: BTreeMap<SourceId, Vec<VerifyingKey>>,
}

impl Signers {
    /// The keyring's word alone.
    pub(crate) fn of_keyring(keyring: &Keyring) -> Self {
        Self { known: keyring.sources().map(|source| (source, keyring.signers(source).to_vec())).collect() }
    }

    /// The keys that may have signed a source's heads.
    pub(crate) fn of(&self, source: SourceId) -> Vec<VerifyingKey> {
        self.known.get(&source).cloned().unwrap_or_default()
    }
}

impl Room {
    /// Who signs: the keyring's word for sources that the group does not know.
    pub(crate) fn signers(&self) -> Result<Signers, Failure> {
        self.signers_in(&self.look()?)
    }

    fn signers_in(&self, group: &Look<'_>) -> Result<Signers, Failure> {
        let keyring = self.depot().read_keyring().attempt(|| "can't read the room's keyring")?;
        let mut known = keyring.as_ref().map(|keyring| Signers::of_keyring(keyring).known).unwrap_or_default();
        known.extend(group.signers()?.into_iter().map(|(source, key)| (source, vec![key])));
        Ok(Signers { known })
    }

    /// Reads and checks all heads.
    pub(crate) fn manifests(&self) -> Result<Manifests, Failure> {
        let group = self.look()?;
        let signers = self.signers_in(&group)?;
        let names: BTreeMap<_, _> = group.sources()?.into_iter().map(|(name, (id, _))| (id, name)).collect();
        let protected = group.protected()?;
        drop(group);
        let runs = names.keys().flat_map(|source| self.runs_of(*source)).collect();
        Ok(Manifests { names, runs, protected, ..Manifests::read(self.depot(), &signers)? })
    }
}

impl Manifests {
    /// Reads and checks all heads of a depot. Sources have no names yet.
    pub(crate) fn read(depot: &Depot, signers: &Signers) -> Result<Self, Failure> {
        let heads = read_heads(depot, &|source| signers.of(source)).attempt(|| "can't read the depot's manifests")?;
        tracing::info!(manifests = heads.verified.len(), findings = heads.findings.len(), "manifests read");
        let (names, runs, protected) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Ok(Self { heads, names, runs, protected })
    }

    /// Gives the sources their names.
    pub(crate) fn call(&mut self, names: BTreeMap<SourceId, String>) {
        self.names = names;
    }

    /// The sources that have snapshots, ascending by id.
    pub(crate) fn sources(&self) -> BTreeSet<SourceId> {
        self.heads.verified.iter().map(|manifest| manifest.head().source).collect()
    }

    /// All snapshots, the oldest first.
    pub(crate) fn by_time(&self) -> Vec<&VerifiedManifest> {
        let mut all: Vec<_> = self.heads.verified.iter().collect();
        all.sort_by_key(|manifest| (manifest.head().started, manifest.head().sequence));
        all
    }

    /// The snapshots of a source along its chain.
    pub(crate) fn of_source(&self, source: SourceId) -> impl Iterator<Item = &VerifiedManifest> {
        self.heads.of_source(source)
    }

    /// What is wrong with manifests and chains.
    pub(crate) fn findings(&self) -> &[Finding] {
        &self.heads.findings
    }

    /// What a source is called here; its id, if the group does not know it.
    pub(crate) fn name(&self, source: SourceId) -> String {
        self.names.get(&source).cloned().unwrap_or_else(|| source.to_string())
    }

    /// The source with a name or id.
    pub(crate) fn source_named(&self, name: &str) -> Option<SourceId> {
        let by_name = self.names.iter().find(|(_, known)| *known == name).map(|(source, _)| *source);
        let by_id = || name.parse().ok().filter(|id| self.of_source(*id).next().is_some());
        by_name.or_else(by_id)
    }

    /// What is remembered of the run that took a snapshot.
    pub(crate) fn run(&self, snapshot: SnapshotId) -> Option<RunFacts> {
        self.runs.get(&snapshot).copied()
    }

    /// Whether the group says that a snapshot has the copies that its contract asks for.
    pub(crate) fn is_protected(&self, snapshot: SnapshotId) -> bool {
        self.protected.contains(&snapshot)
    }

    /// The packs that a snapshot needs, as far as the chain of heads tells.
    pub(crate) fn needed_packs(&self, head: &ManifestHead) -> Option<NeededPacks> {
        self.heads.needed_packs(head)
    }

    /// Follows a source's chain: each snapshot with the packs that it needs, as far as the heads up to it tell.
    pub(crate) fn follow_packs<'a>(
        &'a self,
        source: SourceId,
        visit: impl FnMut(&'a VerifiedManifest, Option<&NeededPacks>),
    ) {
        self.heads.follow_packs(source, visit);
    }
}
