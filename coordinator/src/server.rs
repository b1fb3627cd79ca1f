//! A member as a process: its thread, its peers, its API.
//!
//! Owns the shell around [`crate::member`]: one thread that has the member, queues that are bounded, connections whose
//! ends have proven who they are. It decides nothing that outlives it; whatever it drops, the protocol bears.
//!
//! ```text
//!  clients ── gRPC, mTLS ──► api ──┐                       ┌──► worker: flush, copy
//!                                  ├──► queue ──► engine ──┼──► peers: streams out
//!  peers ──── gRPC, mTLS ──► peers ┘             (member)  └──► whoever waits
//! ```

pub mod agents;
pub mod api;
pub mod certifier;
pub mod checkpoints;
pub mod depots;
pub mod dial;
pub mod engine;
pub mod enrolment;
pub mod forward;
pub mod listen;
pub mod local;
pub mod open;
pub mod origin;
pub mod pause;
pub mod peers;
pub mod renewal;
pub mod run;
pub mod scheduler;

mod asking;
mod denials;
mod failure;
mod handshakes;

pub(crate) use asking::of_the_group;
pub use dial::{DialError, dial};
pub use engine::{Engine, EngineError};
pub use local::service::{LOCAL_ADDRESS, LocalDoor, LocalService};
pub use local::view::LocalView;
pub use local::{LocalError, LocalMember};
pub use run::{Desk, Extras, RunError, Running, Settings, run, run_with};
