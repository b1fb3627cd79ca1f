//! Where a depot's files lie.
//!
//! A [`Backend`] stores four kinds of things under ids and knows nothing of what is in them: packs, manifests and states
//! of coordinators, which are put once and never changed, and keyrings, which are replaced as a whole. What a call has returned is durable;
//! what failed is *unknown*: it may be there after a crash. A manifest's sequence is a name of its own, so of two
//! writers one wins and the other is told ([`BackendError::Conflict`]).
//!
//! ```text
//!   put packs ──► put manifest ──► acknowledge        readers go the other way: a manifest names packs that are there
//! ```

mod directory;
mod layout;
pub mod object;
mod reads;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use strongroom_core::error::Code;
use strongroom_core::id::{DomainId, PackId, SourceId};
use strongroom_platform::disk::DiskError;

pub use directory::DirectoryBackend;
pub use layout::{KEYS, keyring_domain, keyring_path};
pub use object::ObjectBackend;
use object::StoreError;
pub use reads::{ReadCounter, Reads};

/// A depot's files can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The pack is not here.
    #[error("pack {pack} is not in this depot")]
    NoPack {
        /// The pack asked for.
        pack: PackId,
    },
    /// A pack of this id is here already; packs are never written twice.
    #[error("pack {pack} is in this depot already")]
    PackExists {
        /// The pack to be put.
        pack: PackId,
    },
    /// The state is not here.
    #[error("state {state} is not in this depot")]
    NoState {
        /// The state asked for.
        state: StateName,
    },
    /// A state of this name is here already.
    #[error("state {state} is in this depot already")]
    StateExists {
        /// The state to be put.
        state: StateName,
    },
    /// The manifest is not here.
    #[error("source {source_id} has no manifest {sequence} in this depot")]
    NoManifest {
        /// The source.
        source_id: SourceId,
        /// The place in its chain.
        sequence: u64,
    },
    /// Another writer has taken this place in the source's chain.
    #[error("another writer has put manifest {sequence} of source {source_id}")]
    Conflict {
        /// The source.
        source_id: SourceId,
        /// The place in its chain.
        sequence: u64,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The object store failed or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackendError {
    /// The stable code of the error.
    pub const fn code(&self) -> Code {
        match self {
            Self::NoPack { .. } | Self::NoManifest { .. } | Self::NoState { .. } => Code::NotFound,
            Self::PackExists { .. } => Code::Internal,
            Self::Conflict { .. } | Self::StateExists { .. } => Code::Busy,
            Self::Disk(error) => disk_code(error),
            Self::Store(error) => error.code(),
        }
    }
}

/// The stable code of a disk's error.
pub const fn disk_code(error: &DiskError) -> Code {
    match error {
        DiskError::NotFound { .. } => Code::NotFound,
        DiskError::NoSpace { .. } => Code::NoSpace,
        DiskError::Locked { .. } => Code::Busy,
        DiskError::TooLarge { .. } | DiskError::UnexpectedEnd { .. } => Code::Damaged,
        DiskError::InvalidPath { .. } => Code::Internal,
        _ => Code::VolumeFailed,
    }
}

/// A pack that is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredPack {
    /// Its id.
    pub pack: PackId,
    /// Its size as a file.
    pub bytes: u64,
}

/// A manifest that is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredManifest {
    /// Whose it is.
    pub source: SourceId,
    /// Its place in the source's chain.
    pub sequence: u64,
}

/// The backup of a coordinator's state, as of a place in its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StateName {
    /// The group's id.
    pub cluster: [u8; 16],
    /// How often the group was founded anew.
    pub epoch: u64,
    /// The last entry of the log that is part of it.
    pub index: u64,
}

impl fmt::Display for StateName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{:020}-{:020}", hex::encode(self.cluster), self.epoch, self.index)
    }
}

/// A state that is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredState {
    /// Its name.
    pub state: StateName,
    /// Its size as a file.
    pub bytes: u64,
}

/// What a listing found: things by id, and the names of what does not belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<T> {
    /// In ascending order.
    pub items: Vec<T>,
    /// Paths that no release so far has written.
    pub foreign: Vec<String>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { items: Vec::new(), foreign: Vec::new() }
    }
}

/// A store of packs, manifests, states and keyrings.
pub trait Backend: Send + Sync {
    /// Begins a pack.
    fn put_pack(&self, pack: PackId) -> Result<Box<dyn PackSink>, BackendError>;

    /// Opens a pack for reading.
    fn open_pack(&self, pack: PackId) -> Result<Box<dyn PackSource>, BackendError>;

    /// Lists the packs.
    fn list_packs(&self) -> Result<Listing<StoredPack>, BackendError>;

    /// Puts a manifest where none is. Putting the same bytes again is no conflict: a caller whose first try ended
    /// unknown may try again.
    fn put_manifest(&self, source: SourceId, sequence: u64, bytes: &[u8]) -> Result<(), BackendError>;

    /// Reads a manifest.
    fn read_manifest(&self, source: SourceId, sequence: u64) -> Result<Vec<u8>, BackendError>;

    /// Lists the manifests of all sources.
    fn list_manifests(&self) -> Result<Listing<StoredManifest>, BackendError>;

    /// Begins a state.
    fn put_state(&self, state: StateName) -> Result<Box<dyn PackSink>, BackendError>;

    /// Opens a state for reading.
    fn open_state(&self, state: StateName) -> Result<Box<dyn PackSource>, BackendError>;

    /// Lists the states.
    fn list_states(&self) -> Result<Listing<StoredState>, BackendError>;

    /// Puts a domain's keyring in the place of the one before.
    fn put_keyring(&self, domain: DomainId, bytes: &[u8]) -> Result<(), BackendError>;

    /// Reads a domain's keyring, if there is one.
    fn read_keyring(&self, domain: DomainId) -> Result<Option<Vec<u8>>, BackendError>;

    /// Puts the file that says what the depot is; it must be new.
    fn put_format(&self, bytes: &[u8]) -> Result<(), BackendError>;

    /// Reads the file that says what the depot is, if there is one.
    fn read_format(&self) -> Result<Option<Vec<u8>>, BackendError>;

    /// Cleans up after a writer that died: removes what it left unfinished, and makes durable the names that it gave.
    ///
    /// Only while nobody else on this host writes. Gives the number of files removed. A store in which nothing
    /// unfinished shows has nothing to clean up.
    fn recover(&self) -> Result<usize, BackendError> {
        Ok(0)
    }

    /// Whether packs are locked for a time, counted from when they were put.
    fn locks_packs(&self) -> bool {
        false
    }

    /// Locks packs for that time again, counted from now: a manifest that is about to be put needs them. Nothing to do
    /// where nothing is locked.
    fn keep_on(&self, _packs: &[PackId]) -> Result<(), BackendError> {
        Ok(())
    }

    /// Counts the reads.
    fn reads(&self) -> &ReadCounter;

    /// Reads a part of a pack; one read.
    fn read_pack(&self, pack: PackId, offset: u64, len: usize) -> Result<Vec<u8>, BackendError> {
        let source = self.open_pack(pack)?;
        let mut bytes = vec![0; len];
        source.read_at(offset, &mut bytes)?;
        Ok(bytes)
    }
}

/// What is put under a name of its own, and may find that it is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Put {
    Pack(PackId),
    State(StateName),
}

impl Put {
    /// The error of a name that is taken.
    const fn taken(self) -> BackendError {
        match self {
            Self::Pack(pack) => BackendError::PackExists { pack },
            Self::State(state) => BackendError::StateExists { state },
        }
    }
}

/// A pack, or a state, on its way. Dropped without a commit, it leaves nothing behind.
pub trait PackSink: Send {
    /// Appends bytes.
    fn write(&mut self, bytes: &[u8]) -> Result<(), BackendError>;

    /// Makes it durable under its name.
    fn commit(self: Box<Self>) -> Result<(), BackendError>;
}

/// A pack, or a state, that is open for reading.
pub trait PackSource: Send {
    /// Its size as a file.
    fn bytes(&self) -> Result<u64, BackendError>;

    /// Fills `bytes` from `offset` on; one read.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), BackendError>;
}

impl<B: Backend + ?Sized> Backend for Arc<B> {
    fn put_pack(&self, pack: PackId) -> Result<Box<dyn PackSink>, BackendError> {
        (**self).put_pack(pack)
    }

    fn open_pack(&self, pack: PackId) -> Result<Box<dyn PackSource>, BackendError> {
        (**self).open_pack(pack)
    }

    fn list_packs(&self) -> Result<Listing<StoredPack>, BackendError> {
        (**self).list_packs()
    }

    fn put_manifest(&self, source: SourceId, sequence: u64, bytes: &[u8]) -> Result<(), BackendError> {
        (**self).put_manifest(source, sequence, bytes)
    }

    fn read_manifest(&self, source: SourceId, sequence: u64) -> Result<Vec<u8>, BackendError> {
        (**self).read_manifest(source, sequence)
    }

    fn list_manifests(&self) -> Result<Listing<StoredManifest>, BackendError> {
        (**self).list_manifests()
    }

    fn put_state(&self, state: StateName) -> Result<Box<dyn PackSink>, BackendError> {
        (**self).put_state(state)
    }

    fn open_state(&self, state: StateName) -> Result<Box<dyn PackSource>, BackendError> {
        (**self).open_state(state)
    }

    fn list_states(&self) -> Result<Listing<StoredState>, BackendError> {
        (**self).list_states()
    }

    fn put_keyring(&self, domain: DomainId, bytes: &[u8]) -> Result<(), BackendError> {
        (**self).put_keyring(domain, bytes)
    }

    fn read_keyring(&self, domain: DomainId) -> Result<Option<Vec<u8>>, BackendError> {
        (**self).read_keyring(domain)
    }

    fn put_format(&self, bytes: &[u8]) -> Result<(), BackendError> {
        (**self).put_format(bytes)
    }

    fn read_format(&self) -> Result<Option<Vec<u8>>, BackendError> {
        (**self).read_format()
    }

    fn recover(&self) -> Result<usize, BackendError> {
        (**self).recover()
    }

    fn locks_packs(&self) -> bool {
        (**self).locks_packs()
    }

    fn keep_on(&self, packs: &[PackId]) -> Result<(), BackendError> {
        (**self).keep_on(packs)
    }

    fn reads(&self) -> &ReadCounter {
        (**self).reads()
    }

    fn read_pack(&self, pack: PackId, offset: u64, len: usize) -> Result<Vec<u8>, BackendError> {
        (**self).read_pack(pack, offset, len)
    }
}
