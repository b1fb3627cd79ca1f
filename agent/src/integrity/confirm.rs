//! The second pass, over classes with suspects only: the records that are at fault are named.
//!
//! A digest that is wanted and not there is missing for certain, since equal tuples have equal digests. Edges that look
//! alike by their digests are compared by their values before they are called duplicates.

use std::collections::BTreeMap;

use strongroom_core::graph::{ClassPlan, Lead, ReferenceGraph, Scratch, Slots, tuple_text};

use super::gather::{emptied, missing_at, of_edge, of_ends, of_set};
use super::marks::Suspicion;
use super::report::{Counting, Example, Place, Tally};
use super::rows::{IntegrityError, Row, Worker};
use super::rule::Rule;
use super::show::Shown;

/// Suspects of one round, in order of their digests.
#[derive(Default)]
pub(super) struct Suspects {
    pub(super) digests: Vec<(u64, Suspicion)>,
}

impl Suspects {
    fn is(&self, digest: u64, suspicion: Suspicion) -> bool {
        let at = self.digests.binary_search_by_key(&digest, |(known, _)| *known);
        at.ok().and_then(|at| self.digests.get(at)).is_some_and(|(_, known)| *known == suspicion)
    }
}

/// Edges of a class that may be duplicates, by their values: how many, and the keys and texts of the first two.
pub(super) type Twins = BTreeMap<(usize, Vec<u8>), Twin>;

/// Records that are the same edge.
#[derive(Default)]
pub(super) struct Twin {
    pub(super) count: u64,
    pub(super) first: Vec<(Vec<u8>, Option<Example>)>,
}

impl Twin {
    /// Adds records that another thread found.
    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.first.extend(other.first);
        self.first.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.first.truncate(2);
    }
}

/// Examples of duplicates that one worker makes.
const TWIN_EXAMPLES: usize = 64;

/// Takes in the records of one stretch again.
pub(super) struct Confirm<'c> {
    graph: &'c ReferenceGraph,
    plan: &'c ClassPlan,
    class: usize,
    shown: &'c Shown<'c>,
    counting: Counting<'c>,
    suspects: &'c Suspects,
    slots: Slots<'static>,
    scratch: Scratch,
    pub(super) tally: Tally,
    pub(super) twins: Twins,
}

impl<'c> Confirm<'c> {
    pub(super) fn new(
        graph: &'c ReferenceGraph,
        class: usize,
        plan: &'c ClassPlan,
        shown: &'c Shown<'c>,
        counting: Counting<'c>,
        suspects: &'c Suspects,
    ) -> Self {
        let (slots, scratch, tally, twins) = (Vec::new(), Scratch::default(), Tally::default(), Twins::new());
        Self { graph, plan, class, shown, counting, suspects, slots, scratch, tally, twins }
    }

    fn references(&mut self, slots: &Slots<'_>, row: &mut Row<'_, '_>) -> Result<(), IntegrityError> {
        let (graph, class, shown, counting) = (self.graph, self.class, self.shown, &self.counting);
        let (suspects, tally, name) = (self.suspects, &mut self.tally, &self.plan.schema().name);
        let (key, record, large) = (row.key, row.record, &mut *row.large);
        self.plan.visit_references(slots, &mut self.scratch, large, &mut |reference, lead| {
            let Lead::To(set, values) = lead else { return Ok(()) };
            if !suspects.is(of_set(&counting.key, set, values), Suspicion::Missing) {
                return Ok(());
            }
            // A document may have several: each is a violation of its own.
            let identity = [key, values].concat();
            let target = Some(tuple_text(values));
            let show = || shown.example(graph, class, record, target);
            tally.add(counting, name, missing_at(graph, class, reference, set), &identity, show)
        })
    }

    fn shape(&mut self, slots: &Slots<'_>, row: &Row<'_, '_>) -> Result<(), IntegrityError> {
        let (plan, class, key) = (self.plan, self.class, self.counting.key);
        let mut values = Vec::new();
        if plan.put_edge(slots, &mut values)? && self.suspects.is(of_edge(&key, class, &values), Suspicion::Twice) {
            let has_room = self.twins.len() < TWIN_EXAMPLES;
            let example = has_room.then(|| self.shown.example(self.graph, class, row.record, None)).transpose()?;
            let found = Twin { count: 1, first: vec![(row.key.to_vec(), example)] };
            self.twins.entry((class, values.clone())).or_default().merge(found);
        }
        for needed in plan.needs() {
            values.clear();
            if plan.put_set(needed.set, slots, &mut values)?
                && self.suspects.is(of_ends(&key, needed.rule, &values), Suspicion::FewEnds)
            {
                let reference = format!("fewer than {} ends", needed.least);
                let place = Place { rule: Rule::Empty, class, reference, target: None };
                let show = || self.shown.example(self.graph, class, row.record, None);
                self.tally.add(&self.counting, &plan.schema().name, place, row.key, show)?;
            }
        }
        Ok(())
    }
}

impl Worker for Confirm<'_> {
    fn row(&mut self, mut row: Row<'_, '_>) -> Result<(), IntegrityError> {
        let mut slots: Slots<'_> = std::mem::take(&mut self.slots);
        self.plan.cells(row.record, &mut slots)?;
        self.references(&slots, &mut row)?;
        if self.plan.has_shape() {
            self.shape(&slots, &row)?;
        }
        self.slots = emptied(slots);
        Ok(())
    }
}

/// Counts the duplicates among edges that look alike: all but the first of each.
pub(super) fn count_twins(
    graph: &ReferenceGraph,
    twins: Twins,
    counting: &Counting<'_>,
    tally: &mut Tally,
) -> Result<(), IntegrityError> {
    for ((class, values), twin) in twins {
        let name = graph.plans().get(class).map_or("", |plan| plan.schema().name.as_str());
        let second = twin.first.into_iter().nth(1).and_then(|(_, example)| example);
        let shown = second.unwrap_or(Example { key: None, name: None, leads_to: None, new: None });
        for copy in 1..twin.count {
            let identity = [values.as_slice(), &copy.to_be_bytes()].concat();
            let place = Place { rule: Rule::Duplicate, class, reference: "edge".to_owned(), target: None };
            tally.add(counting, name, place, &identity, || Ok(shown.clone()))?;
        }
    }
    Ok(())
}
