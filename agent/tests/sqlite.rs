//! SQLite as a source and as a target, against real files.
#![allow(missing_docs, reason = "tests say what they show in their names")]

#[path = "sqlite/harness.rs"]
mod harness;
#[path = "sqlite/source.rs"]
mod source;
