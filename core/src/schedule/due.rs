//! Whether a source's next run is due by its cadence, and when it will be.
//!
//! Windows, blackouts, back-off and caps are asked later; this is about slots and periods alone.

use super::judge::StartReason;
use super::retry::jitter_s;
use super::view::{LastRun, Now, RunState, SourceView};
use crate::contract::Period;

/// Slots that are looked at for the next due one: a clock that went back passes one that has had its run.
const SLOTS_AHEAD_MAX: usize = 3;

/// A run that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DueRun {
    pub(super) period: Period,
    pub(super) attempt: u32,
    /// Seconds since 1970 by the wall clock.
    pub(super) due: i64,
    pub(super) reason: StartReason,
}

/// The run that is due now.
pub(super) fn due_now(view: &SourceView, now: &Now) -> Option<DueRun> {
    let latest = view.terms.rhythm().latest(now.second());
    let Some(last) = &view.last_run else {
        let period = Period::of_second(latest.unwrap_or_else(|| now.second()));
        let due = now.on_this_clock(view.registered);
        return Some(DueRun { period, attempt: 1, due, reason: StartReason::First });
    };
    latest.and_then(|slot| new_period(view, last, slot, now)).or_else(|| retry(view, last, now))
}

/// The run of a new period, given the latest slot.
fn new_period(view: &SourceView, last: &LastRun, slot: i64, now: &Now) -> Option<DueRun> {
    let period = Period::of_second(slot);
    if period > last.period {
        let due = slot + jitter_s(view, period);
        let is_behind = view.terms.rhythm().latest(slot - 1).is_some_and(|slot| Period::of_second(slot) > last.period);
        let reason = if is_behind { StartReason::CatchUp } else { StartReason::Slot };
        return (is_behind || due <= now.second()).then_some(DueRun { period, attempt: 1, due, reason });
    }
    let is_again = went_back(view, last, now)
        .is_some_and(|free| period < last.period && slot > now.on_this_clock(last.started) && free <= now.second());
    is_again.then(|| DueRun { period: last.period.following(), attempt: 1, due: slot, reason: StartReason::Slot })
}

/// On a clock that stands before a source's last period: from when on a slot counts again. Half the cadence keeps the
/// slot whose run has just been from coming twice.
fn went_back(view: &SourceView, last: &LastRun, now: &Now) -> Option<i64> {
    let half_s = view.terms.rhythm().gaps_s().0 / 2;
    now.on_this_clock(last.started).checked_add(half_s)
}

fn retry(view: &SourceView, last: &LastRun, now: &Now) -> Option<DueRun> {
    let RunState::Failed { ended } = last.state else { return None };
    let is_left = last.attempt < view.terms.contract().retries.attempts_max;
    is_left.then(|| DueRun {
        period: last.period,
        attempt: last.attempt.saturating_add(1),
        due: now.on_this_clock(ended),
        reason: StartReason::Retry,
    })
}

/// When the next run will be due, in seconds since 1970: now, if one is.
pub(super) fn next_due(view: &SourceView, now: &Now) -> Option<i64> {
    match &view.last_run {
        Some(last) if view.running().is_some() || due_now(view, now).is_none() => next_slot(view, last, now),
        _ => Some(now.second()),
    }
}

fn next_slot(view: &SourceView, last: &LastRun, now: &Now) -> Option<i64> {
    let (rhythm, second) = (view.terms.rhythm(), now.second());
    let free = went_back(view, last, now)?;
    let due = |slot: i64| {
        let period = Period::of_second(slot);
        if period > last.period { Some(slot + jitter_s(view, period)) } else { None }
    };
    let again = |slot: i64| (Period::of_second(slot) < last.period).then_some(slot.max(free));
    let pending = rhythm
        .latest(second)
        .and_then(|slot| due(slot).or_else(|| again(slot).filter(|_| slot > now.on_this_clock(last.started))));
    let mut slot = second;
    let ahead = (0..SLOTS_AHEAD_MAX).find_map(|_| {
        slot = rhythm.next(slot)?;
        due(slot).or_else(|| again(slot))
    });
    pending.into_iter().chain(ahead).min().map(|due| due.max(second))
}

/// The periods that passed without a run: the first and the latest of them, and how many.
pub(super) fn missed(view: &SourceView, now: &Now) -> Option<(Period, Period, u64)> {
    let (rhythm, last) = (view.terms.rhythm(), view.last_run.as_ref()?);
    let slot = rhythm.latest(now.second()).filter(|slot| Period::of_second(*slot) > last.period)?;
    let from = last.period.second() + 59;
    let count = rhythm.count_between(from, slot);
    let (first, latest) = (rhythm.next(from)?, rhythm.latest(slot - 1)?);
    (count > 0).then(|| (Period::of_second(first), Period::of_second(latest), count))
}
