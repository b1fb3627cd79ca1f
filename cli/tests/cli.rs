//! The command from outside: the built program, run as operators and scripts run it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "the helpers of tests are tests too")]
#![expect(clippy::print_stdout, reason = "sweeps print what they covered")]

#[path = "cli/audit.rs"]
mod audit;
#[path = "../../agent/tests/support/cluster.rs"]
#[expect(dead_code, reason = "tests of the agent use more of it")]
mod cluster;
#[path = "../../agent/tests/support/copy_dir.rs"]
mod copy_dir;
#[path = "cli/crashes.rs"]
mod crashes;
#[path = "cli/demo.rs"]
mod demo;
#[path = "cli/error_pages.rs"]
mod error_pages;
#[path = "cli/errors.rs"]
mod errors;
#[path = "cli/files.rs"]
mod files;
#[path = "cli/golden.rs"]
mod golden;
#[path = "cli/group.rs"]
mod group;
#[path = "cli/harness.rs"]
mod harness;
#[path = "cli/hostile.rs"]
mod hostile;
#[path = "cli/killed_restores.rs"]
mod killed_restores;
#[path = "cli/keys.rs"]
mod keys;
#[path = "../../agent/tests/support/not_run.rs"]
mod not_run;
#[path = "../../chaos-tests/tests/sweeps/outcome.rs"]
mod outcome;
#[path = "cli/profiles.rs"]
mod profiles;
#[path = "cli/partial.rs"]
mod partial;
#[path = "cli/partial_checks.rs"]
mod partial_checks;
#[path = "cli/partial_postgres.rs"]
mod partial_postgres;
#[path = "../../chaos-tests/src/processes/port.rs"]
mod port;
#[path = "cli/process_sweeps.rs"]
mod process_sweeps;
#[path = "cli/reading.rs"]
mod reading;
#[path = "cli/recovery.rs"]
mod recovery;
#[path = "cli/rescue.rs"]
mod rescue;
#[path = "cli/schema.rs"]
mod schema;
#[path = "../../depot/tests/object_stores/emulator.rs"]
#[expect(dead_code, reason = "tests of the depot use more of it")]
mod emulator;
#[path = "cli/service.rs"]
mod service;
#[path = "cli/side_by_side.rs"]
mod side_by_side;
#[path = "cli/sources.rs"]
mod sources;
#[path = "cli/status.rs"]
mod status;
#[path = "cli/stores.rs"]
mod stores;
#[path = "cli/system_calls.rs"]
mod system_calls;
#[path = "cli/upgrade.rs"]
mod upgrade;
#[path = "cli/walk.rs"]
mod walk;
#[path = "../../chaos-tests/tests/sweeps/world.rs"]
mod world;
#[path = "cli/wrong_uses.rs"]
mod wrong_uses;
