//! The merge: the old tree's keys and the new rows, in key order, as one stream of records of the new tree.
//!
//! Owns the rule of what became of each record: kept (seen by the table, or found equal here), changed, added or
//! removed. In a keyless class equal records are told apart by ordinals alone, so ordinals are given anew.

use std::cell::Cell;
use std::cmp::Ordering;
use std::rc::Rc;

use strongroom_core::id::RecordDigest;
use strongroom_core::record::keyless_key;

use super::known::Known;
use super::sorter::{Merged, Row};
use super::spill::SpillError;
use crate::cache::{IndexError, LeafEntry};

/// A leaf of the old tree.
pub(super) struct OldLeaf {
    pub entry: LeafEntry,
    /// Whether the index was told that the leaf is gone or replaced.
    pub retired: Cell<bool>,
    /// How many of its records go on.
    pub survivors: Cell<u32>,
}

/// Where a record of the new tree comes from.
#[derive(Clone)]
pub(super) enum Origin {
    /// As it was, at a position of an old leaf.
    Kept(Rc<OldLeaf>, u32),
    /// Its key was there, with another content.
    Changed(Rc<OldLeaf>, u32),
    /// Its key is new.
    Added,
}

/// What became of the records, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records of the new tree.
    pub records: u64,
    /// Keys that are new.
    pub added: u64,
    /// Keys that are gone.
    pub removed: u64,
    /// Keys with another content.
    pub changed: u64,
}

/// A merge that failed.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The rows can't be read back.
    #[error(transparent)]
    Spill(#[from] SpillError),
    /// The index can't be read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Two rows of one cut have the same key.
    #[error("two rows have the same key")]
    DuplicateKey,
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
    fn settle(&mut self, left: &mut impl FnMut(Rc<OldLeaf>) -> Result<(), IndexError>) -> Result<(), IndexError> {
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

    fn current(&self) -> Option<(&Rc<OldLeaf>, &[u8], RecordDigest)> {
        let leaf = self.leaf.as_ref()?;
        Some((leaf, leaf.entry.keys.get(self.at), *leaf.entry.digests.get(self.at)?))
    }

    fn is_seen(&self) -> bool {
        self.known.is_some_and(|known| known.is_seen(self.position))
    }

    fn advance(&mut self) {
        self.at += 1;
        self.position += 1;
    }
}

/// One record of the new tree.
pub(super) struct MergedRecord<'a> {
    pub key: &'a [u8],
    pub digest: RecordDigest,
    pub origin: Origin,
    /// The row, unless the record is as it was.
    pub row: Option<Row<'a>>,
}

/// Runs the merge: `emit` gets each record of the new tree in key order, `left` each old leaf once it is passed.
pub(super) fn merge<E: From<MergeError>>(
    mut old: OldRecords<'_>,
    mut new: Merged,
    keyless: bool,
    mut left: impl FnMut(Rc<OldLeaf>) -> Result<(), IndexError>,
    mut emit: impl FnMut(MergedRecord<'_>) -> Result<(), E>,
) -> Result<Tally, E> {
    let mut tally = Tally::default();
    let mut ordinals = Ordinals::default();
    let mut last_new: Vec<u8> = Vec::new();
    let fail = |error: SpillError| E::from(MergeError::from(error));
    loop {
        old.settle(&mut left).map_err(|error| E::from(error.into()))?;
        let row = new.peek().map_err(fail)?;
        let order = match (old.current(), &row) {
            (None, None) => return Ok(tally),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            // A seen record has no row of its own, so an equal key here is another record of a keyless class.
            (Some((_, key, digest)), Some(row)) if keyless => {
                digest.cmp(&row.digest).then(if old.is_seen() { Ordering::Less } else { key.cmp(key) })
            }
            (Some((_, key, _)), Some(row)) => key.cmp(row.key),
        };
        if order.is_eq() && !keyless && old.is_seen() {
            return Err(MergeError::DuplicateKey.into());
        }
        let is_kept = order.is_lt() && old.is_seen();
        if order.is_lt() && !is_kept {
            tally.removed += 1;
            old.advance();
            continue;
        }
        let record = match (old.current(), row) {
            (Some((leaf, key, digest)), row) if order.is_le() => {
                leaf.survivors.set(leaf.survivors.get() + 1);
                let at = u32::try_from(old.at).unwrap_or(u32::MAX);
                match row.filter(|row| order.is_eq() && row.digest != digest) {
                    Some(row) => {
                        tally.changed += 1;
                        let origin = Origin::Changed(Rc::clone(leaf), at);
                        MergedRecord { key, digest: row.digest, origin, row: Some(row) }
                    }
                    None => MergedRecord { key, digest, origin: Origin::Kept(Rc::clone(leaf), at), row: None },
                }
            }
            (_, Some(row)) => {
                tally.added += 1;
                MergedRecord { key: row.key, digest: row.digest, origin: Origin::Added, row: Some(row) }
            }
            _ => return Ok(tally),
        };
        tally.records += 1;
        if keyless {
            let key = ordinals.next(record.digest);
            emit(MergedRecord { key: &key, ..record })?;
        } else {
            if order.is_ge() {
                if last_new == record.key && tally.records > 1 {
                    return Err(MergeError::DuplicateKey.into());
                }
                last_new.clear();
                last_new.extend_from_slice(record.key);
            }
            emit(record)?;
        }
        if order.is_le() {
            old.advance();
        }
        if order.is_ge() {
            new.advance().map_err(fail)?;
        }
    }
}

/// Ordinals among equal records.
#[derive(Default)]
struct Ordinals {
    last: Option<RecordDigest>,
    next: u32,
}

impl Ordinals {
    fn next(&mut self, digest: RecordDigest) -> [u8; 20] {
        if self.last != Some(digest) {
            self.last = Some(digest);
            self.next = 0;
        }
        let key = keyless_key(digest, self.next);
        self.next = self.next.saturating_add(1);
        key
    }
}
