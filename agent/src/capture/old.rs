//! The old tree's records in key order, as the index tells them.

use std::cell::Cell;
use std::rc::Rc;

use strongroom_core::id::RecordDigest;

use super::known::Known;
use crate::cache::{IndexError, LeafEntry, NodeEntry};

/// A node of the old tree: its level, its first key and what the index holds of it.
pub(super) type OldNode = (u8, Vec<u8>, NodeEntry);

/// A leaf of the old tree.
pub(super) struct OldLeaf {
    pub entry: LeafEntry,
    /// Whether the index was told that the leaf is gone or replaced.
    pub retired: Cell<bool>,
    /// How many of its records go on.
    pub survivors: Cell<u32>,
}

/// The old tree's records in key order.
pub(super) struct OldRecords<'a> {
    leaves: Box<dyn Iterator<Item = Result<LeafEntry, IndexError>> + 'a>,
    known: Option<&'a Known>,
    leaf: Option<Rc<OldLeaf>>,
    at: usize,
    position: u64,
}

impl<'a> OldRecords<'a> {
    pub(super) fn new(
        leaves: Box<dyn Iterator<Item = Result<LeafEntry, IndexError>> + 'a>,
        known: Option<&'a Known>,
    ) -> Self {
        Self { leaves, known, leaf: None, at: 0, position: 0 }
    }

    /// Makes the next record current; `left` gets each leaf that was passed.
    pub(super) fn settle(
        &mut self,
        left: &mut impl FnMut(Rc<OldLeaf>) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        while self.leaf.as_ref().is_none_or(|leaf| self.at >= leaf.entry.digests.len()) {
            if let Some(leaf) = self.leaf.take() {
                left(leaf)?;
            }
            let Some(entry) = self.leaves.next().transpose()? else { return Ok(()) };
            self.leaf = Some(Rc::new(OldLeaf { entry, retired: Cell::new(false), survivors: Cell::new(0) }));
            self.at = 0;
        }
        Ok(())
    }

    /// The current record: its leaf, its key and its digest.
    pub(super) fn current(&self) -> Option<(&Rc<OldLeaf>, &[u8], RecordDigest)> {
        let leaf = self.leaf.as_ref()?;
        Some((leaf, leaf.entry.keys.get(self.at), *leaf.entry.digests.get(self.at)?))
    }

    /// The current record's position in its leaf.
    pub(super) fn leaf_position(&self) -> u32 {
        u32::try_from(self.at).unwrap_or(u32::MAX)
    }

    /// Whether a lane saw a row that is the current record.
    pub(super) fn is_seen(&self) -> bool {
        self.known.is_some_and(|known| known.is_seen(self.position))
    }

    /// Leaves the current record behind.
    pub(super) fn advance(&mut self) {
        self.at += 1;
        self.position += 1;
    }
}
