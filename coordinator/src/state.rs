//! The replicated state: a pure machine from a log of commands to rows.
//!
//! Owns what the group remembers and the rules by which a command changes it. It reads no clock, no file and no socket,
//! and draws nothing at random: the same log gives the same rows, the same digest and the same answers on every member.
//! It knows nothing of Raft but positions in the log, and nothing of the disk but that rows lie below its overlay.
//!
//! ```text
//!   entry ──► Change ── reads ──► overlay ──► frozen layer ──► base (redb)
//!               │                    ▲            │
//!               └── writes, if the ──┘            └─ on its way to the base
//!                   command is not rejected
//! ```
//!
//! A command either takes effect whole or is rejected and leaves no row behind; which of the two is a function of the
//! rows alone. Rows that can't be read end the member: an answer from half of the state would be a fork.
//!
//! What a command may cost is bounded: by a handful of rows for most (`ROWS_WRITTEN_MAX`), and for heads and
//! receipts by what they list and by the packs that a source may need ([`packs::PACKS_LIVE_MAX`]).
//!
//! Each family of commands has a module that holds its tables, its commands and their effects. No command carries a
//! name below a source, a value, an address of a protected system or a secret.

pub mod digest;
pub mod layer;
pub mod rows;
pub mod memory;
mod tables;
mod keys;
pub mod text;
pub mod bytes;
pub mod outcome;
pub mod request;
pub mod command;
pub mod configuration;
mod context;
pub mod counters;
pub mod session;
pub mod audit;
pub mod signing;
pub mod machine;
pub mod places;
pub mod members;
pub mod membership;
pub mod operators;
pub mod tokens;
pub mod certificates;
pub mod denials;
pub mod depots;
pub mod agents;
pub mod contracts;
pub mod sources;
pub mod retired;
pub mod runs;
pub mod passing;
pub mod uploads;
pub mod snapshots;
pub mod packs;
pub mod receipts;
pub mod placement;
pub mod pending;
pub mod refounding;
pub mod query;
pub mod planning;

pub use command::Command;
pub use configuration::Configuration;
pub use digest::StateDigest;
pub use layer::Layer;
pub use machine::{Frozen, Machine};
pub use memory::MemoryBase;
pub use outcome::{Answer, Outcome, Refusal, Thing};
pub use request::{Actor, Decision, Request, Sequence, Stamp, Verdict};
pub use rows::{Base, Change, Key, RawRows, Rows, Table, Unreadable};

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use tests::sample_commands;
