//! The neighbourhood of records: what must be there with them, what belongs to them, and in which order to bring it back.
//!
//! Bounded in records and in depth; where a bound cuts, that is said and never guessed. Parents come before children.
//! Where references go round in a circle, the members of the circle say so, and which of their references must be filled
//! in afterwards or checked late.

use super::resolved::{RecordName, Resolved, Tuple};

/// Where the records of a neighbourhood come from.
pub trait Records {
    /// Why records can't be had.
    type Error;

    /// The canonical bytes of a record and the contents of its large values, or nothing if it is not there.
    fn record(&mut self, name: &RecordName) -> Result<Option<(Vec<u8>, Vec<Vec<u8>>)>, Self::Error>;

    /// The key of the record that has these values, which are unique in its class, or nothing if there is none.
    fn unique(&mut self, class: &str, values: &Tuple) -> Result<Option<Vec<u8>>, Self::Error>;

    /// The keys of all records of `class` whose `columns` lead to the record: at most `at_most`, ascending. For a
    /// generic reference the columns are type and id, in this order.
    fn referring(&mut self, class: &str, values: &Tuple, at_most: usize) -> Result<Vec<Vec<u8>>, Self::Error>;
}

/// How far a neighbourhood goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most records, those asked for among them.
    pub records_max: usize,
    /// Most steps from a record that was asked for.
    pub depth_max: u32,
    /// Take in what belongs to the records that were asked for, and what belongs to that.
    pub with_owned: bool,
    /// Take in what else refers to the records that were asked for, one step.
    pub with_referring: bool,
}

/// Why a record is in a neighbourhood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was asked for.
    Asked,
    /// Another member refers to it.
    Needed {
        /// The member that refers to it.
        by: RecordName,
        /// The reference.
        reference: String,
    },
    /// It belongs to another member.
    Owned {
        /// The owner.
        by: RecordName,
        /// The reference that leads to the owner.
        reference: String,
    },
    /// It refers to a record that was asked for.
    Refers {
        /// The record referred to.
        to: RecordName,
        /// The reference.
        reference: String,
    },
}

/// One record of a neighbourhood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which record.
    pub name: RecordName,
    /// Its canonical bytes.
    pub record: Vec<u8>,
    /// The contents of its large values.
    pub large: Vec<Vec<u8>>,
    /// Why it is in.
    pub reason: Reason,
    /// Steps from a record that was asked for.
    pub depth: u32,
    /// Its references.
    pub references: Vec<Resolved>,
    /// Positions among `references` of those that lead to members which come later: a circle. Without deferred
    /// checks these are to be filled in once all are there.
    pub late: Vec<usize>,
    /// The number of the circle that it is part of, if it is.
    pub circle: Option<u32>,
}

/// Records that belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Neighbourhood {
    /// The members, parents before children.
    pub members: Vec<Member>,
    /// References to records that are not there: referring member and reference.
    pub missing: Vec<(RecordName, Resolved)>,
    /// References that were not followed since a bound was reached: referring member and reference.
    pub cut: Vec<(RecordName, Resolved)>,
    /// Whether more records belong to or refer to members than the bounds let in.
    pub more: bool,
}

/// A neighbourhood that can't be had.
#[derive(Debug, thiserror::Error)]
pub enum NeighbourhoodError<E> {
    /// A record that was asked for is not there.
    #[error("class {} has no such record", .0.class)]
    NotThere(RecordName),
    /// A record does not follow the format.
    #[error(transparent)]
    Malformed(#[from] crate::codec::Malformed),
    /// Records can't be read.
    #[error("records of the neighbourhood can't be read")]
    Read(#[source] E),
}
