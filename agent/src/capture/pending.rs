//! Records that wait for their leaf to be cut, and what they say of it.

use std::rc::Rc;

use strongroom_core::codec::Malformed;
use strongroom_core::id::RecordDigest;
use strongroom_core::tree::params::PartId;

use super::job::Mode;
use super::merge::{MergedRecord, Origin};
use super::old::OldLeaf;

/// Dead bytes at the front of the arena from which on it is moved.
const DEAD_BYTES_MAX: usize = 4 << 20;

/// One record that waits for its leaf. Key and record lie in the arena.
pub(super) struct Pending {
    pub(super) digest: RecordDigest,
    pub(super) origin: Origin,
    pub(super) start: u64,
    key_len: u32,
    record_len: u32,
}

/// Bytes of pending records, dropped from the front as leaves are cut.
#[derive(Default)]
pub(super) struct Arena {
    bytes: Vec<u8>,
    base: u64,
}

impl Arena {
    fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    fn slice(&self, start: u64, len: u32) -> &[u8] {
        let from = usize::try_from(start.saturating_sub(self.base)).unwrap_or(usize::MAX);
        self.bytes.get(from..from.saturating_add(len as usize)).unwrap_or_default()
    }

    /// Gives the bytes before a place up, once they are many.
    pub(super) fn drop_before(&mut self, start: u64) {
        let dead = usize::try_from(start.saturating_sub(self.base)).unwrap_or(0).min(self.bytes.len());
        if dead > DEAD_BYTES_MAX {
            self.bytes.drain(..dead);
            self.base += dead as u64;
        }
    }
}

impl Pending {
    /// Takes a record in. Its content is kept only where it is to be stored.
    pub(super) fn new(record: &MergedRecord<'_>, mode: Mode, arena: &mut Arena) -> Result<Self, Malformed> {
        let start = arena.end();
        arena.bytes.extend_from_slice(record.key);
        let mut record_len = 0;
        if let (Some(row), Mode::Store) = (&record.row, mode) {
            arena.bytes.extend_from_slice(row.record);
            record_len = len_of(row.record)?;
        }
        Ok(Self {
            digest: record.digest,
            origin: record.origin.clone(),
            start,
            key_len: len_of(record.key)?,
            record_len,
        })
    }

    pub(super) fn key<'a>(&self, arena: &'a Arena) -> &'a [u8] {
        arena.slice(self.start, self.key_len)
    }

    pub(super) fn record<'a>(&self, arena: &'a Arena) -> &'a [u8] {
        arena.slice(self.start + u64::from(self.key_len), self.record_len)
    }
}

fn len_of(bytes: &[u8]) -> Result<u32, Malformed> {
    u32::try_from(bytes.len()).map_err(|_| Malformed::new("row: length"))
}

/// The id of the old leaf that these items are, record for record.
pub(super) fn unchanged(items: &[Pending], arena: &Arena) -> Option<PartId> {
    let Origin::Kept(leaf, 0) = &items.first()?.origin else { return None };
    let same = items.len() == leaf.entry.digests.len()
        && items.iter().enumerate().all(|(position, item)| {
            matches!(&item.origin, Origin::Kept(other, at) if Rc::ptr_eq(leaf, other) && *at as usize == position)
                && item.key(arena) == leaf.entry.keys.get(position)
        });
    if same { leaf.entry.lineage.id() } else { None }
}

/// The old leaf that most of the items come from.
pub(super) fn nearest(items: &[Pending]) -> Option<&OldLeaf> {
    let mut best: Option<(&Rc<OldLeaf>, usize)> = None;
    let mut run: Option<(&Rc<OldLeaf>, usize)> = None;
    for item in items {
        let (Origin::Kept(leaf, _) | Origin::Changed(leaf, _)) = &item.origin else { continue };
        run = match run {
            Some((current, count)) if Rc::ptr_eq(current, leaf) => Some((current, count + 1)),
            _ => Some((leaf, 1)),
        };
        if run.map(|(_, count)| count) > best.map(|(_, count)| count) {
            best = run;
        }
    }
    best.map(|(leaf, _)| &**leaf)
}
