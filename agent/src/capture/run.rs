//! The run of a capture: lanes read, one builder builds, compressors compress, one writer stores.
//!
//! Each stage is a thread; the queues between them are bounded, so that the depot's disk slows the source's cursor down
//! and nothing piles up. The first error stops all stages and is the one reported.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use super::class::build_classes;
use super::framer::{compress_frames, write_frames};
use super::job::{CaptureError, CaptureJob, CaptureOutcome};
use super::lane::read_lane;
use super::output::Output;
use super::shared::Shared;

/// Compressed and plain frames that wait between stages.
const FRAMES_WAITING: usize = 16;

/// How often the cut is asked whether it must be given up.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Threads that compress.
const COMPRESSORS: usize = 2;

/// Runs a capture to its end.
pub fn capture(job: &CaptureJob<'_>, output: &mut dyn Output) -> Result<CaptureOutcome, CaptureError> {
    let mut outcome = CaptureOutcome { classes: vec![None; job.cut.classes().len()] };
    let mut todo: Vec<usize> = (0..job.cut.classes().len()).collect();
    todo.retain(|at| job.cut.classes().get(*at).is_some_and(|class| class.skipped.is_none()));
    // Classes whose image failed are read again and stored whole.
    let mut whole = false;
    while !todo.is_empty() {
        let again = run_once(job, output, &todo, whole, &mut outcome)?;
        whole = true;
        todo = again;
    }
    Ok(outcome)
}

/// Runs all stages over some classes, and gives those that must be read again.
fn run_once(
    job: &CaptureJob<'_>,
    output: &mut dyn Output,
    todo: &[usize],
    whole: bool,
    outcome: &mut CaptureOutcome,
) -> Result<Vec<usize>, CaptureError> {
    let shared = Shared::new(job, todo, whole);
    let (done_to, done) = bounded(todo.len().max(1));
    let (plain_to, plain) = bounded(FRAMES_WAITING);
    let (packed_to, packed) = bounded(FRAMES_WAITING);
    for class in todo {
        if shared.states.get(*class).is_some_and(|state| state.parts_left.load(Ordering::Relaxed) == 0) {
            let _ = done_to.send(*class);
        }
    }
    let mut again = Vec::new();
    let (ended_to, ended) = bounded::<()>(0);
    std::thread::scope(|scope| {
        scope.spawn(|| shared.guard(|| watch(&shared, &ended)));
        for lane in 0..job.lanes {
            let done_to = done_to.clone();
            let shared = &shared;
            scope.spawn(move || shared.guard(|| read_lane(shared, lane, &done_to)));
        }
        drop(done_to);
        for _ in 0..COMPRESSORS {
            let (plain, packed_to, shared) = (plain.clone(), packed_to.clone(), &shared);
            scope.spawn(move || shared.guard(|| compress_frames(&plain, &packed_to)));
        }
        drop((plain, packed_to));
        let shared = &shared;
        let (outcome, again) = (&mut *outcome, &mut again);
        scope.spawn(move || {
            shared.guard(|| build_classes(shared, &done, plain_to, outcome, again));
            drop(ended_to);
        });
        let written = write_frames(&packed, output, &|| shared.is_stopped());
        // A writer that failed must not let the compressors wait for it.
        drop(packed);
        shared.guard(|| written);
    });
    shared.into_error().map_or(Ok(again), Err)
}

/// Asks the cut now and then whether it must be given up, until the last class is built.
fn watch(shared: &Shared<'_>, ended: &Receiver<()>) -> Result<(), CaptureError> {
    while ended.recv_timeout(CHECK_EVERY) == Err(RecvTimeoutError::Timeout) {
        shared.job.cut.check()?;
    }
    Ok(())
}
