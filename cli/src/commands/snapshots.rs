//! `snapshots`: lists snapshots, from heads alone.

use strongroom_core::error::Code;

use super::shapes::SnapshotFacts;
use crate::app::App;
use crate::args::Snapshots;
use crate::failure::{Exit, Failure};
use crate::render::json::Schema;
use crate::render::table::Table;
use crate::render::text;

/// Lists the snapshots of the room or of one source.
pub(super) fn run(options: &Snapshots, app: &App) -> Result<Exit, Failure> {
    let room = app.room()?;
    let manifests = room.manifests()?;
    let source = match &options.source {
        Some(name) => {
            let found = manifests.source_named(name);
            Some(found.ok_or_else(|| Failure::new(Code::NotFound, format!("there is no source {name}")))?)
        }
        None => None,
    };
    let is_wanted = |head: strongroom_core::id::SourceId| source.is_none_or(|source| source == head);
    let listed: Vec<_> = manifests.by_time().into_iter().filter(|manifest| is_wanted(manifest.head().source)).collect();
    let mut table = Table::new(&["snapshot", "source", "taken", "#records", "#classes", "#stored", "state"]);
    for manifest in &listed {
        let head = manifest.head();
        let facts = SnapshotFacts::new(&manifests, manifest, &room.settings().site);
        table.row([
            text::short(head.snapshot),
            facts.source,
            text::time(head.started),
            text::count(facts.records),
            text::count(facts.classes),
            text::size(facts.bytes_stored),
            if head.complete { "complete".to_owned() } else { "INCOMPLETE".to_owned() },
        ]);
    }
    if table.is_empty() {
        app.output.say("No snapshots yet. Take one: strongroom backup NAME");
    } else {
        app.output.table(&table);
    }
    for finding in manifests.findings().iter().filter(|finding| finding.is_fault()) {
        app.output.warn(finding.to_string());
    }
    let facts: Vec<_> =
        listed.iter().map(|manifest| SnapshotFacts::new(&manifests, manifest, &room.settings().site)).collect();
    app.output.documents(Schema::Snapshot, &facts);
    Ok(Exit::Done)
}
