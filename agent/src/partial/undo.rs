//! Undoing: back to what the safety copy holds, where nobody has changed it since.
//!
//! What was there before is wanted, what the restore wrote is what both sides had in common, and what is there now is
//! compared with both.

use strongroom_core::record::ClassSchema;

use super::ask::Asker;
use super::columns::common_columns;
use super::error::PartialError;
use super::intention::{Gathered, Intention, Known};
use super::plan::{Base, Conflict, Origin, PlannedClass, Policy, Triple};
use super::row::{Row, Value, key_columns};
use super::safety::SafetyCopy;
use crate::live::LiveReference;

/// The records of a safety copy.
pub struct FromSafetyCopy<'a> {
    copy: &'a SafetyCopy,
    policy: Policy,
}

impl<'a> FromSafetyCopy<'a> {
    /// Undoes what a safety copy was made for.
    pub const fn new(copy: &'a SafetyCopy, policy: Policy) -> Self {
        Self { copy, policy }
    }
}

/// What was there before may lead where it led before, and its types are those of the same database.
impl Known for FromSafetyCopy<'_> {
    fn schema(&self, class: &str) -> Option<&ClassSchema> {
        self.copy.classes.iter().find(|schema| schema.name == class)
    }

    fn find(
        &self,
        _: &ClassSchema,
        _: &LiveReference,
        values: &[Vec<Value>],
    ) -> Result<Vec<Option<Row>>, PartialError> {
        Ok(vec![None; values.len()])
    }
}

impl Intention for FromSafetyCopy<'_> {
    fn policy(&self) -> Policy {
        self.policy
    }

    fn gather(&self, asker: &mut Asker<'_>) -> Result<Gathered, PartialError> {
        let mut gathered = Gathered::default();
        let beside: Vec<(&str, Option<&ClassSchema>)> =
            self.copy.classes.iter().map(|schema| (schema.name.as_str(), Some(schema))).collect();
        asker.describe(&beside)?;
        for schema in &self.copy.classes {
            take_class(asker, schema, &mut gathered)?;
        }
        if !gathered.refusals.is_empty() {
            return Ok(gathered);
        }
        for (number, class) in gathered.classes.iter().enumerate() {
            let saved: Vec<_> = self.copy.records.iter().filter(|record| record.class == number).collect();
            let keys: Vec<Vec<Value>> = saved
                .iter()
                .filter_map(|record| record.before.as_ref().or(record.after.as_ref()))
                .filter_map(|row| row.values(key_columns(&class.live.schema)))
                .collect();
            let mut live = asker.by_keys(&class.live, &keys)?;
            let kept = |row: &Option<Row>| row.as_ref().map(|row| row.only(|column| class.common.contains(&column)));
            for record in saved {
                let at = gathered.triples.len();
                let lost = record.before.iter().flat_map(Row::columns).filter(|id| !class.common.contains(id));
                let schema = self.copy.classes.get(number);
                for column in lost {
                    let column = schema.and_then(|schema| schema.column(column)).map(|column| column.name.clone());
                    gathered.seen.push((at, Conflict::NoColumn { column: column.unwrap_or_default() }));
                }
                gathered.triples.push(Triple {
                    class: number,
                    key: record.key.clone(),
                    key_text: record.key_text.clone(),
                    origin: Origin::Asked,
                    wanted: kept(&record.before),
                    base: Base::Known(kept(&record.after)),
                    live: live.remove(&record.key),
                });
            }
        }
        Ok(gathered)
    }
}

/// Takes a class in, as the target has it now.
fn take_class(asker: &mut Asker<'_>, schema: &ClassSchema, gathered: &mut Gathered) -> Result<(), PartialError> {
    let live = asker.class(&schema.name, Some(schema))?;
    let mut refuse = |why: &str| gathered.refusals.push(format!("{}: {why}", schema.name));
    let Some(live) = live else {
        refuse("the target has no such table any more");
        return Ok(());
    };
    if let Some(why) = &live.unwritable {
        refuse(why);
    }
    let mut live = (*live).clone();
    live.schema.key.clone_from(&schema.key);
    let common = common_columns(&live, schema);
    gathered.classes.push(PlannedClass { live, common, is_whole: false });
    Ok(())
}
