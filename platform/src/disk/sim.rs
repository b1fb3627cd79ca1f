//! A disk in memory that forgets what was not made durable.
//!
//! The twin of [`RealDisk`](super::RealDisk). It keeps two states: what the running process sees, and what a crash would
//! leave. A sync carries a file's bytes, or a folder's names, from the one to the other. [`SimDisk::crash`] draws from
//! the disk's seed what becomes of the rest, and is harsher than most file systems are:
//!
//! - bytes that were not synced are lost, kept, or torn: cut at any length, with sectors of 512 bytes that are as they
//!   were written, zero, or rubbish;
//! - of a file that is changed in place, each sector that was written since the last sync is as it was or as it was
//!   written, whatever becomes of its neighbours;
//! - of the changes to a folder's names since its last sync, any number of the first ones is kept, whatever becomes of
//!   other folders: a rename from one folder to another can leave both names, or neither;
//! - every file that was open answers [`DiskError::Killed`] from then on, and no lock is held any more.
//!
//! A system that gave up what it could not sync goes on showing it ([`Unsynced::Shown`]).
//!
//! A medium that fails is told to: bits that flip, sectors that are written elsewhere or never, syncs that are forgotten.
//! Apart from these, bytes that were synced, under names that were synced, always stay, and so do folders, which are made durable as they
//! are made.

mod content;
mod crash;
mod volume;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{DirEntry, Disk, DiskError, DiskFile, DiskLock, DiskRead, DiskUpdate};
use crate::rng::stream_of;
use content::Content;
use volume::{FileHandle, Volume};

pub use crash::Unsynced;

/// A simulated volume. Clones are handles to the same one; a handle goes on working after a crash, as a disk does.
#[derive(Debug, Clone)]
pub struct SimDisk {
    volume: Arc<Mutex<Volume>>,
}

impl SimDisk {
    /// An empty volume without end, whose crashes are a function of `seed`.
    pub fn from_seed(seed: u64) -> Self {
        Self { volume: Arc::new(Mutex::new(Volume::empty(stream_of(seed)))) }
    }

    /// Lets the volume hold `bytes` bytes of files and no more.
    pub fn set_capacity(&self, bytes: u64) {
        self.volume().set_capacity(bytes);
    }

    /// Cuts the power: what becomes of that which was not synced is drawn from the seed.
    pub fn crash(&self) {
        self.crash_with(Unsynced::BySeed);
    }

    /// Cuts the power, and says what becomes of that which was not synced.
    pub fn crash_with(&self, unsynced: Unsynced) {
        self.volume().crash(unsynced);
    }

    /// Turns one bit of a file over, as a failing medium does.
    pub fn flip_bit(&self, path: &str, bit: u64) -> Result<(), DiskError> {
        self.volume().flip_bit(path, bit)
    }

    /// Writes the content of one sector of a file over another one, as a device does that misses its place.
    pub fn misdirect(&self, path: &str, from: u64, to: u64) -> Result<(), DiskError> {
        self.volume().put_sector(path, Some(from), to)
    }

    /// Takes a sector of a file back to zeros, as a device does that confirmed a write and never made it.
    pub fn lose_write(&self, path: &str, sector: u64) -> Result<(), DiskError> {
        self.volume().put_sector(path, None, sector)
    }

    /// From now on until the next crash every sync says that it is done, and makes nothing durable.
    pub fn forget_syncs(&self) {
        self.volume().is_forgetful = true;
    }

    fn volume(&self) -> MutexGuard<'_, Volume> {
        lock(&self.volume)
    }

    fn open(&self, path: &str, file: FileHandle) -> OpenFile {
        let life = self.volume().life();
        OpenFile { volume: Arc::clone(&self.volume), path: path.to_owned(), file, life }
    }
}

impl Disk for SimDisk {
    fn create_new(&self, path: &str) -> Result<Box<dyn DiskFile>, DiskError> {
        let file = self.volume().create_new(path)?;
        Ok(Box::new(self.open(path, file)))
    }

    fn open_read(&self, path: &str) -> Result<Box<dyn DiskRead>, DiskError> {
        let file = self.volume().find_file(path)?;
        Ok(Box::new(self.open(path, file)))
    }

    fn open_update(&self, path: &str) -> Result<Box<dyn DiskUpdate>, DiskError> {
        let file = self.volume().find_file(path)?;
        Ok(Box::new(self.open(path, file)))
    }

    fn rename_no_replace(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.volume().rename(from, to, false)
    }

    fn rename_replace(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.volume().rename(from, to, true)
    }

    fn sync_dir(&self, dir: &str) -> Result<(), DiskError> {
        self.volume().sync_dir(dir)
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, DiskError> {
        self.volume().list(dir)
    }

    fn create_dir_all(&self, dir: &str) -> Result<(), DiskError> {
        self.volume().create_dir_all(dir)
    }

    fn remove(&self, path: &str) -> Result<(), DiskError> {
        self.volume().remove(path)
    }

    fn exists(&self, path: &str) -> Result<bool, DiskError> {
        self.volume().exists(path)
    }

    fn lock(&self, path: &str) -> Result<DiskLock, DiskError> {
        Ok(DiskLock::new(self.volume().lock(path)?))
    }

    fn free_space(&self) -> Result<u64, DiskError> {
        Ok(self.volume().free_space())
    }
}

/// A file that a simulated process has open, for as long as that process lives.
struct OpenFile {
    volume: Arc<Mutex<Volume>>,
    path: String,
    file: FileHandle,
    life: u64,
}

impl OpenFile {
    fn no_space(&self) -> DiskError {
        DiskError::NoSpace { path: self.path.clone().into() }
    }

    fn make_durable(&self) -> Result<(), DiskError> {
        let is_forgetful = lock(&self.volume).is_forgetful;
        self.with(|content, _| {
            if !is_forgetful {
                content.sync();
            }
        })
    }

    /// Runs `act` on the file and the bytes that are free, unless the process that opened the file is dead.
    fn with<T>(&self, act: impl FnOnce(&mut Content, u64) -> T) -> Result<T, DiskError> {
        let volume = lock(&self.volume);
        if volume.life() != self.life {
            return Err(DiskError::Killed);
        }
        let free = volume.free_space();
        Ok(act(&mut lock(&self.file), free))
    }
}

impl DiskFile for OpenFile {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        let fitted = self.with(|content, free| content.append(bytes, free))?;
        if fitted < bytes.len() { Err(self.no_space()) } else { Ok(()) }
    }

    fn sync(&mut self) -> Result<(), DiskError> {
        self.make_durable()
    }
}

impl DiskUpdate for OpenFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let fits = self.with(|content, free| content.write_at(offset, bytes, free))?;
        if fits { Ok(()) } else { Err(self.no_space()) }
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        let fits = self.with(|content, free| content.set_len(len, free))?;
        if fits { Ok(()) } else { Err(self.no_space()) }
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        self.make_durable()
    }
}

impl DiskRead for OpenFile {
    fn len(&self) -> Result<u64, DiskError> {
        self.with(|content, _| content.len())
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        if self.with(|content, _| content.read_at(offset, bytes))? {
            return Ok(());
        }
        let end = offset.saturating_add(bytes.len() as u64);
        Err(DiskError::UnexpectedEnd { path: self.path.clone().into(), end })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
