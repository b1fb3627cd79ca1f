//! Whose turn it is, when there are more sources than caps allow.
//!
//! 1. Sources that have not been started for [`STARVING_MS`] longer than their RPO, the longest first. Nobody waits for
//!    ever, whatever the others owe: among these it is first come, first served.
//! 2. Runs by hand.
//! 3. The highest debt in proportion to the RPO; then the highest priority, the longest without a start, the lowest id.
//!
//! Debt counts here from the last start where that is later than the last cut. Otherwise a source that always fails
//! would always owe the most, and would be tried before all that could succeed.

use std::cmp::{Ordering, Reverse};

use super::judge::StartReason;
use super::view::{Now, SourceView};
use crate::id::SourceId;

/// After a day beyond its RPO without a start, a source goes before all that had one.
pub const STARVING_MS: u64 = 24 * 60 * 60 * 1000;

/// A source's place in the order. The smaller goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    starving_ms: u64,
    is_manual: bool,
    debt_ms: u64,
    rpo_ms: u64,
    priority: u8,
    idle_ms: u64,
    source: SourceId,
}

impl Turn {
    pub(super) fn new(view: &SourceView, reason: StartReason, now: &Now) -> Self {
        let (rpo_ms, idle_ms) = (view.terms.rpo_ms(), view.idle_ms(now));
        Self {
            starving_ms: idle_ms.saturating_sub(rpo_ms.saturating_add(STARVING_MS)),
            is_manual: reason == StartReason::Manual,
            debt_ms: view.age_ms(now).min(idle_ms).saturating_sub(rpo_ms),
            rpo_ms,
            priority: view.terms.contract().priority,
            idle_ms,
            source: view.source,
        }
    }
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        // Two fractions are compared by their cross products, which fit: both factors have 64 bits.
        let share = |a: &Self, b: &Self| u128::from(a.debt_ms) * u128::from(b.rpo_ms);
        let rest = |turn: &Self| (Reverse(turn.priority), Reverse(turn.idle_ms), turn.source);
        (other.starving_ms, other.is_manual)
            .cmp(&(self.starving_ms, self.is_manual))
            .then_with(|| share(other, self).cmp(&share(self, other)))
            .then_with(|| rest(self).cmp(&rest(other)))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
