//! What became of a restore whose run died, or lost its connection, around its COMMIT.
//!
//! An engine that knows transactions again is asked. One that does not, or has forgotten, has the records asked: a
//! transaction has all of its effects or none, so one record that stands as it was written, with none that stands as it
//! was before, tells that it took effect.

use strongroom_core::digest::IdFunctions;
use strongroom_core::error::Code;
use strongroom_core::id::RestoreId;

use super::ask::Asker;
use super::error::PartialError;
use super::row::key_columns;
use super::safety::{Outcome, SafetyCopy, SafetyVault};
use crate::live::{Fate, Intent, LiveTarget};
use crate::source::SourceError;

/// Finds out what became of restores into a target that have no outcome noted, and notes it. Nothing stands for what
/// can't be told.
pub fn settle(
    vault: &SafetyVault<'_>,
    target: &dyn LiveTarget,
    ids: &IdFunctions,
) -> Result<Vec<(RestoreId, Option<Outcome>)>, PartialError> {
    let mut settled = Vec::new();
    for (restore, outcome) in vault.list()? {
        if outcome.is_some() {
            continue;
        }
        let copy = vault.load(&restore.to_string())?;
        if copy.place == target.place() {
            settled.push(match find_out(vault, &copy, target, ids) {
                Ok(outcome) => (restore, Some(outcome)),
                Err(PartialError::Unknown { .. }) => (restore, None),
                Err(error) => return Err(error),
            });
        }
    }
    Ok(settled)
}

/// Finds out what became of one restore, and notes it.
pub(super) fn find_out(
    vault: &SafetyVault<'_>,
    copy: &SafetyCopy,
    target: &dyn LiveTarget,
    ids: &IdFunctions,
) -> Result<Outcome, PartialError> {
    let unknown = |source| PartialError::Unknown { restore: copy.restore, source: Box::new(source) };
    let mut session = target.connect().map_err(unknown)?;
    session.begin(Intent::Look, &[]).map_err(unknown)?;
    let fate = match &copy.mark {
        Some(mark) => session.fate(mark).map_err(unknown)?,
        None => Fate::Unknown,
    };
    let outcome = match fate {
        Fate::Committed => Outcome::Committed,
        Fate::Gone => Outcome::Gone,
        Fate::Running => {
            let message = "its transaction has not ended yet";
            return Err(unknown(SourceError::engine(Code::Busy, &copy.place, message)));
        }
        Fate::Unknown => by_records(copy, &mut Asker::new(session.as_mut(), ids))?,
    };
    session.roll_back().map_err(unknown)?;
    vault.note(copy.restore, outcome)?;
    Ok(outcome)
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
        _ => {
            let message = format!(
                "{as_before} of its records stand as they were before, and {as_after} as they were written: others have \
                 changed them since"
            );
            let source = Box::new(SourceError::engine(Code::RestoreUnknown, &copy.place, message));
            Err(PartialError::Unknown { restore: copy.restore, source })
        }
    }
}
