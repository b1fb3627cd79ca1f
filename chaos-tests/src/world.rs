//! A whole group on virtual time: hosts with simulated disks, a network that loses things, clients, and an operator.
//!
//! Owns the order of events, which is the only order there is: one queue, one thread, one seed. The members are the real
//! ones, with their log, their state and their database. A run has a safety phase, in which faults are drawn, and a
//! healing phase, in which nothing fails any more and the group has to come back within a deadline.
//!
//! ```text
//!   queue ──► tick, delivery, restart, client, fault ──► host ──► member: take …, turn ──► effects ──► queue
//!                                                                        │
//!                                                             invariants after each turn
//! ```

mod clients;
mod effects;
mod faults;
mod harm;
mod host;
mod network;
mod operator;
mod places;
mod plan;
mod reach;
mod turns;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use strongroom_coordinator::member::Event as MemberEvent;
use strongroom_coordinator::raft::Role;

use crate::dice::Dice;
use crate::invariants::{Broken, Invariants};
use clients::{Asked, Clients, Reply};
use faults::Fault;
use host::Host;
use network::Network;
use places::Places;
pub use plan::Plan;

/// Virtual time in nanoseconds since the run began.
pub type Nanos = u64;
/// One virtual millisecond.
pub const MS: Nanos = 1_000_000;

/// A host's number.
pub type HostNumber = usize;

/// Something that is to happen.
enum What {
    Tick { host: HostNumber, life: u64 },
    Deliver { host: HostNumber, bytes: Vec<u8> },
    DeliverSnapshot { from: HostNumber, host: HostNumber, envelope: Vec<u8>, bytes: Vec<u8> },
    Turn { host: HostNumber, life: u64 },
    Work { host: HostNumber, life: u64, event: Box<MemberEvent> },
    Job { host: HostNumber, life: u64, job: effects::Job },
    Start { host: HostNumber },
    Ask { client: usize },
    Arrive { host: HostNumber, asked: Box<Asked> },
    Answer { client: usize, attempt: u64, reply: Reply },
    GiveUp { client: usize, attempt: u64 },
    Fault(Fault),
    Operate,
}

/// An event with its time; events of one time happen in the order in which they were planned.
struct Planned {
    at: Nanos,
    number: u64,
    what: What,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    /// A digest over everything that happened, in its order.
    pub trace: [u8; 32],
    /// Virtual time that passed.
    pub elapsed: Nanos,
    /// Events that happened.
    pub events: u64,
    /// Operations of clients that were answered.
    pub answered: u64,
    /// The most events that one turn of a member took.
    pub batch_largest: usize,
    /// Faults that struck, by kind.
    pub faults: BTreeMap<&'static str, u64>,
}

/// A run under way.
pub struct World {
    plan: Plan,
    now: Nanos,
    queue: BinaryHeap<Reverse<Planned>>,
    planned: u64,
    happened: u64,
    trace: blake3::Hasher,
    hosts: Vec<Host>,
    network: Network,
    clients: Clients,
    places: Places,
    nemesis: Dice,
    is_healing: bool,
    invariants: Invariants,
    batch_largest: usize,
    faults: BTreeMap<&'static str, u64>,
}

impl World {
    /// A group that is yet to be founded.
    pub fn new(plan: Plan) -> Self {
        let seed = plan.seed;
        let hosts = (0..plan.hosts).map(|number| Host::new(seed, number as u64)).collect();
        let mut world = Self {
            now: 0,
            queue: BinaryHeap::new(),
            planned: 0,
            happened: 0,
            trace: blake3::Hasher::new(),
            hosts,
            network: Network::new(&plan),
            clients: Clients::new(&plan),
            places: Places::default(),
            nemesis: Dice::new(seed, "nemesis"),
            is_healing: false,
            invariants: Invariants::default(),
            batch_largest: 0,
            faults: BTreeMap::new(),
            plan,
        };
        world.begin();
        world
    }

    /// Runs to the end, and says what broke, if anything did.
    pub fn run(mut self) -> Result<Report, Broken> {
        let safety_end = self.plan.safety;
        self.run_until(safety_end)?;
        self.heal();
        let deadline = self.now + self.plan.healing;
        while self.now < deadline && !self.is_whole() {
            let step = self.now + 100 * MS;
            self.run_until(step)?;
        }
        if !self.is_whole() {
            return Err(Broken::new("liveness", format!("the group did not heal: {}", self.describe())));
        }
        for (number, host) in self.hosts.iter().enumerate() {
            if let Some(member) = &host.member {
                self.invariants.settled(number, member)?;
            }
        }
        self.clients.judge()?;
        let Self { trace, now, happened, clients, batch_largest, faults, .. } = self;
        let trace = *trace.finalize().as_bytes();
        Ok(Report { trace, elapsed: now, events: happened, answered: clients.answered(), batch_largest, faults })
    }

    fn begin(&mut self) {
        for host in 0..self.hosts.len() {
            self.plan_in(0, What::Start { host });
        }
        for client in 0..self.clients.len() {
            self.plan_in(500 * MS, What::Ask { client });
        }
        self.plan_in(100 * MS, What::Operate);
        self.plan_next_fault();
    }

    fn run_until(&mut self, until: Nanos) -> Result<(), Broken> {
        while let Some(Reverse(next)) = self.queue.peek() {
            if next.at > until {
                break;
            }
            let Some(Reverse(Planned { at, what, .. })) = self.queue.pop() else { break };
            self.now = at;
            self.happened += 1;
            self.happen(what)?;
        }
        self.now = until;
        Ok(())
    }

    fn happen(&mut self, what: What) -> Result<(), Broken> {
        match what {
            What::Tick { host, life } => self.tick(host, life),
            What::Deliver { host, bytes } => self.deliver(host, &bytes),
            What::DeliverSnapshot { from, host, envelope, bytes } => {
                self.deliver_snapshot(from, host, &envelope, &bytes)
            }
            What::Turn { host, life } => self.turn(host, life),
            What::Work { host, life, event } => self.work(host, life, *event),
            What::Job { host, life, job } => self.job(host, life, job),
            What::Start { host } => self.start(host),
            What::Ask { client } => {
                self.ask(client);
                Ok(())
            }
            What::Arrive { host, asked } => self.arrive(host, *asked),
            What::Answer { client, attempt, reply } => self.answer(client, attempt, reply),
            What::GiveUp { client, attempt } => self.give_up(client, attempt),
            What::Fault(fault) => self.strike(fault),
            What::Operate => self.operate(),
        }
    }

    fn plan_in(&mut self, delay: Nanos, what: What) {
        self.planned += 1;
        self.queue.push(Reverse(Planned { at: self.now + delay, number: self.planned, what }));
    }

    /// Notes something in the trace.
    fn note(&mut self, kind: u8, place: usize, detail: &[u8]) {
        self.trace.update(&self.now.to_le_bytes());
        self.trace.update(&[kind, u8::try_from(place).unwrap_or(u8::MAX)]);
        self.trace.update(detail);
    }

    /// Whether everything that should live does, agrees, and clients get what they ask for.
    fn is_whole(&self) -> bool {
        let members: Vec<_> = self.hosts.iter().filter_map(|host| host.member.as_ref()).collect();
        let wanted = self.hosts.len();
        let leads = members.iter().filter(|member| member.standing().role == Role::Leader).count();
        let Some(first) = members.first() else { return false };
        let position = first.machine().position();
        members.len() == wanted
            && leads == 1
            && members.iter().all(|member| member.machine().position() == position)
            && members.iter().all(|member| member.machine().digest() == first.machine().digest())
            && members.iter().all(|member| member.machine().configuration().voters.len() == wanted)
            && !first.machine().configuration().is_joint()
            && self.clients.are_done()
            && self.is_well_led()
    }

    fn describe(&self) -> String {
        let hosts: Vec<String> = self.hosts.iter().map(Host::describe).collect();
        format!("{} ms; {}; clients {}", self.now / MS, hosts.join(" | "), self.clients.describe())
    }
}
