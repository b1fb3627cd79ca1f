//! The checker against histories that are known to be wrong or right, against a naive one, and at full length.

mod naive;
mod picture;
mod random;
mod right;
mod scale;
mod world;
mod wrong;

use super::{Steps, Verdict, check};
use crate::oracle::spec::{
    ClaimAction, Claimant, CounterAction, Keyed, ListAction, ListAnswer, ObjectKey, RegisterAction, RegisterAnswer,
    Spec, Value,
};
use crate::oracle::{ClientId, OperationId, Recorder, RunTime};

/// A history that is told event by event, one microsecond each.
struct Tale<S: Spec> {
    spec: S,
    recorder: Recorder<S::Input, S::Output>,
    clock: RunTime,
}

impl<S: Spec> Tale<S> {
    fn of(spec: S) -> Self {
        Self { spec, recorder: Recorder::new(), clock: RunTime(0) }
    }

    fn tick(&mut self) -> RunTime {
        self.clock.0 += 1;
        self.clock
    }

    fn asks(&mut self, client: u32, input: S::Input) -> OperationId {
        let at = self.tick();
        self.recorder.invoke(ClientId(client), at, input).unwrap()
    }

    fn is_told(&mut self, operation: OperationId, output: S::Output) {
        let at = self.tick();
        self.recorder.answered(operation, at, output).unwrap();
    }

    fn gives_up(&mut self, operation: OperationId) {
        let at = self.tick();
        self.recorder.lost(operation, at).unwrap();
    }

    fn asks_and_is_told(&mut self, client: u32, input: S::Input, output: S::Output) {
        let operation = self.asks(client, input);
        self.is_told(operation, output);
    }

    fn verdict(self) -> Verdict<S::Key> {
        check(&self.spec, &self.recorder.finish(), Steps::PER_KEY)
    }

    #[track_caller]
    fn must_be_right(self) {
        let verdict = self.verdict();
        assert!(verdict.is_linearizable(), "{verdict}");
    }

    /// Fails unless the history is wrong, and shrinks to this many operations.
    #[track_caller]
    fn must_be_wrong(self, left: usize) {
        let verdict = self.verdict();
        let Verdict::Violation { operations, .. } = &verdict else { panic!("{verdict}") };
        assert_eq!(*operations, left, "{verdict}");
    }
}

fn on<A>(action: A) -> Keyed<A> {
    Keyed { key: ObjectKey::new("a"), action }
}

fn read() -> Keyed<RegisterAction> {
    on(RegisterAction::Read)
}

fn write(value: u64) -> Keyed<RegisterAction> {
    on(RegisterAction::Write(Value(value)))
}

fn set(expected: u64, new: u64) -> Keyed<RegisterAction> {
    on(RegisterAction::CompareAndSet { expected: Some(Value(expected)), new: Value(new) })
}

fn holds(value: u64) -> RegisterAnswer {
    RegisterAnswer::Holds(Some(Value(value)))
}

fn append(value: u64) -> Keyed<ListAction> {
    on(ListAction::Append(Value(value)))
}

fn list(values: &[u64]) -> ListAnswer {
    ListAnswer::Holds(values.iter().copied().map(Value).collect())
}

fn add(more: u64) -> Keyed<CounterAction> {
    on(CounterAction::Add(more))
}

fn claim(claimant: u64) -> Keyed<ClaimAction> {
    on(ClaimAction::Claim(Claimant(claimant)))
}
