//! Why a source does not run now, and when it will: for people who ask.

use std::fmt;

use super::due::missed;
use super::judge::{Judgement, Refusal, StartReason, Wait, judge, next_start, wall};
use super::plan::{Debt, debt};
use super::view::{Now, SourceView};
use crate::id::SourceId;
use crate::time::WallTime;

/// The answer for one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The source.
    pub source: SourceId,
    /// Why it runs or does not.
    pub because: Because,
    /// When its next run may start, to the second, if nothing happens until then; caps may hold it longer. None for a
    /// source that is not active, and where nothing opens within what can be foreseen.
    pub next_start: Option<WallTime>,
    /// What it owes.
    pub debt: Option<Debt>,
    /// Periods that passed without a run since the last one.
    pub missed_count: u64,
}

/// Why a source runs or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// It could start; if it does not, others are before it (see the plan's queue).
    Ready(StartReason),
    /// What somebody asked for can't be.
    Refused(Refusal),
    /// A run is under way.
    Running,
    /// It is disabled.
    Disabled,
    /// It is paused.
    Paused,
    /// Its next slot has not come.
    NotDue,
    /// Its last attempt failed, or its agent asked for a pause.
    BackOff,
    /// It is due, and no window is open.
    OutsideWindows,
    /// It is due, and there is a blackout.
    Blackout,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Ready(StartReason::First) => "ready: it was never run",
            Self::Ready(StartReason::Slot) => "ready: its slot has come",
            Self::Ready(StartReason::CatchUp) => "ready: slots have passed without a run",
            Self::Ready(StartReason::Retry) => "ready: the attempt before failed",
            Self::Ready(StartReason::Manual) => "ready: somebody asked for a run",
            Self::Refused(refusal) => return write!(f, "refused: {refusal}"),
            Self::Running => "a run is under way",
            Self::Disabled => "the source is disabled",
            Self::Paused => "the source is paused",
            Self::NotDue => "the next slot has not come",
            Self::BackOff => "it is held back after a failure",
            Self::OutsideWindows => "it is due, and no window is open",
            Self::Blackout => "it is due, and there is a blackout",
        };
        f.write_str(words)
    }
}

/// Explains one source by the rules that [`plan`](super::plan()) goes by.
pub fn explain(view: &SourceView, now: Now) -> Explanation {
    let judgement = judge(view, &now);
    let is_asked = matches!(judgement, Judgement::Ready(due) if due.reason == StartReason::Manual);
    let start = if is_asked { Some(now.second()) } else { next_start(view, &now) };
    Explanation {
        source: view.source,
        because: because(judgement),
        next_start: start.map(wall),
        debt: debt(view, &now),
        missed_count: missed(view, &now).map_or(0, |(_, _, count)| count),
    }
}

const fn because(judgement: Judgement) -> Because {
    match judgement {
        Judgement::Ready(due) => Because::Ready(due.reason),
        Judgement::Refused(refusal) => Because::Refused(refusal),
        Judgement::Waits(Wait::Disabled) => Because::Disabled,
        Judgement::Waits(Wait::Paused) => Because::Paused,
        Judgement::Waits(Wait::Running) => Because::Running,
        Judgement::Waits(Wait::NotDue) => Because::NotDue,
        Judgement::Waits(Wait::BackOff) => Because::BackOff,
        Judgement::Waits(Wait::OutsideWindows) => Because::OutsideWindows,
        Judgement::Waits(Wait::Blackout) => Because::Blackout,
    }
}
