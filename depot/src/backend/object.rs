//! A depot in an object store: S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage.
//!
//! The names are those of the repository format, below a prefix. Nothing is renamed and nothing is deleted. What is
//! put once is put by a conditional create, so that of two writers one wins wherever they run; a keyring is replaced
//! only if it is still the one that was read. A put that the store has acknowledged is durable.
//!
//! ```text
//!   pack ≤ one part ──► create-only put ─────────────────────────────┐
//!   larger ──► begin ──► parts (bounded, in flight) ──► complete ────┴──► acknowledged, or already there: ours?
//!                └────────── dropped, failed ──► abort
//! ```
//!
//! The calls of this type wait; a runtime of its own does the work, so callers may live in any other.

mod bucket;
mod engine;
mod error;
mod extend;
mod location;
mod open;
mod remote;
mod s3;
#[cfg(test)]
mod tests;
mod upload;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::{PutMode, UpdateVersion};
use strongroom_core::id::{DomainId, PackId, SourceId};
use strongroom_platform::clock::Clock;

use super::layout::{
    self, FORMAT, FORMAT_BYTES_MAX, KEYRING_BYTES_MAX, MANIFEST_BYTES_MAX, MANIFESTS, PACKS, STATES, keyring_path,
    manifest_path, pack_path, state_path,
};
use super::{
    Backend, BackendError, Listing, PackSink, PackSource, Put, ReadCounter, StateName, StoredManifest, StoredPack,
    StoredState,
};
pub use bucket::{BucketLock, StoreFacts};
use engine::Engine;
pub use error::StoreError;
pub use location::{LocationError, ObjectLocation, Retention, RetentionMode, Service};
use remote::{Remote, Whole};
use s3::S3Bucket;
use upload::ObjectSink;

/// A [`Backend`] over an object store.
pub struct ObjectBackend {
    remote: Arc<Remote>,
    reads: Arc<ReadCounter>,
    /// Each domain's keyring as it was when it was first read, or last put, by this process.
    keyrings: Mutex<BTreeMap<DomainId, Seen>>,
    s3: Option<Arc<S3Bucket>>,
    retention: Option<Retention>,
}

#[derive(Clone)]
enum Seen {
    Nothing,
    Version(UpdateVersion),
}

impl ObjectBackend {
    /// Reaches for the place that a URL names. Nothing is asked of the store yet.
    pub fn open(location: &ObjectLocation, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let engine = Engine::start()?;
        let opened = open::open(location, clock)?;
        let prefix = location.prefix.clone();
        let remote = Remote { engine, store: opened.store, bucket: location.bucket.clone(), prefix };
        Ok(Self::new(remote, opened.s3, location.retention))
    }

    fn new(remote: Remote, s3: Option<Arc<S3Bucket>>, retention: Option<Retention>) -> Self {
        let reads = Arc::new(ReadCounter::default());
        Self { remote: Arc::new(remote), reads, keyrings: Mutex::default(), s3, retention }
    }

    /// Asks the store for what a depot relies upon. The depot has to be there.
    pub fn facts(&self) -> Result<StoreFacts, BackendError> {
        Ok(StoreFacts { conditional_puts: self.refuses_a_second_create()?, lock: self.bucket_lock()? })
    }

    /// The retention that packs and manifests are put with.
    pub const fn retention(&self) -> Option<Retention> {
        self.retention
    }

    /// A store that takes no notice of the condition puts the same bytes again, which harms nothing.
    fn refuses_a_second_create(&self) -> Result<bool, BackendError> {
        let format = self.remote.read_whole(FORMAT, FORMAT_BYTES_MAX)?;
        let format = format.ok_or_else(|| StoreError::Missing { path: FORMAT.to_owned() })?;
        match self.remote.put(FORMAT, &format.bytes, PutMode::Create) {
            Ok(_) => Ok(false),
            Err(StoreError::Exists { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn bucket_lock(&self) -> Result<BucketLock, BackendError> {
        let Some(s3) = &self.s3 else { return Ok(BucketLock::Unknown) };
        let s3 = Arc::clone(s3);
        Ok(self.remote.engine.run(async move { s3.lock().await })??)
    }

    fn read_counted(&self, path: &str, bytes_max: u64) -> Result<Option<Whole>, StoreError> {
        let found = self.remote.read_whole(path, bytes_max)?;
        if let Some(found) = &found {
            self.reads.count(found.bytes.len());
        }
        Ok(found)
    }

    /// Puts what must not be there yet. True if it was there with the same bytes: this, or a try before it that ended
    /// unknown, has put it.
    fn create(&self, path: &str, bytes: &[u8], bytes_max: u64) -> Result<bool, StoreError> {
        match self.remote.put(path, bytes, PutMode::Create) {
            Ok(_) => Ok(true),
            Err(StoreError::Exists { .. }) => {
                Ok(self.read_counted(path, bytes_max)?.is_some_and(|found| found.bytes == bytes))
            }
            Err(error) => Err(error),
        }
    }

    fn put(&self, put: Put, path: String) -> Result<Box<dyn PackSink>, BackendError> {
        if self.remote.size(&path)?.is_some() {
            return Err(put.taken());
        }
        Ok(Box::new(ObjectSink::new(Arc::clone(&self.remote), put, path)))
    }

    fn source(&self, path: String, absent: BackendError) -> Result<Box<dyn PackSource>, BackendError> {
        let bytes = self.remote.size(&path)?.ok_or(absent)?;
        Ok(Box::new(ObjectSource { remote: Arc::clone(&self.remote), path, bytes, reads: Arc::clone(&self.reads) }))
    }

    fn seen(&self, domain: DomainId) -> Option<Seen> {
        self.keyrings.lock().unwrap_or_else(PoisonError::into_inner).get(&domain).cloned()
    }

    fn remember(&self, domain: DomainId, seen: Option<Seen>) {
        let mut keyrings = self.keyrings.lock().unwrap_or_else(PoisonError::into_inner);
        match seen {
            Some(seen) => keyrings.insert(domain, seen),
            None => keyrings.remove(&domain),
        };
    }
}

impl Backend for ObjectBackend {
    fn put_pack(&self, pack: PackId) -> Result<Box<dyn PackSink>, BackendError> {
        self.put(Put::Pack(pack), pack_path(pack))
    }

    fn open_pack(&self, pack: PackId) -> Result<Box<dyn PackSource>, BackendError> {
        self.source(pack_path(pack), BackendError::NoPack { pack })
    }

    fn list_packs(&self) -> Result<Listing<StoredPack>, BackendError> {
        Ok(self.remote.list(PACKS, layout::stored_pack)?)
    }

    fn put_manifest(&self, source: SourceId, sequence: u64, bytes: &[u8]) -> Result<(), BackendError> {
        if self.create(&manifest_path(source, sequence), bytes, MANIFEST_BYTES_MAX)? {
            return Ok(());
        }
        Err(BackendError::Conflict { source_id: source, sequence })
    }

    fn read_manifest(&self, source: SourceId, sequence: u64) -> Result<Vec<u8>, BackendError> {
        let found = self.read_counted(&manifest_path(source, sequence), MANIFEST_BYTES_MAX)?;
        found.map(|found| found.bytes).ok_or(BackendError::NoManifest { source_id: source, sequence })
    }

    fn list_manifests(&self) -> Result<Listing<StoredManifest>, BackendError> {
        Ok(self.remote.list(MANIFESTS, |path, _| layout::stored_manifest(path))?)
    }

    fn put_state(&self, state: StateName) -> Result<Box<dyn PackSink>, BackendError> {
        self.put(Put::State(state), state_path(state))
    }

    fn open_state(&self, state: StateName) -> Result<Box<dyn PackSource>, BackendError> {
        self.source(state_path(state), BackendError::NoState { state })
    }

    fn list_states(&self) -> Result<Listing<StoredState>, BackendError> {
        Ok(self.remote.list(STATES, layout::stored_state)?)
    }

    /// Replaces the keyring that this process has read, and no other: what somebody else has put meanwhile stays.
    fn put_keyring(&self, domain: DomainId, bytes: &[u8]) -> Result<(), BackendError> {
        let path = keyring_path(domain);
        let mode = match self.seen(domain) {
            Some(Seen::Version(version)) => PutMode::Update(version),
            Some(Seen::Nothing) | None => PutMode::Create,
        };
        let put = match self.remote.put(&path, bytes, mode) {
            Err(StoreError::Exists { .. } | StoreError::Replaced { .. }) => {
                // A try whose answer was lost may have put it.
                match self.remote.read_whole(&path, KEYRING_BYTES_MAX)? {
                    Some(found) if found.bytes == bytes => Ok(found.version),
                    _ => Err(StoreError::Replaced { path }),
                }
            }
            put => put,
        };
        self.remember(domain, put.as_ref().ok().cloned().map(Seen::Version));
        Ok(put.map(|_| ())?)
    }

    fn locks_packs(&self) -> bool {
        self.retention.is_some() && self.s3.is_some()
    }

    fn keep_on(&self, packs: &[PackId]) -> Result<(), BackendError> {
        Ok(self.extend(packs.iter().map(|pack| pack_path(*pack)).collect())?)
    }

    /// The version that is read first is the one that may be replaced, until a put succeeds or fails: a change that is
    /// based on an earlier read can't be taken for one that is based on a later.
    fn read_keyring(&self, domain: DomainId) -> Result<Option<Vec<u8>>, BackendError> {
        let found = self.read_counted(&keyring_path(domain), KEYRING_BYTES_MAX)?;
        if self.seen(domain).is_none() {
            let seen = found.as_ref().map_or(Seen::Nothing, |found| Seen::Version(found.version.clone()));
            self.remember(domain, Some(seen));
        }
        Ok(found.map(|found| found.bytes))
    }

    fn put_format(&self, bytes: &[u8]) -> Result<(), BackendError> {
        if self.create(FORMAT, bytes, FORMAT_BYTES_MAX)? {
            return Ok(());
        }
        Err(StoreError::Exists { path: FORMAT.to_owned() }.into())
    }

    fn read_format(&self) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(self.read_counted(FORMAT, FORMAT_BYTES_MAX)?.map(|found| found.bytes))
    }

    fn reads(&self) -> &ReadCounter {
        &self.reads
    }

    /// One request: the size is not asked for.
    fn read_pack(&self, pack: PackId, offset: u64, len: usize) -> Result<Vec<u8>, BackendError> {
        let mut bytes = vec![0; len];
        match self.remote.read_at(&pack_path(pack), offset, &mut bytes) {
            Err(StoreError::Missing { .. }) => return Err(BackendError::NoPack { pack }),
            read => read?,
        }
        self.reads.count(len);
        Ok(bytes)
    }
}

struct ObjectSource {
    remote: Arc<Remote>,
    path: String,
    bytes: u64,
    reads: Arc<ReadCounter>,
}

impl PackSource for ObjectSource {
    fn bytes(&self) -> Result<u64, BackendError> {
        Ok(self.bytes)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), BackendError> {
        self.remote.read_at(&self.path, offset, bytes)?;
        self.reads.count(bytes.len());
        Ok(())
    }
}
