//! `source rm`: the room forgets a source, and its name is free again.
//!
//! The group retires it: what was committed for it stays in the catalogue. Nothing in the depot changes: the keyring keeps the key of the source's ids, so its snapshots are listed, restored
//! and verified as before, by ids. What only its next snapshot would need goes with it: URL, password and signing key,
//! ledger and cache. So the same system, registered again, begins a line of its own.

use serde::Serialize;
use strongroom_core::id::SourceId;

use crate::app::App;
use crate::args::SourceRm;
use crate::commands::{confirm, registered};
use crate::failure::{Exit, Failure};
use crate::render::json::Schema;
use crate::render::text;
use crate::room::{Room, paths};

#[derive(Serialize)]
struct Removal<'a> {
    source: &'a str,
    id: SourceId,
    url: &'a str,
    /// Whether it was done, and not only shown.
    removed: bool,
    /// Snapshots that stay in the depot.
    snapshots: u64,
}

/// Forgets a source.
pub(in crate::commands) fn rm(options: &SourceRm, app: &App) -> Result<Exit, Failure> {
    let room = app.room()?;
    let source = registered::named(&room, &options.name)?;
    let (name, facts) = (source.name.as_str(), &source.facts);
    let snapshots = room.manifests()?.of_source(facts.id).count() as u64;
    let output = &app.output;
    output.say(format!("Forget the source {name}, {}: its URL, its keys and its cache.", facts.url));
    output.say(if snapshots == 0 {
        "It has no snapshots.".to_owned()
    } else {
        let kept = text::plural(snapshots, "snapshot stays", "snapshots stay");
        format!("{kept} in the depot, under the source's id: strongroom snapshots {}", facts.id)
    });
    if !options.plan {
        if !options.yes {
            confirm::confirm(&format!("Forget {name}?"), "the source would be forgotten", "nothing was forgotten")?;
        }
        let lock = room.lock_source(facts.id, name)?;
        registered::retire(&room, name, facts.id)?;
        remove_state(&room, app, facts.id);
        drop(lock);
        output.result(format!("Forgot the source {name}. Its name is free."));
    }
    let removed = !options.plan;
    output
        .document(Schema::SourceRemoval, &Removal { source: name, id: facts.id, url: &facts.url, removed, snapshots });
    Ok(Exit::Done)
}

/// Removes what only the next snapshot would have needed. The source is forgotten already, so that what can't be removed
/// is in nobody's way.
fn remove_state(room: &Room, app: &App, source: SourceId) {
    let spool = format!("{}/{source}", paths::SPOOL);
    for folder in [Room::cache_dir(source), spool, Room::agent_dir(source)] {
        let path = room.root().join(folder);
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                app.output.warn(format!("{} could not be removed: {error}", path.display()));
            }
            _ => {}
        }
    }
}
