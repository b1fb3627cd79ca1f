//! `verify`: whether what the snapshots promise is there.
//!
//! ```text
//!   depot      heads signed and chained · packs there, of their size, with a footer that opens
//!   snapshots  roots of head and body agree · every part and blob fetched and its id recomputed · counts; those whose
//!              references are checked are read once for both
//!   references declared, generic, embedded and conventional ones lead to records; --live asks a source instead
//!   --read-data  every byte of every pack: Merkle roots, all frames opened
//! ```
//!
//! Findings are gathered, so that one fault does not hide the next. Parts that snapshots share are read once.

mod live;
mod references;
mod walk;

use std::sync::Arc;

use serde::Serialize;
use strongroom_agent::capture::Progress;
use strongroom_core::error::Code;
use strongroom_core::frame::Decompressor;
use strongroom_core::manifest::{PackRef, VerifiedManifest};
use strongroom_depot::reader::PackFile;
use strongroom_depot::verify as depot_verify;

use crate::app::App;
use crate::args::Verify;
use crate::failure::{Attempt as _, Exit, Failure};
use crate::render::json::{MessageType, Schema};
use crate::render::progress::{Watch, Watched};
use crate::render::{Output, text};
use crate::room::Room;
use crate::room::custodian::Custodian;
use crate::room::manifests::Manifests;
use references::{Checked, References};
pub(super) use walk::Walk;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// Worth knowing.
    Info,
    /// Somebody should look.
    Warning,
    /// What was promised is not there.
    Error,
}

/// Something that verification found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) kind: String,
    pub(super) subject: String,
    pub(super) message: String,
}

#[derive(Default, Serialize)]
struct Summary {
    ok: bool,
    snapshots: u64,
    manifests: u64,
    packs: u64,
    packs_bytes: u64,
    /// What the packs' frames hold, uncompressed; 0 unless every byte was read.
    plain_bytes: u64,
    parts: u64,
    blobs: u64,
    records: u64,
    references_broken: u64,
    references: Vec<Checked>,
    bytes_read: u64,
    findings: Vec<Finding>,
    duration_ms: u64,
}

/// Verifies a snapshot, or all of them.
pub(super) fn run(options: &Verify, app: &App) -> Result<Exit, Failure> {
    let began = app.clock.monotonic();
    let room = app.room()?;
    let progress = Arc::new(Progress::default());
    let mut summary = match &options.live {
        Some(source) => watched(app, &progress, || live::check(options, app, &room, source, &progress))?,
        None => stored(options, app, &room, &progress)?,
    };
    summary.ok = summary.findings.iter().all(|finding| finding.severity != Severity::Error);
    summary.duration_ms = text::ms(app.clock.monotonic().since(began));
    report(&app.output, options, &summary);
    if summary.ok { Ok(Exit::Done) } else { Ok(Exit::Found(Code::VerifyFailed)) }
}

/// Shows how far the work is, while it is done.
fn watched<T>(app: &App, progress: &Arc<Progress>, work: impl FnOnce() -> T) -> T {
    let watched = Watched {
        doing: "verifying".to_owned(),
        schema: Schema::Verify,
        progress: Arc::clone(progress),
        records: None,
    };
    let watch = Watch::start(&app.output, &app.clock, watched);
    let done = work();
    drop(watch);
    done
}

/// Verifies what is stored.
fn stored(options: &Verify, app: &App, room: &Room, progress: &Arc<Progress>) -> Result<Summary, Failure> {
    let manifests = room.manifests()?;
    let selected = match &options.snapshot {
        Some(selector) => vec![manifests.select(selector)?],
        None => manifests.by_time(),
    };
    if options.against.is_some() && options.snapshot.is_none() {
        return Err(Failure::new(Code::Usage, "--against needs one snapshot, or --live, to compare"));
    }
    let custodian = Custodian::open(room, app)?;
    watched(app, progress, || check(options, app, room, &manifests, &custodian, &selected, progress))
}

fn check(
    options: &Verify,
    app: &App,
    room: &Room,
    manifests: &Manifests,
    custodian: &Custodian,
    selected: &[&VerifiedManifest],
    progress: &Arc<Progress>,
) -> Result<Summary, Failure> {
    let what = || "can't verify the depot";
    let before = custodian.reads();
    let signers = room.signers()?;
    let report =
        depot_verify::verify(room.depot(), &|source| signers.of(source), Some(custodian.keys())).attempt(what)?;
    let mut summary = Summary {
        manifests: report.manifests as u64,
        packs: report.packs as u64,
        packs_bytes: report.bytes,
        findings: report.findings.iter().map(Finding::from).collect(),
        ..Summary::default()
    };
    if options.read_data {
        let known: Vec<PackRef> =
            manifests.by_time().iter().flat_map(|manifest| manifest.head().packs_added.clone()).collect();
        let scrubbed = depot_verify::scrub(room.depot(), &known, &mut |_, _| {}).attempt(what)?;
        summary.findings.extend(scrubbed.findings.iter().map(Finding::from));
        open_all_frames(room, custodian, &mut summary)?;
    }
    let mut walk = Walk::new(custodian, manifests, Arc::clone(progress));
    let checks = References::new(options, app, room, progress)?;
    let against = options.against.as_deref().map(|selector| manifests.select(selector)).transpose()?;
    let baseline = against.map(|manifest| checks.baseline(custodian, manifests, manifest)).transpose()?;
    for manifest in selected {
        summary.snapshots += 1;
        if !is_checked(options, manifests, manifest) {
            walk.snapshot(manifest);
            continue;
        }
        let against = against.map(|manifest| manifest.head().snapshot.to_string());
        match checks.of_snapshot(custodian, manifests, manifest, against, baseline.as_ref()) {
            Ok((checked, read)) => {
                summary.add(checked);
                walk.was_read(manifest, read);
            }
            // What can't be read is a finding of the walk; whatever else stood in the way is one, too.
            Err(failure) => {
                let known = walk.findings().len();
                walk.snapshot(manifest);
                let found = walk.findings().get(known..).unwrap_or_default();
                summary.findings.extend(references::not_checked(manifest.head().snapshot, failure, found)?);
            }
        }
    }
    if progress.stop.load(std::sync::atomic::Ordering::Relaxed) {
        return Err(Failure::new(Code::Interrupted, "the verification was stopped"));
    }
    (summary.parts, summary.blobs, summary.records) = walk.counts();
    summary.findings.extend(walk.into_findings());
    summary.bytes_read = (custodian.reads() - before).bytes;
    tracing::debug!(lanes = app.readers, "verified");
    Ok(summary)
}

/// Whether the references of a snapshot are checked: without a choice, those of each source's newest.
fn is_checked(options: &Verify, manifests: &Manifests, manifest: &VerifiedManifest) -> bool {
    let newest = manifests.of_source(manifest.head().source).last().map(|newest| newest.head().snapshot);
    options.snapshot.is_some() || newest == Some(manifest.head().snapshot)
}

impl Summary {
    /// Adds what a check of references found.
    fn add(&mut self, checked: Checked) {
        self.references_broken += checked.broken_references;
        self.findings.extend(checked.findings());
        self.references.push(checked);
    }
}

/// Opens every frame of every pack and compares it with the pack's directory.
fn open_all_frames(room: &Room, custodian: &Custodian, summary: &mut Summary) -> Result<(), Failure> {
    let backend = room.depot().backend().as_ref();
    let packs = backend.list_packs().attempt(|| "can't list the packs")?.items;
    let mut decompressor = Decompressor::new().attempt(|| "can't decompress")?;
    for stored in packs {
        let opened = PackFile::open(backend, stored.pack, custodian.keys()).and_then(|file| {
            let directory = file.directory(&mut decompressor)?;
            for (number, info) in (0..).zip(directory.frames()) {
                file.frame(&directory, number, info, &mut decompressor)?;
                summary.plain_bytes += u64::from(info.plain_len);
            }
            Ok(())
        });
        if let Err(error) = opened {
            summary.findings.push(Finding {
                severity: Severity::Error,
                kind: "unreadable_pack".into(),
                subject: stored.pack.to_string(),
                message: format!("pack {} does not open to its end: {error}", stored.pack),
            });
        }
    }
    Ok(())
}

impl From<&depot_verify::Finding> for Finding {
    fn from(finding: &depot_verify::Finding) -> Self {
        let severity = if finding.is_fault() { Severity::Error } else { Severity::Info };
        let subject = finding.pack().map_or_else(|| "depot".to_owned(), |pack| pack.to_string());
        Self { severity, kind: finding.kind().to_owned(), subject, message: finding.to_string() }
    }
}

fn report(output: &Output, options: &Verify, summary: &Summary) {
    let line = if options.live.is_some() { live::line(summary) } else { line(summary) };
    output.result(line);
    for finding in &summary.findings {
        let word = match finding.severity {
            Severity::Error => "ERROR",
            Severity::Warning => "warning",
            Severity::Info if output.verbose > 0 => "note",
            Severity::Info => continue,
        };
        output.result(format!("  {word}: {}: {}", text::shown(&finding.subject), text::shown(&finding.message)));
    }
    let warned = summary.findings.iter().any(|finding| finding.severity == Severity::Warning);
    match (summary.ok, options.read_data) {
        (false, _) => output.found(&failed(summary)),
        (true, _) if options.live.is_some() && warned => {
            output.result("What was found is worth a look; nothing was changed.");
        }
        (true, _) if options.live.is_some() => output.result("All is well."),
        (true, true) => output.result("All is well: every byte was read."),
        (true, false) => output.result("All is well. Every byte is read with --read-data."),
    }
    output.message(Schema::Verify, MessageType::Summary, summary);
}

/// What a verification with faults ends with. Damage comes first: what is read from it says little.
fn failed(summary: &Summary) -> Failure {
    let new_errors = |checked: &Checked| checked.broken.iter().any(|broken| broken.new.is_some_and(|new| new > 0));
    let references = summary.references.iter().flat_map(Checked::findings);
    let of_references = references.filter(|finding| finding.severity == Severity::Error).count();
    let errors = summary.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    if errors > of_references || !summary.references.iter().any(new_errors) {
        return Failure::new(Code::VerifyFailed, "verification found faults");
    }
    Failure::new(Code::VerifyFailed, "references are broken that were whole in the snapshot compared with")
        .advise("Look the named records up with `find`, and bring back what is missing from the older snapshot.")
}

fn line(summary: &Summary) -> String {
    format!(
        "Verified {}: {}, {}, {} in {} ({}), in {}.",
        text::plural(summary.snapshots, "snapshot", "snapshots"),
        text::plural(summary.records, "record", "records"),
        text::plural(summary.parts, "part of a tree", "parts of trees"),
        text::plural(summary.blobs, "blob", "blobs"),
        text::plural(summary.packs, "pack", "packs"),
        text::size(summary.packs_bytes),
        text::span(std::time::Duration::from_millis(summary.duration_ms)),
    )
}
