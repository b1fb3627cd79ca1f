//! How an object behaves that does one thing after another.
//!
//! Owns the trait and the objects that exist. A specification is pure: it holds no state of its own, and equal
//! arguments give equal answers. A history is judged key by key, which is exact because operations under different keys
//! share no state (Horn and Kroening, "Faster linearizability checking via P-compositionality", 2015). So an operation
//! that touches two keys has no specification here; one key must stand for both.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

mod append_list;
mod claim;
mod counter;
mod register;

pub use append_list::{AppendList, ListAction, ListAnswer, ListState};
pub use claim::{Claim, ClaimAction, ClaimAnswer, Claimant};
pub use counter::{Counter, CounterAction, CounterAnswer};
pub use register::{Register, RegisterAction, RegisterAnswer};

/// A family of equal objects, one under each key.
pub trait Spec {
    /// What tells the objects apart.
    type Key: Clone + Ord + fmt::Display;
    /// What an object remembers.
    type State: Clone + Eq + Hash;
    /// What can be asked. Equal inputs do the same to equal states.
    type Input: PartialEq;
    /// What can be answered.
    type Output;

    /// The object that `input` is about.
    fn key(&self, input: &Self::Input) -> Self::Key;

    /// The object before anything was asked, in a history in which these answers are to be explained.
    ///
    /// A state may carry what the answers tell of the future, so that [`Spec::step`] refuses what can't end well. It must
    /// refuse nothing else.
    fn initial(&self, key: &Self::Key, answers: &[&Self::Output]) -> Self::State;

    /// The state after `input` was answered with `output`; nothing if a correct object can't answer so.
    fn step(&self, state: &Self::State, input: &Self::Input, output: &Self::Output) -> Option<Self::State>;

    /// The states that `input` can lead to when nobody saw the answer, one for each answer that makes a difference.
    fn step_unseen(&self, state: &Self::State, input: &Self::Input) -> Vec<Self::State>;

    /// Whether the operation changes no state whatever came before it; an answer that was not seen is none.
    ///
    /// Such an operation can be left out without making a correct history wrong.
    fn is_read(&self, input: &Self::Input, output: Option<&Self::Output>) -> bool;

    /// A few words on an operation, for a person.
    fn describe(&self, input: &Self::Input, output: Option<&Self::Output>) -> String;
}

/// The name of one object among its like.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(Arc<str>);

impl ObjectKey {
    /// The object of this name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// An action on one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed<A> {
    /// The object.
    pub key: ObjectKey,
    /// What it is asked to do.
    pub action: A,
}

/// What registers and lists hold. A workload that writes each value once can tell every write apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(pub u64);

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// An answer that may be missing, in words: `nothing` for a name that has no value.
fn or_nothing<T: fmt::Display>(value: Option<&T>) -> String {
    value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}
