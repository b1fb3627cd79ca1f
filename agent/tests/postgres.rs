//! PostgreSQL as a source and as a target, against real servers.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::type_complexity,
    clippy::print_stdout,
    reason = "the helpers of tests are tests too"
)]

#[path = "support/cluster.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod cluster;
#[path = "postgres/corpora.rs"]
mod corpora;
#[path = "postgres/harness.rs"]
mod harness;
#[path = "postgres/health.rs"]
mod health;
#[path = "postgres/integrity.rs"]
mod integrity;
#[path = "support/not_run.rs"]
mod not_run;
#[path = "postgres/objects.rs"]
mod objects;
#[path = "support/integrity.rs"]
mod references;
#[path = "postgres/refusals.rs"]
mod refusals;
#[path = "postgres/targets.rs"]
mod targets;
#[path = "postgres/values.rs"]
mod values;
