//! The index: which pack, frame and slot an object may lie in.
//!
//! Derived from the packs' sealed directories and disposable: it lies outside the depot's folder, is told of a pack when
//! it lands ([`Index::add`]) and catches up with the depot whenever the lists of packs differ ([`Index::catch_up`]). A
//! file that can't be used is thrown away and built anew. It keeps each pack's header, so that opening a frame needs one
//! read and no more.
//!
//! ```text
//!   objects   hint (6) · pack number (4) · ordinal (4)  → kind
//!   frames    pack number · first ordinal               → frame number, offset, lengths, objects
//!   packs     pack id                                   → pack number, size, header
//! ```
//!
//! Hints are short: several objects may share one, so every answer is a list of candidates, and the reader checks the
//! full id.

mod catch_up;
mod tables;
#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use redb::backends::InMemoryBackend;
use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageError, TableError};
use strongroom_core::error::Code;
use strongroom_core::frame::ObjectKind;
use strongroom_core::id::{ObjectId, PackId};
use strongroom_core::limits::PART_PLACES_MAX;
use strongroom_core::pack::{Directory, PackError, PackHeader, SealedPack};

use crate::backend::{BackendError, StoredPack};
use tables::{FRAMES, META, NUMBERS, OBJECTS, PACKS, object_key};

pub use catch_up::CaughtUp;

const VERSION: u64 = 1;
/// Memory for redb's own cache.
const CACHE_BYTES: usize = 16 << 20;

/// The index can't be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Another process has the index open.
    #[error("another process uses the depot's index {}", path.display())]
    Busy {
        /// The index file.
        path: PathBuf,
    },
    /// The file is no index, or one of another version; it can be thrown away.
    #[error("the depot's index is of no use and must be built anew")]
    Unusable,
    /// The database failed.
    #[error("the depot's index failed")]
    Database(#[source] Box<redb::Error>),
    /// The unusable file can't be removed.
    #[error("the depot's index {} can't be removed", path.display())]
    Remove {
        /// The index file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// More packs than numbers for them.
    #[error("the depot's index can't hold more packs")]
    Full,
    /// The depot can't be read.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A pack's header in the index can't be parsed.
    #[error(transparent)]
    Pack(#[from] PackError),
}

impl IndexError {
    /// The stable code of the error.
    pub const fn code(&self) -> Code {
        match self {
            Self::Busy { .. } => Code::Busy,
            Self::Unusable | Self::Full => Code::Internal,
            Self::Database(_) | Self::Remove { .. } => Code::VolumeFailed,
            Self::Backend(error) => error.code(),
            Self::Pack(error) => error.code(),
        }
    }

    fn database(error: impl Into<redb::Error>) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

/// A place where an object may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// The pack.
    pub pack: PackId,
    /// The frame's number in the pack.
    pub frame: u32,
    /// The object's slot in the frame.
    pub slot: u32,
    /// The form of the object.
    pub kind: ObjectKind,
    /// The frame's offset in the file.
    pub offset: u64,
    /// The frame's length in the file.
    pub sealed_len: u32,
}

/// A depot's index. Usable from several threads.
pub struct Index {
    database: Database,
}

impl Index {
    /// Opens the index at a path, or makes an empty one; throws away a file that can't be used.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let open = || {
            let database = builder.create(path).map_err(|error| unusable_or_failed(error, path))?;
            Self::new(database)
        };
        match open() {
            Err(IndexError::Unusable) => {
                Self::discard(path)?;
                open()
            }
            opened => opened,
        }
    }

    /// Removes the file of an index that turned out to be of no use ([`IndexError::Unusable`]); the next one starts
    /// empty and catches up.
    pub fn discard(path: &Path) -> Result<(), IndexError> {
        std::fs::remove_file(path).map_err(|source| IndexError::Remove { path: path.into(), source })
    }

    /// An index that is gone when it is dropped, for a single command and for tests.
    pub fn in_memory() -> Result<Self, IndexError> {
        let database = Database::builder().create_with_backend(InMemoryBackend::new());
        Self::new(database.map_err(IndexError::database)?)
    }

    fn new(database: Database) -> Result<Self, IndexError> {
        let index = Self { database };
        match index.version()? {
            Some(VERSION) => return Ok(index),
            Some(_) => return Err(IndexError::Unusable),
            None => {}
        }
        let write = index.database.begin_write().map_err(IndexError::database)?;
        write.open_table(PACKS).map_err(IndexError::database)?;
        write.open_table(NUMBERS).map_err(IndexError::database)?;
        write.open_table(FRAMES).map_err(IndexError::database)?;
        write.open_table(OBJECTS).map_err(IndexError::database)?;
        let mut meta = write.open_table(META).map_err(IndexError::database)?;
        meta.insert("version", VERSION).map_err(IndexError::database)?;
        drop(meta);
        write.commit().map_err(IndexError::database)?;
        Ok(index)
    }

    /// The version that the file states; none if it is empty.
    fn version(&self) -> Result<Option<u64>, IndexError> {
        let read = self.database.begin_read().map_err(IndexError::database)?;
        let meta = match read.open_table(META) {
            Ok(meta) => meta,
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(_) => return Err(IndexError::Unusable),
        };
        let version = meta.get("version").map_err(IndexError::database)?.ok_or(IndexError::Unusable)?;
        Ok(Some(version.value()))
    }

    /// Enters a pack that has just been put.
    pub fn add(&self, pack: &SealedPack) -> Result<(), IndexError> {
        self.add_directory(&pack.header, pack.bytes, &pack.directory)
    }

    /// Enters a pack by its header and directory. A pack that is there already stays as it is.
    pub fn add_directory(&self, header: &PackHeader, bytes: u64, directory: &Directory) -> Result<(), IndexError> {
        let write = self.database.begin_write().map_err(IndexError::database)?;
        tables::insert(&write, header, bytes, directory)?;
        write.commit().map_err(IndexError::database)
    }

    /// The packs that the index knows, ascending.
    pub fn packs(&self) -> Result<Vec<StoredPack>, IndexError> {
        let read = self.database.begin_read().map_err(IndexError::database)?;
        let packs = read.open_table(PACKS).map_err(IndexError::database)?;
        let mut known = Vec::new();
        for entry in packs.iter().map_err(IndexError::database)? {
            let (pack, value) = entry.map_err(IndexError::database)?;
            known.push(StoredPack { pack: PackId(*pack.value()), bytes: value.value().1 });
        }
        Ok(known)
    }

    /// A pack's header.
    pub fn header(&self, pack: PackId) -> Result<Option<PackHeader>, IndexError> {
        let read = self.database.begin_read().map_err(IndexError::database)?;
        let packs = read.open_table(PACKS).map_err(IndexError::database)?;
        let found = packs.get(&pack.0).map_err(IndexError::database)?;
        Ok(found.map(|value| PackHeader::parse(value.value().2)).transpose()?)
    }

    /// The places in the packs that are wanted where an object may lie, that of the youngest entry first; at most
    /// [`PART_PLACES_MAX`]. Kinds that can't be the id's are left out.
    pub fn locate(&self, id: &ObjectId, is_wanted: &dyn Fn(PackId) -> bool) -> Result<Vec<Location>, IndexError> {
        let hint = id.hint();
        let read = self.database.begin_read().map_err(IndexError::database)?;
        let objects = read.open_table(OBJECTS).map_err(IndexError::database)?;
        let frames = read.open_table(FRAMES).map_err(IndexError::database)?;
        let numbers = read.open_table(NUMBERS).map_err(IndexError::database)?;
        let (first, last) = (object_key(hint, 0, 0), object_key(hint, u32::MAX, u32::MAX));
        let mut found = Vec::new();
        for entry in objects.range::<&[u8; 14]>(&first..=&last).map_err(IndexError::database)?.rev() {
            let (key, kind) = entry.map_err(IndexError::database)?;
            let (number, ordinal) = tables::split_key(key.value());
            let kind = ObjectKind::from_byte(kind.value()).map_err(|_| IndexError::Unusable)?;
            let pack = numbers.get(number).map_err(IndexError::database)?.ok_or(IndexError::Unusable)?;
            let pack = PackId(*pack.value());
            if !kind.fits(id) || !is_wanted(pack) {
                continue;
            }
            if found.len() == PART_PLACES_MAX {
                break;
            }
            let frame = frames.range((number, 0)..=(number, ordinal)).map_err(IndexError::database)?.next_back();
            let (frame_key, frame) = frame.ok_or(IndexError::Unusable)?.map_err(IndexError::database)?;
            let (frame, offset, sealed_len) = frame.value();
            let slot = ordinal - frame_key.value().1;
            found.push(Location { pack, frame, slot, kind, offset, sealed_len });
        }
        Ok(found)
    }
}

/// A file that is no database, or a broken one, can go; one that can't be read now must stay.
fn unusable_or_failed(error: DatabaseError, path: &Path) -> IndexError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => IndexError::Busy { path: path.into() },
        DatabaseError::Storage(StorageError::Io(source))
            if !matches!(source.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
        {
            IndexError::database(StorageError::Io(source))
        }
        _ => IndexError::Unusable,
    }
}
