//! Spilled runs: sorted rows that do not fit in memory, on the host's spool.
//!
//! A spill holds the source's records in the clear form, so it is sealed under a key that exists only in this process,
//! in blocks, and its file is removed when the run is dropped. A spill that is left behind after a crash can't be read
//! by anybody, and is removed at the next start.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use strongroom_core::codec::Malformed;
use strongroom_core::entropy::Entropy;
use strongroom_core::seal::{ScratchKey, ScratchKeyError, SealError};
use strongroom_platform::disk::{Disk, DiskError, DiskFile, DiskRead};

/// Memory that a capture may sort in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolMemory {
    /// Rows that one lane holds before they become a run.
    pub buffer_bytes: usize,
    /// Runs of all classes that may stay in memory.
    pub kept_bytes: usize,
}

impl SpoolMemory {
    /// What a capture has unless somebody says otherwise.
    pub const USUAL: Self = Self { buffer_bytes: 20 << 20, kept_bytes: 16 << 20 };
}

/// Plaintext of one block.
const BLOCK_BYTES: usize = 256 * 1024;

/// A spill that failed.
#[derive(Debug, thiserror::Error)]
pub enum SpillError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A block can't be sealed, or does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No key could be made.
    #[error(transparent)]
    Key(#[from] ScratchKeyError),
    /// Rows do not follow their form.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Where spills of one capture go.
pub struct Spool {
    disk: Arc<dyn Disk>,
    dir: String,
    key: ScratchKey,
    names: AtomicU64,
    token: String,
    kept: AtomicUsize,
    memory: SpoolMemory,
}

impl Spool {
    /// A spool in a folder, under a key drawn now.
    pub fn new(disk: Arc<dyn Disk>, dir: &str, entropy: &dyn Entropy) -> Result<Self, SpillError> {
        disk.create_dir_all(dir)?;
        let token: [u8; 8] = strongroom_core::entropy::random_array(entropy).map_err(ScratchKeyError::from)?;
        let token = format!("{:016x}", u64::from_be_bytes(token));
        Ok(Self {
            disk,
            dir: dir.to_owned(),
            key: ScratchKey::generate(entropy)?,
            names: AtomicU64::new(0),
            token,
            kept: AtomicUsize::new(0),
            memory: SpoolMemory::USUAL,
        })
    }

    /// The spool with more or less memory: with little of it, small classes are spilled as large ones are.
    #[must_use]
    pub fn with_memory(self, memory: SpoolMemory) -> Self {
        Self { memory, ..self }
    }

    /// Rows that one lane holds before they become a run.
    pub(super) const fn buffer_bytes(&self) -> usize {
        self.memory.buffer_bytes
    }

    /// Asks for memory for a run that need not be spilled.
    pub(super) fn keep(&self, bytes: usize) -> bool {
        let fits = |kept: usize| kept.checked_add(bytes).filter(|sum| *sum <= self.memory.kept_bytes);
        self.kept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    /// Gives memory back that [`Self::keep`] gave.
    pub(super) fn release(&self, bytes: usize) {
        self.kept.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Removes what earlier processes left behind. Only for whoever holds the source's lock.
    pub fn remove_strays(disk: &dyn Disk, dir: &str) -> Result<(), DiskError> {
        if !disk.exists(dir)? {
            return Ok(());
        }
        for entry in disk.list(dir)? {
            if Path::new(&entry.name).extension().is_some_and(|it| it == "spill") {
                disk.remove(&format!("{dir}/{}", entry.name))?;
            }
        }
        Ok(())
    }

    pub(crate) fn create(self: &Arc<Self>) -> Result<SpillWriter, SpillError> {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        let path = format!("{}/{}-{number}.spill", self.dir, self.token);
        let file = self.disk.create_new(&path)?;
        let spill = Spill { spool: Arc::clone(self), path, blocks: Vec::new(), number };
        Ok(SpillWriter { spill, file, block: Vec::with_capacity(BLOCK_BYTES + 4096), sealed: Vec::new(), at: 0 })
    }
}

/// A spill under way.
pub(crate) struct SpillWriter {
    spill: Spill,
    file: Box<dyn DiskFile>,
    block: Vec<u8>,
    sealed: Vec<u8>,
    at: u64,
}

impl SpillWriter {
    /// Appends one row. Rows never straddle blocks.
    pub(crate) fn push(&mut self, row: &[u8]) -> Result<(), SpillError> {
        if !self.block.is_empty() && self.block.len() + row.len() > BLOCK_BYTES {
            self.flush()?;
        }
        self.block.extend_from_slice(row);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Spill, SpillError> {
        self.flush()?;
        Ok(self.spill)
    }

    fn flush(&mut self) -> Result<(), SpillError> {
        if self.block.is_empty() {
            return Ok(());
        }
        let number = self.spill.number << 32 | self.spill.blocks.len() as u64;
        self.sealed.clear();
        self.spill.spool.key.seal(number, &self.block, &mut self.sealed)?;
        self.file.write_all(&self.sealed)?;
        self.spill.blocks.push((self.at, self.sealed.len()));
        self.at += self.sealed.len() as u64;
        self.block.clear();
        Ok(())
    }
}

/// A sorted run on disk. Its file goes with it.
pub(crate) struct Spill {
    spool: Arc<Spool>,
    path: String,
    blocks: Vec<(u64, usize)>,
    number: u64,
}

impl Spill {
    /// The number of blocks.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    pub(crate) fn open(&self) -> Result<Box<dyn DiskRead>, SpillError> {
        Ok(self.spool.disk.open_read(&self.path)?)
    }

    /// Reads one block's rows into `block`.
    pub(crate) fn read(&self, file: &dyn DiskRead, at: usize, block: &mut Vec<u8>) -> Result<(), SpillError> {
        let (offset, len) = self.blocks.get(at).copied().ok_or(Malformed::new("spill"))?;
        block.clear();
        block.resize(len, 0);
        file.read_at(offset, block)?;
        let plain = self.spool.key.open(self.number << 32 | at as u64, block)?;
        block.truncate(plain);
        Ok(())
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        // What can't be removed now is unreadable once this process ends, and removed at the next start.
        let _ = self.spool.disk.remove(&self.path);
    }
}
