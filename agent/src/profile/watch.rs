//! What a profile wants to know of a class's rows, gathered while they are captured: the newest change, the versions
//! that they tell, and the values that describe integrations.
//!
//! Each part gathers for itself and adds what it has at its end, so lanes do not wait for each other. Gathering the same
//! rows twice changes nothing. Everything is bounded: of values there are kept the first in their order, and it is said
//! that there were more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use strongroom_core::record::{Cell, Cells, ClassSchema, Codec, ColumnId};
use strongroom_core::time::WallTime;

use crate::source::RowTap;
use crate::view::{FieldValue, cell_value};

/// Different values that are recorded of one integration.
const VALUES_MAX: usize = 100;

/// Names whose versions are recorded: apps of one installation.
const VERSIONS_MAX: usize = 2_000;

/// Characters of one value that are recorded.
const CHARS_MAX: usize = 300;

/// One row of values; NULL is nothing.
pub(super) type Values = Vec<Option<String>>;

/// Columns of a class with their codecs.
#[derive(Clone, Debug, Default)]
struct Columns(Vec<(ColumnId, Codec)>);

impl Columns {
    fn new<'a>(schema: &ClassSchema, names: impl IntoIterator<Item = &'a str>) -> Self {
        let columns = names.into_iter().filter_map(|name| schema.column_named(name));
        Self(columns.map(|column| (column.id, column.codec)).collect())
    }
}

/// What is wanted of the rows of one class.
#[derive(Debug, Default)]
pub(super) struct Watch {
    updated: Option<(ColumnId, Codec)>,
    lists: Vec<Columns>,
    versions: Option<Columns>,
    last: u32,
    seen: Mutex<Seen>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The newest change.
    pub(super) newest: Option<WallTime>,
    /// Rows whose time of change could not be read.
    pub(super) unread: u64,
    /// For each list, its different values.
    pub(super) lists: Vec<(BTreeSet<Values>, bool)>,
    /// Versions by name, each with what orders it.
    pub(super) versions: BTreeMap<String, (Order, String)>,
}

/// What orders the records of one name: a number, or a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    Number(i64),
    Text(String),
}

impl Watch {
    /// Watches the time of the last change.
    pub(super) fn updated(&mut self, schema: &ClassSchema, column: &str) {
        self.updated = schema.column_named(column).map(|column| (column.id, column.codec));
        self.reach(self.updated.iter().map(|(id, _)| *id).collect());
    }

    /// Watches the different values of columns, all of which the class has; gives the number of the list.
    pub(super) fn list(&mut self, schema: &ClassSchema, columns: &[String]) -> usize {
        let columns = Columns::new(schema, columns.iter().map(String::as_str));
        self.reach(columns.0.iter().map(|(id, _)| *id).collect());
        self.lists.push(columns);
        self.lists.len() - 1
    }

    /// Watches the versions that rows tell by the columns of name, version and order.
    pub(super) fn versions(&mut self, schema: &ClassSchema, columns: [&str; 3]) {
        let columns = Columns::new(schema, columns);
        if columns.0.len() == 3 {
            self.reach(columns.0.iter().map(|(id, _)| *id).collect());
            self.versions = Some(columns);
        }
    }

    fn reach(&mut self, columns: Vec<ColumnId>) {
        self.last = columns.into_iter().map(|id| id.0).max().unwrap_or_default().max(self.last);
    }

    /// Whether there is nothing to watch.
    pub(super) const fn is_idle(&self) -> bool {
        self.last == 0
    }

    /// What was found so far.
    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A look at one part.
    pub(super) fn part(&self) -> Box<dyn RowTap + '_> {
        let lists = vec![(BTreeSet::new(), false); self.lists.len()];
        Box::new(Part { watch: self, seen: Seen { lists, ..Seen::default() } })
    }
}

impl Seen {
    fn merge(&mut self, other: Self) {
        self.newest = self.newest.max(other.newest);
        self.unread += other.unread;
        self.lists.resize_with(self.lists.len().max(other.lists.len()), Default::default);
        for ((values, is_cut), (more, is_more_cut)) in self.lists.iter_mut().zip(other.lists) {
            *is_cut |= is_more_cut;
            for value in more {
                *is_cut |= insert_bounded(values, value);
            }
        }
        for (name, version) in other.versions {
            self.take_version(name, version);
        }
    }

    fn take_version(&mut self, name: String, version: (Order, String)) {
        let is_newer = self.versions.get(&name).map(|known| known.0 < version.0);
        if is_newer.unwrap_or(self.versions.len() < VERSIONS_MAX) {
            self.versions.insert(name, version);
        }
    }
}

/// Adds a value; says whether one had to go for it, or was not taken.
fn insert_bounded(values: &mut BTreeSet<Values>, value: Values) -> bool {
    values.insert(value);
    values.len() > VALUES_MAX && values.pop_last().is_some()
}

struct Part<'a> {
    watch: &'a Watch,
    seen: Seen,
}

impl RowTap for Part<'_> {
    fn see(&mut self, record: &[u8]) {
        let wants_cells = !self.watch.lists.is_empty() || self.watch.versions.is_some();
        let mut cells: Vec<Cell<'_>> = Vec::new();
        // A record is what the encoder has just made: a cell that can't be read is not there.
        for cell in Cells::new(record).map_while(Result::ok).take_while(|cell| cell.column.0 <= self.watch.last) {
            if let Some((_, codec)) = self.watch.updated.filter(|(id, _)| *id == cell.column) {
                match cell.wall_time(codec) {
                    Some(time) => self.seen.newest = self.seen.newest.max(Some(time)),
                    None => self.seen.unread += 1,
                }
            }
            if wants_cells {
                cells.push(cell);
            }
        }
        if !wants_cells {
            return;
        }
        for (columns, (values, is_cut)) in self.watch.lists.iter().zip(&mut self.seen.lists) {
            let row = columns.0.iter().map(|column| text(&cells, *column)).collect();
            *is_cut |= insert_bounded(values, row);
        }
        if let Some([name, version, order]) = self.watch.versions.as_ref().map(|columns| columns.0.as_slice()) {
            let found = (text(&cells, *name), text(&cells, *version), text(&cells, *order));
            if let (Some(name), Some(version), Some(order)) = found {
                let order = order.parse().map_or(Order::Text(order), Order::Number);
                self.seen.take_version(name, (order, version));
            }
        }
    }

    fn end(self: Box<Self>) {
        self.watch.seen.lock().unwrap_or_else(PoisonError::into_inner).merge(self.seen);
    }
}

/// A value for people; NULL is nothing, and what is not in the record is only named.
fn text(cells: &[Cell<'_>], (column, codec): (ColumnId, Codec)) -> Option<String> {
    let cell = cells.iter().find(|cell| cell.column == column)?;
    if matches!(cell.blob(), Ok(Some(_))) {
        return Some("(long)".to_owned());
    }
    let text = match cell_value(codec, cell).ok()? {
        FieldValue::Null => return None,
        FieldValue::Text(text) => text,
        other => match other.to_json() {
            serde_json::Value::String(text) => text,
            value => value.to_string(),
        },
    };
    Some(if text.chars().count() > CHARS_MAX { text.chars().take(CHARS_MAX).chain(['…']).collect() } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use strongroom_core::digest::{IdFunctions, IdKey, Profile};
    use strongroom_core::record::{Column, KeySpec, RecordEncoder};

    fn schema() -> ClassSchema {
        let column = |(id, (name, codec)): (u32, (&str, Codec))| Column {
            id: ColumnId(id),
            name: name.to_owned(),
            source_type: String::new(),
            codec,
            nullable: true,
            source_ordinal: id,
        };
        let columns = [("id", Codec::Integer), ("app", Codec::Text), ("name", Codec::Text), ("at", Codec::Timestamp)];
        ClassSchema {
            name: "migrations".into(),
            columns: (1..).zip(columns).map(column).collect(),
            key: KeySpec::Columns(vec![ColumnId(1)]),
            references: Vec::new(),
            dropped_id_max: 0,
        }
    }

    fn look(watch: &Watch, rows: &[[Option<&str>; 4]]) {
        let ids = IdFunctions::new(Profile::Blake3, &IdKey::from_bytes([1; 32]));
        let mut encoder = RecordEncoder::new(ids, &schema());
        let mut part = watch.part();
        for row in rows {
            encoder.begin();
            for (at, value) in row.iter().enumerate() {
                if let Some(value) = value {
                    encoder.text(at, value.as_bytes());
                }
            }
            part.see(encoder.finish().unwrap().record);
        }
        part.end();
    }

    #[test]
    fn the_last_record_of_a_name_tells_its_version_in_whatever_order_parts_come() {
        let mut watch = Watch::default();
        watch.versions(&schema(), ["app", "name", "id"]);
        watch.updated(&schema(), "at");
        look(&watch, &[[Some("10"), Some("dcim"), Some("0010_b"), Some("2024-01-02 00:00:00")]]);
        let older = [Some("9"), Some("dcim"), Some("0011_a"), Some("2024-01-01 00:00:00")];
        look(&watch, &[older, [Some("2"), Some("ipam"), Some("0001"), None], [Some("3"), None, Some("x"), None]]);
        let seen = watch.seen();
        let versions: Vec<_> = seen.versions.iter().map(|(app, (_, name))| (app.as_str(), name.as_str())).collect();
        assert_eq!(versions, [("dcim", "0010_b"), ("ipam", "0001")]);
        assert_eq!(seen.newest.unwrap().to_rfc3339(), "2024-01-02T00:00:00.000000+00:00");
    }

    #[test]
    fn values_are_listed_once_in_order_and_no_more_than_there_is_room_for() {
        let mut watch = Watch::default();
        let list = watch.list(&schema(), &["app".to_owned(), "name".to_owned()]);
        look(&watch, &[[Some("1"), Some("b"), None, None], [Some("2"), Some("b"), None, None]]);
        look(&watch, &[[Some("3"), Some("a"), Some("x"), None]]);
        let some = |text: &str| Some(text.to_owned());
        let expected = BTreeSet::from([vec![some("a"), some("x")], vec![some("b"), None]]);
        assert_eq!(watch.seen().lists[list], (expected, false));
        let many: Vec<String> = (0..VALUES_MAX).map(|number| format!("c{number}")).collect();
        let rows: Vec<_> = many.iter().map(|name| [Some("1"), Some(name.as_str()), None, None]).collect();
        look(&watch, &rows);
        let (values, is_cut) = &watch.seen().lists[list];
        assert_eq!((values.len(), *is_cut), (VALUES_MAX, true));
    }
}
