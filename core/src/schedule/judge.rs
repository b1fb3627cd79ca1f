//! The judgement on one source: ready, waiting, or refused what was asked for it. Caps are not its business.

use super::due::{DueRun, due_now, next_due};
use super::retry::hold_ms;
use super::view::{Now, SourceView, Standing};
use crate::contract::{Opening, Period};
use crate::time::WallTime;

/// Why a run starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartReason {
    /// The source was never run.
    First,
    /// Its slot has come.
    Slot,
    /// Slots have passed without a run; this one stands for all of them.
    CatchUp,
    /// The attempt before failed.
    Retry,
    /// Somebody asked for it.
    Manual,
}

/// Why a run by hand is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The source is disabled.
    #[error("the source is disabled; enable it first")]
    Disabled,
    /// A run of the source is under way.
    #[error("a run of the source is under way; ask again when it has ended")]
    AlreadyRunning,
    /// No run may start now.
    #[error("the source is in a blackout; wait for its end, or force the run")]
    Blackout {
        /// The end of the blackout; unknown if it is too far away to be found.
        until: Option<WallTime>,
    },
}

/// What a source waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    Disabled,
    Paused,
    Running,
    NotDue,
    BackOff,
    OutsideWindows,
    Blackout,
}

/// The judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    Ready(DueRun),
    Waits(Wait),
    Refused(Refusal),
}

/// Judges one source.
pub(super) fn judge(view: &SourceView, now: &Now) -> Judgement {
    if view.request.is_some() {
        return manual(view, now);
    }
    let wait = match view.standing {
        _ if view.running().is_some() => Wait::Running,
        Standing::Disabled => Wait::Disabled,
        Standing::Paused => Wait::Paused,
        Standing::Active => return planned(view, now),
    };
    Judgement::Waits(wait)
}

fn manual(view: &SourceView, now: &Now) -> Judgement {
    let second = now.second();
    let is_forced = view.request.is_some_and(|request| request.is_forced);
    if view.running().is_some() {
        return Judgement::Refused(Refusal::AlreadyRunning);
    }
    if view.standing == Standing::Disabled {
        return Judgement::Refused(Refusal::Disabled);
    }
    let openings = view.terms.openings();
    if !is_forced && openings.at(second) == Opening::Blackout {
        let until = openings.blackout_end(second).map(wall);
        return Judgement::Refused(Refusal::Blackout { until });
    }
    let grown = view.last_run.map_or(Period(0), |run| run.period.following());
    let period = Period::of_second(second).max(grown);
    Judgement::Ready(DueRun { period, attempt: 1, due: second, reason: StartReason::Manual })
}

fn planned(view: &SourceView, now: &Now) -> Judgement {
    let Some(due) = due_now(view, now) else { return Judgement::Waits(Wait::NotDue) };
    if hold_ms(view, now) > 0 {
        return Judgement::Waits(Wait::BackOff);
    }
    match view.terms.openings().at(now.second()) {
        Opening::Open => Judgement::Ready(due),
        Opening::OutsideWindows => Judgement::Waits(Wait::OutsideWindows),
        Opening::Blackout => Judgement::Waits(Wait::Blackout),
    }
}

/// When a source will be ready, if nothing happens to it until then and the clocks go evenly; caps may hold it longer.
pub(super) fn next_start(view: &SourceView, now: &Now) -> Option<i64> {
    if view.standing != Standing::Active {
        return None;
    }
    let due = next_due(view, now)?;
    let hold_ms = hold_ms(view, now);
    let ready = if hold_ms > 0 { due.max(now.second_after(hold_ms)) } else { due };
    view.terms.openings().next_open(ready)
}

/// Seconds since 1970 as a reading.
pub(super) const fn wall(second: i64) -> WallTime {
    WallTime(second.saturating_mul(1_000_000))
}
