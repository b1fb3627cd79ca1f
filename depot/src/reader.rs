//! Reading objects by their ids.
//!
//! ```text
//!   id ──Index::locate──► candidates ──(one depot read each)──► frame ──► object ──caller checks──► fact
//!                                          ▲          │
//!                                          └── cache ◄┘   opened frames, bounded by bytes
//! ```
//!
//! A hint is not an id: the caller recomputes the full id of what it is given, and takes the next candidate if it
//! differs. One [`Reader`] serves any number of threads; no lock is held while the depot is read or a frame is opened.

mod cache;
mod pack_file;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use strongroom_core::error::Code;
use strongroom_core::frame::{Decompressor, Frame, Object, ObjectKind};
use strongroom_core::id::{ObjectId, PackId};
use strongroom_core::pack::{PackError, PackHeader, PackReader};
use strongroom_core::seal::OpensDataKeys;

use crate::backend::{Backend, BackendError};
use crate::index::{Index, IndexError, Location};
use cache::FrameCache;

pub use pack_file::{PackFile, PackFileError};

/// Memory for opened frames, unless the caller says otherwise.
pub const CACHE_BYTES_DEFAULT: usize = 16 << 20;

/// Packs whose data key is kept unwrapped. Unwrapping costs a tenth of a millisecond, a cipher a kilobyte.
const OPEN_PACKS_MAX: usize = 4096;

/// Contexts for decompression that are kept for the next reader: about one a thread.
const DECOMPRESSORS_MAX: usize = 16;

/// Keys that several threads may use.
pub type SharedKeys = Arc<dyn OpensDataKeys + Send + Sync>;

/// An object can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No pack of the depot holds it, as far as the index knows.
    #[error("object {id} is not in this depot")]
    NotFound {
        /// The object asked for.
        id: ObjectId,
    },
    /// What lies under its hint is something else.
    #[error("none of {candidates} candidates is object {id}")]
    NoneFits {
        /// The object asked for.
        id: ObjectId,
        /// How many were tried.
        candidates: usize,
    },
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The depot failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A pack is damaged or sealed under another key.
    #[error("pack {pack} can't be read")]
    Pack {
        /// The pack.
        pack: PackId,
        /// What is wrong with it.
        #[source]
        source: PackError,
    },
}

impl ReadError {
    /// The stable code of the error.
    pub const fn code(&self) -> Code {
        match self {
            Self::NotFound { .. } | Self::NoneFits { .. } => Code::Damaged,
            Self::Index(error) => error.code(),
            Self::Backend(error) => error.code(),
            Self::Pack { source, .. } => source.code(),
        }
    }
}

/// An object in a frame that is open.
#[derive(Clone, Debug)]
pub struct StoredObject {
    frame: Arc<Frame>,
    location: Location,
}

impl StoredObject {
    /// Form and body.
    pub fn object(&self) -> Option<Object<'_>> {
        self.frame.object(self.location.slot)
    }

    /// The frame, to be kept for as long as the object is looked at.
    pub const fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }

    /// Where it lies.
    pub const fn location(&self) -> &Location {
        &self.location
    }
}

/// Reads objects of one depot.
pub struct Reader {
    backend: Arc<dyn Backend>,
    index: Arc<Index>,
    keys: SharedKeys,
    cache: Mutex<FrameCache>,
    packs: Mutex<BTreeMap<PackId, Arc<PackReader>>>,
    decompressors: Mutex<Vec<Decompressor>>,
}

impl Reader {
    /// A reader that keeps at most `cache_bytes` of opened frames.
    pub fn new(backend: Arc<dyn Backend>, index: Arc<Index>, keys: SharedKeys, cache_bytes: usize) -> Self {
        Self {
            backend,
            index,
            keys,
            cache: Mutex::new(FrameCache::new(cache_bytes)),
            packs: Mutex::default(),
            decompressors: Mutex::default(),
        }
    }

    /// The depot's files, to ask how often they were read.
    pub const fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// The places in the packs that are wanted where an object may lie: whole forms first, then those that need no
    /// read, then the youngest.
    pub fn locate(&self, id: &ObjectId, is_wanted: &dyn Fn(PackId) -> bool) -> Result<Vec<Location>, ReadError> {
        let mut found = self.index.locate(id, is_wanted)?;
        if found.len() > 1 {
            let cache = lock(&self.cache);
            let is_delta = |kind| matches!(kind, ObjectKind::DeltaLeaf | ObjectKind::DeltaNode);
            found.sort_by_key(|location| (is_delta(location.kind), !cache.contains(location.pack, location.frame)));
        }
        Ok(found)
    }

    /// Opens the frame of a location, or takes it from the cache.
    pub fn load(&self, location: &Location) -> Result<StoredObject, ReadError> {
        let frame = self.frame(location)?;
        let kind = frame.object(location.slot).map(|object| object.kind);
        if kind != Some(location.kind) {
            let source = PackError::Damaged { what: "frame and footer differ" };
            return Err(ReadError::Pack { pack: location.pack, source });
        }
        Ok(StoredObject { frame, location: *location })
    }

    /// Gives candidates to `check` until it takes one.
    ///
    /// `check` recomputes the full id and gives nothing if it differs. A candidate that can't be read does not keep the
    /// next one from being tried; its error is given if none was taken.
    pub fn fetch<T>(&self, id: &ObjectId, mut check: impl FnMut(&StoredObject) -> Option<T>) -> Result<T, ReadError> {
        let candidates = self.locate(id, &|_| true)?;
        let mut first_error = None;
        for location in &candidates {
            match self.load(location) {
                Ok(object) => {
                    if let Some(taken) = check(&object) {
                        return Ok(taken);
                    }
                }
                Err(error) => drop(first_error.get_or_insert(error)),
            }
        }
        Err(match (first_error, candidates.len()) {
            (Some(error), _) => error,
            (None, 0) => ReadError::NotFound { id: *id },
            (None, candidates) => ReadError::NoneFits { id: *id, candidates },
        })
    }

    fn frame(&self, location: &Location) -> Result<Arc<Frame>, ReadError> {
        let Location { pack, frame: number, offset, sealed_len, .. } = *location;
        if let Some(frame) = lock(&self.cache).get(pack, number) {
            return Ok(frame);
        }
        let reader = self.pack_reader(pack)?;
        let sealed = self.backend.read_pack(pack, offset, sealed_len as usize)?;
        let frame = self.with_decompressor(|decompressor| reader.open_frame(number, sealed, decompressor));
        let frame = Arc::new(frame.map_err(|source| ReadError::Pack { pack, source })?);
        lock(&self.cache).insert(pack, number, Arc::clone(&frame));
        Ok(frame)
    }

    /// The cipher of a pack, unwrapped once; needs a read only if the index does not know the header.
    fn pack_reader(&self, pack: PackId) -> Result<Arc<PackReader>, ReadError> {
        if let Some(reader) = lock(&self.packs).get(&pack) {
            return Ok(Arc::clone(reader));
        }
        let damaged = |source| ReadError::Pack { pack, source };
        let header = if let Some(header) = self.index.header(pack)? {
            header
        } else {
            let source = self.backend.open_pack(pack)?;
            let len = source.bytes()?.min(PackHeader::LEN_MAX as u64);
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(PackHeader::LEN_MAX)];
            source.read_at(0, &mut bytes)?;
            PackHeader::parse(&bytes).map_err(damaged)?
        };
        if header.identity.pack != pack {
            return Err(damaged(PackError::Damaged { what: "the file's name is not the pack's id" }));
        }
        let reader = Arc::new(header.open(self.keys.as_ref()).map_err(damaged)?);
        let mut packs = lock(&self.packs);
        if packs.len() >= OPEN_PACKS_MAX {
            packs.clear();
        }
        packs.insert(pack, Arc::clone(&reader));
        Ok(reader)
    }

    fn with_decompressor<T>(
        &self,
        work: impl FnOnce(&mut Decompressor) -> Result<T, PackError>,
    ) -> Result<T, PackError> {
        let pooled = lock(&self.decompressors).pop();
        let mut decompressor = pooled.map_or_else(Decompressor::new, Ok).map_err(PackError::Compression)?;
        let done = work(&mut decompressor);
        let mut pool = lock(&self.decompressors);
        if pool.len() < DECOMPRESSORS_MAX {
            pool.push(decompressor);
        }
        done
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
