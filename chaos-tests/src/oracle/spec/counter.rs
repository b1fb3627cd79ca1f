//! A sum that is added to.
//!
//! Catches additions that were lost or took effect twice.

use super::{Keyed, ObjectKey, Spec};

/// Counters that stand at zero at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter;

/// What a counter can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterAction {
    /// What is the sum?
    Read,
    /// Add this.
    Add(u64),
}

/// What a counter can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterAnswer {
    /// To a read: the sum.
    Sum(u64),
    /// To an addition: done.
    Added,
}

impl Spec for Counter {
    type Key = ObjectKey;
    type State = u64;
    type Input = Keyed<CounterAction>;
    type Output = CounterAnswer;

    fn key(&self, input: &Self::Input) -> ObjectKey {
        input.key.clone()
    }

    fn initial(&self, _key: &ObjectKey, _answers: &[&Self::Output]) -> u64 {
        0
    }

    /// An addition past the largest number has no answer: the workload asks for more than a counter can hold.
    fn step(&self, state: &u64, input: &Self::Input, output: &Self::Output) -> Option<u64> {
        match (input.action, output) {
            (CounterAction::Read, CounterAnswer::Sum(seen)) => (seen == state).then_some(*state),
            (CounterAction::Add(more), CounterAnswer::Added) => state.checked_add(more),
            _ => None,
        }
    }

    fn step_unseen(&self, state: &u64, input: &Self::Input) -> Vec<u64> {
        match input.action {
            CounterAction::Read => vec![*state],
            CounterAction::Add(more) => state.checked_add(more).into_iter().collect(),
        }
    }

    fn is_read(&self, input: &Self::Input, _output: Option<&Self::Output>) -> bool {
        input.action == CounterAction::Read
    }

    fn describe(&self, input: &Self::Input, output: Option<&Self::Output>) -> String {
        match (input.action, output) {
            (CounterAction::Read, Some(CounterAnswer::Sum(sum))) => format!("read: {sum}"),
            (CounterAction::Read, _) => "read".to_owned(),
            (CounterAction::Add(more), _) => format!("add {more}"),
        }
    }
}
