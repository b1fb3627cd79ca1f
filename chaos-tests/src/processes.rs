//! Members as processes, on one machine: the real program, real files, real sockets.
//!
//! Owns what stands around them: links between members that can be cut one way or both, processes that can be killed and
//! stopped, clients that write down what they were told, and plans drawn from a seed. The plan replays from its number;
//! what the processes make of it does not, since their time is the machine's.
//!
//! ```text
//!   member 1 ──► link 1→2 ──► member 2        clients ──► members, directly
//!        ▲                        │                │
//!        └───── link 2→1 ◄────────┘                └──► history ──► oracle
//! ```

pub mod clients;
pub mod cluster;
pub mod link;
pub mod plan;
mod port;
pub mod program;
pub mod wait;
