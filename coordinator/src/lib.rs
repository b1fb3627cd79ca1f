//! The group that decides: the catalogue, schedules, policy, placement, custody and failover of an installation.
//!
//! This package owns the replicated log and the state machine behind it. It never holds the content of a record, the
//! value of a field, a name below a source, or a key of a depot. `OVERVIEW.md` beside the sources draws how the parts
//! work together.

pub mod daemon;
pub mod id;
pub mod member;
pub mod raft;
pub mod policy;
pub mod scheduler;
pub mod recovery;
pub mod server;
pub mod state;
pub mod store;
