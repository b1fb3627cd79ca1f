//! Trees of files as a source and as a target, on the file system that the tests run on.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the helpers of tests are tests too"
)]

#[path = "files/harness.rs"]
mod harness;
#[path = "files/hostile.rs"]
mod hostile;
#[path = "files/links.rs"]
mod links;
#[path = "files/nobody.rs"]
mod nobody;
#[path = "support/noise.rs"]
mod noise;
#[expect(dead_code, reason = "no corpus is needed here")]
#[path = "support/not_run.rs"]
mod not_run;
#[path = "files/source.rs"]
mod source;
#[path = "files/target.rs"]
mod target;
