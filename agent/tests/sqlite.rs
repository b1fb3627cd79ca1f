//! SQLite as a source and as a target, against real files.
#![allow(missing_docs, reason = "tests say what they show in their names")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the helpers of tests are tests too")]

#[path = "sqlite/corpora.rs"]
mod corpora;
#[path = "sqlite/harness.rs"]
mod harness;
#[path = "sqlite/restore.rs"]
mod restore;
#[path = "sqlite/sample.rs"]
mod sample;
#[path = "sqlite/source.rs"]
mod source;
#[path = "sqlite/values.rs"]
mod values;
