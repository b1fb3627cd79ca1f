//! The first pass: every record says what it is and what it refers to.
//!
//! What a record shows to be wrong by itself (an unknown type, half a reference, no owner) is counted at once. Whether
//! a target is there is left to the marks.

use strongroom_core::graph::{ClassPlan, Lead, PlannedReference, ReferenceGraph, Scratch, SetId, Slots, TupleKey};

use super::marks::{Mark, Marks, Say};
use super::report::{Counting, Place, Tally};
use super::rows::{IntegrityError, Row, Worker};
use super::rule::Rule;
use super::show::Shown;

/// Marks that a worker holds before it hands them on.
const HELD_MARKS: usize = 1 << 15;

/// The digest of a tuple of a set.
pub(super) fn of_set(key: &TupleKey, set: SetId, values: &[u8]) -> u64 {
    key.digest(set.domain(), values)
}

/// The digest of an edge of a class.
pub(super) fn of_edge(key: &TupleKey, class: usize, values: &[u8]) -> u64 {
    key.digest(1 << 32 | class as u64, values)
}

/// The digest of what the ends of a rule lead to.
pub(super) fn of_ends(key: &TupleKey, rule: usize, values: &[u8]) -> u64 {
    key.digest(2 << 32 | rule as u64, values)
}

/// Takes in the records of one stretch.
pub(super) struct Gather<'c> {
    pub(super) graph: &'c ReferenceGraph,
    pub(super) plan: &'c ClassPlan,
    pub(super) class: usize,
    pub(super) shown: &'c Shown<'c>,
    pub(super) counting: Counting<'c>,
    pub(super) marks: &'c Marks,
    held: Vec<Mark>,
    slots: Slots<'static>,
    scratch: Scratch,
    pub(super) tally: Tally,
    pub(super) records: u64,
    pub(super) references: u64,
    /// The greatest value of each tracked column.
    pub(super) greatest: Vec<Option<i64>>,
}

impl<'c> Gather<'c> {
    pub(super) fn new(
        graph: &'c ReferenceGraph,
        class: usize,
        plan: &'c ClassPlan,
        shown: &'c Shown<'c>,
        counting: Counting<'c>,
        marks: &'c Marks,
    ) -> Self {
        Self {
            graph,
            plan,
            class,
            shown,
            counting,
            marks,
            held: Vec::new(),
            slots: Vec::new(),
            scratch: Scratch::default(),
            tally: Tally::default(),
            records: 0,
            references: 0,
            greatest: vec![None; plan.tracked()],
        }
    }

    fn hand_on(&mut self) -> Result<(), IntegrityError> {
        self.held.sort_unstable();
        self.held.dedup();
        Ok(self.marks.take(&mut self.held)?)
    }

    /// What the record gives others to refer to, and what it refers to.
    fn mark(&mut self, slots: &Slots<'_>, row: &mut Row<'_, '_>) -> Result<(), IntegrityError> {
        let (plan, class, key) = (self.plan, self.class, self.counting.key);
        let held = &mut self.held;
        plan.visit_sets(slots, &mut self.scratch, &mut |set, values| {
            held.push(Mark::new(of_set(&key, set, values), Say::Here));
            Ok::<(), IntegrityError>(())
        })?;
        plan.visit_ends(slots, &mut self.scratch, &mut |rule, values, end| {
            let end = key.digest(0, end);
            held.push(Mark::new(of_ends(&key, rule, values), Say::End { end }));
            Ok::<(), IntegrityError>(())
        })?;
        if plan.may_dangle() {
            return Ok(());
        }
        let (tally, shown, counting, graph) = (&mut self.tally, self.shown, &self.counting, self.graph);
        let (record_key, record, large) = (row.key, row.record, &mut *row.large);
        let references = &mut self.references;
        plan.visit_references(slots, &mut self.scratch, large, &mut |reference, lead| {
            let (rule, target) = match lead {
                Lead::To(set, values) => {
                    *references += 1;
                    held.push(Mark::new(of_set(&key, set, values), Say::Wanted { class }));
                    return Ok(());
                }
                Lead::Nowhere if reference.required => (Rule::Owner, None),
                Lead::Nowhere => return Ok(()),
                Lead::Half => (Rule::Empty, None),
                Lead::NoClass(named) => (Rule::Type, Some(named)),
            };
            let place = Place { rule, class, reference: reference.name.clone(), target: target.clone() };
            let show = || shown.example(graph, class, record, target);
            tally.add(counting, &plan.schema().name, place, record_key, show)
        })
    }

    /// What the record is as an edge, and how many ends it needs.
    fn mark_shape(&mut self, slots: &Slots<'_>, row: &Row<'_, '_>) -> Result<(), IntegrityError> {
        let (plan, class, key) = (self.plan, self.class, self.counting.key);
        let mut values = Vec::new();
        if plan.put_edge(slots, &mut values)? {
            let record = key.digest_bytes(0, row.key);
            self.held.push(Mark::new(of_edge(&key, class, &values), Say::Edge { class, record }));
        }
        for column in plan.empty_ends(slots) {
            let place = Place { rule: Rule::Empty, class, reference: column.to_owned(), target: None };
            let show = || self.shown.example(self.graph, class, row.record, None);
            self.tally.add(&self.counting, &plan.schema().name, place, row.key, show)?;
        }
        for needed in plan.needs() {
            values.clear();
            if plan.put_set(needed.set, slots, &mut values)? {
                let digest = of_ends(&key, needed.rule, &values);
                self.held.push(Mark::new(digest, Say::Needs { class, least: needed.least }));
            }
        }
        Ok(())
    }
}

impl Worker for Gather<'_> {
    fn row(&mut self, mut row: Row<'_, '_>) -> Result<(), IntegrityError> {
        self.records += 1;
        let mut slots: Slots<'_> = std::mem::take(&mut self.slots);
        self.plan.cells(row.record, &mut slots)?;
        self.mark(&slots, &mut row)?;
        if self.plan.has_shape() && !self.plan.may_dangle() {
            self.mark_shape(&slots, &row)?;
        }
        let greatest = &mut self.greatest;
        self.plan.visit_tracked(&slots, &mut |at, value| {
            if let Some(known) = greatest.get_mut(at) {
                *known = (*known).max(Some(value));
            }
        })?;
        self.slots = emptied(slots);
        if self.held.len() >= HELD_MARKS { self.hand_on() } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<(), IntegrityError> {
        self.hand_on()
    }
}

/// The same memory for the cells of another record.
pub(super) fn emptied(mut slots: Slots<'_>) -> Slots<'static> {
    slots.clear();
    slots.into_iter().map(|_| None).collect()
}

/// The rule that a reference breaks if its target is missing, as a place to count at.
pub(super) fn missing_at(graph: &ReferenceGraph, class: usize, reference: &PlannedReference, set: SetId) -> Place {
    Place {
        rule: Rule::of_missing(reference.kind, reference.owner),
        class,
        reference: reference.name.clone(),
        target: Some(graph.class_of(set).to_owned()),
    }
}
