//! What to do when a group can't help itself: its quorum is lost, or all of its disks.
//!
//! Owns the tools of that hour. All of them look before they act, and none changes what it looks at: a survivor's folder
//! stays as it was found, and what begins the new epoch is another folder, under another id.
//!
//! ```text
//!   survivors' folders ── Survivor::look ──► Survey ──► Plan::of ──► what may be lost, and whose log to take
//!                              │                                            │ consent to its digest
//!                              └──────────── Member::refound ◄──────────────┘
//!                                                   ▲
//!   backup ── backup::Reader ───────────────────────┘
//! ```
//!
//! **What can be lost.** A majority is gone, so an entry may have been agreed on that no survivor has. The plan says
//! which members could have had one, and what the survivors hold beyond the last entry that they know to be agreed on:
//! that is kept, since whoever was told that it is done must not be made a liar.

pub mod backup;
pub mod plan;
pub mod survey;
pub mod survivor;

pub use plan::{Plan, PlanRefused};
pub use survey::Survey;
pub use survivor::{LookError, Survivor};

use std::error::Error;

/// An error with all that is below it, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
