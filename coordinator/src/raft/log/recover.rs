//! Opening a log after whatever happened: which frames count, and whether one that counted is gone.
//!
//! Owns the verdict between torn and corrupt, and that what was read is durable before anything relies on it. A process
//! that ended after a failed sync leaves bytes that are shown to its successor and were given up by the system: a sync
//! alone would prove nothing. So the last frame is written again, as it is, and then synced; all frames before it were
//! durable before it was written. The register is written again behind it, and a spare segment gets its name again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use raft::eraftpb::Entry;
use strongroom_platform::disk::durable::clear_temporaries;
use strongroom_platform::disk::{Disk, DiskError, DiskUpdate};
use strongroom_platform::mutant::{self, Mutant};

use super::register::Register;
use super::segment::{self, Spare};
use super::{DIR, Damage, Log, LogError, LogIdentity, Recovered, Segment};
use crate::id::LogIndex;
use crate::raft::frame::{Address, Floor, HEADER_BYTES, Hard, Header, Link, Payload, SECTOR_BYTES};

impl Log {
    /// Opens the log, and says what it holds.
    pub(in crate::raft) fn open(
        disk: &Arc<dyn Disk>,
        identity: LogIdentity,
        segment_bytes: u64,
    ) -> Result<(Self, Recovered), LogError> {
        if !disk.exists(DIR)? {
            return Err(LogError::Absent);
        }
        clear_temporaries(disk.as_ref(), DIR)?;
        let numbers = segment::list(disk.as_ref())?;
        let mut register = Register::open(disk.as_ref())?;
        let mut reading = Reading::new(disk.as_ref(), identity);
        let mut end = None;
        for number in &numbers {
            match reading.segment(*number)? {
                Some(found) => end = Some(found),
                // Frames come no more: this segment and those behind it can only be spares.
                None => break,
            }
        }
        // A segment has its name only once its first frame is durable.
        let first = numbers.first().copied().ok_or(LogError::Absent)?;
        let end = end.ok_or(damaged(first, 0, Damage::FirstFrame))?;
        let is_torn = mutant::is_active(Mutant::DamageTakenForTorn);
        if !is_torn {
            reading.check_rest(&numbers, &end)?;
        }
        if !is_torn && register.sequence() > reading.link.sequence {
            return Err(damaged(end.number, end.offset, Damage::Register));
        }
        let Reading { link, state, segments, .. } = reading;
        let recovered = state.finish(&end)?;
        end.write_last_again()?;
        register.renew(link.sequence)?;
        let active_len = end.file.len()?;
        let spare = spare_behind(disk.as_ref(), &numbers, end.number)?;
        let (hard, floor) = (recovered.hard, recovered.floor);
        let log = Self {
            disk: Arc::clone(disk),
            identity,
            segment_bytes,
            segments,
            active: end.file,
            active_len,
            offset: end.offset,
            link,
            spare,
            register,
            hard,
            floor,
        };
        Ok((log, recovered))
    }
}

/// Where the frames end.
struct End {
    number: u64,
    offset: u64,
    /// Where the last frame begins.
    last: u64,
    file: Box<dyn DiskUpdate>,
}

impl End {
    /// Makes the last frame durable, whoever wrote it, and whatever the system believes of it.
    fn write_last_again(&self) -> Result<(), LogError> {
        let bytes = usize::try_from(self.offset - self.last).unwrap_or_default();
        let mut frame = vec![0; bytes];
        self.file.read_at(self.last, &mut frame)?;
        self.file.write_at(self.last, &frame)?;
        Ok(self.file.sync_data()?)
    }
}

/// The frames so far.
struct Reading<'a> {
    disk: &'a dyn Disk,
    identity: LogIdentity,
    link: Link,
    is_begun: bool,
    state: Gathered,
    segments: VecDeque<Segment>,
}

impl<'a> Reading<'a> {
    fn new(disk: &'a dyn Disk, identity: LogIdentity) -> Self {
        let (state, segments) = (Gathered::default(), VecDeque::new());
        Self { disk, identity, link: Link::default(), is_begun: false, state, segments }
    }

    /// Reads the frames of a segment; nothing if its first is none that follows.
    fn segment(&mut self, number: u64) -> Result<Option<End>, LogError> {
        let file = self.disk.open_update(&segment::path(number))?;
        let len = file.len()?;
        let mut end = End { number, offset: 0, last: 0, file };
        let mut highest = LogIndex::default();
        while let Some((header, payload)) = self.frame(&end, end.offset, len)? {
            if self.is_begun && (header.sequence != self.link.sequence + 1 || header.prev != self.link.crc) {
                break;
            }
            let payload = Payload::decode(&payload).map_err(|_| damaged(number, end.offset, Damage::Meaning))?;
            highest = highest.max(payload.entries.last().map_or(LogIndex::default(), |last| LogIndex(last.index)));
            self.state.take(payload);
            self.link = header.link();
            self.is_begun = true;
            end.last = end.offset;
            end.offset += header.stride();
        }
        if end.offset == 0 {
            return Ok(None);
        }
        if self.segments.back().is_some_and(|before| before.number + 1 != number) {
            return Err(damaged(number, 0, Damage::MissingSegment));
        }
        self.segments.push_back(Segment { number, highest });
        Ok(Some(end))
    }

    /// The frame at an offset, if one verifies there.
    fn frame(&self, end: &End, offset: u64, len: u64) -> Result<Option<(Header, Vec<u8>)>, LogError> {
        let mut bytes = [0; HEADER_BYTES];
        if offset + HEADER_BYTES as u64 > len || !read(end.file.as_ref(), offset, &mut bytes)? {
            return Ok(None);
        }
        let Some(header) = Header::parse(&bytes).filter(|header| offset + header.stride() <= len) else {
            return Ok(None);
        };
        let mut payload = vec![0; header.payload_len];
        if !read(end.file.as_ref(), offset + HEADER_BYTES as u64, &mut payload)? {
            return Ok(None);
        }
        let address = Address { segment: end.number, offset };
        Ok(header.verifies(&self.identity, address, &payload).then_some((header, payload)))
    }

    /// Looks behind the last frame that counts for one that verifies: then something between was acknowledged.
    fn check_rest(&self, numbers: &[u64], end: &End) -> Result<(), LogError> {
        let later = numbers.iter().filter(|number| **number > end.number);
        let mut places = vec![(end.number, end.offset)];
        places.extend(later.map(|number| (*number, 0)));
        for (number, start) in places {
            let file = self.disk.open_update(&segment::path(number))?;
            let here = End { number, offset: start, last: start, file };
            let len = here.file.len()?;
            for offset in (start..len).step_by(usize::try_from(SECTOR_BYTES).unwrap_or(512)) {
                let found = self.frame(&here, offset, len)?;
                if found.is_some_and(|(header, _)| header.sequence > self.link.sequence) {
                    return Err(damaged(end.number, end.offset, Damage::LaterFrame));
                }
            }
        }
        Ok(())
    }
}

/// What the frames add up to.
#[derive(Default)]
struct Gathered {
    hard: Hard,
    floor: Floor,
    entries: BTreeMap<u64, Entry>,
}

impl Gathered {
    fn take(&mut self, payload: Payload) {
        self.hard = payload.hard.unwrap_or(self.hard);
        self.floor = payload.floor.unwrap_or(self.floor);
        if payload.is_reset {
            self.entries.clear();
        }
        if let Some(first) = payload.entries.first() {
            self.entries.split_off(&first.index);
        }
        self.entries.extend(payload.entries.into_iter().map(|entry| (entry.index, entry)));
    }

    fn finish(mut self, end: &End) -> Result<Recovered, LogError> {
        let first = self.floor.position.index.next().0;
        let entries: VecDeque<Entry> = self.entries.split_off(&first).into_values().collect();
        let is_whole = entries.iter().zip(first..).all(|(entry, index)| entry.index == index);
        if !is_whole {
            return Err(damaged(end.number, end.offset, Damage::MissingSegment));
        }
        Ok(Recovered { hard: self.hard, floor: self.floor, entries })
    }
}

/// Reads bytes; `false` if the file ends before them. A disk that refuses to read says nothing of what was written: that
/// ends this start, and no more.
fn read(file: &dyn DiskUpdate, offset: u64, bytes: &mut [u8]) -> Result<bool, LogError> {
    match file.read_at(offset, bytes) {
        Ok(()) => Ok(true),
        Err(DiskError::UnexpectedEnd { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The segment behind the active one, if it was made ready before the process ended.
fn spare_behind(disk: &dyn Disk, numbers: &[u64], active: u64) -> Result<Spare, LogError> {
    if !numbers.contains(&(active + 1)) {
        return Ok(Spare::default());
    }
    // Its bytes were durable before it had its name, which may have been given up.
    segment::name_again(disk, active + 1)?;
    Ok(Spare::ready(disk.open_read(&segment::path(active + 1))?.len()?))
}

const fn damaged(segment: u64, offset: u64, what: Damage) -> LogError {
    LogError::Damaged { segment, offset, what }
}
