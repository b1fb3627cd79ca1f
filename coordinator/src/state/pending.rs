//! Snapshots that wait for copies of their packs.
//!
//! Owns, for each snapshot that is durable and not yet protected, how many of its packs lack lawful copies. A pack that
//! gets its last copy lowers that number for the heads that list it; at zero the snapshot is protected. When the rules
//! change (the contract, what a jurisdiction covers, a depot that is lost) the packs of a source are judged anew, once,
//! at the source's next commit or receipt.

use serde::{Deserialize, Serialize};
use strongroom_core::id::{SnapshotId, SourceId};

use super::context::Context;
use super::counters::Counter;
use super::outcome::{Fault, Thing};
use super::packs::{LivePacks, PACKS_LIVE_MAX, PackRow, Packs};
use super::placement::Judge;
use super::snapshots::{HeadRow, SnapshotRow, Snapshots};
use super::sources::SourceRow;
use super::tables::tables;

/// Most snapshots of a source that wait: ten days of one every quarter of an hour. The oldest beyond that stays durable.
pub const PENDING_MAX: usize = 1_024;

/// Most rows that a judgement anew and a relief write: each live pack, and each snapshot that waits with its row.
pub(in crate::state) const ROWS_JUDGED_MAX: usize = PACKS_LIVE_MAX + 2 * PENDING_MAX;

tables! {
    /// Snapshots of a source that wait for copies, by their place in the chain.
    PendingSnapshots = PENDING_SNAPSHOTS: (SourceId, u64) => PendingRow;
}

/// A snapshot that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRow {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Packs that it needs and that lack lawful copies.
    pub missing: u32,
}

/// The rules under which packs were judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedUnder {
    placement: u64,
    terms: u32,
}

impl JudgedUnder {
    /// The rules that hold now for a source.
    pub(in crate::state) fn now(cx: &Context<'_>, source: &SourceRow) -> Result<Self, Fault> {
        Ok(Self { placement: cx.count(Counter::PlacementVersion)?, terms: source.terms_version })
    }
}

/// Lets the newest snapshot of a source wait.
pub(in crate::state) fn wait(
    cx: &mut Context<'_>,
    source: SourceId,
    snapshot: SnapshotId,
    head: &mut HeadRow,
) -> Result<(), Fault> {
    cx.put::<PendingSnapshots>(&(source, head.sequence), &PendingRow { snapshot, missing: head.unplaced })?;
    head.pending = head.pending.saturating_add(1);
    if usize::try_from(head.pending).unwrap_or(usize::MAX) > PENDING_MAX {
        for (key, _) in cx.change.list_before::<PendingSnapshots>(source.as_bytes(), None, 1)? {
            cx.change.remove::<PendingSnapshots>(&key);
            head.pending = head.pending.saturating_sub(1);
        }
    }
    Ok(())
}

/// The stretches of heads that list packs which have just got their last copy.
#[derive(Default)]
pub(in crate::state) struct Relief {
    starts: Vec<u64>,
    ends: Vec<u64>,
}

impl Relief {
    /// Notes a pack that has enough copies now.
    pub(in crate::state) fn note(&mut self, pack: &PackRow) {
        self.starts.push(pack.since);
        self.ends.push(pack.dropped.unwrap_or(u64::MAX));
    }

    /// Lowers what the pending snapshots of a source miss, and protects those that miss nothing. Touches at most two rows
    /// for each of [`PENDING_MAX`] snapshots.
    pub(in crate::state) fn settle(
        mut self,
        cx: &mut Context<'_>,
        source: SourceId,
        head: &mut HeadRow,
    ) -> Result<(), Fault> {
        if self.starts.is_empty() || head.pending == 0 {
            return Ok(());
        }
        self.starts.sort_unstable();
        self.ends.sort_unstable();
        for (key, row) in cx.change.list_before::<PendingSnapshots>(source.as_bytes(), None, PENDING_MAX)? {
            // A judgement anew, earlier in this command, may have moved the row or taken it away.
            let Some(row) = cx.change.get::<PendingSnapshots>(&key)?.filter(|now| now.snapshot == row.snapshot) else {
                continue;
            };
            let up_to = |places: &[u64]| places.partition_point(|place| *place <= key.1);
            let relieved = u32::try_from(up_to(&self.starts) - up_to(&self.ends)).unwrap_or(u32::MAX);
            if relieved > 0 {
                set(cx, key, PendingRow { missing: row.missing.saturating_sub(relieved), ..row }, head)?;
            }
        }
        Ok(())
    }
}

/// Judges all live packs of a source under the rules that hold now. Snapshots that wait, and none of whose packs was
/// dropped since, are counted anew; others stay durable, since what they need is not all live.
///
/// Touches at most [`PACKS_LIVE_MAX`] packs and [`PENDING_MAX`] snapshots.
pub(in crate::state) fn judge_anew(
    cx: &mut Context<'_>,
    judge: &mut Judge,
    source: SourceId,
    head: &mut HeadRow,
) -> Result<(), Fault> {
    let mut unplaced_since = Vec::new();
    for ((_, pack), ()) in cx.change.list_before::<LivePacks>(source.as_bytes(), None, PACKS_LIVE_MAX)? {
        let row = cx.need::<Packs>(&pack, Thing::Pack)?;
        let is_placed = judge.is_placed(cx, pack)?;
        if !is_placed {
            unplaced_since.push(row.since);
        }
        if row.is_placed != is_placed {
            cx.put::<Packs>(&pack, &PackRow { is_placed, ..row })?;
        }
    }
    unplaced_since.sort_unstable();
    head.unplaced = u32::try_from(unplaced_since.len()).unwrap_or(u32::MAX);
    for (key, row) in cx.change.list_before::<PendingSnapshots>(source.as_bytes(), None, PENDING_MAX)? {
        if key.1 < head.last_drop {
            cx.change.remove::<PendingSnapshots>(&key);
            head.pending = head.pending.saturating_sub(1);
        } else {
            let missing = unplaced_since.partition_point(|since| *since <= key.1);
            set(cx, key, PendingRow { missing: u32::try_from(missing).unwrap_or(u32::MAX), ..row }, head)?;
        }
    }
    Ok(())
}

/// Sets what a pending snapshot misses; one that misses nothing is protected, and waits no more.
fn set(cx: &mut Context<'_>, key: (SourceId, u64), row: PendingRow, head: &mut HeadRow) -> Result<(), Fault> {
    if row.missing > 0 {
        return cx.put::<PendingSnapshots>(&key, &row);
    }
    let snapshot = cx.need::<Snapshots>(&row.snapshot, Thing::Snapshot)?;
    let protected_ms = Some(cx.now_ms);
    cx.put::<Snapshots>(&row.snapshot, &SnapshotRow { protected_ms, ..snapshot })?;
    cx.count_up(Counter::SnapshotsProtected)?;
    cx.change.remove::<PendingSnapshots>(&key);
    head.pending = head.pending.saturating_sub(1);
    Ok(())
}
