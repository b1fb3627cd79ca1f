//! The two clocks of one machine.
//!
//! Owns the only calls that read a clock of the operating system. The wall clock says what people call the time: it may
//! be wrong, and may jump either way. The monotonic clock only says how much time has passed on this machine since it
//! was started; it never goes back, and counts while the machine sleeps. They are different types, so that neither can
//! be taken for the other, and neither is the corrected time that a snapshot publishes.
//!
//! No safety property may rest on [`WallTime`]. Nothing here survives a restart of the machine: a [`MonotonicTime`]
//! kept across one means nothing without the boot it belongs to.

mod sim;
mod system;

use std::time::Duration;

pub use sim::SimClock;
pub use strongroom_core::time::WallTime;
pub use system::SystemClock;

/// Reads the clocks of the machine that this process runs on, or of a simulated one.
pub trait Clock: Send + Sync {
    /// What this machine believes the time of day to be.
    fn wall(&self) -> WallTime;

    /// How long this machine has been running.
    fn monotonic(&self) -> MonotonicTime;
}

/// A reading of a monotonic clock: nanoseconds since an origin that only readings of the same boot share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonotonicTime(u64);

impl MonotonicTime {
    /// The clock's own origin.
    pub const ORIGIN: Self = Self(0);

    /// The reading that lies `nanos` nanoseconds after the clock's origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's origin.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The time that passed since `earlier`; zero if `earlier` is the later of the two.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The reading `duration` from now, for a deadline; the last reading there is if it lies past that.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_past_the_end_of_the_clock_is_the_end() {
        let late = MonotonicTime::from_nanos(u64::MAX - 1);
        assert_eq!(late.plus(Duration::MAX).nanos(), u64::MAX);
    }

    #[test]
    fn no_time_has_passed_since_a_later_reading() {
        let (early, late) = (MonotonicTime::from_nanos(3), MonotonicTime::from_nanos(10));
        assert_eq!(late.since(early), Duration::from_nanos(7));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
