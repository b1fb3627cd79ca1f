//! Agents and depots against a member that runs: real sockets, real certificates, time that a test lets pass.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of tests are tests too"
)]

#[path = "agents/authority.rs"]
mod authority;
#[path = "agents/outlook.rs"]
mod outlook;
#[path = "agents/refusals.rs"]
mod refusals;
#[path = "agents/runs.rs"]
mod runs;
#[path = "agents/script.rs"]
mod script;
#[path = "agents/world.rs"]
mod world;
