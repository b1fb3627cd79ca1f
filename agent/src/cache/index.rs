//! The index: one value per leaf and inner node of the newest committed trees, in `sled`.
//!
//! Keys are class id, level, first key, so that a class's leaves are read in key order. An update of a class that was
//! compared is staged and applied after the commit; a crash in between makes the next snapshot a full store. A class that
//! is stored whole is written directly: what the index held of it was of no use.
//!
//! Never an authority: whoever reads it recomputes the class root first.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use strongroom_core::codec::{Malformed, Reader, put_bytes, put_varint};
use strongroom_core::id::{ClassId, SnapshotRoot};
use strongroom_platform::disk::{DiskError, DiskFile, DiskRead};

use super::entry::{LeafEntry, NodeEntry};

/// Memory that sled may use for its pages.
const CACHE_BYTES: u64 = 16 << 20;

/// How often, and how long each time, a lock is waited for that this process is giving back: ten seconds at most.
const LOCK_TRIES: u32 = 1000;
const LOCK_WAIT: Duration = Duration::from_millis(10);

/// Bytes that one batch holds.
const BATCH_BYTES: usize = 1 << 20;

/// Bytes of a staged update that are read at a time.
const STAGE_BYTES: usize = 4 << 20;

const META: &[u8] = b"meta";
const DESCRIBES: &[u8] = b"describes";

/// An index that can't be used. The remedy is always to do without.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// sled failed.
    #[error("the index can't be read or written")]
    Store(#[source] sled::Error),
    /// The file of a staged update failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A value does not follow its format.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl From<sled::Error> for IndexError {
    fn from(error: sled::Error) -> Self {
        Self::Store(error)
    }
}

/// The index of one source.
pub struct Index {
    db: sled::Db,
    path: PathBuf,
}

impl Index {
    /// Opens the index, making it where there is none. One that is damaged is removed and made anew.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let db = match open_db(path) {
            Ok(db) => db,
            Err(sled::Error::Corruption { .. } | sled::Error::Unsupported(_) | sled::Error::ReportableBug(_)) => {
                std::fs::remove_dir_all(path).map_err(sled::Error::from)?;
                open_db(path)?
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Self { db, path: path.to_owned() })
    }

    /// A further table beside the index.
    pub(super) fn tree(&self, name: &[u8]) -> Result<sled::Tree, sled::Error> {
        self.db.open_tree(name)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The snapshot root that the index says it describes.
    pub fn describes(&self) -> Result<Option<SnapshotRoot>, IndexError> {
        let Some(bytes) = self.db.open_tree(META)?.get(DESCRIBES)? else { return Ok(None) };
        Ok(bytes.as_ref().try_into().ok().map(SnapshotRoot))
    }

    /// States which snapshot the index describes, once that is committed and all updates are applied.
    pub fn describe(&self, root: &SnapshotRoot) -> Result<(), IndexError> {
        self.db.open_tree(META)?.insert(DESCRIBES, root.as_bytes())?;
        self.db.flush()?;
        Ok(())
    }

    /// States that the index describes nothing: before anything is written directly.
    pub fn describe_nothing(&self) -> Result<(), IndexError> {
        self.db.open_tree(META)?.remove(DESCRIBES)?;
        self.db.flush()?;
        Ok(())
    }

    /// The part of the index that one class has.
    pub fn class(&self, class: ClassId) -> ClassIndex<'_> {
        ClassIndex { db: &self.db, class }
    }

    /// Applies a staged update that lies on a disk. Doing so twice does no harm.
    pub fn apply(&self, staged: &dyn DiskRead) -> Result<(), IndexError> {
        let len = staged.len()?;
        let (mut at, mut waiting) = (0, Vec::new());
        while at < len || !waiting.is_empty() {
            let take = (len - at).min(STAGE_BYTES as u64);
            let start = waiting.len();
            waiting.resize(start + usize::try_from(take).unwrap_or(STAGE_BYTES), 0);
            staged.read_at(at, waiting.get_mut(start..).unwrap_or_default())?;
            at += take;
            let used = self.apply_some(&waiting)?;
            if used == 0 && at >= len {
                return Err(Malformed::new("staged index update").into());
            }
            waiting.drain(..used);
        }
        Ok(())
    }

    /// Applies the changes that lie whole in `bytes` and says how many bytes they took.
    fn apply_some(&self, bytes: &[u8]) -> Result<usize, IndexError> {
        let mut batch = sled::Batch::default();
        let mut reader = Reader::new(bytes, "staged index update");
        let mut used = 0;
        while let (Ok(key), Ok(value)) = (reader.bytes(), reader.bytes()) {
            if value.is_empty() {
                batch.remove(key);
            } else {
                batch.insert(key, value);
            }
            used = bytes.len() - reader.remaining();
        }
        self.db.apply_batch(batch)?;
        Ok(used)
    }
}

/// Opens the database. sled gives its file lock back on a thread of its own some time after it was dropped, so an index
/// that this process used a moment ago is waited for. Another process can't have it: the caller holds the source's lock.
fn open_db(path: &Path) -> Result<sled::Db, sled::Error> {
    for _ in 0..LOCK_TRIES {
        match sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None).open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                let _ = crossbeam_channel::never::<()>().recv_timeout(LOCK_WAIT);
            }
            opened => return opened,
        }
    }
    sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None).open()
}

/// The index of one class.
#[derive(Clone, Copy)]
pub struct ClassIndex<'a> {
    db: &'a sled::Db,
    class: ClassId,
}

impl<'a> ClassIndex<'a> {
    /// Walks the leaves in key order.
    pub fn leaves(self) -> impl Iterator<Item = Result<LeafEntry, IndexError>> + 'a {
        self.db.scan_prefix(self.prefix(0)).map(|item| Ok(LeafEntry::decode(&item?.1)?))
    }

    /// All inner nodes with level and first key.
    pub fn nodes(&self) -> Result<Vec<(u8, Vec<u8>, NodeEntry)>, IndexError> {
        let mut nodes = Vec::new();
        for item in self.db.range(self.prefix(1)..self.prefix(u8::MAX)) {
            let (key, value) = item?;
            let (level, first_key) = key.get(16..).and_then(|rest| rest.split_first()).unwrap_or((&0, &[]));
            nodes.push((*level, first_key.to_vec(), NodeEntry::decode(&value)?));
        }
        Ok(nodes)
    }

    /// Removes all that is known of the class.
    pub fn clear(&self) -> Result<(), IndexError> {
        let mut batch = sled::Batch::default();
        let mut waiting = 0;
        for key in self.db.scan_prefix(self.class.as_bytes()).keys() {
            batch.remove(key?);
            waiting += 1;
            if waiting == 1000 {
                self.db.apply_batch(std::mem::take(&mut batch))?;
                waiting = 0;
            }
        }
        self.db.apply_batch(batch)?;
        Ok(())
    }

    fn prefix(&self, level: u8) -> Vec<u8> {
        let mut prefix = self.class.as_bytes().to_vec();
        prefix.push(level);
        prefix
    }
}

/// Writes of one class: directly, or staged until the snapshot is committed.
pub struct ClassWriter<'a> {
    class: ClassId,
    to: Destination<'a>,
}

enum Destination<'a> {
    Direct { db: &'a sled::Db, batch: sled::Batch, waiting: usize },
    Staged { update: &'a IndexUpdate, bytes: Vec<u8> },
    Nowhere,
}

/// Changes of the index that wait for the commit, in a file.
pub struct IndexUpdate {
    file: Mutex<Box<dyn DiskFile>>,
    is_void: AtomicBool,
}

impl IndexUpdate {
    /// An update that is collected in a new file.
    pub const fn new(file: Box<dyn DiskFile>) -> Self {
        Self { file: Mutex::new(file), is_void: AtomicBool::new(false) }
    }

    /// Something in the update must not be applied, so none of it may.
    pub fn void(&self) {
        self.is_void.store(true, Ordering::Relaxed);
    }

    /// Whether the update must not be applied.
    pub fn is_void(&self) -> bool {
        self.is_void.load(Ordering::Relaxed)
    }

    fn write(&self, bytes: &[u8]) -> Result<(), IndexError> {
        Ok(self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes)?)
    }
}

impl<'a> ClassWriter<'a> {
    /// Writes into the index at once.
    pub fn direct(index: &'a Index, class: ClassId) -> Self {
        Self { class, to: Destination::Direct { db: &index.db, batch: sled::Batch::default(), waiting: 0 } }
    }

    /// Writes into an update.
    pub const fn staged(update: &'a IndexUpdate, class: ClassId) -> Self {
        Self { class, to: Destination::Staged { update, bytes: Vec::new() } }
    }

    /// Writes nothing: for captures that are compared only.
    pub const fn nowhere(class: ClassId) -> Self {
        Self { class, to: Destination::Nowhere }
    }

    /// Remembers a part.
    pub fn put(&mut self, level: u8, first_key: &[u8], value: &[u8]) -> Result<(), IndexError> {
        let key = self.key(level, first_key);
        match &mut self.to {
            Destination::Direct { db, batch, waiting } => {
                *waiting += key.len() + value.len();
                batch.insert(key, value);
                if *waiting > BATCH_BYTES {
                    db.apply_batch(std::mem::take(batch))?;
                    *waiting = 0;
                }
            }
            Destination::Staged { update, bytes } => {
                put_bytes(bytes, &key);
                put_bytes(bytes, value);
                if bytes.len() > BATCH_BYTES {
                    update.write(bytes)?;
                    bytes.clear();
                }
            }
            Destination::Nowhere => {}
        }
        Ok(())
    }

    /// Forgets a part.
    pub fn remove(&mut self, level: u8, first_key: &[u8]) {
        let key = self.key(level, first_key);
        match &mut self.to {
            Destination::Direct { batch, .. } => batch.remove(key),
            Destination::Staged { bytes, .. } => {
                put_bytes(bytes, &key);
                put_varint(bytes, 0);
            }
            Destination::Nowhere => {}
        }
    }

    /// Ends the writing.
    pub fn finish(self) -> Result<(), IndexError> {
        match self.to {
            Destination::Direct { db, batch, .. } => db.apply_batch(batch)?,
            Destination::Staged { update, bytes } => update.write(&bytes)?,
            Destination::Nowhere => {}
        }
        Ok(())
    }

    fn key(&self, level: u8, first_key: &[u8]) -> Vec<u8> {
        let mut key = Vec::with_capacity(17 + first_key.len());
        key.extend_from_slice(self.class.as_bytes());
        key.push(level);
        key.extend_from_slice(first_key);
        key
    }
}
