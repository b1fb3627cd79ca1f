//! A few members in one thread, whose messages always arrive.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use strongroom_core::time::WallTime;
use strongroom_platform::disk::{Disk, SimDisk, durable_replace};
use strongroom_platform::rng::SimEntropy;
use strongroom_proto::peers::v1::Envelope;

use super::CONFIG;
use crate::id::{MemberId, Position};
use crate::member::{Answer, CopyJob, Event, FlushJob, Founding, Member, Outbox, SnapshotJob, Ticket, stage};
use crate::raft::{Change, Role, Standing};
use crate::state::places::PutJurisdiction;
use crate::state::text::{CountryCode, JurisdictionName};
use crate::state::{Actor, Decision, Outcome, Request, Rows, Sequence, Stamp, query, session};
use crate::store;
use strongroom_core::id::ClientSession;

/// Rounds in which everything that these tests want has long happened.
const ROUNDS_MAX: usize = 2_000;

pub(super) struct Group {
    members: Vec<Option<Member>>,
    disks: Vec<Arc<dyn Disk>>,
    session: u8,
    copied: Vec<String>,
}

#[derive(Default)]
struct Effects {
    sent: Vec<Envelope>,
    answers: BTreeMap<Ticket, Answer>,
    flushes: Vec<FlushJob>,
    copies: Vec<CopyJob>,
    copied: Vec<String>,
    snapshots: Vec<SnapshotJob>,
}

impl Outbox for Effects {
    fn send(&mut self, envelope: Envelope) {
        self.sent.push(envelope);
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer) {
        self.answers.insert(ticket, answer);
    }

    fn read_ready(&mut self, _ticket: Ticket, _rows: &Rows) {}

    fn flush(&mut self, job: FlushJob) {
        self.flushes.push(job);
    }

    fn copy(&mut self, job: CopyJob) {
        self.copies.push(job);
    }

    fn copy_ready(&mut self, _ticket: Ticket, path: String) {
        self.copied.push(path);
    }

    fn send_snapshot(&mut self, job: SnapshotJob) {
        self.snapshots.push(job);
    }

    fn standing(&mut self, _standing: Standing) {}

    fn applied(&mut self, _at: Position, _outcome: &Outcome) {}
}

impl Group {
    /// A new group of so many voters.
    pub(super) fn of(members: u64) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
        Member::create(&disk, Founding::Group, &CONFIG, &SimEntropy::from_seed(1)).unwrap();
        let mut group = Self::over(vec![disk]);
        for _ in 1..members {
            group.grow();
        }
        group
    }

    /// The group whose members lie on these disks.
    pub(super) fn over(disks: Vec<Arc<dyn Disk>>) -> Self {
        let open = |(number, disk)| Some(Member::open(disk, CONFIG, &SimEntropy::from_seed(number)).unwrap());
        let members: Vec<Option<Member>> = (50..).zip(&disks).map(open).collect();
        // The state remembers the sessions of earlier epochs.
        let session = members.iter().flatten().map(|it: &Member| it.identity().epoch.0 * 60).max().unwrap();
        let mut group = Self { members, disks, session: u8::try_from(session).unwrap(), copied: Vec::new() };
        group.run_until(|group| group.leader().is_some());
        group
    }

    pub(super) fn member(&self, number: usize) -> &Member {
        self.members[number].as_ref().unwrap()
    }

    pub(super) fn disk(&self, number: usize) -> &Arc<dyn Disk> {
        &self.disks[number]
    }

    fn leader(&self) -> Option<usize> {
        self.members.iter().position(|it| it.as_ref().is_some_and(|it| it.standing().role == Role::Leader))
    }

    /// Takes one more member in, and gives it its vote.
    pub(super) fn grow(&mut self) {
        let number = self.disks.len() as u64;
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(100 + number));
        let first = *self.member(0).identity();
        // An id that has left is never taken in again.
        let entropy = SimEntropy::from_seed(1_000 * first.epoch.0 + 200 + number);
        let founding = Founding::Joining(first.group());
        let id = Member::create(&disk, founding, &CONFIG, &entropy).unwrap().member;
        self.members.push(Some(Member::open(&disk, CONFIG, &entropy).unwrap()));
        self.disks.push(disk);
        self.change(&Change::AddLearner(id));
        self.change(&Change::Promote { learner: id, removes: None });
        self.run_until(|group| {
            group.members.iter().flatten().all(|it| it.machine().configuration().has_voter(id))
                && group.members.iter().flatten().all(|it| !it.machine().configuration().is_joint())
        });
    }

    /// Writes a name, and waits until all members have it.
    pub(super) fn write(&mut self, name: &str) {
        self.session += 1;
        let session = ClientSession([self.session; 16]);
        let open = session::OpenSession { session };
        self.submit(&request(None, open.into()));
        let put = PutJurisdiction {
            name: JurisdictionName::new(name).unwrap(),
            codes: [CountryCode::new("DE").unwrap()].into(),
        };
        self.submit(&request(Some((session, Sequence(1))), put.into()));
    }

    fn submit(&mut self, request: &Request) {
        let answer = self.ask(|ticket| Event::Submit { ticket, request: request.clone() });
        let Answer::Applied { at, outcome: Outcome::Done(_) } = answer else { panic!("{answer:?}") };
        self.run_until(|group| group.members.iter().flatten().all(|it| it.machine().position().index >= at.index));
    }

    fn change(&mut self, change: &Change) {
        for _ in 0..ROUNDS_MAX {
            let answer = self.ask(|ticket| Event::Change { ticket, change: change.clone(), request: None });
            if matches!(answer, Answer::Applied { .. }) {
                return;
            }
            self.round();
        }
        panic!("{change:?} takes too long");
    }

    fn ask(&mut self, event: impl Fn(Ticket) -> Event) -> Answer {
        let leader = self.leader().unwrap();
        let mut answers = self.feed(leader, event(Ticket(1)));
        for _ in 0..ROUNDS_MAX {
            if let Some(answer) = answers.remove(&Ticket(1)) {
                return answer;
            }
            answers = self.round();
        }
        panic!("no answer");
    }

    /// A copy of a member's state, made while it runs: where it lies.
    pub(super) fn copy(&mut self, number: usize) -> (Arc<dyn Disk>, String) {
        self.feed(number, Event::Copy { ticket: Ticket(9) });
        self.run_until(|group| !group.copied.is_empty());
        (Arc::clone(&self.disks[number]), self.copied.pop().unwrap())
    }

    /// Lets time pass until the state is on the disk as well.
    pub(super) fn flush(&mut self, _member: usize) {
        for _ in 0..10 {
            self.round();
        }
    }

    /// One tick for everybody.
    fn round(&mut self) -> BTreeMap<Ticket, Answer> {
        let mut answers = BTreeMap::new();
        for number in 0..self.members.len() {
            answers.extend(self.feed(number, Event::Tick));
        }
        answers
    }

    fn run_until(&mut self, condition: impl Fn(&Self) -> bool) {
        for _ in 0..ROUNDS_MAX {
            if condition(self) {
                return;
            }
            self.round();
        }
        panic!("it takes too long");
    }

    /// Gives an event to a member, and follows whatever comes of it to its end.
    fn feed(&mut self, number: usize, event: Event) -> BTreeMap<Ticket, Answer> {
        let mut answers = BTreeMap::new();
        let mut events = VecDeque::from([(number, event)]);
        while let Some((number, event)) = events.pop_front() {
            let Some(member) = self.members.get_mut(number).and_then(Option::as_mut) else { continue };
            let mut effects = Effects::default();
            member.handle(event, &mut effects).unwrap();
            answers.append(&mut effects.answers);
            self.copied.append(&mut effects.copied);
            for envelope in effects.sent {
                if let Some(to) = self.place(envelope.to) {
                    events.push_back((to, Event::Envelope(envelope)));
                }
            }
            events.extend(effects.flushes.into_iter().map(|job| (number, job.run())));
            events.extend(effects.copies.into_iter().map(|job| (number, job.run())));
            for job in effects.snapshots {
                let is_done = match self.carry(number, &job) {
                    Some((to, event)) => {
                        events.push_back((to, event));
                        true
                    }
                    None => false,
                };
                events.push_back((number, Event::SnapshotSent { to: job.to, is_done }));
            }
        }
        answers
    }

    fn carry(&self, from: usize, job: &SnapshotJob) -> Option<(usize, Event)> {
        let to = self.place(job.to.number())?;
        let bytes = self.disks[from].read(&job.path, u64::MAX).ok()?;
        let path = store::staged_path("incoming");
        durable_replace(&self.disks[to], &path, &bytes).ok()?;
        let staged = stage(&self.disks[to], job.envelope.clone(), path).unwrap();
        Some((to, Event::Staged(Box::new(staged))))
    }

    fn place(&self, member: u64) -> Option<usize> {
        let is_it = |it: &Option<Member>| it.as_ref().is_some_and(|it| it.identity().member.number() == member);
        self.members.iter().position(is_it)
    }

    /// Ends all members.
    pub(super) fn stop(self) -> Vec<Arc<dyn Disk>> {
        self.disks
    }

    /// Cuts the leader off, and has it take a write and a change of the members that nobody else hears of. Its disk.
    pub(super) fn cut_off(mut self, name: &str) -> Arc<dyn Disk> {
        let leader = self.leader().unwrap();
        for (_, member) in self.members.iter_mut().enumerate().filter(|(number, _)| *number != leader) {
            *member = None;
        }
        let put = PutJurisdiction {
            name: JurisdictionName::new(name).unwrap(),
            codes: [CountryCode::new("DE").unwrap()].into(),
        };
        let session = Some((ClientSession([self.session; 16]), Sequence(2)));
        self.feed(leader, Event::Submit { ticket: Ticket(1), request: request(session, put.into()) });
        let change = Change::AddLearner(MemberId::from_number(77).unwrap());
        self.feed(leader, Event::Change { ticket: Ticket(2), change, request: None });
        Arc::clone(&self.disks[leader])
    }

    /// Ends all members, and loses the disks of all but one: what is left, and who is gone.
    pub(super) fn lose_all_but(self, kept: usize) -> (Arc<dyn Disk>, Vec<MemberId>) {
        let ids = self.members.iter().flatten().map(|it| it.identity().member);
        let lost = ids.enumerate().filter(|(number, _)| *number != kept).map(|(_, id)| id).collect();
        (Arc::clone(&self.disks[kept]), lost)
    }
}

fn request(session: Option<(ClientSession, Sequence)>, command: crate::state::Command) -> Request {
    Request {
        session,
        acknowledged_below: Sequence(0),
        actor: Actor::System,
        decision: Decision::default(),
        stamp: Stamp { accrued_ms: 0, wall: WallTime(0) },
        command,
    }
}

/// The names that were written.
pub(super) fn names(rows: &Rows) -> Vec<String> {
    let found = query::jurisdictions(rows, None, 1_000).unwrap();
    found.rows.into_iter().map(|(name, _)| name.to_string()).collect()
}
