//! A survey of what is left: which snapshots have all the packs that they need.
//!
//! Sizes are compared and directories were opened; what lies in the frames shows when it is read. A snapshot that lacks
//! a pack may yet be read in part: nothing that can be read is wrong, since every id is recomputed.

use std::collections::BTreeMap;

use serde::Serialize;
use strongroom_core::id::{PackId, SnapshotId};
use strongroom_core::manifest::{NeededPacks, VerifiedManifest};
use strongroom_depot::verify::Finding;

use super::Remains;
use crate::failure::{Attempt as _, Failure};

/// What can be said of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// All packs that it needs are there.
    Whole,
    /// An earlier manifest of its source is lost, and with it the list of its packs: all of them are searched.
    Unproven,
    /// Something that it needs is missing or damaged.
    Damaged,
}

impl State {
    /// The word for people.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Whole => "can be restored",
            Self::Unproven => "may be restored",
            Self::Damaged => "DAMAGED",
        }
    }
}

/// One snapshot of a survey.
pub(crate) struct Surveyed<'a> {
    /// Its manifest.
    pub(crate) manifest: &'a VerifiedManifest,
    /// What can be said of it.
    pub(crate) state: State,
    /// Why it can't be restored whole.
    pub(crate) faults: Vec<String>,
}

/// The snapshots of a depot, the oldest first.
pub(crate) struct Survey<'a> {
    /// The snapshots.
    pub(crate) snapshots: Vec<Surveyed<'a>>,
    /// What is wrong with manifests and chains.
    pub(crate) findings: &'a [Finding],
}

impl<'a> Survey<'a> {
    /// Compares what the manifests promise with the packs that are there.
    pub(crate) fn of(remains: &'a Remains) -> Result<Self, Failure> {
        let packs = Packs::of(remains)?;
        let manifests = remains.manifests();
        let mut surveyed: BTreeMap<SnapshotId, Surveyed<'a>> = BTreeMap::new();
        for source in manifests.sources() {
            manifests.follow_packs(source, |manifest, needed| {
                let faults = needed.map(|needed| packs.faults(needed)).unwrap_or_default();
                let state = match (needed, faults.is_empty()) {
                    (None, _) => State::Unproven,
                    (Some(_), true) => State::Whole,
                    (Some(_), false) => State::Damaged,
                };
                surveyed.insert(manifest.head().snapshot, Surveyed { manifest, state, faults });
            });
        }
        let by_time = manifests.by_time().into_iter();
        let snapshots = by_time.filter_map(|manifest| surveyed.remove(&manifest.head().snapshot)).collect();
        Ok(Self { snapshots, findings: manifests.findings() })
    }

    /// One snapshot.
    pub(crate) fn get(&self, snapshot: SnapshotId) -> Option<&Surveyed<'a>> {
        self.snapshots.iter().find(|surveyed| surveyed.manifest.head().snapshot == snapshot)
    }
}

/// The packs that are there.
struct Packs {
    bytes: BTreeMap<PackId, u64>,
    unreadable: BTreeMap<PackId, String>,
}

impl Packs {
    fn of(remains: &Remains) -> Result<Self, Failure> {
        let listed = remains.depot().backend().list_packs().attempt(|| "can't list the depot's packs")?;
        let unreadable = remains.custodian().unreadable().iter().map(|(pack, error)| (*pack, error.to_string()));
        Ok(Self {
            bytes: listed.items.iter().map(|stored| (stored.pack, stored.bytes)).collect(),
            unreadable: unreadable.collect(),
        })
    }

    /// What is wrong with the packs that a snapshot needs.
    fn faults(&self, needed: &NeededPacks) -> Vec<String> {
        let fault = |pack: PackId, expected: u64| {
            let finding = match (self.bytes.get(&pack), self.unreadable.get(&pack)) {
                (None, _) => Finding::MissingPack { pack, bytes: expected },
                (Some(found), _) if *found != expected => Finding::WrongSize { pack, expected, found: *found },
                (Some(_), Some(why)) => Finding::UnreadablePack { pack, why: why.clone() },
                (Some(_), None) => return None,
            };
            Some(finding.to_string())
        };
        needed.packs().filter_map(|needed| fault(needed.pack, needed.bytes)).collect()
    }
}
