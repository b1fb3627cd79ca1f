//! `drift`: what differs between a source and its newest snapshot. A backup that stores nothing.
//!
//! Works from what the agent remembers, without a passphrase. Where the agent's cache is lost, only whether a class
//! differs can be told, and the counts are left out.

use std::sync::Arc;

use serde::Serialize;
use strongroom_agent::backup::compare;
use strongroom_agent::capture::{ClassOutcome, Progress};
use strongroom_agent::ledger::{Ledger, LedgerStore};
use strongroom_agent::profile::ProfileChoice;
use strongroom_core::error::Code;
use strongroom_core::id::SnapshotId;
use strongroom_core::manifest::ManifestHead;

use super::{backup, registered};
use crate::app::App;
use crate::args::Drift;
use crate::failure::{Attempt as _, Exit, Failure};
use crate::render::json::Schema;
use crate::render::progress::{Watch, Watched};
use crate::render::table::Table;
use crate::render::{Output, text};
use crate::room::Room;
use crate::room::kept::RegisteredSource;

/// What differs in one class.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ClassDrift {
    pub(super) class: String,
    pub(super) added: Option<u64>,
    pub(super) removed: Option<u64>,
    pub(super) changed: Option<u64>,
    pub(super) schema_changed: bool,
}

/// What differs in a source.
#[derive(Debug, Serialize)]
pub(super) struct Drifted {
    source: String,
    snapshot: SnapshotId,
    /// Whether nothing does.
    pub(super) equal: bool,
    /// The classes that differ.
    pub(super) classes: Vec<ClassDrift>,
    duration_ms: u64,
}

/// Compares a source with its newest snapshot.
pub(super) fn run(options: &Drift, app: &App) -> Result<Exit, Failure> {
    let room = app.room()?;
    let source = registered::named(&room, &options.source)?;
    let drifted = drift(&room, app, &source, options.readers.unwrap_or(app.readers).max(1))?;
    show(&app.output, &drifted);
    app.output.document(Schema::Drift, &drifted);
    Ok(Exit::Done)
}

/// Compares a registered source.
pub(super) fn drift(room: &Room, app: &App, source: &RegisteredSource, readers: usize) -> Result<Drifted, Failure> {
    let began = app.clock.monotonic();
    let _held = room.lock_source(source.facts.id, &source.name)?;
    let what = || format!("can't compare {} with its newest snapshot", source.name);
    let manifests = room.manifests()?;
    let newest = manifests.of_source(source.facts.id).last().map(|manifest| manifest.head().clone());
    let newest = newest.ok_or_else(|| {
        Failure::new(Code::NotFound, format!("the source {} has no snapshots yet", source.name))
            .advise(format!("Take one: strongroom backup {}", source.name))
    })?;
    let progress = Arc::new(Progress::default());
    let watched = Watched {
        doing: format!("comparing {}", source.name),
        schema: Schema::Drift,
        progress: Arc::clone(&progress),
        records: Some(newest.totals.records),
    };
    // A query prints one document: nothing is told of the way there to programs.
    let watch = (!app.output.is_json()).then(|| Watch::start(&app.output, &app.clock, watched));
    let asked = backup::Asked { tags: &[], readers, profile: ProfileChoice::None };
    let found = backup::with_job(room, app, source, &asked, Vec::new(), &progress, compare);
    drop(watch);
    let found = found?.attempt(what)?;
    let dir = Room::agent_dir(source.facts.id);
    let ledger = LedgerStore::new(Arc::clone(room.disk()), &dir, room.host().clone(), source.facts.id)
        .and_then(|store| store.load())
        .map_err(|error| Failure::because(Code::Damaged, what(), error))?;
    let ledger = ledger.ok_or_else(|| Failure::new(Code::Damaged, "the agent has lost what it knew of the source"))?;
    let mut classes: Vec<ClassDrift> =
        found.iter().filter_map(|(name, outcome)| class_drift(name, outcome.as_ref()?, &ledger, &newest)).collect();
    classes.extend(gone(&ledger, &newest, &found));
    classes.sort_by(|a, b| a.class.cmp(&b.class));
    Ok(Drifted {
        source: source.name.clone(),
        snapshot: newest.snapshot,
        equal: classes.is_empty(),
        classes,
        duration_ms: text::ms(app.clock.monotonic().since(began)),
    })
}

/// Whether the newest snapshot has a class that the ledger knows.
fn in_newest(newest: &ManifestHead, class: &strongroom_agent::ledger::LedgerClass) -> bool {
    newest.classes.iter().any(|head| head.class == class.id)
}

fn class_drift(name: &str, outcome: &ClassOutcome, ledger: &Ledger, newest: &ManifestHead) -> Option<ClassDrift> {
    let known = ledger.classes.get(name).filter(|class| in_newest(newest, class));
    let tally = outcome.tally;
    let Some(known) = known else {
        return Some(ClassDrift {
            class: name.to_owned(),
            added: Some(tally.records),
            removed: Some(0),
            changed: Some(0),
            schema_changed: true,
        });
    };
    if known.root == outcome.root {
        return None;
    }
    let counted = |number: u64| outcome.incremental.then_some(number);
    Some(ClassDrift {
        class: name.to_owned(),
        added: counted(tally.added),
        removed: counted(tally.removed),
        changed: counted(tally.changed),
        schema_changed: known.schema_digest != outcome.schema,
    })
}

/// Classes of the newest snapshot that the source no longer has. How many records they had, the sealed body says.
fn gone<'a>(
    ledger: &'a Ledger,
    newest: &'a ManifestHead,
    found: &'a [(String, Option<ClassOutcome>)],
) -> impl Iterator<Item = ClassDrift> + 'a {
    let is_gone = |(name, class): &(&String, &strongroom_agent::ledger::LedgerClass)| {
        in_newest(newest, class) && !found.iter().any(|(known, _)| known == *name)
    };
    ledger.classes.iter().filter(is_gone).map(|(name, _)| ClassDrift {
        class: name.clone(),
        added: Some(0),
        removed: None,
        changed: Some(0),
        schema_changed: true,
    })
}

fn show(output: &Output, drifted: &Drifted) {
    if drifted.equal {
        output.result(format!("{} equals its newest snapshot, {}.", drifted.source, text::short(drifted.snapshot)));
        return;
    }
    output.say(format!("{} differs from its newest snapshot, {}:", drifted.source, text::short(drifted.snapshot)));
    let mut table = Table::new(&["class", "#added", "#removed", "#changed", "schema"]);
    let number = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), text::count);
    for class in &drifted.classes {
        let schema = if class.schema_changed { "changed" } else { "" };
        table.row([
            class.class.clone(),
            number(class.added),
            number(class.removed),
            number(class.changed),
            schema.to_owned(),
        ]);
    }
    output.table(&table);
}
