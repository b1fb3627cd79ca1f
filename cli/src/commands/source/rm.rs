//! `source rm`: the room forgets a source, and its name is free again.
//!
//! The group retires it: what was committed for it stays in the catalogue. Nothing in the depot changes: the keyring keeps the key of the source's ids, so its snapshots are listed, restored
//! and verified as before, by ids. What only its next snapshot would need goes with it: URL, password and signing key,
//! ledger and cache. So the same system, registered again, begins a line of its own.

use serde::Serialize;
use strongroom_core::id::SourceId;

use crate::app::App;
use crate::args::SourceRm;
use crate::commands::confirm;
use crate::commands::registered::{self, Listed};
use crate::failure::{Exit, Failure};
use crate::render::json::Schema;
use crate::render::text;
use crate::room::{Room, paths};

#[derive(Serialize)]
struct Removal<'a> {
    source: &'a str,
    id: SourceId,
    /// Without secrets; nothing if this host does not know it any more.
    url: Option<&'a str>,
    /// Whether it was done, and not only shown.
    removed: bool,
    /// Snapshots that stay in the depot.
    snapshots: u64,
}

/// Forgets a source.
pub(in crate::commands) fn rm(options: &SourceRm, app: &App) -> Result<Exit, Failure> {
    let room = app.room()?;
    let Listed { name, id, kept } = registered::listed(&room, &options.name)?;
    let name = name.as_str();
    let snapshots = room.manifests()?.of_source(id).count() as u64;
    let output = &app.output;
    let url = match &kept {
        Ok(source) => {
            output.say(format!("Forget the source {name}, {}: its URL, its keys and its cache.", source.facts.url));
            Some(source.facts.url.as_str())
        }
        Err(failure) => {
            output.warn(failure.chain().join(": "));
            output.say(format!("Forget the source {name}: what is left of its keys, and its cache."));
            None
        }
    };
    output.say(if snapshots == 0 {
        "It has no snapshots.".to_owned()
    } else {
        let kept = text::plural(snapshots, "snapshot stays", "snapshots stay");
        format!("{kept} in the depot, under the source's id: strongroom snapshots {id}")
    });
    if !options.plan {
        if !options.yes {
            confirm::confirm(&format!("Forget {name}?"), "the source would be forgotten", "nothing was forgotten")?;
        }
        let lock = room.lock_source(id, name)?;
        registered::retire(&room, name, id)?;
        remove_state(&room, app, id);
        drop(lock);
        output.result(format!("Forgot the source {name}. Its name is free."));
    }
    let removed = !options.plan;
    output.document(Schema::SourceRemoval, &Removal { source: name, id, url, removed, snapshots });
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
