//! The order of writing: what is referred to before what refers to it, what gives a value free before what takes it.
//!
//! Where records wait for each other in a circle, a reference that the engine checks at the end is let go of; else one
//! whose columns may be NULL is written as NULL and filled in when all is there, or set to NULL before all else where
//! what it leads to is to go. A circle that none of this opens can't be written.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_core::record::ColumnId;

use super::judge::{Before, Wait, may_wait};
use super::plan::{Action, Plan, Step};
use crate::live::Checked;

/// What waits, and for what.
struct Waiting<'a> {
    plan: &'a Plan,
    /// By waiting record: what it still waits for, and through which reference.
    on: BTreeMap<usize, Vec<(usize, Wait)>>,
    /// By record that others wait for.
    waiters: BTreeMap<usize, Vec<usize>>,
    late: Columns,
    loose: Columns,
}

/// Columns by record.
type Columns = BTreeMap<usize, BTreeSet<ColumnId>>;

/// The steps of a plan, or the records of a circle that can't be opened.
pub(super) fn order(plan: &Plan, before: &[Before]) -> Result<Vec<Step>, Vec<usize>> {
    let changes = plan.records.iter().enumerate().filter(|(_, record)| record.action.is_change());
    let mut waiting = Waiting {
        plan,
        on: changes.map(|(at, _)| (at, Vec::new())).collect(),
        waiters: BTreeMap::new(),
        late: Columns::new(),
        loose: Columns::new(),
    };
    for edge in before.iter().filter(|edge| edge.first != edge.then) {
        if waiting.on.contains_key(&edge.first)
            && let Some(on) = waiting.on.get_mut(&edge.then)
        {
            on.push((edge.first, edge.wait.clone()));
            waiting.waiters.entry(edge.first).or_default().push(edge.then);
        }
    }
    let mut sequence = Vec::with_capacity(waiting.on.len());
    let mut ready = waiting.take_ready(None);
    while !waiting.on.is_empty() || !ready.is_empty() {
        if ready.is_empty() {
            waiting.open_circle()?;
            ready = waiting.take_ready(None);
            continue;
        }
        // Records of one class are written together.
        ready.sort_by_key(|at| plan.records.get(*at).map(|record| (record.action, record.triple.class, *at)));
        sequence.extend(ready.iter().copied());
        ready = waiting.take_ready(Some(&ready));
    }
    Ok(steps(plan, &sequence, &waiting.late, &waiting.loose))
}

impl Waiting<'_> {
    /// Takes out what waits for nothing any more, after these were written; at first, or after a circle, of all.
    fn take_ready(&mut self, written: Option<&[usize]>) -> Vec<usize> {
        let candidates: BTreeSet<usize> = match written {
            None => self.on.keys().copied().collect(),
            Some(written) => {
                let mut freed = BTreeSet::new();
                for at in written {
                    for waiter in self.waiters.remove(at).unwrap_or_default() {
                        if let Some(on) = self.on.get_mut(&waiter) {
                            on.retain(|(first, _)| first != at);
                            freed.insert(waiter);
                        }
                    }
                }
                freed
            }
        };
        let is_free = |at: &usize| self.on.get(at).is_some_and(Vec::is_empty);
        let ready: Vec<usize> = candidates.into_iter().filter(is_free).collect();
        for at in &ready {
            self.on.remove(at);
        }
        ready
    }

    /// Lets one record go ahead of what it waits for.
    fn open_circle(&mut self) -> Result<(), Vec<usize>> {
        let in_circles = self.in_circles();
        for may_be_null in [false, true] {
            for at in &in_circles {
                let Some((late, loose)) = self.ahead(*at, may_be_null) else { continue };
                if !late.is_empty() {
                    self.late.entry(*at).or_default().extend(late);
                }
                for (other, columns) in loose {
                    self.loose.entry(other).or_default().extend(columns);
                }
                if let Some(on) = self.on.get_mut(at) {
                    on.clear();
                }
                return Ok(());
            }
        }
        Err(in_circles)
    }

    /// What waits and is waited for by something that waits: circles, and what lies between them.
    fn in_circles(&self) -> Vec<usize> {
        let mut left: BTreeSet<usize> = self.on.keys().copied().collect();
        loop {
            let awaited: BTreeSet<usize> =
                left.iter().filter_map(|at| self.on.get(at)).flatten().map(|(first, _)| *first).collect();
            let kept: BTreeSet<usize> = left.intersection(&awaited).copied().collect();
            if kept.len() == left.len() {
                return kept.into_iter().collect();
            }
            left = kept;
        }
    }

    /// The columns that must stay NULL for a record to go ahead, and those of others that must become NULL before;
    /// nothing if it can't go ahead.
    fn ahead(&self, at: usize, may_be_null: bool) -> Option<(Vec<ColumnId>, Columns)> {
        let record = self.plan.records.get(at)?;
        let class = self.plan.class_of(&record.triple)?;
        let (mut late, mut loose) = (Vec::new(), Columns::new());
        for (first, wait) in self.on.get(&at)? {
            match wait {
                Wait::Value => return None,
                Wait::Refers(reference) => {
                    let reference = class.live.references.get(*reference)?;
                    if reference.checked != Checked::AtOnce {
                        continue;
                    }
                    let may_wait = |column: &ColumnId| may_wait(class, *column);
                    let columns: Vec<ColumnId> = reference.columns.iter().copied().filter(may_wait).collect();
                    if !may_be_null || columns.is_empty() || record.action == Action::Delete {
                        return None;
                    }
                    late.extend(columns);
                }
                Wait::LetsGo(columns, checked) => {
                    if *checked != Checked::AtOnce {
                        continue;
                    }
                    let other = self.plan.records.get(*first)?;
                    let class = self.plan.class_of(&other.triple)?;
                    let columns: Vec<ColumnId> =
                        columns.iter().copied().filter(|column| may_wait(class, *column)).collect();
                    if !may_be_null || columns.is_empty() {
                        return None;
                    }
                    loose.entry(*first).or_default().extend(columns);
                }
            }
        }
        Some((late, loose))
    }
}

fn steps(plan: &Plan, sequence: &[usize], late: &Columns, loose: &Columns) -> Vec<Step> {
    let of =
        |all: &Columns, at: &usize| all.get(at).map(|columns| columns.iter().copied().collect()).unwrap_or_default();
    let is_delete = |at: &usize| plan.records.get(*at).is_some_and(|record| record.action == Action::Delete);
    let write = |at: &usize| {
        if is_delete(at) { Step::Delete { record: *at } } else { Step::Write { record: *at, late: of(late, at) } }
    };
    let loosened = loose.keys().map(|at| Step::Loosen { record: *at, columns: of(loose, at) });
    let fills = sequence.iter().filter(|at| late.contains_key(at));
    let fills = fills.map(|at| Step::Fill { record: *at, columns: of(late, at) });
    loosened.chain(sequence.iter().map(write)).chain(fills).collect()
}
