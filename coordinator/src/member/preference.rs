//! Which member is to lead, if operators prefer some regions to others.
//!
//! Owns the choice and its patience, and nothing that acts. A leader hands over to a voter of a more preferred region that
//! answers and follows closely, once that was so without a real break for a while and the leader has led for twice as long.
//! Each hand-over begins another reign, and a hand-over that came to nothing begins the count anew; so two of them are
//! never closer than a reign's least length, whatever the members do. The count is of the leader's ticks, as accrued time
//! is; while nobody leads, nothing is counted. While the members change there is none.
//!
//! ```text
//!   better voter follows closely ──(patience)──► and the reign is old enough ──► hand over
//!             ▲                 │                                               │
//!             └── it lags ◄─────┘                        counted anew ◄─────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet};

use strongroom_platform::mutant::{self, Mutant};

use crate::id::{MemberId, Term};
use crate::state::text::Name;

/// Ticks for which a voter may seem to be away: at each check of its quorum a leader forgets who answered, until the next
/// heartbeats are.
const LAPSE_TICKS: u32 = 5;
/// A reign lasts so many times the patience before it is handed over.
const REIGN_LEAST: u32 = 2;

/// What the choice is made from.
pub(super) struct View<'a> {
    /// Who leads.
    pub(super) me: MemberId,
    /// Who may.
    pub(super) voters: &'a BTreeSet<MemberId>,
    /// Where they lie.
    pub(super) regions: &'a BTreeMap<MemberId, Name>,
    /// The most preferred region first.
    pub(super) preferred: &'a [Name],
}

impl View<'_> {
    /// How far a member is from the most preferred region; those that lie in none of them are all as far.
    fn rank(&self, member: MemberId) -> usize {
        let region = self.regions.get(&member);
        let place = region.and_then(|region| self.preferred.iter().position(|it| it == region));
        place.unwrap_or(self.preferred.len())
    }

    /// The best of those that could take over; nothing if none is better than the one that leads.
    fn best(&self, ready: &BTreeSet<MemberId>) -> Option<MemberId> {
        let others = self.voters.intersection(ready).filter(|voter| **voter != self.me);
        let (rank, best) = others.map(|voter| (self.rank(*voter), *voter)).min()?;
        (rank < self.rank(self.me)).then_some(best)
    }
}

/// Who ought to lead.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    member: MemberId,
    /// For how many ticks it could have.
    ticks: u32,
    /// For how many it has seemed to be away since.
    away_ticks: u32,
}

/// The patience of one reign.
#[derive(Debug, Default)]
pub(super) struct Preference {
    reign: Option<Term>,
    /// Ticks since the reign began, or since it was to be handed over last.
    reign_ticks: u32,
    candidate: Option<Candidate>,
    /// Hand-overs since this member was opened.
    count: u64,
}

impl Preference {
    /// How often leadership was to be handed over since the member was opened.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Lets a leader's tick pass. `view` is nothing while it is all the same or the members change; `ready` are members
    /// that follow closely. Gives the member that is to lead now.
    pub(super) fn tick(
        &mut self,
        term: Term,
        view: Option<&View<'_>>,
        ready: &BTreeSet<MemberId>,
        patience_ticks: u32,
    ) -> Option<MemberId> {
        if self.reign != Some(term) {
            (self.reign, self.reign_ticks, self.candidate) = (Some(term), 0, None);
        }
        self.reign_ticks = self.reign_ticks.saturating_add(1);
        let patience_ticks = if mutant::is_active(Mutant::PreferenceImpatient) { 1 } else { patience_ticks };
        self.candidate = view.and_then(|view| self.next_candidate(view.best(ready)));
        let Candidate { member, ticks, away_ticks } = self.candidate?;
        let is_old = self.reign_ticks >= patience_ticks.saturating_mul(REIGN_LEAST);
        if away_ticks > 0 || ticks < patience_ticks || !is_old {
            return None;
        }
        (self.reign_ticks, self.candidate) = (0, None);
        self.count += 1;
        Some(member)
    }

    fn next_candidate(&self, best: Option<MemberId>) -> Option<Candidate> {
        match self.candidate {
            Some(known) if best == Some(known.member) => {
                Some(Candidate { ticks: known.ticks.saturating_add(1), away_ticks: 0, ..known })
            }
            Some(known) if known.away_ticks < LAPSE_TICKS => {
                Some(Candidate { away_ticks: known.away_ticks + 1, ..known })
            }
            _ => best.map(|member| Candidate { member, ticks: 1, away_ticks: 0 }),
        }
    }

    /// This member does not lead.
    pub(super) fn rest(&mut self) {
        (self.reign, self.candidate) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENCE: u32 = 5;

    fn id(number: u64) -> MemberId {
        MemberId::from_number(number).unwrap()
    }

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    struct Group {
        voters: BTreeSet<MemberId>,
        regions: BTreeMap<MemberId, Name>,
        preferred: Vec<Name>,
    }

    impl Group {
        /// Members 1 to 3, in south, north and west; north is preferred, then west.
        fn new() -> Self {
            let regions: BTreeMap<MemberId, Name> =
                [(id(1), name("south")), (id(2), name("north")), (id(3), name("west"))].into();
            Self { voters: regions.keys().copied().collect(), regions, preferred: vec![name("north"), name("west")] }
        }

        fn seen_by(&self, me: u64) -> View<'_> {
            View { me: id(me), voters: &self.voters, regions: &self.regions, preferred: &self.preferred }
        }

        fn all(&self) -> BTreeSet<MemberId> {
            self.voters.clone()
        }
    }

    fn ticks_until_handed_over(
        preference: &mut Preference,
        view: &View<'_>,
        ready: &BTreeSet<MemberId>,
    ) -> Option<u32> {
        (1..100).find(|_| preference.tick(Term(1), Some(view), ready, PATIENCE).is_some())
    }

    #[test]
    fn a_reign_is_handed_over_to_the_most_preferred_voter_when_it_is_old_enough() {
        let group = Group::new();
        let mut preference = Preference::default();
        let view = group.seen_by(1);
        for _ in 1..PATIENCE * REIGN_LEAST {
            assert_eq!(preference.tick(Term(1), Some(&view), &group.all(), PATIENCE), None);
        }
        assert_eq!(preference.tick(Term(1), Some(&view), &group.all(), PATIENCE), Some(id(2)));
        assert_eq!(preference.count(), 1);
    }

    #[test]
    fn the_next_best_leads_while_the_best_is_away_and_nobody_worse_ever_does() {
        let group = Group::new();
        let without_north = BTreeSet::from([id(1), id(3)]);
        let mut preference = Preference::default();
        assert_eq!(ticks_until_handed_over(&mut preference, &group.seen_by(1), &without_north), Some(10));
        let mut preference = Preference::default();
        assert_eq!(ticks_until_handed_over(&mut preference, &group.seen_by(3), &without_north), None);
        assert_eq!(ticks_until_handed_over(&mut preference, &group.seen_by(2), &group.all()), None);
    }

    #[test]
    fn a_voter_that_is_often_away_is_never_handed_to() {
        let group = Group::new();
        let mut preference = Preference::default();
        for tick in 0..200 {
            let is_away = tick % (PATIENCE + LAPSE_TICKS) < LAPSE_TICKS + 1;
            let ready = if is_away { BTreeSet::from([id(1)]) } else { BTreeSet::from([id(1), id(2)]) };
            assert_eq!(preference.tick(Term(1), Some(&group.seen_by(1)), &ready, PATIENCE), None);
        }
    }

    #[test]
    fn a_voter_that_seems_to_be_away_for_a_moment_is_not_forgotten() {
        let group = Group::new();
        let mut preference = Preference::default();
        let handed = (1..100).find(|tick| {
            let ready = if tick % 4 == 0 { BTreeSet::from([id(1)]) } else { group.all() };
            preference.tick(Term(1), Some(&group.seen_by(1)), &ready, PATIENCE).is_some()
        });
        assert_eq!(handed, Some(10));
    }

    proptest! {
        #[test]
        fn two_hand_overs_are_never_close(steps in proptest::collection::vec((0u8..4, any::<bool>(), any::<bool>()), 1..400)) {
            let group = Group::new();
            let mut preference = Preference::default();
            let (mut term, mut since) = (1, u32::MAX);
            for (kind, has_north, has_west) in steps {
                if kind == 0 {
                    term += 1;
                }
                let mut ready = BTreeSet::from([id(1)]);
                ready.extend(has_north.then_some(id(2)));
                ready.extend(has_west.then_some(id(3)));
                since = since.saturating_add(1);
                if preference.tick(Term(term), Some(&group.seen_by(1)), &ready, 2).is_some() {
                    prop_assert!(since >= 2 * REIGN_LEAST);
                    since = 0;
                }
            }
        }
    }
}
