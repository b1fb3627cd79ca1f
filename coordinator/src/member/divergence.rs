//! Whether the members' states are the same.
//!
//! Owns the comparison of digests at chosen places of the log. Not the leader but the majority says who is wrong: a
//! member that finds most voters in agreement against it ends itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{LogIndex, MemberId};
use crate::state::StateDigest;

/// Places whose digests are remembered; members are rarely further apart.
const PLACES_MAX: usize = 16;

/// The digests that were heard of.
#[derive(Default)]
pub(super) struct Divergence {
    places: BTreeMap<LogIndex, BTreeMap<MemberId, StateDigest>>,
}

impl Divergence {
    /// Notes a member's digest at a place, this one's own too.
    pub(super) fn heard(&mut self, member: MemberId, at: LogIndex, digest: StateDigest) {
        self.places.entry(at).or_default().insert(member, digest);
        while self.places.len() > PLACES_MAX {
            self.places.pop_first();
        }
    }

    /// The first place at which most voters have one digest, and this member another.
    pub(super) fn minority(&self, me: MemberId, voters: &BTreeSet<MemberId>) -> Option<LogIndex> {
        self.places.iter().find(|(_, digests)| is_minority(digests, me, voters)).map(|(index, _)| *index)
    }
}

fn is_minority(digests: &BTreeMap<MemberId, StateDigest>, me: MemberId, voters: &BTreeSet<MemberId>) -> bool {
    let Some(mine) = digests.get(&me) else { return false };
    let mut counts: BTreeMap<StateDigest, usize> = BTreeMap::new();
    for (_, digest) in digests.iter().filter(|(member, _)| voters.contains(member)) {
        *counts.entry(*digest).or_default() += 1;
    }
    counts.iter().any(|(digest, count)| digest != mine && *count > voters.len() / 2)
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
        assert_eq!(heard.places.len(), PLACES_MAX);
    }
}
