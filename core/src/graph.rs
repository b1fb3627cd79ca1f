//! The graph that references make of records: where a record leads, and what leads to it.
//!
//! Everything here is pure. Records are given as canonical bytes, so that a snapshot's and a live database's serve
//! alike. Nothing is written, and no target is presumed to be there.
//!
//! ```text
//!  rules ([references] of a profile) ─┐
//!  schemas of all classes ────────────┼─► GraphBuilder ── wants() ──► records of registry and field classes
//!                                     │        │  ◄── take(class, record) ──┘
//!                                     │        ▼ build()
//!                                     └── ReferenceGraph ── references(class, record, large) ──► [Resolved]
//!                                              ├─────────── incoming(class, record) ──► [Incoming]: what would lead to it
//!                                              └─────────── plan(class) ──► what a check visits, record by record
//! ```
//!
//! `large` holds the contents of the record's cells that refer to blobs, in order, as `field_values` takes them.

pub mod rules;
mod names;
mod said;
mod document;
mod types;
mod resolved;
mod plan;
mod registry;
mod builder;
mod extract;
mod resolve;
mod incoming;

pub use builder::GraphBuilder;
pub use extract::{EndVisit, Large, Lead, LeadVisit, Scratch, SetVisit};
pub use incoming::Incoming;
pub use plan::{ClassPlan, NeededEnds, PlannedReference, ReferenceGraph, SetId, Slots, TargetSet};
pub use resolved::{Kind, RecordName, Resolved, Target, Tuple};
pub use said::{TupleKey, tuple_text};

#[cfg(test)]
mod tests;
