//! Record trees: Merkle search trees whose shape depends on keys and counts only.
//!
//! ```text
//!            class root = H(parameters, schema digest, top, records)
//!                 │
//!               node            level 2: (first key, child id, records) per child
//!              ╱    ╲
//!           node    node        level 1
//!          ╱  │ ╲   ╱ │ ╲
//!        leaf leaf leaf leaf    level 0: (key, record digest) per record
//! ```
//!
//! Equal records give equal roots, whatever the history: borders come from keyed hashes of keys ([`cutter`]), ids from
//! contents ([`leaf`], [`node`]). How a part is *stored*, in full or as a delta against an earlier generation
//! ([`delta`], [`lineage`]), enters no id. A reader recomputes every id and believes nothing ([`reader`]).

pub mod block;
pub mod cutter;
pub mod delta;
pub mod diff;
pub mod leaf;
pub mod lineage;
pub mod node;
pub mod params;
pub mod reader;
pub mod scaffold;

#[cfg(test)]
mod tests;
