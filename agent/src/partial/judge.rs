//! From three states and what the target says to a plan. Pure: it asks nobody and writes nothing.
//!
//! A record whose conflicts are to be skipped stays as it is, which may give others conflicts: so the verdict over all
//! records is repeated until it stands.

use std::collections::{BTreeMap, HashMap};

use strongroom_core::record::ColumnId;

use super::order::order;
use super::plan::{Action, Base, Conflict, OnConflict, Origin, Plan, PlannedClass, PlannedRecord, Policy, Triple};
use super::row::{Row, Value, key_columns};
use crate::live::Checked;

/// A unique value that another record of the target has.
#[derive(Clone, Debug)]
pub struct TakenFact {
    /// The record that wants it.
    pub record: usize,
    /// The unique key, by its position in the class.
    pub unique: usize,
    /// The key of the record that has it.
    pub owner: Vec<u8>,
    /// The same as people write it.
    pub owner_text: String,
}

/// What a record refers to, and whether the target has it.
#[derive(Clone, Debug)]
pub struct ParentFact {
    /// The record that refers.
    pub record: usize,
    /// The reference, by its position in the class.
    pub reference: usize,
    /// The values that lead there.
    pub values: Vec<Value>,
    /// The same for people.
    pub values_text: String,
    /// The key of the target's record, if it is there; empty where the target checks such references alone.
    pub found: Option<Vec<u8>>,
    /// Whether the snapshot has it.
    pub in_snapshot: bool,
}

/// What a record refers to though no engine checks it, and whether the target has it.
#[derive(Clone, Debug)]
pub struct UndeclaredFact {
    /// The record that refers.
    pub record: usize,
    /// What the reference is called.
    pub reference: String,
    /// The class and the key that it leads to, encoded and as people write it; nothing if the snapshot lacks it, too.
    pub target: Option<(String, Vec<u8>, String)>,
    /// Whether the target has it.
    pub is_there: bool,
}

/// A record of the target that refers to one that is to change.
#[derive(Clone, Debug)]
pub struct ChildFact {
    /// The record referred to.
    pub record: usize,
    /// The class of the referring one.
    pub class: String,
    /// Its referring columns, by name.
    pub columns: Vec<String>,
    /// When the reference is checked.
    pub checked: Checked,
    /// Its key.
    pub key: Vec<u8>,
    /// The same as people write it.
    pub key_text: String,
}

/// What was learned of the target beside the records themselves.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Unique values that others have.
    pub taken: Vec<TakenFact>,
    /// What records refer to.
    pub parents: Vec<ParentFact>,
    /// What records refer to though no engine checks it.
    pub undeclared: Vec<UndeclaredFact>,
    /// What refers to records.
    pub children: Vec<ChildFact>,
    /// Conflicts that were seen while looking, by record.
    pub seen: Vec<(usize, Conflict)>,
}

/// What is done with a record if nothing speaks against it.
pub(super) fn intended(class: &PlannedClass, triple: &Triple, policy: Policy) -> Action {
    match (&triple.wanted, &triple.live) {
        (None, None) => Action::Unchanged,
        (Some(_), None) => Action::Create,
        (None, Some(_)) => Action::Delete,
        (Some(wanted), Some(live)) if wanted.differing(live, &class.common).is_empty() => Action::Unchanged,
        _ if triple.origin != Origin::Asked && !policy.overwrite_needed => Action::Kept,
        _ => Action::Overwrite,
    }
}

/// What speaks against it in the three states alone.
fn own_conflict(class: &PlannedClass, triple: &Triple, action: Action, policy: Policy) -> Option<Conflict> {
    let is_base = |live: &Row| match &triple.base {
        Base::Known(Some(base)) => base.differing(live, &class.common).is_empty(),
        Base::Known(None) | Base::Unknown => false,
    };
    match (action, &triple.live) {
        (Action::Overwrite | Action::Delete, Some(live)) if !is_base(live) => Some(Conflict::Changed),
        (Action::Create, None) if !policy.remake && matches!(triple.base, Base::Known(Some(_))) => Some(Conflict::Gone),
        _ => None,
    }
}

/// Makes the plan.
pub fn judge(classes: Vec<PlannedClass>, triples: Vec<Triple>, facts: &Facts, policy: Policy) -> Plan {
    let mut records: Vec<PlannedRecord> = Vec::with_capacity(triples.len());
    for triple in triples {
        let Some(class) = classes.get(triple.class) else { continue };
        let action = intended(class, &triple, policy);
        let conflicts = own_conflict(class, &triple, action, policy).into_iter().collect();
        records.push(PlannedRecord { triple, action, conflicts });
    }
    for (at, conflict) in &facts.seen {
        if let Some(record) = records.get_mut(*at).filter(|record| record.action.is_change()) {
            record.conflicts.push(conflict.clone());
        }
    }
    let mut plan = Plan { classes, records, ..Plan::default() };
    loop {
        let skipped = skip(&mut plan.records, policy);
        let edges = Edges::find(&plan, facts, policy);
        let mut is_new = false;
        plan.references_broken = edges.dangling;
        for (at, conflict) in edges.conflicts {
            if let Some(record) = plan.records.get_mut(at)
                && !record.conflicts.contains(&conflict)
            {
                record.conflicts.push(conflict);
                is_new = true;
            }
        }
        match order(&plan, &edges.before) {
            Ok(steps) => plan.steps = steps,
            Err(circle) => {
                plan.steps.clear();
                is_new |= note_circle(&mut plan, &circle);
            }
        }
        if !is_new && !skipped {
            break;
        }
    }
    let stops = |record: &PlannedRecord| {
        record.action.is_change()
            && record
                .conflicts
                .iter()
                .any(|conflict| if conflict.is_blocking() { true } else { policy.changed == OnConflict::Stop })
    };
    plan.is_stopped = plan.records.iter().any(stops);
    if plan.is_stopped {
        plan.steps.clear();
    }
    plan
}

/// Leaves records with conflicts as they are, where that is wanted. Says whether there were any.
fn skip(records: &mut [PlannedRecord], policy: Policy) -> bool {
    let mut any = false;
    for record in records.iter_mut().filter(|record| record.action.is_change()) {
        let is_skipped = record.conflicts.iter().any(|conflict| {
            let rule = if conflict.is_blocking() { policy.blocked } else { policy.changed };
            rule == OnConflict::Skip
        });
        if is_skipped {
            record.action = Action::Skipped;
            any = true;
        }
    }
    any
}

fn note_circle(plan: &mut Plan, circle: &[usize]) -> bool {
    let names: Vec<String> =
        circle.iter().filter_map(|at| plan.records.get(*at)).map(|record| plan.name_of(&record.triple)).collect();
    let mut is_new = false;
    for (place, at) in circle.iter().enumerate() {
        let with = names.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, name)| name.clone());
        let conflict = Conflict::Circle { with: with.take(5).collect() };
        if let Some(record) = plan.records.get_mut(*at)
            && !record.conflicts.iter().any(|known| matches!(known, Conflict::Circle { .. }))
        {
            record.conflicts.push(conflict);
            is_new = true;
        }
    }
    is_new
}

/// Why one write waits for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// The waiting record refers to the other one: the reference, by its position in the class.
    Refers(usize),
    /// The other record refers to the waiting one, and lets go: its columns, and when that is checked.
    LetsGo(Vec<ColumnId>, Checked),
    /// The other record gives a value free that the waiting one takes.
    Value,
}

/// How one write waits for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Before {
    /// The record that must be written first.
    pub(super) first: usize,
    /// The record that waits.
    pub(super) then: usize,
    /// Why it waits.
    pub(super) wait: Wait,
}

/// Which records wait for which, and what can't be.
struct Edges {
    before: Vec<Before>,
    conflicts: Vec<(usize, Conflict)>,
    /// References that lead nowhere in the snapshot either, and that the target does not check.
    dangling: u64,
}

/// Records of a plan by class and key.
type ByKey<'a> = HashMap<(usize, &'a [u8]), usize>;

/// Rows as they will be, by class, columns and values.
type ByValues = HashMap<(usize, Vec<ColumnId>), HashMap<Vec<Value>, usize>>;

impl Edges {
    fn find(plan: &Plan, facts: &Facts, policy: Policy) -> Self {
        let by_key: ByKey<'_> = (0..)
            .zip(&plan.records)
            .map(|(at, record)| ((record.triple.class, record.triple.key.as_slice()), at))
            .collect();
        let numbers: BTreeMap<&str, usize> =
            plan.classes.iter().enumerate().map(|(at, class)| (class.live.schema.name.as_str(), at)).collect();
        let mut edges = Self { before: Vec::new(), conflicts: Vec::new(), dangling: 0 };
        edges.taken(plan, facts, &by_key);
        edges.parents(plan, facts, &by_key, &numbers);
        edges.undeclared(plan, facts, &by_key, &numbers);
        edges.children(plan, facts, policy, &by_key, &numbers);
        edges
    }

    fn taken(&mut self, plan: &Plan, facts: &Facts, by_key: &ByKey<'_>) {
        for fact in &facts.taken {
            let Some(record) = written(plan, fact.record) else { continue };
            let Some(class) = plan.class_of(&record.triple) else { continue };
            let Some(unique) = class.live.uniques.get(fact.unique) else { continue };
            let wanted = record.triple.wanted.as_ref().and_then(|row| row.values(&unique.columns));
            let owner = by_key.get(&(record.triple.class, fact.owner.as_slice())).copied();
            let gives_free = owner
                .and_then(|at| written(plan, at))
                .is_some_and(|owner| after(owner).and_then(|row| row.values(&unique.columns)) != wanted);
            if let Some(first) = owner.filter(|_| gives_free) {
                self.before.push(Before { first, then: fact.record, wait: Wait::Value });
                continue;
            }
            let name = |id: &ColumnId| class.live.schema.column(*id).map(|column| column.name.clone());
            let columns = unique.columns.iter().filter_map(name).collect();
            let owner = format!("{}:{}", class.live.schema.name, fact.owner_text);
            self.conflicts.push((fact.record, Conflict::Taken { constraint: unique.name.clone(), columns, owner }));
        }
    }

    fn parents(&mut self, plan: &Plan, facts: &Facts, by_key: &ByKey<'_>, numbers: &BTreeMap<&str, usize>) {
        let mut by_values = ByValues::new();
        for fact in &facts.parents {
            let Some(record) = written(plan, fact.record).filter(|record| record.action != Action::Delete) else {
                continue;
            };
            let Some(reference) =
                plan.class_of(&record.triple).and_then(|class| class.live.references.get(fact.reference))
            else {
                continue;
            };
            let number = numbers.get(reference.class.as_str()).copied();
            let parts = reference.partitions.iter().filter_map(|part| numbers.get(part.as_str()).copied());
            let in_set = number.into_iter().chain(parts).find_map(|number| {
                let class = plan.classes.get(number)?;
                let columns = columns_named(class, &reference.target_columns)?;
                let rows =
                    by_values.entry((number, columns.clone())).or_insert_with(|| values_after(plan, number, &columns));
                rows.get(&fact.values).copied()
            });
            let stays = fact.found.as_ref().is_some_and(|key| {
                let member = number.and_then(|number| by_key.get(&(number, key.as_slice())));
                member.and_then(|at| written(plan, *at)).is_none()
            });
            if let Some(first) = in_set {
                let is_made =
                    written(plan, first).is_some_and(|parent| parent.action == Action::Create || fact.found.is_none());
                if is_made && first != fact.record {
                    self.before.push(Before { first, then: fact.record, wait: Wait::Refers(fact.reference) });
                }
            } else if !stays && reference.checked == Checked::Never && !fact.in_snapshot {
                self.dangling += 1;
            } else if !stays {
                let conflict = Conflict::MissingParent {
                    reference: reference.name.clone(),
                    class: reference.class.clone(),
                    values: fact.values_text.clone(),
                    in_snapshot: fact.in_snapshot,
                };
                self.conflicts.push((fact.record, conflict));
            }
        }
    }

    /// References that no engine checks need no order, only something to lead to.
    fn undeclared(&mut self, plan: &Plan, facts: &Facts, by_key: &ByKey<'_>, numbers: &BTreeMap<&str, usize>) {
        for fact in &facts.undeclared {
            if written(plan, fact.record).is_none_or(|record| record.action == Action::Delete) {
                continue;
            }
            let Some((class, key, key_text)) = &fact.target else {
                self.dangling += 1;
                continue;
            };
            let number = numbers.get(class.as_str()).copied();
            let member = number.and_then(|number| by_key.get(&(number, key.as_slice())));
            let stays = member.and_then(|at| plan.records.get(*at)).map(|member| after(member).is_some());
            if !stays.unwrap_or(fact.is_there) {
                self.dangling += 1;
                let (reference, class, key) = (fact.reference.clone(), class.clone(), key_text.clone());
                self.conflicts.push((fact.record, Conflict::Dangling { reference, class, key }));
            }
        }
    }

    fn children(
        &mut self,
        plan: &Plan,
        facts: &Facts,
        policy: Policy,
        by_key: &ByKey<'_>,
        numbers: &BTreeMap<&str, usize>,
    ) {
        for fact in &facts.children {
            let Some(record) = written(plan, fact.record) else { continue };
            let number = numbers.get(fact.class.as_str()).copied();
            let child = number.and_then(|number| by_key.get(&(number, fact.key.as_slice()))).copied();
            if child == Some(fact.record) && record.action == Action::Delete {
                continue;
            }
            let lets_go = child.and_then(|at| written(plan, at)).is_some_and(|child| {
                let Some(class) = plan.class_of(&child.triple) else { return false };
                let columns = columns_named(class, &fact.columns).unwrap_or_default();
                let before = child.triple.live.as_ref().and_then(|row| row.values(&columns));
                after(child).and_then(|row| row.values(&columns)) != before
            });
            match child.filter(|_| lets_go) {
                Some(first) if first != fact.record => {
                    self.before.push(Before { first, then: fact.record, wait: lets_go_of(plan, first, fact) });
                }
                Some(_) => {}
                // Where nobody checks references, one may well have led nowhere before the restore that is undone.
                None if fact.checked == Checked::Never && !policy.remake => self.dangling += 1,
                None => {
                    let conflict = Conflict::Referred { class: fact.class.clone(), key: fact.key_text.clone() };
                    self.conflicts.push((fact.record, conflict));
                }
            }
        }
    }
}

/// How a record refers to one that waits for it to let go.
fn lets_go_of(plan: &Plan, child: usize, fact: &ChildFact) -> Wait {
    let class = plan.records.get(child).and_then(|record| plan.class_of(&record.triple));
    let columns = class.and_then(|class| columns_named(class, &fact.columns)).unwrap_or_default();
    Wait::LetsGo(columns, fact.checked)
}

/// The record at a position, if it is written.
fn written(plan: &Plan, at: usize) -> Option<&PlannedRecord> {
    plan.records.get(at).filter(|record| record.action.is_change())
}

/// A record as it will be.
pub(super) fn after(record: &PlannedRecord) -> Option<&Row> {
    match record.action {
        Action::Create | Action::Overwrite => record.triple.wanted.as_ref(),
        Action::Delete => None,
        Action::Unchanged | Action::Kept | Action::Skipped => record.triple.live.as_ref(),
    }
}

/// The columns with these names, if all are there.
pub(super) fn columns_named(class: &PlannedClass, names: &[String]) -> Option<Vec<ColumnId>> {
    names.iter().map(|name| class.live.schema.column_named(name).map(|column| column.id)).collect()
}

fn values_after(plan: &Plan, number: usize, columns: &[ColumnId]) -> HashMap<Vec<Value>, usize> {
    let records = plan.records.iter().enumerate().filter(|(_, record)| record.triple.class == number);
    records.filter_map(|(at, record)| Some((after(record)?.values(columns)?, at))).collect()
}

/// Whether a column of a class may be NULL for a while.
pub(super) fn may_wait(class: &PlannedClass, column: ColumnId) -> bool {
    let schema = &class.live.schema;
    schema.column(column).is_some_and(|column| column.nullable) && !key_columns(schema).contains(&column)
}
