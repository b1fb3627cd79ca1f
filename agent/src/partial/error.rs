//! Why a partial restore could not be planned or carried out.

use strongroom_core::codec::Malformed;
use strongroom_core::error::Code;
use strongroom_core::id::RestoreId;
use strongroom_core::record::KeyError;
use strongroom_core::seal::SealError;
use strongroom_platform::disk::DiskError;

use crate::integrity::IntegrityError;
use crate::source::SourceError;
use crate::view::ViewError;

/// A partial restore that failed. Unless it says otherwise, the target is as it was.
#[derive(Debug, thiserror::Error)]
pub enum PartialError {
    /// The snapshot can't be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// What the snapshot's references lead to can't be told.
    #[error(transparent)]
    References(#[from] IntegrityError),
    /// The target failed.
    #[error(transparent)]
    Target(#[from] SourceError),
    /// A record does not follow its format.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A record has no usable key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A record that was named is not in the snapshot.
    #[error("{record} is not in the snapshot")]
    NoRecord {
        /// The record, as it was named.
        record: String,
    },
    /// More would change than one transaction and one safety copy should hold.
    #[error("more than {records_max} records or {bytes_max} bytes would change")]
    TooMuch {
        /// Records at most.
        records_max: usize,
        /// Bytes of rows at most.
        bytes_max: usize,
    },
    /// The target is not as it was when the plan was made.
    #[error("the target has changed since the plan was made")]
    Moved,
    /// The plan can't be carried out.
    #[error("conflicts stand against it")]
    Stopped,
    /// What was written does not equal what was wanted.
    #[error("{record} is not as it was written: a trigger or rule of the target changes it")]
    NotAsWritten {
        /// The record.
        record: String,
    },
    /// The safety copy can't be kept.
    #[error("the safety copy can't be kept")]
    NotKept(#[source] DiskError),
    /// The safety copy can't be sealed or opened.
    #[error("the safety copy can't be sealed or opened")]
    Seal(#[source] SealError),
    /// The safety copy's description can't be read.
    #[error("the safety copy can't be read")]
    SafetyCopy(#[source] serde_json::Error),
    /// What became of a restore is noted already, and was another thing than is told now.
    #[error("it is noted otherwise what became of the restore {restore}")]
    NotedOtherwise {
        /// The restore.
        restore: RestoreId,
    },
    /// There is no safety copy of this restore.
    #[error("there is no safety copy of a restore {restore}")]
    NoSafetyCopy {
        /// What was asked for.
        restore: String,
    },
    /// The restore never took effect, so there is nothing to undo.
    #[error("the restore {restore} did not take effect")]
    NothingToUndo {
        /// The restore.
        restore: RestoreId,
    },
    /// The safety copy is of another database.
    #[error("the restore {restore} went into {place}")]
    OtherTarget {
        /// The restore.
        restore: RestoreId,
        /// Where it went.
        place: String,
    },
    /// Whether the transaction took effect is not known.
    #[error("whether the restore {restore} took effect is not known")]
    Unknown {
        /// The restore.
        restore: RestoreId,
        /// What stood in the way.
        #[source]
        source: Box<SourceError>,
    },
}

impl PartialError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::View(error) => error.code(),
            Self::References(error) => error.code(),
            Self::Target(error) => error.code(),
            Self::Malformed(_) | Self::SafetyCopy(_) => Code::Damaged,
            Self::Key(_) => Code::SourceUnsupported,
            Self::NoRecord { .. } | Self::NoSafetyCopy { .. } | Self::NothingToUndo { .. } => Code::NotFound,
            Self::TooMuch { .. } => Code::RestoreTooLarge,
            Self::OtherTarget { .. } => Code::RestoreElsewhere,
            Self::Moved => Code::RestoreMoved,
            Self::Stopped => Code::RestoreConflict,
            Self::NotAsWritten { .. } => Code::RestoreAltered,
            Self::NotKept(DiskError::NoSpace { .. }) => Code::NoSpace,
            Self::NotKept(_) => Code::VolumeFailed,
            Self::Seal(error) => error.code(),
            Self::Unknown { .. } => Code::RestoreUnknown,
            Self::NotedOtherwise { .. } => Code::Internal,
        }
    }
}
