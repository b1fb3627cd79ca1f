//! `backup`: takes a snapshot of a source now.
//!
//! Seals to the room's public key and opens nothing, so it needs no passphrase.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use strongroom_agent::backup::{BackupJob, BackupOutcome, backup_telling};
use strongroom_agent::capture::Progress;
use strongroom_agent::profile::{ProfileChoice, ProfiledSource};
use strongroom_agent::shipment::Sealing;
use strongroom_agent::source::Finding;
use strongroom_core::digest::IdFunctions;
use strongroom_core::error::Code;
use strongroom_core::id::{PackId, SnapshotId, SnapshotRoot};

use super::{registered, shapes};
use crate::app::App;
use crate::args::Backup;
use crate::failure::{Attempt as _, Exit, Failure};
use crate::render::json::{MessageType, Schema};
use crate::render::progress::{Watch, Watched};
use crate::render::text;
use crate::room::kept::{RegisteredSource, RunFacts};
use crate::room::repository::DepotRepository;
use crate::room::{Room, host_name, paths};
use crate::{profiles, sources};

/// The end of a backup.
#[derive(Serialize)]
struct Summary<'a> {
    snapshot: SnapshotId,
    source: &'a str,
    root: SnapshotRoot,
    complete: bool,
    classes: u64,
    records: u64,
    bytes_read: u64,
    bytes_stored: u64,
    duration_ms: u64,
    protected: bool,
    places: Vec<&'a str>,
    sequence: u64,
    added: u64,
    removed: u64,
    changed: u64,
    started: String,
    finished: String,
    profile: Option<&'a str>,
    left_out: &'a [String],
    findings: &'a [Finding],
}

/// What is asked of a backup or a comparison.
pub(super) struct Asked<'a> {
    /// The operator's tags.
    pub(super) tags: &'a [String],
    /// Connections that read side by side.
    pub(super) readers: usize,
    /// The profile to go by. A comparison goes by what the snapshot left out, and needs none.
    pub(super) profile: ProfileChoice,
}

/// A snapshot that was taken.
pub(super) struct Taken {
    /// What the agent says.
    pub(super) outcome: BackupOutcome,
    /// The findings that were shown before the capture.
    told: Vec<Finding>,
    /// How long the whole run took.
    pub(super) took: Duration,
    /// Whether the group says that it is protected.
    pub(super) protected: bool,
}

/// Takes a snapshot.
pub(super) fn run(options: &Backup, app: &App) -> Result<Exit, Failure> {
    if let Some(profile) = &options.profile {
        // What can't be used is refused before a new source is registered.
        profiles::choice(profile)?;
    }
    let room = app.room()?;
    let source = registered::named_or_new(&room, app, &options.source, options.password_file.as_deref())?;
    let asked = Asked {
        tags: &options.tags,
        readers: options.readers.unwrap_or(app.readers).max(1),
        profile: profiles::choice(options.profile.as_ref().unwrap_or(&source.facts.profile))?,
    };
    let taken = take(&room, app, &source, &asked)?;
    report(&room, app, &source.name, &taken);
    Ok(match taken.outcome.complete {
        false => Exit::Found(Code::Incomplete),
        true if taken.protected => Exit::Done,
        true => Exit::Found(Code::NotProtected),
    })
}

/// Takes a snapshot of a registered source.
pub(super) fn take(room: &Room, app: &App, source: &RegisteredSource, asked: &Asked<'_>) -> Result<Taken, Failure> {
    let began = app.clock.monotonic();
    let _source_lock = room.lock_source(source.facts.id, &source.name)?;
    let _depot_lock = room.lock_depot()?;
    let progress = Arc::new(Progress::default());
    let watched = Watched {
        doing: format!("backing up {}", source.name),
        schema: Schema::Backup,
        progress: Arc::clone(&progress),
        records: None,
    };
    let watch = Watch::start(&app.output, &app.clock, watched);
    let told = RefCell::new(Vec::new());
    let tell = |findings: &[Finding]| {
        // Before the first row is read, so that there is time to stop the run.
        shapes::show_findings(&app.output, findings, false);
        told.borrow_mut().extend_from_slice(findings);
    };
    let run = room.begin_run(source.facts.id, &source.name)?;
    if let Some(fault) = &run.fault {
        app.output.warn(fault.chain().join(": "));
    }
    let outcome = needed_packs(room, source)
        .and_then(|needed| with_job(room, app, source, asked, needed, &progress, |job| backup_telling(job, &tell)))
        .and_then(|outcome| outcome.attempt(|| format!("the backup of {} failed", source.name)));
    drop(watch);
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(failure) => {
            // The next run finds one under way whose process is gone, and ends it.
            room.fail_run(&run, failure.code()).ok();
            return Err(failure);
        }
    };
    let protected = match room.end_run(&run, source.facts.id, &source.name, outcome.snapshot) {
        Ok(protected) => protected,
        Err(failure) => {
            // It is durable: the next run commits it.
            app.output.warn(failure.chain().join(": "));
            false
        }
    };
    let took = app.clock.monotonic().since(began);
    let facts =
        RunFacts { bytes_read: outcome.bytes_read, bytes_stored: outcome.bytes_stored, duration_ms: text::ms(took) };
    // The snapshot is committed, whatever becomes of this note about it.
    if let Err(failure) = room.add_run(source.facts.id, outcome.snapshot, facts) {
        app.output.warn(format!("the run could not be noted: {failure}"));
    }
    Ok(Taken { outcome, told: told.into_inner(), took, protected })
}

/// Puts everything together that a backup or a comparison of a source needs. `needed` are the packs that the depot has
/// to keep for a snapshot that is written.
pub(super) fn with_job<T>(
    room: &Room,
    app: &App,
    source: &RegisteredSource,
    asked: &Asked<'_>,
    needed: Vec<PackId>,
    progress: &Progress,
    run: impl FnOnce(&BackupJob<'_>) -> T,
) -> Result<T, Failure> {
    let (settings, secrets) = (room.settings(), &source.secrets);
    let password = secrets.password.as_ref().map(|text| text.as_str());
    let spool = room.root().join(paths::SPOOL).join(source.facts.id.to_string());
    let beside = sources::Beside { spool: &spool, room: room.root() };
    let engine = sources::source_beside(&secrets.url, password, &app.clock, &beside)?;
    let engine = ProfiledSource::new(engine, asked.profile.clone());
    let ids = IdFunctions::new(settings.profile, &secrets.id_key());
    let signer = secrets.signer(settings.profile)?;
    let cache_dir = Room::cache_dir(source.facts.id);
    let cache_path = room.root().join(&cache_dir);
    Ok(run(&BackupJob {
        name: &source.name,
        source: &engine,
        ids: &ids,
        signer: &signer,
        sealing: Sealing {
            source: source.facts.id,
            scope: room.scope(),
            epoch: &settings.epoch,
            entropy: app.entropy.as_ref(),
        },
        host: room.host(),
        host_name: &host_name(),
        repository: &DepotRepository::new(room.depot()).needing(needed),
        disk: room.disk(),
        state_dir: &Room::agent_dir(source.facts.id),
        cache_dir: &cache_dir,
        cache_path: &cache_path,
        clock: app.clock.as_ref(),
        readers: asked.readers,
        tags: asked.tags,
        progress,
    }))
}

/// The packs of a source's newest snapshot, if the depot must be told to keep them for the next one.
fn needed_packs(room: &Room, source: &RegisteredSource) -> Result<Vec<PackId>, Failure> {
    if !room.depot().backend().locks_packs() {
        return Ok(Vec::new());
    }
    let manifests = room.manifests()?;
    let Some(newest) = manifests.of_source(source.facts.id).last() else { return Ok(Vec::new()) };
    let needed = manifests.needed_packs(newest.head()).ok_or_else(|| {
        Failure::new(
            Code::Damaged,
            format!("the depot has lost manifests of {}: which packs to keep is unknown", source.name),
        )
    })?;
    Ok(needed.packs().map(|pack| pack.pack).collect())
}

fn report(room: &Room, app: &App, name: &str, taken: &Taken) {
    let Taken { outcome, told, took, protected } = taken;
    let total = |number: fn(&strongroom_agent::capture::Tally) -> u64| {
        outcome.classes.iter().map(|(_, class)| number(&class.tally)).sum::<u64>()
    };
    let summary = Summary {
        snapshot: outcome.snapshot,
        source: name,
        root: outcome.root,
        complete: outcome.complete,
        classes: outcome.classes.len() as u64,
        records: total(|tally| tally.records),
        bytes_read: outcome.bytes_read,
        bytes_stored: outcome.bytes_stored,
        duration_ms: text::ms(*took),
        protected: *protected,
        places: vec![&room.settings().site],
        sequence: outcome.sequence,
        added: total(|tally| tally.added),
        removed: total(|tally| tally.removed),
        changed: total(|tally| tally.changed),
        started: outcome.started.to_rfc3339(),
        finished: outcome.finished.to_rfc3339(),
        profile: outcome.profile.as_deref(),
        left_out: &outcome.left_out,
        findings: &outcome.findings,
    };
    let output = &app.output;
    output.result(format!(
        "Snapshot {} of {name}: {} in {}.",
        outcome.snapshot,
        text::plural(summary.records, "record", "records"),
        text::plural(summary.classes, "class", "classes"),
    ));
    output.say(format!(
        "  added {}, changed {}, removed {}; read {}, stored {}, in {}",
        text::count(summary.added),
        text::count(summary.changed),
        text::count(summary.removed),
        text::size(summary.bytes_read),
        text::size(summary.bytes_stored),
        text::span(*took),
    ));
    if let Some(profile) = &outcome.profile {
        let left_out = text::plural(outcome.left_out.len() as u64, "class", "classes");
        output.say(format!("  by the profile {profile}, which left out {left_out}"));
    }
    let late: Vec<Finding> = outcome.findings.iter().filter(|finding| !told.contains(finding)).cloned().collect();
    shapes::show_findings(output, &late, false);
    if !outcome.complete {
        output.found(&Failure::new(Code::Incomplete, format!("snapshot {} is incomplete", outcome.snapshot)));
    }
    if !protected {
        let what = format!("snapshot {} is durable, and not protected yet", outcome.snapshot);
        output.found(&Failure::new(Code::NotProtected, what));
    }
    output.message(Schema::Backup, MessageType::Summary, &summary);
}
