//! The run of a capture: lanes read, one builder builds, compressors compress, one writer stores.
//!
//! Each stage is a thread; the queues between them are bounded, so that the depot's disk slows the source's cursor down
//! and nothing piles up. The first error stops all stages and is the one reported.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};
use strongroom_core::digest::IdFunctions;
use strongroom_core::frame::{CompressedFrame, Compressor, FrameBuilder, ObjectKind, PlainFrame};
use strongroom_core::id::{ClassId, ClassRoot, SchemaDigest};
use strongroom_core::record::Encoded;
use strongroom_core::tree::leaf::{LeafContext, leaf_id};
use strongroom_core::tree::node::Child;
use strongroom_core::tree::params::{PartId, Top, TreeParams, class_root};
use strongroom_core::tree::scaffold::Scaffold;

use super::build::{BuildError, Built, ClassBuild};
use super::known::Known;
use super::merge::{MergeError, OldRecords, Tally};
use super::output::{Output, OutputError};
use super::sorter::{Merged, Run, Sorter};
use super::spill::{SpillError, Spool};
use crate::cache::index::ClassWriter;
use crate::cache::{Image, Index, IndexError, IndexUpdate};
use crate::source::{Cut, PartRead, RowWriter, SourceError};

/// Memory for the table of known records of one class.
const KNOWN_BYTES: usize = 48 << 20;

/// Compressed and plain frames that wait between stages.
const FRAMES_WAITING: usize = 16;

/// zstd levels: parts stored whole are many and compressed once; deltas are few and dense.
const LEVEL_FULL: i32 = 3;
const LEVEL_DELTA: i32 = 12;

/// What a capture is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything new is stored.
    Store,
    /// Only roots and numbers are wanted: nothing is stored, and the cache stays as it is.
    Compare,
}

/// What is known of a class before the capture.
#[derive(Clone, Debug)]
pub struct ClassBase {
    /// The class.
    pub class: ClassId,
    /// The parameters that its tree keeps; nothing for a class that is first seen.
    pub params: Option<TreeParams>,
    /// The committed root and schema digest that the index must reproduce to be used.
    pub committed: Option<(ClassRoot, SchemaDigest)>,
}

/// Counters that others may watch.
#[derive(Debug, Default)]
pub struct Progress {
    /// Rows read.
    pub records: AtomicU64,
    /// Bytes read from the source.
    pub bytes: AtomicU64,
    /// Classes done.
    pub classes: AtomicU64,
    /// Set to stop the capture.
    pub stop: AtomicBool,
}

/// Everything that a capture needs.
pub struct CaptureJob<'a> {
    /// The id functions of the source.
    pub ids: &'a IdFunctions,
    /// The cut to read.
    pub cut: &'a dyn Cut,
    /// For each class of the cut, what is known of it.
    pub bases: &'a [ClassBase],
    /// Lanes that read.
    pub lanes: usize,
    /// What for.
    pub mode: Mode,
    /// The cache, if there is one to be used.
    pub index: Option<&'a Index>,
    /// Its image.
    pub image: Option<&'a Image>,
    /// Where changes of the index wait for the commit.
    pub update: Option<&'a IndexUpdate>,
    /// Where spills go.
    pub spool: &'a Arc<Spool>,
    /// Counters to keep.
    pub progress: &'a Progress,
}

/// What became of one class.
#[derive(Clone, Debug)]
pub struct ClassOutcome {
    /// The class.
    pub class: ClassId,
    /// Its root.
    pub root: ClassRoot,
    /// Its schema's digest.
    pub schema: SchemaDigest,
    /// Its tree's parameters.
    pub params: TreeParams,
    /// Its top.
    pub top: Option<Top>,
    /// What became of its records.
    pub tally: Tally,
    /// What was read.
    pub read: PartRead,
    /// Bytes of its records.
    pub record_bytes: u64,
    /// Whether the cache could be used.
    pub incremental: bool,
}

/// What a capture came to: one entry per class of the cut, nothing for skipped ones.
#[derive(Clone, Debug, Default)]
pub struct CaptureOutcome {
    /// By class of the cut.
    pub classes: Vec<Option<ClassOutcome>>,
}

/// A capture that failed.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Rows could not be sorted.
    #[error(transparent)]
    Spill(#[from] SpillError),
    /// A class could not be built.
    #[error("class {class} can't be built")]
    Build {
        /// The class's name.
        class: String,
        /// Why.
        #[source]
        source: Box<BuildError>,
    },
    /// The cache can't be written.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The result can't be stored.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Compression failed for want of memory.
    #[error("compression failed")]
    Compression(#[source] std::io::Error),
}

struct ClassState {
    parts_left: AtomicUsize,
    known: OnceLock<Option<Known>>,
    runs: Mutex<Vec<Run>>,
    read: Mutex<PartRead>,
    record_bytes: AtomicU64,
    whole: AtomicBool,
}

struct Shared<'a> {
    job: &'a CaptureJob<'a>,
    states: Vec<ClassState>,
    work: Mutex<VecDeque<(usize, usize)>>,
    error: Mutex<Option<CaptureError>>,
}

type Numbered<T> = (u64, T);

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

fn run_once(
    job: &CaptureJob<'_>,
    output: &mut dyn Output,
    todo: &[usize],
    whole: bool,
    outcome: &mut CaptureOutcome,
) -> Result<Vec<usize>, CaptureError> {
    let shared = Shared::new(job, todo, whole);
    let (done_to, done) = bounded(todo.len().max(1));
    let (plain_to, plain) = bounded::<Numbered<(PlainFrame, i32)>>(FRAMES_WAITING);
    let (packed_to, packed) = bounded::<Numbered<CompressedFrame>>(FRAMES_WAITING);
    for class in todo {
        if shared.states.get(*class).is_some_and(|state| state.parts_left.load(Ordering::Relaxed) == 0) {
            let _ = done_to.send(*class);
        }
    }
    let mut again = Vec::new();
    std::thread::scope(|scope| {
        for lane in 0..job.lanes {
            let done_to = done_to.clone();
            let shared = &shared;
            scope.spawn(move || shared.guard(|| read_lane(shared, lane, &done_to)));
        }
        drop(done_to);
        for _ in 0..2 {
            let (plain, packed_to, shared) = (plain.clone(), packed_to.clone(), &shared);
            scope.spawn(move || shared.guard(|| compress_frames(&plain, &packed_to)));
        }
        drop((plain, packed_to));
        let shared = &shared;
        let (outcome, again) = (&mut *outcome, &mut again);
        scope.spawn(move || shared.guard(|| build_classes(shared, &done, plain_to, outcome, again)));
        shared.guard(|| write_frames(&packed, output));
    });
    match shared.error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(again),
    }
}

impl<'a> Shared<'a> {
    fn new(job: &'a CaptureJob<'a>, todo: &[usize], whole: bool) -> Self {
        let classes = job.cut.classes();
        let states = classes
            .iter()
            .map(|class| ClassState {
                parts_left: AtomicUsize::new(class.parts),
                known: OnceLock::new(),
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

    fn guard(&self, stage: impl FnOnce() -> Result<(), CaptureError>) {
        if let Err(error) = stage() {
            self.job.progress.stop.store(true, Ordering::Relaxed);
            let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
            let stopped = |error: &CaptureError| {
                matches!(error, CaptureError::Source(SourceError::Stopped))
                    || matches!(error, CaptureError::Build { source, .. } if matches!(**source, BuildError::Stopped))
            };
            if first.as_ref().is_none_or(|known| stopped(known) && !stopped(&error)) {
                *first = Some(error);
            }
        }
    }

    fn next_part(&self) -> Option<(usize, usize)> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn is_stopped(&self) -> bool {
        self.job.progress.stop.load(Ordering::Relaxed)
    }
}

fn read_lane(shared: &Shared<'_>, lane: usize, done: &Sender<usize>) -> Result<(), CaptureError> {
    while let Some((class, part)) = shared.next_part() {
        if shared.is_stopped() {
            return Err(SourceError::Stopped.into());
        }
        shared.job.cut.check()?;
        let (Some(state), Some(info)) = (shared.states.get(class), shared.job.cut.classes().get(class)) else { continue };
        let known = state.known.get_or_init(|| load_known(shared, class)).as_ref();
        let content = shared.job.mode == Mode::Store;
        let mut sorter = Sorter::new(Arc::clone(shared.job.spool));
        let mut spill_error = None;
        let (mut records, mut record_bytes) = (0_u64, 0_u64);
        let mut consume = |row: &Encoded<'_>| {
            records += 1;
            record_bytes += row.record.len() as u64;
            if records % 1024 == 0 {
                shared.job.progress.records.fetch_add(1024, Ordering::Relaxed);
                if shared.is_stopped() {
                    return Err(SourceError::Stopped);
                }
            }
            if known.is_some_and(|known| known.mark(row.digest)) {
                return Ok(());
            }
            sorter.push(row, content).map_err(|error| {
                spill_error = Some(error);
                SourceError::Stopped
            })
        };
        let mut rows = RowWriter::new(shared.job.ids.clone(), &info.schema, &mut consume);
        let read = shared.job.cut.read(lane, class, part, &mut rows);
        if let Some(error) = spill_error {
            return Err(error.into());
        }
        let read = read?;
        shared.job.progress.records.fetch_add(records % 1024, Ordering::Relaxed);
        shared.job.progress.bytes.fetch_add(read.bytes, Ordering::Relaxed);
        state.record_bytes.fetch_add(record_bytes, Ordering::Relaxed);
        state.runs.lock().unwrap_or_else(PoisonError::into_inner).extend(sorter.finish()?);
        state.add(read);
        if state.parts_left.fetch_sub(1, Ordering::AcqRel) == 1 && done.send(class).is_err() {
            return Err(SourceError::Stopped.into());
        }
    }
    Ok(())
}

impl ClassState {
    fn add(&self, part: PartRead) {
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

/// Loads the table of known records, if the index reproduces the committed root of the class.
fn load_known(shared: &Shared<'_>, class: usize) -> Option<Known> {
    let state = shared.states.get(class)?;
    if state.whole.load(Ordering::Relaxed) {
        return None;
    }
    let known = try_load_known(shared, class);
    if known.is_none() {
        state.whole.store(true, Ordering::Relaxed);
    }
    known
}

fn try_load_known(shared: &Shared<'_>, class: usize) -> Option<Known> {
    let base = shared.job.bases.get(class)?;
    let (index, params, (root, schema)) = (shared.job.index?, base.params?, base.committed?);
    let ids = shared.job.ids;
    let mut records = 0_u64;
    let mut scaffold = Scaffold::new(ids, params);
    let mut nothing = |_: PartId, _| Ok::<_, std::convert::Infallible>(());
    for entry in index.class(base.class).leaves() {
        let entry = entry.ok()?;
        let id = PartId::from(leaf_id(ids, entry.keys.iter().zip(entry.digests.iter().copied())));
        if entry.lineage.id() != Some(id) {
            return None;
        }
        let first_key = strongroom_core::record::Key::from_bytes(entry.keys.get(0));
        let count = entry.digests.len() as u64;
        records += count;
        let Ok(()) = scaffold.push_leaf(Child { first_key, id, records: count }, &mut nothing);
    }
    let Ok(top) = scaffold.finish(&mut nothing);
    if class_root(ids, params, &schema, top) != root {
        return None;
    }
    let mut known = Known::new(records, KNOWN_BYTES);
    for entry in index.class(base.class).leaves() {
        entry.ok()?.digests.iter().for_each(|digest| known.push(*digest));
    }
    Some(known)
}

fn compress_frames(
    plain: &Receiver<Numbered<(PlainFrame, i32)>>,
    packed: &Sender<Numbered<CompressedFrame>>,
) -> Result<(), CaptureError> {
    let mut compressor = Compressor::new().map_err(CaptureError::Compression)?;
    for (number, (frame, level)) in plain {
        let frame = compressor.compress(frame, level).map_err(CaptureError::Compression)?;
        if packed.send((number, frame)).is_err() {
            return Err(SourceError::Stopped.into());
        }
    }
    Ok(())
}

fn write_frames(packed: &Receiver<Numbered<CompressedFrame>>, output: &mut dyn Output) -> Result<(), CaptureError> {
    let mut waiting = std::collections::BTreeMap::new();
    let mut next = 0;
    for (number, frame) in packed {
        waiting.insert(number, frame);
        while let Some(frame) = waiting.remove(&next) {
            let chunks = frame.entries().first().is_some_and(|entry| entry.kind == ObjectKind::Chunk);
            if chunks { output.put_chunks(&frame)? } else { output.put(&frame)? }
            next += 1;
        }
    }
    Ok(())
}

/// Puts objects into frames: tree parts by how densely they are compressed, chunks apart.
struct Framer {
    to: Sender<Numbered<(PlainFrame, i32)>>,
    number: u64,
    full: FrameBuilder,
    delta: FrameBuilder,
    chunks: FrameBuilder,
}

impl Framer {
    fn new(to: Sender<Numbered<(PlainFrame, i32)>>) -> Self {
        Self { to, number: 0, full: FrameBuilder::new(), delta: FrameBuilder::new(), chunks: FrameBuilder::new() }
    }

    fn push(&mut self, id: strongroom_core::id::ObjectId, kind: ObjectKind, body: &[u8]) -> Result<(), BuildError> {
        let (builder, level) = match kind {
            ObjectKind::FullLeaf | ObjectKind::WholeBlob => (&mut self.full, LEVEL_FULL),
            ObjectKind::Chunk => (&mut self.chunks, LEVEL_FULL),
            _ => (&mut self.delta, LEVEL_DELTA),
        };
        match builder.push(id, kind, body)? {
            Some(frame) => self.send(frame, level),
            None => Ok(()),
        }
    }

    fn send(&mut self, frame: PlainFrame, level: i32) -> Result<(), BuildError> {
        self.number += 1;
        self.to.send((self.number - 1, (frame, level))).map_err(|_| BuildError::Stopped)
    }

    fn finish(mut self) -> Result<(), BuildError> {
        let frames = [(self.full.flush(), LEVEL_FULL), (self.delta.flush(), LEVEL_DELTA), (self.chunks.flush(), LEVEL_FULL)];
        for (frame, level) in frames {
            if let Some(frame) = frame {
                self.send(frame, level)?;
            }
        }
        Ok(())
    }
}

fn build_classes(
    shared: &Shared<'_>,
    done: &Receiver<usize>,
    to: Sender<Numbered<(PlainFrame, i32)>>,
    outcome: &mut CaptureOutcome,
    again: &mut Vec<usize>,
) -> Result<(), CaptureError> {
    let mut framer = Framer::new(to);
    for class in done {
        let name = || shared.job.cut.classes().get(class).map_or_else(String::new, |class| class.schema.name.clone());
        match build_class(shared, class, &mut framer) {
            Ok(built) => {
                if let Some(slot) = outcome.classes.get_mut(class) {
                    *slot = built;
                }
                shared.job.progress.classes.fetch_add(1, Ordering::Relaxed);
            }
            Err(BuildError::Image(_)) => again.push(class),
            Err(error) => return Err(CaptureError::Build { class: name(), source: Box::new(error) }),
        }
    }
    framer.finish().map_err(|source| CaptureError::Build { class: String::new(), source: Box::new(source) })
}

fn build_class(shared: &Shared<'_>, class: usize, framer: &mut Framer) -> Result<Option<ClassOutcome>, BuildError> {
    let job = shared.job;
    let (Some(state), Some(info), Some(base)) =
        (shared.states.get(class), job.cut.classes().get(class), job.bases.get(class))
    else {
        return Ok(None);
    };
    let known = state.known.get_or_init(|| load_known(shared, class)).as_ref();
    let read = *state.read.lock().unwrap_or_else(PoisonError::into_inner);
    let record_bytes = state.record_bytes.load(Ordering::Relaxed);
    let params = base.params.unwrap_or_else(|| TreeParams::calc(read.captured, record_bytes));
    let runs = std::mem::take(&mut *state.runs.lock().unwrap_or_else(PoisonError::into_inner));
    let new = Merged::new(runs).map_err(MergeError::from)?;
    let (old, old_nodes) = match (known, job.index) {
        (Some(_), Some(index)) => {
            let class = index.class(base.class);
            (OldRecords::new(Box::new(class.leaves()), known), class.nodes()?)
        }
        _ => (OldRecords::new(Box::new(std::iter::empty()), None), Vec::new()),
    };
    let writer = match (job.mode, job.index, known, job.update) {
        (Mode::Compare, ..) | (_, None, ..) => ClassWriter::nowhere(base.class),
        (_, Some(_), Some(_), Some(update)) => ClassWriter::staged(update, base.class),
        (_, Some(index), ..) => {
            index.class(base.class).clear()?;
            ClassWriter::direct(index, base.class)
        }
    };
    let build = ClassBuild {
        context: LeafContext::new(job.ids.clone(), &info.schema),
        params,
        mode: job.mode,
        image: job.image,
        old_nodes,
        index: writer,
        sink: &mut |id, kind, body| framer.push(id, kind, body),
    };
    let Built { top, tally } = build.run(old, new)?;
    let schema = info.schema.digest(job.ids);
    let root = class_root(job.ids, params, &schema, top);
    let incremental = known.is_some();
    Ok(Some(ClassOutcome { class: base.class, root, schema, params, top, tally, read, record_bytes, incremental }))
}
