//! Judges whether what clients saw could have come from one correct object.
//!
//! Owns the histories of operations, the specifications of the objects that operations act on, and the search for an
//! order that explains the answers. Never looks at a clock, never draws a random number: equal histories get equal
//! verdicts after equally many steps, on every machine. Nothing here is stored, so nothing has to survive a crash.
//!
//! ```text
//!   clients ──► Recorder ──finish──► History ──┐
//!                invoke, answered, lost        │      one part       ┌─► Linearizable
//!                                              ├─► check ──► search ─┼─► Violation ──► shrink ──► timeline
//!   register, counter, list, claim ──► Spec ───┘       a key         └─► Unknown: out of steps
//! ```
//!
//! **What is promised when a history is linearizable**: each operation took effect at one moment between its invocation
//! and its answer, and the answers are those of a single object that does one thing after another (Herlihy and Wing,
//! "Linearizability: a correctness condition for concurrent objects", 1990).
//!
//! **A lost operation is unknown, never failed.** Its client died or gave up waiting. It may take effect at any moment
//! after its invocation, however late, or never. Treating it as failed would call correct systems wrong; treating it as
//! done would call wrong systems correct.

mod history;
pub mod spec;
pub mod checker;

pub use checker::{Steps, Verdict, check};
pub use history::{
    ClientId, Event, History, HistoryError, OPERATIONS_MAX, Operation, OperationId, Outcome, Recorder, RunTime,
};
pub use spec::Spec;
