//! What a capture is asked for, and what it came to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use strongroom_core::digest::IdFunctions;
use strongroom_core::id::{ClassId, ClassRoot, SchemaDigest};
use strongroom_core::tree::params::{Top, TreeParams};

use super::build::BuildError;
use super::merge::Tally;
use super::output::OutputError;
use super::spill::{SpillError, Spool};
use crate::cache::{Image, Index, IndexError, IndexUpdate};
use crate::source::{Cut, PartRead, SourceError};

/// What a capture is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything new is stored.
    Store,
    /// Only roots and numbers are wanted: nothing is stored, and the cache stays as it is.
    Compare,
}

/// What is known of a class before the capture.
#[derive(Clone, Debug)]
pub struct ClassBase {
    /// The class.
    pub class: ClassId,
    /// The parameters that its tree keeps; nothing for a class that is first seen.
    pub params: Option<TreeParams>,
    /// The committed root and schema digest that the index must reproduce to be used.
    pub committed: Option<(ClassRoot, SchemaDigest)>,
}

/// Counters that others may watch.
#[derive(Debug, Default)]
pub struct Progress {
    /// Rows read.
    pub records: AtomicU64,
    /// Bytes read from the source.
    pub bytes: AtomicU64,
    /// Classes done.
    pub classes: AtomicU64,
    /// Set to stop the capture.
    pub stop: AtomicBool,
}

/// Everything that a capture needs.
pub struct CaptureJob<'a> {
    /// The id functions of the source.
    pub ids: &'a IdFunctions,
    /// The cut to read.
    pub cut: &'a dyn Cut,
    /// For each class of the cut, what is known of it.
    pub bases: &'a [ClassBase],
    /// Lanes that read.
    pub lanes: usize,
    /// What for.
    pub mode: Mode,
    /// The cache, if there is one to be used.
    pub index: Option<&'a Index>,
    /// Its image.
    pub image: Option<&'a Image>,
    /// Where changes of the index wait for the commit.
    pub update: Option<&'a IndexUpdate>,
    /// Where spills go.
    pub spool: &'a Arc<Spool>,
    /// Counters to keep.
    pub progress: &'a Progress,
}

/// What became of one class.
#[derive(Clone, Debug)]
pub struct ClassOutcome {
    /// The class.
    pub class: ClassId,
    /// Its root.
    pub root: ClassRoot,
    /// Its schema's digest.
    pub schema: SchemaDigest,
    /// Its tree's parameters.
    pub params: TreeParams,
    /// Its top.
    pub top: Option<Top>,
    /// What became of its records.
    pub tally: Tally,
    /// What was read.
    pub read: PartRead,
    /// Bytes of its records.
    pub record_bytes: u64,
    /// Whether the cache could be used.
    pub incremental: bool,
}

/// What a capture came to: one entry per class of the cut, nothing for skipped ones.
#[derive(Clone, Debug, Default)]
pub struct CaptureOutcome {
    /// By class of the cut.
    pub classes: Vec<Option<ClassOutcome>>,
}

/// A capture that failed.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Rows could not be sorted.
    #[error(transparent)]
    Spill(#[from] SpillError),
    /// A class could not be built.
    #[error("class {class} can't be built")]
    Build {
        /// The class's name.
        class: String,
        /// Why.
        #[source]
        source: Box<BuildError>,
    },
    /// The cache can't be written.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The result can't be stored.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Compression failed for want of memory.
    #[error("compression failed")]
    Compression(#[source] std::io::Error),
}
