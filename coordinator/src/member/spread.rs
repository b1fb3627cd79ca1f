//! Where the members lie, and what follows from it for the leader: across which regions it agrees, and whether another
//! member ought to lead.
//!
//! Owns what is known of the rules while this member leads, read anew only when they or the members change. The rule in
//! force is that of the applied state. A new leader therefore takes nothing new before it has applied all that was agreed
//! on before it, as long as regions have a part in it.
//!
//! **Turning the rule off** can't wait for the regions that are away: from the moment at which a leader proposes it, any
//! majority will do, for that entry and for all that waits in front of it. If the leader is lost first, the next one
//! knows nothing of it, and has to be asked again. Nothing lasts here: a crash leaves the applied state, and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use super::preference::View;
use super::{Member, MemberError, follows};
use crate::id::{LogIndex, MemberId, Term};
use crate::raft::{Group, RegionNumbers, Role};
use crate::state::members::Members;
use crate::state::rules::{CommitRule, RulesRow, SetCommitRule, rules};
use crate::state::text::Name;
use crate::state::{Command, Configuration, Machine, Outcome, Unreadable};

/// What a leader knows of its members' places.
#[derive(Default)]
pub(super) struct Spread {
    /// The reign, and how often the rows had changed when they were read.
    read: Option<(Term, u64)>,
    rules: RulesRow,
    regions: BTreeMap<MemberId, Name>,
    /// In which term, and with which entry, the rule is turned off.
    waived: Option<(Term, LogIndex)>,
    /// What the log was told last.
    told: Option<(Term, Option<RegionNumbers>)>,
}

impl Spread {
    /// Brings the log's rule in line with the state, on a leader. Says whether it changed.
    pub(super) fn keep(&mut self, group: &mut Group, machine: &Machine) -> Result<bool, Unreadable> {
        let standing = group.standing();
        if standing.role != Role::Leader {
            (self.read, self.waived, self.told) = (None, None, None);
            return Ok(false);
        }
        let now = (standing.term, machine.rows().group_changes());
        if self.read != Some(now) {
            self.read(machine)?;
            self.read = Some(now);
        }
        let is_over = |(term, index): &(Term, LogIndex)| *term != standing.term || machine.position().index >= *index;
        self.waived.take_if(|waived| is_over(waived));
        let wanted = (standing.term, self.wanted(machine.configuration()));
        if self.told.as_ref() == Some(&wanted) {
            return Ok(false);
        }
        tracing::info!(regions = ?wanted.1, "across which regions writes are agreed on");
        group.commit_across(wanted.1.as_ref());
        self.told = Some(wanted);
        Ok(true)
    }

    /// Whether the log was told to agree across regions.
    fn is_in_force(&self) -> bool {
        self.told.as_ref().is_some_and(|(_, regions)| regions.is_some())
    }

    /// Whether a command turns the rule off: it is proposed whatever the rule waits for.
    pub(super) const fn may_waive(command: &Command) -> bool {
        matches!(command, Command::SetCommitRule(SetCommitRule { rule: CommitRule::AnyMajority, .. }))
    }

    /// Any majority will do from here on, until this entry is applied and the state says so itself.
    pub(super) fn waive(&mut self, term: Term, index: LogIndex) {
        self.waived = Some((term, index));
    }

    /// Whether what is proposed now might be agreed on by a rule that is not the newest.
    pub(super) fn must_wait(&self, group: &Group, configuration: &Configuration) -> bool {
        let has_part = self.regions_of(configuration).len() > 1 || group.has_pending_change();
        has_part && !group.has_applied_own_term()
    }

    /// The members of a configuration, as a choice of leaders sees them; nothing if there is no preference.
    pub(super) fn view<'a>(&'a self, configuration: &'a Configuration, me: MemberId) -> Option<View<'a>> {
        if self.rules.preferred.is_empty() {
            return None;
        }
        Some(View { me, voters: &configuration.voters, regions: &self.regions, preferred: &self.rules.preferred })
    }

    fn read(&mut self, machine: &Machine) -> Result<(), Unreadable> {
        self.rules = rules(machine.rows())?;
        self.regions.clear();
        for member in machine.configuration().members() {
            let details = machine.rows().get::<Members>(&member)?.and_then(|row| row.details);
            self.regions.extend(details.map(|details| (member, details.region)));
        }
        Ok(())
    }

    /// The regions to agree across; nothing if any majority will do.
    fn wanted(&self, configuration: &Configuration) -> Option<RegionNumbers> {
        let regions = self.regions_of(configuration);
        if self.rules.commit == CommitRule::AnyMajority || self.waived.is_some() || regions.len() < 2 {
            return None;
        }
        let numbers: BTreeMap<&Name, NonZeroU64> = regions.into_iter().zip((1..).filter_map(NonZeroU64::new)).collect();
        let number = |(member, region): (&MemberId, &Name)| Some((*member, *numbers.get(region)?));
        Some(self.regions.iter().filter_map(number).collect())
    }

    /// The regions in which voters lie.
    fn regions_of(&self, configuration: &Configuration) -> BTreeSet<&Name> {
        let voters = configuration.voters.union(&configuration.voters_outgoing);
        voters.filter_map(|voter| self.regions.get(voter)).collect()
    }
}

impl Member {
    /// Sees to it that the log agrees by the rule of the state; says whether there is something to do again.
    pub(super) fn keep_spread(&mut self) -> Result<bool, MemberError> {
        Ok(self.spread.keep(&mut self.group, &self.core.machine)?)
    }

    /// Whether a request would take effect as the state is here and now.
    pub(super) fn would_be_done(&mut self, bytes: &[u8]) -> Result<bool, MemberError> {
        Ok(matches!(self.core.machine.foresee(bytes)?, Outcome::Done(_)))
    }

    /// Hands over if another member ought to lead, and has for long enough.
    pub(super) fn watch_preference(&mut self) {
        let standing = self.group.standing();
        if standing.role != Role::Leader {
            self.preference.rest();
            return;
        }
        let configuration = self.core.machine.configuration();
        let is_settled = !configuration.is_joint() && !self.group.has_pending_change();
        let view = self.spread.view(configuration, self.core.identity.member).filter(|_| is_settled);
        let Some(view) = view else {
            self.preference.rest();
            return;
        };
        let ready: BTreeSet<MemberId> =
            self.group.progress().iter().filter(|it| follows(it, standing.committed)).map(|it| it.member).collect();
        let patience = self.config.preference_ticks;
        if let Some(to) = self.preference.tick(standing.term, Some(&view), &ready, patience) {
            tracing::info!(%to, "leadership is handed over to a region that is preferred");
            // Not being able to is no error: it is tried again after another reign's least length.
            self.group.transfer(to).ok();
        }
    }

    /// Whether this member leads, and agrees across regions at the moment.
    pub fn agrees_across_regions(&self) -> bool {
        self.spread.is_in_force()
    }

    /// How often this member was to hand leadership over to a region that is preferred, since it was opened.
    pub const fn hand_overs(&self) -> u64 {
        self.preference.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> MemberId {
        MemberId::from_number(number).unwrap()
    }

    fn spread(regions: &[&str]) -> (Spread, Configuration) {
        let regions: BTreeMap<MemberId, Name> =
            (1..).zip(regions).map(|(number, region)| (id(number), Name::new(region).unwrap())).collect();
        let configuration = Configuration { voters: regions.keys().copied().collect(), ..Configuration::default() };
        (Spread { regions, ..Spread::default() }, configuration)
    }

    #[test]
    fn voters_of_one_region_agree_by_any_majority() {
        let (spread, configuration) = spread(&["north", "north", "north"]);
        assert_eq!(spread.wanted(&configuration), None);
    }

    #[test]
    fn voters_of_several_regions_agree_across_them_unless_told_otherwise() {
        let (mut spread, configuration) = spread(&["north", "north", "south"]);
        let wanted = spread.wanted(&configuration).unwrap();
        assert_eq!(wanted[&id(1)], wanted[&id(2)]);
        assert_ne!(wanted[&id(1)], wanted[&id(3)]);
        spread.waive(Term(3), LogIndex(9));
        assert_eq!(spread.wanted(&configuration), None);
        spread.waived = None;
        spread.rules.commit = CommitRule::AnyMajority;
        assert_eq!(spread.wanted(&configuration), None);
    }

    #[test]
    fn voters_that_leave_count_as_long_as_they_vote() {
        let (spread, all) = spread(&["north", "north", "south"]);
        let leaving = Configuration {
            voters: [id(1), id(2)].into(),
            voters_outgoing: all.voters.clone(),
            ..Configuration::default()
        };
        assert!(spread.wanted(&leaving).is_some());
        assert!(spread.wanted(&Configuration { voters_outgoing: BTreeSet::new(), ..leaving }).is_none());
    }

    #[test]
    fn a_voter_of_no_known_region_is_of_none() {
        let (spread, mut configuration) = spread(&["north", "south"]);
        configuration.voters.insert(id(9));
        assert!(!spread.wanted(&configuration).unwrap().contains_key(&id(9)));
    }
}
