//! One member of the group: the replicated log, the state that it builds, and the database below.
//!
//! Owns the three and what holds them together: nothing is acknowledged before a quorum has it on disk; the state is
//! never flushed past what the log knows to be agreed on; the log forgets only what is flushed. It is a core: an event
//! comes in, effects go to an [`Outbox`] as they happen. Its only contact with the world is the disk seam, so the
//! simulation runs it as it is.
//!
//! ```text
//!        Event                     Group ─────── turn ──────► Outbox: send, answer, read_ready
//!  tick, envelope, submit, ──►       │ committed
//!  read, change, flushed,            ▼
//!  copied, staged …               Machine ── freeze ────────► Outbox: flush ──► Event::Flushed ──► thaw, compact
//! ```
//!
//! **What survives a crash**: everything acknowledged. The identity file says who the member is, the log where it was,
//! and the log's floor which generation of the state belongs to it. **An error ends the member**: it must be dropped,
//! and opened anew from its disk; some errors leave a note that keeps it from being opened under its name again.

mod accrual;
mod config;
mod divergence;
mod error;
mod event;
mod flush;
mod identity;
mod lock;
mod open;
mod proposals;
mod quarantine;
mod reads;
mod refound;
mod snapshots;
mod turn;

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_platform::disk::Disk;
use strongroom_platform::mutant::{self, Mutant};
use strongroom_proto::peers::v1::envelope::Content;
use strongroom_proto::peers::v1::{DigestReport, Envelope, LogMessage};

use crate::id::{LogIndex, MemberId, Position};
use crate::raft::{Change, Group, Role, Standing, Unproposed};
use crate::state::members::{MemberState, Members};
use crate::state::request::RequestTooLong;
use crate::state::{Configuration, Machine, Outcome, Refusal, Request, StateDigest, Thing};
use crate::store::Store;
use accrual::Accrual;
pub use config::MemberConfig;
use divergence::Divergence;
pub use error::{MemberError, OpenError};
pub use event::{Answer, CopyJob, Event, FlushJob, Outbox, SnapshotJob, Staged, Ticket};
use flush::Flushing;
pub use identity::{Founding, MemberIdentity};
pub use lock::{FolderLock, FolderShares};
use proposals::Proposals;
pub(crate) use quarantine::read as quarantine_of;
use reads::Reads;
pub use refound::{Heritage, RefoundError};
use snapshots::Snapshots;
pub use snapshots::stage;
use turn::Turn;

/// Entries by which a learner may be behind when it gets its vote.
const LAG_MAX: u64 = 1_000;
/// Election timeouts after which a proposal that is neither agreed on nor lost is called unknown.
const PATIENCE: u32 = 4;

/// A member that is open. See the [module](self).
pub struct Member {
    config: MemberConfig,
    group: Group,
    core: Core,
    standing: Standing,
    flush_ticks: u32,
    joint_ticks: u32,
}

/// What a turn of the log works on.
struct Core {
    disk: Arc<dyn Disk>,
    lock: FolderLock,
    identity: MemberIdentity,
    machine: Machine,
    store: Arc<Store>,
    generation: u64,
    proposals: Proposals,
    reads: Reads,
    snapshots: Snapshots,
    divergence: Divergence,
    accrual: Accrual,
    /// The latest start of each member that was heard of.
    boots: BTreeMap<MemberId, u64>,
    /// The part of the state that is on its way to the database.
    flushing: Option<Flushing>,
    flushed: Position,
}

impl Member {
    /// Who this is.
    pub const fn identity(&self) -> &MemberIdentity {
        &self.core.identity
    }

    /// The way to the lock on its folder, for whoever writes there on its behalf.
    pub fn folder(&self) -> FolderShares {
        self.core.lock.shares()
    }

    /// What it is at the moment.
    pub fn standing(&self) -> Standing {
        self.group.standing()
    }

    /// The state, as far as it is applied.
    pub const fn machine(&self) -> &Machine {
        &self.core.machine
    }

    /// The log's part, for those who watch it.
    pub const fn group(&self) -> &Group {
        &self.group
    }

    /// Takes an event, and then turns until nothing is left to do.
    pub fn handle(&mut self, event: Event, out: &mut dyn Outbox) -> Result<(), MemberError> {
        self.take(event, out)?;
        self.turn(out)
    }

    /// Takes an event, and leaves the turn to a later call: several events then share a write.
    pub fn take(&mut self, event: Event, out: &mut dyn Outbox) -> Result<(), MemberError> {
        match event {
            Event::Tick => self.tick(out),
            Event::Envelope(envelope) => self.receive(envelope),
            Event::Submit { ticket, request } => {
                self.submit(ticket, request, out);
                Ok(())
            }
            Event::Read { ticket } => {
                self.core.reads.wait(ticket);
                Ok(())
            }
            Event::Change { ticket, change, request } => self.change(ticket, &change, request, out),
            Event::Copy { ticket } => {
                self.ask_copy(ticket, out);
                Ok(())
            }
            Event::Transfer { to } => {
                // Not being able to hand over is no error: whoever asked looks at who leads.
                self.group.transfer(to).ok();
                Ok(())
            }
            Event::Unreachable(member) => {
                self.group.unreachable(member);
                Ok(())
            }
            Event::SnapshotSent { to, is_done } => {
                self.core.snapshots.sent();
                self.group.snapshot_sent(to, is_done);
                Ok(())
            }
            Event::Flushed { generation, result } => self.flushed(generation, result),
            Event::Copied { result } => self.copied(result, out),
            Event::Staged(staged) => self.staged(staged),
        }
    }

    /// Turns until nothing is left to do.
    pub fn turn(&mut self, out: &mut dyn Outbox) -> Result<(), MemberError> {
        loop {
            let mut turn = Turn { core: &mut self.core, config: &self.config, out };
            self.group.turn(&mut turn)?;
            self.core.snapshots.discard_unused(&self.core.disk)?;
            for to in self.core.snapshots.take_unsent() {
                self.group.snapshot_sent(to, false);
            }
            self.note_standing(out);
            self.core.reads.serve(&self.core.machine, out);
            if !self.core.reads.ask(&mut self.group, self.core.identity.boot, out) {
                break;
            }
        }
        self.flush_if_due(false, out)
    }

    /// Flushes whatever is not in the database yet, for a shell that is about to close the member.
    pub fn flush(&mut self, out: &mut dyn Outbox) -> Result<(), MemberError> {
        self.flush_if_due(true, out)
    }

    /// Entries that the database does not have yet: what an opening would apply again.
    pub const fn unflushed(&self) -> u64 {
        self.core.machine.position().index.0.saturating_sub(self.core.flushed.index.0)
    }

    fn tick(&mut self, out: &mut dyn Outbox) -> Result<(), MemberError> {
        self.group.tick()?;
        self.flush_ticks = self.flush_ticks.saturating_add(1);
        self.core.reads.tick(self.config.timing.election_ticks_max, out);
        self.core.proposals.tick(PATIENCE * self.config.timing.election_ticks_max, out);
        self.watch_joint();
        self.watch_snapshots(out)
    }

    fn receive(&mut self, envelope: Envelope) -> Result<(), MemberError> {
        let Some(from) = self.sender(&envelope) else { return Ok(()) };
        match envelope.content {
            Some(Content::Log(message)) if message.snapshot.is_none() => self.step(from, message),
            Some(Content::Digest(report)) => self.compare(from, &report),
            _ => Ok(()),
        }
    }

    /// Who sent an envelope, if it is for this member, and from a start of its sender that is not known to be over.
    fn sender(&mut self, envelope: &Envelope) -> Option<MemberId> {
        let identity = &self.core.identity;
        let is_ours = envelope.cluster == identity.cluster.0.as_slice()
            && envelope.epoch == identity.epoch.0
            && envelope.founder == identity.founder.number()
            && envelope.to == identity.member.number();
        let from = MemberId::from_number(envelope.from).filter(|from| is_ours && *from != identity.member)?;
        let boot = self.core.boots.entry(from).or_default();
        // Whatever an earlier start of that member promised, its successor knows better.
        let is_over = envelope.boot < *boot;
        *boot = envelope.boot.max(*boot);
        (!is_over).then_some(from)
    }

    fn step(&mut self, from: MemberId, message: LogMessage) -> Result<(), MemberError> {
        if !self.may_speak(from, &message)? {
            tracing::debug!(%from, "a message of one that is no member was dropped");
            return Ok(());
        }
        // A follower that can't flush takes no more entries than it can hold.
        let takes_entries = !(self.core.is_waiting() && self.is_behind());
        match self.group.receive(from, message, takes_entries) {
            Ok(()) => Ok(()),
            Err(crate::raft::Verdict::Malformed { what }) => {
                tracing::warn!(%from, what, "a peer's message was refused");
                Ok(())
            }
            Err(amnesia) => Err(self.core.quarantine(MemberError::Amnesia(amnesia))),
        }
    }

    /// Whether a message is stepped, for who its sender is. One that left the group never speaks again. One that is not
    /// known may have been taken in by entries that this member lacks, and may even lead by now: it is heard when it
    /// leads or campaigns, which Raft judges by its term and its log, and not when it answers what nobody asked.
    fn may_speak(&self, from: MemberId, message: &LogMessage) -> Result<bool, MemberError> {
        if self.core.machine.configuration().has(from) {
            return Ok(true);
        }
        Ok(crate::raft::is_from_leader_or_candidate(message) && !self.has_left(from)?)
    }

    /// Whether a member was part of the group and never will be again.
    fn has_left(&self, member: MemberId) -> Result<bool, MemberError> {
        let row = self.core.machine.rows().get::<Members>(&member)?;
        Ok(row.is_some_and(|row| row.state == MemberState::Removed))
    }

    fn compare(&mut self, from: MemberId, report: &DigestReport) -> Result<(), MemberError> {
        let Ok(digest) = <[u8; 32]>::try_from(report.digest.as_ref()) else { return Ok(()) };
        let (at, machine) = (LogIndex(report.index), &self.core.machine);
        let is_near = Divergence::is_near(at, machine.position().index, self.config.digest_entries);
        if !is_near || !machine.configuration().has(from) {
            return Ok(());
        }
        self.core.divergence.heard(from, at, StateDigest::from_bytes(digest));
        self.core.check_divergence()
    }

    fn submit(&mut self, ticket: Ticket, request: Request, out: &mut dyn Outbox) {
        if self.is_behind() {
            out.answer(ticket, Answer::Busy);
            return;
        }
        match self.stamped(request) {
            Ok(bytes) => {
                let proposed = self.group.propose(bytes);
                self.core.proposals.note(proposed, ticket, out);
            }
            Err(too_long) => out.answer(ticket, Answer::TooLong(too_long)),
        }
    }

    fn change(
        &mut self,
        ticket: Ticket,
        change: &Change,
        request: Option<Request>,
        out: &mut dyn Outbox,
    ) -> Result<(), MemberError> {
        let refusal = match self.prepare_change(change, request)? {
            Ok(noted) => {
                let proposed = self.group.change(change, noted);
                self.core.proposals.note(proposed, ticket, out);
                return Ok(());
            }
            Err(refusal) => refusal,
        };
        out.answer(ticket, refusal);
        Ok(())
    }

    /// What the state is to note of a change, or why it is not proposed. A leader asks its own state first, since the
    /// members change whatever the state says when the entry is applied.
    fn prepare_change(
        &mut self,
        change: &Change,
        request: Option<Request>,
    ) -> Result<Result<Vec<u8>, Answer>, MemberError> {
        if let Err(unchanged) = change.check(self.core.machine.configuration()) {
            return Ok(Err(Answer::Unchanged(unchanged)));
        }
        if let Change::Promote { learner, .. } = change
            && !self.has_caught_up(*learner)
        {
            return Ok(Err(Answer::Busy));
        }
        if let Change::AddLearner(id) = change
            && self.has_left(*id)?
        {
            return Ok(Err(Answer::Refused(Refusal::Retired(Thing::Member))));
        }
        let Some(request) = request else { return Ok(Ok(Vec::new())) };
        let bytes = match self.stamped(request) {
            Ok(bytes) => bytes,
            Err(too_long) => return Ok(Err(Answer::TooLong(too_long))),
        };
        if self.group.standing().role == Role::Leader
            && let Outcome::Rejected(refusal) = self.core.machine.foresee(&bytes)?
        {
            return Ok(Err(Answer::Refused(refusal)));
        }
        Ok(Ok(bytes))
    }

    /// Whether a member follows so closely that the group can rely on its vote.
    fn has_caught_up(&self, member: MemberId) -> bool {
        let committed = self.group.standing().committed.0;
        let progress = self.group.progress();
        let follows = |it: &&crate::raft::Progress| {
            it.is_active && !it.needs_snapshot && it.matched.0 > 0 && it.matched.0.saturating_add(LAG_MAX) >= committed
        };
        progress.iter().filter(|it| it.member == member).any(|it| follows(&it))
    }

    /// The bytes of a request, stamped with the group's time.
    fn stamped(&mut self, mut request: Request) -> Result<Vec<u8>, RequestTooLong> {
        let term = self.group.standing().term;
        request.stamp = self.core.accrual.stamp(term, self.core.machine.stamp(), request.stamp);
        request.encode()
    }

    fn note_standing(&mut self, out: &mut dyn Outbox) {
        let now = self.group.standing();
        if (now.role, now.term, now.leader) == (self.standing.role, self.standing.term, self.standing.leader) {
            return;
        }
        let has_lost =
            self.standing.role == Role::Leader && (now.role != Role::Leader || now.term != self.standing.term);
        self.standing = now;
        if has_lost {
            self.core.proposals.give_up(out);
        }
        self.core.reads.keep_to(now.role, now.term, out);
        if now.role != Role::Leader {
            self.core.reads.give_up(now.leader, out);
        }
        out.standing(now);
    }

    /// Leaves a joint configuration that has lasted too long: the crate forgets to when leadership changed meanwhile.
    fn watch_joint(&mut self) {
        let is_ours = self.core.machine.configuration().is_joint() && self.standing.role == Role::Leader;
        self.joint_ticks = if is_ours { self.joint_ticks + 1 } else { 0 };
        if self.joint_ticks >= self.config.joint_ticks_max && !mutant::is_active(Mutant::JointForgotten) {
            self.joint_ticks = 0;
            let left: Result<Position, Unproposed> = self.group.change(&Change::Leave, Vec::new());
            tracing::info!(?left, "a joint configuration lasts; its end is proposed again");
        }
    }
}

impl Core {
    /// An envelope of this member.
    fn envelope(&self, to: MemberId, content: Content) -> Envelope {
        Envelope {
            cluster: self.identity.cluster.0.to_vec().into(),
            epoch: self.identity.epoch.0,
            founder: self.identity.founder.number(),
            from: self.identity.member.number(),
            to: to.number(),
            boot: self.identity.boot,
            content: Some(content),
        }
    }

    /// Ends the member's life under its name: it must never speak again.
    fn quarantine(&self, error: MemberError) -> MemberError {
        match quarantine::note(&self.disk, &error) {
            Ok(()) => error,
            Err(disk) => MemberError::Disk(disk),
        }
    }

    fn check_divergence(&self) -> Result<(), MemberError> {
        let voters = &self.machine.configuration().voters;
        match self.divergence.minority(self.identity.member, voters) {
            Some(index) => Err(self.quarantine(MemberError::Diverged { index })),
            None => Ok(()),
        }
    }

    fn others(&self, configuration: &Configuration) -> Vec<MemberId> {
        configuration.members().into_iter().filter(|id| *id != self.identity.member).collect()
    }
}

#[cfg(test)]
mod tests;
