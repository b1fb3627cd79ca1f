//! What must be known of the target to judge: who has unique values, what records refer to, what refers to them.
//!
//! Asks and notes; what the answers mean for a record is for [`super::judge()`] to say.

use std::collections::BTreeMap;
use std::rc::Rc;

use strongroom_core::record::{ClassSchema, ColumnId, KeyPlan};

use super::ask::Asker;
use super::columns::{convert_all, target_columns};
use super::error::PartialError;
use super::intention::Known;
use super::judge::{ChildFact, Facts, ParentFact, TakenFact, UndeclaredFact, intended};
use super::plan::{Action, Conflict, PlannedClass, Policy, Triple};
use super::related::{Undeclared, Written};
use super::row::{Row, Value, key_columns};
use crate::live::{Checked, Hold, LiveClass, LiveReference};
use crate::view::FieldValue;

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
    undeclared(asker, classes, triples, policy, known, &mut facts)?;
    Ok(facts)
}

/// Whether the target has what records refer to though no engine checks it. What is there is kept from going away.
fn undeclared(
    asker: &mut Asker<'_>,
    classes: &[PlannedClass],
    triples: &[Triple],
    policy: Policy,
    known: &dyn Known,
    facts: &mut Facts,
) -> Result<(), PartialError> {
    let written = triples.iter().enumerate().filter_map(|(at, triple)| {
        let class = classes.get(triple.class)?;
        let record =
            Written { class: &class.live.schema.name, wanted: triple.wanted.as_ref()?, live: triple.live.as_ref() };
        intended(class, triple, policy).is_change().then_some((at, record))
    });
    let (places, records): (Vec<usize>, Vec<Written<'_>>) = written.unzip();
    let mut by_class: BTreeMap<String, Vec<(UndeclaredFact, Row)>> = BTreeMap::new();
    for (record, references) in places.into_iter().zip(known.undeclared(&records)?) {
        for Undeclared { reference, target } in references {
            let mut fact = UndeclaredFact { record, reference, target: None, is_there: false };
            let Some((name, row)) = target else {
                facts.undeclared.push(fact);
                continue;
            };
            let key_text = known.schema(&name.class).map(|schema| row.key_text(schema)).unwrap_or_default();
            fact.target = Some((name.class.clone(), name.key, key_text));
            by_class.entry(name.class).or_default().push((fact, row));
        }
    }
    for (class, questions) in by_class {
        let Some(schema) = known.schema(&class) else { continue };
        let keys = key_columns(schema);
        let live = described(asker, classes, &class, Some(schema))?;
        let live = live.filter(|live| keys.iter().all(|key| live.schema.column(*key).is_some()));
        let mut answers = vec![Vec::new(); questions.len()];
        if let Some(live) = &live {
            let values = questions.iter().map(|(_, row)| row.values(keys).unwrap_or_default());
            let values: Vec<Vec<Value>> =
                values.map(|values| convert_all(&values, schema, keys, &live.schema, keys)).collect();
            answers = asker.find(live, keys, &values, Hold::Keep)?;
        }
        let answered = questions.into_iter().zip(answers);
        facts
            .undeclared
            .extend(answered.map(|((fact, _), rows)| UndeclaredFact { is_there: !rows.is_empty(), ..fact }));
    }
    Ok(())
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
        let (records, values) = questions(changes, &key.columns);
        let owners = asker.find(&class.live, &key.columns, &values, Hold::Change)?;
        for (record, owners) in records.into_iter().zip(owners) {
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

/// The values that changed records are to have in some columns, where they are not NULL and not there already: the
/// records, and the values of each.
fn questions(changes: &[(usize, &Triple, Action)], columns: &[ColumnId]) -> (Vec<usize>, Vec<Vec<Value>>) {
    let question = |(at, triple, action): &(usize, &Triple, Action)| {
        let wanted = triple.wanted.as_ref().filter(|_| *action != Action::Delete)?.values(columns)?;
        let live = triple.live.as_ref().and_then(|row| row.values(columns));
        (live.as_ref() != Some(&wanted)).then_some((*at, wanted))
    };
    changes.iter().filter_map(question).unzip()
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
        let (records, values) = questions(changes, &reference.columns);
        if records.is_empty() {
            continue;
        }
        let parent = described(asker, classes, &reference.class, known.schema(&reference.class))?;
        let in_snapshot = known.find(&class.live.schema, reference, &values)?;
        let mut converted = values;
        let mut found = vec![Vec::new(); records.len()];
        if let Some(parent) = &parent {
            let columns = target_columns(&parent.schema, &reference.target_columns);
            for values in &mut converted {
                *values = convert_all(values, &class.live.schema, &reference.columns, &parent.schema, &columns);
            }
            found = asker.find(parent, &columns, &converted, Hold::Keep)?;
        }
        let names = known.names_of_types(&reference.class);
        let answers = found.into_iter().zip(in_snapshot).zip(converted);
        for (record, ((rows, snapshot), converted)) in records.into_iter().zip(answers) {
            let row = rows.first();
            if let (Some(snapshot), Some(row), Some(parent)) = (&snapshot, row, &parent)
                && let Some(conflict) =
                    other_type(reference, &names, known.schema(&reference.class), snapshot, parent, row)
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
                reference: number,
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

/// Whether a type's number means another type in the target.
fn other_type(
    reference: &LiveReference,
    columns: &[String],
    snapshot_schema: Option<&ClassSchema>,
    snapshot: &Row,
    parent: &LiveClass,
    row: &Row,
) -> Option<Conflict> {
    if columns.is_empty() {
        return None;
    }
    let named = |schema: &ClassSchema, row: &Row| {
        shown_values(schema, &target_columns(schema, columns), Some(row)).replace(',', ".")
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
