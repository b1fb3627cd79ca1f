//! A file whose changed pages stay in memory.
//!
//! Owns the pages; what was never changed is read from below, as far as the file still reaches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{DiskError, DiskRead, DiskUpdate};

/// What is changed at once.
const PAGE_BYTES: usize = 4_096;

/// A file, with what was changed of it.
pub(super) struct Patched {
    path: String,
    below: Option<Box<dyn DiskRead>>,
    changes: Mutex<Changes>,
}

/// What was changed.
#[derive(Default)]
struct Changes {
    len: u64,
    /// Bytes of the file below that still show through where no page lies.
    shown: u64,
    pages: BTreeMap<u64, Box<[u8]>>,
}

impl Patched {
    /// A new file.
    pub(super) fn empty(path: &str) -> Self {
        Self { path: path.to_owned(), below: None, changes: Mutex::default() }
    }

    /// A file of the disk below.
    pub(super) fn over(path: &str, below: Box<dyn DiskRead>) -> Result<Self, DiskError> {
        let len = below.len()?;
        let changes = Changes { len, shown: len, pages: BTreeMap::new() };
        Ok(Self { path: path.to_owned(), below: Some(below), changes: Mutex::new(changes) })
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page as it is now.
    fn page(&self, changes: &Changes, number: u64) -> Result<Box<[u8]>, DiskError> {
        if let Some(page) = changes.pages.get(&number) {
            return Ok(page.clone());
        }
        let mut page = vec![0; PAGE_BYTES];
        let start = number * PAGE_BYTES as u64;
        let shown = usize::try_from(changes.shown.saturating_sub(start)).unwrap_or(PAGE_BYTES).min(PAGE_BYTES);
        if let (Some(below), Some(shown)) = (&self.below, page.get_mut(..shown)) {
            below.read_at(start, shown)?;
        }
        Ok(page.into_boxed_slice())
    }
}

/// The parts of a range by page: the page's number, where in the page, and which bytes of the range.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = usize::try_from(at % PAGE_BYTES as u64).unwrap_or_default();
        let count = (PAGE_BYTES - within).min(len - done);
        let part = (at / PAGE_BYTES as u64, within, done..done + count);
        done += count;
        (count > 0).then_some(part)
    })
}

impl DiskRead for Patched {
    fn len(&self) -> Result<u64, DiskError> {
        Ok(self.changes().len)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        let changes = self.changes();
        let end = offset.saturating_add(bytes.len() as u64);
        if end > changes.len {
            return Err(DiskError::UnexpectedEnd { path: self.path.clone().into(), end });
        }
        for (number, within, range) in parts(offset, bytes.len()) {
            let page = self.page(&changes, number)?;
            if let (Some(out), Some(page)) = (bytes.get_mut(range.clone()), page.get(within..within + range.len())) {
                out.copy_from_slice(page);
            }
        }
        Ok(())
    }
}

impl DiskUpdate for Patched {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let mut changes = self.changes();
        for (number, within, range) in parts(offset, bytes.len()) {
            let mut page = self.page(&changes, number)?;
            if let (Some(out), Some(bytes)) = (page.get_mut(within..within + range.len()), bytes.get(range)) {
                out.copy_from_slice(bytes);
            }
            changes.pages.insert(number, page);
        }
        if !bytes.is_empty() {
            changes.len = changes.len.max(offset + bytes.len() as u64);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        let mut changes = self.changes();
        if len < changes.len {
            let (number, within) = (len / PAGE_BYTES as u64, len % PAGE_BYTES as u64);
            let mut last = self.page(&changes, number)?;
            if let Some(cut) = last.get_mut(usize::try_from(within).unwrap_or_default()..) {
                cut.fill(0);
            }
            changes.pages.split_off(&number);
            changes.pages.insert(number, last);
            changes.shown = changes.shown.min(len);
        }
        changes.len = len;
        Ok(())
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        Ok(())
    }
}

impl DiskRead for Arc<Patched> {
    fn len(&self) -> Result<u64, DiskError> {
        (**self).len()
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        (**self).read_at(offset, bytes)
    }
}

impl DiskUpdate for Arc<Patched> {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        (**self).write_at(offset, bytes)
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        (**self).set_len(len)
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        (**self).sync_data()
    }
}
