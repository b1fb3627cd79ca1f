//! What restores of records and undos have in common: the target, the safety copies, the question, the run.

use std::error::Error as _;

use strongroom_agent::live::LiveTarget;
use strongroom_agent::partial::{
    Carried, Intention, Job, OnConflict, Outcome, PartialError, Plan, SafetyVault, Settled, carry_out, make_plan,
    settle,
};
use strongroom_core::digest::IdFunctions;
use strongroom_core::entropy::random_array;
use strongroom_core::error::Code;
use strongroom_core::id::RestoreId;

use super::document::{self, About};
use crate::app::App;
use crate::args::{ConflictRule, Restore};
use crate::failure::{Attempt as _, Exit, Failure};
use crate::passphrase::first_line_of_file;
use crate::render::text;
use crate::room::locks::Held;
use crate::room::{Room, paths};
use crate::sources;

/// The safety copies of a room, and the lock of those who add to them.
pub(super) struct Vault<'a> {
    copies: SafetyVault<'a>,
    /// Nothing for those who only look.
    held: Option<Held>,
}

impl<'a> Vault<'a> {
    /// Opens the vault, alone if anything is to be restored.
    pub(super) fn open(options: &Restore, room: &Room, app: &'a App) -> Result<Self, Failure> {
        let held = if options.plan { None } else { Some(room.lock_restores()?) };
        let opened = SafetyVault::open(room.disk().clone(), paths::RESTORES, room.host().clone(), app.entropy.as_ref());
        Ok(Self { copies: opened.attempt(|| "can't use the room's safety copies")?, held })
    }

    /// The copies.
    pub(super) const fn copies(&self) -> &SafetyVault<'a> {
        &self.copies
    }

    /// The target, and what became of earlier restores into it that were cut off. A plan notes nothing, and does not
    /// ask: a restore that has no outcome yet may be under way.
    pub(super) fn target(
        &self,
        options: &Restore,
        app: &App,
        ids: &IdFunctions,
    ) -> Result<Box<dyn LiveTarget>, Failure> {
        let password = options.password_file.as_deref().map(first_line_of_file).transpose()?;
        let target = sources::live(&options.to, password.as_ref().map(|text| text.as_str()))?;
        if self.held.is_some() {
            let what =
                || format!("can't find out what became of an earlier restore into {}", sources::shown(&options.to));
            for settled in settle(&self.copies, target.as_ref(), ids).attempt(what)? {
                app.output.warn(became(&settled));
            }
        }
        Ok(target)
    }
}

/// What became of a restore, in a sentence.
fn became((restore, outcome): &Settled) -> String {
    let restore = text::short(restore);
    match outcome {
        Ok(Outcome::Committed) => format!("the restore {restore} was cut off: it took effect, and can be undone"),
        Ok(Outcome::Gone) => format!("the restore {restore} was cut off: it did not take effect"),
        Err(PartialError::Unknown { source, .. }) => format!(
            "the restore {restore} was cut off: whether it took effect can't be told ({source}); undoing it is safe \
             either way"
        ),
        Err(error) => {
            let below = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            format!("can't find out what became of the restore {restore}: {error}{below}")
        }
    }
}

/// What a rule of the command line means to the planner; `changed` where there is none.
pub(super) fn rules(rule: Option<ConflictRule>, changed: OnConflict) -> (OnConflict, OnConflict) {
    match rule {
        None => (changed, OnConflict::Stop),
        Some(ConflictRule::Stop) => (OnConflict::Stop, OnConflict::Stop),
        Some(ConflictRule::Skip) => (OnConflict::Skip, OnConflict::Skip),
        Some(ConflictRule::Overwrite) => (OnConflict::Overwrite, OnConflict::Stop),
    }
}

/// A run, from plan to report.
pub(super) struct Run<'a> {
    pub(super) options: &'a Restore,
    pub(super) app: &'a App,
    pub(super) vault: &'a SafetyVault<'a>,
    pub(super) target: &'a dyn LiveTarget,
    pub(super) intention: &'a dyn Intention,
    pub(super) ids: &'a IdFunctions,
    pub(super) about: About<'a>,
}

impl Run<'_> {
    /// Plans, shows, asks and carries out. Gives what was carried out; nothing if the plan was all that was asked for.
    pub(super) fn run(&self) -> Result<Option<Carried>, Failure> {
        let began = self.app.clock.monotonic();
        let output = &self.app.output;
        let plan = make_plan(self.intention, self.target, self.ids)
            .attempt(|| format!("can't plan the restore into {}", self.about.target))?;
        document::show_plan(output, &plan);
        if self.options.plan {
            document::plan_document(output, &self.about, &plan);
            return Ok(None);
        }
        self.allowed(&plan)?;
        let restore =
            RestoreId(random_array(self.app.entropy.as_ref()).attempt(|| "can't make an id for the restore")?);
        let job = Job {
            intention: self.intention,
            target: self.target,
            ids: self.ids,
            vault: self.vault,
            restore,
            snapshot: self.about.snapshot,
            source: self.about.source,
            undoes: self.about.undoes,
            observer: &|_| Ok(()),
        };
        let carried = carry_out(&job, &plan).attempt(|| format!("the restore into {} failed", self.about.target))?;
        document::report(output, &self.about, restore, &carried, self.app.clock.monotonic().since(began));
        Ok(Some(carried))
    }

    /// Refuses what can't be done, and asks before something is overwritten or deleted.
    fn allowed(&self, plan: &Plan) -> Result<(), Failure> {
        if let Some(refusal) = plan.refusals.first() {
            return Err(Failure::new(Code::TargetFailed, format!("can't restore {refusal}"))
                .advise("Leave the class out, or restore the whole snapshot into a new database."));
        }
        if plan.is_stopped {
            let number = text::plural(document::conflicts(plan), "record has conflicts", "records have conflicts");
            let first = plan.records.iter().find(|record| !record.conflicts.is_empty());
            let first = first.and_then(|record| {
                Some(format!("; {}: {}", plan.name_of(&record.triple), record.conflicts.first()?.sentence()))
            });
            let what = format!("nothing was restored: {number}{}", first.unwrap_or_default());
            return Err(Failure::new(Code::RestoreConflict, what));
        }
        let is_consented = self.options.yes || self.options.on_conflict == Some(ConflictRule::Overwrite);
        if plan.is_destructive() && !is_consented {
            let question = format!("Overwrite or delete records in {}?", self.about.target);
            super::confirm(&question, "the restore would overwrite or delete records")?;
        } else if plan.leaves_dangling() && !is_consented {
            let question = format!("Write records into {} that refer to what is not there?", self.about.target);
            super::confirm(&question, "the restore would write records that refer to what is not there")?;
        }
        Ok(())
    }
}

/// How a run ended.
pub(super) fn exit(app: &App, carried: Option<&Carried>, tells_left: bool) -> Exit {
    let left = carried.map_or(0, |carried| carried.plan.count(strongroom_agent::partial::Action::Skipped));
    if left == 0 || !tells_left {
        return Exit::Done;
    }
    let what = format!("{} left as it is", text::plural(left, "record was", "records were"));
    let failure = Failure::new(Code::RestoreConflict, what);
    app.output.found(&failure.advise("Read why; --on-conflict overwrite takes those that were changed since, too."));
    Exit::Found(Code::RestoreConflict)
}
