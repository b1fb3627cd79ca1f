//! Rows that changed and are not in the base yet.
//!
//! Owns the overlay's form: for each changed key the new value, or that the row is gone. A layer is what goes to the base
//! in one transaction; while it is on its way it is still read, so that nothing is ever seen to go back.

use std::collections::BTreeMap;
use std::collections::btree_map;

/// Changed rows in key order.
#[derive(Debug, Default)]
pub struct Layer {
    rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Layer {
    /// What the layer says of a key: nothing, that the row is gone, or its value.
    pub fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.rows.get(key).map(|value| value.as_deref())
    }

    /// Notes the new value of a row, or that it is gone.
    pub fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.rows.insert(key, value);
    }

    /// Number of rows changed.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All changes in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.rows.iter().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// The changes of keys from `from` on.
    pub(super) fn range(&self, from: &[u8]) -> btree_map::Range<'_, Vec<u8>, Option<Vec<u8>>> {
        self.rows.range::<[u8], _>((std::ops::Bound::Included(from), std::ops::Bound::Unbounded))
    }
}
