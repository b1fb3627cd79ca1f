//! What is asked of the target: rows by their keys, who has unique values, what records refer to, what refers to them.
//!
//! Many questions go in one statement. What the engine takes for equal without being equal byte by byte (citext,
//! collations that fold) is led back to its question by asking once more.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use strongroom_core::digest::IdFunctions;
use strongroom_core::record::{ClassSchema, Codec, ColumnId, KeyPlan};

use super::error::PartialError;
use super::gather::Known;
use super::judge::{ChildFact, Facts, ParentFact, TakenFact, intended};
use super::plan::{Action, Conflict, PlannedClass, Policy, Triple};
use super::row::{Row, Value, key_columns};
use crate::live::{Checked, Hold, LiveClass, LiveSession, Lookup};
use crate::view::FieldValue;

/// Values in one statement.
const VALUES_AT_ONCE: usize = 256;

/// Records that may change in one restore: they are held in memory, and the target's other users wait for them.
pub(super) const RECORDS_MAX: usize = 250_000;

/// Bytes of rows that may change in one restore.
pub(super) const ROW_BYTES_MAX: usize = 128 << 20;

/// Classes that say which types there are, with the columns that name a type: installations number types as they come.
const TYPE_REGISTRIES: [(&str, &[&str]); 1] = [("django_content_type", &["app_label", "model"])];

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
        if rows.len() > RECORDS_MAX {
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

/// One question about a record: the record, what of its class it is about, and the values.
type Question = (usize, usize, Vec<Value>);

/// Learns what must be known of the target to judge.
pub(super) fn learn(
    asker: &mut Asker<'_>,
    classes: &[PlannedClass],
    triples: &[Triple],
    policy: Policy,
    known: &dyn Known,
) -> Result<Facts, PartialError> {
    let mut facts = Facts::default();
    for (number, class) in classes.iter().enumerate() {
        let own = triples.iter().enumerate().filter(|(_, triple)| triple.class == number);
        let changes: Vec<(usize, &Triple, Action)> = own
            .map(|(at, triple)| (at, triple, intended(class, triple, policy)))
            .filter(|(_, _, action)| action.is_change())
            .collect();
        if changes.is_empty() {
            continue;
        }
        shape(class, &changes, &mut facts);
        taken(asker, class, triples, &changes, &mut facts)?;
        parents(asker, classes, class, triples, &changes, known, &mut facts)?;
        children(asker, classes, class, &changes, &mut facts)?;
    }
    Ok(facts)
}

/// Columns that the two sides do not share.
fn shape(class: &PlannedClass, changes: &[(usize, &Triple, Action)], facts: &mut Facts) {
    let lacking: Vec<&str> = class
        .live
        .schema
        .columns
        .iter()
        .filter(|column| {
            !column.nullable && !class.common.contains(&column.id) && !class.live.defaults.contains(&column.id)
        })
        .map(|column| column.name.as_str())
        .collect();
    for (at, _, _) in changes.iter().filter(|(_, _, action)| *action == Action::Create) {
        facts.seen.extend(lacking.iter().map(|name| (*at, Conflict::NoDefault { column: (*name).to_owned() })));
    }
}

fn taken(
    asker: &mut Asker<'_>,
    class: &PlannedClass,
    triples: &[Triple],
    changes: &[(usize, &Triple, Action)],
    facts: &mut Facts,
) -> Result<(), PartialError> {
    let Some(plan) = KeyPlan::new(&class.live.schema) else { return Ok(()) };
    for (unique, key) in class.live.uniques.iter().enumerate() {
        let is_common = key.columns.iter().all(|column| class.common.contains(column));
        if !is_common || key.columns == key_columns(&class.live.schema) {
            continue;
        }
        let questions = questions(changes, unique, |_| Some(key.columns.clone()));
        let values: Vec<Vec<Value>> = questions.iter().map(|(_, _, values)| values.clone()).collect();
        let owners = asker.find(&class.live, &key.columns, &values, Hold::Change)?;
        for ((record, unique, _), owners) in questions.into_iter().zip(owners) {
            for owner in owners {
                let key = owner.key(&plan)?;
                if triples.get(record).is_some_and(|triple| triple.key != key) {
                    let owner_text = owner.key_text(&class.live.schema);
                    facts.taken.push(TakenFact { record, unique, owner: key, owner_text });
                }
            }
        }
    }
    Ok(())
}

/// The values that changed records are to have in some columns, where they are not NULL and not there already.
fn questions(
    changes: &[(usize, &Triple, Action)],
    about: usize,
    columns: impl Fn(&Triple) -> Option<Vec<ColumnId>>,
) -> Vec<Question> {
    let mut all = Vec::new();
    for (at, triple, action) in changes {
        let Some(columns) = columns(triple).filter(|_| *action != Action::Delete) else { continue };
        let wanted = triple.wanted.as_ref().and_then(|row| row.values(&columns));
        let live = triple.live.as_ref().and_then(|row| row.values(&columns));
        if let Some(values) = wanted.filter(|values| Some(values) != live.as_ref()) {
            all.push((*at, about, values));
        }
    }
    all
}

fn parents(
    asker: &mut Asker<'_>,
    classes: &[PlannedClass],
    class: &PlannedClass,
    triples: &[Triple],
    changes: &[(usize, &Triple, Action)],
    known: &dyn Known,
    facts: &mut Facts,
) -> Result<(), PartialError> {
    for (number, reference) in class.live.references.iter().enumerate() {
        let questions = questions(changes, number, |_| Some(reference.columns.clone()));
        if questions.is_empty() {
            continue;
        }
        let parent = described(asker, classes, &reference.class, known.schema(&reference.class))?;
        let mut converted: Vec<Vec<Value>> = questions.iter().map(|(_, _, values)| values.clone()).collect();
        let mut found = vec![Vec::new(); questions.len()];
        if let Some(parent) = &parent {
            let columns = target_columns(&parent.schema, &reference.target_columns);
            for values in &mut converted {
                *values = convert_all(values, &class.live.schema, &reference.columns, &parent.schema, &columns);
            }
            found = asker.find(parent, &columns, &converted, Hold::Keep)?;
        }
        for (((record, reference_number, values), rows), converted) in questions.into_iter().zip(found).zip(converted) {
            let snapshot = known.find(&class.live.schema, reference, &values)?;
            let row = rows.first();
            if let (Some(snapshot), Some(row), Some(parent)) = (&snapshot, row, &parent)
                && let Some(conflict) = other_type(reference, known.schema(&reference.class), snapshot, parent, row)
            {
                facts.seen.push((record, conflict));
            }
            // A table that can't be described (partitioned, in another schema of the server) is left to the server.
            let found = match (row, &parent) {
                (Some(row), Some(parent)) => {
                    Some(KeyPlan::new(&parent.schema).map_or(Ok(Vec::new()), |plan| row.key(&plan))?)
                }
                (None, None) => Some(Vec::new()),
                _ => None,
            };
            let values_text = shown_values(
                &class.live.schema,
                &reference.columns,
                triples.get(record).and_then(|triple| triple.wanted.as_ref()),
            );
            let in_snapshot = snapshot.is_some();
            facts.parents.push(ParentFact {
                record,
                reference: reference_number,
                values: converted,
                values_text,
                found,
                in_snapshot,
            });
        }
    }
    Ok(())
}

fn shown_values(schema: &ClassSchema, columns: &[ColumnId], row: Option<&Row>) -> String {
    let shown = |column: &ColumnId| match row.map(|row| row.shown(schema, *column)) {
        Some(FieldValue::Text(text)) => text,
        Some(FieldValue::Null) | None => String::new(),
        Some(other) => other.to_json().to_string(),
    };
    columns.iter().map(shown).collect::<Vec<_>>().join(",")
}

/// A class of the set, or else one that is only looked at.
fn described(
    asker: &mut Asker<'_>,
    classes: &[PlannedClass],
    name: &str,
    beside: Option<&ClassSchema>,
) -> Result<Option<Rc<LiveClass>>, PartialError> {
    match classes.iter().find(|class| class.live.schema.name == name) {
        Some(class) => Ok(Some(Rc::new(class.live.clone()))),
        None => asker.class(name, beside),
    }
}

/// The ids of columns by their names; those that are not there are left out.
pub(super) fn target_columns(schema: &ClassSchema, names: &[String]) -> Vec<ColumnId> {
    names.iter().filter_map(|name| schema.column_named(name)).map(|column| column.id).collect()
}

/// Values of one class's columns in the forms that another class's columns have.
pub(super) fn convert_all(
    values: &[Value],
    from: &ClassSchema,
    from_columns: &[ColumnId],
    to: &ClassSchema,
    to_columns: &[ColumnId],
) -> Vec<Value> {
    let codec = |schema: &ClassSchema, column: &ColumnId| schema.column(*column).map_or(Codec::Text, |c| c.codec);
    let pairs = values.iter().zip(from_columns.iter().zip(to_columns));
    pairs.map(|(value, (one, other))| convert(value, codec(from, one), codec(to, other))).collect()
}

fn convert(value: &Value, from: Codec, to: Codec) -> Value {
    use strongroom_core::record::CellKind;
    if from == to {
        return value.clone();
    }
    let mut text = Vec::new();
    if value.kind == CellKind::Text || from.decode(&value.bytes, &mut text).is_err() {
        text.clone_from(&value.bytes);
    }
    let mut typed = Vec::new();
    if to.encode(&text, &mut typed) {
        Value { kind: CellKind::Canonical, bytes: typed }
    } else {
        Value { kind: CellKind::Text, bytes: text }
    }
}

/// Whether a type's number means another type in the target.
fn other_type(
    reference: &crate::live::LiveReference,
    snapshot_schema: Option<&ClassSchema>,
    snapshot: &Row,
    parent: &LiveClass,
    row: &Row,
) -> Option<Conflict> {
    let name = parent.schema.name.rsplit('.').next().unwrap_or_default();
    let (_, columns) = TYPE_REGISTRIES.iter().find(|(class, _)| *class == name)?;
    let named = |schema: &ClassSchema, row: &Row| {
        let ids: Vec<ColumnId> = columns.iter().filter_map(|name| schema.column_named(name)).map(|c| c.id).collect();
        shown_values(schema, &ids, Some(row)).replace(',', ".")
    };
    let (wanted, found) = (named(snapshot_schema?, snapshot), named(&parent.schema, row));
    (wanted != found).then(|| Conflict::OtherType {
        reference: reference.name.clone(),
        snapshot: wanted,
        target: found,
    })
}

fn children(
    asker: &mut Asker<'_>,
    classes: &[PlannedClass],
    class: &PlannedClass,
    changes: &[(usize, &Triple, Action)],
    facts: &mut Facts,
) -> Result<(), PartialError> {
    for referrer in &class.live.referrers {
        let columns = &referrer.target_columns;
        let goes = |(at, triple, action): &(usize, &Triple, Action)| {
            let live = triple.live.as_ref()?.values(columns)?;
            let wanted = triple.wanted.as_ref().and_then(|row| row.values(columns));
            (*action == Action::Delete || wanted.as_ref() != Some(&live)).then_some((*at, live))
        };
        let going: Vec<(usize, Vec<Value>)> = changes.iter().filter_map(goes).collect();
        if going.is_empty() {
            continue;
        }
        let Some(child) = described(asker, classes, &referrer.class, None)? else { continue };
        let child_columns = target_columns(&child.schema, &referrer.columns);
        let values: Vec<Vec<Value>> = going
            .iter()
            .map(|(_, values)| convert_all(values, &class.live.schema, columns, &child.schema, &child_columns))
            .collect();
        let found = asker.find(&child, &child_columns, &values, Hold::Nothing)?;
        let plan = KeyPlan::new(&child.schema);
        let checked = child.references.iter().find(|reference| reference.columns == child_columns);
        let checked = checked.map_or(Checked::AtOnce, |reference| reference.checked);
        for ((record, _), rows) in going.into_iter().zip(found) {
            for row in rows {
                facts.children.push(ChildFact {
                    record,
                    class: referrer.class.clone(),
                    columns: referrer.columns.clone(),
                    checked,
                    key: plan.as_ref().map_or(Ok(Vec::new()), |plan| row.key(plan))?,
                    key_text: row.key_text(&child.schema),
                });
            }
        }
    }
    Ok(())
}

/// The columns that both sides of a class have.
pub(super) fn common_columns(live: &LiveClass, snapshot: &ClassSchema) -> Vec<ColumnId> {
    live.schema.columns.iter().map(|column| column.id).filter(|id| snapshot.column(*id).is_some()).collect()
}
