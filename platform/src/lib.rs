//! The seams between Strongroom and the world: time, randomness, the disk, the keepers of keys, and who is who.
//!
//! Everything that a machine decides and that could differ between two runs enters through a trait of this package, and
//! each trait has a simulated twin that is a function of its seed. Code above it never asks the operating system itself
//! (`clippy.toml` bans the calls), so that a failing case can be replayed from one number.
//!
//! ```text
//!        depot, agent, coordinator, cli
//!      ┌───────────┬──────────────┬─────────────────────────┐
//!      │   Clock   │   Entropy    │          Disk           │   traits
//!      ├───────────┼──────────────┼─────────────────────────┤
//!      │  system   │   system     │  real      (a folder)   │   the machine
//!      │  sim      │   sim(seed)  │  sim(seed) (in memory)  │   its twin
//!      │           │              │  failpoint (over both)  │   fault at the N-th operation
//!      └───────────┴──────────────┴─────────────────────────┘
//! ```
//!
//! Who is at the other end of a connection is settled by certificates ([`tls`]). Their keys come from the cryptographic
//! library's own generator, which no seed steers; nothing that is decided depends on a key's bytes.
//!
//! This package holds no policy: it does not know what a pack, a snapshot or a depot is.

pub mod clock;
pub mod disk;
pub mod keys;
pub mod mutant;
pub mod rng;
pub mod tls;
