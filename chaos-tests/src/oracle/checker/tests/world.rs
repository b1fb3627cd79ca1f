//! Objects that work, clients that use them, and ways to spoil what the clients report.
//!
//! Every operation takes effect at one random moment after its invocation, so what comes out is linearizable by
//! construction, until it is spoilt.

use std::collections::BTreeMap;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::oracle::spec::{
    AppendList, Claim, ClaimAction, ClaimAnswer, Claimant, Counter, CounterAction, CounterAnswer, Keyed, ListAction,
    ListAnswer, ObjectKey, Register, RegisterAction, RegisterAnswer, Spec, Value,
};
use crate::oracle::{ClientId, History, Recorder, RunTime};

/// Random numbers from a seed.
pub(super) struct Dice(ChaCha12Rng);

impl Dice {
    pub(super) fn from_seed(seed: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(seed))
    }

    /// A number below `end`; 0 if there is none.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end.max(1)
    }

    pub(super) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }

    pub(super) fn is_in(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// An object that really does what it is asked.
pub(super) trait Object: Spec<Key = ObjectKey, Input = Keyed<Self::Action>, Output: Clone> {
    type Action: Clone + PartialEq;

    /// Something to ask; `fresh` is a number that was not drawn before.
    fn draw_action(&self, dice: &mut Dice, fresh: u64) -> Self::Action;

    /// Does it.
    fn apply(&self, state: &Self::State, action: &Self::Action, dice: &mut Dice) -> (Self::State, Self::Output);

    /// Something that such an object might answer to such a question, true or not.
    fn draw_answer(&self, action: &Self::Action, dice: &mut Dice) -> Self::Output;
}

/// How much happens in a world.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) clients: usize,
    pub(super) operations: usize,
    pub(super) in_flight_max: usize,
    pub(super) keys: usize,
    pub(super) lost_percent: u64,
}

/// What a client reports.
#[derive(Clone)]
pub(super) enum Report<I, O> {
    Asked { client: usize, operation: usize, input: I },
    Told { operation: usize, output: O },
    GaveUp { operation: usize },
}

pub(super) type Reports<S> = Vec<Report<<S as Spec>::Input, <S as Spec>::Output>>;

/// An operation under way; without a client once it was given up.
struct Flight<S: Spec> {
    operation: usize,
    input: S::Input,
    client: Option<usize>,
    output: Option<S::Output>,
}

/// Lets clients use an object.
pub(super) fn run<S: Object>(spec: &S, shape: Shape, dice: &mut Dice) -> Reports<S> {
    let mut states: BTreeMap<ObjectKey, S::State> = BTreeMap::new();
    let mut flights: Vec<Flight<S>> = Vec::new();
    let mut reports = Vec::new();
    let mut asked = 0;
    while asked < shape.operations || flights.iter().any(|flight| flight.client.is_some()) {
        let client = dice.index(shape.clients);
        let waiting = flights.iter().filter(|flight| flight.client.is_some()).count();
        let own = flights.iter().position(|flight| flight.client == Some(client));
        // What was given up goes on by itself, now and then.
        let given_up = flights.iter().position(|flight| flight.client.is_none()).filter(|_| dice.is_in(10));
        let Some(at) = given_up.or(own) else {
            if asked < shape.operations && waiting < shape.in_flight_max {
                let key = ObjectKey::new(&format!("k{}", dice.index(shape.keys)));
                let input = Keyed { key, action: spec.draw_action(dice, asked as u64 + 1) };
                reports.push(Report::Asked { client, operation: asked, input: input.clone() });
                flights.push(Flight { operation: asked, input, client: Some(client), output: None });
                asked += 1;
            }
            continue;
        };
        let flight = &mut flights[at];
        if flight.client.is_some() && dice.is_in(shape.lost_percent) {
            flight.client = None;
            reports.push(Report::GaveUp { operation: flight.operation });
        } else if let Some(output) = flight.output.take() {
            if flight.client.is_some() {
                reports.push(Report::Told { operation: flight.operation, output });
            }
            flights.swap_remove(at);
        } else {
            let key = &flight.input.key;
            let state = states.get(key).cloned().unwrap_or_else(|| spec.initial(key, &[]));
            let (state, output) = spec.apply(&state, &flight.input.action, dice);
            states.insert(key.clone(), state);
            flight.output = Some(output);
        }
    }
    reports
}

/// Changes one thing: an answer, or the order of two neighbouring reports.
pub(super) fn spoil<S: Object>(spec: &S, reports: &mut Reports<S>, dice: &mut Dice) {
    let at = dice.index(reports.len());
    if dice.is_in(30) {
        let is_swappable = match (&reports[at], reports.get(at + 1)) {
            (Report::Asked { .. }, Some(Report::Told { operation, .. })) => !is_asked(&reports[at], *operation),
            _ => false,
        };
        if is_swappable {
            reports.swap(at, at + 1);
        }
        return;
    }
    let Report::Told { operation, .. } = reports[at] else { return };
    let action = reports.iter().find_map(|report| match report {
        Report::Asked { operation: asked, input, .. } if *asked == operation => Some(input.action.clone()),
        _ => None,
    });
    let output = spec.draw_answer(&action.unwrap(), dice);
    reports[at] = Report::Told { operation, output };
}

fn is_asked<I, O>(report: &Report<I, O>, wanted: usize) -> bool {
    matches!(report, Report::Asked { operation, .. } if *operation == wanted)
}

/// Makes a history of reports.
pub(super) fn record<S: Object>(reports: &Reports<S>) -> History<S::Input, S::Output> {
    let mut recorder = Recorder::new();
    let mut ids = BTreeMap::new();
    for (at, report) in reports.iter().enumerate() {
        let at = RunTime(at as u64);
        match report {
            Report::Asked { client, operation, input } => {
                let client = ClientId(u32::try_from(*client).unwrap());
                ids.insert(*operation, recorder.invoke(client, at, input.clone()).unwrap());
            }
            Report::Told { operation, output } => recorder.answered(ids[operation], at, output.clone()).unwrap(),
            Report::GaveUp { operation } => recorder.lost(ids[operation], at).unwrap(),
        }
    }
    recorder.finish()
}

/// Few values, so that wrong answers are often nearly right.
fn small(dice: &mut Dice) -> Value {
    Value(1 + dice.below(3))
}

impl Object for Register {
    type Action = RegisterAction;

    fn draw_action(&self, dice: &mut Dice, _fresh: u64) -> RegisterAction {
        match dice.below(5) {
            0 | 1 => RegisterAction::Read,
            2 | 3 => RegisterAction::Write(small(dice)),
            _ => RegisterAction::CompareAndSet {
                expected: Some(small(dice)).filter(|value| *value != Value(3)),
                new: small(dice),
            },
        }
    }

    fn apply(&self, state: &Option<Value>, action: &RegisterAction, _: &mut Dice) -> (Option<Value>, RegisterAnswer) {
        match *action {
            RegisterAction::Read => (*state, RegisterAnswer::Holds(*state)),
            RegisterAction::Write(new) => (Some(new), RegisterAnswer::Written),
            RegisterAction::CompareAndSet { expected, new } if expected == *state => (Some(new), RegisterAnswer::Set),
            RegisterAction::CompareAndSet { .. } => (*state, RegisterAnswer::Differs),
        }
    }

    fn draw_answer(&self, action: &RegisterAction, dice: &mut Dice) -> RegisterAnswer {
        match action {
            RegisterAction::Read => RegisterAnswer::Holds((!dice.is_in(20)).then(|| small(dice))),
            RegisterAction::Write(_) => RegisterAnswer::Written,
            RegisterAction::CompareAndSet { .. } if dice.is_in(50) => RegisterAnswer::Set,
            RegisterAction::CompareAndSet { .. } => RegisterAnswer::Differs,
        }
    }
}

impl Object for Counter {
    type Action = CounterAction;

    fn draw_action(&self, dice: &mut Dice, _fresh: u64) -> CounterAction {
        if dice.is_in(50) { CounterAction::Read } else { CounterAction::Add(1 + dice.below(2)) }
    }

    fn apply(&self, state: &u64, action: &CounterAction, _: &mut Dice) -> (u64, CounterAnswer) {
        match action {
            CounterAction::Read => (*state, CounterAnswer::Sum(*state)),
            CounterAction::Add(more) => (state + more, CounterAnswer::Added),
        }
    }

    fn draw_answer(&self, action: &CounterAction, dice: &mut Dice) -> CounterAnswer {
        match action {
            CounterAction::Read => CounterAnswer::Sum(dice.below(6)),
            CounterAction::Add(_) => CounterAnswer::Added,
        }
    }
}

/// A list that holds its values, where the real specification holds a length.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlainList;

impl Spec for PlainList {
    type Key = ObjectKey;
    type State = Vec<Value>;
    type Input = Keyed<ListAction>;
    type Output = ListAnswer;

    fn key(&self, input: &Self::Input) -> ObjectKey {
        input.key.clone()
    }

    fn initial(&self, _key: &ObjectKey, _answers: &[&ListAnswer]) -> Vec<Value> {
        Vec::new()
    }

    fn step(&self, state: &Vec<Value>, input: &Self::Input, output: &ListAnswer) -> Option<Vec<Value>> {
        match (input.action, output) {
            (ListAction::Read, ListAnswer::Holds(seen)) => (seen == state).then(|| state.clone()),
            (ListAction::Append(value), ListAnswer::Appended) => Some([state.as_slice(), &[value]].concat()),
            _ => None,
        }
    }

    fn step_unseen(&self, state: &Vec<Value>, input: &Self::Input) -> Vec<Vec<Value>> {
        match input.action {
            ListAction::Read => vec![state.clone()],
            ListAction::Append(value) => vec![[state.as_slice(), &[value]].concat()],
        }
    }

    fn is_read(&self, input: &Self::Input, output: Option<&ListAnswer>) -> bool {
        AppendList.is_read(input, output)
    }

    fn describe(&self, input: &Self::Input, output: Option<&ListAnswer>) -> String {
        AppendList.describe(input, output)
    }
}

impl Object for PlainList {
    type Action = ListAction;

    fn draw_action(&self, dice: &mut Dice, fresh: u64) -> ListAction {
        if dice.is_in(50) { ListAction::Read } else { ListAction::Append(Value(fresh)) }
    }

    fn apply(&self, state: &Vec<Value>, action: &ListAction, _: &mut Dice) -> (Vec<Value>, ListAnswer) {
        match action {
            ListAction::Read => (state.clone(), ListAnswer::Holds(state.clone())),
            ListAction::Append(value) => ([state.as_slice(), &[*value]].concat(), ListAnswer::Appended),
        }
    }

    fn draw_answer(&self, action: &ListAction, dice: &mut Dice) -> ListAnswer {
        match action {
            ListAction::Read => ListAnswer::Holds((0..dice.below(3)).map(|_| Value(1 + dice.below(6))).collect()),
            ListAction::Append(_) => ListAnswer::Appended,
        }
    }
}

impl Object for Claim {
    type Action = ClaimAction;

    fn draw_action(&self, dice: &mut Dice, fresh: u64) -> ClaimAction {
        if dice.is_in(40) { ClaimAction::ReadOwner } else { ClaimAction::Claim(Claimant(fresh)) }
    }

    fn apply(&self, state: &Option<Claimant>, action: &ClaimAction, _: &mut Dice) -> (Option<Claimant>, ClaimAnswer) {
        match (action, *state) {
            (ClaimAction::ReadOwner, owner) => (owner, ClaimAnswer::Owner(owner)),
            (ClaimAction::Claim(claimant), None) => (Some(*claimant), ClaimAnswer::Won),
            (ClaimAction::Claim(_), Some(owner)) => (Some(owner), ClaimAnswer::Taken(owner)),
        }
    }

    fn draw_answer(&self, action: &ClaimAction, dice: &mut Dice) -> ClaimAnswer {
        let someone = Claimant(1 + dice.below(6));
        match action {
            ClaimAction::ReadOwner => ClaimAnswer::Owner((!dice.is_in(30)).then_some(someone)),
            ClaimAction::Claim(_) if dice.is_in(50) => ClaimAnswer::Won,
            ClaimAction::Claim(_) => ClaimAnswer::Taken(someone),
        }
    }
}

/// A coin: a toss that nobody saw may have left either side up, so a lost operation can lead to several states.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coin;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Heads,
    Tails,
    Edge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CoinAction {
    Look,
    Toss,
}

impl Spec for Coin {
    type Key = ObjectKey;
    type State = Side;
    type Input = Keyed<CoinAction>;
    type Output = Side;

    fn key(&self, input: &Self::Input) -> ObjectKey {
        input.key.clone()
    }

    fn initial(&self, _key: &ObjectKey, _answers: &[&Side]) -> Side {
        Side::Edge
    }

    fn step(&self, state: &Side, input: &Self::Input, output: &Side) -> Option<Side> {
        match input.action {
            CoinAction::Look => (state == output).then_some(*state),
            CoinAction::Toss => (*output != Side::Edge).then_some(*output),
        }
    }

    fn step_unseen(&self, state: &Side, input: &Self::Input) -> Vec<Side> {
        match input.action {
            CoinAction::Look => vec![*state],
            CoinAction::Toss => vec![Side::Heads, Side::Tails],
        }
    }

    fn is_read(&self, input: &Self::Input, _output: Option<&Side>) -> bool {
        input.action == CoinAction::Look
    }

    fn describe(&self, input: &Self::Input, output: Option<&Side>) -> String {
        format!("{:?}: {output:?}", input.action)
    }
}

impl Object for Coin {
    type Action = CoinAction;

    fn draw_action(&self, dice: &mut Dice, _fresh: u64) -> CoinAction {
        if dice.is_in(60) { CoinAction::Look } else { CoinAction::Toss }
    }

    fn apply(&self, state: &Side, action: &CoinAction, dice: &mut Dice) -> (Side, Side) {
        let side = match action {
            CoinAction::Look => *state,
            CoinAction::Toss if dice.is_in(50) => Side::Heads,
            CoinAction::Toss => Side::Tails,
        };
        (side, side)
    }

    fn draw_answer(&self, _action: &CoinAction, dice: &mut Dice) -> Side {
        [Side::Heads, Side::Tails, Side::Edge][dice.index(3)]
    }
}
