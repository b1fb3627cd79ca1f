//! The log on disk: segments of frames, and a register that says how far they must reach.
//!
//! Owns the folder `log/` of a member. One turn is one frame, one write and one fdatasync. Segments are written full of
//! zeros before they are used, so that a sync carries data alone.
//!
//! ```text
//!  log/0000000000000007.seg   frames 4711 … 5120      dropped once the floor is above its last entry
//!  log/0000000000000008.seg   frames 5121 … 5130      the active one; zeros behind the last frame
//!  log/0000000000000009.seg                           the spare: zeros, ready to be used
//!  log/register               the number of a frame that is known to be durable, in two slots
//! ```
//!
//! **Torn or corrupt.** A frame is written only when the one before it is durable. So a frame that does not verify was
//! never acknowledged if it is the last (its write was interrupted: it is dropped), and was acknowledged if a later one
//! verifies, or if the register knows a frame of its number or a higher one: then the member's promises are lost, and
//! [`LogError::Damaged`] keeps it from ever speaking under its name again. The register is written when the log falls
//! quiet; what is damaged in a last frame before that, within one tick of the crash, is taken for torn (Alagappan et
//! al., "Protocol-Aware Recovery for Consensus-Based Storage", FAST 2018, on why a last entry can't do better alone).
//!
//! **After an error** of a write or a sync nothing is known of the frame. The member must stop: the log takes no more.

mod recover;
mod register;
mod segment;

use std::collections::VecDeque;
use std::sync::Arc;

use strongroom_platform::disk::durable::clear_temporaries;
use strongroom_platform::disk::{Disk, DiskError, DiskUpdate};
use strongroom_platform::mutant::{self, Mutant};

use super::frame::{self, Address, Link, Payload};
pub use super::frame::{Floor, Hard};
use crate::id::{ClusterId, LogIndex, MemberId};
use register::Register;
use segment::Spare;

/// The folder of the log.
const DIR: &str = "log";

/// Whose log it is; part of every checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogIdentity {
    /// The group.
    pub cluster: ClusterId,
    /// The member.
    pub member: MemberId,
}

impl LogIdentity {
    pub(super) fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        let (cluster, member) = bytes.split_at_mut(16);
        cluster.copy_from_slice(&self.cluster.0);
        member.copy_from_slice(&self.member.number().to_be_bytes());
        bytes
    }
}

/// Why the log can't be relied on.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk refused.
    #[error("the log can't be read or written")]
    Disk(#[source] DiskError),
    /// Something that was acknowledged is not there any more, or not as it was written.
    #[error("segment {segment} of the log is damaged at byte {offset}: {what}")]
    Damaged {
        /// The segment's number.
        segment: u64,
        /// Where in the segment.
        offset: u64,
        /// What shows that it was acknowledged.
        what: Damage,
    },
    /// There is no log in this folder.
    #[error("there is no log")]
    Absent,
    /// The log and the state above it do not fit.
    #[error("the log and the state do not fit together")]
    Unusable,
    /// A turn is larger than a frame may be.
    #[error("a turn of {bytes} bytes is too large for the log")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// What shows that a frame which does not verify was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A later frame verifies.
    #[error("a later frame is whole")]
    LaterFrame,
    /// The register knows of it.
    #[error("the register knows a later frame")]
    Register,
    /// A segment between two others is gone, or the first begins in the middle of something.
    #[error("a segment is missing")]
    MissingSegment,
    /// A frame verifies and says what no writer says.
    #[error("a frame has no meaning")]
    Meaning,
    /// The oldest segment does not begin with a frame.
    #[error("the first frame can't be read")]
    FirstFrame,
    /// Neither slot of the register can be read.
    #[error("the register can't be read")]
    RegisterLost,
}

impl From<DiskError> for LogError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

/// What a log says when it is opened.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    pub(super) hard: Hard,
    pub(super) floor: Floor,
    /// Entries behind the floor, without a gap.
    pub(super) entries: VecDeque<raft::eraftpb::Entry>,
}

/// A log that is open for writing. There is one for each member, and nobody else writes into its folder.
pub struct Log {
    disk: Arc<dyn Disk>,
    identity: LogIdentity,
    segment_bytes: u64,
    /// Segments from the oldest to the active one, each with the highest entry in it.
    segments: VecDeque<Segment>,
    active: Box<dyn DiskUpdate>,
    active_len: u64,
    offset: u64,
    link: Link,
    spare: Spare,
    register: Register,
    hard: Hard,
    floor: Floor,
}

/// A segment, as far as compaction cares.
#[derive(Clone, Copy, Debug)]
struct Segment {
    number: u64,
    highest: LogIndex,
}

impl Log {
    /// Begins a log that starts behind `floor`, in a folder that has none.
    pub fn create(
        disk: &Arc<dyn Disk>,
        identity: LogIdentity,
        segment_bytes: u64,
        hard: Hard,
        floor: Floor,
    ) -> Result<(), LogError> {
        disk.create_dir_all(DIR)?;
        clear_temporaries(disk.as_ref(), DIR)?;
        Register::create(disk)?;
        // The first segment comes last: a folder without one is no log.
        let payload = Payload { hard: Some(hard), floor: Some(floor), is_reset: true, entries: Vec::new() };
        let address = Address { segment: 1, offset: 0 };
        let (bytes, _) = frame::seal(&identity, address, Link::default(), &payload.encode());
        segment::create(disk, 1, segment_bytes, &bytes)?;
        Ok(())
    }

    /// Says whether a log was begun here.
    pub fn exists(disk: &dyn Disk) -> Result<bool, LogError> {
        Ok(disk.exists(DIR)? && !segment::list(disk)?.is_empty())
    }

    /// The hard state as it was last written.
    pub const fn hard(&self) -> Hard {
        self.hard
    }

    /// The floor as it was last written.
    pub const fn floor(&self) -> Floor {
        self.floor
    }

    /// Says whether the disk has space for what comes; if not, nothing new may be taken on. What is under way fits into
    /// the rest of the active segment.
    pub const fn has_room(&self) -> bool {
        !self.spare.is_full()
    }

    /// Appends a frame and makes it durable. After an error the log must not be used any more.
    pub(super) fn append(&mut self, payload: &Payload) -> Result<(), LogError> {
        let bytes = payload.encode();
        if bytes.len() > frame::PAYLOAD_BYTES_MAX {
            return Err(LogError::TooLarge { bytes: bytes.len() });
        }
        if self.offset + frame::stride(bytes.len()) > self.active_len {
            self.roll(frame::stride(bytes.len()))?;
        }
        self.write(&bytes)?;
        self.note(payload);
        Ok(())
    }

    /// Notes that all written so far is durable, where a damaged end of the log can't hide it. For when it falls quiet.
    pub fn attest(&mut self) -> Result<(), LogError> {
        self.register.raise(self.link.sequence)
    }

    /// Prepares a part of the next segment, if it is not ready yet. Called once a tick.
    ///
    /// A full disk is no error: the log goes on in what it has, and [`Self::has_room`] says so.
    pub fn prepare(&mut self) -> Result<(), LogError> {
        let next = self.active_number() + 1;
        self.spare.advance(&self.disk, next, self.segment_bytes)
    }

    /// Raises the floor: entries up to it are forgotten, and segments that hold nothing else are removed.
    pub fn compact(&mut self, floor: Floor) -> Result<(), LogError> {
        self.append(&Payload { floor: Some(floor), ..Payload::default() })?;
        self.drop_segments()
    }

    /// Forgets all entries: the state was replaced by one that stands at `floor`.
    pub fn reset(&mut self, hard: Hard, floor: Floor) -> Result<(), LogError> {
        let payload = Payload { hard: Some(hard), floor: Some(floor), is_reset: true, entries: Vec::new() };
        self.append(&payload)?;
        self.drop_segments()
    }

    /// Removes segments before the active one whose entries all lie at or below the floor, from the oldest on.
    fn drop_segments(&mut self) -> Result<(), LogError> {
        let mut is_changed = false;
        while let [first, _, ..] = self.segments.make_contiguous()
            && first.highest <= self.floor.position.index
        {
            self.disk.remove(&segment::path(first.number))?;
            self.segments.pop_front();
            is_changed = true;
        }
        if is_changed {
            self.disk.sync_dir(DIR)?;
        }
        Ok(())
    }

    /// Goes on in the next segment, whose first frame says what all before it add up to.
    fn roll(&mut self, stride: u64) -> Result<(), LogError> {
        let number = self.active_number() + 1;
        let wanted = self.segment_bytes.max(stride + frame::stride(128));
        self.spare.finish(&self.disk, number, wanted)?;
        self.active = self.disk.open_update(&segment::path(number))?;
        self.active_len = self.active.len()?;
        self.offset = 0;
        self.segments.push_back(Segment { number, highest: LogIndex::default() });
        let head = Payload { hard: Some(self.hard), floor: Some(self.floor), ..Payload::default() };
        self.write(&head.encode())
    }

    fn write(&mut self, payload: &[u8]) -> Result<(), LogError> {
        let address = Address { segment: self.active_number(), offset: self.offset };
        let (bytes, link) = frame::seal(&self.identity, address, self.link, payload);
        self.active.write_at(self.offset, &bytes)?;
        if !mutant::is_active(Mutant::LogUnsynced) {
            self.active.sync_data()?;
        }
        self.offset += bytes.len() as u64;
        self.link = link;
        Ok(())
    }

    fn note(&mut self, payload: &Payload) {
        self.hard = payload.hard.unwrap_or(self.hard);
        self.floor = payload.floor.unwrap_or(self.floor);
        let last = payload.entries.last().map(|entry| LogIndex(entry.index));
        if let (Some(segment), Some(last)) = (self.segments.back_mut(), last) {
            segment.highest = segment.highest.max(last);
        }
    }

    fn active_number(&self) -> u64 {
        self.segments.back().map_or(0, |segment| segment.number)
    }
}

#[cfg(test)]
mod tests;
