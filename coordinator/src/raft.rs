//! The replicated log: agreement on one order of entries, and the disk that makes it last.
//!
//! Owns the crate `raft`. None of its types, and no bare number for a term, an index or a member, leaves this folder.
//! Outside it a group takes events and gives effects; inside, three rules hold:
//!
//! - **Order of a turn.** What a member must have on disk before it says so is a type: messages that depend on it are
//!   locked up in `ready` until the log's writer has handed back the proof.
//! - **Nothing unchecked is stepped.** What came from a peer passes `ingress` first, since several messages that are
//!   malformed or stale would end the process.
//! - **One fdatasync a turn.** Entries and hard state go to the [`log`] in one frame.
//!
//! ```text
//!            peers, proposals, ticks
//!                    │
//!                ingress ──► RawNode ──► ready ──► messages of a leader ──────────► out
//!                              ▲           │
//!                            shelf         ├──► log: frame, fdatasync ──► other messages ──► out
//!                       (entries in        │
//!                        memory)           └──► committed entries ──► state machine
//! ```

pub mod group;
pub mod log;
pub mod membership;
pub mod timing;

mod frame;
mod ingress;
mod opened;
mod ready;
mod shelf;
mod trace;
mod wire;
#[cfg(test)]
mod tests;

pub use group::{Group, Handler, Progress, Role, Standing, Unproposed};
pub use ingress::Verdict;
pub use membership::{Change, Unchanged};
pub use opened::{Found, OpenedLog};
pub use timing::Timing;
pub use wire::{Meaningless, configuration_from_wire, configuration_to_wire, is_from_leader_or_candidate};
