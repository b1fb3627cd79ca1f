//! Where the records of a check come from: a snapshot or a live source, read side by side, as often as it takes.

use strongroom_core::codec::Malformed;
use strongroom_core::graph::Large;
use strongroom_core::graph::rules::RuleError;
use strongroom_core::record::ClassSchema;

use crate::capture::SpillError;
use crate::source::{NativeBlob, SourceError};
use crate::view::ViewError;

/// A check that failed.
#[derive(Debug, thiserror::Error)]
pub enum IntegrityError {
    /// A rule can't be followed.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The snapshot can't be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The source can't be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What was gathered can't be kept.
    #[error(transparent)]
    Spill(#[from] SpillError),
    /// A record does not follow the format.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The run was stopped.
    #[error("the check was stopped")]
    Stopped,
}

impl IntegrityError {
    /// The stable code.
    pub const fn code(&self) -> strongroom_core::error::Code {
        use strongroom_core::error::Code;
        match self {
            Self::Rule(_) => Code::Usage,
            Self::View(error) => error.code(),
            Self::Source(error) => error.code(),
            Self::Spill(_) => Code::VolumeFailed,
            Self::Malformed(_) => Code::Damaged,
            Self::Stopped => Code::Interrupted,
        }
    }
}

/// One record.
pub(super) struct Row<'r, 'l> {
    /// Its encoded key, or what stands for it in a class without one.
    pub(super) key: &'r [u8],
    /// Its canonical bytes.
    pub(super) record: &'r [u8],
    /// Gives its large values.
    pub(super) large: &'r mut Large<'l, IntegrityError>,
}

/// Takes in the records of one stretch of a class.
pub(super) trait Worker: Send {
    /// Takes in a record.
    fn row(&mut self, row: Row<'_, '_>) -> Result<(), IntegrityError>;

    /// Ends the stretch; still on the thread that read it.
    fn finish(&mut self) -> Result<(), IntegrityError> {
        Ok(())
    }
}

/// What a pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Something is looked up.
    Look,
    /// Every record says what it has to say; there is one such pass in a check.
    Gather,
}

/// Records that can be read as often as it takes, and are the same each time.
pub(super) trait Rows {
    /// The schemas of the classes; positions among them are those of [`Self::pass`].
    fn schemas(&self) -> Vec<ClassSchema>;

    /// Classes that are there and can't be read.
    fn elsewhere(&self) -> Vec<String>;

    /// Whether all classes are read, even those that say nothing about references.
    fn reads_all(&self) -> bool {
        false
    }

    /// The native blobs that tell of sequences.
    fn blobs(&self) -> Result<Vec<NativeBlob>, IntegrityError>;

    /// Reads all records of some classes: `start` makes a worker for a stretch of a class, `end` gets it back.
    fn pass<W: Worker>(
        &self,
        classes: &[usize],
        purpose: Purpose,
        start: &(dyn Fn(usize) -> W + Sync),
        end: &mut dyn FnMut(W),
    ) -> Result<(), IntegrityError>;
}
