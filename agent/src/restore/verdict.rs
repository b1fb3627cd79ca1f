//! The verdict: whether a system equals a snapshot.

use std::sync::Arc;

use strongroom_core::manifest::ManifestBody;
use strongroom_core::record::ClassSchema;

use crate::capture::{CaptureError, CaptureJob, ClassBase, Mode, NullOutput, Progress, Spool, capture};
use crate::fingerprint::{Fingerprint, FingerprintDifference};
use crate::source::{CaptureOptions, Cut, NativeBlob, Source, SourceError};
use crate::view::{ObjectStore, SnapshotView};

/// What one class came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassVerdict {
    /// The class.
    pub class: String,
    /// Records that the snapshot has.
    pub expected: u64,
    /// Records that the system has; nothing if the class is missing.
    pub found: Option<u64>,
    /// Whether the roots are equal.
    pub equal: bool,
    /// Records that the target could not take whole. All others are as the snapshot has them.
    pub allowed: u64,
}

/// Whether a system equals a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Every class of the snapshot, and classes that only the system has.
    pub classes: Vec<ClassVerdict>,
    /// Objects of the catalog that differ, in sentences.
    pub catalog_differences: Vec<String>,
    /// Native blobs that differ, by role: sequences and the like.
    pub blob_differences: Vec<String>,
}

impl Verdict {
    /// Whether all records are equal.
    pub fn root_equal(&self) -> bool {
        self.classes.iter().all(|class| class.equal)
    }

    /// Whether everything is equal.
    pub fn is_equal(&self) -> bool {
        self.root_equal() && self.catalog_differences.is_empty() && self.blob_differences.is_empty()
    }

    /// Whether nothing differs but what the target could not take, and said so.
    pub fn is_acceptable(&self) -> bool {
        self.classes.iter().all(|class| class.equal || class.allowed > 0)
            && self.catalog_differences.is_empty()
            && self.blob_differences.is_empty()
    }

    /// Takes into account what a target could not take and was read as if it had: classes that would be equal with it
    /// are not.
    pub(super) fn allow(&mut self, allowed: &[(String, u64)]) {
        for class in self.classes.iter_mut().filter(|class| class.equal) {
            class.allowed = allowed.iter().filter(|(name, _)| *name == class.class).map(|(_, count)| count).sum();
            class.equal = class.allowed == 0;
        }
    }
}

/// What a verdict needs.
pub struct VerdictJob<'a, S> {
    /// The snapshot.
    pub view: &'a SnapshotView<'a, S>,
    /// The system.
    pub source: &'a dyn Source,
    /// Where spills go.
    pub spool: &'a Arc<Spool>,
    /// Connections that read side by side.
    pub readers: usize,
    /// Counters to keep.
    pub progress: &'a Progress,
}

/// Roles whose blobs must be equal too.
const COMPARED_ROLES: [&str; 2] = ["sequences", "large-objects"];

/// Reads the system and compares it with the snapshot.
pub fn verdict<S: ObjectStore>(job: &VerdictJob<'_, S>, native: &[NativeBlob]) -> Result<Verdict, CaptureError>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let earlier = job.view.classes().map(|class| (class.name().to_owned(), class.schema().clone())).collect();
    let options = CaptureOptions { earlier, readers: job.readers, records_only: false };
    let cut = job.source.open(&options)?;
    let bases: Vec<ClassBase> = cut.classes().iter().map(|class| base(job.view, &class.schema)).collect();
    let capture_job = CaptureJob {
        ids: job.view.ids(),
        cut: cut.as_ref(),
        bases: &bases,
        lanes: job.readers,
        mode: Mode::Compare,
        index: None,
        image: None,
        update: None,
        spool: job.spool,
        progress: job.progress,
    };
    let (captured, found_blobs) = std::thread::scope(|scope| {
        let blobs = scope.spawn(|| cut.blobs());
        let captured = capture(&capture_job, &mut NullOutput);
        (captured, blobs.join().unwrap_or(Err(SourceError::Stopped)))
    });
    let (captured, found_blobs) = (captured?, found_blobs?);
    let mut verdict =
        Verdict { classes: class_verdicts(job.view.body(), cut.as_ref(), &captured), ..Verdict::default() };
    compare_blobs(native, &found_blobs, &mut verdict);
    cut.close()?;
    Ok(verdict)
}

fn base<S: ObjectStore>(view: &SnapshotView<'_, S>, schema: &ClassSchema) -> ClassBase
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let known = view.body().classes.iter().find(|entry| entry.name == schema.name);
    let params = view.classes().find(|class| class.name() == schema.name).map(|class| class.params());
    ClassBase { class: known.map_or(strongroom_core::id::ClassId([0; 16]), |entry| entry.id), params, committed: None }
}

fn class_verdicts(body: &ManifestBody, cut: &dyn Cut, captured: &crate::capture::CaptureOutcome) -> Vec<ClassVerdict> {
    let found = |name: &str| {
        let at = cut.classes().iter().position(|class| class.schema.name == name)?;
        captured.classes.get(at)?.as_ref()
    };
    let mut verdicts: Vec<ClassVerdict> = body
        .classes
        .iter()
        .filter(|entry| entry.captured)
        .map(|entry| {
            let outcome = found(&entry.name);
            ClassVerdict {
                class: entry.name.clone(),
                expected: entry.records,
                found: outcome.map(|outcome| outcome.tally.records),
                equal: outcome.is_some_and(|outcome| outcome.root == entry.root),
                allowed: 0,
            }
        })
        .collect();
    for class in cut.classes().iter().filter(|class| class.skipped.is_none()) {
        let name = &class.schema.name;
        let entry = body.classes.iter().find(|entry| &entry.name == name);
        if entry.is_none_or(|entry| !entry.captured) {
            // What the snapshot left out is there and empty; what it does not know should not be there.
            let records = found(name).map(|outcome| outcome.tally.records);
            let equal = entry.is_some() && records == Some(0);
            verdicts.push(ClassVerdict { class: name.clone(), expected: 0, found: records, equal, allowed: 0 });
        }
    }
    verdicts
}

fn compare_blobs(wanted: &[NativeBlob], found: &[NativeBlob], verdict: &mut Verdict) {
    let content =
        |blobs: &[NativeBlob], role: &str| blobs.iter().find(|blob| blob.role == role).map(|blob| blob.content.clone());
    for role in COMPARED_ROLES {
        if content(wanted, role) != content(found, role) {
            verdict.blob_differences.push(role.to_owned());
        }
    }
    let fingerprint = |blobs| content(blobs, "fingerprint").map(|content| Fingerprint::from_blob(&content));
    match (fingerprint(wanted), fingerprint(found)) {
        (Some(Ok(wanted)), Some(Ok(found))) => {
            let differences = wanted.differences(&found);
            verdict.catalog_differences.extend(differences.iter().map(describe));
        }
        (None, None) => {}
        _ => verdict.catalog_differences.push("one side has no catalog fingerprint that can be read".to_owned()),
    }
}

fn describe(difference: &FingerprintDifference) -> String {
    let what = match (&difference.expected, &difference.found) {
        (Some(_), None) => "is missing",
        (None, Some(_)) => "is too much",
        _ => "differs",
    };
    format!("{} {what}", difference.object)
}
