//! The clocks of the operating system; the one module that may read them.

use rustix::time::{ClockId, Timespec, clock_gettime};

use super::{Clock, MonotonicTime, WallTime};

const MICROS_PER_SECOND: i64 = 1_000_000;
const NANOS_PER_MICRO: i64 = 1_000;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The clocks of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> WallTime {
        let now = read(ClockId::Realtime);
        let micros = now.tv_sec.saturating_mul(MICROS_PER_SECOND);
        WallTime(micros.saturating_add(now.tv_nsec / NANOS_PER_MICRO))
    }

    fn monotonic(&self) -> MonotonicTime {
        let now = read(ClockId::Boottime);
        let (seconds, nanos) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
        MonotonicTime::from_nanos(seconds.saturating_mul(NANOS_PER_SECOND).saturating_add(nanos))
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock seam itself")]
fn read(clock: ClockId) -> Timespec {
    clock_gettime(clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_does_not_go_back() {
        let clock = SystemClock;
        let first = clock.monotonic();
        assert!(clock.monotonic() >= first);
    }

    #[test]
    fn the_wall_clock_counts_from_the_unix_epoch() {
        // 2020-01-01: a machine that builds this source can't believe in an earlier time, unless its clock is broken.
        assert!(SystemClock.wall() > WallTime(1_577_836_800 * MICROS_PER_SECOND));
    }
}
