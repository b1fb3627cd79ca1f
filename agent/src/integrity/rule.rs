//! The rules that a check goes by, each with a stable code and a severity.

use serde::{Serialize, Serializer};
use strongroom_core::graph::Kind;

/// What can be wrong with a reference. Codes are those of the catalogue in `docs/integrity.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The target of a declared reference is missing.
    Declared,
    /// The target of a reference by convention is missing.
    Conventional,
    /// A type is unknown, or its class is not there.
    Type,
    /// The target of a generic reference is missing.
    Generic,
    /// An edge is there more than once.
    Duplicate,
    /// An end, or half of a reference, is empty.
    Empty,
    /// A record has no owner.
    Owner,
    /// The target of a reference within a document is missing.
    Hidden,
    /// A sequence would give a number that is taken.
    Sequence,
}

impl Rule {
    /// All rules, in the order of their codes.
    pub const ALL: [Self; 9] = [
        Self::Declared,
        Self::Conventional,
        Self::Type,
        Self::Generic,
        Self::Duplicate,
        Self::Empty,
        Self::Owner,
        Self::Hidden,
        Self::Sequence,
    ];

    /// The code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Declared => "R01",
            Self::Conventional => "R02",
            Self::Type => "R03",
            Self::Generic => "R04",
            Self::Duplicate => "R08",
            Self::Empty => "R09",
            Self::Owner => "R10",
            Self::Hidden => "R16",
            Self::Sequence => "R17",
        }
    }

    /// Whether a violation that was not there before is an error, and not merely worth a look.
    pub const fn is_error(self) -> bool {
        matches!(self, Self::Declared | Self::Conventional | Self::Generic | Self::Owner | Self::Sequence)
    }

    /// Whether a violation is a reference that leads to no record.
    pub const fn is_broken_reference(self) -> bool {
        matches!(self, Self::Declared | Self::Conventional | Self::Generic | Self::Owner | Self::Hidden)
    }

    /// The kind of finding, for programs.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Declared | Self::Conventional | Self::Generic | Self::Hidden => "broken_references",
            Self::Type => "unknown_types",
            Self::Duplicate => "duplicate_edges",
            Self::Empty => "empty_ends",
            Self::Owner => "missing_owners",
            Self::Sequence => "sequences_behind",
        }
    }

    /// What is wrong, for a number of records or references.
    pub const fn says(self) -> &'static str {
        match self {
            Self::Declared => "lead to records that are not there, though the source declares the reference",
            Self::Conventional | Self::Generic => "lead to records that are not there",
            Self::Type => "are of a type that is unknown or has no class",
            Self::Duplicate => "are edges that are there already",
            Self::Empty => "lack an end",
            Self::Owner => "have no owner",
            Self::Hidden => "lead from a document to records that are not there",
            Self::Sequence => "would give a number that is taken",
        }
    }

    /// The rule that a reference breaks whose target is missing.
    pub(super) const fn of_missing(kind: Kind, owner: bool) -> Self {
        match kind {
            _ if owner => Self::Owner,
            Kind::Declared => Self::Declared,
            Kind::Conventional => Self::Conventional,
            Kind::Generic => Self::Generic,
            Kind::Embedded => Self::Hidden,
        }
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}
