//! The log's entries in memory, as the crate `raft` asks for them.
//!
//! Owns what lies behind the floor, mirrored from the disk after each write, and the snapshot that is ready to be sent.
//! Nothing here is durable by itself: an entry is put on the shelf only after the log has it.

use std::collections::VecDeque;

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Storage, StorageError};

use super::frame::kind_to_byte;
use super::log::{Floor, Hard};
use super::wire::hard_to_raft;
use crate::id::Term;

/// Entries behind the floor, without a gap.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    hard: HardState,
    configuration: ConfState,
    floor: Floor,
    entries: VecDeque<Entry>,
    bytes: usize,
    /// What can be sent to a member that the entries can't reach any more.
    snapshot: Option<Snapshot>,
    /// Somebody needs a snapshot newer than the one that is ready.
    is_snapshot_wanted: std::cell::Cell<bool>,
}

impl Shelf {
    pub(super) fn new(hard: Hard, floor: Floor, entries: VecDeque<Entry>) -> Self {
        let bytes = entries.iter().map(size).sum();
        Self { hard: hard_to_raft(hard), floor, entries, bytes, ..Self::default() }
    }

    /// Says who the members are, as of where the state stands. The crate asks once, when it is begun.
    pub(super) fn configure(&mut self, configuration: ConfState) {
        self.configuration = configuration;
    }

    /// Mirrors entries that the log has taken: they replace those from the first one's index on.
    pub(super) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        let kept = usize::try_from(first.index.saturating_sub(self.first())).unwrap_or(usize::MAX);
        for gone in self.entries.drain(kept.min(self.entries.len())..) {
            self.bytes -= size(&gone);
        }
        self.bytes += entries.iter().map(size).sum::<usize>();
        self.entries.extend(entries.iter().cloned());
    }

    /// Mirrors a raised floor.
    pub(super) fn compact(&mut self, floor: Floor) {
        let gone = usize::try_from(floor.position.index.0.saturating_sub(self.floor.position.index.0));
        for gone in self.entries.drain(..gone.unwrap_or(usize::MAX).min(self.entries.len())) {
            self.bytes -= size(&gone);
        }
        self.floor = floor;
    }

    /// Mirrors a log that begins anew behind an installed state.
    pub(super) fn reset(&mut self, floor: Floor, configuration: ConfState) {
        self.entries.clear();
        self.bytes = 0;
        self.floor = floor;
        self.configuration = configuration;
        self.snapshot = None;
    }

    /// The entries behind the floor.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Bytes that the entries hold.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts a snapshot where those who need one get it.
    pub(super) fn offer(&mut self, snapshot: Option<Snapshot>) {
        self.snapshot = snapshot;
        self.is_snapshot_wanted.set(false);
    }

    /// Says whether somebody needs a snapshot that is not there.
    pub(super) const fn is_snapshot_wanted(&self) -> bool {
        self.is_snapshot_wanted.get()
    }

    /// The term of the entry at an index, if the shelf knows it.
    pub(super) fn term_at(&self, index: u64) -> Option<u64> {
        if index == self.floor.position.index.0 {
            return Some(self.floor.position.term.0);
        }
        self.place(index).and_then(|at| self.entries.get(at)).map(|entry| entry.term)
    }

    /// The term of the entry at an index, and a hash over all of it.
    pub(super) fn fingerprint(&self, index: u64) -> Option<(Term, [u8; 32])> {
        let entry = self.place(index).and_then(|at| self.entries.get(at))?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[kind_to_byte(entry.get_entry_type())]);
        hasher.update(&(entry.context.len() as u64).to_be_bytes());
        hasher.update(&entry.context).update(&entry.data);
        Some((Term(entry.term), *hasher.finalize().as_bytes()))
    }

    fn first(&self) -> u64 {
        self.floor.position.index.0 + 1
    }

    pub(super) fn last(&self) -> u64 {
        self.floor.position.index.0 + self.entries.len() as u64
    }

    fn place(&self, index: u64) -> Option<usize> {
        usize::try_from(index.checked_sub(self.first())?).ok()
    }
}

fn size(entry: &Entry) -> usize {
    entry.data.len() + entry.context.len() + size_of::<Entry>()
}

impl Storage for Shelf {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState { hard_state: self.hard.clone(), conf_state: self.configuration.clone() })
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        let (Some(from), Some(to)) = (self.place(low), self.place(high)) else {
            return Err(Error::Store(StorageError::Compacted));
        };
        if to > self.entries.len() || from > to {
            return Err(Error::Store(StorageError::Unavailable));
        }
        // The crate asks for all that there is, and takes a batch: only that is copied.
        let most = max_size.into().unwrap_or(u64::MAX);
        let mut bytes = 0_u64;
        let fitting = self.entries.range(from..to).take_while(|entry| {
            let is_first = bytes == 0;
            bytes = bytes.saturating_add(size(entry) as u64);
            is_first || bytes <= most
        });
        Ok(fitting.cloned().collect())
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index < self.floor.position.index.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        self.term_at(index).ok_or(Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.first())
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    fn snapshot(&self, request_index: u64, to: u64) -> raft::Result<Snapshot> {
        let is_enough = |snapshot: &&Snapshot| {
            let metadata = snapshot.get_metadata();
            let state = metadata.get_conf_state();
            // A member that the snapshot does not know would not install it.
            let mut known = state.voters.iter().chain(&state.learners).chain(&state.voters_outgoing);
            metadata.index >= request_index
                && metadata.index >= self.floor.position.index.0
                && known.any(|id| *id == to)
        };
        if let Some(snapshot) = self.snapshot.as_ref().filter(is_enough) {
            return Ok(snapshot.clone());
        }
        self.is_snapshot_wanted.set(true);
        Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable))
    }
}
