//! Clients: each writes and reads objects, one request at a time, and never takes silence for failure.
//!
//! Owns the workload and its history. A write is sent again, under the same session and number, until an answer comes or
//! its client gives up; then it stays open in the history for ever. An object is a jurisdiction, its value the set of
//! countries under the name.

use std::collections::BTreeSet;

use strongroom_coordinator::id::MemberId;
use strongroom_coordinator::member::{Answer, Event, Ticket};
use strongroom_coordinator::state::{
    Actor, Decision, Outcome, Refusal, Request, Rows, Sequence, Stamp, places, session, text,
};
use strongroom_core::id::ClientSession;

use super::{HostNumber, MS, Plan, What, World};
use crate::dice::Dice;
use crate::invariants::Broken;
use crate::oracle::spec::{Keyed, ObjectKey, Register, RegisterAction, RegisterAnswer, Value};
use crate::oracle::{ClientId, OperationId, Recorder, RunTime, Steps, Verdict, check};

/// Objects that exist at most.
pub(super) const OBJECTS_MAX: u64 = 4;
/// Attempts after which a client gives a request up.
const ATTEMPTS_MAX: u64 = 60;

/// What comes back to a client.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    Done(Outcome),
    Read(Vec<Option<u64>>),
    Elsewhere(Option<MemberId>),
    /// It was not proposed, and never will be on this account.
    Refused,
    Unknown,
}

impl Reply {
    pub(super) fn of(answer: Answer) -> Self {
        match answer {
            Answer::Applied { outcome, .. } => Self::Done(outcome),
            Answer::NotLeader { leader } => Self::Elsewhere(leader),
            Answer::Busy | Answer::TooLong(_) | Answer::Unchanged(_) | Answer::Refused(_) => Self::Refused,
            Answer::Unknown => Self::Unknown,
        }
    }
}

/// All clients and what they saw.
pub(super) struct Clients {
    all: Vec<Client>,
    dice: Dice,
    recorder: Recorder<Keyed<RegisterAction>, RegisterAnswer>,
    objects: u64,
    answered: u64,
    written: u64,
    next_value: u64,
    is_finishing: bool,
}

struct Client {
    session: ClientSession,
    has_session: bool,
    sequence: u64,
    task: Option<Task>,
    guess: HostNumber,
    attempt: u64,
    attempts: u64,
    /// How often the request under way was put on the network.
    copies: u64,
    is_done: bool,
}

/// A request as it travels: it may arrive long after its client has gone on.
#[derive(Clone)]
pub(super) struct Asked {
    client: usize,
    attempt: u64,
    session: ClientSession,
    sequence: u64,
    task: Task,
}

#[derive(Clone)]
enum Task {
    Open,
    Write { object: u64, value: u64, operation: OperationId },
    Read { object: u64, operation: OperationId },
}

impl Clients {
    pub(super) fn new(plan: &Plan) -> Self {
        let client = |number: usize| Client {
            session: ClientSession([u8::try_from(number).unwrap_or_default() + 1; 16]),
            has_session: false,
            sequence: 0,
            task: None,
            guess: number % plan.hosts,
            attempt: 0,
            attempts: 0,
            copies: 0,
            is_done: false,
        };
        Self {
            all: (0..plan.clients).map(client).collect(),
            dice: Dice::new(plan.seed, "clients"),
            recorder: Recorder::new(),
            objects: plan.objects.min(OBJECTS_MAX),
            answered: 0,
            written: 0,
            next_value: 1,
            is_finishing: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) const fn answered(&self) -> u64 {
        self.answered
    }

    /// Writes that were acknowledged.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// No new requests from here on but one last read each, which must be answered.
    pub(super) fn finish(&mut self) {
        self.is_finishing = true;
    }

    pub(super) fn are_done(&self) -> bool {
        self.all.iter().all(|client| client.is_done)
    }

    pub(super) fn describe(&self) -> String {
        format!("{} answered, {} done", self.answered, self.all.iter().filter(|client| client.is_done).count())
    }

    /// Judges what all clients saw.
    pub(super) fn judge(&mut self) -> Result<(), Broken> {
        let history = std::mem::take(&mut self.recorder).finish();
        match check(&Register, &history, Steps::PER_KEY) {
            Verdict::Linearizable { .. } => Ok(()),
            verdict => Err(Broken::new("linearizability", verdict.to_string())),
        }
    }

    fn begin(&mut self, number: usize, now: u64) -> Option<Task> {
        let client = self.all.get_mut(number)?;
        if !client.has_session {
            return Some(Task::Open);
        }
        let object = self.dice.below(self.objects);
        let key: ObjectKey = object_key(object);
        let id = ClientId(u32::try_from(number).unwrap_or_default());
        let is_write = !self.is_finishing && self.dice.in_a_thousand(500);
        let action = if is_write { RegisterAction::Write(Value(self.next_value)) } else { RegisterAction::Read };
        let operation = self.recorder.invoke(id, RunTime(now), Keyed { key, action }).ok()?;
        if is_write {
            client.sequence += 1;
            let value = self.next_value;
            self.next_value += 1;
            return Some(Task::Write { object, value, operation });
        }
        Some(Task::Read { object, operation })
    }
}

impl Asked {
    /// The request as the member gets it; nothing for a read.
    fn request(&self, stamp: Stamp) -> Option<Request> {
        let command = match &self.task {
            Task::Read { .. } => return None,
            Task::Open => session::OpenSession { session: self.session }.into(),
            Task::Write { object, value, .. } => put(*object, *value),
        };
        let is_open = matches!(self.task, Task::Open);
        Some(Request {
            session: (!is_open).then_some((self.session, Sequence(self.sequence))),
            acknowledged_below: Sequence(if is_open { 0 } else { self.sequence }),
            actor: Actor::System,
            decision: Decision::default(),
            stamp,
            command,
        })
    }
}

impl World {
    /// A client begins its next request, or sends the one under way again.
    pub(super) fn ask(&mut self, number: usize) {
        let now = self.now;
        let is_idle = self.clients.all.get(number).is_some_and(|client| client.task.is_none());
        if is_idle {
            if self.clients.all.get(number).is_some_and(|client| client.is_done) {
                return;
            }
            let task = self.clients.begin(number, now);
            if let Some(client) = self.clients.all.get_mut(number) {
                client.task = task;
                client.attempts = 0;
                client.copies = 0;
            }
        }
        self.send_request(number);
    }

    /// Puts the request under way on the network: once, twice or never.
    fn send_request(&mut self, number: usize) {
        let hosts = self.hosts.len() as u64;
        let patience = self.clients.dice.between(300, 1_500) * MS;
        let copies = self.network.request_delays();
        let wanders = self.clients.dice.in_a_thousand(100);
        let other = usize::try_from(self.clients.dice.below(hosts)).unwrap_or_default();
        let Some(client) = self.clients.all.get_mut(number) else { return };
        client.attempt += 1;
        client.attempts += 1;
        client.copies += copies.len() as u64;
        if wanders {
            client.guess = other;
        }
        let (attempt, host) = (client.attempt, client.guess);
        let (session, sequence) = (client.session, client.sequence);
        if let Some(task) = client.task.clone() {
            for (delay, is_astray) in copies {
                let asked = Asked { client: number, attempt, session, sequence, task: task.clone() };
                let host = if is_astray { other } else { host };
                self.plan_in(delay, What::Arrive { host, asked: Box::new(asked) });
            }
        }
        self.plan_in(patience, What::GiveUp { client: number, attempt });
    }

    /// A request reaches a host.
    pub(super) fn arrive(&mut self, number: HostNumber, asked: Asked) -> Result<(), Broken> {
        let Some(host) = self.hosts.get(number).filter(|host| host.member.is_some()) else { return Ok(()) };
        if host.paused_until > self.now {
            let delay = host.paused_until - self.now;
            self.plan_in(delay, What::Arrive { host: number, asked: Box::new(asked) });
            return Ok(());
        }
        let stamp = host.stamp(self.now);
        let ticket = Ticket(asked.attempt << 8 | asked.client as u64);
        let Some(request) = asked.request(stamp) else { return self.feed(number, Event::Read { ticket }) };
        if let Task::Write { value, .. } = asked.task
            && let Ok((_, digest)) = request.encode().map_or(Err(Refusal::Malformed), |bytes| Request::decode(&bytes))
        {
            self.invariants.effects.asked(digest.0, value);
        }
        self.feed(number, Event::Submit { ticket, request })
    }

    /// A member answers somebody.
    pub(super) fn reply(&mut self, _host: HostNumber, ticket: Ticket, reply: Reply) {
        if ticket.0 == u64::MAX {
            return;
        }
        let (client, attempt) = (usize::try_from(ticket.0 & 0xff).unwrap_or_default(), ticket.0 >> 8);
        if self.network.loses(usize::MAX, usize::MAX) {
            return;
        }
        let delay = self.network.delay();
        self.plan_in(delay, What::Answer { client, attempt, reply });
    }

    /// An answer reaches its client.
    pub(super) fn answer(&mut self, number: usize, attempt: u64, reply: Reply) -> Result<(), Broken> {
        let now = self.now;
        self.note(8, number, format!("{reply:?}").as_bytes());
        let leader = match &reply {
            Reply::Elsewhere(Some(leader)) => self.host_of(*leader),
            _ => None,
        };
        let hosts = self.hosts.len();
        let Some(client) = self.clients.all.get_mut(number).filter(|client| client.attempt == attempt) else {
            return Ok(());
        };
        let answered = match (client.task.clone(), reply) {
            (Some(Task::Open), Reply::Done(_)) => {
                client.has_session = true;
                None
            }
            (Some(Task::Write { operation, value, .. }), Reply::Done(Outcome::Done(_))) => {
                self.invariants.effects.acknowledged(value);
                Some((operation, RegisterAnswer::Written))
            }
            (Some(Task::Write { .. }), Reply::Done(Outcome::Rejected(Refusal::NoSession))) => {
                return Err(Broken::new("sessions", "a session that was opened is gone".to_owned()));
            }
            (Some(Task::Write { .. }), Reply::Done(outcome)) => {
                return Err(Broken::new("workload", format!("a write was rejected: {outcome:?}")));
            }
            (Some(Task::Read { operation, object }), Reply::Read(objects)) => {
                let seen = usize::try_from(object).ok().and_then(|at| objects.get(at).copied()).flatten();
                client.is_done = self.clients.is_finishing;
                Some((operation, RegisterAnswer::Holds(seen.map(Value))))
            }
            (Some(Task::Write { operation, value, .. }), Reply::Elsewhere(_) | Reply::Refused)
                if client.copies == 1 && value % 2 == 0 =>
            {
                // It left once, and was not proposed: this client takes the group at its word, and forgets about it.
                self.invariants.effects.refused(value);
                client.guess = leader.unwrap_or((client.guess + 1) % hosts);
                Some((operation, RegisterAnswer::Refused))
            }
            (_, reply) => {
                client.guess = leader.unwrap_or((client.guess + 1) % hosts);
                client.attempt += 1;
                let delay = if matches!(reply, Reply::Elsewhere(_)) { 20 * MS } else { 100 * MS };
                self.plan_in(delay, What::Ask { client: number });
                return Ok(());
            }
        };
        client.task = None;
        client.attempt += 1;
        if let Some((operation, answer)) = answered {
            self.clients.answered += 1;
            self.clients.written += u64::from(answer == RegisterAnswer::Written);
            let recorded = self.clients.recorder.answered(operation, RunTime(now), answer);
            recorded.map_err(|error| Broken::new("workload", error.to_string()))?;
        }
        let pause = self.clients.dice.between(1, self.plan.pause_max / MS) * MS;
        self.plan_in(pause, What::Ask { client: number });
        Ok(())
    }

    /// A client has waited long enough for this attempt.
    pub(super) fn give_up(&mut self, number: usize, attempt: u64) -> Result<(), Broken> {
        let now = self.now;
        let hosts = self.hosts.len();
        let Some(client) = self.clients.all.get_mut(number).filter(|client| client.attempt == attempt) else {
            return Ok(());
        };
        client.guess = (client.guess + 1) % hosts;
        client.attempt += 1;
        if client.attempts > ATTEMPTS_MAX
            && let Some(Task::Write { operation, .. } | Task::Read { operation, .. }) = client.task.clone()
        {
            client.task = None;
            let recorded = self.clients.recorder.lost(operation, RunTime(now));
            recorded.map_err(|error| Broken::new("workload", error.to_string()))?;
        }
        self.plan_in(MS, What::Ask { client: number });
        Ok(())
    }
}

/// What an object holds in the state.
pub(super) fn read_object(rows: &Rows, object: u64) -> Option<u64> {
    let row = rows.get::<places::Jurisdictions>(&name(object)?).ok()??;
    row.codes.iter().try_fold(0_u64, |value, code| Some(value + digit(code.as_str())?))
}

fn put(object: u64, value: u64) -> strongroom_coordinator::state::Command {
    let codes: BTreeSet<text::CountryCode> = (0..3).filter_map(|place| code(value, place)).collect();
    let name = name(object).unwrap_or_else(|| unreachable!("objects have names"));
    places::PutJurisdiction { name, codes }.into()
}

fn name(object: u64) -> Option<text::JurisdictionName> {
    text::JurisdictionName::new(&format!("object-{object}")).ok()
}

fn object_key(object: u64) -> ObjectKey {
    ObjectKey::new(&format!("object-{object}"))
}

/// Digits to base 208, each as a country code; the first letter says which place the digit has.
const BASE: u64 = 208;

fn code(value: u64, place: u32) -> Option<text::CountryCode> {
    let digit = value / BASE.pow(place) % BASE;
    let first = b'A' + u8::try_from(u64::from(place) * 8 + digit / 26).ok()?;
    let second = b'A' + u8::try_from(digit % 26).ok()?;
    text::CountryCode::new(std::str::from_utf8(&[first, second]).ok()?).ok()
}

fn digit(code: &str) -> Option<u64> {
    let [first, second] = code.as_bytes() else { return None };
    let (first, second) = (u64::from(first.checked_sub(b'A')?), u64::from(second.checked_sub(b'A')?));
    let place = u32::try_from(first / 8).ok()?;
    Some((first % 8 * 26 + second) * BASE.pow(place))
}
