//! SQLite as a source and as a target, against real files.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the helpers of tests are tests too"
)]

#[path = "sqlite/corpora.rs"]
mod corpora;
#[path = "sqlite/harness.rs"]
mod harness;
#[path = "sqlite/integrity.rs"]
mod integrity;
#[path = "support/not_run.rs"]
mod not_run;
#[path = "support/integrity.rs"]
mod references;
#[path = "sqlite/relations.rs"]
mod relations;
#[path = "sqlite/restore.rs"]
mod restore;
#[path = "sqlite/sample.rs"]
mod sample;
#[path = "sqlite/source.rs"]
mod source;
#[path = "sqlite/standing.rs"]
mod standing;
#[path = "sqlite/values.rs"]
mod values;
