//! A commit, out of a head.
//!
//! Owns the one way from a head to the command that commits it, for whoever proposes it: a member that was asked by an
//! agent, and a room that has agent and member in one process. The head says all: its facts, its packs and its place in
//! the chain. Whether its source signed it is for the caller to have checked; whether it follows is for the state to say.

use strongroom_core::id::{SourceId, UploadId};
use strongroom_core::manifest::{ClassTags, ManifestHead, PackRef};

use super::{CommitSnapshot, SnapshotFacts};
use crate::state::packs::{AddedPack, PackDifference};

/// The upload that brings a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bringing {
    /// The source.
    pub source: SourceId,
    /// The upload.
    pub upload: UploadId,
    /// Its epoch.
    pub epoch: u64,
}

impl CommitSnapshot {
    /// The commit that a head asks for. `manifest_bytes` are those of the whole manifest, and `cut_age_ms` the
    /// milliseconds that passed since its cut.
    pub fn of_head(head: &ManifestHead, manifest_bytes: u64, by: Bringing, cut_age_ms: u64) -> Self {
        let Bringing { source, upload, epoch } = by;
        let (snapshot, facts, packs) = (head.snapshot, facts(head, manifest_bytes), packs(head));
        Self { source, upload, epoch, snapshot, facts, packs, cut_age_ms }
    }
}

fn facts(head: &ManifestHead, manifest_bytes: u64) -> SnapshotFacts {
    SnapshotFacts {
        sequence: head.sequence,
        head: head.hash(),
        previous: head.previous,
        root: head.root,
        manifest_bytes,
        plaintext_bytes: head.totals.plaintext_bytes,
        records: head.totals.records,
        // A head of so many classes would be longer than any that is read.
        classes: u32::try_from(head.classes.len()).unwrap_or(u32::MAX),
        tags: head.classes.iter().fold(ClassTags::default(), |tags, class| tags.with(class.tags)),
        is_complete: head.complete,
        interval: head.interval.map(|interval| (interval.lo, interval.hi)),
    }
}

fn packs(head: &ManifestHead) -> PackDifference {
    let added = |pack: &PackRef| AddedPack { pack: pack.pack, bytes: pack.bytes, root: pack.root };
    PackDifference {
        restarts: head.restarts_packs,
        added: head.packs_added.iter().map(added).collect(),
        dropped: head.packs_dropped.clone(),
    }
}
