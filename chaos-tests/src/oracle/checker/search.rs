//! The search for an order under one key.
//!
//! Owns the path of operations taken so far and the way back. It takes answered operations first, in the order of their
//! invocations, and a lost one only where no answered one leads on: most lost operations explain nothing, and the
//! search never looks at those. Three shortcuts keep lost operations from multiplying the work: one that would change
//! nothing is never taken; of those with equal inputs the earliest goes first; and a place that was reached with fewer
//! of them stands for one reached with more (see [`Memo`]). None of them hides an order if there is one.
//!
//! ```text
//!   candidate ──► leads on, and is new ──► take it: lift from the list, start with the first candidate again
//!       ▲      └► else ──► next candidate: answered ones up to the first answer, then lost ones, then none ─┐
//!       └──────────── put back what was taken last, and go on behind it ◄───────────────────────────────────┘
//! ```

use std::mem;

use super::bits::Bits;
use super::call::Call;
use super::entries::{Entries, Entry, EntryAt};
use super::memo::Memo;
use crate::oracle::spec::Spec;

/// How a search ended, and after how many steps.
pub(super) struct Searched {
    pub(super) found: Found,
    pub(super) steps: u64,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An order explains all answers.
    Order,
    /// None does.
    NoOrder,
    /// Nobody knows.
    OutOfSteps,
}

/// Looks for an order of `calls`, which are all about `key` and stand in the order of their invocations.
pub(super) fn search<S: Spec>(
    spec: &S,
    key: &S::Key,
    calls: &[Call<'_, S::Input, S::Output>],
    steps_max: u64,
) -> Searched {
    let mut search = Search::new(spec, key, calls);
    let found = search.run(steps_max);
    Searched { found, steps: search.steps }
}

struct Search<'a, S: Spec> {
    spec: &'a S,
    answered: Vec<(&'a S::Input, &'a S::Output)>,
    lost: Vec<Lost<'a, S::Input>>,
    entries: Entries,
    taken: Bits,
    lost_taken: Bits,
    state: S::State,
    path: Vec<Taken<S::State>>,
    memo: Memo<S::State>,
    steps: u64,
}

/// A lost operation, and the one before with the same input.
struct Lost<'a, I> {
    input: &'a I,
    invoked: usize,
    twin: Option<usize>,
}

/// A step of the path, and the state before it.
struct Taken<T> {
    candidate: Candidate,
    before: T,
}

/// What might come next.
#[derive(Clone, Copy)]
enum Candidate {
    /// The answered operation called here; at an answer, the lost ones are next.
    Answered(EntryAt),
    /// The lost operation `lost` with the `choice`-th state it can lead to, if it was invoked before `first_answer`.
    Lost { lost: usize, choice: usize, first_answer: usize },
}

/// What came of a candidate.
enum Tried<T> {
    /// It leads to this state.
    Leads(T),
    /// It does not; this one is next.
    Next(Candidate),
    /// There are no more candidates here.
    Exhausted,
}

impl<'a, S: Spec> Search<'a, S> {
    fn new(spec: &'a S, key: &S::Key, calls: &[Call<'a, S::Input, S::Output>]) -> Self {
        let (mut answered, mut spans, mut lost) = (Vec::new(), Vec::new(), Vec::<Lost<'a, S::Input>>::new());
        for call in calls {
            let input = call.input();
            match call.answer {
                Some(answer) => {
                    answered.push((input, answer.output));
                    spans.push((call.invoked(), answer.order));
                }
                None if spec.is_read(input, None) => {}
                None => {
                    let twin = lost.iter().rposition(|earlier| earlier.input == input);
                    lost.push(Lost { input, invoked: call.invoked(), twin });
                }
            }
        }
        let answers: Vec<&S::Output> = answered.iter().map(|(_, output)| *output).collect();
        let initial = spec.initial(key, &answers);
        let (taken, lost_taken) = (Bits::new(answered.len()), Bits::new(lost.len()));
        let mut memo = Memo::new();
        memo.visit(taken.key(), initial.clone(), lost_taken.key());
        Self {
            spec,
            entries: Entries::new(&spans),
            taken,
            lost_taken,
            answered,
            lost,
            state: initial,
            path: Vec::new(),
            memo,
            steps: 0,
        }
    }

    fn run(&mut self, steps_max: u64) -> Found {
        let mut candidate = Candidate::Answered(self.entries.first());
        while !self.entries.is_empty() {
            if self.steps >= steps_max {
                return Found::OutOfSteps;
            }
            self.steps += 1;
            candidate = match self.attempt(candidate) {
                Tried::Leads(state) => {
                    if self.take(candidate, state) {
                        Candidate::Answered(self.entries.first())
                    } else {
                        self.behind(candidate)
                    }
                }
                Tried::Next(next) => next,
                Tried::Exhausted => match self.retreat() {
                    Some(next) => next,
                    None => return Found::NoOrder,
                },
            };
        }
        Found::Order
    }

    /// Looks at one candidate.
    fn attempt(&self, candidate: Candidate) -> Tried<S::State> {
        match candidate {
            Candidate::Answered(at) => match self.entries.get(at) {
                Entry::Answer { order } => Tried::Next(Candidate::Lost { lost: 0, choice: 0, first_answer: order }),
                Entry::Call { call } => {
                    let known = self.answered.get(call);
                    let state = known.and_then(|(input, output)| self.spec.step(&self.state, input, output));
                    state.map_or_else(|| Tried::Next(self.behind(candidate)), Tried::Leads)
                }
            },
            Candidate::Lost { lost, choice, first_answer } => match self.lost.get(lost) {
                Some(entry) if entry.invoked < first_answer => self.attempt_lost(entry, lost, choice, first_answer),
                _ => Tried::Exhausted,
            },
        }
    }

    fn attempt_lost(
        &self,
        entry: &Lost<'_, S::Input>,
        lost: usize,
        choice: usize,
        first_answer: usize,
    ) -> Tried<S::State> {
        let is_waiting = entry.twin.is_some_and(|twin| !self.lost_taken.contains(twin));
        let other = Tried::Next(Candidate::Lost { lost: lost + 1, choice: 0, first_answer });
        if is_waiting || self.lost_taken.contains(lost) {
            return other;
        }
        match self.spec.step_unseen(&self.state, entry.input).into_iter().nth(choice) {
            None => other,
            Some(state) if state == self.state => {
                Tried::Next(Candidate::Lost { lost, choice: choice + 1, first_answer })
            }
            Some(state) => Tried::Leads(state),
        }
    }

    /// Goes one step on, unless what is there was tried before.
    fn take(&mut self, candidate: Candidate, state: S::State) -> bool {
        self.mark(candidate, true);
        let visit = self.memo.visit(self.taken.key(), state.clone(), self.lost_taken.key());
        self.steps += visit.comparisons;
        if !visit.is_new {
            self.mark(candidate, false);
            return false;
        }
        if let Candidate::Answered(at) = candidate {
            self.entries.lift(at);
        }
        self.path.push(Taken { candidate, before: mem::replace(&mut self.state, state) });
        true
    }

    /// Goes one step back, to the candidate behind the one that was taken.
    fn retreat(&mut self) -> Option<Candidate> {
        let Taken { candidate, before } = self.path.pop()?;
        self.state = before;
        if let Candidate::Answered(at) = candidate {
            self.entries.put_back(at);
        }
        self.mark(candidate, false);
        Some(self.behind(candidate))
    }

    fn behind(&self, candidate: Candidate) -> Candidate {
        match candidate {
            Candidate::Answered(at) => Candidate::Answered(self.entries.after(at)),
            Candidate::Lost { lost, choice, first_answer } => {
                Candidate::Lost { lost, choice: choice + 1, first_answer }
            }
        }
    }

    fn mark(&mut self, candidate: Candidate, is_taken: bool) {
        let (set, number) = match candidate {
            Candidate::Lost { lost, .. } => (&mut self.lost_taken, lost),
            Candidate::Answered(at) => match self.entries.get(at) {
                Entry::Call { call } => (&mut self.taken, call),
                Entry::Answer { .. } => return,
            },
        };
        if is_taken { set.insert(number) } else { set.remove(number) }
    }
}
