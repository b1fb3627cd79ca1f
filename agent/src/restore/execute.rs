//! Plan and execution of a whole restore.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use strongroom_core::error::Code;
use strongroom_core::record::ClassSchema;
use strongroom_core::tree::leaf::Leaf;

use super::verdict::{Verdict, VerdictJob, verdict};
use crate::capture::{CaptureError, Progress, Spool};
use crate::source::{CutFacts, Finding, NativeBlob, SourceError};
use crate::target::{FeedRecord, Load, LoadPlan, Target};
use crate::view::{ClassView, ObjectStore, SnapshotView, ViewError};

/// What a whole restore needs.
pub struct RestoreJob<'a, S> {
    /// The snapshot.
    pub view: &'a SnapshotView<'a, S>,
    /// Where it goes.
    pub target: &'a dyn Target,
    /// Whether a target that holds data may be replaced.
    pub over: bool,
    /// A short random word, unique to this restore.
    pub token: &'a str,
    /// Lanes that load side by side.
    pub loaders: usize,
    /// Where spills of the verdict go.
    pub spool: &'a Arc<Spool>,
    /// Counters to keep; records count twice, once loaded and once read back.
    pub progress: &'a Progress,
}

/// A finished restore.
#[derive(Clone, Debug)]
pub struct RestoreOutcome {
    /// Records written.
    pub records_written: u64,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// Whether the target equals the snapshot. The target is published only if nothing differs but what it could not
    /// take.
    pub verdict: Verdict,
    /// Whether it was published.
    pub published: bool,
}

/// A restore that failed. The target is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The snapshot can't be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The target failed.
    #[error(transparent)]
    Target(#[from] SourceError),
    /// The target can't be read back.
    #[error("the target can't be read back")]
    Verdict(#[source] CaptureError),
    /// The facts of the snapshot can't be read.
    #[error("the snapshot's facts can't be read")]
    Facts(#[source] serde_json::Error),
}

impl RestoreError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::View(error) => error.code(),
            Self::Target(error) | Self::Verdict(CaptureError::Source(error)) => error.code(),
            Self::Verdict(_) => Code::TargetFailed,
            Self::Facts(_) => Code::Damaged,
        }
    }
}

/// What is read of the snapshot before anything is planned.
struct Prepared {
    facts: CutFacts,
    native: Vec<NativeBlob>,
    schemas: Vec<ClassSchema>,
}

impl Prepared {
    fn new<S: ObjectStore>(view: &SnapshotView<'_, S>) -> Result<Self, RestoreError>
    where
        S::Error: std::error::Error + Send + Sync + 'static,
    {
        let native = view.native_blobs()?;
        let facts = native.iter().find(|blob| blob.role == "facts").map(|blob| blob.content.as_slice());
        let facts = serde_json::from_slice(facts.unwrap_or(b"{}")).map_err(RestoreError::Facts)?;
        let schemas = view.classes().map(|class| class.schema().clone()).collect();
        Ok(Self { facts, native, schemas })
    }

    fn load_plan<'p, S>(&'p self, job: &RestoreJob<'p, S>) -> LoadPlan<'p> {
        LoadPlan {
            facts: &self.facts,
            classes: &self.schemas,
            blobs: &self.native,
            over: job.over,
            token: job.token,
            loaders: job.loaders,
        }
    }
}

/// What a restore would do, in findings. Errors are refusals.
pub fn plan<S: ObjectStore>(job: &RestoreJob<'_, S>) -> Result<Vec<Finding>, RestoreError>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let prepared = Prepared::new(job.view)?;
    Ok(job.target.plan(&prepared.load_plan(job))?)
}

/// Restores a snapshot.
pub fn restore<S: ObjectStore>(job: &RestoreJob<'_, S>) -> Result<RestoreOutcome, RestoreError>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let prepared = Prepared::new(job.view)?;
    let load_plan = prepared.load_plan(job);
    let mut findings = job.target.plan(&load_plan)?;
    let load = job.target.begin(&load_plan)?;
    match load_and_judge(job, load.as_ref(), &prepared.native) {
        Ok((records_written, more, verdict)) => {
            findings.extend(more);
            let published = verdict.is_acceptable();
            if published {
                findings.extend(load.publish()?);
            } else {
                load.abandon()?;
            }
            Ok(RestoreOutcome { records_written, findings, verdict, published })
        }
        Err(error) => {
            // The reason of the failure matters more than that of a failed clean-up, which the next plan finds.
            let _ = load.abandon();
            Err(error)
        }
    }
}

fn load_and_judge<S: ObjectStore>(
    job: &RestoreJob<'_, S>,
    load: &dyn Load,
    native: &[NativeBlob],
) -> Result<(u64, Vec<Finding>, Verdict), RestoreError>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let written = load_all(job, load)?;
    let findings = load.after_data()?;
    let source = load.as_source()?;
    let judge = VerdictJob {
        view: job.view,
        source: source.as_ref(),
        spool: job.spool,
        readers: job.loaders,
        progress: job.progress,
    };
    let mut verdict = verdict(&judge, native).map_err(RestoreError::Verdict)?;
    verdict.allow(&load.allowed());
    Ok((written, findings, verdict))
}

fn load_all<S: ObjectStore>(job: &RestoreJob<'_, S>, load: &dyn Load) -> Result<u64, RestoreError>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let mut classes: Vec<ClassView<'_, S>> = job.view.classes().collect();
    // Rows times columns stands in for bytes, which the manifest does not tell by class.
    let weight = |class: &ClassView<'_, S>| class.entry().records.saturating_mul(class.schema().columns.len() as u64);
    classes.sort_by_key(|class| std::cmp::Reverse(weight(class)));
    let work = Mutex::new(classes.into_iter().collect::<VecDeque<_>>());
    let written = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let error: Mutex<Option<RestoreError>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for lane in 0..job.loaders {
            let (work, written, stop, error) = (&work, &written, &stop, &error);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let next = work.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(class) = next else { break };
                    match load_class(job, load, lane, &class, stop) {
                        Ok(records) => {
                            written.fetch_add(records, Ordering::Relaxed);
                        }
                        Err(failure) => {
                            stop.store(true, Ordering::Relaxed);
                            error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
                        }
                    }
                }
            });
        }
    });
    match error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(written.into_inner()),
    }
}

enum FeedStop {
    View(ViewError),
    Target(SourceError),
}

impl From<ViewError> for FeedStop {
    fn from(error: ViewError) -> Self {
        Self::View(error)
    }
}

fn load_class<S: ObjectStore>(
    job: &RestoreJob<'_, S>,
    load: &dyn Load,
    lane: usize,
    class: &ClassView<'_, S>,
    stop: &AtomicBool,
) -> Result<u64, RestoreError>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let mut view_error = None;
    let mut feed = |take: &mut dyn FnMut(&FeedRecord<'_>) -> Result<(), SourceError>| {
        let mut records = 0_u64;
        let walked = class.for_each_leaf(|leaf: &Leaf| {
            if stop.load(Ordering::Relaxed) {
                return Err(FeedStop::Target(SourceError::Stopped));
            }
            for at in 0..leaf.len() {
                let record = leaf.record(at);
                let large = class.large_values(record)?;
                take(&FeedRecord { record, large: &large }).map_err(FeedStop::Target)?;
            }
            records += leaf.len() as u64;
            job.progress.records.fetch_add(leaf.len() as u64, Ordering::Relaxed);
            Ok(())
        });
        match walked {
            Ok(()) => Ok(records),
            Err(FeedStop::Target(error)) => Err(error),
            Err(FeedStop::View(error)) => {
                view_error = Some(error);
                Err(SourceError::Stopped)
            }
        }
    };
    let loaded = load.load(lane, class.schema(), &mut feed);
    match (loaded, view_error) {
        (_, Some(error)) => Err(error.into()),
        (loaded, None) => Ok(loaded?),
    }
}
