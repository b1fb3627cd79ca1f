//! The building of classes, one after another, as their last rows come in.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crossbeam_channel::{Receiver, Sender};
use strongroom_core::id::ClassId;
use strongroom_core::tree::leaf::LeafContext;
use strongroom_core::tree::params::{TreeParams, class_root};

use super::build::{BuildError, Built, ClassBuild};
use super::framer::{Framer, PlainItem};
use super::job::{CaptureError, CaptureJob, CaptureOutcome, ClassOutcome, Mode};
use super::known::Known;
use super::merge::MergeError;
use super::old::{OldNode, OldRecords};
use super::recall::recall;
use super::shared::Shared;
use super::sorter::Merged;
use crate::cache::IndexError;
use crate::cache::index::ClassWriter;

/// Builds each class whose rows are all read; `again` gets those that must be read anew and stored whole.
pub(super) fn build_classes(
    shared: &Shared<'_>,
    done: &Receiver<usize>,
    to: Sender<PlainItem>,
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
            Err(BuildError::Image(_) | BuildError::OldNodes(_)) => {
                // What is staged of the class so far must never be applied.
                if let Some(update) = shared.job.update {
                    update.void();
                }
                again.push(class);
            }
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
    let known = state.known(|| recall(shared, class));
    let known = known.as_deref();
    let read = *state.read.lock().unwrap_or_else(PoisonError::into_inner);
    let record_bytes = state.record_bytes.load(Ordering::Relaxed);
    let params = base.params.unwrap_or_else(|| TreeParams::calc(read.captured, record_bytes));
    let runs = std::mem::take(&mut *state.runs.lock().unwrap_or_else(PoisonError::into_inner));
    let new = Merged::new(runs, job.spool).map_err(MergeError::from)?;
    let (old, old_nodes) = old_records(job, base.class, known)?;
    let build = ClassBuild {
        context: LeafContext::new(job.ids.clone(), &info.schema),
        params,
        mode: job.mode,
        image: job.image,
        old_nodes,
        index: index_writer(job, base.class, known.is_some())?,
        sink: &mut |id, kind, body| framer.push(id, kind, body),
        is_stopped: &|| shared.is_stopped(),
    };
    let Built { top, tally } = build.run(old, new)?;
    state.forget_known();
    let schema = info.schema.digest(job.ids);
    let root = class_root(job.ids, params, &schema, top);
    let incremental = known.is_some();
    Ok(Some(ClassOutcome { class: base.class, root, schema, params, top, tally, read, record_bytes, incremental }))
}

/// The old tree's records and nodes; none where nothing is known.
fn old_records<'a>(
    job: &CaptureJob<'a>,
    class: ClassId,
    known: Option<&'a Known>,
) -> Result<(OldRecords<'a>, Vec<OldNode>), BuildError> {
    let (Some(known), Some(index)) = (known, job.index) else {
        return Ok((OldRecords::new(Box::new(std::iter::empty()), None), Vec::new()));
    };
    let class = index.class(class);
    let nodes = class.nodes().map_err(BuildError::OldNodes)?;
    Ok((OldRecords::new(Box::new(class.leaves()), Some(known)), nodes))
}

/// Where the new tree's index goes: staged until the commit beside an old tree, written at once in place of none.
fn index_writer<'a>(job: &CaptureJob<'a>, class: ClassId, is_known: bool) -> Result<ClassWriter<'a>, IndexError> {
    match (job.mode, job.index, job.update) {
        (Mode::Compare, ..) | (_, None, _) => Ok(ClassWriter::nowhere(class)),
        (_, Some(_), Some(update)) if is_known => Ok(ClassWriter::staged(update, class)),
        (_, Some(index), _) => {
            // What is written now belongs to a snapshot that may never be committed.
            index.describe_nothing()?;
            index.class(class).clear()?;
            Ok(ClassWriter::direct(index, class))
        }
    }
}
