//! `verify`: whether what the snapshots promise is there.
//!
//! ```text
//!   depot      heads signed and chained · packs there, of their size, with a footer that opens
//!   snapshots  roots of head and body agree · every part and blob fetched and its id recomputed · counts · references
//!   --read-data  every byte of every pack: Merkle roots, all frames opened
//! ```
//!
//! Findings are gathered, so that one fault does not hide the next. Parts that snapshots share are read once.

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
    parts: u64,
    blobs: u64,
    records: u64,
    references_broken: u64,
    bytes_read: u64,
    findings: Vec<Finding>,
    duration_ms: u64,
}

/// Verifies a snapshot, or all of them.
pub(super) fn run(options: &Verify, app: &App) -> Result<Exit, Failure> {
    let began = app.clock.monotonic();
    let room = app.room()?;
    let manifests = room.manifests()?;
    let selected = match &options.snapshot {
        Some(selector) => vec![manifests.select(selector)?],
        None => manifests.by_time(),
    };
    let custodian = Custodian::open(&room, app)?;
    let progress = Arc::new(Progress::default());
    let watched = Watched {
        doing: "verifying".to_owned(),
        schema: Schema::Verify,
        progress: Arc::clone(&progress),
        records: None,
    };
    let watch = Watch::start(&app.output, &app.clock, watched);
    let mut summary = check(options, app, &room, &manifests, &custodian, &selected, &progress)?;
    drop(watch);
    summary.ok = summary.findings.iter().all(|finding| finding.severity != Severity::Error);
    summary.duration_ms = text::ms(app.clock.monotonic().since(began));
    report(&app.output, options, &summary);
    if summary.ok { Ok(Exit::Done) } else { Ok(Exit::Found(Code::VerifyFailed)) }
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
    for manifest in selected {
        summary.snapshots += 1;
        walk.snapshot(manifest);
    }
    let newest_only = options.snapshot.is_none();
    for manifest in selected {
        let source = manifest.head().source;
        let newest = manifests.of_source(source).last().map(|newest| newest.head().snapshot);
        if newest_only && newest != Some(manifest.head().snapshot) {
            continue;
        }
        match references::broken(custodian, manifests, manifest, progress) {
            Ok(broken) => {
                summary.references_broken += broken.iter().map(|(_, count)| count).sum::<u64>();
                summary.findings.extend(broken.into_iter().map(|(name, count)| Finding {
                    severity: Severity::Warning,
                    kind: "broken_references".into(),
                    subject: name,
                    message: format!(
                        "{} lead to records that the snapshot does not have",
                        text::plural(count, "reference", "references")
                    ),
                }));
            }
            // What can't be read was found on the walk.
            Err(error) => tracing::info!(%error, "references could not be checked"),
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
    output.result(format!(
        "Verified {}: {}, {}, {} in {} ({}), in {}.",
        text::plural(summary.snapshots, "snapshot", "snapshots"),
        text::plural(summary.records, "record", "records"),
        text::plural(summary.parts, "part of a tree", "parts of trees"),
        text::plural(summary.blobs, "blob", "blobs"),
        text::plural(summary.packs, "pack", "packs"),
        text::size(summary.packs_bytes),
        text::span(std::time::Duration::from_millis(summary.duration_ms)),
    ));
    for finding in &summary.findings {
        let word = match finding.severity {
            Severity::Error => "ERROR",
            Severity::Warning => "warning",
            Severity::Info if output.verbose > 0 => "note",
            Severity::Info => continue,
        };
        output.result(format!("  {word}: {}: {}", text::shown(&finding.subject), text::shown(&finding.message)));
    }
    match (summary.ok, options.read_data) {
        (true, true) => output.result("All is well: every byte was read."),
        (true, false) => output.result("All is well. Every byte is read with --read-data."),
        (false, _) => output.found(&Failure::new(Code::VerifyFailed, "verification found faults")),
    }
    output.message(Schema::Verify, MessageType::Summary, summary);
}
