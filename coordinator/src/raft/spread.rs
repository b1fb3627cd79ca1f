//! Agreement across regions: what is agreed on lies in two of them.
//!
//! Owns the way to the crate's group commit. Its rule, for each half of a joint configuration by itself: the highest
//! index that a majority has and that voters of two groups have; if all voters are of one group, that of the majority;
//! and if a voter is of no known group and there are not two others, the lowest that any voter has. It only ever asks for
//! more than a majority, so elections, which rest on majorities, lose nothing that was agreed on.
//!
//! Groups are kept in memory, and a voter that was just taken in has none: the leader's member assigns them anew whenever
//! it leads, the members change, or one of them moves.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use strongroom_platform::mutant::{self, Mutant};

use super::group::{Group, Role};
use crate::id::MemberId;

/// In which region each member lies, as numbers that mean nothing else.
pub type RegionNumbers = BTreeMap<MemberId, NonZeroU64>;

impl Group {
    /// Agrees across these regions from here on, or by any majority. What waits for less than that is agreed on at once.
    pub fn commit_across(&mut self, regions: Option<&RegionNumbers>) {
        let raft = &mut self.node.raft;
        let regions = regions.filter(|_| !mutant::is_active(Mutant::CommitInOneRegion));
        let Some(regions) = regions else {
            raft.enable_group_commit(false);
            return;
        };
        // First the rule, then the groups: in between nothing is agreed on too early.
        raft.enable_group_commit(true);
        raft.clear_commit_group();
        let groups: Vec<(u64, u64)> = regions.iter().map(|(id, region)| (id.number(), region.get())).collect();
        raft.assign_commit_groups(&groups);
    }

    /// Whether this member leads and has applied an entry of its own term, and with it all that was agreed on before.
    pub fn has_applied_own_term(&self) -> bool {
        self.standing().role == Role::Leader && self.node.raft.apply_to_current_term()
    }

    /// Whether a change of the members is agreed on or may be, and is not applied.
    pub fn has_pending_change(&self) -> bool {
        self.node.raft.has_pending_conf()
    }
}
