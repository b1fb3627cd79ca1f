//! The command from outside: the built program, run as operators and scripts run it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "the helpers of tests are tests too")]

#[path = "cli/crashes.rs"]
mod crashes;
#[path = "cli/demo.rs"]
mod demo;
#[path = "cli/errors.rs"]
mod errors;
#[path = "cli/harness.rs"]
mod harness;
#[path = "cli/keys.rs"]
mod keys;
#[path = "cli/schema.rs"]
mod schema;
#[path = "cli/side_by_side.rs"]
mod side_by_side;
#[path = "cli/walk.rs"]
mod walk;
