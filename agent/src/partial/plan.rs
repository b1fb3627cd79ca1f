//! What a partial restore would do, record by record, as data that can be shown before anything is done.

use std::collections::BTreeMap;

use strongroom_core::record::ColumnId;

use super::row::Row;
use crate::live::LiveClass;
use crate::source::Finding;
use crate::view::FieldValue;

/// Why a record is in a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was asked for, by itself or with its class.
    Asked,
    /// A record that was asked for needs it.
    Needed,
    /// It belongs to a record that was asked for.
    Owned,
}

/// What is known of a record's last common state with the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// Nothing.
    Unknown,
    /// The record, or that there was none.
    Known(Option<Row>),
}

/// One record in its three states.
#[derive(Clone, Debug)]
pub struct Triple {
    /// The position of its class.
    pub class: usize,
    /// Its encoded key.
    pub key: Vec<u8>,
    /// Its key as people write it.
    pub key_text: String,
    /// Why it is in.
    pub origin: Origin,
    /// As it should be; nothing if it should not be there.
    pub wanted: Option<Row>,
    /// As it last was on both sides.
    pub base: Base,
    /// As the target has it.
    pub live: Option<Row>,
}

/// A class of a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedClass {
    /// As the target has it.
    pub live: LiveClass,
    /// Columns that both sides have: those that are compared and written.
    pub common: Vec<ColumnId>,
    /// Whether all of it was asked for.
    pub is_whole: bool,
}

/// What is done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// The target lacks it: it is made.
    Create,
    /// The target has it otherwise: what differs is put back.
    Overwrite,
    /// The target has it and should not: it goes.
    Delete,
    /// Nothing: it is as it should be.
    Unchanged,
    /// Nothing: the target has it otherwise, and only what is missing was asked for.
    Kept,
    /// Nothing: it has conflicts, and such records are to be left as they are.
    Skipped,
}

impl Action {
    /// Whether something is written.
    pub const fn is_change(self) -> bool {
        matches!(self, Self::Create | Self::Overwrite | Self::Delete)
    }

    /// The word for documents.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Overwrite => "overwrite",
            Self::Delete => "delete",
            Self::Unchanged => "unchanged",
            Self::Kept => "kept",
            Self::Skipped => "skipped",
        }
    }
}

/// One field in its three states.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldStates {
    /// The column.
    pub name: String,
    /// As it should be.
    pub wanted: FieldValue,
    /// As it last was on both sides, if that is known.
    pub base: Option<FieldValue>,
    /// As the target has it.
    pub live: FieldValue,
}

/// Why a record can't simply be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The target's record is in no snapshot: overwriting it loses something but for the safety copy.
    Changed,
    /// The record that should go back to an earlier state is not there any more.
    Gone,
    /// Another record has a value that is unique.
    Taken {
        /// The unique key.
        constraint: String,
        /// Its columns.
        columns: Vec<String>,
        /// The key of the record that has it.
        owner: String,
    },
    /// What the record refers to is not there.
    MissingParent {
        /// The reference.
        reference: String,
        /// The class referred to.
        class: String,
        /// The values that lead there.
        values: String,
        /// Whether the snapshot has it.
        in_snapshot: bool,
    },
    /// What the record refers to is not there, and no engine would notice.
    Dangling {
        /// The reference.
        reference: String,
        /// The class referred to.
        class: String,
        /// The key of the record that is not there.
        key: String,
    },
    /// Another record refers to what would go.
    Referred {
        /// The class of the referring record.
        class: String,
        /// Its key.
        key: String,
    },
    /// A type's number means another type in the target.
    OtherType {
        /// The reference.
        reference: String,
        /// What it means in the snapshot.
        snapshot: String,
        /// What it means in the target.
        target: String,
    },
    /// The target lacks a column that has a value.
    NoColumn {
        /// The column.
        column: String,
    },
    /// The target has a column that a new record can't do without.
    NoDefault {
        /// The column.
        column: String,
    },
    /// Records refer to each other, and none of them can be written first.
    Circle {
        /// The other records of the circle.
        with: Vec<String>,
    },
}

impl Conflict {
    /// Whether the record can't be written whatever is consented to.
    pub const fn is_blocking(&self) -> bool {
        !matches!(self, Self::Changed | Self::Gone | Self::Dangling { .. })
    }

    /// The word for documents.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Gone => "gone",
            Self::Taken { .. } => "unique_taken",
            Self::MissingParent { .. } => "missing_parent",
            Self::Dangling { .. } => "dangling",
            Self::Referred { .. } => "referred",
            Self::OtherType { .. } => "type_differs",
            Self::NoColumn { .. } => "no_column",
            Self::NoDefault { .. } => "no_default",
            Self::Circle { .. } => "circle",
        }
    }

    /// The conflict in a sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::Changed => "it was changed since, and no snapshot has it as it is now".to_owned(),
            Self::Gone => "it was deleted since".to_owned(),
            Self::Taken { constraint, columns, owner } => {
                format!("its value of {} ({constraint}) belongs to the record {owner}", columns.join(", "))
            }
            Self::MissingParent { reference, class, values, in_snapshot } => {
                let advice =
                    if *in_snapshot { "; --with-references brings it along" } else { ", nor has the snapshot it" };
                format!("it refers to {class}:{values} ({reference}), which is not there{advice}")
            }
            Self::Dangling { reference, class, key } => {
                format!(
                    "it refers to {class}:{key} ({reference}), which is not there; --with-references brings it along"
                )
            }
            Self::Referred { class, key } => format!("{class}:{key} refers to it"),
            Self::OtherType { reference, snapshot, target } => {
                format!("{reference} means {snapshot} in the snapshot and {target} in the target")
            }
            Self::NoColumn { column } => format!("the target has no column {column}"),
            Self::NoDefault { column } => {
                format!("the target's column {column} needs a value, which the snapshot does not have")
            }
            Self::Circle { with } => format!("it and {} refer to each other, and none can come first", with.join(", ")),
        }
    }
}

/// What is done where records have conflicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// Nothing is restored.
    Stop,
    /// The record is left as it is.
    Skip,
    /// The record is written all the same.
    Overwrite,
}

/// What a restore may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// With records that were changed since.
    pub changed: OnConflict,
    /// With records that can't be written: stop or skip.
    pub blocked: OnConflict,
    /// Whether a record that the target lacks may be made although both sides had it: what restores are for.
    pub remake: bool,
    /// Whether records that others need are put back where the target has them otherwise.
    pub overwrite_needed: bool,
}

/// One record of a plan.
#[derive(Clone, Debug)]
pub struct PlannedRecord {
    /// The record in its three states.
    pub triple: Triple,
    /// What is done with it.
    pub action: Action,
    /// What speaks against it.
    pub conflicts: Vec<Conflict>,
}

/// One step of writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sets references of a record to NULL, ahead of what else is done with it, so that what they lead to can go.
    Loosen {
        /// Its position.
        record: usize,
        /// The referring columns.
        columns: Vec<ColumnId>,
    },
    /// Writes a record, all but the columns that come later.
    Write {
        /// Its position.
        record: usize,
        /// Columns that stay NULL until what they refer to is there.
        late: Vec<ColumnId>,
    },
    /// Fills in what was left NULL.
    Fill {
        /// Its position.
        record: usize,
        /// The columns.
        columns: Vec<ColumnId>,
    },
    /// Deletes a record.
    Delete {
        /// Its position.
        record: usize,
    },
}

/// What a partial restore would do.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The classes.
    pub classes: Vec<PlannedClass>,
    /// The records that differ, have conflicts, or were named.
    pub records: Vec<PlannedRecord>,
    /// The steps, in the order of writing.
    pub steps: Vec<Step>,
    /// Records of whole classes that are as they should be, by the class's number.
    pub unchanged: BTreeMap<usize, u64>,
    /// Records of whole classes that the snapshot lacks and that are left.
    pub extra: u64,
    /// References of written records that lead nowhere in the snapshot either.
    pub references_broken: u64,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// Why nothing can be done at all.
    pub refusals: Vec<String>,
    /// Whether conflicts stop it.
    pub is_stopped: bool,
}

impl Plan {
    /// How many records have this action.
    pub fn count(&self, action: Action) -> u64 {
        self.records.iter().filter(|record| record.action == action).count() as u64
    }

    /// Whether it can be carried out.
    pub fn is_possible(&self) -> bool {
        self.refusals.is_empty() && !self.is_stopped
    }

    /// Whether something that is there would be overwritten or deleted.
    pub fn is_destructive(&self) -> bool {
        self.count(Action::Overwrite) + self.count(Action::Delete) > 0
    }

    /// Whether records would be written that refer to what is not there.
    pub fn leaves_dangling(&self) -> bool {
        let dangles = |conflict: &Conflict| matches!(conflict, Conflict::Dangling { .. });
        self.records.iter().any(|record| record.action.is_change() && record.conflicts.iter().any(dangles))
    }

    /// Whether carrying it out would do the same as carrying out the other.
    pub fn is_same(&self, other: &Self) -> bool {
        let same = |(one, two): (&PlannedRecord, &PlannedRecord)| {
            (one.action, one.triple.class, &one.triple.key) == (two.action, two.triple.class, &two.triple.key)
                && one.triple.live == two.triple.live
                && one.triple.wanted == two.triple.wanted
                && one.conflicts == two.conflicts
        };
        self.classes == other.classes
            && self.steps == other.steps
            && self.refusals == other.refusals
            && self.records.len() == other.records.len()
            && self.records.iter().zip(&other.records).all(same)
    }

    /// The class of a record.
    pub fn class_of(&self, triple: &Triple) -> Option<&PlannedClass> {
        self.classes.get(triple.class)
    }

    /// A record as people name it.
    pub fn name_of(&self, triple: &Triple) -> String {
        let class = self.class_of(triple).map_or("", |class| class.live.schema.name.as_str());
        format!("{class}:{}", triple.key_text)
    }

    /// The fields in which a record's target differs from what it should be, or from what it last was.
    pub fn fields(&self, triple: &Triple) -> Vec<FieldStates> {
        let Some(class) = self.class_of(triple) else { return Vec::new() };
        let (Some(wanted), Some(live)) = (&triple.wanted, &triple.live) else { return Vec::new() };
        let schema = &class.live.schema;
        let base = match &triple.base {
            Base::Known(Some(base)) => Some(base),
            _ => None,
        };
        let mut columns = wanted.differing(live, &class.common);
        let since = base.map(|base| base.differing(live, &class.common)).unwrap_or_default();
        columns.extend(since.into_iter().filter(|column| !columns.contains(column)).collect::<Vec<_>>());
        let states = |column: &ColumnId| FieldStates {
            name: schema.column(*column).map(|column| column.name.clone()).unwrap_or_default(),
            wanted: wanted.shown(schema, *column),
            base: base.map(|base| base.shown(schema, *column)),
            live: live.shown(schema, *column),
        };
        columns.iter().map(states).collect()
    }
}
