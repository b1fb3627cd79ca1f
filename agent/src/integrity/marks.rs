//! Marks: what records say of themselves and of others, sorted so that what belongs together meets.
//!
//! A mark is the digest of a tuple and what is said of it: that it is there, that somebody wants it, that it is an edge
//! or an end. Digests are keyed with a key that only this process has, so marks on the spool tell nothing. Memory is
//! bounded whatever the number: what does not fit is sorted and spilled, and read back in one merge.
//!
//! ```text
//!  mark    = digest of the tuple (64)  say (64)
//!  say     = kind (8)  class (20)  what tells marks of one kind apart (36)
//! ```

mod groups;
mod merge;

use std::sync::{Arc, Mutex, PoisonError};

pub(super) use groups::{Groups, Suspicion};

use crate::capture::{Spill, SpillError, Spool};
use merge::{Merge, RunReader, put};

/// How many marks may be in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct MarkLimits {
    /// Marks that are held before they become a run.
    buffer: usize,
    /// Marks in runs that are not spilled.
    kept: usize,
}

impl MarkLimits {
    /// 16 MiB in the buffer, half as much again while it is sorted, and 48 MiB in runs.
    pub(super) const USUAL: Self = Self { buffer: 1 << 20, kept: 3 << 20 };
}

/// Spilled runs that are merged at a time, each with one block in memory.
const RUNS_MERGED_MAX: usize = 32;

/// What is said of a tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Say {
    /// It is there.
    Here,
    /// A record of this class refers to it.
    Wanted {
        /// The position of the class.
        class: usize,
    },
    /// A record of this class is this edge.
    Edge {
        /// The position of the class.
        class: usize,
        /// A digest of the record's key.
        record: u64,
    },
    /// A record of this class needs so many ends.
    Needs {
        /// The position of the class.
        class: usize,
        /// How many.
        least: u32,
    },
    /// It has this end.
    End {
        /// A digest of what tells it from others.
        end: u64,
    },
}

const CLASS_BITS: u32 = 20;
const REST_BITS: u32 = 36;
const REST_MASK: u64 = (1 << REST_BITS) - 1;

impl Say {
    const fn pack(self) -> u64 {
        let (kind, class, rest) = match self {
            Self::Here => (0, 0, 0),
            Self::Wanted { class } => (1, class, 0),
            Self::Edge { class, record } => (2, class, record),
            Self::Needs { class, least } => (3, class, least as u64),
            Self::End { end } => (4, 0, end),
        };
        kind << (CLASS_BITS + REST_BITS) | (class as u64 & ((1 << CLASS_BITS) - 1)) << REST_BITS | rest & REST_MASK
    }

    /// What was packed; more classes than there are bits for are never captured.
    #[expect(clippy::cast_possible_truncation, reason = "the values were packed from these types")]
    const fn unpack(bits: u64) -> Self {
        let class = (bits >> REST_BITS & ((1 << CLASS_BITS) - 1)) as usize;
        let rest = bits & REST_MASK;
        match bits >> (CLASS_BITS + REST_BITS) {
            0 => Self::Here,
            1 => Self::Wanted { class },
            2 => Self::Edge { class, record: rest },
            3 => Self::Needs { class, least: rest as u32 },
            _ => Self::End { end: rest },
        }
    }
}

/// A mark: the digest of a tuple, and what is said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    digest: u64,
    say: u64,
}

impl Mark {
    pub(super) const fn new(digest: u64, say: Say) -> Self {
        Self { digest, say: say.pack() }
    }
}

/// Takes in marks from several threads.
pub(super) struct Marks {
    spool: Arc<Spool>,
    limits: MarkLimits,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    buffer: Vec<Mark>,
    kept: Vec<Vec<Mark>>,
    spilled: Vec<Spill>,
}

impl Marks {
    pub(super) fn new(spool: Arc<Spool>, limits: MarkLimits) -> Self {
        Self { spool, limits, held: Mutex::default() }
    }

    /// Takes in marks, and empties `from`. They need not be in order; sorted ones are cheaper.
    pub(super) fn take(&self, from: &mut Vec<Mark>) -> Result<(), SpillError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.buffer.append(from);
        if held.buffer.len() >= self.limits.buffer { held.close_run(&self.spool, self.limits) } else { Ok(()) }
    }

    /// Ends the taking, and gives the groups of marks with one digest, in order of digests.
    pub(super) fn groups(self) -> Result<Groups, SpillError> {
        let mut held = self.held.into_inner().unwrap_or_else(PoisonError::into_inner);
        held.close_run(&self.spool, self.limits)?;
        let Held { kept, spilled, .. } = held;
        let mut runs: Vec<RunReader> = kept.into_iter().map(RunReader::kept).collect();
        for spill in spilled {
            runs.push(RunReader::spilled(spill)?);
        }
        Ok(Groups::new(Merge::new(runs)?))
    }
}

impl Held {
    fn close_run(&mut self, spool: &Arc<Spool>, limits: MarkLimits) -> Result<(), SpillError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        // What is taken in comes sorted in stretches, which a merging sort uses.
        self.buffer.sort();
        self.buffer.dedup();
        let kept: usize = self.kept.iter().map(Vec::len).sum();
        if kept + self.buffer.len() <= limits.kept {
            self.kept.push(self.buffer.clone());
            self.buffer.clear();
            return Ok(());
        }
        let mut writer = spool.create()?;
        for mark in self.buffer.drain(..) {
            put(&mut writer, mark)?;
        }
        self.spilled.push(writer.finish()?);
        if self.spilled.len() >= RUNS_MERGED_MAX {
            let mut runs = Vec::new();
            for spill in self.spilled.drain(..) {
                runs.push(RunReader::spilled(spill)?);
            }
            let (mut merge, mut writer) = (Merge::new(runs)?, spool.create()?);
            while let Some(mark) = merge.next_mark()? {
                put(&mut writer, mark)?;
            }
            self.spilled.push(writer.finish()?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
