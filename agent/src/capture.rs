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

mod build;
mod known;
mod merge;
mod output;
mod run;
mod sorter;
mod spill;

pub use build::BuildError;
pub use merge::{MergeError, Tally};
pub use output::{NullOutput, Output, OutputError};
pub use run::{CaptureError, CaptureJob, CaptureOutcome, ClassBase, ClassOutcome, Mode, Progress, capture};
pub use spill::{SpillError, Spool};
