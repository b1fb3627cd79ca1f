//! Snapshots: the chain of heads of each source.
//!
//! ```text
//!   CommitSnapshot ─► durable ──(every pack has enough lawful copies)──► protected, for good
//! ```
//!
//! Owns the chain: a head is taken only from the live upload, and only if it follows the source's newest one. A snapshot
//! becomes protected once and stays so. Those that are not yet wait as pending, the newest of them; one that waited for
//! too long stays durable. Nothing here is taken away; forgetting is another family.

mod of_head;

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use strongroom_core::id::{HeadHash, SnapshotId, SnapshotRoot, SourceId, UploadId};
use strongroom_core::manifest::ClassTags;
use strongroom_core::time::WallTime;

use super::command::{Audited, Effect, ROWS_WRITTEN_MAX};
use super::context::Context;
use super::counters::Counter;
use super::outcome::{Answer, Effected, Fault, Refusal, Thing, require};
use super::packs::{self, PACKS_LIVE_MAX, PackDifference};
use super::pending::{self, JudgedUnder};
use super::placement::Judge;
use super::sources::Sources;
use super::tables::tables;
use super::uploads::require_live;
pub use of_head::Bringing;

tables! {
    /// The newest head of each source.
    Heads = HEADS: SourceId => HeadRow;
    /// Snapshots.
    Snapshots = SNAPSHOTS: SnapshotId => SnapshotRow;
    /// Snapshots of a source, the newest first.
    SourceSnapshots = SOURCE_SNAPSHOTS: (SourceId, Reverse<u64>) => SnapshotId;
    /// How each snapshot's list of packs differs from the one before.
    SnapshotPacks = SNAPSHOT_PACKS: SnapshotId => PackDifference;
}

/// The newest head of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadRow {
    /// Its snapshot.
    pub snapshot: SnapshotId,
    /// Its place in the chain, from 1.
    pub sequence: u64,
    /// Its hash, which the next head names.
    pub hash: HeadHash,
    /// Packs that it needs.
    pub live_packs: u32,
    /// Their bytes.
    pub live_bytes: u64,
    /// Packs among them without enough lawful copies.
    pub unplaced: u32,
    /// Snapshots that wait for copies.
    pub pending: u32,
    /// The newest head that dropped a pack; 0 before the first.
    pub last_drop: u64,
    /// Under which rules its packs were judged.
    pub judged: JudgedUnder,
}

/// A snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRow {
    /// Its source.
    pub source: SourceId,
    /// The epoch of the upload that brought it.
    pub epoch: u64,
    /// What its head says.
    pub facts: SnapshotFacts,
    /// Accrued time of the commit.
    pub committed_ms: u64,
    /// The leader's wall clock at the commit, for people.
    pub committed_wall: WallTime,
    /// Accrued time from which on it has been protected.
    pub protected_ms: Option<u64>,
    /// Accrued time of its cut, as far as its agent knows.
    pub cut_ms: u64,
}

/// What a head says of its snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotFacts {
    /// Its place in the source's chain, from 1.
    pub sequence: u64,
    /// Hash of its head.
    pub head: HeadHash,
    /// Hash of the head before; none at sequence 1.
    pub previous: Option<HeadHash>,
    /// Root over all classes and blobs.
    pub root: SnapshotRoot,
    /// Bytes of the manifest, head and body.
    pub manifest_bytes: u64,
    /// Bytes of records and blobs before compression.
    pub plaintext_bytes: u64,
    /// Records of all classes.
    pub records: u64,
    /// Number of classes.
    pub classes: u32,
    /// What policy may know of the classes.
    pub tags: ClassTags,
    /// Whether everything that was to be captured was.
    pub is_complete: bool,
    /// Between which true times it was taken, where clocks were measured: not before, not after.
    pub interval: Option<(WallTime, WallTime)>,
}

/// Makes a snapshot part of its source's chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitSnapshot {
    /// The source.
    pub source: SourceId,
    /// The upload that brought it.
    pub upload: UploadId,
    /// The epoch of the upload.
    pub epoch: u64,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// What its head says.
    pub facts: SnapshotFacts,
    /// How its list of packs differs from that of the head before.
    pub packs: PackDifference,
    /// Milliseconds that had passed since its cut when the commit was proposed, by the agent's monotonic clock.
    pub cut_age_ms: u64,
}

impl Effect for CommitSnapshot {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("snapshot.commit", &self.snapshot))
    }

    fn rows_written_max(&self) -> usize {
        let listed = if self.packs.restarts { PACKS_LIVE_MAX } else { 0 };
        let differing = self.packs.added.len() + self.packs.dropped.len();
        ROWS_WRITTEN_MAX + 2 * (listed + differing) + pending::ROWS_JUDGED_MAX
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let source = cx.need::<Sources>(&self.source, Thing::Source)?;
        require_live(cx, self.source, self.upload, self.epoch)?;
        cx.need_none::<Snapshots>(&self.snapshot, Thing::Snapshot)?;
        self.packs.require_plain()?;
        let mut judge = Judge::new(cx, &source.terms)?;
        let judged = JudgedUnder::now(cx, &source)?;
        let newest = cx.change.get::<Heads>(&self.source)?;
        self.require_next(newest.as_ref())?;
        let mut head = self.head_after(newest, judged);
        if newest.is_some_and(|newest| newest.judged != judged) {
            pending::judge_anew(cx, &mut judge, self.source, &mut head)?;
        }
        packs::list(cx, &mut judge, self.source, self.facts.sequence, &self.packs, &mut head)?;
        let is_protected = head.unplaced == 0;
        if is_protected {
            cx.count_up(Counter::SnapshotsProtected)?;
        } else {
            pending::wait(cx, self.source, self.snapshot, &mut head)?;
        }
        self.store(cx, &head, is_protected)?;
        Ok(Answer::Protected(is_protected))
    }
}

impl CommitSnapshot {
    fn require_next(&self, newest: Option<&HeadRow>) -> Result<(), Refusal> {
        let (sequence, previous) =
            newest.map_or((1, None), |newest| (newest.sequence.saturating_add(1), Some(newest.hash)));
        let is_next = self.facts.sequence == sequence && self.facts.previous == previous;
        require(is_next, Refusal::ChainBroken)
    }

    /// The head's row, with what is known of the packs of the one before.
    fn head_after(&self, newest: Option<HeadRow>, judged: JudgedUnder) -> HeadRow {
        let (snapshot, sequence, hash) = (self.snapshot, self.facts.sequence, self.facts.head);
        let first = HeadRow {
            snapshot,
            sequence,
            hash,
            live_packs: 0,
            live_bytes: 0,
            unplaced: 0,
            pending: 0,
            last_drop: 0,
            judged,
        };
        newest.map_or(first, |newest| HeadRow { snapshot, sequence, hash, judged, ..newest })
    }

    fn store(&self, cx: &mut Context<'_>, head: &HeadRow, is_protected: bool) -> Result<(), Fault> {
        let row = SnapshotRow {
            source: self.source,
            epoch: self.epoch,
            facts: self.facts,
            committed_ms: cx.now_ms,
            committed_wall: cx.wall,
            protected_ms: is_protected.then_some(cx.now_ms),
            cut_ms: cx.now_ms.saturating_sub(self.cut_age_ms),
        };
        cx.count_up(Counter::Snapshots)?;
        cx.put::<Heads>(&self.source, head)?;
        cx.put::<Snapshots>(&self.snapshot, &row)?;
        cx.put::<SourceSnapshots>(&(self.source, Reverse(self.facts.sequence)), &self.snapshot)?;
        cx.put::<SnapshotPacks>(&self.snapshot, &self.packs)
    }
}
