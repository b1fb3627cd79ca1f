//! One member of the replicated log: the node of the crate `raft`, its log on disk, and the turn that joins them.
//!
//! Owns both, and the only loop in which a turn is taken. What a turn brings about goes to a [`Handler`] as it happens,
//! so that a leader's messages are on their way before its own disk is asked. It knows nothing of what entries mean.
//!
//! After an error nothing more may be asked of the group: the member must stop, and start anew from its disk.

use raft::eraftpb::{ConfChangeV2, Entry, EntryType, Message, MessageType};
use raft::{Config, RawNode, ReadOnlyOption, SnapshotStatus, StateRole};
use strongroom_platform::mutant::{self, Mutant};
use strongroom_proto::peers::v1::{LogMessage, SnapshotFacts};

use super::frame::Payload;
use super::ingress::{self, Verdict};
use super::log::{Floor, Hard, Log, LogError};
use super::opened::OpenedLog;
use super::ready::Begun;
use super::shelf::Shelf;
use super::timing::{Jitter, Timing};
use super::wire::{self, Meaningless};
use crate::id::{LogIndex, MemberId, Position, Term};
use crate::state::Configuration;

/// Bytes of entries in one message, and of committed entries in one turn.
const BATCH_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes of committed entries that one turn gives to the state machine.
const COMMITTED_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Messages that may be on their way to a member without an answer.
const IN_FLIGHT_MAX: usize = 128;
/// Bytes of entries that a leader holds without their being agreed on; more is refused, so that memory is bounded.
const UNCOMMITTED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What a turn brings about, in the order in which it happens.
pub trait Handler {
    /// What ends the member.
    type Error: From<LogError>;

    /// Sends a message to another member. It may be lost.
    fn send(&mut self, to: MemberId, message: LogMessage);

    /// Applies an agreed command; empty bytes are a leader's first entry.
    fn command(&mut self, at: Position, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Applies an agreed change of the configuration.
    fn configuration(&mut self, at: Position, new: Configuration, context: &[u8]) -> Result<(), Self::Error>;

    /// A read that was asked for sees all up to this index.
    fn read(&mut self, token: &[u8], index: LogIndex);

    /// Puts the staged state of this place behind the floor that it gives. It must be durable, and not in use yet.
    fn install(&mut self, at: Position) -> Result<Floor, Self::Error>;

    /// The log has switched to the installed state: what was before is gone.
    fn installed(&mut self) -> Result<(), Self::Error>;
}

/// Who a member is in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Follows a leader, if it knows one.
    Follower,
    /// Asks for votes, or whether it would get them.
    Candidate,
    /// Leads.
    Leader,
}

/// What a group is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its role.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// The leader it knows.
    pub leader: Option<MemberId>,
    /// Entries up to here are agreed on, as far as it knows.
    pub committed: LogIndex,
    /// The last entry that it has.
    pub last: LogIndex,
}

/// Why nothing was proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproposed {
    /// Another member leads, or none does.
    #[error("this member does not lead")]
    NotLeader {
        /// Who does, as far as is known.
        leader: Option<MemberId>,
    },
    /// Too much is under way, leadership is being handed over, or another change of the members is.
    #[error("the leader takes no more at the moment")]
    Busy,
}

/// How far another member has come, as its leader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The member.
    pub member: MemberId,
    /// Entries up to here are known to be on its disk.
    pub matched: LogIndex,
    /// Whether it answered since the leader last looked.
    pub is_active: bool,
    /// Whether it waits for a snapshot.
    pub needs_snapshot: bool,
}

/// A member's part in the log.
pub struct Group {
    me: MemberId,
    node: RawNode<Shelf>,
    log: Log,
    jitter: Jitter,
    quiet_ticks: u32,
}

impl Group {
    /// Goes on where the disk left off. `applied` is where the state stands, and `configuration` is as of there.
    pub fn resume(
        opened: OpenedLog,
        me: MemberId,
        applied: Position,
        configuration: &Configuration,
        timing: Timing,
        seed: u64,
    ) -> Result<Self, LogError> {
        let OpenedLog { log, mut shelf, .. } = opened;
        shelf.configure(wire::conf_state(configuration));
        let config = Config {
            id: me.number(),
            applied: applied.index.0,
            election_tick: timing.election_ticks_min as usize,
            min_election_tick: timing.election_ticks_min as usize,
            max_election_tick: timing.election_ticks_max as usize,
            heartbeat_tick: timing.heartbeat_ticks as usize,
            pre_vote: true,
            check_quorum: true,
            read_only_option: ReadOnlyOption::Safe,
            max_size_per_msg: BATCH_BYTES_MAX,
            max_inflight_msgs: IN_FLIGHT_MAX,
            max_uncommitted_size: UNCOMMITTED_BYTES_MAX,
            max_committed_size_per_ready: COMMITTED_BYTES_MAX,
            ..Config::default()
        };
        // The crate refuses settings that contradict each other, and a state that the log does not reach.
        let node = RawNode::new(&config, shelf, &super::trace::logger()).map_err(|_| LogError::Unusable)?;
        let mut group = Self { me, node, log, jitter: Jitter::new(timing, seed), quiet_ticks: 0 };
        group.steer();
        Ok(group)
    }

    /// What the member is.
    pub fn standing(&self) -> Standing {
        let raft = &self.node.raft;
        let role = match raft.state {
            StateRole::Leader => Role::Leader,
            StateRole::Follower => Role::Follower,
            StateRole::Candidate | StateRole::PreCandidate => Role::Candidate,
        };
        Standing {
            role,
            term: Term(raft.term),
            leader: MemberId::from_number(raft.leader_id),
            committed: LogIndex(raft.raft_log.committed),
            last: LogIndex(raft.raft_log.last_index()),
        }
    }

    /// How far the others are, for a leader.
    pub fn progress(&self) -> Vec<Progress> {
        let mut all: Vec<Progress> = self
            .node
            .raft
            .prs()
            .iter()
            .filter_map(|(id, progress)| {
                Some(Progress {
                    member: MemberId::from_number(*id)?,
                    matched: LogIndex(progress.matched),
                    is_active: progress.recent_active || *id == self.me.number(),
                    needs_snapshot: progress.state == raft::ProgressState::Snapshot,
                })
            })
            .collect();
        all.sort_by_key(|progress| progress.member);
        all
    }

    /// The disk's part.
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// The hard state as it is on disk.
    pub const fn durable(&self) -> Hard {
        self.log.hard()
    }

    /// Bytes that the entries in memory hold.
    pub fn entry_bytes(&self) -> usize {
        self.node.store().bytes()
    }

    /// Lets a tick pass.
    pub fn tick(&mut self) -> Result<(), LogError> {
        self.node.tick();
        self.steer();
        self.log.prepare()?;
        self.quiet_ticks = self.quiet_ticks.saturating_add(1);
        if self.quiet_ticks == 2 {
            self.log.attest()?;
        }
        Ok(())
    }

    /// Campaigns at once, for a sole voter. While an agreed change of the members is not applied, the crate refuses.
    pub fn campaign(&mut self) {
        drop(self.node.campaign());
    }

    /// Takes a message from a member whose identity was checked. New entries are taken only if there is room for them.
    pub fn receive(&mut self, from: MemberId, message: LogMessage, takes_entries: bool) -> Result<(), Verdict> {
        let malformed = |error: Meaningless| Verdict::Malformed { what: error.what };
        let mut message = wire::from_wire(message, from, self.me).map_err(malformed)?;
        ingress::check(&mut message, &self.node.raft)?;
        let is_append = message.get_msg_type() == MessageType::MsgAppend && !message.entries.is_empty();
        if is_append && !(takes_entries && self.log.has_room()) {
            // As good as a member that is down: nothing is taken on that might not fit the disk, or the memory.
            return Ok(());
        }
        self.step(message);
        Ok(())
    }

    /// Proposes a command; its place in the log, if it comes to be agreed on.
    pub fn propose(&mut self, bytes: Vec<u8>) -> Result<Position, Unproposed> {
        self.require_room()?;
        let proposed = self.node.propose(Vec::new(), bytes);
        self.proposed(proposed.is_ok())
    }

    /// Proposes a change of the members; leaving a joint configuration is a change of nothing.
    pub(super) fn propose_change(&mut self, change: ConfChangeV2, context: Vec<u8>) -> Result<Position, Unproposed> {
        self.require_room()?;
        if self.node.raft.has_pending_conf() {
            return Err(Unproposed::Busy);
        }
        let proposed = self.node.propose_conf_change(context, change);
        self.proposed(proposed.is_ok())
    }

    /// Asks from which index on a read made now sees all that was acknowledged; the answer comes in a turn, or never.
    pub fn read(&mut self, token: Vec<u8>) -> Result<(), Unproposed> {
        self.require_leader()?;
        if !self.node.raft.commit_to_current_term() {
            return Err(Unproposed::Busy);
        }
        self.node.read_index(token);
        Ok(())
    }

    /// Hands leadership over, if the other can take it within an election timeout. A leader whose disk is full may: the
    /// other may have space.
    pub fn transfer(&mut self, to: MemberId) -> Result<(), Unproposed> {
        self.require_leader()?;
        self.node.transfer_leader(to.number());
        Ok(())
    }

    /// Says that a member can't be reached at the moment.
    pub fn unreachable(&mut self, member: MemberId) {
        self.node.report_unreachable(member.number());
        self.steer();
    }

    /// Says how the sending of a snapshot ended.
    pub fn snapshot_sent(&mut self, to: MemberId, is_done: bool) {
        let status = if is_done { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
        self.node.report_snapshot(to.number(), status);
        self.steer();
    }

    /// Puts a prepared snapshot where those who need one get it.
    pub fn offer(&mut self, facts: Option<&SnapshotFacts>) -> Result<(), Meaningless> {
        let snapshot = facts.map(wire::snapshot_from_wire).transpose()?;
        self.node.mut_store().offer(snapshot);
        Ok(())
    }

    /// Says whether a member needs a snapshot that is not prepared.
    pub fn is_snapshot_wanted(&self) -> bool {
        self.node.store().is_snapshot_wanted()
    }

    /// Makes durable that all up to `index` is agreed on, which a flush of the state relies on.
    pub fn settle_commit(&mut self, index: LogIndex) -> Result<(), LogError> {
        if self.log.hard().commit >= index {
            return Ok(());
        }
        // Only what is durable already, and this index: what the node holds in memory may rest on entries that are not.
        let hard = Hard { commit: index, ..self.log.hard() };
        self.log.append(&Payload { hard: Some(hard), ..Payload::default() })
    }

    /// Forgets entries that are in the state of `floor`.
    pub fn compact(&mut self, floor: Floor) -> Result<(), LogError> {
        if floor.position.index <= self.log.floor().position.index {
            return Ok(());
        }
        self.log.compact(floor)?;
        self.node.mut_store().compact(floor);
        Ok(())
    }

    /// The term of an entry that the log still has.
    pub fn term_at(&self, index: LogIndex) -> Option<Term> {
        self.node.store().term_at(index.0).map(Term)
    }

    /// The term of an entry that the log still has, and a hash over all of it, for those who compare logs.
    pub fn fingerprint(&self, index: LogIndex) -> Option<(Term, [u8; 32])> {
        self.node.store().fingerprint(index.0)
    }

    /// Takes turns until nothing is left to do.
    pub fn turn<H: Handler>(&mut self, handler: &mut H) -> Result<(), H::Error> {
        while let Some(mut begun) = Begun::of(&mut self.node) {
            self.quiet_ticks = 0;
            Self::send(begun.immediate(), handler);
            for read in begun.reads() {
                handler.read(&read.request_ctx, LogIndex(read.index));
            }
            let mut installed = None;
            if let Some(snapshot) = begun.snapshot() {
                let metadata = snapshot.get_metadata();
                let at = Position { index: LogIndex(metadata.index), term: Term(metadata.term) };
                let configuration = metadata.get_conf_state().clone();
                let floor = handler.install(at)?;
                begun.install(&mut self.log, floor)?;
                handler.installed()?;
                self.node.mut_store().reset(floor, configuration);
                installed = Some(at.index);
            }
            if mutant::is_active(Mutant::PromiseBeforeLog) {
                Self::send(begun.promises(), handler);
            }
            let mut persisted = begun.persist(&mut self.log)?;
            Self::send(persisted.messages(), handler);
            let committed = persisted.committed();
            let advanced = persisted.advance(&mut self.node);
            if let Some(index) = installed {
                self.node.advance_apply_to(index.0);
            }
            Self::send(advanced.messages, handler);
            self.apply(committed, handler)?;
            self.apply(advanced.committed, handler)?;
            self.steer();
        }
        Ok(())
    }

    fn apply<H: Handler>(&mut self, entries: Vec<Entry>, handler: &mut H) -> Result<(), H::Error> {
        let Some(last) = entries.last().map(|entry| entry.index) else { return Ok(()) };
        for entry in entries {
            let at = Position { index: LogIndex(entry.index), term: Term(entry.term) };
            let is_left_unsettled = mutant::is_active(Mutant::ConfigurationUnsettled);
            if entry.get_entry_type() == EntryType::EntryConfChangeV2 && !is_left_unsettled {
                // From here on this member acts on other voters. It must not wake up one day not knowing that they were
                // agreed on, and lead by the old ones alone.
                self.settle_commit(at.index)?;
            }
            match changed(&mut self.node, &entry) {
                Some(configuration) => handler.configuration(at, configuration, &entry.context)?,
                None if entry.get_entry_type() == EntryType::EntryNormal => handler.command(at, &entry.data)?,
                None => handler.command(at, &[])?,
            }
        }
        self.node.advance_apply_to(last);
        self.step_down_if_removed();
        Ok(())
    }

    /// A leader that has left the group stops leading. The crate lets it go on, and panics when it is to count the next
    /// acknowledgement.
    fn step_down_if_removed(&mut self) {
        let raft = &mut self.node.raft;
        if raft.state == StateRole::Leader && !raft.promotable() {
            raft.become_follower(raft.term, raft::INVALID_ID);
        }
    }

    fn send<H: Handler>(messages: Vec<Message>, handler: &mut H) {
        for message in messages {
            let Some(to) = MemberId::from_number(message.to) else { continue };
            if let Some(message) = wire::to_wire(message) {
                handler.send(to, message);
            }
        }
    }

    fn step(&mut self, message: Message) {
        // An error here says that a message came too late or from nobody: the protocol bears its loss.
        drop(self.node.step(message));
        self.steer();
    }

    fn proposed(&mut self, is_done: bool) -> Result<Position, Unproposed> {
        if !is_done {
            return Err(Unproposed::Busy);
        }
        let raft = &self.node.raft;
        Ok(Position { index: LogIndex(raft.raft_log.last_index()), term: Term(raft.term) })
    }

    fn require_leader(&self) -> Result<(), Unproposed> {
        if self.node.raft.state == StateRole::Leader {
            return Ok(());
        }
        Err(Unproposed::NotLeader { leader: self.standing().leader })
    }

    /// A leader whose disk has space for what comes.
    fn require_room(&self) -> Result<(), Unproposed> {
        self.require_leader()?;
        if self.log.has_room() { Ok(()) } else { Err(Unproposed::Busy) }
    }

    /// Gives the node its election timeout: the crate draws one of its own, which no seed could replay.
    fn steer(&mut self) {
        let raft = &mut self.node.raft;
        let ticks = self.jitter.election_ticks(raft.term, raft.state as u8, raft.leader_id);
        raft.set_randomized_election_timeout(ticks as usize);
    }
}

/// The configuration that an entry leads to; nothing if it is no change, or one that can't be made.
pub(super) fn changed(node: &mut RawNode<Shelf>, entry: &Entry) -> Option<Configuration> {
    if entry.get_entry_type() != EntryType::EntryConfChangeV2 {
        return None;
    }
    let change = super::membership::decode(&entry.data)?;
    let state = node.apply_conf_change(&change).ok()?;
    Some(wire::configuration(&state))
}
