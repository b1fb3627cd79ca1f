//! Agents and depots against a member that runs: real sockets, real certificates, time that a test lets pass.

#[path = "agents/authority.rs"]
mod authority;
#[path = "agents/refusals.rs"]
mod refusals;
#[path = "agents/runs.rs"]
mod runs;
#[path = "agents/script.rs"]
mod script;
#[path = "agents/world.rs"]
mod world;
