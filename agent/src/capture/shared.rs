//! What the stages of one run share: the work that is left, the classes' states and the first error.
//!
//! A stage that fails stops all others. Those then fail in turn, and must not hide the reason: an error that only says
//! that something else stopped gives way to any other.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::build::BuildError;
use super::job::{CaptureError, CaptureJob};
use super::known::Known;
use super::sorter::Run;
use crate::source::{PartRead, SourceError};

/// The table of known records of one class.
enum Recalled {
    /// No lane has asked for it.
    NotYet,
    /// Nothing is known.
    Nothing,
    /// In use until the class is built.
    Table(Arc<Known>),
}

/// One class while it is captured.
pub(super) struct ClassState {
    /// Parts that no lane has finished.
    pub(super) parts_left: AtomicUsize,
    /// The table of known records, once a lane asked for it; nothing if the class is read as if nothing were known.
    known: Mutex<Recalled>,
    /// Sorted rows that are not known.
    pub(super) runs: Mutex<Vec<Run>>,
    pub(super) read: Mutex<PartRead>,
    pub(super) record_bytes: AtomicU64,
    /// Whether the class is stored whole.
    pub(super) whole: AtomicBool,
}

/// What the stages of one run share.
pub(super) struct Shared<'a> {
    pub(super) job: &'a CaptureJob<'a>,
    pub(super) states: Vec<ClassState>,
    work: Mutex<VecDeque<(usize, usize)>>,
    error: Mutex<Option<CaptureError>>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(job: &'a CaptureJob<'a>, todo: &[usize], whole: bool) -> Self {
        let classes = job.cut.classes();
        let states = classes
            .iter()
            .map(|class| ClassState {
                parts_left: AtomicUsize::new(class.parts),
                known: Mutex::new(Recalled::NotYet),
                runs: Mutex::new(Vec::new()),
                read: Mutex::new(PartRead::default()),
                record_bytes: AtomicU64::new(0),
                whole: AtomicBool::new(whole),
            })
            .collect();
        let mut order: Vec<_> = todo.iter().filter_map(|at| Some((*at, classes.get(*at)?))).collect();
        order.sort_by_key(|(at, class)| (std::cmp::Reverse(class.bytes_estimate), *at));
        let work = order.into_iter().flat_map(|(at, class)| (0..class.parts).map(move |part| (at, part))).collect();
        Self { job, states, work: Mutex::new(work), error: Mutex::new(None) }
    }

    /// Runs a stage. If it fails, all others are stopped.
    pub(super) fn guard(&self, stage: impl FnOnce() -> Result<(), CaptureError>) {
        if let Err(error) = stage() {
            self.job.progress.stop.store(true, Ordering::Relaxed);
            let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
            if first.as_ref().is_none_or(|known| is_stop(known) && !is_stop(&error)) {
                *first = Some(error);
            }
        }
    }

    /// The next part to read: class and part.
    pub(super) fn next_part(&self) -> Option<(usize, usize)> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.job.progress.stop.load(Ordering::Relaxed)
    }

    /// The error that stopped the run.
    pub(super) fn into_error(self) -> Option<CaptureError> {
        self.error.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClassState {
    /// The table of known records, which the first to ask has loaded.
    pub(super) fn known(&self, load: impl FnOnce() -> Option<Known>) -> Option<Arc<Known>> {
        let mut recalled = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*recalled, Recalled::NotYet) {
            *recalled = load().map_or(Recalled::Nothing, |known| Recalled::Table(Arc::new(known)));
        }
        match &*recalled {
            Recalled::Table(known) => Some(Arc::clone(known)),
            _ => None,
        }
    }

    /// Gives the table's memory back once the class is built.
    pub(super) fn forget_known(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Recalled::Nothing;
    }

    /// Counts a part that was read.
    pub(super) fn add(&self, part: PartRead) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *read == PartRead::default();
        read.expected = match (read.expected, part.expected) {
            (Some(sum), Some(more)) => Some(sum + more),
            (None, more) if first => more,
            _ => None,
        };
        read.captured += part.captured;
        read.bytes += part.bytes;
    }
}

/// Whether an error only says that another stage failed.
fn is_stop(error: &CaptureError) -> bool {
    match error {
        CaptureError::Source(SourceError::Stopped) => true,
        CaptureError::Build { source, .. } => matches!(**source, BuildError::Stopped),
        _ => false,
    }
}
