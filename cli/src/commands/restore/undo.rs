//! `restore --undo`: back to what was there before a restore of classes or records, where nobody changed it since.
//!
//! It needs this host and no key: the safety copy is sealed under the host's own.

use strongroom_agent::partial::{FromSafetyCopy, OnConflict, Outcome, PartialError, Policy};
use strongroom_core::digest::{IdFunctions, IdKey};
use strongroom_core::entropy::random_array;

use super::document::About;
use super::job::{self, Run, Vault};
use crate::app::App;
use crate::args::Restore;
use crate::failure::{Attempt as _, Exit, Failure};
use crate::render::text;
use crate::sources;

/// Undoes a restore.
pub(super) fn run(options: &Restore, restore: &str, app: &App) -> Result<Exit, Failure> {
    let room = app.room()?;
    let what = || format!("can't undo the restore {restore}");
    // Rows are compared by their bytes: any id functions will do.
    let key = random_array(app.entropy.as_ref()).attempt(what)?;
    let ids = IdFunctions::new(room.settings().profile, &IdKey::from_bytes(key));
    let vault = Vault::open(options, &room, app)?;
    let target = vault.target(options, app, &ids)?;
    let copy = vault.copies().load(restore).attempt(what)?;
    if copy.place != target.place() {
        return Err(PartialError::OtherTarget { restore: copy.restore, place: copy.place }).attempt(what);
    }
    match vault.copies().outcome(copy.restore) {
        Ok(Some(Outcome::Gone)) => return Err(PartialError::NothingToUndo { restore: copy.restore }).attempt(what),
        Ok(_) => {}
        Err(error) => app.output.warn(format!("{error}: whether it took effect can't be told, and undoing it is safe")),
    }
    let (changed, blocked) = job::rules(options.on_conflict, OnConflict::Skip);
    let policy = Policy { changed, blocked, remake: false, overwrite_needed: true };
    let shown = sources::shown(&options.to);
    app.output.say(format!("Undo the restore {} into {shown}:", text::short(copy.restore)));
    let run = Run {
        options,
        app,
        vault: vault.copies(),
        target: target.as_ref(),
        intention: &FromSafetyCopy::new(&copy, policy),
        ids: &ids,
        about: About {
            snapshot: copy.snapshot,
            source: &copy.source,
            target: &shown,
            complete: true,
            undoes: Some(copy.restore),
        },
    };
    let carried = run.run()?;
    Ok(job::exit(app, carried.as_ref(), options.on_conflict.is_none()))
}
