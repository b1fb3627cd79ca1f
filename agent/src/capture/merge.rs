//! The merge: the old tree's keys and the new rows, in key order, as one stream of records of the new tree.
//!
//! Owns the rule of what became of each record: kept (seen by the table, or found equal here), changed, added or
//! removed. In a keyless class equal records are told apart by ordinals alone, so ordinals are given anew.

use std::cmp::Ordering;
use std::rc::Rc;

use strongroom_core::id::RecordDigest;
use strongroom_core::record::keyless_key;

use super::old::{OldLeaf, OldRecords};
use super::sorter::{Merged, Row};
use super::spill::SpillError;
use crate::cache::IndexError;

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
    let mut new_keys = NewKeys::default();
    let unread = |error: SpillError| E::from(MergeError::from(error));
    loop {
        old.settle(&mut left).map_err(|error| E::from(error.into()))?;
        let row = new.peek().map_err(unread)?;
        let Some(order) = order_of(&old, row.as_ref(), keyless) else { return Ok(tally) };
        if order.is_eq() && !keyless && old.is_seen() {
            return Err(MergeError::DuplicateKey.into());
        }
        if order.is_lt() && !old.is_seen() {
            tally.removed += 1;
            old.advance();
            continue;
        }
        let Some(record) = record_of(&old, row, order) else { return Ok(tally) };
        tally.count(&record.origin);
        if keyless {
            let key = ordinals.next(record.digest);
            emit(MergedRecord { key: &key, ..record })?;
        } else {
            if order.is_ge() {
                new_keys.note(record.key)?;
            }
            emit(record)?;
        }
        if order.is_le() {
            old.advance();
        }
        if order.is_ge() {
            new.advance().map_err(unread)?;
        }
    }
}

/// Which of the two comes next: the old record, the row, or both as one. Nothing once both have ended.
fn order_of(old: &OldRecords<'_>, row: Option<&Row<'_>>, keyless: bool) -> Option<Ordering> {
    Some(match (old.current(), row) {
        (None, None) => return None,
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        // A seen record has no row of its own, so an equal digest here is another record of a keyless class.
        (Some((_, _, digest)), Some(row)) if keyless => {
            digest.cmp(&row.digest).then(if old.is_seen() { Ordering::Less } else { Ordering::Equal })
        }
        (Some((_, key, _)), Some(row)) => key.cmp(row.key),
    })
}

/// The record of the new tree that comes next, given that it is not one that was removed.
fn record_of<'a>(old: &'a OldRecords<'_>, row: Option<Row<'a>>, order: Ordering) -> Option<MergedRecord<'a>> {
    if order.is_gt() {
        let row = row?;
        return Some(MergedRecord { key: row.key, digest: row.digest, origin: Origin::Added, row: Some(row) });
    }
    let (leaf, key, digest) = old.current()?;
    leaf.survivors.set(leaf.survivors.get() + 1);
    let (leaf, at) = (Rc::clone(leaf), old.leaf_position());
    Some(match row.filter(|row| order.is_eq() && row.digest != digest) {
        Some(row) => MergedRecord { key, digest: row.digest, origin: Origin::Changed(leaf, at), row: Some(row) },
        None => MergedRecord { key, digest, origin: Origin::Kept(leaf, at), row: None },
    })
}

impl Tally {
    fn count(&mut self, origin: &Origin) {
        self.records += 1;
        match origin {
            Origin::Kept(..) => {}
            Origin::Changed(..) => self.changed += 1,
            Origin::Added => self.added += 1,
        }
    }
}

/// The keys of rows, each of which may come once.
#[derive(Default)]
struct NewKeys {
    last: Vec<u8>,
    any: bool,
}

impl NewKeys {
    fn note(&mut self, key: &[u8]) -> Result<(), MergeError> {
        if self.any && self.last == key {
            return Err(MergeError::DuplicateKey);
        }
        self.any = true;
        self.last.clear();
        self.last.extend_from_slice(key);
        Ok(())
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
