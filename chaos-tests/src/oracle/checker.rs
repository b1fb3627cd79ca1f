//! Decides whether an order of the operations explains their answers.
//!
//! Owns the verdict. The search is that of Wing and Gong ("Testing and verifying concurrent objects", 1993) with the
//! memo and the linked list of Lowe ("Testing for linearizability", 2017), on each key alone (Horn and Kroening, 2015).
//! A verdict is a function of specification, history and budget: work is counted in steps, never in time.
//!
//! A violation under one key is a violation of the whole, so it outweighs keys on which the steps ran out.

use std::collections::BTreeMap;
use std::fmt;

use super::history::{History, Operation};
use super::spec::Spec;
use call::Call;
use search::{Found, search};

mod bits;
mod call;
mod entries;
mod memo;
mod search;
mod shrink;
#[cfg(test)]
mod tests;
mod timeline;

/// Looks at one candidate, or comparisons in the memo: what a search is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Steps(pub u64);

impl Steps {
    /// Some twenty times what two thousand operations on one object need when six are in flight at once and one in a
    /// hundred is lost, and some hundred megabytes at most.
    pub const PER_KEY: Self = Self(2_000_000);
}

/// What became of a check. Callers treat everything but [`Verdict::Linearizable`] as a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a history that nobody looks at proves nothing"]
pub enum Verdict<K> {
    /// Under each key an order explains all answers.
    Linearizable {
        /// What finding it took, over all keys.
        steps: Steps,
    },
    /// No order explains the answers under one key.
    Violation {
        /// The key.
        key: K,
        /// How many operations are left of the history that shows it.
        operations: usize,
        /// These operations over time, for a person.
        timeline: String,
    },
    /// The steps ran out before there was an answer.
    Unknown {
        /// The first key on which they did.
        key: K,
        /// How many were taken there.
        steps: Steps,
    },
}

impl<K> Verdict<K> {
    /// Whether the history is known to be right.
    pub const fn is_linearizable(&self) -> bool {
        matches!(self, Self::Linearizable { .. })
    }
}

impl<K: fmt::Display> fmt::Display for Verdict<K> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linearizable { steps } => write!(out, "linearizable, after {} steps", steps.0),
            Self::Violation { key, operations, timeline } => {
                write!(out, "{key}: no order explains {operations} operations\n{timeline}")
            }
            Self::Unknown { key, steps } => write!(out, "{key}: no verdict within {} steps", steps.0),
        }
    }
}

/// Operations of one key, in the order of their invocations.
type Calls<'a, S> = Vec<Call<'a, <S as Spec>::Input, <S as Spec>::Output>>;

/// Judges a history. `per_key` bounds the search under each key, and once more the shrinking of a violation.
pub fn check<S: Spec>(spec: &S, history: &History<S::Input, S::Output>, per_key: Steps) -> Verdict<S::Key> {
    let mut steps = 0;
    let mut unknown = None;
    for (key, calls) in parts(spec, history.operations()) {
        let searched = search(spec, &key, &calls, per_key.0);
        steps += searched.steps;
        match searched.found {
            Found::NoOrder => {
                let least = shrink::shrink(spec, &key, calls, per_key.0);
                return Verdict::Violation { key, operations: least.len(), timeline: timeline::draw(spec, &least) };
            }
            Found::OutOfSteps if unknown.is_none() => {
                unknown = Some(Verdict::Unknown { key, steps: Steps(searched.steps) });
            }
            Found::Order | Found::OutOfSteps => {}
        }
    }
    unknown.unwrap_or(Verdict::Linearizable { steps: Steps(steps) })
}

/// The operations of each key.
fn parts<'a, S: Spec>(spec: &S, operations: &'a [Operation<S::Input, S::Output>]) -> BTreeMap<S::Key, Calls<'a, S>> {
    let mut parts: BTreeMap<S::Key, Calls<'a, S>> = BTreeMap::new();
    for operation in operations {
        parts.entry(spec.key(&operation.input)).or_default().push(Call::new(operation));
    }
    parts
}
