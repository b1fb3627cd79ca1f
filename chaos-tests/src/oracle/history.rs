//! What clients asked, when, and what they were told.
//!
//! Owns the record of one run. Events stand in the order in which they were recorded, and that order alone decides
//! which operation came before which; times are for people. So an invocation is recorded before its request leaves, and
//! an answer after it has arrived: then the record can only make an operation look longer than it was, and never calls
//! a correct system wrong.
//!
//! Invariants: a client has one operation in flight at most; an operation ends once or never; times never go back. An
//! operation that has not ended when the record is finished is indeterminate, like one that was lost. One that was
//! certainly refused is answered, with an output of which the specification knows that nothing changed.

use std::collections::BTreeMap;

use thiserror::Error;

/// Operations in one history at most. A search holds some hundred bytes for each of them.
pub const OPERATIONS_MAX: usize = 1_000_000;

/// A client: one line of operations that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u32);

/// Microseconds since the run began, on the one clock that the recorder is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunTime(pub u64);

/// An operation of one recorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(usize);

/// A moment of a history: its place in the order of all events, and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// How many events were recorded before.
    pub order: usize,
    /// When it was recorded.
    pub at: RunTime,
}

/// What a client knows of its operation in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<O> {
    /// It was answered.
    Answered {
        /// When the answer had arrived.
        when: Event,
        /// The answer.
        output: O,
    },
    /// It may take effect at any moment after its invocation, or never.
    Indeterminate,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation<I, O> {
    /// Who asked.
    pub client: ClientId,
    /// What was asked.
    pub input: I,
    /// When, before the request left.
    pub invoked: Event,
    /// What came of it.
    pub outcome: Outcome<O>,
}

/// The operations of one run, in the order of their invocations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History<I, O> {
    operations: Vec<Operation<I, O>>,
}

impl<I, O> History<I, O> {
    /// The operations, in the order of their invocations.
    pub fn operations(&self) -> &[Operation<I, O>] {
        &self.operations
    }
}

/// A call that makes no sense after those before it. The record is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HistoryError {
    /// The client has an operation in flight.
    #[error("client {} invokes an operation while another one is in flight", client.0)]
    ClientBusy {
        /// The client.
        client: ClientId,
    },
    /// The operation was never invoked here.
    #[error("operation {} ends and was never invoked", operation.0)]
    NeverInvoked {
        /// The operation.
        operation: OperationId,
    },
    /// The operation was answered or given up before.
    #[error("operation {} ends a second time", operation.0)]
    AlreadyEnded {
        /// The operation.
        operation: OperationId,
    },
    /// The clock of the run went back.
    #[error("time goes back from {} to {} µs", last.0, at.0)]
    TimeWentBack {
        /// When the event before was recorded.
        last: RunTime,
        /// When this one was to be.
        at: RunTime,
    },
    /// The history is as long as it may be.
    #[error("a history has {OPERATIONS_MAX} operations at most")]
    TooLong,
}

/// A history under way.
#[derive(Debug)]
pub struct Recorder<I, O> {
    operations: Vec<Operation<I, O>>,
    in_flight: BTreeMap<ClientId, OperationId>,
    next: Event,
}

impl<I, O> Default for Recorder<I, O> {
    fn default() -> Self {
        Self { operations: Vec::new(), in_flight: BTreeMap::new(), next: Event { order: 0, at: RunTime(0) } }
    }
}

impl<I, O> Recorder<I, O> {
    /// Starts with nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that `client` is about to ask.
    pub fn invoke(&mut self, client: ClientId, at: RunTime, input: I) -> Result<OperationId, HistoryError> {
        if self.in_flight.contains_key(&client) {
            return Err(HistoryError::ClientBusy { client });
        }
        if self.operations.len() >= OPERATIONS_MAX {
            return Err(HistoryError::TooLong);
        }
        let invoked = self.event(at)?;
        let operation = OperationId(self.operations.len());
        self.operations.push(Operation { client, input, invoked, outcome: Outcome::Indeterminate });
        self.in_flight.insert(client, operation);
        Ok(operation)
    }

    /// Notes that the answer has arrived.
    pub fn answered(&mut self, operation: OperationId, at: RunTime, output: O) -> Result<(), HistoryError> {
        let client = self.client_of(operation)?;
        let when = self.event(at)?;
        self.in_flight.remove(&client);
        if let Some(entry) = self.operations.get_mut(operation.0) {
            entry.outcome = Outcome::Answered { when, output };
        }
        Ok(())
    }

    /// Notes that no answer is waited for any more. The client may go on with something else; a late answer is none.
    pub fn lost(&mut self, operation: OperationId, at: RunTime) -> Result<(), HistoryError> {
        let client = self.client_of(operation)?;
        self.event(at)?;
        self.in_flight.remove(&client);
        Ok(())
    }

    /// Ends the record. What is still in flight is indeterminate.
    pub fn finish(self) -> History<I, O> {
        History { operations: self.operations }
    }

    /// The client that waits for `operation`.
    fn client_of(&self, operation: OperationId) -> Result<ClientId, HistoryError> {
        let client = self.operations.get(operation.0).map(|entry| entry.client);
        let client = client.ok_or(HistoryError::NeverInvoked { operation })?;
        let is_open = self.in_flight.get(&client) == Some(&operation);
        if is_open { Ok(client) } else { Err(HistoryError::AlreadyEnded { operation }) }
    }

    fn event(&mut self, at: RunTime) -> Result<Event, HistoryError> {
        if at < self.next.at {
            return Err(HistoryError::TimeWentBack { last: self.next.at, at });
        }
        let event = Event { order: self.next.order, at };
        self.next = Event { order: event.order + 1, at };
        Ok(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: ClientId = ClientId(1);
    const BOB: ClientId = ClientId(2);

    fn recorder() -> Recorder<&'static str, u8> {
        Recorder::new()
    }

    #[test]
    fn events_stand_in_the_order_of_their_record() {
        let mut recorder = recorder();
        let ann = recorder.invoke(ANN, RunTime(5), "a").unwrap();
        let bob = recorder.invoke(BOB, RunTime(5), "b").unwrap();
        recorder.answered(bob, RunTime(6), 1).unwrap();
        recorder.answered(ann, RunTime(6), 2).unwrap();
        let history = recorder.finish();
        let orders: Vec<_> = history
            .operations()
            .iter()
            .map(|entry| match &entry.outcome {
                Outcome::Answered { when, output } => (entry.invoked.order, when.order, *output),
                Outcome::Indeterminate => panic!("{entry:?} was answered"),
            })
            .collect();
        assert_eq!(orders, [(0, 3, 2), (1, 2, 1)]);
    }

    #[test]
    fn a_client_asks_one_thing_at_a_time() {
        let mut recorder = recorder();
        let first = recorder.invoke(ANN, RunTime(0), "a").unwrap();
        assert_eq!(recorder.invoke(ANN, RunTime(1), "b"), Err(HistoryError::ClientBusy { client: ANN }));
        recorder.lost(first, RunTime(2)).unwrap();
        recorder.invoke(ANN, RunTime(2), "b").unwrap();
        assert_eq!(recorder.finish().operations().len(), 2);
    }

    #[test]
    fn an_answer_to_nothing_is_refused() {
        let mut other = recorder();
        let operation = other.invoke(ANN, RunTime(0), "a").unwrap();
        let mut recorder = recorder();
        assert_eq!(recorder.answered(operation, RunTime(0), 1), Err(HistoryError::NeverInvoked { operation }));
        assert_eq!(recorder.lost(operation, RunTime(0)), Err(HistoryError::NeverInvoked { operation }));
    }

    #[test]
    fn an_operation_ends_once() {
        let mut recorder = recorder();
        let operation = recorder.invoke(ANN, RunTime(0), "a").unwrap();
        recorder.answered(operation, RunTime(0), 1).unwrap();
        let ended = Err(HistoryError::AlreadyEnded { operation });
        assert_eq!(recorder.answered(operation, RunTime(0), 1), ended);
        assert_eq!(recorder.lost(operation, RunTime(0)), ended);
        recorder.invoke(ANN, RunTime(0), "b").unwrap();
        assert_eq!(recorder.answered(operation, RunTime(0), 1), ended);
    }

    #[test]
    fn a_late_answer_to_a_lost_operation_is_refused() {
        let mut recorder = recorder();
        let operation = recorder.invoke(ANN, RunTime(0), "a").unwrap();
        recorder.lost(operation, RunTime(1)).unwrap();
        assert_eq!(recorder.answered(operation, RunTime(2), 1), Err(HistoryError::AlreadyEnded { operation }));
        assert_eq!(recorder.finish().operations()[0].outcome, Outcome::Indeterminate);
    }

    #[test]
    fn time_never_goes_back_and_a_refused_event_changes_nothing() {
        let mut recorder = recorder();
        let operation = recorder.invoke(ANN, RunTime(7), "a").unwrap();
        let back = Err(HistoryError::TimeWentBack { last: RunTime(7), at: RunTime(6) });
        assert_eq!(recorder.answered(operation, RunTime(6), 1), back);
        assert_eq!(recorder.invoke(BOB, RunTime(6), "b"), back.map(|()| operation));
        recorder.answered(operation, RunTime(7), 1).unwrap();
        assert_eq!(recorder.finish().operations().len(), 1);
    }

    #[test]
    fn what_is_in_flight_at_the_end_is_indeterminate() {
        let mut recorder = recorder();
        recorder.invoke(ANN, RunTime(0), "a").unwrap();
        assert_eq!(recorder.finish().operations()[0].outcome, Outcome::Indeterminate);
    }
}
