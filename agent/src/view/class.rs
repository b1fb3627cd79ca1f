//! One class of a snapshot: its records in key order, and one record by its key.

use std::sync::Arc;

use strongroom_core::blob::BlobLength;
use strongroom_core::digest::IdFunctions;
use strongroom_core::id::{BlobId, RecordDigest};
use strongroom_core::manifest::ClassEntry;
use strongroom_core::record::{Cells, ClassSchema};
use strongroom_core::tree::leaf::{Leaf, LeafContext};
use strongroom_core::tree::params::{PartId, Top, TreeParams, class_root};
use strongroom_core::tree::reader::TreeReader;

use super::{ObjectStore, ViewError};

/// A class opened for reading.
pub struct ClassView<'a, S> {
    store: &'a S,
    ids: &'a IdFunctions,
    entry: &'a ClassEntry,
    schema: &'a ClassSchema,
}

/// A record that was asked for by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRecord {
    /// Its digest.
    pub digest: RecordDigest,
    /// Its canonical bytes.
    pub record: Vec<u8>,
}

impl<'a, S: ObjectStore> ClassView<'a, S>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    pub(super) const fn new(
        store: &'a S,
        ids: &'a IdFunctions,
        entry: &'a ClassEntry,
        schema: &'a ClassSchema,
    ) -> Self {
        Self { store, ids, entry, schema }
    }

    /// What the source calls it.
    pub fn name(&self) -> &'a str {
        &self.entry.name
    }

    /// What the manifest says of it.
    pub const fn entry(&self) -> &'a ClassEntry {
        self.entry
    }

    /// Its schema.
    pub const fn schema(&self) -> &'a ClassSchema {
        self.schema
    }

    /// The parameters of its tree.
    pub const fn params(&self) -> TreeParams {
        TreeParams {
            leaf_records_target: self.entry.leaf_records_target,
            node_children_target: self.entry.node_children_target,
        }
    }

    /// The top of its tree, once it is shown to be that of the class root.
    pub fn top(&self) -> Result<Option<Top>, ViewError> {
        let top = self.entry.top.map(|top| Top { level: top.level, id: PartId(top.id), records: self.entry.records });
        let digest = self.schema.digest(self.ids);
        if !self.params().is_valid() || class_root(self.ids, self.params(), &digest, top) != self.entry.root {
            let what = strongroom_core::codec::Malformed::new("class root");
            return Err(ViewError::damaged(self.name(), what));
        }
        Ok(top)
    }

    /// Where its parts come from.
    pub const fn store(&self) -> &'a S {
        self.store
    }

    /// What makes keys and digests of its records.
    pub fn context(&self) -> LeafContext {
        LeafContext::new(self.ids.clone(), self.schema)
    }

    /// A reader of the class's parts, for one thread.
    pub fn reader(&self) -> TreeReader<'a, S> {
        TreeReader::new(self.store, self.context())
    }

    /// Walks the leaves in key order.
    pub fn for_each_leaf<E: From<ViewError>>(&self, mut visit: impl FnMut(&Leaf) -> Result<(), E>) -> Result<(), E> {
        let top = self.top()?;
        self.reader().for_each_leaf(top, &mut visit).map_err(|error| ViewError::read::<S>(self.name(), error))?
    }

    /// The record with an encoded key.
    pub fn find(&self, reader: &mut TreeReader<'a, S>, key: &[u8]) -> Result<Option<FoundRecord>, ViewError> {
        let found = reader.find(self.top()?, key).map_err(|error| ViewError::read::<S>(self.name(), error))?;
        Ok(found.and_then(|(leaf, at): (Arc<Leaf>, usize)| {
            Some(FoundRecord { digest: leaf.digest(at)?, record: leaf.record(at).to_vec() })
        }))
    }

    /// The contents of a record's large values, in the order of its cells.
    pub fn large_values(&self, record: &[u8]) -> Result<Vec<Vec<u8>>, ViewError> {
        let mut values = Vec::new();
        let mut cells = Cells::new(record);
        while let Some(cell) = cells.next_cell()? {
            if let Some((blob, len)) = cell.blob()? {
                values.push(self.large_value(blob, len)?);
            }
        }
        Ok(values)
    }

    pub(crate) fn large_value(&self, blob: BlobId, len: u64) -> Result<Vec<u8>, ViewError> {
        self.store.blob(self.ids, blob, BlobLength::Exactly(len)).map_err(|error| ViewError::Read {
            what: format!("a large value of {}", self.name()),
            code: S::code(&error),
            source: Box::new(error),
        })
    }
}
