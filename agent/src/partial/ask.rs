//! A session that is asked many things in few statements, and remembers what was described in it.
//!
//! What the engine takes for equal without being equal byte by byte (citext,
//! collations that fold) is led back to its question by asking once more.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use strongroom_core::digest::IdFunctions;
use strongroom_core::record::{ClassSchema, ColumnId, KeyPlan};

use super::error::PartialError;
use super::row::{Row, Value, key_columns};
use crate::live::{Hold, LiveClass, LiveSession, Lookup};

/// Values in one statement.
const VALUES_AT_ONCE: usize = 256;

/// Records that may change in one restore: they are held in memory, and the target's other users wait for them.
pub(super) const RECORDS_MAX: usize = 250_000;

/// Bytes of rows that may change in one restore.
pub(super) const ROW_BYTES_MAX: usize = 128 << 20;

/// A session, with what was described in it.
pub struct Asker<'s> {
    pub(super) session: &'s mut dyn LiveSession,
    pub(super) ids: &'s IdFunctions,
    described: BTreeMap<String, Option<Rc<LiveClass>>>,
}

impl<'s> Asker<'s> {
    pub(super) fn new(session: &'s mut dyn LiveSession, ids: &'s IdFunctions) -> Self {
        Self { session, ids, described: BTreeMap::new() }
    }

    /// Describes classes in one go.
    pub(super) fn describe(&mut self, classes: &[(&str, Option<&ClassSchema>)]) -> Result<(), PartialError> {
        let new: Vec<_> = classes.iter().copied().filter(|(name, _)| !self.described.contains_key(*name)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let described = self.session.describe(&new)?;
        for ((name, _), class) in new.iter().zip(described) {
            self.described.insert((*name).to_owned(), class.map(Rc::new));
        }
        Ok(())
    }

    /// A class as the target has it.
    pub(super) fn class(
        &mut self,
        name: &str,
        beside: Option<&ClassSchema>,
    ) -> Result<Option<Rc<LiveClass>>, PartialError> {
        self.describe(&[(name, beside)])?;
        Ok(self.described.get(name).cloned().flatten())
    }

    /// The rows that have these values, question by question.
    pub(super) fn find(
        &mut self,
        class: &LiveClass,
        columns: &[ColumnId],
        questions: &[Vec<Value>],
        hold: Hold,
    ) -> Result<Vec<Vec<Row>>, PartialError> {
        let mut answers: Vec<Vec<Row>> = vec![Vec::new(); questions.len()];
        for (number, chunk) in questions.chunks(VALUES_AT_ONCE).enumerate() {
            let mut places: HashMap<&[Value], Vec<usize>> = HashMap::new();
            for (at, values) in chunk.iter().enumerate() {
                places.entry(values).or_default().push(number * VALUES_AT_ONCE + at);
            }
            let values: Vec<Vec<Value>> = places.keys().map(|values| values.to_vec()).collect();
            let mut strays = false;
            for row in self.look_up(class, columns, &values, hold)? {
                let place = row.values(columns).and_then(|values| places.get(values.as_slice()).cloned());
                strays |= place.is_none();
                for place in place.unwrap_or_default() {
                    answers.get_mut(place).into_iter().for_each(|rows| rows.push(row.clone()));
                }
            }
            for (values, places) in places.iter().filter(|_| strays) {
                let rows = self.look_up(class, columns, &[values.to_vec()], hold)?;
                for place in places {
                    answers.get_mut(*place).into_iter().for_each(|answer| answer.clone_from(&rows));
                }
            }
        }
        Ok(answers)
    }

    fn look_up(
        &mut self,
        class: &LiveClass,
        columns: &[ColumnId],
        values: &[Vec<Value>],
        hold: Hold,
    ) -> Result<Vec<Row>, PartialError> {
        let rows =
            self.session.lookup(&Lookup { class, columns, values, hold, rows_max: RECORDS_MAX + 1 }, self.ids)?;
        let bytes: usize = rows.iter().map(|row| row.as_bytes().len()).sum();
        if rows.len() > RECORDS_MAX || bytes > ROW_BYTES_MAX {
            return Err(too_much());
        }
        Ok(rows)
    }

    /// The rows with these keys.
    pub(super) fn by_keys(
        &mut self,
        class: &LiveClass,
        keys: &[Vec<Value>],
    ) -> Result<HashMap<Vec<u8>, Row>, PartialError> {
        let Some(plan) = KeyPlan::new(&class.schema) else { return Ok(HashMap::new()) };
        let found = self.find(class, key_columns(&class.schema), keys, Hold::Change)?;
        found.into_iter().flatten().map(|row| Ok((row.key(&plan)?, row))).collect()
    }
}

pub(super) const fn too_much() -> PartialError {
    PartialError::TooMuch { records_max: RECORDS_MAX, bytes_max: ROW_BYTES_MAX }
}
