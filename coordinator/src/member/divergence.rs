//! Whether the members' states are the same.
//!
//! Owns the comparison of digests at chosen places of the log. Not the leader but the majority says who is wrong: a
//! member that finds most voters in agreement against it ends itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{LogIndex, MemberId};
use crate::state::{Configuration, StateDigest};

/// Places whose digests are remembered of each member; members are rarely further apart.
const PLACES_MAX: usize = 16;

/// The digests that were heard of, by member: one that says too much forgets its own, and nobody else's.
#[derive(Default)]
pub(super) struct Divergence {
    members: BTreeMap<MemberId, BTreeMap<LogIndex, StateDigest>>,
}

impl Divergence {
    /// Notes a member's digest at a place, this one's own too.
    pub(super) fn heard(&mut self, member: MemberId, at: LogIndex, digest: StateDigest) {
        let places = self.members.entry(member).or_default();
        places.insert(at, digest);
        while places.len() > PLACES_MAX {
            places.pop_first();
        }
    }

    /// Whether a place is so near to where this member stands that it can be compared, with `apart` entries between two
    /// comparisons.
    pub(super) fn is_near(at: LogIndex, own: LogIndex, apart: u64) -> bool {
        at.0.abs_diff(own.0) <= apart.saturating_mul(PLACES_MAX as u64)
    }

    /// Forgets those who are members no more.
    pub(super) fn keep_to(&mut self, members: &Configuration) {
        self.members.retain(|member, _| members.has(*member));
    }

    /// The first place at which most voters have one digest, and this member another.
    pub(super) fn minority(&self, me: MemberId, voters: &BTreeSet<MemberId>) -> Option<LogIndex> {
        let mine = self.members.get(&me)?;
        mine.iter().find(|(at, digest)| self.is_minority(**at, **digest, voters)).map(|(at, _)| *at)
    }

    fn is_minority(&self, at: LogIndex, mine: StateDigest, voters: &BTreeSet<MemberId>) -> bool {
        let mut counts: BTreeMap<StateDigest, usize> = BTreeMap::new();
        for digest in voters.iter().filter_map(|voter| self.members.get(voter)?.get(&at)) {
            *counts.entry(*digest).or_default() += 1;
        }
        counts.iter().any(|(digest, count)| *digest != mine && *count > voters.len() / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> MemberId {
        MemberId::from_number(number).unwrap()
    }

    fn digest(content: &[u8]) -> StateDigest {
        let mut digest = StateDigest::default();
        digest.add(b"", content);
        digest
    }

    #[test]
    fn the_majority_says_who_is_wrong() {
        let voters = (1..=3).map(id).collect();
        let mut heard = Divergence::default();
        heard.heard(id(1), LogIndex(10), digest(b"a"));
        heard.heard(id(2), LogIndex(10), digest(b"b"));
        assert_eq!(heard.minority(id(1), &voters), None);
        heard.heard(id(3), LogIndex(10), digest(b"b"));
        assert_eq!(heard.minority(id(1), &voters), Some(LogIndex(10)));
        assert_eq!(heard.minority(id(2), &voters), None);
    }

    #[test]
    fn learners_do_not_count_and_old_places_are_forgotten() {
        let voters = (1..=3).map(id).collect();
        let mut heard = Divergence::default();
        heard.heard(id(1), LogIndex(10), digest(b"a"));
        for learner in 4..9 {
            heard.heard(id(learner), LogIndex(10), digest(b"b"));
        }
        assert_eq!(heard.minority(id(1), &voters), None);
        for place in 11..40 {
            heard.heard(id(1), LogIndex(place), digest(b"a"));
        }
        assert_eq!(heard.members[&id(1)].len(), PLACES_MAX);
    }

    #[test]
    fn a_member_that_says_too_much_forgets_its_own_digests_alone() {
        let voters = (1..=3).map(id).collect();
        let mut heard = Divergence::default();
        heard.heard(id(1), LogIndex(10), digest(b"a"));
        heard.heard(id(2), LogIndex(10), digest(b"b"));
        for place in 11..1_000 {
            heard.heard(id(4), LogIndex(place), digest(b"c"));
        }
        heard.heard(id(3), LogIndex(10), digest(b"b"));
        assert_eq!(heard.minority(id(1), &voters), Some(LogIndex(10)));
        heard.keep_to(&Configuration { voters, ..Configuration::default() });
        assert_eq!(heard.members.len(), 3);
    }

    #[test]
    fn only_places_nearby_are_compared() {
        assert!(Divergence::is_near(LogIndex(1_000), LogIndex(1_160), 10));
        assert!(!Divergence::is_near(LogIndex(1_000), LogIndex(1_161), 10));
        assert!(!Divergence::is_near(LogIndex(u64::MAX), LogIndex(1), 10));
    }
}
