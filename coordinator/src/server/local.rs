//! The only member of a group, in the process of whoever asks it: the shell without sockets and threads.
//!
//! ```text
//!   open ─► leads at once ─► submit · rows, each to its end ─► drop
//!                │                   │
//!                └ one vote, its own └ one frame, one sync; flushes happen on the spot
//! ```
//!
//! Owns a member that is alone, and drives it by hand: each call returns when its outcome is known. It never lets a tick
//! pass, so nothing happens between calls. A member that is one of several is refused: it could not lead by itself.
//!
//! **What survives a crash**: everything that was answered, so a drop needs no farewell. The state's database follows
//! when an opening finds many entries to apply: a few are applied faster than they are synced. Requests go through one session that belongs to the
//! member, numbered on from what the state remembers of it; so nothing is applied twice, whoever died in between.
//!
//! Accrued time counts while the member is open, and no longer: durations of a room that is opened for moments are those
//! of its own work.
//!
//! **The audit log** is signed as that of any group, with a key in the member's folder: the first requests of an opening
//! take with them a checkpoint of all events before them, in the same frame. Whoever serves the operators' API
//! ([`service`]) signs what is there beforehand. A failure to sign keeps nothing from being done.

pub mod service;
pub mod view;

use std::sync::Arc;

use strongroom_core::entropy::Entropy;
use strongroom_core::id::ClientSession;
use strongroom_core::time::WallTime;
use strongroom_platform::clock::Clock;
use strongroom_platform::disk::Disk;
use strongroom_proto::peers::v1::Envelope;

use super::checkpoints::CheckpointSigner;
use crate::id::{MemberId, Position};
use crate::member::{
    Answer as Answered, CopyJob, Event, FlushJob, Founding, Member, MemberConfig, MemberError, OpenError, Outbox,
    SnapshotJob, Ticket,
};
use crate::raft::{Role, Standing};
use crate::state::session::{OUTCOMES_MAX, OpenSession, newest_outcome};
use crate::state::{Actor, Answer, Command, Decision, Outcome, Refusal, Request, Rows, Sequence, Stamp, Unreadable};

/// Entries that an opening may find to apply before it flushes them: as many take a few milliseconds.
const UNFLUSHED_MAX: u64 = 64;
/// Rows that are read at once when the digest is counted anew.
const ROWS_AT_ONCE: usize = 1_000;

/// Why a member in this process does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The folder can't be opened as a member.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The member has ended. What became of the request is not known; the next opening knows.
    #[error("the member has ended")]
    Ended(#[source] MemberError),
    /// The member is one of several, or a group has it in another process.
    #[error("this member does not lead by itself: it is one of several")]
    NotAlone,
    /// Nothing was done: the volume has too little space for the log.
    #[error("the member takes nothing more: its volume has too little space for the log")]
    NoSpace,
    /// Nothing was done: the request is longer than the log takes.
    #[error("the request is longer than the log takes")]
    TooLong,
    /// The rules reject the request. It left nothing behind.
    #[error(transparent)]
    Rejected(#[from] Refusal),
    /// A row of the state can't be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The member's own side of connections can't be made.
    #[error("the member's side of connections can't be made")]
    Tls(#[source] rustls::Error),
    /// Whether the request took effect is not known.
    #[error("whether the request took effect is not known")]
    Unknown,
}

impl From<MemberError> for LocalError {
    fn from(error: MemberError) -> Self {
        Self::Ended(error)
    }
}

/// The only member of its group, open until it is dropped.
pub struct LocalMember {
    member: Member,
    desk: Desk,
    clock: Arc<dyn Clock>,
    actor: Actor,
    session: ClientSession,
    next: Sequence,
    /// Signs the audit log once, with the first requests.
    signer: Option<CheckpointSigner>,
}

impl LocalMember {
    /// Whether a folder holds a member.
    pub fn exists(disk: &dyn Disk) -> Result<bool, LocalError> {
        Ok(Member::exists(disk)?)
    }

    /// Makes the first member of a new group in a folder that has none.
    pub fn create(disk: &Arc<dyn Disk>, entropy: &dyn Entropy) -> Result<(), LocalError> {
        Member::create(disk, Founding::Group, &MemberConfig::ALONE, entropy)?;
        Ok(())
    }

    /// Opens the member in a folder, in whose name `actor` asks from now on.
    pub fn open(
        disk: &Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
        actor: Actor,
    ) -> Result<Self, LocalError> {
        let mut local = Self::leading(disk, clock, entropy, actor)?;
        let session = local.session;
        if local.member.unflushed() >= UNFLUSHED_MAX {
            local.member.flush(&mut local.desk)?;
            local.settle()?;
        }
        let newest = newest_outcome(local.rows(), session, local.accrued_ms())?;
        match newest {
            Some(newest) => local.next = Sequence(newest.0.saturating_add(1)),
            None => local.open_session()?,
        }
        let identity = local.member.identity();
        match CheckpointSigner::open(disk, identity.cluster, identity.member, entropy) {
            Ok(signer) => local.signer = Some(signer),
            Err(error) => tracing::warn!(%error, "the audit log is not signed"),
        }
        Ok(local)
    }

    /// A member that is open and leads, and has done nothing else yet.
    fn leading(
        disk: &Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
        actor: Actor,
    ) -> Result<Self, LocalError> {
        let member = Member::open(disk, MemberConfig::ALONE, entropy)?;
        let session = session_of(member.identity().member);
        let mut local = Self { member, desk: Desk::default(), clock, actor, session, next: Sequence(0), signer: None };
        local.turn()?;
        let standing = local.member.standing();
        if standing.role != Role::Leader || local.member.machine().position().index < standing.last {
            return Err(LocalError::NotAlone);
        }
        Ok(local)
    }

    /// Who this is.
    pub const fn member(&self) -> MemberId {
        self.member.identity().member
    }

    /// How often the member was opened, this time included.
    pub const fn boot(&self) -> u64 {
        self.member.identity().boot
    }

    /// Has a command agreed on and applied.
    pub fn submit(&mut self, command: impl Into<Command>) -> Result<Answer, LocalError> {
        let mut answers = self.submit_all(vec![command.into()])?;
        answers.pop().ok_or(LocalError::Unknown)
    }

    /// Has commands agreed on and applied in their order, with as few syncs as they need. The first that is rejected is
    /// the error; those before and after it have their own outcomes.
    pub fn submit_all(&mut self, commands: Vec<Command>) -> Result<Vec<Answer>, LocalError> {
        let most = usize::try_from(OUTCOMES_MAX).unwrap_or(usize::MAX);
        let mut answers = Vec::with_capacity(commands.len());
        let mut rest = commands;
        while !rest.is_empty() {
            let later = rest.split_off(rest.len().min(most));
            answers.extend(self.submit_some(std::mem::replace(&mut rest, later))?);
        }
        Ok(answers)
    }

    /// The state as it is.
    pub fn rows(&self) -> &Rows {
        self.member.machine().rows()
    }

    /// Accrued time of the newest entry, in milliseconds.
    pub const fn accrued_ms(&self) -> u64 {
        self.member.machine().stamp().accrued_ms
    }

    /// Whether all rows together have the digest that the state keeps of them. Reads every row.
    pub fn is_digest_right(&self) -> Result<bool, LocalError> {
        Ok(self.rows().count_digest(ROWS_AT_ONCE)? == self.rows().digest())
    }

    /// Sends requests together, at most as many as a session remembers outcomes of.
    fn submit_some(&mut self, commands: Vec<Command>) -> Result<Vec<Answer>, LocalError> {
        // Tickets begin anew: what was left behind by a call that broke off would be taken for answers to this one.
        self.desk.answers.clear();
        let acknowledged_below = self.next;
        let (signing, first) = (self.signing(), commands.len());
        for (ticket, command) in (first..).map(ticket).zip(signing.iter().cloned()) {
            let request = Request { actor: Actor::System, ..self.request(None, Sequence(0), command) };
            self.member.take(Event::Submit { ticket, request }, &mut self.desk)?;
        }
        let tickets: Vec<Ticket> = (0..first).map(ticket).collect();
        for (ticket, command) in tickets.iter().zip(commands) {
            let session = Some((self.session, self.next));
            self.next = Sequence(self.next.0.saturating_add(1));
            let request = self.request(session, acknowledged_below, command);
            self.member.take(Event::Submit { ticket: *ticket, request }, &mut self.desk)?;
        }
        self.turn()?;
        for ticket in (first..).map(ticket).take(signing.len()) {
            if let Err(error) = self.desk.answer_to(ticket) {
                tracing::warn!(%error, "the audit log was not signed");
            }
        }
        tickets.into_iter().map(|ticket| self.desk.answer_to(ticket)).collect()
    }

    /// What the audit log needs to be signed, the first time that it is asked.
    fn signing(&mut self) -> Vec<Command> {
        let Some(signer) = self.signer.take() else { return Vec::new() };
        signer.due(self.rows()).unwrap_or_else(|error| {
            tracing::warn!(%error, "the audit log was not signed");
            Vec::new()
        })
    }

    /// Opens the member's session, or opens it anew if it was idle for too long.
    fn open_session(&mut self) -> Result<(), LocalError> {
        let request = self.request(None, Sequence(0), OpenSession { session: self.session }.into());
        self.member.take(Event::Submit { ticket: Ticket(0), request }, &mut self.desk)?;
        self.turn()?;
        self.desk.answer_to(Ticket(0))?;
        Ok(())
    }

    fn request(
        &self,
        session: Option<(ClientSession, Sequence)>,
        acknowledged_below: Sequence,
        command: Command,
    ) -> Request {
        let WallTime(micros) = self.clock.wall();
        let accrued_ms = self.clock.monotonic().nanos() / 1_000_000;
        let stamp = Stamp { accrued_ms, wall: WallTime(micros) };
        let (actor, decision) = (self.actor.clone(), Decision::default());
        Request { session, acknowledged_below, actor, decision, stamp, command }
    }

    fn turn(&mut self) -> Result<(), LocalError> {
        self.member.turn(&mut self.desk)?;
        self.settle()
    }

    /// Does the work that turns leave behind, here and now.
    fn settle(&mut self) -> Result<(), LocalError> {
        while let Some(event) = self.desk.jobs.pop() {
            self.member.handle(event.run(), &mut self.desk)?;
        }
        Ok(())
    }
}

/// The session of a member's own shell: the member's id says whose it is, and no client draws one that begins so.
fn session_of(member: MemberId) -> ClientSession {
    let mut id = [0; ClientSession::LEN];
    let (_, number) = id.split_at_mut(8);
    number.copy_from_slice(&member.number().to_be_bytes());
    ClientSession(id)
}

/// The ticket of the order with a number.
fn ticket(number: usize) -> Ticket {
    Ticket(number as u64)
}

/// Work that takes long elsewhere.
enum Job {
    Flush(FlushJob),
    Copy(CopyJob),
}

impl Job {
    fn run(self) -> Event {
        match self {
            Self::Flush(job) => job.run(),
            Self::Copy(job) => job.run(),
        }
    }
}

/// What came of the calls so far.
#[derive(Default)]
struct Desk {
    answers: Vec<(Ticket, Answered)>,
    jobs: Vec<Job>,
}

impl Desk {
    fn answer_to(&mut self, ticket: Ticket) -> Result<Answer, LocalError> {
        let place = self.answers.iter().position(|(answered, _)| *answered == ticket);
        match place.map(|place| self.answers.swap_remove(place).1) {
            Some(Answered::Applied { outcome: Outcome::Done(answer), .. }) => Ok(answer),
            Some(Answered::Applied { outcome: Outcome::Rejected(refusal), .. } | Answered::Refused(refusal)) => {
                Err(refusal.into())
            }
            Some(Answered::NotLeader { .. }) => Err(LocalError::NotAlone),
            Some(Answered::Busy) => Err(LocalError::NoSpace),
            Some(Answered::TooLong(_)) => Err(LocalError::TooLong),
            Some(Answered::Unknown | Answered::Unchanged(_)) | None => Err(LocalError::Unknown),
        }
    }
}

impl Outbox for Desk {
    fn send(&mut self, _envelope: Envelope) {}

    fn answer(&mut self, ticket: Ticket, answer: Answered) {
        self.answers.push((ticket, answer));
    }

    fn read_ready(&mut self, _ticket: Ticket, _rows: &Rows) {}

    fn flush(&mut self, job: FlushJob) {
        self.jobs.push(Job::Flush(job));
    }

    fn copy(&mut self, job: CopyJob) {
        self.jobs.push(Job::Copy(job));
    }

    fn copy_ready(&mut self, _ticket: Ticket, _path: String) {}

    fn send_snapshot(&mut self, _job: SnapshotJob) {}

    fn standing(&mut self, standing: Standing) {
        tracing::debug!(?standing, "this member's standing");
    }

    fn applied(&mut self, _at: Position, _outcome: &Outcome) {}
}

#[cfg(test)]
mod tests;
