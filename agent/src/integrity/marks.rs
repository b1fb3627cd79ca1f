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

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, PoisonError};

use strongroom_core::codec::Malformed;
use strongroom_platform::disk::DiskRead;

use crate::capture::{Spill, SpillError, SpillWriter, Spool};

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

/// Bytes of a mark on the spool.
const MARK_BYTES: usize = 16;

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
        Ok(Groups { merge: Merge::new(runs)?, next: None })
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

fn put(writer: &mut SpillWriter, mark: Mark) -> Result<(), SpillError> {
    let mut row = [0; MARK_BYTES];
    let (digest, say) = row.split_at_mut(8);
    digest.copy_from_slice(&mark.digest.to_be_bytes());
    say.copy_from_slice(&mark.say.to_be_bytes());
    writer.push(&row)
}

/// Reads one run.
struct RunReader {
    marks: std::vec::IntoIter<Mark>,
    rest: Option<SpilledRest>,
}

struct SpilledRest {
    spill: Spill,
    file: Box<dyn DiskRead>,
    next_block: usize,
    block: Vec<u8>,
}

impl RunReader {
    fn kept(marks: Vec<Mark>) -> Self {
        Self { marks: marks.into_iter(), rest: None }
    }

    fn spilled(spill: Spill) -> Result<Self, SpillError> {
        let file = spill.open()?;
        let rest = SpilledRest { spill, file, next_block: 0, block: Vec::new() };
        Ok(Self { marks: Vec::new().into_iter(), rest: Some(rest) })
    }

    fn next_mark(&mut self) -> Result<Option<Mark>, SpillError> {
        loop {
            if let Some(mark) = self.marks.next() {
                return Ok(Some(mark));
            }
            let Some(rest) = self.rest.as_mut().filter(|rest| rest.next_block < rest.spill.blocks()) else {
                return Ok(None);
            };
            rest.spill.read(rest.file.as_ref(), rest.next_block, &mut rest.block)?;
            rest.next_block += 1;
            let (rows, odd) = rest.block.as_chunks::<MARK_BYTES>();
            if !odd.is_empty() {
                return Err(Malformed::new("spilled marks").into());
            }
            self.marks = rows.iter().map(read_mark).collect::<Vec<_>>().into_iter();
        }
    }
}

fn read_mark(row: &[u8; MARK_BYTES]) -> Mark {
    let bits = u128::from_be_bytes(*row);
    #[expect(clippy::cast_possible_truncation, reason = "each half is meant")]
    Mark { digest: (bits >> 64) as u64, say: bits as u64 }
}

/// The merge of all runs.
struct Merge {
    runs: Vec<RunReader>,
    heads: BinaryHeap<Reverse<(Mark, usize)>>,
}

impl Merge {
    fn new(mut runs: Vec<RunReader>) -> Result<Self, SpillError> {
        let mut heads = BinaryHeap::new();
        for (at, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next_mark()?.map(|mark| Reverse((mark, at))));
        }
        Ok(Self { runs, heads })
    }

    fn next_mark(&mut self) -> Result<Option<Mark>, SpillError> {
        let Some(mut head) = self.heads.peek_mut() else { return Ok(None) };
        let Reverse((mark, at)) = *head;
        match self.runs.get_mut(at).map(RunReader::next_mark).transpose()?.flatten() {
            Some(next) => *head = Reverse((next, at)),
            None => drop(std::collections::binary_heap::PeekMut::pop(head)),
        }
        Ok(Some(mark))
    }
}

/// What is wrong with the marks of one digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// It is wanted and not there.
    Missing,
    /// It is an edge more than once.
    Twice,
    /// It has fewer ends than it needs.
    FewEnds,
}

/// A digest whose marks are not as they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suspect {
    /// The digest.
    pub(super) digest: u64,
    /// What is wrong.
    pub(super) suspicion: Suspicion,
    /// The classes whose records say so.
    pub(super) classes: Vec<usize>,
}

/// Marks by their digests, in order.
pub(super) struct Groups {
    merge: Merge,
    next: Option<Mark>,
}

impl Groups {
    /// The next digest whose marks are not as they should be.
    pub(super) fn next_suspect(&mut self) -> Result<Option<Suspect>, SpillError> {
        loop {
            let first = match self.next.take() {
                Some(mark) => mark,
                None => match self.merge.next_mark()? {
                    Some(mark) => mark,
                    None => return Ok(None),
                },
            };
            let mut group = Group::default();
            let (mut last, mut mark) = (None, first);
            loop {
                if last != Some(mark) {
                    group.add(Say::unpack(mark.say));
                    last = Some(mark);
                }
                match self.merge.next_mark()? {
                    Some(next) if next.digest == first.digest => mark = next,
                    next => {
                        self.next = next;
                        break;
                    }
                }
            }
            if let Some(suspicion) = group.suspicion() {
                return Ok(Some(Suspect { digest: first.digest, suspicion, classes: group.classes }));
            }
        }
    }
}

/// What the marks of one digest say together.
#[derive(Default)]
struct Group {
    here: bool,
    wanted: bool,
    edges: u64,
    ends: u32,
    least: u32,
    classes: Vec<usize>,
}

impl Group {
    fn add(&mut self, say: Say) {
        match say {
            Say::Here => self.here = true,
            Say::Wanted { class } => {
                self.wanted = true;
                self.add_class(class);
            }
            Say::Edge { class, .. } => {
                self.edges += 1;
                self.add_class(class);
            }
            Say::Needs { class, least } => {
                self.least = self.least.max(least);
                self.add_class(class);
            }
            Say::End { .. } => self.ends = self.ends.saturating_add(1),
        }
    }

    fn add_class(&mut self, class: usize) {
        if !self.classes.contains(&class) {
            self.classes.push(class);
        }
    }

    const fn suspicion(&self) -> Option<Suspicion> {
        if self.wanted && !self.here {
            Some(Suspicion::Missing)
        } else if self.edges > 1 {
            Some(Suspicion::Twice)
        } else if self.ends < self.least {
            Some(Suspicion::FewEnds)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;
    use strongroom_platform::disk::SimDisk;
    use strongroom_platform::rng::SeededEntropy;

    use super::*;

    fn suspects(marks: &[Mark], limits: MarkLimits) -> Vec<(u64, Suspicion, BTreeSet<usize>)> {
        let spool = Spool::new(Arc::new(SimDisk::new(1)), "spool", &SeededEntropy::new(1)).unwrap();
        let taken = Marks::new(Arc::new(spool), limits);
        for some in marks.chunks(7) {
            taken.take(&mut some.to_vec()).unwrap();
        }
        let mut groups = taken.groups().unwrap();
        let mut found = Vec::new();
        while let Some(suspect) = groups.next_suspect().unwrap() {
            found.push((suspect.digest, suspect.suspicion, suspect.classes.into_iter().collect()));
        }
        found
    }

    /// The same without sorting or spilling.
    fn plainly(marks: &[Mark]) -> Vec<(u64, Suspicion, BTreeSet<usize>)> {
        let mut by_digest: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for mark in marks {
            by_digest.entry(mark.digest).or_default().insert(mark.say);
        }
        let mut found = Vec::new();
        for (digest, says) in by_digest {
            let says: Vec<Say> = says.into_iter().map(Say::unpack).collect();
            let count = |fits: fn(&Say) -> bool| says.iter().filter(|say| fits(say)).count();
            let least = says.iter().map(|say| if let Say::Needs { least, .. } = say { *least } else { 0 }).max();
            let suspicion = if count(|say| matches!(say, Say::Wanted { .. })) > 0 && !says.contains(&Say::Here) {
                Suspicion::Missing
            } else if count(|say| matches!(say, Say::Edge { .. })) > 1 {
                Suspicion::Twice
            } else if (count(|say| matches!(say, Say::End { .. })) as u32) < least.unwrap_or(0) {
                Suspicion::FewEnds
            } else {
                continue;
            };
            let class = |say: &Say| match say {
                Say::Wanted { class } | Say::Edge { class, .. } | Say::Needs { class, .. } => Some(*class),
                Say::Here | Say::End { .. } => None,
            };
            found.push((digest, suspicion, says.iter().filter_map(class).collect()));
        }
        found
    }

    fn say() -> impl Strategy<Value = Say> {
        prop_oneof![
            Just(Say::Here),
            (0_usize..4).prop_map(|class| Say::Wanted { class }),
            (0_usize..4, 0_u64..3).prop_map(|(class, record)| Say::Edge { class, record }),
            (0_usize..4, 0_u32..3).prop_map(|(class, least)| Say::Needs { class, least }),
            (0_u64..4).prop_map(|end| Say::End { end }),
        ]
    }

    proptest! {
        #[test]
        fn suspects_are_the_same_whatever_is_spilled(
            marks in prop::collection::vec((0_u64..40, say()), 0..600),
            buffer in 1_usize..60,
            kept in 0_usize..80,
        ) {
            let marks: Vec<Mark> = marks.into_iter().map(|(digest, say)| Mark::new(digest, say)).collect();
            prop_assert_eq!(suspects(&marks, MarkLimits { buffer, kept }), plainly(&marks));
        }
    }

    #[test]
    fn what_is_said_survives_its_packing() {
        for say in [
            Say::Here,
            Say::Wanted { class: 77 },
            Say::Edge { class: (1 << CLASS_BITS) - 1, record: REST_MASK },
            Say::Needs { class: 3, least: u32::MAX },
            Say::End { end: 9 },
        ] {
            assert_eq!(Say::unpack(say.pack()), say);
        }
    }
}
