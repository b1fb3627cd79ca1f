//! The slots of a cadence: which was the latest, which is the next, how many lie between.
//!
//! A slot is an instant, and its period is named by the minute of that instant, so periods of one source can be compared
//! whatever becomes of its contract. A calendar's time that the clocks skip is a slot at the end of the gap, together
//! with what else falls there; a time that they show twice is a slot the first time. Nothing is computed by walking
//! through time: a clock that is years ahead costs no more than one that is right.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use serde::{Deserialize, Serialize};

use super::Weekday;
use crate::time::WallTime;

pub(super) const DAY_S: i64 = 24 * 60 * 60;
pub(super) const WEEK_S: i64 = 7 * DAY_S;

/// The last second with which calendars can compute, in the year 8973. A clock that shows more is taken to show this.
const WALL_S_MAX: i64 = 221_000_000_000;

/// Days that a search looks at: a week, and what a zone that moves over the date line leaves out or has twice.
const SEARCH_DAYS: usize = 10;

/// Weeks whose slots are counted one by one. Of a longer time the weeks before are counted by the calendar, in which slots
/// that fall together at the end of a gap are so many all the same.
const EXACT_WEEKS: i64 = 8;

/// Transitions that are looked at for the end of one gap. The first is the one, unless a zone changes its name at the
/// same time.
const GAP_TRANSITIONS_MAX: usize = 4;

/// Seconds since 1970 of a reading, brought into the range of calendars.
pub(crate) fn wall_seconds(wall: WallTime) -> i64 {
    wall.0.div_euclid(1_000_000).clamp(0, WALL_S_MAX)
}

/// One period of a source's cadence: the minute, since the start of 1970 in UTC, of the slot that it belongs to.
///
/// Periods of one source only grow. A run by hand has a period of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Period(pub u64);

impl Period {
    /// The period of an instant in seconds since 1970.
    pub(crate) fn of_second(second: i64) -> Self {
        Self(u64::try_from(second.div_euclid(60)).unwrap_or(0))
    }

    /// The first second of the period's minute, within the range of calendars.
    pub(crate) fn second(self) -> i64 {
        i64::try_from(self.0).unwrap_or(WALL_S_MAX).saturating_mul(60).min(WALL_S_MAX)
    }

    /// The period after all that have been.
    pub(crate) const fn following(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A cadence whose zone is resolved and whose lists are not empty.
#[derive(Clone, Debug)]
pub(crate) enum Rhythm {
    Every { step_s: i64 },
    Calendar(Slots),
}

/// Times of the day on days of the week.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    pub(super) zone: TimeZone,
    /// By the ordinal of the day.
    pub(super) days: [bool; 7],
    /// Minutes of the day, ascending, below 1440.
    pub(super) minutes: Vec<u16>,
}

impl Rhythm {
    /// The latest slot at or before `now`, both in seconds since 1970.
    pub(crate) fn latest(&self, now: i64) -> Option<i64> {
        match self {
            Self::Every { step_s } => (now >= 0).then(|| now - now.rem_euclid(*step_s)),
            Self::Calendar(slots) => slots.latest(now),
        }
    }

    /// The first slot after `now`.
    pub(crate) fn next(&self, now: i64) -> Option<i64> {
        match self {
            Self::Every { step_s } => now.checked_sub(now.rem_euclid(*step_s))?.checked_add(*step_s),
            Self::Calendar(slots) => slots.next(now),
        }
    }

    /// The number of slots after `from` and before `to`.
    pub(crate) fn count_between(&self, from: i64, to: i64) -> u64 {
        if to <= from {
            return 0;
        }
        match self {
            Self::Every { step_s } => {
                u64::try_from((to - 1).div_euclid(*step_s) - from.div_euclid(*step_s)).unwrap_or(0)
            }
            Self::Calendar(slots) => slots.count_between(from, to),
        }
    }

    /// The shortest and the longest distance between neighbouring slots in seconds, in a week whose days have 24 hours.
    pub(crate) fn gaps_s(&self) -> (i64, i64) {
        match self {
            Self::Every { step_s } => (*step_s, *step_s),
            Self::Calendar(slots) => slots.gaps_s(),
        }
    }
}

impl Slots {
    fn latest(&self, now: i64) -> Option<i64> {
        let mut date = self.date(now)?;
        for _ in 0..SEARCH_DAYS {
            let found = self.of_date(date).rev().flatten().find(|slot| *slot <= now);
            if found.is_some() {
                return found;
            }
            date = date.yesterday().ok()?;
        }
        None
    }

    fn next(&self, now: i64) -> Option<i64> {
        let mut date = self.date(now)?;
        for _ in 0..SEARCH_DAYS {
            let found = self.of_date(date).flatten().find(|slot| *slot > now);
            if found.is_some() {
                return found;
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// Whole weeks are laid on from a slot, which is never in the second run of an hour that comes twice.
    fn count_between(&self, from: i64, to: i64) -> u64 {
        let Some(first) = self.next(from).filter(|slot| *slot < to) else { return 0 };
        let whole = ((to - first).div_euclid(WEEK_S) - EXACT_WEEKS).max(0);
        let skipped = if whole > 0 { self.weeks_later(first, whole) } else { Some(first) };
        let Some(mut at) = skipped else { return 1 };
        let weekly = self.minutes.len() * self.days.iter().filter(|day| **day).count();
        let mut count = u64::try_from(whole).unwrap_or(0).saturating_mul(weekly as u64).saturating_add(1);
        while let Some(slot) = self.next(at).filter(|slot| *slot < to) {
            count = count.saturating_add(1);
            at = slot;
        }
        count
    }

    /// The same time of the day on the same day of the week, so many weeks later.
    fn weeks_later(&self, from: i64, weeks: i64) -> Option<i64> {
        let local = self.zone.to_datetime(Timestamp::from_second(from).ok()?);
        let later = local.checked_add(jiff::Span::new().try_weeks(weeks).ok()?).ok()?;
        instant(&self.zone, later)
    }

    fn gaps_s(&self) -> (i64, i64) {
        let days = (0..7).zip(&self.days).filter(|(_, is_on)| **is_on).map(|(day, _)| day * DAY_S);
        let slots: Vec<i64> =
            days.flat_map(|day| self.minutes.iter().map(move |minute| day + i64::from(*minute) * 60)).collect();
        let again = slots.first().map(|first| first + WEEK_S);
        let later = slots.iter().skip(1).copied().chain(again);
        let gaps = slots.iter().zip(later).map(|(a, b)| b - a);
        gaps.fold((WEEK_S, 0), |(least, most), gap| (least.min(gap), most.max(gap)))
    }

    fn date(&self, now: i64) -> Option<Date> {
        Some(self.zone.to_datetime(Timestamp::from_second(now).ok()?).date())
    }

    /// The slots of a date, ascending; several may be the same instant.
    fn of_date(&self, date: Date) -> impl DoubleEndedIterator<Item = Option<i64>> {
        let day = usize::from(Weekday::from(date.weekday()).ordinal());
        let minutes = if self.days.get(day) == Some(&true) { self.minutes.as_slice() } else { &[] };
        minutes.iter().map(move |minute| instant(&self.zone, date.to_datetime(time(*minute)?)))
    }
}

fn time(minute: u16) -> Option<Time> {
    Time::new(i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?, 0, 0).ok()
}

/// The first instant at which clocks show this time, or the end of the gap in which they don't.
fn instant(zone: &TimeZone, local: DateTime) -> Option<i64> {
    let at = |offset: Offset| offset.to_timestamp(local).ok();
    let stamp = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => at(offset)?,
        AmbiguousOffset::Fold { before, .. } => at(before)?,
        AmbiguousOffset::Gap { before, after } => {
            let mut transitions = zone.following(at(after)?).take(GAP_TRANSITIONS_MAX);
            let end = transitions.find(|transition| transition.offset() == after);
            end.map(|transition| transition.timestamp()).or_else(|| at(before))?
        }
    };
    Some(stamp.as_second())
}
