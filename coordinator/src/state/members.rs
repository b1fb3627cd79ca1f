//! The registry of members: who they are, where they listen, and how often each has booted.
//!
//! ```text
//!   PutMember ─► registered ─► learner ◄─► voter
//!                     │           │           │      by changes of the configuration
//!                     └───────────┴───────────┴─► removed: a tombstone, for ever
//! ```
//!
//! Owns the rule that an id is never used again, that whoever joins by a token brings an id that nobody knows, and that a data folder which was rolled back or copied is not let in: each
//! boot must show a number above the last one. Whether a member votes follows the configuration and nothing else.

use serde::{Deserialize, Serialize};

use super::command::{Audited, Effect, Retry};
use super::configuration::Configuration;
use super::context::Context;
use super::counters::Counter;
use super::outcome::{Answer, Effected, Fault, Refusal, Thing, require};
use super::tables::tables;
use super::text::{Address, Name};
use crate::id::MemberId;

/// Most members that are not removed: groups are small, and each one costs the leader a copy of the log.
pub const MEMBERS_MAX: u64 = 64;

tables! {
    /// Members, the removed ones too.
    Members = MEMBERS: MemberId => MemberRow;
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// What is known of it; nothing if it was removed before it was registered.
    pub details: Option<MemberDetails>,
    /// The number of its newest boot.
    pub boot: u64,
    /// What it does.
    pub state: MemberState,
}

/// Where a member is and listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberDetails {
    /// Its name.
    pub name: Name,
    /// The region that it lies in.
    pub region: Name,
    /// Where its peers reach it.
    pub peer_address: Address,
    /// Where clients reach it.
    pub api_address: Address,
}

/// What a member does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberState {
    /// It is known, and not part of the group yet.
    Registered,
    /// It receives the log.
    Learner,
    /// It receives the log and votes.
    Voter,
    /// It was part of the group and never will be again.
    Removed,
}

/// Registers a member, or changes where it listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutMember {
    /// The member.
    pub member: MemberId,
    /// Where it is and listens.
    pub details: MemberDetails,
}

/// Takes out a registered member that is not part of the group. Its id is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetireMember {
    /// The member.
    pub member: MemberId,
}

/// A member says that it booted, before it takes part in anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberBooted {
    /// The member.
    pub member: MemberId,
    /// The boot's number, counted in the data folder.
    pub boot: u64,
}

impl PutMember {
    /// Registers the member, or changes where it listens.
    pub(in crate::state) fn register(&self, cx: &mut Context<'_>) -> Result<(), Fault> {
        let old = cx.change.get::<Members>(&self.member)?;
        if let Some(MemberRow { state: MemberState::Removed, .. }) = old {
            return Err(Refusal::Retired(Thing::Member).into());
        }
        if old.is_none() {
            require(cx.count(Counter::Members)? < MEMBERS_MAX, Refusal::TooMany(Thing::Member))?;
            cx.count_up(Counter::Members)?;
        }
        cx.refer_to_region(&self.details.region)?;
        if let Some(details) = old.as_ref().and_then(|old| old.details.as_ref()) {
            cx.release_region(&details.region)?;
        }
        let (boot, state) = old.map_or((0, state_in(cx.configuration, self.member)), |old| (old.boot, old.state));
        cx.put::<Members>(&self.member, &MemberRow { details: Some(self.details.clone()), boot, state })
    }
}

/// Registers a member that joins by a token. Its id must be new, so that nobody is put in the place of a member that
/// lives: neither of one that is registered nor of one that the configuration names.
pub(in crate::state) fn join(cx: &mut Context<'_>, member: MemberId, details: &MemberDetails) -> Result<(), Fault> {
    let is_known = cx.configuration.has(member) || cx.change.get::<Members>(&member)?.is_some();
    require(!is_known, Refusal::Exists(Thing::Member))?;
    for other in cx.configuration.members() {
        let row = cx.change.get::<Members>(&other)?;
        let is_named_so = row.and_then(|row| row.details).is_some_and(|other| other.name == details.name);
        require(!is_named_so, Refusal::Exists(Thing::Member))?;
    }
    PutMember { member, details: details.clone() }.register(cx)
}

impl Effect for PutMember {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("member.put", &self.member))
    }

    fn retry(&self) -> Retry {
        // It says the same again, and the change of the members that it comes with happens once.
        Retry::ByNature
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        self.register(cx)?;
        Ok(Answer::Applied)
    }
}

impl Effect for RetireMember {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("member.retire", &self.member))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.need::<Members>(&self.member, Thing::Member)?;
        require(row.state != MemberState::Removed, Refusal::Retired(Thing::Member))?;
        require(!cx.configuration.has(self.member), Refusal::Referenced(Thing::Member))?;
        remove(cx, self.member, row)
    }
}

impl Effect for MemberBooted {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("member.boot", &self.member))
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.need::<Members>(&self.member, Thing::Member)?;
        require(row.state != MemberState::Removed, Refusal::Retired(Thing::Member))?;
        require(self.boot > row.boot, Refusal::StaleBoot(row.boot))?;
        cx.put::<Members>(&self.member, &MemberRow { boot: self.boot, ..row })?;
        Ok(Answer::Applied)
    }
}

/// Brings the registry in line with a new configuration. Who is no longer part of the group is removed for good.
pub(in crate::state) fn follow(cx: &mut Context<'_>, new: &Configuration) -> Result<(), Fault> {
    let mut members = cx.configuration.members();
    members.extend(new.members());
    for member in members {
        let known = cx.change.get::<Members>(&member)?;
        if known.is_none() {
            cx.count_up(Counter::Members)?;
        }
        let row = known.unwrap_or(MemberRow { details: None, boot: 0, state: MemberState::Registered });
        if row.state == MemberState::Removed {
            continue;
        }
        if new.has(member) {
            cx.put::<Members>(&member, &MemberRow { state: state_in(new, member), ..row })?;
        } else {
            remove(cx, member, row)?;
        }
    }
    Ok(())
}

fn state_in(configuration: &Configuration, member: MemberId) -> MemberState {
    if configuration.has_voter(member) {
        MemberState::Voter
    } else if configuration.has(member) {
        MemberState::Learner
    } else {
        MemberState::Registered
    }
}

fn remove(cx: &mut Context<'_>, member: MemberId, row: MemberRow) -> Effected {
    if let Some(details) = &row.details {
        cx.release_region(&details.region)?;
    }
    cx.count_down(Counter::Members)?;
    cx.put::<Members>(&member, &MemberRow { state: MemberState::Removed, ..row })?;
    Ok(Answer::Applied)
}
