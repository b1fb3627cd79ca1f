//! Sweeps: the same small installation, spoilt at every place in turn.
//!
//! Owns the claim that no fault of a medium, a disk or a process yields a wrong restore: what can be read is what was
//! backed up, and everything that was acknowledged can be read, unless its own bytes were damaged. Each sweep prints how
//! many points it tried and what became of them; `docs/reliability.md` quotes those figures.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests may fail loudly, and their figures are printed"
)]

#[path = "sweeps/bytes.rs"]
mod bytes;
#[path = "../../agent/tests/support/copy_dir.rs"]
mod copy_dir;
#[path = "sweeps/disks.rs"]
mod disks;
#[path = "sweeps/outcome.rs"]
mod outcome;
#[path = "sweeps/rescue.rs"]
mod rescue;
#[path = "sweeps/restores.rs"]
mod restores;
#[path = "sweeps/world.rs"]
mod world;
