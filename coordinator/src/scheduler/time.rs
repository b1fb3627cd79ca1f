//! The group's time between entries.
//!
//! Owns the reading that plans are made with. Accrued time moves with entries; between them it goes on by this machine's
//! monotonic clock, by no more than one entry may add, and never back within a reign.

use std::time::Duration;

use strongroom_core::time::AccruedMs;
use strongroom_platform::clock::MonotonicTime;

use crate::state::request::ACCRUED_STEP_MS_MAX;

/// How long nothing may be written before time is let pass by an entry of its own: half of what one entry may add, so
/// that no time is lost to a busy machine.
pub const QUIET: Duration = Duration::from_millis(ACCRUED_STEP_MS_MAX / 2);

/// Accrued time as it goes on.
#[derive(Clone, Copy, Debug)]
pub struct GroupTime {
    stamp: AccruedMs,
    since: MonotonicTime,
    newest: AccruedMs,
}

impl GroupTime {
    /// The time of a reign that begins at this stamp.
    pub const fn new(stamp: AccruedMs, now: MonotonicTime) -> Self {
        Self { stamp, since: now, newest: stamp }
    }

    /// The time now, given the stamp of the newest entry.
    pub fn read(&mut self, stamp: AccruedMs, now: MonotonicTime) -> AccruedMs {
        if stamp != self.stamp {
            (self.stamp, self.since) = (stamp, now);
        }
        let passed_ms = u64::try_from(now.since(self.since).as_millis()).unwrap_or(u64::MAX);
        self.newest = self.newest.max(stamp.after(passed_ms.min(ACCRUED_STEP_MS_MAX)));
        self.newest
    }

    /// Whether nothing was written for so long that time must be let pass.
    pub fn is_quiet(&self, now: MonotonicTime) -> bool {
        now.since(self.since) >= QUIET
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> MonotonicTime {
        MonotonicTime::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn time_goes_on_between_entries_and_never_back() {
        let mut time = GroupTime::new(AccruedMs(1_000), at(50));
        assert_eq!(time.read(AccruedMs(1_000), at(250)), AccruedMs(1_200));
        assert_eq!(time.read(AccruedMs(1_100), at(260)), AccruedMs(1_200), "an entry that was stamped before");
        assert_eq!(time.read(AccruedMs(1_100), at(500)), AccruedMs(1_340));
        assert_eq!(time.read(AccruedMs(1_100), at(1_000_000)), AccruedMs(1_100 + ACCRUED_STEP_MS_MAX));
    }

    #[test]
    fn a_group_that_nobody_writes_to_is_quiet() {
        let mut time = GroupTime::new(AccruedMs(0), at(0));
        assert!(!time.is_quiet(at(29_999)) && time.is_quiet(at(30_000)));
        time.read(AccruedMs(5), at(30_000));
        assert!(!time.is_quiet(at(59_999)));
    }
}
