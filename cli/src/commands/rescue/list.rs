//! `rescue --ls`: the snapshots of a depot, and which of them can still be restored.
//!
//! With `--read-data` every part and blob of every snapshot is fetched and its id recomputed, so that "can be restored"
//! is a fact and not an expectation.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Serialize;
use strongroom_agent::capture::Progress;
use strongroom_core::error::Code;
use strongroom_core::id::{DomainId, SnapshotId, SnapshotRoot, SourceId};
use strongroom_core::time::WallTime;

use super::super::verify::Walk;
use crate::app::App;
use crate::args::Rescue;
use crate::failure::{Exit, Failure};
use crate::remains::Remains;
use crate::remains::survey::{State, Survey, Surveyed};
use crate::render::json::{MessageType, Schema};
use crate::render::progress::{Watch, Watched};
use crate::render::table::Table;
use crate::render::{Output, text};
use crate::room::manifests::Manifests;

#[derive(Serialize)]
struct Summary {
    ok: bool,
    domain: DomainId,
    data_read: bool,
    snapshots: Vec<Listed>,
    findings: Vec<String>,
}

#[derive(Serialize)]
struct Listed {
    snapshot: SnapshotId,
    source: String,
    source_id: SourceId,
    sequence: u64,
    root: SnapshotRoot,
    complete: bool,
    classes: u64,
    records: u64,
    started: String,
    #[serde(skip)]
    taken: WallTime,
    state: State,
    faults: Vec<String>,
}

impl Listed {
    fn new(surveyed: &Surveyed<'_>, manifests: &Manifests) -> Self {
        let head = surveyed.manifest.head();
        Self {
            snapshot: head.snapshot,
            source: manifests.name(head.source),
            source_id: head.source,
            sequence: head.sequence,
            root: head.root,
            complete: head.complete,
            classes: head.classes.len() as u64,
            records: head.totals.records,
            started: head.started.to_rfc3339(),
            taken: head.started,
            state: surveyed.state,
            faults: surveyed.faults.clone(),
        }
    }
}

/// Lists snapshots; a fault anywhere gives the exit code of a verification that found one.
pub(super) fn run(options: &Rescue, app: &App, remains: &Remains, survey: &mut Survey<'_>) -> Result<Exit, Failure> {
    let manifests = remains.manifests();
    if let Some(name) = &options.source {
        let source = manifests.source_named(name);
        let source = source.ok_or_else(|| Failure::new(Code::NotFound, format!("the depot has no source {name}")))?;
        survey.snapshots.retain(|surveyed| surveyed.manifest.head().source == source);
    }
    if options.read_data {
        read_all(app, remains, survey)?;
    }
    let faults: Vec<String> =
        survey.findings.iter().filter(|finding| finding.is_fault()).map(ToString::to_string).collect();
    let ok = faults.is_empty() && survey.snapshots.iter().all(|surveyed| surveyed.state == State::Whole);
    let snapshots: Vec<Listed> = survey.snapshots.iter().map(|surveyed| Listed::new(surveyed, manifests)).collect();
    show(&app.output, &snapshots, &faults);
    if !ok {
        let failure = Failure::new(Code::VerifyFailed, "not all that the depot once held can be restored");
        app.output.found(&failure.advise(if options.read_data {
            "Restore what can be restored, and look for another copy of the depot for the rest."
        } else {
            "Read every part with --read-data, and look for another copy of the depot for what is damaged."
        }));
    }
    let domain = remains.depot().domain();
    let summary = Summary { ok, domain, data_read: options.read_data, snapshots, findings: faults };
    app.output.message(Schema::Rescue, MessageType::Summary, &summary);
    Ok(if ok { Exit::Done } else { Exit::Found(Code::VerifyFailed) })
}

/// Reads every part of every snapshot; what is wrong becomes a fault of the snapshots that need it.
fn read_all(app: &App, remains: &Remains, survey: &mut Survey<'_>) -> Result<(), Failure> {
    let progress = Arc::new(Progress::default());
    let watched = Watched {
        doing: "reading all snapshots".to_owned(),
        schema: Schema::Rescue,
        progress: Arc::clone(&progress),
        records: None,
    };
    let watch = Watch::start(&app.output, &app.clock, watched);
    let mut walk = Walk::new(remains.custodian(), remains.manifests(), Arc::clone(&progress));
    for surveyed in &mut survey.snapshots {
        let before = walk.findings().len();
        walk.snapshot(surveyed.manifest);
        let found = walk.findings().iter().skip(before);
        surveyed.faults.extend(found.map(|finding| format!("{}: {}", finding.subject, finding.message)));
        surveyed.state = if surveyed.faults.is_empty() { State::Whole } else { State::Damaged };
    }
    drop(watch);
    if progress.stop.load(Ordering::Relaxed) {
        return Err(Failure::new(Code::Interrupted, "the reading was stopped"));
    }
    Ok(())
}

fn show(output: &Output, snapshots: &[Listed], faults: &[String]) {
    let mut table = Table::new(&["snapshot", "source", "taken", "#records", "#classes", "state"]);
    for listed in snapshots {
        let state = if listed.complete {
            listed.state.word().to_owned()
        } else {
            format!("INCOMPLETE, {}", listed.state.word())
        };
        table.row([
            text::short(listed.snapshot),
            listed.source.clone(),
            text::time(listed.taken),
            text::count(listed.records),
            text::count(listed.classes),
            state,
        ]);
    }
    if table.is_empty() {
        output.say("The depot holds no snapshots that can be read.");
    } else {
        output.table(&table);
    }
    for listed in snapshots {
        for fault in &listed.faults {
            output.result(format!("  {}: {}", text::short(listed.snapshot), text::shown(fault)));
        }
    }
    for fault in faults {
        output.result(format!("  depot: {}", text::shown(fault)));
    }
}
