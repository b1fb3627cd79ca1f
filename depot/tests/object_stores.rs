//! The object backend against servers that speak S3 (moto) and Azure Blob Storage (Azurite), which each test starts for
//! itself on a port of its own.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]
#![expect(clippy::print_stdout, reason = "a test that could not run says so")]

use strongroom_depot::backend;

#[path = "object_stores/emulator.rs"]
mod emulator;
#[path = "object_stores/faults.rs"]
mod faults;
#[path = "object_stores/lock.rs"]
mod lock;
#[path = "../../agent/tests/support/not_run.rs"]
#[expect(dead_code, reason = "these tests need no corpus")]
mod not_run;
#[path = "object_stores/proxy.rs"]
mod proxy;
#[path = "object_stores/services.rs"]
mod services;
#[path = "../src/backend/tests/suite.rs"]
mod suite;
