//! Profiles at work, against the data of two well-known CMDBs in real servers.
#![expect(clippy::pedantic, reason = "tests read better without")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the helpers of tests are tests too"
)]
#![expect(dead_code, reason = "the helpers serve other tests, too")]

#[path = "support/cluster.rs"]
mod cluster;
#[path = "profiles/corpora.rs"]
mod corpora;
#[path = "engine/depot.rs"]
mod depot;
#[path = "profiles/generated.rs"]
mod generated;
#[path = "engine/host.rs"]
mod host;
#[path = "support/not_run.rs"]
mod not_run;
#[path = "profiles/round.rs"]
mod round;
#[path = "engine/table.rs"]
mod table;
