//! The graph that references make of records: what a record refers to, and the neighbourhood that it needs.
//!
//! Everything here is pure. Records are given as canonical bytes, or asked for through [`Records`], so that a snapshot's
//! view and a live database serve alike. Nothing is written, and no target is presumed to be there.
//!
//! ```text
//!  rules ([references] of a profile) ─┐
//!  schemas of all classes ────────────┼─► GraphBuilder ── wants() ──► records of registry and field classes
//!                                     │        │  ◄── take(class, record) ──┘
//!                                     │        ▼ build()
//!                                     └── ReferenceGraph ── references(class, record, large) ──► [Resolved]
//!                                              │
//!                        neighbourhood(graph, roots, Records, bounds) ──► members, parents before children
//! ```
//!
//! Contract, as others call it:
//!
//! ```text
//! GraphBuilder::new(schemas: impl IntoIterator<Item = &ClassSchema>, rules: &ReferenceRules) -> Result<Self, RuleError>
//! GraphBuilder::wants(&self) -> Vec<String>                       classes whose records are to be taken in first
//! GraphBuilder::take(&mut self, class: &str, record: &[u8]) -> Result<(), Malformed>
//! GraphBuilder::build(self) -> ReferenceGraph
//! ReferenceGraph::references(&self, class: &str, record: &[u8], large: &[Vec<u8>]) -> Result<Vec<Resolved>, Malformed>
//! neighbourhood<R: Records>(graph: &ReferenceGraph, roots: &[RecordName], records: &mut R, bounds: &Bounds)
//!     -> Result<Neighbourhood, NeighbourhoodError<R::Error>>
//! ```
//!
//! `large` holds the contents of the record's cells that refer to blobs, in order, as `field_values` takes them.

mod neighbour;
mod resolved;
pub mod rules;

pub use neighbour::{Bounds, Member, Neighbourhood, NeighbourhoodError, Reason, Records};
pub use resolved::{Kind, RecordName, Resolved, Target, Tuple};
