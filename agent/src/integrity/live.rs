//! The records of a live source: one cut, read as a capture reads it, and as often as it takes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use strongroom_core::codec::Malformed;
use strongroom_core::digest::IdFunctions;
use strongroom_core::record::{Cell, ClassSchema, Encoded};

use super::rows::{IntegrityError, Purpose, Row, Rows, Worker};
use crate::capture::Progress;
use crate::source::{Cut, NativeBlob, RowWriter, SourceError};

/// How often the cut is asked whether it must be given up.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Rows after which a lane says how far it is, and looks whether it must stop.
const ROWS_BETWEEN_CHECKS: u64 = 1024;

/// A cut as a check reads it.
pub(super) struct CutRows<'a> {
    cut: &'a dyn Cut,
    ids: &'a IdFunctions,
    lanes: usize,
    progress: &'a Progress,
    /// Positions of the classes that are captured, among those of the cut.
    classes: Vec<usize>,
}

impl<'a> CutRows<'a> {
    pub(super) fn new(cut: &'a dyn Cut, ids: &'a IdFunctions, lanes: usize, progress: &'a Progress) -> Self {
        let is_read = |at: &usize| cut.classes().get(*at).is_some_and(|class| class.skipped.is_none());
        let classes = (0..cut.classes().len()).filter(is_read).collect();
        Self { cut, ids, lanes: lanes.max(1), progress, classes }
    }

    fn read<W: Worker>(
        &self,
        lane: usize,
        (class, part): (usize, usize),
        stopped: &AtomicBool,
        mut worker: W,
    ) -> Result<W, IntegrityError> {
        let at = self.classes.get(class).copied().unwrap_or_default();
        let Some(info) = self.cut.classes().get(at) else { return Ok(worker) };
        let mut failed = None;
        let mut count = 0_u64;
        let mut consume = |row: &Encoded<'_>| -> Result<(), SourceError> {
            count += 1;
            if count.is_multiple_of(ROWS_BETWEEN_CHECKS) {
                self.progress.records.fetch_add(ROWS_BETWEEN_CHECKS, Ordering::Relaxed);
                if stopped.load(Ordering::Relaxed) || self.progress.stop.load(Ordering::Relaxed) {
                    failed = Some(IntegrityError::Stopped);
                    return Err(SourceError::Stopped);
                }
            }
            let mut large = |cell: &Cell<'_>| -> Result<Vec<u8>, IntegrityError> {
                let wanted = cell.blob()?.map(|(blob, _)| blob);
                let value = row.large.iter().find(|value| Some(value.id) == wanted);
                let bytes = value.and_then(|value| row.large_bytes.get(value.span.clone()));
                Ok(bytes.ok_or(Malformed::new("large value"))?.to_vec())
            };
            worker.row(Row { key: row.key, record: row.record, large: &mut large }).map_err(|error| {
                failed = Some(error);
                SourceError::Stopped
            })
        };
        let mut rows = RowWriter::new(self.ids.clone(), &info.schema, &mut consume);
        let read = self.cut.read(lane, at, part, &mut rows);
        drop(rows);
        match (failed, read) {
            (Some(error), _) => return Err(error),
            (None, read) => drop(read?),
        }
        self.progress.records.fetch_add(count % ROWS_BETWEEN_CHECKS, Ordering::Relaxed);
        worker.finish()?;
        Ok(worker)
    }
}

impl Rows for CutRows<'_> {
    fn schemas(&self) -> Vec<ClassSchema> {
        let classes = self.classes.iter().filter_map(|at| self.cut.classes().get(*at));
        classes.map(|class| class.schema.clone()).collect()
    }

    fn elsewhere(&self) -> Vec<String> {
        let left_out = self.cut.classes().iter().filter(|class| class.skipped.is_some());
        left_out.map(|class| class.schema.name.clone()).collect()
    }

    fn blobs(&self) -> Result<Vec<NativeBlob>, IntegrityError> {
        Ok(self.cut.blobs()?)
    }

    fn pass<W: Worker>(
        &self,
        classes: &[usize],
        _: Purpose,
        start: &(dyn Fn(usize) -> W + Sync),
        end: &mut dyn FnMut(W),
    ) -> Result<(), IntegrityError> {
        let parts_of = |class: &usize| {
            let info = self.classes.get(*class).and_then(|at| self.cut.classes().get(*at));
            let class = *class;
            (0..info.map_or(0, |info| info.parts)).map(move |part| (class, part))
        };
        let parts: Vec<(usize, usize)> = classes.iter().flat_map(parts_of).collect();
        let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (sender, results) = sync_channel(self.lanes);
        std::thread::scope(|scope| {
            for lane in 0..self.lanes {
                let (sender, parts, next, stopped) = (sender.clone(), &parts, &next, &stopped);
                scope.spawn(move || {
                    while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let worker = self.read(lane, *part, stopped, start(part.0));
                        let has_failed = worker.is_err();
                        if sender.send(worker).is_err() || has_failed {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            let taken = self.take_all(&results, end);
            // Lanes that are still at it have nobody left to read for.
            stopped.store(true, Ordering::Relaxed);
            drop(results);
            taken
        })
    }
}

impl CutRows<'_> {
    fn take_all<W: Worker>(
        &self,
        results: &std::sync::mpsc::Receiver<Result<W, IntegrityError>>,
        end: &mut dyn FnMut(W),
    ) -> Result<(), IntegrityError> {
        loop {
            match results.recv_timeout(CHECK_EVERY) {
                Ok(worker) => end(worker?),
                Err(RecvTimeoutError::Timeout) => self.cut.check()?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }
}
