//! A lane: reads parts of the cut, drops the rows that are known, and sorts the others.
//!
//! This is the path of every row: it allocates nothing and calls through one pointer, the source's consumer.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crossbeam_channel::Sender;
use strongroom_core::id::RecordDigest;
use strongroom_core::record::Encoded;

use super::job::{CaptureError, Mode};
use super::known::Known;
use super::recall::recall;
use super::shared::{ClassState, Shared};
use super::sorter::Sorter;
use super::spill::SpillError;
use crate::source::{CutClass, RowWriter, SourceError};

/// Rows after which a lane says how far it is, and looks whether it must stop. A power of two.
const ROWS_BETWEEN_CHECKS: u64 = 1024;

/// Rows that wait until they are looked up together.
const ROWS_WAITING: usize = 32;

/// Reads parts until there are none left, and tells of each class whose last part was read.
pub(super) fn read_lane(shared: &Shared<'_>, lane: usize, done: &Sender<usize>) -> Result<(), CaptureError> {
    while let Some((class, part)) = shared.next_part() {
        if shared.is_stopped() {
            return Err(SourceError::Stopped.into());
        }
        let (Some(state), Some(info)) = (shared.states.get(class), shared.job.cut.classes().get(class)) else {
            continue;
        };
        read_part(shared, lane, (class, part), state, info)?;
        if state.parts_left.fetch_sub(1, Ordering::AcqRel) == 1 && done.send(class).is_err() {
            return Err(SourceError::Stopped.into());
        }
    }
    Ok(())
}

fn read_part(
    shared: &Shared<'_>,
    lane: usize,
    (class, part): (usize, usize),
    state: &ClassState,
    info: &CutClass,
) -> Result<(), CaptureError> {
    let known = state.known(|| recall(shared, class));
    let mut sieve = Sieve {
        shared,
        known: known.as_deref(),
        content: shared.job.mode == Mode::Store,
        sorter: Sorter::new(Arc::clone(shared.job.spool)),
        waiting: Vec::with_capacity(ROWS_WAITING),
        touched: 0,
        spill_error: None,
        records: 0,
        record_bytes: 0,
    };
    let mut tap = shared.job.cut.tap(class);
    let mut consume = |row: &Encoded<'_>| {
        if let Some(tap) = &mut tap {
            tap.see(row.record);
        }
        sieve.take(row)
    };
    let mut rows = RowWriter::new(shared.job.ids.clone(), &info.schema, &mut consume);
    let read = shared.job.cut.read(lane, class, part, &mut rows);
    sieve.sift();
    if let Some(error) = sieve.spill_error {
        return Err(error.into());
    }
    let read = read?;
    if let Some(tap) = tap {
        tap.end();
    }
    shared.job.progress.records.fetch_add(sieve.records % ROWS_BETWEEN_CHECKS, Ordering::Relaxed);
    shared.job.progress.bytes.fetch_add(read.bytes, Ordering::Relaxed);
    state.record_bytes.fetch_add(sieve.record_bytes, Ordering::Relaxed);
    state.runs.lock().unwrap_or_else(PoisonError::into_inner).extend(sieve.sorter.finish()?);
    state.add(read);
    Ok(())
}

/// Takes the rows of one part, and keeps those that are not known.
struct Sieve<'a> {
    shared: &'a Shared<'a>,
    known: Option<&'a Known>,
    content: bool,
    sorter: Sorter,
    /// Digests of the sorter's last rows, which may turn out to be known.
    waiting: Vec<RecordDigest>,
    touched: u32,
    spill_error: Option<SpillError>,
    records: u64,
    record_bytes: u64,
}

impl Sieve<'_> {
    #[inline]
    fn take(&mut self, row: &Encoded<'_>) -> Result<(), SourceError> {
        self.records += 1;
        self.record_bytes += row.record.len() as u64;
        if self.records.is_multiple_of(ROWS_BETWEEN_CHECKS) {
            self.shared.job.progress.records.fetch_add(ROWS_BETWEEN_CHECKS, Ordering::Relaxed);
            if self.shared.is_stopped() {
                return Err(SourceError::Stopped);
            }
        }
        let pushed = self.sorter.push(row, self.content);
        if let Some(known) = self.known {
            self.touched ^= known.touch(row.digest);
            self.waiting.push(row.digest);
            if self.waiting.len() >= ROWS_WAITING || self.sorter.is_full() {
                self.sift();
            }
        }
        let settled = pushed.and_then(|()| if self.waiting.is_empty() { self.sorter.settle() } else { Ok(()) });
        settled.map_err(|error| {
            self.spill_error = Some(error);
            SourceError::Stopped
        })
    }

    /// Takes the rows that are known back out of the sorter. They were let wait because the table is far larger than
    /// the processor's cache: looked at one by one, each row would wait for memory.
    fn sift(&mut self) {
        if let Some(known) = self.known {
            let waiting = &self.waiting;
            self.sorter.sift(waiting.len(), |at| !waiting.get(at).is_some_and(|digest| known.mark(*digest)));
        }
        std::hint::black_box(self.touched);
        self.waiting.clear();
    }
}
