//! Classes and records of a snapshot into a database that is in use.

use strongroom_agent::partial::{Asked, AskedRecord, FromSnapshot, OnConflict, Policy};
use strongroom_agent::profile::profile_of;
use strongroom_agent::view::{SnapshotView, parse_key};
use strongroom_depot::store::DepotStore;

use super::document::About;
use super::job::{self, Run, Vault};
use crate::app::App;
use crate::args::Restore;
use crate::commands::find;
use crate::failure::{Attempt as _, Exit, Failure};
use crate::render::text;
use crate::room::custodian::Custodian;
use crate::sources;

/// Restores classes and records.
pub(super) fn run(options: &Restore, app: &App) -> Result<Exit, Failure> {
    let room = app.room()?;
    let manifests = room.manifests()?;
    let manifest = manifests.select(options.snapshot.as_deref().unwrap_or_default())?;
    let custodian = Custodian::open(&room, app)?;
    let snapshot = custodian.snapshot(&manifests, manifest)?;
    let view = snapshot.view()?;
    let head = manifest.head();
    let newest = manifests.of_source(head.source).last().filter(|newest| newest.head().snapshot != head.snapshot);
    let newest = newest.map(|newest| custodian.snapshot(&manifests, newest)).transpose()?;
    let newest = newest.as_ref().map(crate::room::custodian::OpenSnapshot::view).transpose()?;
    let asked = asked(options, &view)?;
    let (changed, blocked) = job::rules(options.on_conflict, OnConflict::Overwrite);
    let policy = Policy { changed, blocked, remake: true, overwrite_needed: options.overwrite_references };
    let profile = profile_of(&view).attempt(|| "can't read the snapshot's profile")?;
    let rules = profile.map(|profile| profile.references).unwrap_or_default();
    let intention = FromSnapshot::new(&view, newest.as_ref(), &rules, asked, policy);
    let intention = intention.attempt(|| "can't tell what the snapshot's references lead to")?;
    let vault = Vault::open(options, &room, app)?;
    let target = vault.target(options, app, &snapshot.ids)?;
    let (source, shown) = (manifests.name(head.source), sources::shown(&options.to));
    app.output.say(format!(
        "Restore from snapshot {} of {source}, taken {}, into {shown}:",
        text::short(head.snapshot),
        text::time(head.started),
    ));
    if !head.complete {
        app.output.warn("the snapshot is incomplete: what it lacks can't be restored");
    }
    let run = Run {
        options,
        app,
        vault: vault.copies(),
        target: target.as_ref(),
        intention: &intention,
        ids: &snapshot.ids,
        about: About {
            snapshot: head.snapshot,
            source: &source,
            target: &shown,
            complete: head.complete,
            undoes: None,
        },
    };
    let carried = run.run()?;
    Ok(job::exit(app, carried.as_ref(), false))
}

fn asked(options: &Restore, view: &SnapshotView<'_, DepotStore>) -> Result<Asked, Failure> {
    let mut asked = Asked {
        with_references: options.with_references,
        with_owned: options.with_owned,
        delete_extra: options.delete_extra,
        ..Asked::default()
    };
    for name in &options.classes {
        let class = find::class_failure(view.class(name))?;
        if !asked.classes.iter().any(|known| known == class.name()) {
            asked.classes.push(class.name().to_owned());
        }
    }
    for wanted in &options.records {
        let (class, key) = find::split(view, wanted)?;
        let keys = parse_key(class.schema(), key).map_err(strongroom_agent::view::ViewError::from);
        let keys = keys.attempt(|| format!("{wanted} names no record"))?;
        asked.records.push(AskedRecord { class: class.name().to_owned(), text: key.to_owned(), keys });
    }
    Ok(asked)
}
