//! A list that values are appended to, and that is read whole.
//!
//! A read shows which appends took effect, in which order and how often, so this object finds more than the others.
//!
//! The longest list that was read tells the future: a list only grows, so each place in it holds at all times what that
//! read saw there. So an append that would put another value there is refused at once, a state is no more than a length,
//! and a search never tries the orders of appends that a later read rules out.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::{Keyed, ObjectKey, Spec, Value};

/// Lists that are empty at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct AppendList;

/// What a list can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListAction {
    /// What does it hold?
    Read,
    /// Take this value at the end.
    Append(Value),
}

/// What a list can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListAnswer {
    /// To a read: all values, from the first.
    Holds(Vec<Value>),
    /// To an append: done.
    Appended,
}

/// A list, as far as the answers of its history tell it apart from others.
#[derive(Clone, Debug)]
pub struct ListState {
    len: usize,
    /// The longest list that was read in this history. What comes behind it was never seen.
    longest: Arc<[Value]>,
}

impl ListState {
    /// The list with one more value, if that can be.
    fn append(&self, value: Value) -> Option<Self> {
        let is_possible = self.longest.get(self.len).is_none_or(|seen| *seen == value);
        is_possible.then(|| Self { len: self.len + 1, longest: Arc::clone(&self.longest) })
    }
}

// All states of one history share the longest list.
impl PartialEq for ListState {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len
    }
}

impl Eq for ListState {}

impl Hash for ListState {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.len.hash(hasher);
    }
}

impl Spec for AppendList {
    type Key = ObjectKey;
    type State = ListState;
    type Input = Keyed<ListAction>;
    type Output = ListAnswer;

    fn key(&self, input: &Self::Input) -> ObjectKey {
        input.key.clone()
    }

    fn initial(&self, _key: &ObjectKey, answers: &[&ListAnswer]) -> ListState {
        let lists = answers.iter().filter_map(|answer| match answer {
            ListAnswer::Holds(values) => Some(values.as_slice()),
            ListAnswer::Appended => None,
        });
        let longest = lists.max_by_key(|values| values.len()).unwrap_or_default();
        ListState { len: 0, longest: longest.into() }
    }

    fn step(&self, state: &ListState, input: &Self::Input, output: &ListAnswer) -> Option<ListState> {
        match (input.action, output) {
            (ListAction::Read, ListAnswer::Holds(seen)) => {
                let is_seen = state.longest.get(..state.len).is_some_and(|list| list == seen.as_slice());
                is_seen.then(|| state.clone())
            }
            (ListAction::Append(value), ListAnswer::Appended) => state.append(value),
            _ => None,
        }
    }

    fn step_unseen(&self, state: &ListState, input: &Self::Input) -> Vec<ListState> {
        match input.action {
            ListAction::Read => vec![state.clone()],
            ListAction::Append(value) => state.append(value).into_iter().collect(),
        }
    }

    fn is_read(&self, input: &Self::Input, _output: Option<&Self::Output>) -> bool {
        input.action == ListAction::Read
    }

    fn describe(&self, input: &Self::Input, output: Option<&Self::Output>) -> String {
        match (input.action, output) {
            (ListAction::Read, Some(ListAnswer::Holds(values))) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                format!("read: [{}]", values.join(" "))
            }
            (ListAction::Read, _) => "read".to_owned(),
            (ListAction::Append(value), _) => format!("append {value}"),
        }
    }
}
