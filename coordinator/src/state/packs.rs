//! The packs that heads list: which source owns each, which heads list it, and whether it lies where it should.
//!
//! ```text
//!   heads      1   2   3   4   5   6
//!   pack a         ├───────────┤          added by 2, dropped by 5: listed by 2, 3 and 4
//!   pack b             ├──────────►       live: the newest head lists it
//! ```
//!
//! Owns pack rows and the set of live packs of each source. A head says only what differs from the one before, and costs
//! only that: a pack's row names the stretch of heads that list it. A pack belongs to one source for ever.

use serde::{Deserialize, Serialize};
use strongroom_core::id::{MerkleRoot, PackId, SourceId};

use super::context::Context;
use super::outcome::{Fault, Refusal, Thing, require};
use super::placement::Judge;
use super::snapshots::HeadRow;
use super::tables::tables;

/// Most packs that one head adds or drops. With packs of 64 MiB that is half a terabyte in one snapshot.
pub const PACKS_PER_COMMIT_MAX: usize = 8_192;
/// Most packs that the newest head of a source may need: the most rows that a head which lists them anew may touch.
pub const PACKS_LIVE_MAX: usize = 65_536;

tables! {
    /// Packs that some head has listed.
    Packs = PACKS: PackId => PackRow;
    /// Packs that the newest head of a source lists.
    LivePacks = LIVE_PACKS: (SourceId, PackId) => ();
}

/// A pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackRow {
    /// The source that it belongs to.
    pub source: SourceId,
    /// Its size as a file.
    pub bytes: u64,
    /// The root over its ciphertext.
    pub root: MerkleRoot,
    /// The first head that ever listed it.
    pub first: u64,
    /// The head from which on it has been listed without a gap.
    pub since: u64,
    /// The head that dropped it; none while the newest head lists it.
    pub dropped: Option<u64>,
    /// Whether enough lawful copies of it are known.
    pub is_placed: bool,
}

/// A pack that a head adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AddedPack {
    /// The pack.
    pub pack: PackId,
    /// Its size as a file.
    pub bytes: u64,
    /// The root over its ciphertext.
    pub root: MerkleRoot,
}

/// How a head's list of packs differs from that of the head before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackDifference {
    /// Whether the list begins anew: all packs that are needed are added.
    pub restarts: bool,
    /// Packs added, ascending by id.
    pub added: Vec<AddedPack>,
    /// Packs dropped, ascending by id; none if the list begins anew.
    pub dropped: Vec<PackId>,
}

impl PackDifference {
    /// Refuses a difference that is out of bounds or out of order.
    pub(in crate::state) fn require_plain(&self) -> Result<(), Refusal> {
        let most = self.added.len().max(self.dropped.len());
        require(most <= PACKS_PER_COMMIT_MAX, Refusal::TooMany(Thing::Pack))?;
        let is_ordered = self.added.is_sorted_by(|a, b| a.pack < b.pack) && self.dropped.is_sorted_by(|a, b| a < b);
        let has_drops_of_its_own = self.restarts && !self.dropped.is_empty();
        require(is_ordered && !has_drops_of_its_own, Refusal::PackListBroken)
    }
}

/// Applies a difference as part of the head `sequence`.
pub(in crate::state) fn list(
    cx: &mut Context<'_>,
    judge: &mut Judge,
    source: SourceId,
    sequence: u64,
    difference: &PackDifference,
    head: &mut HeadRow,
) -> Result<(), Fault> {
    if difference.restarts {
        let live = cx.change.list_before::<LivePacks>(source.as_bytes(), None, PACKS_LIVE_MAX)?;
        for ((_, pack), ()) in live {
            drop_pack(cx, source, sequence, pack, head)?;
        }
    }
    for pack in &difference.dropped {
        drop_pack(cx, source, sequence, *pack, head)?;
    }
    for added in &difference.added {
        add_pack(cx, judge, source, sequence, added, head)?;
    }
    let live = usize::try_from(head.live_packs).unwrap_or(usize::MAX);
    Ok(require(live <= PACKS_LIVE_MAX, Refusal::TooMany(Thing::Pack))?)
}

fn drop_pack(
    cx: &mut Context<'_>,
    source: SourceId,
    sequence: u64,
    pack: PackId,
    head: &mut HeadRow,
) -> Result<(), Fault> {
    let row = cx.change.get::<Packs>(&pack)?.filter(|row| row.source == source && row.dropped.is_none());
    let row = row.ok_or(Refusal::PackListBroken)?;
    head.live_packs = head.live_packs.saturating_sub(1);
    head.live_bytes = head.live_bytes.saturating_sub(row.bytes);
    head.unplaced = head.unplaced.saturating_sub(u32::from(!row.is_placed));
    head.last_drop = sequence;
    cx.change.remove::<LivePacks>(&(source, pack));
    cx.put::<Packs>(&pack, &PackRow { dropped: Some(sequence), ..row })
}

fn add_pack(
    cx: &mut Context<'_>,
    judge: &mut Judge,
    source: SourceId,
    sequence: u64,
    added: &AddedPack,
    head: &mut HeadRow,
) -> Result<(), Fault> {
    let known = cx.change.get::<Packs>(&added.pack)?;
    let (first, since) = match known {
        None => (sequence, sequence),
        Some(row) => {
            let is_same = row.source == source && row.root == added.root && row.bytes == added.bytes;
            let dropped = row.dropped.filter(|_| is_same).ok_or(Refusal::PackListBroken)?;
            // Dropped and added by one head, it is listed without a gap.
            (row.first, if dropped == sequence { row.since } else { sequence })
        }
    };
    // Copies receipted while it was not listed have not been judged.
    let is_placed = judge.is_placed(cx, added.pack)?;
    let (bytes, root) = (added.bytes, added.root);
    head.live_packs = head.live_packs.saturating_add(1);
    head.live_bytes = head.live_bytes.saturating_add(bytes);
    head.unplaced = head.unplaced.saturating_add(u32::from(!is_placed));
    cx.put::<LivePacks>(&(source, added.pack), &())?;
    cx.put::<Packs>(&added.pack, &PackRow { source, bytes, root, first, since, dropped: None, is_placed })
}
