//! Orders from the coordinator: which runs this agent takes, and how each ended.
//!
//! ```text
//!   leader ──StartRun, CallOffRun, EndNoted──► link ──events──► book ──effects──► Runner begins, stops
//!          ◄──Hello, Progress, RunEnded, Alive──┘   ◄──ends──────┘ │
//!                                                                  └─ memory: one small file, before each beginning
//! ```
//!
//! Owns three promises. A run is begun at most once, whatever restarts on either side: it is written down before it
//! begins, and one that a process took and did not end is reported as lost by the next. An end is said on every stream
//! until the leader has noted it. And nothing waits for the network: runs go on while there is no leader.
//!
//! What a run does is behind [`Runner`]. The book is pure; the link is the only part that touches a socket.

mod book;
mod link;
mod memory;
mod wire;

#[cfg(test)]
mod tests;

pub use book::{Book, Effect, RUNS_MAX, RunCause, RunEnd, RunOrder, Said};
pub use link::{Dial, Follower, Host, RunHandle, Runner};
pub use memory::{Memory, OrdersError};
