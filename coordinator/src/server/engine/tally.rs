//! What a member's thread has done, in numbers.
//!
//! Owns counts that begin with the process: what became of proposals, by the family of their commands, and when the state
//! was flushed last. Families and results are few, so the counts are bounded. Nothing is decided by them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use strongroom_platform::clock::MonotonicTime;

use crate::member::Answer;
use crate::state::Outcome;

/// Counts since the member was opened.
pub struct Tally(Mutex<Counts>);

struct Counts {
    proposals: BTreeMap<(&'static str, &'static str), u64>,
    flushed: MonotonicTime,
}

impl Tally {
    /// Nothing was done before now.
    pub(super) const fn new(now: MonotonicTime) -> Self {
        Self(Mutex::new(Counts { proposals: BTreeMap::new(), flushed: now }))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn flushed(&self, now: MonotonicTime) {
        self.counts().flushed = now;
    }

    pub(super) fn answered(&self, family: &'static str, answer: &Answer) {
        *self.counts().proposals.entry((family, result_word(answer))).or_default() += 1;
    }

    /// How often proposals of a family of commands had a result.
    pub fn proposals(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        self.counts().proposals.clone()
    }

    /// Seconds since the state was last flushed, or since the member was opened.
    pub fn flush_age_s(&self, now: MonotonicTime) -> u64 {
        now.since(self.counts().flushed).as_secs()
    }
}

/// The family of a command: the first word of its action.
pub(super) fn family(action: &'static str) -> &'static str {
    action.split_once('.').map_or(action, |(family, _)| family)
}

const fn result_word(answer: &Answer) -> &'static str {
    match answer {
        Answer::Applied { outcome: Outcome::Done(_), .. } => "done",
        Answer::Applied { outcome: Outcome::Rejected(_), .. } => "rejected",
        Answer::Unknown => "unknown",
        Answer::NotLeader { .. } => "not_leader",
        Answer::Busy => "busy",
        Answer::TooLong(_) | Answer::Unchanged(_) | Answer::Refused(_) => "refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_whose_fate_is_not_known_is_counted_as_that() {
        let tally = Tally::new(MonotonicTime::ORIGIN);
        tally.answered(family("run.start"), &Answer::Unknown);
        tally.answered(family("run.finish"), &Answer::Unknown);
        tally.answered("run", &Answer::Busy);
        let counted: Vec<_> = tally.proposals().into_iter().collect();
        assert_eq!(counted, [(("run", "busy"), 1), (("run", "unknown"), 2)]);
    }

    #[test]
    fn a_flush_makes_the_state_young() {
        let tally = Tally::new(MonotonicTime::ORIGIN);
        let at = |s: u64| MonotonicTime::from_nanos(s * 1_000_000_000);
        assert_eq!(tally.flush_age_s(at(9)), 9);
        tally.flushed(at(8));
        assert_eq!(tally.flush_age_s(at(9)), 1);
    }
}
