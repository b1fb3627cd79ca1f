//! One turn of the log, as stages that can only be walked in the right order.
//!
//! Owns the order: what a leader may say at once, then the disk, then what depends on the disk, then what follows from
//! it. Each stage consumes the one before, and the messages that wait for the disk are not reachable until [`Persisted`]
//! exists, which only the log's writer makes. (The order is that of the crate's documentation, and of §3.8 and §10.2.1
//! of Ongaro's thesis.)
//!
//! ```text
//!  Begun ── immediate() ──► out      a leader's, in parallel with its own disk
//!    │
//!    ├─ persist(log) ─► Persisted ── messages ──► out      votes, acknowledgements
//!    │                     └─ advance() ─► Advanced ── messages, committed
//! ```

use raft::eraftpb::{Entry, HardState, Message, Snapshot};
use raft::{RawNode, ReadState, Ready};
use strongroom_platform::mutant::{self, Mutant};

use super::frame::Payload;
use super::log::{Floor, Hard, Log, LogError};
use super::shelf::Shelf;
use super::wire::hard_from_raft;

/// A turn that has begun: the node must not be touched before it is advanced.
pub(super) struct Begun {
    ready: Ready,
}

/// A turn whose entries and hard state are durable.
pub(super) struct Persisted {
    ready: Ready,
}

/// A turn that is over, but for what it says to apply.
pub(super) struct Advanced {
    pub(super) messages: Vec<Message>,
    pub(super) committed: Vec<Entry>,
}

impl Begun {
    /// Begins a turn, if there is anything to do.
    pub(super) fn of(node: &mut RawNode<Shelf>) -> Option<Self> {
        node.has_ready().then(|| Self { ready: node.ready() })
    }

    /// Messages that need not wait for the disk: those of a leader.
    pub(super) fn immediate(&mut self) -> Vec<Message> {
        self.ready.take_messages()
    }

    /// Messages that must wait for the disk, let out all the same: only a mutant asks for them.
    pub(super) fn promises(&mut self) -> Vec<Message> {
        self.ready.take_persisted_messages()
    }

    /// Reads whose place in the log is known now.
    pub(super) fn reads(&mut self) -> Vec<ReadState> {
        self.ready.take_read_states()
    }

    /// The snapshot that takes the place of state and log, if this turn brings one.
    pub(super) fn snapshot(&self) -> Option<&Snapshot> {
        Some(self.ready.snapshot()).filter(|snapshot| !snapshot.is_empty())
    }

    /// Switches to an installed state, which is durable under the floor's generation already, in one frame.
    pub(super) fn install(&self, log: &mut Log, floor: Floor) -> Result<(), LogError> {
        if mutant::is_active(Mutant::LogKeptAtInstall) {
            return Ok(());
        }
        let hard = self.hard().map_or(log.hard(), |hard| hard_from_raft(&hard));
        // Entries that came with the snapshot are not written yet, and so is nothing known of their commit.
        let commit = hard.commit.min(floor.position.index);
        log.reset(Hard { commit, ..hard }, floor)
    }

    /// Writes entries and hard state in one frame, or in several where they are many: then the commit index comes with
    /// the last. A commit index alone is not worth a sync; it lasts once a later turn brings it, or something rests on it.
    pub(super) fn persist(self, log: &mut Log) -> Result<Persisted, LogError> {
        let is_written_by_install = self.snapshot().is_some() && self.ready.entries().is_empty();
        if self.ready.must_sync() && !is_written_by_install {
            let is_forgotten = mutant::is_active(Mutant::HardStateForgotten);
            let hard = self.hard().filter(|_| !is_forgotten).map(|hard| hard_from_raft(&hard));
            append(log, hard, self.ready.entries())?;
        }
        Ok(Persisted { ready: self.ready })
    }

    fn hard(&self) -> Option<HardState> {
        self.ready.hs().cloned()
    }
}

/// Bytes of entries in one frame, as far as a single entry allows.
const FRAME_BYTES: usize = 4 * 1024 * 1024;

fn append(log: &mut Log, hard: Option<Hard>, entries: &[Entry]) -> Result<(), LogError> {
    let mut rest = entries;
    loop {
        let mut bytes = 0;
        let fitting = rest.iter().take_while(|entry| {
            bytes += entry.data.len() + entry.context.len() + size_of::<Entry>();
            bytes <= FRAME_BYTES
        });
        let (now, later) = rest.split_at(fitting.count().max(1).min(rest.len()));
        let commit = log.hard().commit;
        let hard = if later.is_empty() { hard } else { hard.map(|hard| Hard { commit, ..hard }) };
        log.append(&Payload { hard, entries: now.to_vec(), ..Payload::default() })?;
        if later.is_empty() {
            return Ok(());
        }
        rest = later;
    }
}

impl Persisted {
    /// Messages that had to wait for the disk.
    pub(super) fn messages(&mut self) -> Vec<Message> {
        self.ready.take_persisted_messages()
    }

    /// Entries that were agreed on before this turn.
    pub(super) fn committed(&mut self) -> Vec<Entry> {
        self.ready.take_committed_entries()
    }

    /// Mirrors what is durable, and ends the turn.
    pub(super) fn advance(mut self, node: &mut RawNode<Shelf>) -> Advanced {
        node.mut_store().append(&self.ready.take_entries());
        let mut light = node.advance_append(self.ready);
        Advanced { messages: light.take_messages(), committed: light.take_committed_entries() }
    }
}
