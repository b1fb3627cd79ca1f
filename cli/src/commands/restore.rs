//! `restore`: a snapshot, or classes and records of one, into a database.
//!
//! The plan is made and shown first. What overwrites or deletes something asks, unless `--yes`.

mod document;
mod job;
mod partial;
mod undo;
mod whole;

use strongroom_core::error::Code;

use crate::app::App;
use crate::args::Restore;
use crate::failure::{Exit, Failure};

pub(super) use whole::{SpoolPlace, into_target};

/// Restores.
pub(super) fn run(options: &Restore, app: &App) -> Result<Exit, Failure> {
    if let Some(restore) = &options.undo {
        return undo::run(options, restore, app);
    }
    if options.classes.is_empty() && options.records.is_empty() {
        if options.with_references || options.with_owned || options.on_conflict.is_some() {
            let what = "--with-references, --with-owned and --on-conflict are for single records and classes";
            return Err(Failure::new(Code::Usage, what).advise("Name what is wanted with --record or --class."));
        }
        return whole::run(options, app);
    }
    partial::run(options, app)
}

/// Asks whether to go on. `what` says what would happen, for when nobody is there to ask.
fn confirm(question: &str, what: &str) -> Result<(), Failure> {
    super::confirm::confirm(question, what, "nothing was restored")
}
