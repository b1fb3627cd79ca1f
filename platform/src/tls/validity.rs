//! When a certificate holds, in the whole seconds that certificates count in.
//!
//! Owns the step between [`WallTime`] and the times of X.509 and of rustls. A certificate is good from the first to the
//! last of its seconds, both included (RFC 5280, section 4.1.2.5). No clock is read here.

use std::time::Duration;

use rustls::pki_types::UnixTime;
use strongroom_core::time::WallTime;
use thiserror::Error;

/// Microseconds in a second.
const MICROS: i64 = 1_000_000;

/// 9999-12-31T23:59:59Z, the last second that a certificate can name.
const SECONDS_MAX: i64 = 253_402_300_799;

/// A time that no certificate can name: before 1970 or after 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{time} is no time for a certificate: it lies before 1970 or after 9999")]
pub struct OutOfRange {
    /// The time.
    pub time: WallTime,
}

/// The seconds between which a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    first: i64,
    last: i64,
}

impl Validity {
    /// Of what needs no certificate.
    pub(super) const ALWAYS: Self = Self { first: 0, last: SECONDS_MAX };

    /// From `before` ahead of `now` until `after` past it.
    pub(super) fn around(now: WallTime, before: Duration, after: Duration) -> Result<Self, OutOfRange> {
        let (now_s, out_of_range) = (seconds(now), OutOfRange { time: now });
        let signed = |duration: Duration| i64::try_from(duration.as_secs()).map_err(|_| out_of_range);
        let first = now_s.checked_sub(signed(before)?).ok_or(out_of_range)?;
        let last = now_s.checked_add(signed(after)?).ok_or(out_of_range)?;
        Self::from_seconds(first, last).ok_or(out_of_range)
    }

    /// The validity that two readings of seconds since 1970 make.
    pub(super) fn from_seconds(first: i64, last: i64) -> Option<Self> {
        (0 <= first && first <= last && last <= SECONDS_MAX).then_some(Self { first, last })
    }

    /// Cut to end no later than another one.
    pub(super) fn ending_within(self, other: Self) -> Self {
        Self { first: self.first, last: self.last.min(other.last) }
    }

    /// The first second.
    pub const fn not_before(self) -> WallTime {
        WallTime(self.first * MICROS)
    }

    /// The last second.
    pub const fn not_after(self) -> WallTime {
        WallTime(self.last * MICROS)
    }

    /// Says whether the certificate is good at `now`.
    pub fn holds_at(self, now: WallTime) -> bool {
        (self.first..=self.last).contains(&seconds(now))
    }

    /// How long the certificate has been over at `now`; `None` if it is not.
    pub fn since_end(self, now: WallTime) -> Option<Duration> {
        let past = seconds(now).saturating_sub(self.last);
        u64::try_from(past).ok().filter(|past| *past > 0).map(Duration::from_secs)
    }

    /// Seconds from the first to the last.
    pub(super) const fn span_s(self) -> i64 {
        self.last - self.first
    }

    /// Seconds since 1970 of the first and the last second.
    pub(super) fn edges_s(self) -> (u64, u64) {
        (self.first.unsigned_abs(), self.last.unsigned_abs())
    }

    /// The last second, as rustls counts.
    pub(super) fn last_unix(self) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(self.last.unsigned_abs()))
    }
}

/// Whole seconds since 1970.
pub(super) const fn seconds(time: WallTime) -> i64 {
    time.0.div_euclid(MICROS)
}

/// A reading as rustls takes it; `None` before 1970.
pub(super) fn unix(time: WallTime) -> Option<UnixTime> {
    u64::try_from(seconds(time)).ok().map(|since| UnixTime::since_unix_epoch(Duration::from_secs(since)))
}

/// A reading of rustls as ours.
pub(super) fn wall(time: UnixTime) -> WallTime {
    WallTime(i64::try_from(time.as_secs()).unwrap_or(i64::MAX).saturating_mul(MICROS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_edges_belong_to_a_validity() {
        let now = WallTime(1_000 * MICROS + 999_999);
        let validity = Validity::around(now, Duration::from_secs(10), Duration::from_secs(20)).unwrap();
        assert_eq!((validity.not_before().0, validity.not_after().0), (990 * MICROS, 1_020 * MICROS));
        for (at, holds) in [(989, false), (990, true), (1_020, true), (1_021, false)] {
            assert_eq!(validity.holds_at(WallTime(at * MICROS)), holds, "{at}");
        }
        assert_eq!(validity.since_end(WallTime(1_020 * MICROS + 999_999)), None);
        assert_eq!(validity.since_end(WallTime(1_022 * MICROS)), Some(Duration::from_secs(2)));
    }

    #[test]
    fn times_that_certificates_cannot_name_are_refused() {
        for time in [WallTime(-1), WallTime(0), WallTime(i64::MIN), WallTime(i64::MAX)] {
            let made = Validity::around(time, Duration::from_mins(5), Duration::from_hours(1));
            assert_eq!(made, Err(OutOfRange { time }));
        }
        let time = WallTime(1_000 * MICROS);
        assert_eq!(Validity::around(time, Duration::ZERO, Duration::MAX), Err(OutOfRange { time }));
        assert_eq!(unix(WallTime(-1)), None);
        assert_eq!(wall(UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX))), WallTime(i64::MAX));
    }
}
