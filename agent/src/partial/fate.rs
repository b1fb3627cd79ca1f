//! What became of a restore whose run died, or lost its connection, around its COMMIT.
//!
//! An engine that knows transactions again is asked. One that does not, or has forgotten, has the records asked: a
//! transaction has all of its effects or none, so one record that stands as it was written, with none that stands as it
//! was before, tells that it took effect. The records are never asked while the transaction may still be at work, and
//! where they say the contrary of the engine nothing is believed: numbers of transactions that a crash swallowed are
//! given again.
//!
//! Whoever settles must be alone among the runs that share a vault: the copy of a run that is alive looks like that of
//! one that died.

use strongroom_core::digest::IdFunctions;
use strongroom_core::error::Code;
use strongroom_core::id::RestoreId;

use super::ask::Asker;
use super::error::PartialError;
use super::row::key_columns;
use super::safety::{Outcome, SafetyCopy, SafetyVault};
use crate::live::{Fate, Intent, LiveTarget};
use crate::source::SourceError;

/// What became of a restore, or why that can't be told.
pub type Settled = (RestoreId, Result<Outcome, PartialError>);

/// Finds out what became of restores into a target that have no outcome noted, and notes it. A copy that can't be read
/// is passed over, with the reason.
pub fn settle(
    vault: &SafetyVault<'_>,
    target: &dyn LiveTarget,
    ids: &IdFunctions,
) -> Result<Vec<Settled>, PartialError> {
    let mut settled = Vec::new();
    for restore in vault.list()? {
        if let Some(became) = settle_one(vault, restore, target, ids).transpose() {
            settled.push((restore, became));
        }
    }
    Ok(settled)
}

/// Settles one restore; nothing if that is done, or is not of this target.
fn settle_one(
    vault: &SafetyVault<'_>,
    restore: RestoreId,
    target: &dyn LiveTarget,
    ids: &IdFunctions,
) -> Result<Option<Outcome>, PartialError> {
    if vault.outcome(restore)?.is_some() {
        return Ok(None);
    }
    let Some(copy) = vault.open_copy_of(&target.place(), restore)? else { return Ok(None) };
    let outcome = find_out(&copy, target, ids)?;
    vault.note(restore, outcome)?;
    Ok(Some(outcome))
}

/// Finds out what became of one restore.
pub(super) fn find_out(copy: &SafetyCopy, target: &dyn LiveTarget, ids: &IdFunctions) -> Result<Outcome, PartialError> {
    let unknown = |source| PartialError::Unknown { restore: copy.restore, source: Box::new(source) };
    let mut session = target.connect().map_err(unknown)?;
    session.begin(Intent::Look, &[]).map_err(unknown)?;
    let fate = match &copy.mark {
        Some(mark) => session.fate(mark).map_err(unknown)?,
        None => Fate::Unknown,
    };
    if fate == Fate::Running {
        return Err(untold(copy, "its transaction has not ended yet".to_owned()));
    }
    // What the engine says of now, an earlier look at the records may not show.
    session.roll_back().map_err(unknown)?;
    session.begin(Intent::Look, &[]).map_err(unknown)?;
    let by_records = by_records(copy, &mut Asker::new(session.as_mut(), ids));
    let outcome = match (fate, by_records) {
        (Fate::Committed, Ok(Outcome::Gone)) | (Fate::Gone, Ok(Outcome::Committed)) => {
            return Err(untold(
                copy,
                "the target says one thing of its transaction, and its records another".to_owned(),
            ));
        }
        (Fate::Committed, _) => Outcome::Committed,
        (Fate::Gone, _) => Outcome::Gone,
        (_, Err(PartialError::Target(source))) => return Err(unknown(source)),
        (_, by_records) => by_records?,
    };
    // All is known: how the session ends says nothing more.
    drop(session);
    Ok(outcome)
}

fn untold(copy: &SafetyCopy, message: String) -> PartialError {
    let source = Box::new(SourceError::engine(Code::RestoreUnknown, &copy.place, message));
    PartialError::Unknown { restore: copy.restore, source }
}

fn by_records(copy: &SafetyCopy, asker: &mut Asker<'_>) -> Result<Outcome, PartialError> {
    let (mut as_before, mut as_after) = (0_u64, 0_u64);
    for (number, schema) in copy.classes.iter().enumerate() {
        let Some(live) = asker.class(&schema.name, Some(schema))? else { continue };
        let mut live = (*live).clone();
        live.schema.key.clone_from(&schema.key);
        let saved: Vec<_> = copy.records.iter().filter(|record| record.class == number).collect();
        let rows = saved.iter().filter_map(|record| record.before.as_ref().or(record.after.as_ref()));
        let keys: Vec<_> = rows.filter_map(|row| row.values(key_columns(schema))).collect();
        let found = asker.by_keys(&live, &keys)?;
        for record in saved {
            let now = found.get(&record.key);
            as_before += u64::from(now == record.before.as_ref());
            as_after += u64::from(now == record.after.as_ref());
        }
    }
    match (as_before, as_after) {
        (0, after) if after > 0 => Ok(Outcome::Committed),
        (before, 0) if before > 0 => Ok(Outcome::Gone),
        _ => Err(untold(
            copy,
            format!(
                "{as_before} of its records stand as they were before, and {as_after} as they were written: others \
                 have changed them since"
            ),
        )),
    }
}
