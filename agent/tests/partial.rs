//! Partial restores into real databases that are cut off at each of their steps: the target is old or new, and it is
//! known which. What becomes of transactions and sequences while others use the database is in their own files.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the helpers of tests are tests too"
)]

#[path = "support/cluster.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod cluster;
#[path = "partial/cut_off.rs"]
mod cut_off;
#[path = "partial/fates.rs"]
mod fates;
#[path = "partial/harness.rs"]
mod harness;
#[path = "support/not_run.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod not_run;
#[path = "partial/sequences.rs"]
mod sequences;
