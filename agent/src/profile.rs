//! Profiles at work: where they come from, how one is found for a source, and what it makes of a cut.
//!
//! ```text
//!  built in ─┐
//!  a file ───┴─► document ──► Profile      ProfiledSource ── opens ──► NarrowedCut ── rows ──► Watch
//!                              └─ chosen, or recognised by the classes ─┘   │ skipped classes     │ newest change, versions,
//!                                                                          ▼                      ▼ integrations
//!                                                               AppliedProfile ──► findings, tags, manifest
//! ```
//!
//! A profile narrows a cut and looks at the rows on their way. It never adds a query, never writes, and changes no row.
//! What it leaves out, it names.

mod applied;
mod cut;
mod document;
mod known;
mod recovery;
mod source;
mod watch;

pub use applied::AppliedProfile;
pub use document::{ProfileError, parse_profile};
pub use known::{KnownProfile, known_profile, known_profiles};
pub use recovery::{Recovery, profile_of};
pub use source::{ProfileChoice, ProfiledSource};

pub(crate) use cut::NarrowedCut;

/// The role of the blob that holds the profile under which a snapshot was taken.
pub(crate) const PROFILE: &str = "profile";
