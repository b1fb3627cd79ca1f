//! Snapshots on their way out and in.
//!
//! Owns the copy of the state that is offered to members which the log can't reach any more, and the staged state of a
//! leader. A copy is made between two flushes, since the engine changes its file in place. What comes in is opened, and
//! its rows are counted into their digest anew, before Raft hears of it; it takes the place of the state in one frame of
//! the log.

use std::collections::VecDeque;
use std::sync::Arc;

use strongroom_platform::disk::{Disk, DiskError, Pieces};
use strongroom_platform::mutant::{self, Mutant};
use strongroom_proto::peers::v1::envelope::Content;
use strongroom_proto::peers::v1::{Envelope, LogMessage, SnapshotFacts};

use super::event::{Answer, CopyJob, Outbox, SnapshotJob, StageError, Staged, Ticket};
use super::flush::RETRY_TICKS;
use super::{Core, Member, MemberError};
use crate::id::{LogIndex, MemberId, Position, Term};
use crate::raft::Role;
use crate::state::{Base, Machine};
use crate::store::{self, Copied, Store};

/// Rows whose digest is taken at once when a state is verified.
const ROWS_AT_ONCE: usize = 4_096;
/// Bytes of a received file that are read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// Copies that may be waited for by those who keep them elsewhere.
const ASKED_MAX: usize = 4;

/// What is prepared, and what is staged.
#[derive(Default)]
pub(super) struct Snapshots {
    copying: Option<Copying>,
    prepared: Option<Prepared>,
    pub(super) staged: Option<Box<Staged>>,
    counter: u64,
    /// Those who asked for a copy of their own.
    asked: VecDeque<Ticket>,
    /// Ticks until a copy is tried again that could not be made: flushes have their turn meanwhile.
    pause_ticks: u32,
    /// Copies that are being sent: the prepared one does not grow old meanwhile.
    being_sent: u32,
    /// Members that were to get a copy which is not there any more; Raft must hear of it.
    unsent: Vec<MemberId>,
}

/// A copy under way: what the state is while it is made.
struct Copying {
    facts: SnapshotFacts,
    path: String,
    /// Who asked for it; nobody, if it is to be offered to other members.
    asked: Option<Ticket>,
}

/// A copy that can be sent.
struct Prepared {
    facts: SnapshotFacts,
    path: String,
    idle_ticks: u32,
}

impl Snapshots {
    pub(super) const fn is_copying(&self) -> bool {
        self.copying.is_some()
    }

    /// From which entry on the log is needed by those who get the prepared copy.
    pub(super) fn needed_from(&self, otherwise: u64) -> u64 {
        let facts = self.prepared.as_ref().map(|prepared| &prepared.facts);
        let facts = facts.or(self.copying.as_ref().map(|copying| &copying.facts));
        facts.map_or(otherwise, |facts| facts.index)
    }

    /// The job that sends the prepared copy, if the message asks for this one.
    pub(super) fn job(&mut self, to: MemberId, envelope: Envelope) -> Option<SnapshotJob> {
        let Some(Content::Log(LogMessage { snapshot: Some(facts), .. })) = &envelope.content else { return None };
        let index = facts.index;
        let Some(prepared) = self.prepared.as_mut().filter(|prepared| prepared.facts.index == index) else {
            self.unsent.push(to);
            return None;
        };
        prepared.idle_ticks = 0;
        self.being_sent += 1;
        Some(SnapshotJob { to, path: prepared.path.clone(), envelope })
    }

    /// The sending of a copy ended, well or not.
    pub(super) fn sent(&mut self) {
        self.being_sent = self.being_sent.saturating_sub(1);
    }

    /// Those who were to get a copy that is not there.
    pub(super) fn take_unsent(&mut self) -> Vec<MemberId> {
        std::mem::take(&mut self.unsent)
    }

    /// Removes a staged state that Raft did not want.
    pub(super) fn discard_unused(&mut self, disk: &Arc<dyn Disk>) -> Result<(), DiskError> {
        match self.staged.take() {
            Some(staged) => store::discard(disk, &staged.path),
            None => Ok(()),
        }
    }
}

impl Member {
    /// Prepares a copy when somebody needs one, and drops one that nobody has asked for in a while.
    pub(super) fn watch_snapshots(&mut self, out: &mut dyn Outbox) -> Result<(), MemberError> {
        self.core.snapshots.pause_ticks = self.core.snapshots.pause_ticks.saturating_sub(1);
        let is_asked = !self.core.snapshots.asked.is_empty();
        if (self.needs_copy() || is_asked) && !self.core.snapshots.is_copying() {
            self.begin_copy(out)?;
        }
        let Some(prepared) = &mut self.core.snapshots.prepared else { return Ok(()) };
        prepared.idle_ticks += u32::from(self.core.snapshots.being_sent == 0);
        if prepared.idle_ticks > self.config.copy_ticks_max {
            self.withdraw_copy()?;
        }
        Ok(())
    }

    /// Whether another member needs a copy that is not there.
    pub(super) fn needs_copy(&self) -> bool {
        self.group.is_snapshot_wanted() && self.standing.role == Role::Leader && self.core.snapshots.pause_ticks == 0
    }

    fn begin_copy(&mut self, out: &mut dyn Outbox) -> Result<(), MemberError> {
        if self.core.flushing.is_some() && !self.core.is_waiting() {
            return Ok(());
        }
        // The database stands where it was flushed last, whatever has been applied since. A member that is not in its
        // configuration yet could not use it.
        let below = Machine::open(Arc::clone(&self.core.store) as Arc<dyn Base>)?;
        if below.configuration() != self.core.machine.configuration() {
            return self.flush_if_due(true, out);
        }
        let asked = self.core.snapshots.asked.pop_front();
        if asked.is_none() {
            self.withdraw_copy()?;
        }
        let core = &mut self.core;
        core.snapshots.counter += 1;
        let path = store::staged_path(&format!("copy-{:016x}-{}", core.identity.boot, core.snapshots.counter));
        let position = below.position();
        let facts = SnapshotFacts {
            index: position.index.0,
            term: position.term.0,
            configuration: Some(crate::raft::configuration_to_wire(below.configuration())),
            state_digest: below.digest().to_bytes().to_vec().into(),
            ..SnapshotFacts::default()
        };
        core.snapshots.copying = Some(Copying { facts, path: path.clone(), asked });
        let (disk, lock) = (Arc::clone(&core.disk), core.lock.clone());
        out.copy(CopyJob { disk, from: store::path(core.generation), to: path, lock });
        Ok(())
    }

    /// Somebody asks for a copy of the state, to keep it elsewhere.
    pub(super) fn ask_copy(&mut self, ticket: Ticket, out: &mut dyn Outbox) {
        let asked = &mut self.core.snapshots.asked;
        if asked.len() >= ASKED_MAX {
            out.answer(ticket, Answer::Busy);
        } else {
            asked.push_back(ticket);
        }
    }

    pub(super) fn copied(
        &mut self,
        result: Result<Copied, store::StoreError>,
        out: &mut dyn Outbox,
    ) -> Result<(), MemberError> {
        let Some(Copying { mut facts, path, asked }) = self.core.snapshots.copying.take() else { return Ok(()) };
        let copied = match result {
            Ok(copied) => copied,
            Err(error) => {
                // A full disk must not end a leader: whoever needs the copy waits.
                tracing::warn!(%error, "the state could not be copied for another member");
                match asked {
                    Some(ticket) => out.answer(ticket, Answer::Busy),
                    None => self.core.snapshots.pause_ticks = RETRY_TICKS,
                }
                return Ok(store::discard(&self.core.disk, &path)?);
            }
        };
        if let Some(ticket) = asked {
            out.copy_ready(ticket, path);
            return Ok(());
        }
        facts.file_bytes = copied.len;
        facts.file_digest = copied.digest.to_vec().into();
        self.group.offer(Some(&facts)).ok();
        self.core.snapshots.prepared = Some(Prepared { facts, path, idle_ticks: 0 });
        Ok(())
    }

    fn withdraw_copy(&mut self) -> Result<(), MemberError> {
        let Some(prepared) = self.core.snapshots.prepared.take() else { return Ok(()) };
        self.group.offer(None).ok();
        Ok(store::discard(&self.core.disk, &prepared.path)?)
    }

    /// Takes a staged state: Raft hears of it, and may install it in the turn that follows.
    pub(super) fn staged(&mut self, staged: Box<Staged>) -> Result<(), MemberError> {
        if self.core.snapshots.staged.is_some() {
            // Raft may have said yes to the one before: it keeps its place until the turn is over.
            return Ok(store::discard(&self.core.disk, &staged.path)?);
        }
        let envelope = staged.envelope.clone();
        self.core.snapshots.staged = Some(staged);
        let from = self.sender(&envelope);
        match (from, envelope.content) {
            (Some(from), Some(Content::Log(message))) => self.step(from, message),
            _ => Ok(()),
        }
    }
}

impl Core {
    /// Takes the staged state of this place, if it is the one.
    pub(super) fn take_staged(&mut self, at: Position) -> Option<Box<Staged>> {
        self.snapshots.staged.take_if(|staged| staged.machine.position() == at)
    }
}

/// Opens and verifies a received file; what comes of it goes to the member as an event. Another thread may do it.
pub fn stage(disk: &Arc<dyn Disk>, envelope: Envelope, path: String) -> Result<Staged, StageError> {
    let Some(Content::Log(LogMessage { snapshot: Some(facts), .. })) = &envelope.content else {
        return Err(StageError::NoFacts);
    };
    let (len, digest) = digest_of(disk.as_ref(), &path).map_err(StageError::Disk)?;
    let is_trusted = mutant::is_active(Mutant::SnapshotUnverified);
    let is_other = len != facts.file_bytes || digest.as_slice() != facts.file_digest.as_ref();
    if is_other && !is_trusted {
        return Err(StageError::OtherBytes);
    }
    let store = Arc::new(Store::open(disk.as_ref(), &path).map_err(StageError::Store)?);
    let base: Arc<dyn Base> = Arc::clone(&store) as _;
    let machine = Machine::open(base).map_err(|_| StageError::OtherState)?;
    let position = Position { index: LogIndex(facts.index), term: Term(facts.term) };
    let configuration = facts.configuration.as_ref().and_then(|it| crate::raft::configuration_from_wire(it).ok());
    let is_announced = machine.position() == position
        && configuration.as_ref() == Some(machine.configuration())
        && machine.digest().to_bytes().as_slice() == facts.state_digest.as_ref();
    let counted = machine.rows().count_digest(ROWS_AT_ONCE).map_err(|_| StageError::OtherState)?;
    if (!is_announced || counted != machine.digest()) && !is_trusted {
        return Err(StageError::OtherState);
    }
    Ok(Staged { envelope, path, store, machine })
}

fn digest_of(disk: &dyn Disk, path: &str) -> Result<(u64, [u8; 32]), DiskError> {
    let file = disk.open_read(path)?;
    let pieces = Pieces::of(file.as_ref(), PIECE_BYTES)?;
    let len = pieces.file_bytes();
    let mut hasher = blake3::Hasher::new();
    for piece in pieces {
        hasher.update(&piece?);
    }
    Ok((len, *hasher.finalize().as_bytes()))
}
