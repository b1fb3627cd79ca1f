//! Whole restore: a snapshot into a target, with a verdict.
//!
//! ```text
//!  plan ─► staging place ─► rows, lanes side by side ─► indexes, constraints, grants ─► verdict ─► published
//!                                                                                        │
//!                                                   unequal, or any error ◄──────────────┴─► abandoned
//! ```
//!
//! The verdict reads the target back as a source, hashes it under the snapshot's own parameters, and compares roots,
//! counts and the catalog fingerprint. Until it is given, the target's name leads to what was there before.

mod execute;
mod verdict;

pub use execute::{RestoreError, RestoreJob, RestoreOutcome, plan, restore};
pub use verdict::{ClassVerdict, Verdict, VerdictJob, verdict};
