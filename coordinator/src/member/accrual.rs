//! The group's own time, as its leader counts it.
//!
//! Owns the step from a monotonic clock of one machine to the time that the log accrues. It goes on from where the last
//! entry left it, by what passes on the leader's clock while it leads; what passes without a leader is not counted. No
//! wall clock has a part in it.

use crate::id::Term;
use crate::state::Stamp;

/// The count of one reign.
#[derive(Default)]
pub(super) struct Accrual {
    reign: Option<Reign>,
}

struct Reign {
    term: Term,
    reading_ms: u64,
    accrued_ms: u64,
}

impl Accrual {
    /// The stamp for an entry that is proposed now. `now.accrued_ms` is the reading of the machine's monotonic clock.
    pub(super) fn stamp(&mut self, term: Term, last: Stamp, now: Stamp) -> Stamp {
        let reign = match self.reign.take() {
            Some(reign) if reign.term == term => reign,
            _ => Reign { term, reading_ms: now.accrued_ms, accrued_ms: last.accrued_ms },
        };
        let elapsed = now.accrued_ms.saturating_sub(reign.reading_ms);
        let accrued_ms = reign.accrued_ms.saturating_add(elapsed);
        self.reign = Some(reign);
        last.advanced(Stamp { accrued_ms, wall: now.wall })
    }
}

#[cfg(test)]
mod tests {
    use strongroom_core::time::WallTime;

    use super::*;

    fn stamp(accrued_ms: u64) -> Stamp {
        Stamp { accrued_ms, wall: WallTime(0) }
    }

    #[test]
    fn time_goes_on_under_another_leader_whose_clock_began_elsewhere() {
        let mut accrual = Accrual::default();
        assert_eq!(accrual.stamp(Term(1), stamp(1_000), stamp(77)).accrued_ms, 1_000);
        assert_eq!(accrual.stamp(Term(1), stamp(1_000), stamp(177)).accrued_ms, 1_100);
        assert_eq!(accrual.stamp(Term(2), stamp(1_100), stamp(9_000_000)).accrued_ms, 1_100);
        assert_eq!(accrual.stamp(Term(2), stamp(1_100), stamp(9_000_250)).accrued_ms, 1_350);
    }
}
