//! Partial restore: single records, or classes, into a database that is in use.
//!
//! ```text
//!  snapshot ─► gather ─► triples: wanted, base, live ─┐
//!                 ▲                                   ├─► judge ─► plan ─► shown ─► agreed
//!  target ────────┴─ learn ► taken, parents, children ┘                               │
//!                                                                                      ▼
//!  one transaction: lock, read and judge again = agreed ─► write in order ─► check ─► read back = wanted
//!                                           ─► safety copy durable ─► COMMIT ─► outcome noted
//! ```
//!
//! Planning is pure: [`fn@judge`] and the order of steps ask nobody. Until the COMMIT the target is as it was; after it, it is as
//! planned. The safety copy is durable before the COMMIT, so that whatever is overwritten can be brought back, and so
//! that a run which dies between COMMIT and its answer can be told what became of it. An undo is a partial restore whose
//! wanted rows come from the safety copy.

mod admit;
mod ask;
mod columns;
mod error;
mod execute;
mod fate;
mod gather;
mod intention;
mod judge;
mod learn;
mod order;
mod plan;
mod related;
pub mod row;
mod safety;
mod silence;
mod snapshot;
#[cfg(test)]
mod tests;
mod undo;
mod whole;

pub use ask::Asker;
pub use error::PartialError;
pub use execute::{Carried, Job, PartialStep, carry_out, make_plan};
pub use fate::{Settled, settle};
pub use gather::{Asked, AskedRecord, FromSnapshot};
pub use intention::{Gathered, Intention, Known};
pub use judge::{ChildFact, Facts, ParentFact, TakenFact, UndeclaredFact, judge};
pub use plan::{
    Action, Base, Conflict, FieldStates, OnConflict, Origin, Plan, PlannedClass, PlannedRecord, Policy, Step, Triple,
};
pub use related::{Undeclared, Written};
pub use safety::{Outcome, SafetyCopy, SafetyVault, SavedRecord};
pub use undo::FromSafetyCopy;
