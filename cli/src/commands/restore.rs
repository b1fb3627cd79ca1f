//! `restore`: a snapshot, or classes and records of one, into a database.
//!
//! The plan is made and shown first. What overwrites or deletes something asks, unless `--yes`.

mod document;
mod job;
mod partial;
mod undo;
mod whole;

use std::io::{BufRead as _, IsTerminal as _};

use strongroom_core::error::Code;

use crate::app::App;
use crate::args::Restore;
use crate::failure::{Attempt as _, Exit, Failure};

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
    let unasked =
        |what: &str| Failure::new(Code::Usage, what.to_owned()).advise("Give --yes to go on without a question.");
    if !std::io::stdin().is_terminal() {
        return Err(unasked(&format!("{what}, and nobody is there to ask")));
    }
    crate::render::write_err(&format!("{question} [y/N]"));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).attempt(|| "can't read the answer")?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(unasked("nothing was restored")) }
}
