//! What a check found: counted by rule, class and reference, with a few examples each.

use std::collections::BTreeMap;

use serde::Serialize;
use strongroom_core::graph::{ReferenceGraph, TupleKey};

use super::rows::IntegrityError;
use super::rule::Rule;

/// What a person calls the records of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// What a record of the class is called, for example `Device`.
    pub label: String,
    /// The columns that name one record, in order.
    pub display: Vec<String>,
}

/// One violation, shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The record's key as it is written on the command line; nothing for a class without one.
    pub key: Option<String>,
    /// What people call the record, where that is known.
    pub name: Option<String>,
    /// What it leads to, or what is wrong with it.
    pub leads_to: Option<String>,
    /// Whether it is missing from the baseline; nothing without one.
    pub new: Option<bool>,
}

/// Violations of one rule by one reference of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The rule.
    pub rule: Rule,
    /// The class.
    pub class: String,
    /// The reference, or the columns that are at fault.
    pub reference: String,
    /// The class that should have the target, where there is one.
    pub target: Option<String>,
    /// How many.
    pub count: u64,
    /// How many of them the baseline does not have; nothing without one.
    pub new: Option<u64>,
    /// The first of them, those that are new before the others.
    pub examples: Vec<Example>,
}

/// What a check came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Records that were read.
    pub records: u64,
    /// References that were followed.
    pub references: u64,
    /// Violations, by rule and class.
    pub broken: Vec<Broken>,
    /// References that could not be judged, since what they lead to was not read: class and reference.
    pub unjudged: Vec<(String, String)>,
    /// Rules that apply to nothing.
    pub idle_rules: Vec<String>,
    /// What later checks can be compared with.
    pub baseline: Baseline,
}

impl Report {
    /// References that lead to no record.
    pub fn broken_references(&self) -> u64 {
        self.broken.iter().filter(|broken| broken.rule.is_broken_reference()).map(|broken| broken.count).sum()
    }

    /// Violations that the baseline does not have and that are errors; nothing without a baseline.
    pub fn new_errors(&self) -> u64 {
        self.broken.iter().filter(|broken| broken.rule.is_error()).filter_map(|broken| broken.new).sum()
    }
}

/// Violations that a baseline remembers at most: 64 MiB of digests.
const BASELINE_MAX: usize = 8 << 20;

/// The violations of one check, by their digests under the key of the check.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    seen: Vec<u64>,
    more: bool,
}

impl Baseline {
    fn remember(&mut self, violation: u64) {
        if self.seen.len() < BASELINE_MAX { self.seen.push(violation) } else { self.more = true }
    }

    fn merge(&mut self, other: Self) {
        self.more |= other.more;
        other.seen.into_iter().for_each(|violation| self.remember(violation));
    }

    /// Whether the violation is new; nothing if the baseline could not hold all.
    fn is_new(&self, violation: u64) -> Option<bool> {
        (!self.more).then(|| self.seen.binary_search(&violation).is_err())
    }
}

/// Where violations are counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) rule: Rule,
    pub(super) class: usize,
    pub(super) reference: String,
    pub(super) target: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct Count {
    all: u64,
    new: u64,
    /// By whether they are old, and by key.
    examples: BTreeMap<(bool, Vec<u8>), Example>,
}

impl Count {
    fn keep(&mut self, at: (bool, Vec<u8>), example: Example, examples_max: usize) {
        self.examples.insert(at, example);
        while self.examples.len() > examples_max {
            self.examples.pop_last();
        }
    }
}

/// How violations are counted and compared.
#[derive(Clone, Copy)]
pub(super) struct Counting<'c> {
    pub(super) key: TupleKey,
    pub(super) baseline: Option<&'c Baseline>,
    pub(super) examples_max: usize,
}

/// Places that are told apart by their targets.
const PLACES_MAX: usize = 10_000;

/// The domain of digests of violations.
const VIOLATION: u64 = 3 << 32;

/// Violations under way.
#[derive(Default)]
pub(super) struct Tally {
    places: BTreeMap<Place, Count>,
    seen: Baseline,
}

impl Tally {
    /// Counts a violation by the record with this key. `show` is called only if it is to be an example.
    pub(super) fn add(
        &mut self,
        counting: &Counting<'_>,
        class: &str,
        place: Place,
        key: &[u8],
        show: impl FnOnce() -> Result<Example, IntegrityError>,
    ) -> Result<(), IntegrityError> {
        let new = self.note(counting, class, &place, key);
        let count = self.count(place);
        count.all += 1;
        count.new += u64::from(new == Some(true));
        let at = (new == Some(false), key.to_vec());
        let is_full = count.examples.len() >= counting.examples_max;
        if counting.examples_max > 0
            && (!is_full || count.examples.last_key_value().is_some_and(|(last, _)| at < *last))
        {
            count.keep(at, Example { new, ..show()? }, counting.examples_max);
        }
        Ok(())
    }

    /// Where a place is counted: once there are too many, without its target, of which there may be any number.
    fn count(&mut self, place: Place) -> &mut Count {
        let has_room = self.places.len() < PLACES_MAX || self.places.contains_key(&place);
        let place = if has_room { place } else { Place { target: None, ..place } };
        self.places.entry(place).or_default()
    }

    /// Remembers a violation, and says whether it is new.
    fn note(&mut self, counting: &Counting<'_>, class: &str, place: &Place, key: &[u8]) -> Option<bool> {
        let mut bytes = Vec::new();
        for part in [place.rule.code(), class, &place.reference, place.target.as_deref().unwrap_or_default()] {
            strongroom_core::codec::put_bytes(&mut bytes, part.as_bytes());
        }
        bytes.extend_from_slice(key);
        let violation = counting.key.digest_bytes(VIOLATION, &bytes);
        self.seen.remember(violation);
        counting.baseline?.is_new(violation)
    }

    /// Adds what another thread counted.
    pub(super) fn merge(&mut self, other: Self, examples_max: usize) {
        self.seen.merge(other.seen);
        for (place, found) in other.places {
            let count = self.count(place);
            count.all += found.all;
            count.new += found.new;
            for (at, example) in found.examples {
                count.keep(at, example, examples_max);
            }
        }
    }

    /// What was counted, and what to compare later checks with.
    pub(super) fn finish(mut self, graph: &ReferenceGraph, counting: &Counting<'_>) -> (Vec<Broken>, Baseline) {
        self.seen.seen.sort_unstable();
        let is_compared = counting.baseline.is_some_and(|baseline| !baseline.more);
        let broken = |(place, count): (Place, Count)| Broken {
            rule: place.rule,
            class: graph.plans().get(place.class).map_or_else(String::new, |plan| plan.schema().name.clone()),
            reference: place.reference,
            target: place.target,
            count: count.all,
            new: is_compared.then_some(count.new),
            examples: count.examples.into_values().collect(),
        };
        (self.places.into_iter().map(broken).collect(), self.seen)
    }
}
