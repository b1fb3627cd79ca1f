//! When runs may start: the windows less the blackouts.
//!
//! A week is a list of stretches in seconds since Monday, local time. Between two changes of a zone's offset local time
//! runs evenly, so the next edge is found by subtraction, and nothing is walked minute by minute.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::rhythm::{DAY_S, WEEK_S};
use super::{Window, wall_seconds};
use crate::contract::calendar::Span;

/// The first of January 1970 was the fourth day of its week.
const MONDAY_OFFSET_S: i64 = 3 * DAY_S;

/// Edges that a search for an opening passes. A contract has some thousands in a year at most, and those that are
/// checked open within a fortnight; what lies beyond is the long blackouts, which are one edge each.
const EDGES_MAX: usize = 4096;

/// Whether runs may start at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    Open,
    OutsideWindows,
    Blackout,
}

/// The windows and blackouts of a contract, their zones resolved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Openings {
    /// None at all means that it is always open.
    pub(super) windows: Vec<Week>,
    pub(super) weekly: Vec<Week>,
    /// From and until, in seconds since 1970.
    pub(super) once: Vec<(i64, i64)>,
}

/// A window in its zone.
#[derive(Clone, Debug)]
pub(super) struct Week {
    zone: TimeZone,
    /// Ascending and apart, within a week.
    stretches: Vec<(i64, i64)>,
}

impl Openings {
    /// What is the case at `now`, and the first instant at which that may be different.
    pub(super) fn state(&self, now: i64) -> (Opening, i64) {
        let once = self.once.iter().filter(|(from, until)| (*from..*until).contains(&now)).map(|(_, until)| *until);
        let weekly: Vec<(bool, i64)> = self.weekly.iter().map(|week| week.state(now)).collect();
        let blacked = once.chain(weekly.iter().filter(|(is_in, _)| *is_in).map(|(_, edge)| *edge)).max();
        if let Some(edge) = blacked {
            return (Opening::Blackout, edge);
        }
        let windows: Vec<(bool, i64)> = self.windows.iter().map(|week| week.state(now)).collect();
        let edges = windows.iter().map(|(_, edge)| *edge);
        if !windows.is_empty() && windows.iter().all(|(is_in, _)| !is_in) {
            return (Opening::OutsideWindows, edges.min().unwrap_or(i64::MAX));
        }
        let starts = self.once.iter().map(|(from, _)| *from).filter(|from| *from > now);
        let next = edges.chain(weekly.iter().map(|(_, edge)| *edge)).chain(starts).min();
        (Opening::Open, next.unwrap_or(i64::MAX))
    }

    /// What is the case at `now`.
    pub(crate) fn at(&self, now: i64) -> Opening {
        self.state(now).0
    }

    /// The first instant from `now` on at which a run may start.
    pub(crate) fn next_open(&self, now: i64) -> Option<i64> {
        self.first(now, |opening| opening == Opening::Open)
    }

    /// The first instant from `now` on that is in no blackout.
    pub(crate) fn blackout_end(&self, now: i64) -> Option<i64> {
        self.first(now, |opening| opening != Opening::Blackout)
    }

    fn first(&self, now: i64, is_wanted: impl Fn(Opening) -> bool) -> Option<i64> {
        let mut at = now;
        for _ in 0..EDGES_MAX {
            match self.state(at) {
                (opening, _) if is_wanted(opening) => return Some(at),
                (_, edge) => at = edge.max(at.checked_add(1)?),
            }
        }
        None
    }

    /// The longest time without an opening that begins in the `days` after `from`; one that does not end within them
    /// counts as far as they go.
    pub(super) fn closed_s_max(&self, from: i64, days: i64) -> i64 {
        let end = from + days * DAY_S;
        let (mut at, mut longest) = (from, 0);
        while at < end {
            let (opening, edge) = self.state(at);
            let next = match opening {
                Opening::Open => edge,
                _ => self.next_open(at).unwrap_or(end).min(end),
            };
            if opening != Opening::Open {
                longest = longest.max(next - at);
            }
            at = next.max(at + 1);
        }
        longest
    }
}

impl Week {
    /// A checked window in its zone: it has days, and its ends differ.
    pub(super) fn new(window: &Window, zone: TimeZone) -> Self {
        let minutes = |time: super::TimeOfDay| i64::from(time.minutes()) * 60;
        let (from, to) = (minutes(window.from), minutes(window.to));
        let seconds = if to > from { to - from } else { to + DAY_S - from };
        let mut stretches = Vec::new();
        for day in &window.weekdays {
            let start = i64::from(day.ordinal()) * DAY_S + from;
            let end = start + seconds;
            stretches.push((start, end.min(WEEK_S)));
            if end > WEEK_S {
                stretches.push((0, end - WEEK_S));
            }
        }
        Self { zone, stretches: joined(stretches) }
    }

    /// Whether `now` is in it, and the first instant at which that may be different.
    fn state(&self, now: i64) -> (bool, i64) {
        let Ok(stamp) = Timestamp::from_second(now) else { return (false, i64::MAX) };
        let offset = i64::from(self.zone.to_offset(stamp).seconds());
        let second = (now + offset + MONDAY_OFFSET_S).rem_euclid(WEEK_S);
        let within = self.stretches.iter().find(|(from, to)| (*from..*to).contains(&second));
        let edge = match within {
            Some((_, to)) => *to,
            None => self.stretches.iter().map(|(from, _)| *from).find(|from| *from > second).unwrap_or(WEEK_S),
        };
        let even = now + (edge - second);
        let shift = self.zone.following(stamp).next().map_or(i64::MAX, |transition| transition.timestamp().as_second());
        (within.is_some(), even.min(shift))
    }
}

/// Stretches in order, with those made one that touch.
fn joined(mut stretches: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    stretches.sort_unstable();
    let mut out: Vec<(i64, i64)> = Vec::with_capacity(stretches.len());
    for (from, to) in stretches {
        match out.last_mut() {
            Some((_, end)) if *end >= from => *end = (*end).max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

/// An absolute blackout in seconds; a second that is partly in it is in it.
pub(super) fn once(span: &Span) -> (i64, i64) {
    let until = crate::time::WallTime(span.until.0.saturating_add(999_999));
    (wall_seconds(span.from), wall_seconds(until))
}
