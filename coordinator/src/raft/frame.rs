//! One frame of the log: what a turn must make durable, in one write.
//!
//! Owns the bytes. A frame starts at a sector and fills whole sectors, so that an append never touches a sector that
//! holds acknowledged bytes. All numbers are big-endian, or varints where it says so.
//!
//! ```text
//!  0        4        8                16       20       24               payload_len
//!  ┌────────┬────────┬────────────────┬────────┬────────┬────────────────────────┬─────────┐
//!  │ "SRL1" │ length │    sequence    │  prev  │  crc   │        payload         │ zeros … │
//!  └────────┴────────┴────────────────┴────────┴────────┴────────────────────────┴─────────┘
//!
//!  payload   flags ‖ [hard state] ‖ [floor] ‖ [entries]
//!  hard      varint term ‖ varint vote (0 for none) ‖ varint commit
//!  floor     varint index ‖ varint term ‖ varint generation       entries up to the index are in the state
//!  entries   varint first index ‖ varint count ‖ count × (varint term ‖ kind ‖ context ‖ data)
//! ```
//!
//! `crc` is CRC-32C over the log's identity, the frame's address (segment and offset), the header's other fields and the
//! payload: a frame that lies where it was not written, or that belongs to another member, does not verify. `prev` is the
//! `crc` of the frame before, so the frames form a chain.

use raft::eraftpb::{Entry, EntryType};
use strongroom_core::codec::{Malformed, Reader, put_bytes, put_varint};
use strongroom_platform::mutant::{self, Mutant};

use crate::id::{LogIndex, MemberId, Position, Term};
use crate::raft::log::LogIdentity;

/// The unit in which a device writes. Frames start and end at its multiples.
pub(super) const SECTOR_BYTES: u64 = 512;
/// Bytes before the payload.
pub(super) const HEADER_BYTES: usize = 24;
/// Bytes of a payload: a turn of full batches (`limits`), and room for what surrounds them.
pub(super) const PAYLOAD_BYTES_MAX: usize = 12 * 1024 * 1024;

/// Entries that memory is set aside for before they are read; more grow as they come.
const ENTRIES_RESERVED_MAX: usize = 4_096;
const MAGIC: [u8; 4] = *b"SRL1";
const HARD: u8 = 1;
const FLOOR: u8 = 2;
const RESET: u8 = 4;
const ENTRIES: u8 = 8;
const KNOWN_FLAGS: u8 = HARD | FLOOR | RESET | ENTRIES;

/// What a member must never forget: the reign it is in, whom it chose, and how far it knows the log to be agreed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hard {
    /// The newest term that the member has seen.
    pub term: Term,
    /// Whom it voted for in that term.
    pub vote: Option<MemberId>,
    /// Entries up to here are committed.
    pub commit: LogIndex,
}

/// Where the log begins: all up to `position` is in the state of this generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floor {
    /// The last entry that the log no longer needs.
    pub position: Position,
    /// Which of the state's files holds it.
    pub generation: u64,
}

/// The content of one frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Payload {
    pub(super) hard: Option<Hard>,
    pub(super) floor: Option<Floor>,
    /// Whether all entries are forgotten at this frame, since the state was replaced as a whole.
    pub(super) is_reset: bool,
    pub(super) entries: Vec<Entry>,
}

/// Where a frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) segment: u64,
    pub(super) offset: u64,
}

/// A frame's place in the chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) sequence: u64,
    pub(super) crc: u32,
}

/// A header whose magic and length hold; whether the frame verifies is not known yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) payload_len: usize,
    pub(super) sequence: u64,
    pub(super) prev: u32,
    crc: u32,
}

impl Header {
    /// Reads a header; nothing if these bytes are none.
    pub(super) fn parse(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let mut reader = Reader::new(bytes, "frame header");
        let magic: [u8; 4] = reader.array().ok()?;
        let payload_len = usize::try_from(reader.u32().ok()?).ok()?;
        let (sequence, prev, crc) = (reader.u64().ok()?, reader.u32().ok()?, reader.u32().ok()?);
        let is_one = magic == MAGIC && payload_len <= PAYLOAD_BYTES_MAX;
        is_one.then_some(Self { payload_len, sequence, prev, crc })
    }

    /// Says whether the frame is the one that was written here.
    pub(super) fn verifies(&self, identity: &LogIdentity, address: Address, payload: &[u8]) -> bool {
        let link = Link { sequence: self.sequence, crc: self.prev };
        let is_whole = || checksum(identity, address, link, payload) == self.crc;
        payload.len() == self.payload_len && (mutant::is_active(Mutant::FramesUnverified) || is_whole())
    }

    /// The frame's own place in the chain.
    pub(super) const fn link(&self) -> Link {
        Link { sequence: self.sequence, crc: self.crc }
    }

    /// Bytes from this frame's start to the next one's.
    pub(super) const fn stride(&self) -> u64 {
        stride(self.payload_len)
    }
}

/// Bytes that a frame of this payload takes.
pub(super) const fn stride(payload_len: usize) -> u64 {
    ((HEADER_BYTES + payload_len) as u64).div_ceil(SECTOR_BYTES) * SECTOR_BYTES
}

/// The bytes of a frame that follows `before`, and its place in the chain.
pub(super) fn seal(identity: &LogIdentity, address: Address, before: Link, payload: &[u8]) -> (Vec<u8>, Link) {
    let sequence = before.sequence + 1;
    let crc = checksum(identity, address, Link { sequence, crc: before.crc }, payload);
    let total = usize::try_from(stride(payload.len())).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(total);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(&sequence.to_be_bytes());
    bytes.extend_from_slice(&before.crc.to_be_bytes());
    bytes.extend_from_slice(&crc.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes.resize(total, 0);
    (bytes, Link { sequence, crc })
}

fn checksum(identity: &LogIdentity, address: Address, link: Link, payload: &[u8]) -> u32 {
    let mut crc = crc32c::crc32c(&identity.to_bytes());
    for number in [address.segment, address.offset, link.sequence, u64::from(link.crc), payload.len() as u64] {
        crc = crc32c::crc32c_append(crc, &number.to_be_bytes());
    }
    crc32c::crc32c_append(crc, payload)
}

impl Payload {
    pub(super) fn encode(&self) -> Vec<u8> {
        let sizes = self.entries.iter().map(|entry| entry.data.len() + entry.context.len() + 16);
        let mut out = Vec::with_capacity(64 + sizes.sum::<usize>());
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let entries = flag(!self.entries.is_empty(), ENTRIES);
        out.push(
            flag(self.hard.is_some(), HARD) | flag(self.floor.is_some(), FLOOR) | flag(self.is_reset, RESET) | entries,
        );
        if let Some(hard) = &self.hard {
            put_varint(&mut out, hard.term.0);
            put_varint(&mut out, hard.vote.map_or(0, MemberId::number));
            put_varint(&mut out, hard.commit.0);
        }
        if let Some(floor) = &self.floor {
            put_varint(&mut out, floor.position.index.0);
            put_varint(&mut out, floor.position.term.0);
            put_varint(&mut out, floor.generation);
        }
        if let Some(first) = self.entries.first() {
            put_varint(&mut out, first.index);
            put_varint(&mut out, self.entries.len() as u64);
            for entry in &self.entries {
                put_varint(&mut out, entry.term);
                out.push(kind_to_byte(entry.get_entry_type()));
                put_bytes(&mut out, &entry.context);
                put_bytes(&mut out, &entry.data);
            }
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, "log frame");
        let flags = reader.u8()?;
        if flags & !KNOWN_FLAGS != 0 {
            return Err(reader.malformed());
        }
        let mut payload = Self { is_reset: flags & RESET != 0, ..Self::default() };
        if flags & HARD != 0 {
            let (term, vote, commit) = (reader.varint()?, reader.varint()?, reader.varint()?);
            let vote = MemberId::from_number(vote);
            payload.hard = Some(Hard { term: Term(term), vote, commit: LogIndex(commit) });
        }
        if flags & FLOOR != 0 {
            let (index, term, generation) = (reader.varint()?, reader.varint()?, reader.varint()?);
            payload.floor = Some(Floor { position: Position { index: LogIndex(index), term: Term(term) }, generation });
        }
        if flags & ENTRIES != 0 {
            payload.entries = decode_entries(&mut reader)?;
        }
        reader.finish()?;
        Ok(payload)
    }
}

fn decode_entries(reader: &mut Reader<'_>) -> Result<Vec<Entry>, Malformed> {
    let (first, count) = (reader.varint()?, reader.count()?);
    let mut entries = Vec::with_capacity(count.min(ENTRIES_RESERVED_MAX));
    for number in 0..count as u64 {
        let index = first.checked_add(number).ok_or(reader.malformed())?;
        let term = reader.varint()?;
        let entry_type = kind_from_byte(reader.u8()?).ok_or(reader.malformed())?;
        let context = reader.bytes()?.to_vec().into();
        let data = reader.bytes()?.to_vec().into();
        entries.push(Entry { entry_type, term, index, data, context, ..Entry::default() });
    }
    Ok(entries)
}

/// The kind of an entry as one byte, here and on the wire.
pub(super) const fn kind_to_byte(kind: EntryType) -> u8 {
    match kind {
        EntryType::EntryNormal => 0,
        EntryType::EntryConfChange => 1,
        EntryType::EntryConfChangeV2 => 2,
    }
}

/// Undoes [`kind_to_byte`].
pub(super) const fn kind_from_byte(byte: u8) -> Option<EntryType> {
    match byte {
        0 => Some(EntryType::EntryNormal),
        1 => Some(EntryType::EntryConfChange),
        2 => Some(EntryType::EntryConfChangeV2),
        _ => None,
    }
}
