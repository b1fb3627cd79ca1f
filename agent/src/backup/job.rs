//! The steps of a backup, and of the comparison that is a backup without storing.

use std::sync::Arc;

use strongroom_core::digest::IdFunctions;
use strongroom_core::entropy::{Entropy, EntropyError, random_array};
use strongroom_core::error::Code;
use strongroom_core::id::{ClassId, SnapshotId, SnapshotRoot};
use strongroom_core::manifest::{BlobEntry, Finding as BodyFinding, ManifestError};
use strongroom_core::record::ClassSchema;
use strongroom_core::seal::{HostKey, SigningKey};
use strongroom_core::time::WallTime;
use strongroom_platform::clock::Clock;
use strongroom_platform::disk::{Disk, DiskError};

use super::advance::Advance;
use super::describe::{Described, describe};
use super::outlook::look_ahead;
use super::record::{BlobStore, store_blobs};
use crate::cache::{CompactError, Image, ImageError, Index, IndexError, IndexUpdate};
use crate::capture::{
    CaptureError, CaptureJob, CaptureOutcome, ClassBase, ClassOutcome, Mode, NullOutput, OutputError, Progress, Spool,
    capture,
};
use crate::ledger::{Ledger, LedgerError, LedgerStore};
use crate::profile::NarrowedCut;
use crate::repository::{Repository, RepositoryError};
use crate::shipment::{Sealing, Shipment};
use crate::source::{CaptureOptions, Cut, Finding, NativeBlob, Source, SourceError};

/// Everything that a backup of one source needs. The caller holds the source's lock.
pub struct BackupJob<'a> {
    /// The source's name in its room.
    pub name: &'a str,
    /// The source.
    pub source: &'a dyn Source,
    /// Its id functions.
    pub ids: &'a IdFunctions,
    /// Signs the manifest's head.
    pub signer: &'a SigningKey,
    /// What packs are sealed for and with.
    pub sealing: Sealing<'a>,
    /// This host's key, for ledger and image.
    pub host: &'a HostKey,
    /// The host's name.
    pub host_name: &'a str,
    /// Where packs and the manifest go.
    pub repository: &'a dyn Repository,
    /// The volume of cache, ledger and spool.
    pub disk: &'a Arc<dyn Disk>,
    /// Where the ledger lies on it.
    pub state_dir: &'a str,
    /// Where cache and spool lie on it.
    pub cache_dir: &'a str,
    /// The same folder as the operating system knows it, for the index.
    pub cache_path: &'a std::path::Path,
    /// The clocks.
    pub clock: &'a dyn Clock,
    /// Connections that read side by side.
    pub readers: usize,
    /// The operator's tags.
    pub tags: &'a [String],
    /// Counters to keep.
    pub progress: &'a Progress,
}

/// A committed snapshot.
#[derive(Clone, Debug)]
pub struct BackupOutcome {
    /// Its id.
    pub snapshot: SnapshotId,
    /// Its place in the chain.
    pub sequence: u64,
    /// Its root.
    pub root: SnapshotRoot,
    /// Whether everything was captured.
    pub complete: bool,
    /// What became of each class, with its name; skipped ones are left out.
    pub classes: Vec<(String, ClassOutcome)>,
    /// The profile that was in use.
    pub profile: Option<String>,
    /// Classes that the source has and the snapshot leaves out.
    pub left_out: Vec<String>,
    /// Findings of the capture.
    pub findings: Vec<Finding>,
    /// Bytes read from the source.
    pub bytes_read: u64,
    /// Bytes that reached the depot, overhead included.
    pub bytes_stored: u64,
    /// When it began and ended.
    pub started: WallTime,
    /// When the last row was read.
    pub finished: WallTime,
}

/// A backup that failed. Nothing of it is committed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The capture failed.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The depot failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// Packs can't be stored.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The manifest can't be made.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The ledger can't be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The cache can't be written.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The image can't be written.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The image can't be compacted.
    #[error(transparent)]
    Compact(#[from] CompactError),
    /// The host's disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The room's volume has no space for what every backup writes.
    #[error("the room's volume has {bytes_free} bytes left, too few for any backup: nothing was read")]
    NoRoom {
        /// Free bytes.
        bytes_free: u64,
    },
    /// No random bytes are to be had.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// What describes the snapshot can't be encoded.
    #[error("the snapshot's description can't be encoded")]
    Json(#[source] serde_json::Error),
}

/// Takes a snapshot.
pub fn backup(job: &BackupJob<'_>) -> Result<BackupOutcome, BackupError> {
    backup_telling(job, &|_| {})
}

/// Takes a snapshot, and tells what is found out about the source and the room before any row is read.
pub fn backup_telling(job: &BackupJob<'_>, tell: &dyn Fn(&[Finding])) -> Result<BackupOutcome, BackupError> {
    let store = LedgerStore::new(Arc::clone(job.disk), job.state_dir, job.host.clone(), job.sealing.source)?;
    let advance = Advance::open(job, &store)?;
    let ledger = store.load()?;
    refuse_strange_successor(job, ledger.as_ref())?;
    let usable = advance.prepare(ledger.as_ref())?;
    let started = job.clock.wall();
    let cut = job.source.open(&options(job, ledger.as_ref()))?;
    let early = look_ahead(job, cut.as_ref(), ledger.as_ref(), started)?;
    tell(&early);
    let bases = bases(cut.as_ref(), ledger.as_ref(), usable, job.sealing.entropy)?;
    let update = advance.stage()?;
    let mut shipment = Shipment::new(job.repository, job.sealing, Some(advance.image().writer()));
    let spool = Arc::new(spool(job)?);
    let capture_job = CaptureJob {
        ids: job.ids,
        cut: cut.as_ref(),
        bases: &bases,
        lanes: job.readers,
        mode: Mode::Store,
        index: Some(advance.index()),
        image: Some(advance.image()),
        update: Some(&update),
        spool: &spool,
        progress: job.progress,
    };
    let (captured, native) = read_all(&capture_job, &mut shipment, cut.as_ref())?;
    let finished = job.clock.wall();
    let blobs = store_all_blobs(job, cut.as_ref(), ledger.as_ref(), &native, &mut shipment)?;
    let facts = cut.facts().clone();
    let schemas: Vec<_> = cut.classes().to_vec();
    let profile = cut.profile().map(Arc::clone);
    let late = cut.close()?;
    let shipped = shipment.finish()?;
    if shipped.image_failed.is_some() {
        update.void();
    }
    let described = describe(
        job,
        ledger.as_ref(),
        Described {
            started,
            finished,
            facts,
            classes: schemas,
            captured,
            profile,
            blobs,
            early,
            late,
            packs: shipped.packs,
        },
    )?;
    commit(job, &store, &advance, &update, shipped.image.as_ref(), described)
}

fn commit(
    job: &BackupJob<'_>,
    store: &LedgerStore,
    advance: &Advance<'_>,
    update: &IndexUpdate,
    image: Option<&crate::cache::ImageUpdate>,
    described: super::describe::Manifested,
) -> Result<BackupOutcome, BackupError> {
    let super::describe::Manifested { manifest, ledger, mut outcome } = described;
    store.write_pending(&ledger, job.sealing.entropy)?;
    job.repository.put_manifest(job.sealing.source, ledger.sequence, ledger.snapshot, &manifest)?;
    outcome.bytes_stored += manifest.len() as u64;
    store.adopt()?;
    // The snapshot is committed. A cache that can't follow costs the next backup space, and this one nothing.
    let classes: Vec<ClassId> = outcome.classes.iter().map(|(_, class)| class.class).collect();
    let followed = if update.is_void() {
        advance.forget().map_err(|error| format!("the agent's cache could not be cleared: {error}"))
    } else {
        let failed =
            |error| format!("the agent's cache could not advance, so the next snapshot is stored whole: {error}");
        advance.follow(&ledger.root, image).map_err(failed)
    };
    let failed = |error| format!("the agent's image keeps forms that nothing needs any more: {error}");
    if let Err(message) = followed.and_then(|()| advance.compact(&classes).map_err(failed)) {
        let subject = "cache".into();
        outcome.findings.push(Finding { severity: crate::source::Severity::Warning, subject, message });
    }
    Ok(outcome)
}

/// Refuses before anything is read if the depot has the snapshot that this one would be: the ledger was lost or rolled
/// back, and a second successor would be refused at the end.
fn refuse_strange_successor(job: &BackupJob<'_>, ledger: Option<&Ledger>) -> Result<(), BackupError> {
    let next = ledger.map_or(1, |ledger| ledger.sequence + 1);
    let Some(snapshot) = job.repository.snapshot_at(job.sealing.source, next)? else { return Ok(()) };
    Err(BackupError::Repository(RepositoryError {
        code: Code::LedgerBehind,
        what: format!("the depot holds snapshot {snapshot} of {}, of which this host's ledger knows nothing", job.name),
        source: None,
    }))
}

/// Compares a source with what the ledger knows of its newest snapshot, and stores nothing.
pub fn compare(job: &BackupJob<'_>) -> Result<Vec<(String, Option<ClassOutcome>)>, BackupError> {
    let store = LedgerStore::new(Arc::clone(job.disk), job.state_dir, job.host.clone(), job.sealing.source)?;
    let advance = Advance::open(job, &store)?;
    let ledger = store.load()?;
    let usable = advance.describes(ledger.as_ref())?;
    let cut = job.source.open(&CaptureOptions { records_only: true, ..options(job, ledger.as_ref()) })?;
    // What the snapshot left out can't differ from it.
    let left_out = ledger.as_ref().map(|ledger| &ledger.left_out);
    let reason = |class: &str| left_out?.get(class).map(|_| "the snapshot left it out".to_owned());
    let cut: Box<dyn Cut> = Box::new(NarrowedCut::new(cut, reason));
    let bases = bases(cut.as_ref(), ledger.as_ref(), usable, job.sealing.entropy)?;
    let spool = Arc::new(spool(job)?);
    let capture_job = CaptureJob {
        ids: job.ids,
        cut: cut.as_ref(),
        bases: &bases,
        lanes: job.readers,
        mode: Mode::Compare,
        index: Some(advance.index()),
        image: None,
        update: None,
        spool: &spool,
        progress: job.progress,
    };
    let captured = capture(&capture_job, &mut NullOutput)?;
    let names = cut.classes().iter().map(|class| class.schema.name.clone());
    let found = names.zip(captured.classes).collect();
    cut.close()?;
    Ok(found)
}

/// Captures the records and asks for the native blobs at the same time.
fn read_all(
    job: &CaptureJob<'_>,
    shipment: &mut Shipment<'_>,
    cut: &dyn Cut,
) -> Result<(CaptureOutcome, Vec<NativeBlob>), BackupError> {
    std::thread::scope(|scope| {
        let native = scope.spawn(|| {
            let native = cut.blobs();
            if native.is_err() {
                job.progress.stop.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            native
        });
        let captured = capture(job, shipment);
        let native = native.join().unwrap_or(Err(SourceError::Stopped));
        match (captured, native) {
            (Err(CaptureError::Source(SourceError::Stopped)), Err(error)) => Err(error.into()),
            (captured, native) => Ok((captured?, native?)),
        }
    })
}

fn store_all_blobs(
    job: &BackupJob<'_>,
    cut: &dyn Cut,
    ledger: Option<&Ledger>,
    native: &[NativeBlob],
    shipment: &mut Shipment<'_>,
) -> Result<Vec<BlobEntry>, BackupError> {
    let held = ledger.map(|ledger| ledger.blobs.as_slice()).unwrap_or_default();
    let mut store = BlobStore::new(job.ids, held, shipment)?;
    store_blobs(&mut store, cut, native)?;
    store.finish()
}

fn options(job: &BackupJob<'_>, ledger: Option<&Ledger>) -> CaptureOptions {
    let earlier =
        ledger.map(|ledger| ledger.classes.iter().map(|(name, class)| (name.clone(), class.schema.clone())).collect());
    CaptureOptions { earlier: earlier.unwrap_or_default(), readers: job.readers, records_only: false }
}

fn spool(job: &BackupJob<'_>) -> Result<Spool, BackupError> {
    let dir = format!("{}/spill", job.cache_dir);
    Spool::remove_strays(job.disk.as_ref(), &dir)?;
    Spool::new(Arc::clone(job.disk), &dir, job.sealing.entropy).map_err(|error| CaptureError::from(error).into())
}

fn bases(
    cut: &dyn Cut,
    ledger: Option<&Ledger>,
    usable: bool,
    entropy: &dyn Entropy,
) -> Result<Vec<ClassBase>, EntropyError> {
    let base = |schema: &ClassSchema| {
        let Some(known) = ledger.and_then(|ledger| ledger.classes.get(&schema.name)) else {
            return Ok(ClassBase { class: ClassId(random_array(entropy)?), params: None, committed: None });
        };
        if known.schema.key != schema.key || known.records == 0 {
            // Under another key the same records lie elsewhere, and of no records the size was not known: a new tree
            // line.
            return Ok(ClassBase { class: known.id, params: None, committed: None });
        }
        let committed = usable.then_some((known.root, known.schema_digest));
        Ok(ClassBase { class: known.id, params: Some(known.params), committed })
    };
    cut.classes().iter().map(|class| base(&class.schema)).collect()
}

impl BackupError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Source(error) | Self::Capture(CaptureError::Source(error)) => error.code(),
            Self::Repository(error) => error.code,
            Self::Output(error) | Self::Capture(CaptureError::Output(error)) => {
                error.0.downcast_ref::<RepositoryError>().map_or(Code::Internal, |inner| inner.code)
            }
            Self::Disk(error) | Self::Ledger(LedgerError::Disk(error)) => disk_code(error),
            Self::Ledger(_) => Code::Damaged,
            Self::NoRoom { .. } => Code::NoSpace,
            _ => chain_disk_code(self),
        }
    }
}

/// The code of a failure of the host's disk.
pub(crate) fn disk_code(error: &DiskError) -> Code {
    match error {
        DiskError::NoSpace { .. } => Code::NoSpace,
        _ => Code::VolumeFailed,
    }
}

/// Looks for a disk's failure down the chain of causes.
fn chain_disk_code(error: &BackupError) -> Code {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(disk) = error.downcast_ref::<DiskError>() {
            return disk_code(disk);
        }
        next = error.source();
    }
    Code::Internal
}

/// A finding as manifests carry it.
pub(super) fn body_finding(finding: &Finding) -> BodyFinding {
    use crate::source::Severity as From;
    use strongroom_core::manifest::Severity as To;
    let severity = match finding.severity {
        From::Info => To::Info,
        From::Warning => To::Warning,
        From::Incomplete => To::Error,
    };
    BodyFinding { severity, subject: finding.subject.clone(), message: finding.message.clone() }
}

/// The opened cache, for whoever needs it beside a backup.
pub(super) struct OpenCache {
    pub index: Index,
    pub image: Image,
}
