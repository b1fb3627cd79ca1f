//! What verification can find.

use std::fmt;

use strongroom_core::id::{PackId, SourceId};

/// One finding of a verification or scrub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A head needs a pack that is not there.
    MissingPack {
        /// The pack.
        pack: PackId,
        /// The size that it should have.
        bytes: u64,
    },
    /// A pack has another size than the heads say.
    WrongSize {
        /// The pack.
        pack: PackId,
        /// The size that the heads say.
        expected: u64,
        /// The size that it has.
        found: u64,
    },
    /// A pack's header or footer does not open.
    UnreadablePack {
        /// The pack.
        pack: PackId,
        /// Why.
        why: String,
    },
    /// A pack's bytes do not have the root that it ends with, or that the heads say.
    DamagedPack {
        /// The pack.
        pack: PackId,
        /// What differs.
        what: &'static str,
    },
    /// No head needs the pack: left over from a backup that did not end, or that is still running.
    OrphanPack {
        /// The pack.
        pack: PackId,
        /// Its size.
        bytes: u64,
    },
    /// A manifest can't be read, or is not what its source signed.
    BadManifest {
        /// The source.
        source: SourceId,
        /// Its place in the chain.
        sequence: u64,
        /// Why.
        why: String,
    },
    /// A place in a source's chain is empty.
    MissingManifest {
        /// The source.
        source: SourceId,
        /// The first missing place.
        sequence: u64,
    },
    /// A file that does not belong into a depot.
    ForeignFile {
        /// Its path in the depot.
        path: String,
    },
}

impl Finding {
    /// Whether something that was promised is missing or wrong.
    pub const fn is_fault(&self) -> bool {
        !matches!(self, Self::OrphanPack { .. } | Self::ForeignFile { .. })
    }

    /// A stable word for the kind of finding.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::MissingPack { .. } => "missing_pack",
            Self::WrongSize { .. } => "wrong_size",
            Self::UnreadablePack { .. } => "unreadable_pack",
            Self::DamagedPack { .. } => "damaged_pack",
            Self::OrphanPack { .. } => "orphan_pack",
            Self::BadManifest { .. } => "bad_manifest",
            Self::MissingManifest { .. } => "missing_manifest",
            Self::ForeignFile { .. } => "foreign_file",
        }
    }

    /// The pack that the finding is about.
    pub const fn pack(&self) -> Option<PackId> {
        match self {
            Self::MissingPack { pack, .. }
            | Self::WrongSize { pack, .. }
            | Self::UnreadablePack { pack, .. }
            | Self::DamagedPack { pack, .. }
            | Self::OrphanPack { pack, .. } => Some(*pack),
            Self::BadManifest { .. } | Self::MissingManifest { .. } | Self::ForeignFile { .. } => None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingPack { pack, .. } => write!(out, "pack {pack} is needed and not there"),
            Self::WrongSize { pack, expected, found } => {
                write!(out, "pack {pack} has {found} bytes instead of {expected}")
            }
            Self::UnreadablePack { pack, why } => write!(out, "pack {pack} does not open: {why}"),
            Self::DamagedPack { pack, what } => write!(out, "pack {pack} is damaged: {what}"),
            Self::OrphanPack { pack, bytes } => write!(out, "pack {pack} ({bytes} bytes) is needed by no snapshot"),
            Self::BadManifest { source, sequence, why } => {
                write!(out, "manifest {sequence} of source {source} is not valid: {why}")
            }
            Self::MissingManifest { source, sequence } => {
                write!(out, "manifest {sequence} of source {source} is missing")
            }
            Self::ForeignFile { path } => write!(out, "{path} does not belong into a depot"),
        }
    }
}
