//! References as they come out of a record: named, and led to a class as far as a record alone can tell.

use crate::record::ColumnId;

/// What makes a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The source declares it: a foreign key.
    Declared,
    /// A type column and an id column.
    Generic,
    /// A value within a document or an array.
    Embedded,
    /// The name of a column.
    Conventional,
}

/// A record by its class and encoded key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordName {
    /// The class, as the source calls it.
    pub class: String,
    /// The key, as the class's [`KeyPlan`](crate::record::KeyPlan) encodes it.
    pub key: Vec<u8>,
}

/// The values that a target has in some of its columns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// The columns, in the order of the reference.
    pub columns: Vec<ColumnId>,
    /// A record of the target's class that holds these cells and no others: `field_values` reads it, and a `KeyPlan`
    /// makes its key.
    pub cells: Vec<u8>,
}

/// Where a reference leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// To the record with this key.
    Record(RecordName),
    /// To the record that has these values in columns which are not its class's key, but unique.
    Unique {
        /// The class.
        class: String,
        /// The values.
        values: Tuple,
    },
    /// To a class that is not among the schemas: what it names, as far as that is known.
    NoClass {
        /// The class, or the type as the record gives it.
        named: String,
    },
    /// A type without an id, or an id without a type.
    Half,
}

/// One reference of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resolved {
    /// The constraint's name, or what the rule calls it.
    pub name: String,
    /// What makes it a reference.
    pub kind: Kind,
    /// The referring columns.
    pub columns: Vec<ColumnId>,
    /// Whether it leads to the record's owner.
    pub owner: bool,
    /// Where it leads.
    pub target: Target,
}
