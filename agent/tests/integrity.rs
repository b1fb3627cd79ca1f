//! The check of references against real databases: stories of corruption, and data that nobody here wrote.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "the helpers of tests are tests too"
)]
// The support that all test binaries share has helpers which this one does not need.
#![allow(dead_code, reason = "support is shared")]

#[path = "support/cluster.rs"]
mod cluster;
#[path = "integrity/corpora.rs"]
mod corpora;
#[path = "integrity/harness.rs"]
mod harness;
#[path = "support/not_run.rs"]
mod not_run;
#[path = "integrity/sample.rs"]
mod sample;
#[path = "integrity/stories.rs"]
mod stories;
