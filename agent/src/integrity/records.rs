//! The records of a snapshot, as a neighbourhood asks for them.
//!
//! A record by its key costs a descent of its tree. What refers to a record is found by reading its class, since a
//! snapshot has no indexes beside its keys.

use std::collections::BTreeMap;

use strongroom_core::graph::{RecordContent, RecordName, Records, Tuple};
use strongroom_core::record::{Cell, Cells};
use strongroom_core::tree::reader::TreeReader;

use crate::view::{ClassView, ObjectStore, SnapshotView, ViewError};

/// The records of a snapshot.
pub struct SnapshotRecords<'v, 'a, S: ObjectStore>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    view: &'v SnapshotView<'a, S>,
    readers: BTreeMap<String, TreeReader<'v, S>>,
}

impl<'v, 'a, S: ObjectStore> SnapshotRecords<'v, 'a, S>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    /// The records of a snapshot; nothing is read yet.
    pub const fn new(view: &'v SnapshotView<'a, S>) -> Self {
        Self { view, readers: BTreeMap::new() }
    }

    fn class(&self, name: &str) -> Option<ClassView<'v, S>> {
        self.view.classes().find(|class| class.name() == name)
    }

    /// The keys of records that hold these cells, at most so many.
    fn holding(&self, class: &str, values: &Tuple, at_most: usize) -> Result<Vec<Vec<u8>>, ViewError> {
        let mut keys = Vec::new();
        let Some(class) = self.class(class) else { return Ok(keys) };
        let wanted: Vec<Cell<'_>> = Cells::new(&values.cells).collect::<Result<_, _>>()?;
        class.for_each_leaf(|leaf| {
            for at in 0..leaf.len() {
                if keys.len() < at_most && has_cells(leaf.record(at), &wanted)? {
                    keys.push(leaf.key(at).to_vec());
                }
            }
            Ok::<(), ViewError>(())
        })?;
        Ok(keys)
    }
}

/// Whether a record holds all of some cells, both by ascending columns.
fn has_cells(record: &[u8], wanted: &[Cell<'_>]) -> Result<bool, ViewError> {
    let mut left = wanted.iter();
    let mut next = left.next();
    let mut cells = Cells::new(record);
    while let Some(wanted) = next
        && let Some(cell) = cells.next_cell()?
    {
        if cell.column > wanted.column {
            return Ok(false);
        }
        if cell.column == wanted.column {
            if cell != *wanted {
                return Ok(false);
            }
            next = left.next();
        }
    }
    Ok(next.is_none())
}

impl<S: ObjectStore> Records for SnapshotRecords<'_, '_, S>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    type Error = ViewError;

    fn record(&mut self, name: &RecordName) -> Result<Option<RecordContent>, ViewError> {
        let Some(class) = self.class(&name.class) else { return Ok(None) };
        let reader = self.readers.entry(name.class.clone()).or_insert_with(|| class.reader());
        let Some(found) = class.find(reader, &name.key)? else { return Ok(None) };
        let large = class.large_values(&found.record)?;
        Ok(Some((found.record, large)))
    }

    fn unique(&mut self, class: &str, values: &Tuple) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.holding(class, values, 1)?.pop())
    }

    fn referring(&mut self, class: &str, values: &Tuple, at_most: usize) -> Result<Vec<Vec<u8>>, ViewError> {
        self.holding(class, values, at_most)
    }
}
