//! Capture: from a consistent cut to record trees, storing what differs from the snapshot before.
//!
//! ```text
//!  lane ─┐ rows   ┌─ known? seen ──────────────► (nothing more is done)
//!  lane ─┴─encode─┤
//!                 └─ unknown ─► sorter ─ runs ─┐
//!                     (bounded, spills sealed) │  merge with the old leaves' keys
//!                 index of the old tree ───────┴─► cutter ─► leaf: unchanged │ delta │ full
//!                                                              │
//!                     compressors ◄── frames ◄─────────────────┘──► scaffold ─► nodes ─► class root
//!                          └─► packs (depot) and image (host)
//! ```
//!
//! A first capture is the same with an empty old tree. Memory is bounded whatever the size of the source: what does
//! not fit the table of known records is merely unknown, and what does not fit the sorter is spilled.

mod job;
mod output;
mod run;
mod shared;
mod lane;
mod recall;
mod known;
mod sorter;
mod spill;
mod class;
mod build;
mod merge;
mod old;
mod pending;
mod part;
mod framer;

pub use build::BuildError;
pub use job::{CaptureError, CaptureJob, CaptureOutcome, ClassBase, ClassOutcome, Mode, Progress};
pub use merge::{MergeError, Tally};
pub use output::{NullOutput, Output, OutputError};
pub use run::capture;
pub(crate) use spill::{Spill, SpillWriter};
pub use spill::{SpillError, Spool, SpoolMemory};
