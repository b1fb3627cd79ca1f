//! The files of the log, and the one that is made ready before it is needed.
//!
//! Owns their names and their making. A segment has its name only when all of its zeros are durable.

use std::sync::Arc;

use strongroom_platform::disk::{Disk, DiskError, DurableFile};

use super::{DIR, LogError};

/// Zeros that are written at once, so that preparing a segment never holds up a turn for long.
const ZEROS_BYTES: usize = 512 * 1024;

/// The path of a segment.
pub(super) fn path(number: u64) -> String {
    format!("{DIR}/{number:016x}.seg")
}

/// The numbers of the segments that are there, in order.
pub(super) fn list(disk: &dyn Disk) -> Result<Vec<u64>, LogError> {
    let entries = disk.list(DIR)?;
    let numbers = entries.iter().filter_map(|entry| {
        let digits = entry.name.strip_suffix(".seg").filter(|digits| digits.len() == 16)?;
        u64::from_str_radix(digits, 16).ok()
    });
    Ok(numbers.collect())
}

/// Gives a segment its name anew, durably. A crash in between leaves a temporary file, and so no segment of this number.
pub(super) fn name_again(disk: &dyn Disk, number: u64) -> Result<(), LogError> {
    let (path, aside) = (path(number), format!("{DIR}/.{number:016x}.seg.aside.tmp"));
    disk.rename_no_replace(&path, &aside)?;
    disk.rename_no_replace(&aside, &path)?;
    Ok(disk.sync_dir(DIR)?)
}

/// Makes a segment that begins with `start`, durably.
pub(super) fn create(disk: &Arc<dyn Disk>, number: u64, len: u64, start: &[u8]) -> Result<(), LogError> {
    let mut file = DurableFile::create(disk, &path(number))?;
    file.write_all(start)?;
    fill(&mut file, len)?;
    Ok(file.commit()?)
}

fn fill(file: &mut DurableFile, len: u64) -> Result<(), DiskError> {
    while file.len() < len {
        write_zeros(file, len)?;
    }
    Ok(())
}

fn write_zeros(file: &mut DurableFile, len: u64) -> Result<(), DiskError> {
    static ZEROS: [u8; ZEROS_BYTES] = [0; ZEROS_BYTES];
    let missing = usize::try_from(len.saturating_sub(file.len())).unwrap_or(usize::MAX);
    file.write_all(ZEROS.get(..missing.min(ZEROS_BYTES)).unwrap_or(&ZEROS))
}

/// The next segment, on its way.
#[derive(Default)]
pub(super) struct Spare {
    stage: Stage,
    /// The disk was full when it was tried last, and it has not been made since.
    is_full: bool,
}

#[derive(Default)]
enum Stage {
    #[default]
    None,
    /// Some of its zeros are written.
    Growing(DurableFile),
    /// It has its name, and this length.
    Ready(u64),
}

impl Spare {
    /// A segment that is there already.
    pub(super) fn ready(len: u64) -> Self {
        Self { stage: Stage::Ready(len), is_full: false }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.is_full
    }

    /// Writes a part of the segment; on a full disk it is given up until the next call.
    pub(super) fn advance(&mut self, disk: &Arc<dyn Disk>, number: u64, len: u64) -> Result<(), LogError> {
        match self.grow(disk, number, len) {
            Err(DiskError::NoSpace { .. }) => {
                self.stage = Stage::None;
                self.is_full = true;
                Ok(())
            }
            grown => Ok(grown?),
        }
    }

    /// Makes the segment now, at least `len` bytes long, and takes it.
    pub(super) fn finish(&mut self, disk: &Arc<dyn Disk>, number: u64, len: u64) -> Result<(), LogError> {
        match std::mem::take(&mut self.stage) {
            Stage::Ready(ready) if ready >= len => return Ok(()),
            Stage::Ready(_) => disk.remove(&path(number))?,
            Stage::None | Stage::Growing(_) => {}
        }
        create(disk, number, len, &[])?;
        self.is_full = false;
        Ok(())
    }

    fn grow(&mut self, disk: &Arc<dyn Disk>, number: u64, len: u64) -> Result<(), DiskError> {
        self.stage = match std::mem::take(&mut self.stage) {
            Stage::None => Stage::Growing(DurableFile::create(disk, &path(number))?),
            Stage::Growing(mut file) if file.len() < len => {
                write_zeros(&mut file, len)?;
                Stage::Growing(file)
            }
            Stage::Growing(file) => {
                file.commit()?;
                self.is_full = false;
                Stage::Ready(len)
            }
            Stage::Ready(len) => Stage::Ready(len),
        };
        Ok(())
    }
}
