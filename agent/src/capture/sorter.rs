//! The sorter: rows in any order in, rows in key order out, in bounded memory.
//!
//! Each lane fills a buffer; a full buffer is sorted and becomes a run, which is spilled unless it is small. The runs
//! of a class are then merged. A row's bytes are those of [`Encoded::put`]: key, digest, record, large values.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use strongroom_core::codec::{Malformed, Reader};
use strongroom_core::id::RecordDigest;
use strongroom_core::record::Encoded;
use strongroom_platform::disk::DiskRead;

use super::spill::{Spill, SpillError, Spool};

/// Runs that are merged at a time, each with one block in memory and one open file.
const RUNS_MERGED_MAX: usize = 64;

/// Runs up to this size stay in memory, as long as the spool has room for them.
const KEPT_BYTES: usize = 2 << 20;

#[derive(Clone, Copy)]
struct Entry {
    prefix: u64,
    at: u32,
    len: u32,
}

/// A lane's buffer.
pub(super) struct Sorter {
    buffer_bytes: usize,
    spool: Arc<Spool>,
    arena: Vec<u8>,
    entries: Vec<Entry>,
    runs: Vec<Run>,
}

/// A sorted run.
pub(super) enum Run {
    /// In memory.
    Kept(Vec<u8>),
    /// On disk.
    Spilled(Spill),
}

impl Sorter {
    pub(super) fn new(spool: Arc<Spool>) -> Self {
        Self { buffer_bytes: spool.buffer_bytes(), spool, arena: Vec::new(), entries: Vec::new(), runs: Vec::new() }
    }

    /// Takes a row. Without `content`, only key and digest are kept.
    #[inline]
    pub(super) fn push(&mut self, row: &Encoded<'_>, content: bool) -> Result<(), SpillError> {
        let at = self.arena.len();
        if content {
            row.put(&mut self.arena);
        } else {
            Encoded { record: &[], large: &[], ..*row }.put(&mut self.arena);
        }
        let len = place(self.arena.len() - at)?;
        self.entries.push(Entry { prefix: prefix(row.key), at: place(at)?, len });
        Ok(())
    }

    /// Takes back those of the last `count` rows that are not to be kept; `keep` is asked for each, oldest first.
    pub(super) fn sift(&mut self, count: usize, mut keep: impl FnMut(usize) -> bool) {
        let first = self.entries.len().saturating_sub(count);
        let mut end = self.entries.get(first).map_or(self.arena.len(), |entry| entry.at as usize);
        let mut kept = first;
        for number in 0..count {
            let Some(&Entry { prefix, at, len }) = self.entries.get(first + number) else { break };
            if !keep(number) {
                continue;
            }
            self.arena.copy_within(at as usize..at as usize + len as usize, end);
            if let (Some(entry), Ok(at)) = (self.entries.get_mut(kept), u32::try_from(end)) {
                *entry = Entry { prefix, at, len };
            }
            end += len as usize;
            kept += 1;
        }
        self.entries.truncate(kept);
        self.arena.truncate(end);
    }

    /// Whether the buffer is full.
    #[inline]
    pub(super) const fn is_full(&self) -> bool {
        self.arena.len() + self.entries.len() * size_of::<Entry>() > self.buffer_bytes
    }

    /// Closes the run if the buffer is full.
    #[inline]
    pub(super) fn settle(&mut self) -> Result<(), SpillError> {
        if self.is_full() {
            self.close_run()?;
        }
        Ok(())
    }

    /// Ends the rows and gives the runs.
    pub(super) fn finish(mut self) -> Result<Vec<Run>, SpillError> {
        self.close_run()?;
        Ok(self.runs)
    }

    fn close_run(&mut self) -> Result<(), SpillError> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let arena = &self.arena;
        let row =
            |entry: &Entry| arena.get(entry.at as usize..entry.at as usize + entry.len as usize).unwrap_or_default();
        self.entries.sort_unstable_by(|a, b| a.prefix.cmp(&b.prefix).then_with(|| key_of(row(a)).cmp(key_of(row(b)))));
        if self.arena.len() <= KEPT_BYTES && self.spool.keep(self.arena.len()) {
            let mut bytes = Vec::with_capacity(self.arena.len());
            for entry in &self.entries {
                bytes.extend_from_slice(row(entry));
            }
            self.runs.push(Run::Kept(bytes));
        } else {
            let mut writer = self.spool.create()?;
            for entry in &self.entries {
                writer.push(row(entry))?;
            }
            self.runs.push(Run::Spilled(writer.finish()?));
        }
        self.arena.clear();
        self.entries.clear();
        Ok(())
    }
}

/// A place in the arena, which a buffer's size and one row more keep small.
fn place(at: usize) -> Result<u32, Malformed> {
    u32::try_from(at).map_err(|_| Malformed::new("row: length"))
}

fn prefix(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    for (to, from) in bytes.iter_mut().zip(key) {
        *to = *from;
    }
    u64::from_be_bytes(bytes)
}

fn key_of(row: &[u8]) -> &[u8] {
    Reader::new(row, "row").bytes().unwrap_or_default()
}

/// One row that comes out of the sorter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    /// The key; the digest alone in keyless classes.
    pub key: &'a [u8],
    pub digest: RecordDigest,
    pub record: &'a [u8],
    /// The contents of the record's large values, as they were put.
    pub large: &'a [u8],
}

struct Head {
    block: Vec<u8>,
    at: usize,
    end: usize,
    next_block: usize,
    run: Run,
    file: Option<Box<dyn DiskRead>>,
    prefix: u64,
}

impl Head {
    fn new(run: Run) -> Result<Option<Self>, SpillError> {
        let (run, block, file) = match run {
            Run::Kept(bytes) => (Run::Kept(Vec::new()), bytes, None),
            Run::Spilled(spill) => {
                let file = spill.open()?;
                (Run::Spilled(spill), Vec::new(), Some(file))
            }
        };
        let mut head = Self { block, at: 0, end: 0, next_block: 0, run, file, prefix: 0 };
        Ok(head.advance()?.then_some(head))
    }

    /// Moves to the next row; false at the end.
    fn advance(&mut self) -> Result<bool, SpillError> {
        self.at = self.end;
        if self.at >= self.block.len() {
            let (Run::Spilled(spill), Some(file)) = (&self.run, &self.file) else { return Ok(false) };
            if self.next_block >= spill.blocks() {
                return Ok(false);
            }
            spill.read(file.as_ref(), self.next_block, &mut self.block)?;
            self.next_block += 1;
            self.at = 0;
        }
        let mut reader = Reader::new(self.block.get(self.at..).unwrap_or_default(), "row");
        self.prefix = prefix(reader.bytes()?);
        reader.take(RecordDigest::LEN)?;
        reader.bytes()?;
        for _ in 0..reader.varint()? {
            reader.bytes()?;
        }
        self.end = self.block.len() - reader.remaining();
        Ok(true)
    }

    fn row_bytes(&self) -> &[u8] {
        self.block.get(self.at..self.end).unwrap_or_default()
    }

    fn row(&self) -> Result<Row<'_>, Malformed> {
        let mut reader = Reader::new(self.row_bytes(), "row");
        let key = reader.bytes()?;
        let digest = RecordDigest(reader.array()?);
        let record = reader.bytes()?;
        // The count of large values, which the record's cells tell as well.
        reader.varint()?;
        Ok(Row { key, digest, record, large: reader.rest() })
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    /// Reversed, since the heap gives the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        let keys = || key_of(other.row_bytes()).cmp(key_of(self.row_bytes()));
        other.prefix.cmp(&self.prefix).then_with(keys)
    }
}

/// The rows of several runs in key order.
pub(super) struct Merged {
    heap: BinaryHeap<Head>,
}

impl Merged {
    /// Merges the runs of a class. Many are first merged into fewer, so that open files and blocks stay bounded.
    pub(super) fn new(mut runs: Vec<Run>, spool: &Arc<Spool>) -> Result<Self, SpillError> {
        while runs.len() > RUNS_MERGED_MAX {
            let rest = runs.split_off(RUNS_MERGED_MAX);
            let mut merged = Self::of(runs, spool)?;
            let mut writer = spool.create()?;
            while let Some(head) = merged.heap.peek() {
                writer.push(head.row_bytes())?;
                merged.advance()?;
            }
            runs = rest;
            runs.push(Run::Spilled(writer.finish()?));
        }
        Self::of(runs, spool)
    }

    fn of(runs: Vec<Run>, spool: &Spool) -> Result<Self, SpillError> {
        let mut heap = BinaryHeap::with_capacity(runs.len());
        for run in runs {
            if let Run::Kept(bytes) = &run {
                spool.release(bytes.len());
            }
            heap.extend(Head::new(run)?);
        }
        Ok(Self { heap })
    }

    /// The row at the front.
    pub(super) fn peek(&self) -> Result<Option<Row<'_>>, SpillError> {
        self.heap.peek().map(Head::row).transpose().map_err(SpillError::Malformed)
    }

    /// Leaves the row at the front behind.
    pub(super) fn advance(&mut self) -> Result<(), SpillError> {
        let Some(mut head) = self.heap.peek_mut() else { return Ok(()) };
        if !head.advance()? {
            std::collections::binary_heap::PeekMut::pop(head);
        }
        Ok(())
    }
}
