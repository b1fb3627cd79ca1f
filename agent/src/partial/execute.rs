//! Carrying a plan out: one transaction on one connection, in which everything is read again before it is written.
//!
//! Up to the COMMIT every error ends the transaction without effect. What is written is read back and compared in the
//! same transaction, and kept in the safety copy, before it takes effect.

use std::collections::HashMap;

use strongroom_core::digest::IdFunctions;
use strongroom_core::id::{RestoreId, SnapshotId};
use strongroom_core::record::ColumnId;

use super::ask::Asker;
use super::error::PartialError;
use super::fate::find_out;
use super::intention::{Gathered, Intention};
use super::judge::{after, judge};
use super::learn::learn;
use super::plan::{Action, Plan, PlannedRecord, Step, Triple};
use super::row::{Row, Value, key_columns};
use super::safety::{Outcome, SafetyCopy, SafetyVault, SavedRecord};
use super::silence::silence;
use crate::live::{Change, Intent, LiveSession, LiveTarget};
use crate::source::{Finding, Severity, SourceError};

/// Rows that are inserted, or deleted, with one call.
const ROWS_AT_ONCE: usize = 500;

/// A step of carrying a plan out, told before it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartialStep {
    /// The transaction begins.
    Begin,
    /// Everything is locked and read again.
    Read,
    /// Something is written.
    Write,
    /// The engine checks what it would check at the end.
    Check,
    /// The safety copy is kept.
    Keep,
    /// The transaction is made to take effect.
    Commit,
    /// The outcome is noted.
    Note,
}

/// What carrying out needs.
pub struct Job<'a> {
    /// What is to be done.
    pub intention: &'a dyn Intention,
    /// Where.
    pub target: &'a dyn LiveTarget,
    /// The id functions under which rows are read.
    pub ids: &'a IdFunctions,
    /// Where the safety copy goes.
    pub vault: &'a SafetyVault<'a>,
    /// The id of this restore.
    pub restore: RestoreId,
    /// The snapshot that it is from.
    pub snapshot: SnapshotId,
    /// The source of that.
    pub source: &'a str,
    /// The restore that it undoes.
    pub undoes: Option<RestoreId>,
    /// Told of each step before it is made; an error ends the run there, as if it had died.
    pub observer: &'a dyn Fn(PartialStep) -> Result<(), SourceError>,
}

/// What was carried out.
#[derive(Clone, Debug)]
pub struct Carried {
    /// The plan, as it was carried out.
    pub plan: Plan,
    /// Records that were written or deleted.
    pub records_written: u64,
    /// What a person should know beside the plan.
    pub findings: Vec<Finding>,
}

/// Makes the plan. Nothing is locked or written.
pub fn make_plan(intention: &dyn Intention, target: &dyn LiveTarget, ids: &IdFunctions) -> Result<Plan, PartialError> {
    let mut session = target.connect()?;
    session.begin(Intent::Look, &intention.whole())?;
    let mut plan = look(session.as_mut(), intention, ids, Intent::Look)?;
    let triggers = silence(&mut Asker::new(session.as_mut(), ids), &plan)?;
    plan.findings.extend(triggers);
    session.roll_back()?;
    Ok(plan)
}

/// Looks, and judges what it sees.
fn look(
    session: &mut dyn LiveSession,
    intention: &dyn Intention,
    ids: &IdFunctions,
    intent: Intent,
) -> Result<Plan, PartialError> {
    let mut asker = Asker::new(session, ids);
    let gathered = intention.gather(&mut asker)?;
    if intent == Intent::Write {
        hold_deletes(&mut asker, &gathered)?;
    }
    let policy = intention.policy();
    let mut facts = learn(&mut asker, &gathered.classes, &gathered.triples, policy, intention)?;
    facts.seen.extend(gathered.seen);
    let mut plan = judge(gathered.classes, gathered.triples, &facts, policy);
    plan.unchanged = gathered.unchanged;
    plan.extra = gathered.extra;
    plan.findings.extend(gathered.findings);
    plan.refusals = gathered.refusals;
    Ok(plan)
}

/// Locks what is to go before it is asked what refers to it: the lock of a class that is read whole keeps no new
/// references from being made, and one that is made meanwhile is waited for here.
fn hold_deletes(asker: &mut Asker<'_>, gathered: &Gathered) -> Result<(), PartialError> {
    for (number, class) in gathered.classes.iter().enumerate() {
        let own = gathered.triples.iter().filter(|triple| triple.class == number && triple.wanted.is_none());
        let going: Vec<(&Triple, &Row)> = own.filter_map(|triple| Some((triple, triple.live.as_ref()?))).collect();
        let keys: Vec<Vec<Value>> =
            going.iter().filter_map(|(_, row)| row.values(key_columns(&class.live.schema))).collect();
        let held = asker.by_keys(&class.live, &keys)?;
        if going.iter().any(|(triple, row)| held.get(&triple.key) != Some(*row)) {
            return Err(PartialError::Moved);
        }
    }
    Ok(())
}

/// Carries out a plan that was agreed to.
pub fn carry_out(job: &Job<'_>, agreed: &Plan) -> Result<Carried, PartialError> {
    if !agreed.is_possible() {
        return Err(PartialError::Stopped);
    }
    (job.observer)(PartialStep::Begin)?;
    let mut session = job.target.connect()?;
    session.begin(Intent::Write, &job.intention.whole())?;
    (job.observer)(PartialStep::Read)?;
    let plan = look(session.as_mut(), job.intention, job.ids, Intent::Write)?;
    if !plan.is_same(agreed) {
        return Err(PartialError::Moved);
    }
    silence(&mut Asker::new(session.as_mut(), job.ids), &plan)?;
    write(job, session.as_mut(), &plan)?;
    (job.observer)(PartialStep::Check)?;
    session.check()?;
    let saved = read_back(session.as_mut(), job.ids, &plan)?;
    let mut findings = advance(session.as_mut(), &plan)?;
    let records_written = saved.len() as u64;
    if saved.is_empty() {
        session.roll_back()?;
        return Ok(Carried { plan, records_written, findings });
    }
    let copy = SafetyCopy {
        restore: job.restore,
        snapshot: job.snapshot,
        source: job.source.to_owned(),
        place: job.target.place(),
        mark: session.mark()?,
        undoes: job.undoes,
        classes: plan.classes.iter().map(|class| class.live.schema.clone()).collect(),
        records: saved,
    };
    (job.observer)(PartialStep::Keep)?;
    job.vault.keep(&copy)?;
    (job.observer)(PartialStep::Commit)?;
    let committed = session.commit();
    (job.observer)(PartialStep::Note)?;
    if let Err(error) = committed {
        drop(session);
        if find_out(&copy, job.target, job.ids)? == Outcome::Gone {
            // What is not noted, the next run finds out in the same way.
            drop(job.vault.note(job.restore, Outcome::Gone));
            return Err(error.into());
        }
    }
    findings.extend(noted(job).err());
    Ok(Carried { plan, records_written, findings })
}

/// Notes that the restore took effect. It did, whether that can be noted or not.
fn noted(job: &Job<'_>) -> Result<(), Finding> {
    let unnoted = |error: PartialError| {
        let below = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        let message = format!(
            "the restore {} took effect and can be undone, but that could not be noted: {error}{below}; the next \
             restore into the same target finds it out",
            job.restore
        );
        Finding { severity: Severity::Warning, subject: job.target.place(), message }
    };
    job.vault.note(job.restore, Outcome::Committed).map_err(unnoted)
}

/// Writes the steps; neighbours of one kind go together.
fn write(job: &Job<'_>, session: &mut dyn LiveSession, plan: &Plan) -> Result<(), PartialError> {
    let mut steps = plan.steps.as_slice();
    while let Some(first) = steps.first() {
        let alike = steps.iter().take(ROWS_AT_ONCE).take_while(|step| is_together(plan, first, step)).count().max(1);
        let (now, rest) = steps.split_at(alike);
        (job.observer)(PartialStep::Write)?;
        write_alike(session, plan, now)?;
        steps = rest;
    }
    Ok(())
}

fn record_of<'p>(plan: &'p Plan, step: &Step) -> Option<&'p PlannedRecord> {
    let (Step::Loosen { record, .. }
    | Step::Write { record, .. }
    | Step::Fill { record, .. }
    | Step::Delete { record }) = step;
    plan.records.get(*record)
}

/// Whether two steps go into one call: inserts, or deletes, of one class.
fn is_together(plan: &Plan, one: &Step, other: &Step) -> bool {
    let (Some(a), Some(b)) = (record_of(plan, one), record_of(plan, other)) else { return false };
    let is_alike = match (one, other) {
        (Step::Write { late: x, .. }, Step::Write { late: y, .. }) => x.is_empty() && y.is_empty(),
        (Step::Delete { .. }, Step::Delete { .. }) => true,
        _ => false,
    };
    is_alike && a.action == b.action && a.action != Action::Overwrite && a.triple.class == b.triple.class
}

fn write_alike(session: &mut dyn LiveSession, plan: &Plan, steps: &[Step]) -> Result<(), PartialError> {
    let Some(first) = steps.first() else { return Ok(()) };
    let Some(record) = record_of(plan, first) else { return Ok(()) };
    let Some(class) = plan.class_of(&record.triple) else { return Ok(()) };
    let (wanted, live) = (record.triple.wanted.as_ref(), record.triple.live.as_ref());
    let without = |late: &[ColumnId]| wanted.map(|row| row.only(|column| !late.contains(&column))).unwrap_or_default();
    match first {
        Step::Loosen { columns, .. } => {
            let Some(row) = live else { return Ok(()) };
            let to = row.only(|column| !columns.contains(&column));
            session.apply(&class.live, &Change::Update { row, columns, to: &to })?;
        }
        Step::Delete { .. } => {
            let rows: Vec<&Row> = steps.iter().filter_map(|step| record_of(plan, step)?.triple.live.as_ref()).collect();
            session.apply(&class.live, &Change::Delete { rows: &rows })?;
        }
        Step::Write { late, .. } if record.action == Action::Create => {
            let single = [without(late)];
            let rows: Vec<&Row> = if late.is_empty() {
                steps.iter().filter_map(|step| record_of(plan, step)?.triple.wanted.as_ref()).collect()
            } else {
                single.iter().collect()
            };
            session.apply(&class.live, &Change::Insert { columns: &class.common, rows: &rows })?;
        }
        Step::Write { late, record: number } => {
            let (Some(row), to) = (live, without(late)) else { return Ok(()) };
            let mut columns = to.differing(row, &class.common);
            // What was let go of, before all else, is NULL now, even where both states have the same value.
            let loosened = plan.steps.iter().map_while(|step| match step {
                Step::Loosen { record, columns } => Some((record, columns)),
                _ => None,
            });
            let loose = loosened.filter(|(at, _)| *at == number).map(|(_, columns)| columns);
            columns.extend(loose.flatten().filter(|id| !columns.contains(id)).copied().collect::<Vec<_>>());
            session.apply(&class.live, &Change::Update { row, columns: &columns, to: &to })?;
        }
        Step::Fill { columns, .. } => {
            let Some(to) = wanted else { return Ok(()) };
            session.apply(&class.live, &Change::Update { row: to, columns, to })?;
        }
    }
    Ok(())
}

/// Reads what was written, and compares it with what was wanted.
fn read_back(session: &mut dyn LiveSession, ids: &IdFunctions, plan: &Plan) -> Result<Vec<SavedRecord>, PartialError> {
    let mut asker = Asker::new(session, ids);
    let mut saved = Vec::new();
    for (number, class) in plan.classes.iter().enumerate() {
        let written = plan.records.iter().filter(|record| record.triple.class == number && record.action.is_change());
        let written: Vec<&PlannedRecord> = written.collect();
        let rows = written.iter().filter_map(|record| record.triple.wanted.as_ref().or(record.triple.live.as_ref()));
        let keys: Vec<Vec<Value>> = rows.filter_map(|row| row.values(key_columns(&class.live.schema))).collect();
        let mut found: HashMap<Vec<u8>, Row> = asker.by_keys(&class.live, &keys)?;
        for record in written {
            let now = found.remove(&record.triple.key);
            let is_as_written = match (after(record), &now) {
                (Some(wanted), Some(now)) => wanted.differing(now, &class.common).is_empty(),
                (None, None) => true,
                _ => false,
            };
            if !is_as_written {
                return Err(PartialError::NotAsWritten { record: plan.name_of(&record.triple) });
            }
            saved.push(SavedRecord {
                class: number,
                key: record.triple.key.clone(),
                key_text: record.triple.key_text.clone(),
                before: record.triple.live.clone(),
                after: now,
            });
        }
    }
    Ok(saved)
}

/// Moves sequences past what was made.
fn advance(session: &mut dyn LiveSession, plan: &Plan) -> Result<Vec<Finding>, PartialError> {
    let mut findings = Vec::new();
    for (number, class) in plan.classes.iter().enumerate() {
        let is_made = |record: &&PlannedRecord| record.triple.class == number && record.action == Action::Create;
        let made: Vec<&Row> =
            plan.records.iter().filter(is_made).filter_map(|record| record.triple.wanted.as_ref()).collect();
        if !made.is_empty() {
            findings.extend(session.advance(&class.live, &made)?);
        }
    }
    Ok(findings)
}
