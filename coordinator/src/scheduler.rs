//! The scheduler: what the leader starts, calls off and tells agents.
//!
//! ```text
//!   rows ──pages──► Roll ──┐
//!   agents heard ─Presence─┼──► Scheduler::decide ──► commands (StartRun, FinishRun, PassTime)
//!   clocks ──GroupTime─────┘            │         └─► orders to agents (start, call off)
//!                                core::schedule   └─► outlook: queue, debts, missed periods, overruns
//! ```
//!
//! Owns the way from what is known to what is proposed, without a socket, a clock or a thread: the shell around it is
//! `server::scheduler`. It decides nothing for good. What it proposes is compared with the rows when it is applied, so
//! that a leader which was deposed, or looked at a page that is a moment old, starts nothing twice; and the id of a run
//! follows from its source and its number, so that a proposal whose fate is unknown can be made again.
//!
//! Three rules of its own, beyond the plan's:
//!
//! - A source whose agent is not there is not started, neither by its cadence nor by hand; it waits, and owes.
//! - A run whose agent was not heard of for [`AGENT_LOST_MS`] is called off, so that it is tried again; that of a source
//!   that can't be planned too, so that it holds no place for ever.
//! - A run that somebody asked for waits while another of its source is under way.
//!
//! Runs that wait for others are no rows: the outlook names them, and a leader that takes over comes to the same. Nothing
//! here survives a change of leaders; agents say again what they are at work on.

mod decide;
mod presence;
mod roll;
mod time;

#[cfg(test)]
mod tests;

pub use decide::{Decided, Forecast, Order, Outlook, RunOrder, Scheduler};
pub use presence::{AGENT_AWAY_MS, AGENT_LOST_MS, ALIVE_EVERY_MS, Attendance, Attending};
pub(crate) use roll::PAGE_SOURCES;
pub use roll::Roll;
pub use time::{GroupTime, QUIET};
