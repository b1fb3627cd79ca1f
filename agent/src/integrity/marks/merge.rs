//! Runs of sorted marks, in memory or on the spool, and their merge.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use strongroom_core::codec::Malformed;
use strongroom_platform::disk::DiskRead;

use super::Mark;
use crate::capture::{Spill, SpillError, SpillWriter};

/// Bytes of a mark on the spool.
const MARK_BYTES: usize = 16;

pub(super) fn put(writer: &mut SpillWriter, mark: Mark) -> Result<(), SpillError> {
    let mut row = [0; MARK_BYTES];
    let (digest, say) = row.split_at_mut(8);
    digest.copy_from_slice(&mark.digest.to_be_bytes());
    say.copy_from_slice(&mark.say.to_be_bytes());
    writer.push(&row)
}

/// Reads one run.
pub(super) struct RunReader {
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
    pub(super) fn kept(marks: Vec<Mark>) -> Self {
        Self { marks: marks.into_iter(), rest: None }
    }

    pub(super) fn spilled(spill: Spill) -> Result<Self, SpillError> {
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
pub(super) struct Merge {
    runs: Vec<RunReader>,
    heads: BinaryHeap<Reverse<(Mark, usize)>>,
}

impl Merge {
    pub(super) fn new(mut runs: Vec<RunReader>) -> Result<Self, SpillError> {
        let mut heads = BinaryHeap::new();
        for (at, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next_mark()?.map(|mark| Reverse((mark, at))));
        }
        Ok(Self { runs, heads })
    }

    pub(super) fn next_mark(&mut self) -> Result<Option<Mark>, SpillError> {
        let Some(mut head) = self.heads.peek_mut() else { return Ok(None) };
        let Reverse((mark, at)) = *head;
        match self.runs.get_mut(at).map(RunReader::next_mark).transpose()?.flatten() {
            Some(next) => *head = Reverse((next, at)),
            None => drop(std::collections::binary_heap::PeekMut::pop(head)),
        }
        Ok(Some(mark))
    }
}
