//! What was acknowledged while the group agrees across regions lies in two of them, on disks that say so (the promise of
//! the rule *across regions*, `coordinator/src/state/rules.rs`).
//!
//! Judged is what a leader answers for entries behind the last change of its members or its rules: those before may have
//! been agreed on by what was so then. Not judged is what a leader answers from the moment at which it is told that any
//! majority will do. A half of a joint configuration is judged by itself, as it votes.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_coordinator::id::{LogIndex, MemberId, Position};
use strongroom_coordinator::member::Member;
use strongroom_coordinator::raft::Role;
use strongroom_coordinator::state::Configuration;
use strongroom_coordinator::state::rules::{CommitRule, rules};

use super::Broken;

#[derive(Default)]
pub(super) struct Spread {
    /// Where each member lies; empty in a run without regions.
    places: BTreeMap<MemberId, usize>,
    /// Who was seen to have an entry.
    held: BTreeMap<Position, BTreeSet<MemberId>>,
    /// The last entry of each member that was looked at.
    looked: BTreeMap<MemberId, Position>,
    /// All up to here is in the state of a member.
    floors: BTreeMap<MemberId, LogIndex>,
    /// By what each leader agrees, and the last entry of its log when that began.
    reigns: BTreeMap<MemberId, Reign>,
    /// Leaders that were told that any majority will do, which holds for them from then on.
    waived: BTreeSet<MemberId>,
}

#[derive(PartialEq, Eq)]
struct Reign {
    term: u64,
    configuration: Configuration,
    rule: CommitRule,
    since: LogIndex,
}

impl Spread {
    pub(super) fn place(&mut self, id: MemberId, region: usize) {
        self.places.insert(id, region);
    }

    pub(super) fn waive(&mut self, id: MemberId) {
        self.waived.insert(id);
    }

    pub(super) fn look_at(&mut self, member: &Member) {
        if self.places.is_empty() {
            return;
        }
        let (id, group) = (member.identity().member, member.group());
        let (last, floor) = (group.standing().last, group.log().floor().position.index);
        self.floors.insert(id, floor);
        let before = self.looked.get(&id).copied().unwrap_or_default();
        let is_same = before.index <= last && group.term_at(before.index) == Some(before.term);
        let from = if is_same { before.index } else { floor };
        for index in from.max(floor).0 + 1..=last.0 {
            let Some(term) = group.term_at(LogIndex(index)) else { continue };
            let at = Position { index: LogIndex(index), term };
            self.held.entry(at).or_default().insert(id);
            self.looked.insert(id, at);
        }
        self.note_reign(member);
    }

    fn note_reign(&mut self, member: &Member) {
        let (id, standing) = (member.identity().member, member.standing());
        if standing.role != Role::Leader {
            self.reigns.remove(&id);
            return;
        }
        let machine = member.machine();
        let rule = rules(machine.rows()).map_or(CommitRule::AnyMajority, |rules| rules.commit);
        let is_known = self.reigns.get(&id).is_some_and(|known| {
            known.term == standing.term.0 && known.rule == rule && known.configuration == *machine.configuration()
        });
        if rule == CommitRule::AnyMajority {
            self.waived.remove(&id);
        }
        if !is_known {
            let configuration = machine.configuration().clone();
            self.reigns.insert(id, Reign { term: standing.term.0, configuration, rule, since: standing.last });
        }
    }

    /// A leader answered that an entry was applied.
    pub(super) fn acknowledged(&self, member: &Member, at: Position) -> Result<(), Broken> {
        let Some(reign) = self.reigns.get(&member.identity().member) else { return Ok(()) };
        let is_waived = self.waived.contains(&member.identity().member);
        if is_waived || reign.rule != CommitRule::AcrossRegions || at.index <= reign.since {
            return Ok(());
        }
        for half in [&reign.configuration.voters, &reign.configuration.voters_outgoing] {
            let has = |id: &&MemberId| {
                self.held.get(&at).is_some_and(|held| held.contains(*id))
                    || self.floors.get(*id).is_some_and(|floor| *floor >= at.index)
            };
            let (all, holding) = (self.regions(half.iter()), self.regions(half.iter().filter(has)));
            if all.len() > 1 && holding.len() < 2 {
                let seen = format!("{at:?} was acknowledged, and lies in regions {holding:?} of {all:?}");
                return Err(Broken::new("spread", seen));
            }
        }
        Ok(())
    }

    fn regions<'a>(&self, members: impl Iterator<Item = &'a MemberId>) -> BTreeSet<usize> {
        members.filter_map(|id| self.places.get(id).copied()).collect()
    }
}
