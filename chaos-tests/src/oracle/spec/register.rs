//! A place that holds one value: read, write, compare and set.
//!
//! Catches stale reads, lost updates, values from nowhere, and a comparison that succeeded twice.

use super::{Keyed, ObjectKey, Spec, Value, or_nothing};

/// Registers that hold nothing at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Register;

/// What a register can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterAction {
    /// What does it hold?
    Read,
    /// Hold this.
    Write(Value),
    /// Hold `new` if it holds `expected`.
    CompareAndSet {
        /// What it must hold.
        expected: Option<Value>,
        /// What it holds afterwards.
        new: Value,
    },
}

/// What a register can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterAnswer {
    /// To a read: what it holds.
    Holds(Option<Value>),
    /// To a write: done.
    Written,
    /// To a write: it was refused, and never takes effect.
    Refused,
    /// To a comparison: it held what was expected, and holds the new value.
    Set,
    /// To a comparison: it held something else, and still does.
    Differs,
}

impl Spec for Register {
    type Key = ObjectKey;
    type State = Option<Value>;
    type Input = Keyed<RegisterAction>;
    type Output = RegisterAnswer;

    fn key(&self, input: &Self::Input) -> ObjectKey {
        input.key.clone()
    }

    fn initial(&self, _key: &ObjectKey, _answers: &[&Self::Output]) -> Self::State {
        None
    }

    fn step(&self, state: &Self::State, input: &Self::Input, output: &Self::Output) -> Option<Self::State> {
        use RegisterAction::{CompareAndSet, Read, Write};
        match (input.action, output) {
            (Read, RegisterAnswer::Holds(seen)) if seen == state => Some(*state),
            (Write(new), RegisterAnswer::Written) => Some(Some(new)),
            (Write(_), RegisterAnswer::Refused) => Some(*state),
            (CompareAndSet { expected, new }, RegisterAnswer::Set) if expected == *state => Some(Some(new)),
            (CompareAndSet { expected, .. }, RegisterAnswer::Differs) if expected != *state => Some(*state),
            _ => None,
        }
    }

    fn step_unseen(&self, state: &Self::State, input: &Self::Input) -> Vec<Self::State> {
        match input.action {
            RegisterAction::Write(new) => vec![Some(new)],
            RegisterAction::CompareAndSet { expected, new } if expected == *state => vec![Some(new)],
            RegisterAction::Read | RegisterAction::CompareAndSet { .. } => vec![*state],
        }
    }

    fn is_read(&self, input: &Self::Input, output: Option<&Self::Output>) -> bool {
        input.action == RegisterAction::Read
            || matches!(output, Some(RegisterAnswer::Differs | RegisterAnswer::Refused))
    }

    fn describe(&self, input: &Self::Input, output: Option<&Self::Output>) -> String {
        let asked = match input.action {
            RegisterAction::Read => "read".to_owned(),
            RegisterAction::Write(value) => format!("write {value}"),
            RegisterAction::CompareAndSet { expected, new } => {
                format!("set {new} if {}", or_nothing(expected.as_ref()))
            }
        };
        match output {
            None | Some(RegisterAnswer::Written) => asked,
            Some(RegisterAnswer::Holds(value)) => format!("{asked}: {}", or_nothing(value.as_ref())),
            Some(RegisterAnswer::Refused) => format!("{asked}: refused"),
            Some(RegisterAnswer::Set) => format!("{asked}: set"),
            Some(RegisterAnswer::Differs) => format!("{asked}: differs"),
        }
    }
}
