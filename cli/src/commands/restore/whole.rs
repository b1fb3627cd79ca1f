//! A whole snapshot into a database, with a verdict.
//!
//! The plan is made and shown first. What replaces a database that holds data asks, unless `--yes`.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use strongroom_agent::capture::{Progress, Spool};
use strongroom_agent::profile::Recovery;
use strongroom_agent::restore::{ClassVerdict, RestoreJob, RestoreOutcome, Verdict, plan, restore};
use strongroom_agent::source::Finding;
use strongroom_core::entropy::random_array;
use strongroom_core::error::Code;
use strongroom_core::id::{RestoreId, SnapshotId};
use strongroom_depot::store::DepotStore;
use strongroom_platform::disk::Disk;

use crate::app::App;
use crate::args::Restore;
use crate::commands::{recovery, shapes};
use crate::failure::{Attempt as _, Exit, Failure};
use crate::passphrase::first_line_of_file;
use crate::render::json::{MessageType, Schema};
use crate::render::progress::{Watch, Watched};
use crate::render::table::Table;
use crate::render::{Output, text};
use crate::room::custodian::{Custodian, OpenSnapshot};
use crate::room::locks::Held;
use crate::room::{Room, paths};
use crate::sources;

#[derive(Serialize)]
struct PlanDocument<'a> {
    snapshot: SnapshotId,
    source: String,
    target: String,
    complete: bool,
    classes: u64,
    records: u64,
    #[serde(flatten)]
    recovery: &'a Recovery,
    findings: &'a [Finding],
}

/// The end of a restore.
#[derive(Serialize)]
struct Summary<'a> {
    restore: RestoreId,
    snapshot: SnapshotId,
    target: String,
    root_equal: bool,
    verdict_equal: bool,
    published: bool,
    records_written: u64,
    /// Nothing if they could not be counted.
    references_broken: Option<u64>,
    catalog_differences: &'a [String],
    blob_differences: &'a [String],
    classes: Vec<ClassResult<'a>>,
    #[serde(flatten)]
    recovery: &'a Recovery,
    findings: &'a [Finding],
    duration_ms: u64,
}

#[derive(Serialize)]
struct ClassResult<'a> {
    class: &'a str,
    expected: u64,
    found: Option<u64>,
    equal: bool,
    /// Records that differ since the target could not take them whole.
    allowed: u64,
}

impl<'a> From<&'a ClassVerdict> for ClassResult<'a> {
    fn from(verdict: &'a ClassVerdict) -> Self {
        let ClassVerdict { class, expected, found, equal, allowed } = verdict;
        Self { class, expected: *expected, found: *found, equal: *equal, allowed: *allowed }
    }
}

/// Where a restore puts what it sorts, for as long as it lasts.
pub(in crate::commands) struct SpoolPlace {
    disk: Arc<dyn Disk>,
    folder: &'static str,
    _held: Option<Held>,
}

impl SpoolPlace {
    /// The spool of a room.
    pub(in crate::commands) fn of_room(room: &Room) -> Result<Self, Failure> {
        Ok(Self { disk: Arc::clone(room.disk()), folder: paths::SPOOL, _held: Some(room.lock_spool()?) })
    }

    /// A folder that nobody else uses.
    pub(in crate::commands) fn alone(disk: Arc<dyn Disk>) -> Self {
        Self { disk, folder: paths::SPOOL, _held: None }
    }
}

/// A restore that came to its end.
struct Restored {
    /// Its id.
    id: RestoreId,
    /// What became of it.
    outcome: RestoreOutcome,
    /// What it needs beside the snapshot.
    recovery: Recovery,
    /// How long it took.
    took: Duration,
}

/// Restores a snapshot.
pub(super) fn run(options: &Restore, app: &App) -> Result<Exit, Failure> {
    let room = app.room()?;
    let manifests = room.manifests()?;
    let manifest = manifests.select(options.snapshot.as_deref().unwrap_or_default())?;
    let custodian = Custodian::open(&room, app)?;
    let snapshot = custodian.snapshot(&manifests, manifest)?;
    let name = manifests.name(manifest.head().source);
    into_target(options, app, &SpoolPlace::of_room(&room)?, &name, snapshot)
}

/// Restores an opened snapshot, whatever opened it.
pub(in crate::commands) fn into_target(
    options: &Restore,
    app: &App,
    place: &SpoolPlace,
    name: &str,
    snapshot: OpenSnapshot,
) -> Result<Exit, Failure> {
    let id = RestoreId(random_array(app.entropy.as_ref()).attempt(|| "can't make an id for the restore")?);
    let planned = planned(options, app, place, &snapshot, id)?;
    let recovery = recovery::of(&snapshot)?;
    show_plan(&app.output, name, &snapshot, options, &planned);
    recovery::show_needs(&app.output, &recovery);
    if options.plan {
        let head = snapshot.manifest.head();
        app.output.document(
            Schema::RestorePlan,
            &PlanDocument {
                snapshot: head.snapshot,
                source: name.to_owned(),
                target: sources::shown(&options.to),
                complete: head.complete,
                classes: head.classes.len() as u64,
                records: head.totals.records,
                recovery: &recovery,
                findings: &planned,
            },
        );
        return Ok(Exit::Done);
    }
    if options.over && !options.yes {
        let target = sources::shown(&options.to);
        super::confirm(&format!("Replace what is in {target}?"), "the restore would replace a database")?;
    }
    let restored_snapshot = snapshot.manifest.head().snapshot;
    let mut restored = carry_out(options, app, place, snapshot, id, recovery)?;
    // What the plan said is told already.
    restored.outcome.findings.retain(|finding| !planned.contains(finding));
    let mut broken = Some(0);
    if restored.outcome.published {
        let (count, findings) = sources::broken_references(&options.to);
        broken = count;
        let known = &mut restored.outcome.findings;
        let new: Vec<Finding> = findings.into_iter().filter(|finding| !known.contains(finding)).collect();
        known.extend(new);
    }
    report(&app.output, options, restored_snapshot, &restored, broken);
    if restored.outcome.published {
        return Ok(Exit::Done);
    }
    let what = format!("what was loaded for {} does not equal the snapshot", sources::shown(&options.to));
    app.output.found(&Failure::new(Code::VerdictFailed, what));
    Ok(Exit::Found(Code::VerdictFailed))
}

/// What the target says of the restore before anything is written.
fn planned(
    options: &Restore,
    app: &App,
    place: &SpoolPlace,
    snapshot: &OpenSnapshot,
    id: RestoreId,
) -> Result<Vec<Finding>, Failure> {
    with_job(options, app, place, snapshot, &Progress::default(), &text::short(id), plan)?
        .attempt(|| format!("can't restore into {}", sources::shown(&options.to)))
}

/// Loads, checks and publishes.
fn carry_out(
    options: &Restore,
    app: &App,
    place: &SpoolPlace,
    mut snapshot: OpenSnapshot,
    id: RestoreId,
    recovery: Recovery,
) -> Result<Restored, Failure> {
    let began = app.clock.monotonic();
    let progress = Arc::new(Progress::default());
    snapshot.heed(Arc::clone(&progress));
    let watched = Watched {
        doing: format!("restoring {}", snapshot.body.source_name),
        schema: Schema::Restore,
        progress: Arc::clone(&progress),
        // Every record is written once and read back once.
        records: Some(snapshot.manifest.head().totals.records.saturating_mul(2)),
    };
    let watch = Watch::start(&app.output, &app.clock, watched);
    let outcome = with_job(options, app, place, &snapshot, &progress, &text::short(id), restore);
    drop(watch);
    let outcome = outcome?.attempt(|| format!("the restore into {} failed", sources::shown(&options.to)))?;
    Ok(Restored { id, outcome, recovery, took: app.clock.monotonic().since(began) })
}

fn with_job<T>(
    options: &Restore,
    app: &App,
    place: &SpoolPlace,
    snapshot: &OpenSnapshot,
    progress: &Progress,
    token: &str,
    run: impl FnOnce(&RestoreJob<'_, DepotStore>) -> T,
) -> Result<T, Failure> {
    let password = options.password_file.as_deref().map(first_line_of_file).transpose()?;
    let target = sources::target(&options.to, password.as_ref().map(|text| text.as_str()), &app.clock)?;
    let spool = Spool::new(Arc::clone(&place.disk), place.folder, app.entropy.as_ref());
    let spool = Arc::new(spool.map_err(|error| Failure::because(Code::VolumeFailed, "can't use the spool", error))?);
    let view = snapshot.view()?;
    Ok(run(&RestoreJob {
        view: &view,
        target: target.as_ref(),
        over: options.over,
        token,
        loaders: options.loaders.unwrap_or(app.readers).max(1),
        spool: &spool,
        progress,
    }))
}

fn show_plan(output: &Output, name: &str, snapshot: &OpenSnapshot, options: &Restore, planned: &[Finding]) {
    let head = snapshot.manifest.head();
    output.say(format!(
        "Restore snapshot {} of {name}, taken {}, into {}: {} in {}.",
        text::short(head.snapshot),
        text::time(head.started),
        sources::shown(&options.to),
        text::plural(head.totals.records, "record", "records"),
        text::plural(head.classes.len() as u64, "class", "classes"),
    ));
    if !head.complete {
        output.warn("the snapshot is incomplete: what it lacks can't be restored");
    }
    shapes::show_findings(output, planned, true);
}

fn report(
    output: &Output,
    options: &Restore,
    snapshot: SnapshotId,
    restored: &Restored,
    references_broken: Option<u64>,
) {
    let RestoreOutcome { records_written, findings, verdict, published } = &restored.outcome;
    let records = text::plural(*records_written, "record", "records");
    if *published {
        output.result(format!(
            "Restored {records} into {}, in {}.",
            sources::shown(&options.to),
            text::span(restored.took)
        ));
        output.say(verdict_line(verdict));
        recovery::show_left_out(output, &restored.recovery);
    } else {
        output.result(format!(
            "Nothing was put under {}: what was loaded does not equal the snapshot.",
            sources::shown(&options.to)
        ));
        show_verdict(output, verdict);
    }
    if let Some(broken) = references_broken.filter(|broken| *broken > 0) {
        let references = text::plural(broken, "reference", "references");
        output.say(format!("{references} lead nowhere, as they did in the source."));
    }
    shapes::show_findings(output, findings, false);
    if *published {
        recovery::show_steps(output, &restored.recovery);
    }
    output.message(
        Schema::Restore,
        MessageType::Summary,
        &Summary {
            restore: restored.id,
            snapshot,
            target: sources::shown(&options.to),
            root_equal: verdict.root_equal(),
            verdict_equal: verdict.is_equal(),
            published: *published,
            records_written: *records_written,
            references_broken,
            catalog_differences: &verdict.catalog_differences,
            blob_differences: &verdict.blob_differences,
            classes: verdict.classes.iter().map(ClassResult::from).collect(),
            recovery: &restored.recovery,
            findings,
            duration_ms: text::ms(restored.took),
        },
    );
}

/// The verdict on what was published, in a sentence.
fn verdict_line(verdict: &Verdict) -> String {
    if verdict.is_equal() {
        return "Verdict: every class has the snapshot's root, and the catalog is the same.".to_owned();
    }
    let allowed = verdict.classes.iter().map(|class| class.allowed).sum();
    let records = text::plural(
        allowed,
        "record that the target could not take whole",
        "records that the target could not take whole",
    );
    format!("Verdict: not equal. All is as in the snapshot but for {records}; the warnings say what they lack.")
}

fn show_verdict(output: &Output, verdict: &Verdict) {
    let mut table = Table::new(&["class", "#expected", "#found", "records"]);
    for class in verdict.classes.iter().filter(|class| !class.equal) {
        let found = class.found.map_or_else(|| "missing".to_owned(), text::count);
        table.row([class.class.clone(), text::count(class.expected), found, "differ".to_owned()]);
    }
    if !table.is_empty() {
        output.table(&table);
    }
    for difference in verdict.catalog_differences.iter().chain(&verdict.blob_differences) {
        output.result(format!("  {}", text::shown(difference)));
    }
}
