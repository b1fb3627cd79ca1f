//! The bytes of one simulated file, and what a crash can do to them.
//!
//! Owns the difference between what the process sees and what is durable: bytes past the synced length, and sectors in
//! front of it that were written over since the last sync, each kept as it was.

use std::collections::BTreeMap;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::Rng;

use super::crash::{Unsynced, up_to};

/// The unit in which a device writes: it is written whole, or not.
const SECTOR_BYTES: usize = 512;

/// The bytes of a file.
#[derive(Debug, Default)]
pub(super) struct Content {
    bytes: Vec<u8>,
    /// Bytes from the start on that a crash can't touch, but for the sectors in `replaced`.
    synced: usize,
    /// What durable sectors held before they were written over, by number.
    replaced: BTreeMap<usize, Vec<u8>>,
    /// What the medium holds of sectors that are shown as written, and were given up.
    shown: BTreeMap<usize, Vec<u8>>,
    /// The length that is durable, if the file was cut below it since.
    cut_from: Option<Vec<u8>>,
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Appends as many of `bytes` as fit, and says how many that were.
    pub(super) fn append(&mut self, bytes: &[u8], free: u64) -> usize {
        let fitting = bytes.len().min(usize::try_from(free).unwrap_or(usize::MAX));
        self.bytes.extend_from_slice(bytes.get(..fitting).unwrap_or(bytes));
        fitting
    }

    /// Writes over what is there, and past the end; nothing, and `false`, if the file would not fit.
    pub(super) fn write_at(&mut self, offset: u64, bytes: &[u8], free: u64) -> bool {
        let Some(start) = usize::try_from(offset).ok() else { return false };
        let Some(end) = start.checked_add(bytes.len()) else { return false };
        if !self.grow(end, free) {
            return false;
        }
        self.remember(start, end);
        if let Some(target) = self.bytes.get_mut(start..end) {
            target.copy_from_slice(bytes);
        }
        true
    }

    /// Cuts the file or lets it grow by zeros; nothing, and `false`, if it would not fit.
    pub(super) fn set_len(&mut self, len: u64, free: u64) -> bool {
        let Ok(len) = usize::try_from(len) else { return false };
        if len >= self.bytes.len() {
            return self.grow(len, free);
        }
        if len < self.synced {
            let durable = self.durable();
            self.cut_from.get_or_insert(durable);
            self.replaced.retain(|sector, _| sector * SECTOR_BYTES < len);
            self.synced = len;
        }
        self.shown.retain(|sector, _| sector * SECTOR_BYTES < len);
        self.bytes.truncate(len);
        true
    }

    pub(super) fn sync(&mut self) {
        self.synced = self.bytes.len();
        self.replaced.clear();
        self.cut_from = None;
    }

    /// Fills `bytes` from `offset` on, or says that the file ends before.
    pub(super) fn read_at(&self, offset: u64, bytes: &mut [u8]) -> bool {
        let range = usize::try_from(offset).ok().and_then(|start| Some(start..start.checked_add(bytes.len())?));
        let found = range.and_then(|range| self.bytes.get(range));
        found.inspect(|found| bytes.copy_from_slice(found)).is_some()
    }

    /// Turns a bit over, on the medium itself: no crash brings the old one back.
    pub(super) fn flip_bit(&mut self, bit: u64) -> bool {
        let byte = usize::try_from(bit / 8).ok().and_then(|at| self.bytes.get_mut(at));
        byte.map(|byte| *byte ^= 1 << (bit % 8)).is_some()
    }

    /// Writes a sector's content over another one's on the medium itself, or zeros if it comes from nowhere.
    pub(super) fn put_sector(&mut self, from: Option<u64>, to: u64) -> bool {
        let range = |sector: u64| {
            let start = usize::try_from(sector).ok()?.checked_mul(SECTOR_BYTES)?;
            Some(start..start.checked_add(SECTOR_BYTES)?)
        };
        let new = match from {
            Some(from) => range(from).and_then(|range| self.bytes.get(range)).map(<[u8]>::to_vec),
            None => Some(vec![0; SECTOR_BYTES]),
        };
        let target = range(to).and_then(|range| self.bytes.get_mut(range));
        new.zip(target).map(|(new, target)| target.copy_from_slice(&new)).is_some()
    }

    /// Decides about what was not synced; what is left of it is durable.
    pub(super) fn settle(&mut self, unsynced: Unsynced, stream: &mut ChaCha12Rng) {
        match unsynced {
            Unsynced::Lost => self.bytes = self.before(),
            Unsynced::Kept => {}
            Unsynced::Shown => self.give_up(),
            Unsynced::BySeed => match up_to(stream, 2) {
                0 => self.bytes = self.before(),
                1 => {}
                _ => self.tear(stream),
            },
        }
        if matches!(unsynced, Unsynced::Lost | Unsynced::BySeed) {
            for (sector, medium) in std::mem::take(&mut self.shown) {
                self.put(sector, &medium);
            }
        }
        self.sync();
    }

    /// Goes on showing what was not synced, and forgets to write it.
    fn give_up(&mut self) {
        for (sector, old) in std::mem::take(&mut self.replaced) {
            self.shown.entry(sector).or_insert(old);
        }
        for sector in self.synced / SECTOR_BYTES..self.bytes.len().div_ceil(SECTOR_BYTES) {
            let at = sector * SECTOR_BYTES;
            let mut medium = self.bytes.get(at..self.synced.max(at)).unwrap_or_default().to_vec();
            medium.resize(SECTOR_BYTES, 0);
            self.shown.entry(sector).or_insert(medium);
        }
    }

    /// Puts as much of a sector's content as the file has room for.
    fn put(&mut self, sector: usize, content: &[u8]) {
        let at = sector * SECTOR_BYTES;
        let end = (at + content.len()).min(self.bytes.len());
        if let Some(target) = self.bytes.get_mut(at..end)
            && let Some(content) = content.get(..target.len())
        {
            target.copy_from_slice(content);
        }
    }

    fn grow(&mut self, len: usize, free: u64) -> bool {
        let more = len.saturating_sub(self.bytes.len());
        if more as u64 > free {
            return false;
        }
        self.bytes.resize(len.max(self.bytes.len()), 0);
        true
    }

    /// Keeps the durable sectors between two offsets as they are, unless that was done since the last sync.
    fn remember(&mut self, start: usize, end: usize) {
        let end = end.min(self.synced);
        if start >= end {
            return;
        }
        for sector in start / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES {
            let at = sector * SECTOR_BYTES;
            let len = (at + SECTOR_BYTES).min(self.synced) - at;
            let mut medium = self.shown.remove(&sector).or_else(|| Some(self.bytes.get(at..at + len)?.to_vec()));
            if let Some(medium) = &mut medium {
                medium.truncate(len);
            }
            self.replaced.entry(sector).or_insert(medium.unwrap_or_default());
        }
    }

    /// The file as it was at the last sync.
    fn before(&self) -> Vec<u8> {
        self.cut_from.clone().unwrap_or_else(|| self.durable())
    }

    fn durable(&self) -> Vec<u8> {
        let mut bytes = self.bytes.get(..self.synced).unwrap_or_default().to_vec();
        for (sector, old) in &self.replaced {
            let at = sector * SECTOR_BYTES;
            if let Some(target) = bytes.get_mut(at..at + old.len()) {
                target.copy_from_slice(old);
            }
        }
        bytes
    }

    fn tear(&mut self, stream: &mut ChaCha12Rng) {
        if let Some(before) = self.cut_from.take()
            && up_to(stream, 1) == 0
        {
            self.bytes = before;
            return;
        }
        for (sector, old) in std::mem::take(&mut self.replaced) {
            let at = sector * SECTOR_BYTES;
            if up_to(stream, 1) == 0
                && let Some(target) = self.bytes.get_mut(at..at + old.len())
            {
                target.copy_from_slice(&old);
            }
        }
        let unsynced = self.bytes.len().saturating_sub(self.synced);
        self.bytes.truncate(self.synced.saturating_add(up_to(stream, unsynced)));
        let mut at = self.synced;
        while at < self.bytes.len() {
            let end = (at / SECTOR_BYTES + 1).saturating_mul(SECTOR_BYTES).min(self.bytes.len());
            let sector = self.bytes.get_mut(at..end).unwrap_or_default();
            match up_to(stream, 2) {
                0 => sector.fill(0),
                1 => stream.fill_bytes(sector),
                _ => {}
            }
            at = end;
        }
    }
}
