//! Foundings of the group after the first: who began it anew, out of what, and when.
//!
//! ```text
//!   quorum lost ──► a survivor's log ─┐
//!                                     ├──► Refound, applied once with a configuration of one ──► a new epoch
//!   all lost ─────► a backup ─────────┘
//! ```
//!
//! Owns the record that every later reader of the audit log finds: from here on entries that others may have seen can be
//! missing. The command never comes over the wire: it is applied by whoever makes the first folder of the new epoch.

use serde::{Deserialize, Serialize};

use super::command::{Audited, Effect, Retry};
use super::context::Context;
use super::members::{MemberDetails, PutMember};
use super::outcome::{Answer, Effected, Refusal, Thing, require};
use super::tables::{self, tables};
use crate::id::{ClusterEpoch, MemberId, Position};

tables! {
    /// Foundings after the first, by the epoch that began with each.
    Refoundings = REFOUNDINGS: ClusterEpoch => RefoundingRow;
}

/// What the group was founded anew from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefoundedFrom {
    /// The folder of a member that survived.
    Survivor(MemberId),
    /// A backup that this member wrote.
    Backup(MemberId),
}

/// One founding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefoundingRow {
    /// The member that began the epoch.
    pub member: MemberId,
    /// What its state was taken from.
    pub from: RefoundedFrom,
    /// The last entry of the old epoch that is part of the state.
    pub last: Position,
    /// The last entry that was known to be agreed on. What lies between the two was kept, and may be news to those who
    /// were told nothing of it.
    pub committed: Position,
    /// Accrued time of the founding.
    pub at_ms: u64,
}

/// Founds the group anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refound {
    /// The epoch that begins.
    pub epoch: ClusterEpoch,
    /// The member that begins it, alone.
    pub member: MemberId,
    /// Where it is and listens, if its region is known.
    pub details: Option<MemberDetails>,
    /// What its state was taken from.
    pub from: RefoundedFrom,
    /// The last entry of the old epoch.
    pub last: Position,
    /// The last entry that was known to be agreed on.
    pub committed: Position,
}

/// Somebody takes a copy of the whole state, to keep it elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeBackup;

impl Effect for TakeBackup {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("group.backup", &"state"))
    }

    fn retry(&self) -> Retry {
        // It changes nothing; who asked twice stands there twice.
        Retry::ByNature
    }

    fn apply(&self, _cx: &mut Context<'_>) -> Effected {
        Ok(Answer::Applied)
    }
}

/// Whether a row, by its key, is one of those few that are asked for before a group is founded anew.
pub fn is_asked_for(key: &[u8]) -> bool {
    let asked = [tables::COUNTERS, tables::REGIONS, tables::MEMBERS, tables::DENIED, tables::HEADS, tables::OPERATORS];
    key.first().is_some_and(|tag| asked.contains(tag))
}

impl Effect for Refound {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("group.refound", &format!("epoch-{}", self.epoch)))
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        cx.need_none::<Refoundings>(&self.epoch, Thing::Member)?;
        require(self.committed.index <= self.last.index, Refusal::Malformed)?;
        if let Some(details) = self.details.clone() {
            PutMember { member: self.member, details }.register(cx)?;
        }
        let row = RefoundingRow {
            member: self.member,
            from: self.from,
            last: self.last,
            committed: self.committed,
            at_ms: cx.now_ms,
        };
        cx.put::<Refoundings>(&self.epoch, &row)?;
        Ok(Answer::Applied)
    }
}
