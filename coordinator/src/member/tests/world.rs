//! A member on a simulated disk, and a collection of what it wants done.

use std::sync::Arc;

use strongroom_core::id::ClientSession;
use strongroom_platform::disk::{Disk, SimDisk};
use strongroom_platform::rng::SimEntropy;
use strongroom_proto::peers::v1::Envelope;
use strongroom_proto::peers::v1::envelope::Content;

use crate::id::{MemberId, Position};
use crate::member::{
    Answer, CopyJob, Event, FlushJob, Founding, Member, MemberConfig, OpenError, Outbox, SnapshotJob, Ticket,
};
use crate::raft::{Role, Standing};
use crate::state::{Actor, Decision, Outcome, Request, Rows, Sequence, Stamp, session};

/// What a member wants done.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) sent: Vec<Envelope>,
    pub(super) answers: Vec<(Ticket, Answer)>,
    pub(super) flushes: Vec<FlushJob>,
    pub(super) copies: Vec<CopyJob>,
}

impl Outbox for Wanted {
    fn send(&mut self, envelope: Envelope) {
        self.sent.push(envelope);
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer) {
        self.answers.push((ticket, answer));
    }

    fn read_ready(&mut self, _ticket: Ticket, _rows: &Rows) {}

    fn flush(&mut self, job: FlushJob) {
        self.flushes.push(job);
    }

    fn copy(&mut self, job: CopyJob) {
        self.copies.push(job);
    }

    fn copy_ready(&mut self, _ticket: Ticket, _path: String) {}

    fn send_snapshot(&mut self, _job: SnapshotJob) {}

    fn standing(&mut self, _standing: Standing) {}

    fn applied(&mut self, _at: Position, _outcome: &Outcome) {}
}

/// Settings with which a flush is due at every tick, and a digest is compared every ten entries.
pub(super) const CONFIG: MemberConfig = MemberConfig {
    segment_bytes: 8 * 1024 * 1024,
    flush_rows_max: 10,
    flush_ticks_max: 1,
    digest_entries: 10,
    ..MemberConfig::LAN
};

pub(super) fn id(number: u64) -> MemberId {
    MemberId::from_number(number).unwrap()
}

/// What the receiver of an envelope says back.
pub(super) fn reply(to: &Envelope, content: Content) -> Envelope {
    Envelope { from: to.to, to: to.from, boot: 1, content: Some(content), ..to.clone() }
}

/// Bytes that the disk holds.
pub(super) fn used(disk: &SimDisk) -> u64 {
    ["", "log", "state"].iter().flat_map(|dir| disk.list(dir).unwrap()).map(|entry| entry.len).sum()
}

/// Whether the request of this number has taken effect.
pub(super) fn has_session(member: &Member, number: u64) -> bool {
    member.machine().rows().get::<session::ClientSessions>(&session_id(number)).unwrap().is_some()
}

fn session_id(number: u64) -> ClientSession {
    let mut session = [0; 16];
    session[..8].copy_from_slice(&number.to_be_bytes());
    ClientSession(session)
}

pub(super) fn shared(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

pub(super) fn open(disk: &SimDisk) -> Result<Member, OpenError> {
    Member::open(&shared(disk), CONFIG, &SimEntropy::from_seed(7))
}

/// The first member of a new group, leading it.
pub(super) fn leader(disk: &SimDisk) -> (Member, Wanted) {
    Member::create(&shared(disk), Founding::Group, &CONFIG, &SimEntropy::from_seed(1)).unwrap();
    let mut member = open(disk).unwrap();
    let mut wanted = Wanted::default();
    for _ in 0..100 {
        member.handle(Event::Tick, &mut wanted).unwrap();
        if member.standing().role == Role::Leader {
            return (member, wanted);
        }
    }
    panic!("a group of one has a leader within a few ticks");
}

/// A request that changes one row: it opens the session of this number.
pub(super) fn request(number: u64) -> Request {
    Request {
        session: None,
        acknowledged_below: Sequence(0),
        actor: Actor::System,
        decision: Decision::default(),
        stamp: Stamp::default(),
        command: session::OpenSession { session: session_id(number) }.into(),
    }
}

impl Wanted {
    /// Asks for one command, and gives what it was answered, if it was.
    pub(super) fn submit(&mut self, member: &mut Member, number: u64) -> Option<Answer> {
        let ticket = Ticket(number);
        member.handle(Event::Submit { ticket, request: request(number) }, self).unwrap();
        self.answers.iter().rev().find(|(asked, _)| *asked == ticket).map(|(_, answer)| answer.clone())
    }

    /// Lets ticks pass.
    pub(super) fn ticks(&mut self, member: &mut Member, count: u32) {
        for _ in 0..count {
            member.handle(Event::Tick, self).unwrap();
        }
    }
}
