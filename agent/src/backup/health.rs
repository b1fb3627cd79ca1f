//! What a capture says of the system's health: classes that shrank since the preceding snapshot, and classes that
//! nobody has changed for longer than their limit.
//!
//! Told in findings, from numbers that the capture has anyway; what can be told before it is, see `outlook`. Nothing is
//! refused: a snapshot of a system in trouble is worth having.

use super::describe::{Described, Pair};
use crate::ledger::Ledger;
use crate::source::{Finding, Severity};

/// How much smaller a class may be than in the preceding snapshot where no profile says it, in percent.
const SHRINK_PERCENT_MAX: u8 = 50;

/// Losing fewer records than this is an ordinary day in a small class.
const SHRINK_RECORDS_MIN: u64 = 20;

/// The findings.
pub(super) fn health(before: Option<&Ledger>, what: &Described, pairs: &[Pair<'_>]) -> Vec<Finding> {
    let shrunk = pairs.iter().filter_map(|pair| shrunk(before?, what, pair));
    let stale = what.profile.iter().flat_map(|profile| profile.stale(what.started));
    shrunk.chain(stale).collect()
}

fn shrunk(before: &Ledger, what: &Described, (class, outcome): &Pair<'_>) -> Option<Finding> {
    let name = &class.schema.name;
    let (then, now) = (before.classes.get(name)?.records, outcome.as_ref()?.tally.records);
    let facts = what.profile.as_ref().and_then(|profile| Some(&profile.selection().class(name)?.facts));
    let most = facts.and_then(|facts| facts.shrink_percent_max).unwrap_or(SHRINK_PERCENT_MAX);
    if before.left_out.contains(name) || !has_shrunk(then, now, most) {
        return None;
    }
    let subject = what.profile.as_ref().map_or_else(|| name.clone(), |profile| profile.called(name));
    let message = format!(
        "has {now} records, {then} in the preceding snapshot: it lost more than {most} % of them, so check that they \
         were meant to go before older snapshots do"
    );
    Some(Finding { severity: Severity::Warning, subject, message })
}

fn has_shrunk(then: u64, now: u64, percent: u8) -> bool {
    let lost = then.saturating_sub(now);
    lost >= SHRINK_RECORDS_MIN && u128::from(lost) * 100 > u128::from(then) * u128::from(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_shrinks_by_its_share_and_by_enough_records_to_matter() {
        for (then, now, percent, shrunk) in [
            (100, 50, 50, false),
            (100, 49, 50, true),
            (30, 11, 50, false),
            (30, 10, 50, true),
            (20, 0, 50, true),
            (100, 200, 0, false),
            (1_000, 980, 0, true),
            (1_000, 0, 100, false),
            (u64::MAX, 0, 99, true),
        ] {
            assert_eq!(has_shrunk(then, now, percent), shrunk, "{then} {now} {percent}");
        }
    }
}
