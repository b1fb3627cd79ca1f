//! Rows of a snapshot: by key, by reference, and those that belong to others.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};

use strongroom_core::record::{Cell, ClassSchema, ColumnId, KeyPlan, Reference, put_cell};
use strongroom_core::tree::reader::TreeReader;

use super::ask::{RECORDS_MAX, convert_all, target_columns, too_much};
use super::error::PartialError;
use super::row::{Row, Value, key_columns};
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

    /// The record that a reference leads to, with its key.
    pub(super) fn parent(
        &self,
        from: &ClassSchema,
        from_columns: &[ColumnId],
        name: &str,
        target: &[String],
        values: &[Value],
    ) -> Result<Option<(Vec<u8>, Row)>, PartialError> {
        let Some(class) = self.class(name) else { return Ok(None) };
        let schema = class.schema();
        let columns = target_columns(schema, target);
        if columns.len() != target.len() || columns.len() != values.len() {
            return Ok(None);
        }
        let values = convert_all(values, from, from_columns, schema, &columns);
        let keys = key_columns(schema);
        if keys.len() == columns.len() && keys.iter().all(|key| columns.contains(key)) {
            let Some(plan) = KeyPlan::new(schema) else { return Ok(None) };
            let key = row_of(&columns, &values)?.key(&plan)?;
            return Ok(self.row(name, &key)?.map(|row| (key, row)));
        }
        Self::search(&class, &columns, &values)
    }

    /// The first record that has some values in columns which are no key: the whole class is read for it.
    fn search(
        class: &ClassView<'a, S>,
        columns: &[ColumnId],
        values: &[Value],
    ) -> Result<Option<(Vec<u8>, Row)>, PartialError> {
        let mut found = None;
        let walked = class.for_each_leaf(|leaf| {
            for at in 0..leaf.len() {
                let record = leaf.record(at);
                if holds(record, columns, |these| these == values) {
                    let row = Row::new(record, &class.large_values(record)?)?;
                    found = Some((leaf.key(at).to_vec(), row));
                    return Err(Stop::Found);
                }
            }
            Ok(())
        });
        match walked {
            Err(Stop::Failed(error)) => Err(error),
            _ => Ok(found),
        }
    }

    /// The records that can't be without some others: those whose reference to one of them is never NULL.
    pub(super) fn owned_by(&self, owners: &BTreeMap<String, Vec<Row>>) -> Result<RowsByKey, PartialError> {
        let mut owned = RowsByKey::new();
        for class in self.view.classes().filter(|class| !class.schema().is_keyless()) {
            for reference in &class.schema().references {
                let Some(rows) = owners.get(&reference.class) else { continue };
                let is_required = |id: &ColumnId| class.schema().column(*id).is_some_and(|column| !column.nullable);
                if reference.columns.iter().all(is_required) {
                    self.referring(&class, reference, rows, owned.entry(class.name().to_owned()).or_default())?;
                }
            }
        }
        owned.retain(|_, rows| !rows.is_empty());
        Ok(owned)
    }

    fn referring(
        &self,
        class: &ClassView<'a, S>,
        reference: &Reference,
        owners: &[Row],
        into: &mut BTreeMap<Vec<u8>, Row>,
    ) -> Result<(), PartialError> {
        let Some(parent) = self.schema(&reference.class) else { return Ok(()) };
        let columns = target_columns(parent, &reference.target_columns);
        let values = owners.iter().filter_map(|row| row.values(&columns));
        let wanted: HashSet<Vec<Value>> =
            values.map(|values| convert_all(&values, parent, &columns, class.schema(), &reference.columns)).collect();
        class.for_each_leaf(|leaf| {
            for at in 0..leaf.len() {
                let record = leaf.record(at);
                if holds(record, &reference.columns, |values| wanted.contains(values)) {
                    into.insert(leaf.key(at).to_vec(), Row::new(record, &class.large_values(record)?)?);
                }
            }
            if into.len() > RECORDS_MAX { Err(too_much()) } else { Ok(()) }
        })
    }
}

enum Stop {
    Found,
    Failed(PartialError),
}

impl<E: Into<PartialError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Whether a record has values in some columns that fit. Large values are never part of a reference.
fn holds(record: &[u8], columns: &[ColumnId], fits: impl Fn(&[Value]) -> bool) -> bool {
    let value = |column: &ColumnId| {
        let mut cells = strongroom_core::record::Cells::new(record).filter_map(Result::ok);
        let cell = cells.find(|cell| cell.column >= *column).filter(|cell| cell.column == *column)?;
        Some(Value { kind: cell.kind, bytes: cell.bytes.to_vec() })
    };
    columns.iter().map(value).collect::<Option<Vec<Value>>>().is_some_and(|values| fits(&values))
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
