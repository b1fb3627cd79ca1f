//! The schedule: which source runs now, which waits and for what, and what is owed.
//!
//! ```text
//!   catalogue ──views──┐
//!   clock ─────now─────┼──► plan ──► Plan { start, queue, refused, missed, debts, overruns, next_wake_ms }
//!   operator ──caps────┘      │
//!                             └ judge, one source at a time: ready │ waits, for what and until when │ refused
//! ```
//!
//! Owns the rules and no state: what has been is in the views, and the leader writes what the plan says into the log
//! before anything starts. A plan that was lost with its leader is made again.
//!
//! Two measures of time that never mix. *Durations* (debt, back-off, running time) count in accrued cluster time.
//! *Calendars* (slots, windows, blackouts) read the wall clock, by nature. A wall clock that jumps makes a run early or
//! late, and no more:
//!
//! - a period is started at most `attempts_max` times, and never again after a success;
//! - periods of one source only grow, so a clock that goes back brings none of them again;
//! - a clock that jumps ahead leads to one run, and to a count of what was missed;
//! - a clock that was ahead and is put right does not stop a source: slots then count from its last start, which
//!   accrued time places on the clock that is right.

mod caps;
mod due;
mod explain;
mod judge;
mod plan;
mod retry;
mod turn;
mod view;

#[cfg(test)]
mod tests;

pub use caps::{Caps, QueueReason};
pub use explain::{Because, Explanation, explain};
pub use judge::{Refusal, StartReason};
pub use plan::{Debt, Missed, Overrun, Plan, Queued, Refused, StartRun, WAKE_MS_MAX, plan};
pub use retry::backoff_ms;
pub use turn::STARVING_MS;
pub use view::{HostGroup, LastRun, LastSuccess, Now, RunRequest, RunState, SourceView, Standing};

pub use crate::contract::Period;
