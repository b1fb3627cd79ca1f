//! What comes to a member, and what comes of it.
//!
//! Owns the two vocabularies between the core and its shell. Work that takes long (a flush, a copy, a transfer) leaves
//! as a job and comes back as an event.

use std::sync::Arc;

use strongroom_platform::disk::DiskError;
use strongroom_proto::peers::v1::Envelope;

use super::lock::FolderLock;
use crate::id::{MemberId, Position};
use crate::raft::{Change, Standing, Unchanged};
use crate::state::request::RequestTooLong;
use crate::state::{Frozen, Machine, Outcome, Refusal, Request, Rows};
use crate::store::{Copied, Store, StoreError};

/// The shell's name for somebody who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What comes to a member.
pub enum Event {
    /// Time has passed.
    Tick,
    /// A message of a member whose identity was checked against the envelope's sender.
    Envelope(Envelope),
    /// A command that is to be agreed on.
    Submit {
        /// Who waits.
        ticket: Ticket,
        /// What for. Its stamp holds the readings of this machine's clocks, monotonic and wall; the member makes the
        /// group's time of it.
        request: Request,
    },
    /// A read that must see all that was acknowledged before it.
    Read {
        /// Who waits.
        ticket: Ticket,
    },
    /// A change of the members.
    Change {
        /// Who waits.
        ticket: Ticket,
        /// The change.
        change: Change,
        /// What the state notes of it, if it is to.
        request: Option<Request>,
    },
    /// A copy of the state is wanted, to be kept elsewhere.
    Copy {
        /// Who waits.
        ticket: Ticket,
    },
    /// Leadership is to be handed over.
    Transfer {
        /// To whom.
        to: MemberId,
    },
    /// A message could not be sent.
    Unreachable(MemberId),
    /// The sending of a snapshot ended.
    SnapshotSent {
        /// To whom it went.
        to: MemberId,
        /// Whether it arrived whole.
        is_done: bool,
    },
    /// A flush ended.
    Flushed {
        /// The state's generation that was flushed.
        generation: u64,
        /// How it ended.
        result: Result<(), StoreError>,
    },
    /// A copy of the state ended.
    Copied {
        /// How it ended.
        result: Result<Copied, StoreError>,
    },
    /// A snapshot from the leader lies on the disk, whole and verified.
    Staged(Box<Staged>),
}

/// How a request ended for the one who waits.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It was agreed on and applied: done, or rejected by the rules.
    Applied {
        /// Where in the log.
        at: Position,
        /// What came of it.
        outcome: Outcome,
    },
    /// It may come to be agreed on, or not: leadership was lost meanwhile. Only a retry in the same session tells.
    Unknown,
    /// It was not proposed: another member leads, or none.
    NotLeader {
        /// Who does, as far as is known.
        leader: Option<MemberId>,
    },
    /// It was not proposed: too much is under way, or the disk is nearly full. Later may do.
    Busy,
    /// It was not proposed: the log takes no request of this size.
    TooLong(RequestTooLong),
    /// The change of the members can't be made.
    Unchanged(Unchanged),
    /// It was not proposed: the state would reject what it is to note of the change.
    Refused(Refusal),
}

/// Where effects go, in the order in which they happen.
pub trait Outbox {
    /// Sends an envelope; it may be lost.
    fn send(&mut self, envelope: Envelope);
    /// Answers somebody who waits. Each ticket is answered at most once; never, if the member ends before.
    fn answer(&mut self, ticket: Ticket, answer: Answer);
    /// Lets a read happen now: the rows show all that was acknowledged before it was asked for.
    fn read_ready(&mut self, ticket: Ticket, rows: &Rows);
    /// Flushes; the end comes back as [`Event::Flushed`].
    fn flush(&mut self, job: FlushJob);
    /// Copies; the end comes back as [`Event::Copied`]. Nothing is flushed before.
    fn copy(&mut self, job: CopyJob);
    /// Gives the copy of the state that was asked for: a file of the member's folder, which the one who waits removes.
    /// What a crash leaves of it is removed when the member is opened.
    fn copy_ready(&mut self, ticket: Ticket, path: String);
    /// Sends a snapshot; the end comes back as [`Event::SnapshotSent`].
    fn send_snapshot(&mut self, job: SnapshotJob);
    /// Says that role, term or leader changed.
    fn standing(&mut self, standing: Standing);
    /// Says that an entry was applied, for those who watch.
    fn applied(&mut self, at: Position, outcome: &Outcome);
}

/// A flush.
pub struct FlushJob {
    pub(super) store: Arc<Store>,
    pub(super) generation: u64,
    pub(super) frozen: Frozen,
    pub(super) lock: FolderLock,
}

impl FlushJob {
    /// Does the work. Another thread may.
    pub fn run(self) -> Event {
        let Self { store, generation, frozen, lock } = self;
        let result = store.flush(&frozen.layer);
        drop((store, lock));
        Event::Flushed { generation, result }
    }
}

/// A copy of the state's file.
pub struct CopyJob {
    pub(super) disk: Arc<dyn strongroom_platform::disk::Disk>,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) lock: FolderLock,
}

impl CopyJob {
    /// Does the work. Another thread may.
    pub fn run(self) -> Event {
        let Self { disk, from, to, lock } = self;
        let result = crate::store::copy(&disk, &from, &to);
        drop(lock);
        Event::Copied { result }
    }
}

/// A snapshot to be sent: its envelope, and the file whose bytes follow.
#[derive(Clone, Debug)]
pub struct SnapshotJob {
    /// To whom.
    pub to: MemberId,
    /// The message, with all facts.
    pub envelope: Envelope,
    /// The file.
    pub path: String,
}

/// A received snapshot that was opened and found to be what its facts say.
pub struct Staged {
    pub(super) envelope: Envelope,
    pub(super) path: String,
    pub(super) store: Arc<Store>,
    pub(super) machine: Machine,
}

/// Why received bytes are no snapshot that can be installed.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The envelope holds no facts of a snapshot.
    #[error("the envelope is not that of a snapshot")]
    NoFacts,
    /// The file is not the one that was sent.
    #[error("the snapshot's bytes are not those that were sent")]
    OtherBytes,
    /// The state in the file is not the one that was announced.
    #[error("the snapshot's state is not the one that was announced")]
    OtherState,
    /// The file can't be opened.
    #[error("the snapshot's file can't be opened")]
    Store(#[source] StoreError),
    /// The disk refused.
    #[error("the snapshot's file can't be read")]
    Disk(#[source] DiskError),
}
