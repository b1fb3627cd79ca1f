//! An operation as a search sees it.
//!
//! Owns nothing: it borrows the operation, and may leave its answer out. That is how a history is cut short: what was
//! answered after the cut is in flight at the cut.

use crate::oracle::history::{Operation, Outcome};

/// An operation, and its answer if that is to be explained.
pub(super) struct Call<'a, I, O> {
    pub(super) operation: &'a Operation<I, O>,
    pub(super) answer: Option<Answer<'a, O>>,
}

/// An answer, and its place in the order of events.
pub(super) struct Answer<'a, O> {
    pub(super) order: usize,
    pub(super) output: &'a O,
}

impl<'a, I, O> Call<'a, I, O> {
    pub(super) fn new(operation: &'a Operation<I, O>) -> Self {
        let answer = match &operation.outcome {
            Outcome::Answered { when, output } => Some(Answer { order: when.order, output }),
            Outcome::Indeterminate => None,
        };
        Self { operation, answer }
    }

    /// The place of its invocation in the order of events.
    pub(super) fn invoked(&self) -> usize {
        self.operation.invoked.order
    }

    pub(super) fn input(&self) -> &'a I {
        &self.operation.input
    }

    pub(super) fn output(&self) -> Option<&'a O> {
        self.answer.map(|answer| answer.output)
    }

    /// The same operation, as it stood when no event past `last` had happened.
    pub(super) fn as_of(self, last: usize) -> Option<Self> {
        let answer = self.answer.filter(|answer| answer.order <= last);
        (self.invoked() <= last).then_some(Self { answer, ..self })
    }
}

// Derived, these would ask the same of inputs and outputs, which are only borrowed.
impl<I, O> Clone for Call<'_, I, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I, O> Copy for Call<'_, I, O> {}

impl<O> Clone for Answer<'_, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O> Copy for Answer<'_, O> {}
