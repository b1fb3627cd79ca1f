//! From a finished capture to its manifest and ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use strongroom_core::entropy::random_array;
use strongroom_core::error::Code;
use strongroom_core::id::SnapshotId;
use strongroom_core::manifest::{
    BlobEntry, ClassEntry, ClassHead, ClassTags, ClockReadings, ManifestBody, ManifestDraft, NodeRef, PackRef,
    SnapshotTotals, snapshot_root,
};
use strongroom_core::seal::Recipient;
use strongroom_core::time::WallTime;

use super::health::health;
use super::job::{BackupError, BackupJob, BackupOutcome, body_finding};
use super::record::SCHEMAS;
use crate::capture::{CaptureOutcome, ClassOutcome};
use crate::ledger::{Ledger, LedgerClass};
use crate::profile::AppliedProfile;
use crate::source::{CutClass, CutFacts, Finding, Severity, SourceError};

/// What a capture gave, before it has a manifest.
pub(super) struct Described {
    pub started: WallTime,
    pub finished: WallTime,
    pub facts: CutFacts,
    pub classes: Vec<CutClass>,
    pub captured: CaptureOutcome,
    pub profile: Option<Arc<AppliedProfile>>,
    pub blobs: Vec<BlobEntry>,
    /// What was told before the capture.
    pub early: Vec<Finding>,
    pub late: Vec<Finding>,
    pub packs: Vec<PackRef>,
}

/// A manifest that is ready to be committed.
pub(super) struct Manifested {
    pub manifest: Vec<u8>,
    pub ledger: Ledger,
    pub outcome: BackupOutcome,
}

/// A class of the cut, and what became of it.
pub(super) type Pair<'a> = (&'a CutClass, Option<&'a ClassOutcome>);

/// Writes the manifest and the ledger that goes with it.
pub(super) fn describe(
    job: &BackupJob<'_>,
    before: Option<&Ledger>,
    what: Described,
) -> Result<Manifested, BackupError> {
    let mut findings = what.early.clone();
    findings.extend(what.late.iter().cloned());
    let pairs: Vec<Pair<'_>> = what.classes.iter().zip(what.captured.classes.iter().map(Option::as_ref)).collect();
    findings.extend(pairs.iter().filter_map(|(class, outcome)| missing_rows(class, *outcome)));
    findings.extend(pairs.iter().filter_map(|(class, outcome)| not_captured(class, *outcome)));
    findings.extend(health(before, &what, &pairs));
    let complete = findings.iter().all(|finding| finding.severity != Severity::Incomplete);
    let heads = heads(&what, &pairs);
    let root = snapshot_root(job.ids, &heads, &what.blobs);
    let snapshot = SnapshotId(random_array(job.sealing.entropy)?);
    let sequence = before.map_or(1, |ledger| ledger.sequence + 1);
    let body = body(job, &what, &pairs, &findings)?;
    let bytes_stored = what.packs.iter().map(|pack| pack.bytes).sum();
    let mut packs_added = what.packs.clone();
    packs_added.sort();
    let outcomes = || pairs.iter().filter_map(|(_, outcome)| *outcome);
    let totals = SnapshotTotals {
        records: outcomes().map(|outcome| outcome.tally.records).sum(),
        plaintext_bytes: outcomes().map(|outcome| outcome.record_bytes).sum(),
    };
    let draft = ManifestDraft {
        scope: job.sealing.scope,
        source: job.sealing.source,
        sequence,
        previous: before.map(|ledger| ledger.head_hash),
        snapshot,
        root,
        complete,
        restarts_packs: before.is_none(),
        started: what.started,
        finished: what.finished,
        interval: None,
        totals,
        classes: heads,
        packs_added,
        packs_dropped: Vec::new(),
    };
    let sealed = draft.seal(&body, Recipient::Epoch(job.sealing.epoch), job.signer, job.sealing.entropy)?;
    let Known { classes, left_out, gone } = Known::of(before, &pairs);
    let ledger = Ledger {
        sequence,
        head_hash: sealed.head_hash,
        snapshot,
        root,
        classes,
        left_out: left_out.clone(),
        gone,
        finished: Some(what.finished),
        blobs: what.blobs,
    };
    let named = pairs.iter().filter_map(|(class, outcome)| Some((class.schema.name.clone(), (*outcome)?.clone())));
    let outcome = BackupOutcome {
        snapshot,
        sequence,
        root,
        complete,
        classes: named.collect(),
        bytes_read: outcomes().map(|outcome| outcome.read.bytes).sum(),
        profile: what.profile.as_ref().map(|profile| profile.profile().name.clone()),
        left_out: left_out.into_iter().collect(),
        findings,
        bytes_stored,
        started: what.started,
        finished: what.finished,
    };
    Ok(Manifested { manifest: sealed.bytes, ledger, outcome })
}

/// What the ledger says of classes.
struct Known {
    classes: BTreeMap<String, LedgerClass>,
    left_out: BTreeSet<String>,
    gone: BTreeSet<String>,
}

impl Known {
    fn of(before: Option<&Ledger>, pairs: &[Pair<'_>]) -> Self {
        let mut classes = before.map(|ledger| ledger.classes.clone()).unwrap_or_default();
        let captured = pairs.iter().filter_map(|(class, outcome)| Some((*class, (*outcome)?)));
        classes.extend(captured.map(|(class, outcome)| (class.schema.name.clone(), ledger_class(class, outcome))));
        let left_out = pairs.iter().filter(|(class, _)| class.skipped.is_some());
        let left_out = left_out.map(|(class, _)| class.schema.name.clone()).collect();
        let there: BTreeSet<&String> = pairs.iter().map(|(class, _)| &class.schema.name).collect();
        let gone = classes.keys().filter(|name| !there.contains(name)).cloned().collect();
        Self { classes, left_out, gone }
    }
}

/// What the clear head says of the classes.
fn heads(what: &Described, pairs: &[Pair<'_>]) -> Vec<ClassHead> {
    let mut heads: Vec<ClassHead> = pairs
        .iter()
        .filter_map(|(class, outcome)| Some((class, (*outcome)?)))
        .map(|(class, outcome)| ClassHead { class: outcome.class, tags: tags(what, class), root: outcome.root })
        .collect();
    heads.sort_by_key(|head| head.class);
    heads
}

/// What the manifest says to the holders of the key alone.
fn body(
    job: &BackupJob<'_>,
    what: &Described,
    pairs: &[Pair<'_>],
    findings: &[Finding],
) -> Result<ManifestBody, SourceError> {
    let profile = what.profile.as_deref();
    let schemas = what.blobs.iter().find(|blob| blob.role == SCHEMAS).map(|blob| blob.id);
    Ok(ManifestBody {
        source_name: job.name.to_owned(),
        engine: what.facts.engine.clone(),
        engine_version: what.facts.engine_version.clone(),
        product: profile.map(|profile| profile.profile().product.clone()),
        profile: profile.map(|profile| profile.profile().name.clone()),
        application_versions: profile.map(AppliedProfile::versions).unwrap_or_default(),
        integrations: profile.map(AppliedProfile::integrations).unwrap_or_default(),
        environment: environment(&what.facts),
        source_position: what.facts.position.clone(),
        clock: clock(job, what.started),
        host: job.host_name.to_owned(),
        classes: pairs.iter().map(|(class, outcome)| class_entry(job, class, *outcome)).collect(),
        schemas: schemas.ok_or_else(|| SourceError::engine(Code::Internal, SCHEMAS, "the schemas were not stored"))?,
        blobs: what.blobs.clone(),
        findings: findings.iter().map(body_finding).collect(),
        tags: job.tags.to_vec(),
    })
}

/// The engine's settings, and the database that they are of.
fn environment(facts: &CutFacts) -> BTreeMap<String, String> {
    let mut environment = facts.settings.clone();
    environment.insert("database".to_owned(), facts.database.clone());
    environment
}

fn tags(what: &Described, class: &CutClass) -> ClassTags {
    what.profile.as_ref().map_or_else(ClassTags::default, |profile| profile.tags(&class.schema.name))
}

fn clock(job: &BackupJob<'_>, started: WallTime) -> ClockReadings {
    let monotonic = job.clock.monotonic();
    ClockReadings { wall: Some(started), monotonic_ns: Some(monotonic.nanos()), ..ClockReadings::default() }
}

/// A finding if the engine sent another number of rows than were taken in.
fn missing_rows(class: &CutClass, outcome: Option<&ClassOutcome>) -> Option<Finding> {
    let outcome = outcome?;
    let expected = outcome.read.expected.unwrap_or(outcome.read.captured);
    (expected != outcome.tally.records).then(|| Finding {
        severity: Severity::Incomplete,
        subject: class.schema.name.clone(),
        message: format!("the engine sent {expected} rows, {} were captured", outcome.tally.records),
    })
}

/// A finding if a class that was to be captured was not.
fn not_captured(class: &CutClass, outcome: Option<&ClassOutcome>) -> Option<Finding> {
    (outcome.is_none() && class.skipped.is_none()).then(|| Finding {
        severity: Severity::Incomplete,
        subject: class.schema.name.clone(),
        message: "the class was not captured".to_owned(),
    })
}

fn class_entry(job: &BackupJob<'_>, class: &CutClass, outcome: Option<&ClassOutcome>) -> ClassEntry {
    let digest = class.schema.digest(job.ids);
    let params = outcome.map(|outcome| outcome.params);
    ClassEntry {
        id: outcome.map_or(strongroom_core::id::ClassId([0; 16]), |outcome| outcome.class),
        name: class.schema.name.clone(),
        records: outcome.map_or(0, |outcome| outcome.tally.records),
        expected: outcome.and_then(|outcome| outcome.read.expected),
        root: outcome.map_or(strongroom_core::id::ClassRoot([0; 32]), |outcome| outcome.root),
        leaf_records_target: params.map_or(0, |params| params.leaf_records_target),
        node_children_target: params.map_or(0, |params| params.node_children_target),
        schema_digest: digest,
        top: outcome.and_then(|outcome| outcome.top).map(|top| NodeRef { level: top.level, id: top.id.0 }),
        captured: outcome.is_some(),
        reason: class.skipped.clone(),
        findings: Vec::new(),
    }
}

fn ledger_class(class: &CutClass, outcome: &ClassOutcome) -> LedgerClass {
    LedgerClass {
        id: outcome.class,
        root: outcome.root,
        params: outcome.params,
        schema: class.schema.clone(),
        schema_digest: outcome.schema,
        records: outcome.tally.records,
    }
}
