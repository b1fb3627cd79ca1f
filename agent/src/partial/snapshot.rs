//! Rows of a snapshot: by key, by what leads to them, and by what they hold.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};

use strongroom_core::graph::{RecordName, Target, Tuple};
use strongroom_core::record::{Cell, Cells, ClassSchema, ColumnId, KeyPlan, put_cell};
use strongroom_core::tree::reader::TreeReader;

use super::ask::{RECORDS_MAX, ROW_BYTES_MAX, too_much};
use super::columns::{convert_all, target_columns};
use super::error::PartialError;
use super::row::{Row, Value, key_columns};
use crate::live::LiveReference;
use crate::view::{ClassView, ObjectStore, SnapshotView};

/// The rows of a snapshot, with readers that remember what they read.
pub(super) struct SnapshotRows<'a, S: ObjectStore>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    pub(super) view: &'a SnapshotView<'a, S>,
    readers: RefCell<BTreeMap<String, TreeReader<'a, S>>>,
}

/// Rows by class and key.
pub(super) type RowsByKey = BTreeMap<String, BTreeMap<Vec<u8>, Row>>;

/// Values that are looked for, by class and columns.
pub(super) type WantedByClass = BTreeMap<String, BTreeMap<Vec<ColumnId>, HashSet<Vec<Value>>>>;

/// The records that some targets turned out to be.
pub(super) type Found = HashMap<Target, (RecordName, Row)>;

impl<'a, S: ObjectStore> SnapshotRows<'a, S>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    pub(super) fn new(view: &'a SnapshotView<'a, S>) -> Self {
        Self { view, readers: RefCell::default() }
    }

    pub(super) fn class(&self, name: &str) -> Option<ClassView<'a, S>> {
        self.view.classes().find(|class| class.name() == name)
    }

    pub(super) fn schema(&self, name: &str) -> Option<&'a ClassSchema> {
        self.class(name).map(|class| class.schema())
    }

    /// The row with a key.
    pub(super) fn row(&self, name: &str, key: &[u8]) -> Result<Option<Row>, PartialError> {
        let Some(class) = self.class(name) else { return Ok(None) };
        let mut readers = self.readers.borrow_mut();
        let reader = readers.entry(name.to_owned()).or_insert_with(|| class.reader());
        let found = class.find(reader, key)?;
        found.map(|found| Ok(Row::new(&found.record, &class.large_values(&found.record)?)?)).transpose()
    }

    /// Where a reference of the target would lead in the snapshot; nothing if that lacks the class or a column.
    pub(super) fn target_of(
        &self,
        from: &ClassSchema,
        reference: &LiveReference,
        values: &[Value],
    ) -> Result<Option<Target>, PartialError> {
        let Some(schema) = self.schema(&reference.class) else { return Ok(None) };
        let columns = target_columns(schema, &reference.target_columns);
        if columns.len() != reference.target_columns.len() || columns.len() != values.len() {
            return Ok(None);
        }
        let values = convert_all(values, from, &reference.columns, schema, &columns);
        let row = row_of(&columns, &values)?;
        let (class, keys) = (reference.class.clone(), key_columns(schema));
        let is_key = keys.len() == columns.len() && keys.iter().all(|key| columns.contains(key));
        Ok(Some(match KeyPlan::new(schema).filter(|_| is_key) {
            Some(plan) => Target::Record(RecordName { class, key: row.key(&plan)? }),
            None => Target::Unique { class, values: Tuple { columns, cells: row.as_bytes().to_vec() } },
        }))
    }

    /// The records that some references lead to. A class whose records are not named by their keys is read once.
    pub(super) fn targets(&self, wanted: &HashSet<Target>) -> Result<Found, PartialError> {
        let mut found = Found::new();
        let mut by_values: HashMap<(&str, &[ColumnId], Vec<Value>), &Target> = HashMap::new();
        let mut searched = WantedByClass::new();
        for target in wanted {
            match target {
                Target::Record(name) => {
                    if let Some(row) = self.row(&name.class, &name.key)? {
                        found.insert(target.clone(), (name.clone(), row));
                    }
                }
                Target::Unique { class, values: tuple } => {
                    let Some(values) = Row::from_bytes(&tuple.cells)?.values(&tuple.columns) else { continue };
                    let of_class = searched.entry(class.clone()).or_default();
                    of_class.entry(tuple.columns.clone()).or_default().insert(values.clone());
                    by_values.insert((class, &tuple.columns, values), target);
                }
                Target::NoClass { .. } | Target::Half => {}
            }
        }
        for (class, rows) in self.holding(&searched)? {
            let Some(columns) = searched.get(&class).map(|columns| columns.keys()) else { continue };
            for columns in columns {
                for (key, row) in &rows {
                    let Some(values) = row.values(columns) else { continue };
                    if let Some(target) = by_values.get(&(class.as_str(), columns.as_slice(), values)) {
                        let name = RecordName { class: class.clone(), key: key.clone() };
                        found.entry((*target).clone()).or_insert((name, row.clone()));
                    }
                }
            }
        }
        Ok(found)
    }

    /// The records that hold one of some values in some columns, class by class: each class is read once.
    pub(super) fn holding(&self, wanted: &WantedByClass) -> Result<RowsByKey, PartialError> {
        let mut found = RowsByKey::new();
        let mut bytes = 0;
        for (name, wanted) in wanted {
            let Some(class) = self.class(name).filter(|class| !class.schema().is_keyless()) else { continue };
            let mut rows = BTreeMap::new();
            class.for_each_leaf(|leaf| {
                for at in 0..leaf.len() {
                    let record = leaf.record(at);
                    let is_wanted = |(columns, values): (&Vec<ColumnId>, &HashSet<Vec<Value>>)| {
                        values_of(record, columns).is_some_and(|these| values.contains(&these))
                    };
                    if wanted.iter().any(is_wanted) {
                        let row = Row::new(record, &class.large_values(record)?)?;
                        bytes += row.as_bytes().len();
                        rows.insert(leaf.key(at).to_vec(), row);
                    }
                }
                if rows.len() > RECORDS_MAX || bytes > ROW_BYTES_MAX { Err(too_much()) } else { Ok(()) }
            })?;
            found.insert(name.clone(), rows);
        }
        Ok(found)
    }
}

/// The values of a record in some columns; nothing if one of them is NULL. Large values are never part of a reference.
fn values_of(record: &[u8], columns: &[ColumnId]) -> Option<Vec<Value>> {
    let value = |column: &ColumnId| {
        let mut cells = Cells::new(record).filter_map(Result::ok);
        let cell = cells.find(|cell| cell.column >= *column).filter(|cell| cell.column == *column)?;
        Some(Value { kind: cell.kind, bytes: cell.bytes.to_vec() })
    };
    columns.iter().map(value).collect()
}

/// A row that has these values and no others.
fn row_of(columns: &[ColumnId], values: &[Value]) -> Result<Row, PartialError> {
    let mut cells: Vec<(&ColumnId, &Value)> = columns.iter().zip(values).collect();
    cells.sort_by_key(|(column, _)| **column);
    let mut out = Vec::new();
    let mut previous = ColumnId(0);
    for (column, value) in cells {
        put_cell(&mut out, previous, Cell { column: *column, kind: value.kind, bytes: &value.bytes });
        previous = *column;
    }
    Ok(Row::from_bytes(&out)?)
}
