//! Live targets: databases in use that take single records, behind one trait.
//!
//! A session is one connection with one transaction. What is read in it is locked until it ends, so that what was
//! planned from it is still true when it is written. A session that is dropped has changed nothing. It never waits
//! without bound for a lock, and never decides what is written: that is [`crate::partial`].

use strongroom_core::digest::IdFunctions;
use strongroom_core::record::{ClassSchema, ColumnId};

use crate::partial::row::{Row, Value};
use crate::source::{Finding, RowConsumer, SourceError};

/// A unique key of a table, its primary key among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueKey {
    /// The constraint's or index's name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<ColumnId>,
}

/// When the engine checks a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// With each statement.
    AtOnce,
    /// At the end of the transaction, if it is asked to.
    AtEnd,
    /// Not at all: whoever writes has to.
    Never,
}

/// A foreign key of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveReference {
    /// The constraint's name.
    pub name: String,
    /// The referring columns.
    pub columns: Vec<ColumnId>,
    /// The class referred to.
    pub class: String,
    /// The classes that have its rows, where it is partitioned.
    pub partitions: Vec<String>,
    /// The names of the columns referred to.
    pub target_columns: Vec<String>,
    /// When it is checked.
    pub checked: Checked,
}

/// A foreign key of another table that leads to this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// The referring class.
    pub class: String,
    /// The names of its referring columns.
    pub columns: Vec<String>,
    /// The columns referred to.
    pub target_columns: Vec<ColumnId>,
}

/// When a trigger fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fires {
    /// Unless triggers are silenced.
    Usually,
    /// In any case.
    Always,
    /// Only while the others are silenced: it is meant for replication.
    Silenced,
}

/// A trigger of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveTrigger {
    /// Its name.
    pub name: String,
    /// When it fires.
    pub fires: Fires,
}

/// A class as the target has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveClass {
    /// Its schema, with the column ids of the class that it was described beside.
    pub schema: ClassSchema,
    /// Its unique keys over columns, for all rows.
    pub uniques: Vec<UniqueKey>,
    /// Columns that a new row may leave out although they are never NULL.
    pub defaults: Vec<ColumnId>,
    /// Its foreign keys.
    pub references: Vec<LiveReference>,
    /// Foreign keys that lead to it.
    pub referrers: Vec<Referrer>,
    /// Triggers of users that may fire.
    pub triggers: Vec<LiveTrigger>,
    /// Unique and exclusion constraints that the engine checks by triggers of its own, since it may have to do so late.
    pub late_uniques: Vec<String>,
    /// Why the login may not write it, if so.
    pub unwritable: Option<String>,
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Looking: nothing is locked.
    Look,
    /// Writing: rows that are looked up are locked.
    Write,
}

/// What is done with rows that are looked up in a transaction that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// They may be changed by this transaction, and by no other.
    Change,
    /// They must not go away or change their keys.
    Keep,
    /// Nothing is asked of them.
    Nothing,
}

/// Rows that have one of some values in some columns.
#[derive(Clone, Copy)]
pub struct Lookup<'a> {
    /// The class.
    pub class: &'a LiveClass,
    /// The columns.
    pub columns: &'a [ColumnId],
    /// The values, each as many as there are columns.
    pub values: &'a [Vec<Value>],
    /// What is done with what is found.
    pub hold: Hold,
    /// Rows at most.
    pub rows_max: usize,
}

/// One change of a class.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// New rows, all with the same columns.
    Insert {
        /// The columns that are given; others get what the target gives them.
        columns: &'a [ColumnId],
        /// The rows.
        rows: &'a [&'a Row],
    },
    /// Other values in some columns of one row.
    Update {
        /// The row as it is, for its key.
        row: &'a Row,
        /// The columns.
        columns: &'a [ColumnId],
        /// A row that has their new values.
        to: &'a Row,
    },
    /// Rows that go.
    Delete {
        /// The rows, for their keys.
        rows: &'a [&'a Row],
    },
}

/// By what the engine knows a transaction again.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TransactionMark(pub String);

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It took effect.
    Committed,
    /// It did not, and never will.
    Gone,
    /// It has not ended yet.
    Running,
    /// The engine does not remember.
    Unknown,
}

/// A database that takes single records while others use it.
pub trait LiveTarget: Send + Sync {
    /// Connects. Nothing is locked yet.
    fn connect(&self) -> Result<Box<dyn LiveSession>, SourceError>;

    /// Where it is, without secrets: the same for the same database.
    fn place(&self) -> String;
}

/// One connection to a live target.
pub trait LiveSession {
    /// Begins a transaction. Classes in `whole` are read from end to end: nobody else may write them meanwhile if the
    /// transaction writes.
    fn begin(&mut self, intent: Intent, whole: &[&str]) -> Result<(), SourceError>;

    /// Describes classes, each with the schema beside which its columns are numbered; nothing where there is no such
    /// table.
    fn describe(&mut self, classes: &[(&str, Option<&ClassSchema>)]) -> Result<Vec<Option<LiveClass>>, SourceError>;

    /// Keeps the triggers of users from firing in this transaction, and with them perhaps the engine's own checks.
    /// False where the login may not, or the engine can't.
    fn silence(&mut self) -> Result<bool, SourceError>;

    /// Looks rows up. What the engine takes for equal may come too.
    fn lookup(&mut self, lookup: &Lookup<'_>, ids: &IdFunctions) -> Result<Vec<Row>, SourceError>;

    /// Gives all rows of a class.
    fn scan(&mut self, class: &LiveClass, ids: &IdFunctions, take: &mut RowConsumer<'_>) -> Result<(), SourceError>;

    /// Makes one change.
    fn apply(&mut self, class: &LiveClass, change: &Change<'_>) -> Result<(), SourceError>;

    /// Moves the sequences that number new rows of a class past the values of these rows, and never backwards.
    fn advance(&mut self, class: &LiveClass, rows: &[&Row]) -> Result<Vec<Finding>, SourceError>;

    /// Lets the engine check now what it would check at the end.
    fn check(&mut self) -> Result<(), SourceError>;

    /// By what the transaction is known again, where the engine knows transactions again.
    fn mark(&mut self) -> Result<Option<TransactionMark>, SourceError>;

    /// Makes the transaction take effect. After an error whether it did is not known.
    fn commit(&mut self) -> Result<(), SourceError>;

    /// Ends the transaction without effect.
    fn roll_back(&mut self) -> Result<(), SourceError>;

    /// What became of a transaction of another connection.
    fn fate(&mut self, mark: &TransactionMark) -> Result<Fate, SourceError>;
}
