//! A depot in a folder.
//!
//! ```text
//!   format                                     what the depot is
//!   packs/<first two digits>/<pack id>.pack
//!   manifests/<source id>/<sequence, 20 digits>.manifest
//!   keys/<domain id>.keyring
//!   states/<group id>/<epoch, 20 digits>-<log index, 20 digits>.state
//! ```
//!
//! Every file is written by the durable order of the disk's module: temporary name, write, sync, rename without replace
//! (keyrings: with), sync of the folder. So a file under its name is whole from the first moment. A manifest is named by
//! its sequence alone, so that the rename is the comparison that lets one of two writers win.

use std::sync::Arc;

use strongroom_core::id::{DomainId, PackId, SourceId};
use strongroom_platform::disk::durable::{clear_temporaries, is_temporary};
use strongroom_platform::disk::{DirEntry, Disk, DiskError, DiskRead, DurableFile, durable_replace, durable_write};

use super::layout::{
    self, FORMAT, FORMAT_BYTES_MAX, KEYRING_BYTES_MAX, KEYS, MANIFEST_BYTES_MAX, MANIFESTS, PACKS, STATES,
    keyring_path, manifest_dir, manifest_path, pack_dir, pack_path, state_dir, state_path,
};
use super::{
    Backend, BackendError, Listing, PackSink, PackSource, Put, ReadCounter, StateName, StoredManifest, StoredPack,
    StoredState,
};

/// A [`Backend`] over a disk.
pub struct DirectoryBackend {
    disk: Arc<dyn Disk>,
    reads: Arc<ReadCounter>,
}

impl DirectoryBackend {
    /// A depot whose files lie below the root of a disk.
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, reads: Arc::new(ReadCounter::default()) }
    }

    fn list_dir(&self, dir: &str) -> Result<Vec<DirEntry>, BackendError> {
        match self.disk.list(dir) {
            Ok(mut entries) => {
                entries.retain(|entry| entry.is_dir || !is_temporary(&entry.name));
                Ok(entries)
            }
            Err(DiskError::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Walks the files of the folders below one; `item` recognises what belongs there.
    fn walk<T: Ord>(&self, top: &str, item: impl Fn(&str, u64) -> Option<T>) -> Result<Listing<T>, BackendError> {
        let mut listing = Listing::default();
        for folder in self.list_dir(top)? {
            let dir = format!("{top}/{}", folder.name);
            if !folder.is_dir {
                listing.foreign.push(dir);
                continue;
            }
            for entry in self.list_dir(&dir)? {
                let path = format!("{dir}/{}", entry.name);
                match item(&path, entry.len).filter(|_| !entry.is_dir) {
                    Some(found) => listing.items.push(found),
                    None => listing.foreign.push(path),
                }
            }
        }
        listing.items.sort();
        Ok(listing)
    }

    fn put(&self, put: Put, dir: &str, path: &str) -> Result<Box<dyn PackSink>, BackendError> {
        if self.disk.exists(path)? {
            return Err(put.taken());
        }
        self.disk.create_dir_all(dir)?;
        Ok(Box::new(DirectorySink { file: DurableFile::create(&self.disk, path)?, put }))
    }

    fn open(&self, path: &str, absent: BackendError) -> Result<Box<dyn PackSource>, BackendError> {
        match self.disk.open_read(path) {
            Ok(file) => Ok(Box::new(DirectorySource { file, reads: Arc::clone(&self.reads) })),
            Err(DiskError::NotFound { .. }) => Err(absent),
            Err(error) => Err(error.into()),
        }
    }

    fn read_whole(&self, path: &str, max: u64) -> Result<Option<Vec<u8>>, BackendError> {
        let bytes = self.disk.read_if_there(path, max)?;
        Ok(bytes.inspect(|bytes| self.reads.count(bytes.len())))
    }
}

impl Backend for DirectoryBackend {
    fn put_pack(&self, pack: PackId) -> Result<Box<dyn PackSink>, BackendError> {
        self.put(Put::Pack(pack), &pack_dir(pack), &pack_path(pack))
    }

    fn open_pack(&self, pack: PackId) -> Result<Box<dyn PackSource>, BackendError> {
        self.open(&pack_path(pack), BackendError::NoPack { pack })
    }

    fn list_packs(&self) -> Result<Listing<StoredPack>, BackendError> {
        self.walk(PACKS, layout::stored_pack)
    }

    fn put_manifest(&self, source: SourceId, sequence: u64, bytes: &[u8]) -> Result<(), BackendError> {
        let (dir, path) = (manifest_dir(source), manifest_path(source, sequence));
        self.disk.create_dir_all(&dir)?;
        match durable_write(&self.disk, &path, bytes) {
            Err(DiskError::AlreadyExists { .. }) => {
                if self.read_manifest(source, sequence)? != bytes {
                    return Err(BackendError::Conflict { source_id: source, sequence });
                }
                // Whoever wrote it may have died before the name was durable.
                Ok(self.disk.sync_dir(&dir)?)
            }
            written => Ok(written?),
        }
    }

    fn read_manifest(&self, source: SourceId, sequence: u64) -> Result<Vec<u8>, BackendError> {
        let found = self.read_whole(&manifest_path(source, sequence), MANIFEST_BYTES_MAX)?;
        found.ok_or(BackendError::NoManifest { source_id: source, sequence })
    }

    fn list_manifests(&self) -> Result<Listing<StoredManifest>, BackendError> {
        self.walk(MANIFESTS, |path, _| layout::stored_manifest(path))
    }

    fn put_state(&self, state: StateName) -> Result<Box<dyn PackSink>, BackendError> {
        self.put(Put::State(state), &state_dir(state), &state_path(state))
    }

    fn open_state(&self, state: StateName) -> Result<Box<dyn PackSource>, BackendError> {
        self.open(&state_path(state), BackendError::NoState { state })
    }

    fn list_states(&self) -> Result<Listing<StoredState>, BackendError> {
        self.walk(STATES, layout::stored_state)
    }

    fn put_keyring(&self, domain: DomainId, bytes: &[u8]) -> Result<(), BackendError> {
        self.disk.create_dir_all(KEYS)?;
        Ok(durable_replace(&self.disk, &keyring_path(domain), bytes)?)
    }

    fn read_keyring(&self, domain: DomainId) -> Result<Option<Vec<u8>>, BackendError> {
        self.read_whole(&keyring_path(domain), KEYRING_BYTES_MAX)
    }

    fn put_format(&self, bytes: &[u8]) -> Result<(), BackendError> {
        Ok(durable_write(&self.disk, FORMAT, bytes)?)
    }

    fn read_format(&self) -> Result<Option<Vec<u8>>, BackendError> {
        self.read_whole(FORMAT, FORMAT_BYTES_MAX)
    }

    fn recover(&self) -> Result<usize, BackendError> {
        let mut removed = clear_temporaries(self.disk.as_ref(), "")?;
        for top in [PACKS, MANIFESTS, KEYS, STATES] {
            if !self.disk.exists(top)? {
                continue;
            }
            removed += clear_temporaries(self.disk.as_ref(), top)?;
            for entry in self.disk.list(top)?.into_iter().filter(|entry| entry.is_dir) {
                removed += clear_temporaries(self.disk.as_ref(), &format!("{top}/{}", entry.name))?;
            }
        }
        Ok(removed)
    }

    fn reads(&self) -> &ReadCounter {
        &self.reads
    }
}

struct DirectorySink {
    file: DurableFile,
    put: Put,
}

impl PackSink for DirectorySink {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BackendError> {
        Ok(self.file.write_all(bytes)?)
    }

    fn commit(self: Box<Self>) -> Result<(), BackendError> {
        match self.file.commit() {
            Err(DiskError::AlreadyExists { .. }) => Err(self.put.taken()),
            committed => Ok(committed?),
        }
    }
}

struct DirectorySource {
    file: Box<dyn DiskRead>,
    reads: Arc<ReadCounter>,
}

impl PackSource for DirectorySource {
    fn bytes(&self) -> Result<u64, BackendError> {
        Ok(self.file.len()?)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), BackendError> {
        self.file.read_at(offset, bytes)?;
        self.reads.count(bytes.len());
        Ok(())
    }
}
