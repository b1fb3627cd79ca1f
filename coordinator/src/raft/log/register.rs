//! The register: the number of a frame that is known to be durable, apart from the frames.
//!
//! Owns one file of two sectors that are written in turn, so that a torn write leaves the other. It is what tells a log
//! whose end was damaged from one whose end was never written.

use std::sync::Arc;

use strongroom_platform::disk::{Disk, DiskUpdate, durable_replace};

use super::{Damage, LogError};
use crate::raft::frame::SECTOR_BYTES;

const PATH: &str = "log/register";
const MAGIC: [u8; 4] = *b"SRR1";
/// Magic, number and checksum.
const SLOT_BYTES: usize = 16;

/// The open register.
pub(super) struct Register {
    file: Box<dyn DiskUpdate>,
    sequence: u64,
    /// The slot that the newest number is not in.
    next_slot: u64,
}

impl Register {
    /// Makes the register of a new log.
    pub(super) fn create(disk: &Arc<dyn Disk>) -> Result<(), LogError> {
        let mut bytes = slot(0).to_vec();
        bytes.resize(usize::try_from(2 * SECTOR_BYTES).unwrap_or_default(), 0);
        Ok(durable_replace(disk, PATH, &bytes)?)
    }

    /// Opens the register.
    pub(super) fn open(disk: &dyn Disk) -> Result<Self, LogError> {
        let file = disk.open_update(PATH)?;
        let slots = [(read(file.as_ref(), 0)?, 0), (read(file.as_ref(), 1)?, 1)];
        let newest = slots.into_iter().filter_map(|(sequence, slot)| Some((sequence?, slot))).max();
        let lost = LogError::Damaged { segment: 0, offset: 0, what: Damage::RegisterLost };
        let (sequence, slot) = newest.ok_or(lost)?;
        Ok(Self { file, sequence, next_slot: 1 - slot })
    }

    /// The newest number that was noted.
    pub(super) const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Notes that the frame of this number is durable.
    pub(super) fn raise(&mut self, sequence: u64) -> Result<(), LogError> {
        if sequence > self.sequence { self.renew(sequence) } else { Ok(()) }
    }

    /// Writes the number, or the one that was read if that is higher, whether it is new or not: what was read may be what
    /// the system shows and has given up.
    pub(super) fn renew(&mut self, sequence: u64) -> Result<(), LogError> {
        let sequence = sequence.max(self.sequence);
        self.file.write_at(self.next_slot * SECTOR_BYTES, &slot(sequence))?;
        self.file.sync_data()?;
        self.sequence = sequence;
        self.next_slot = 1 - self.next_slot;
        Ok(())
    }
}

fn slot(sequence: u64) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    let (content, crc) = bytes.split_at_mut(12);
    let (magic, number) = content.split_at_mut(4);
    magic.copy_from_slice(&MAGIC);
    number.copy_from_slice(&sequence.to_be_bytes());
    crc.copy_from_slice(&crc32c::crc32c(content).to_be_bytes());
    bytes
}

/// The number in a slot, if one is there.
fn read(file: &dyn DiskUpdate, number: u64) -> Result<Option<u64>, LogError> {
    let mut bytes = [0; SLOT_BYTES];
    file.read_at(number * SECTOR_BYTES, &mut bytes)?;
    let (_, rest) = bytes.split_at(MAGIC.len());
    let sequence = rest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
    Ok(sequence.filter(|sequence| slot(*sequence) == bytes))
}
