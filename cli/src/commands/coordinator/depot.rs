//! The folder of a depot, as far as the group's state is concerned: backups of it, and heads that it may lack.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use strongroom_core::error::Code;
use strongroom_core::id::SourceId;
use strongroom_depot::backend::{Backend as _, DirectoryBackend, PackSource, StateName};
use strongroom_platform::disk::RealDisk;

use crate::failure::{Attempt as _, Failure};

/// A depot in a folder.
pub(super) struct Depot {
    folder: PathBuf,
    backend: DirectoryBackend,
}

impl Depot {
    /// The depot of a folder, or of the room in it.
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        for folder in [folder.to_owned(), folder.join("depot")].into_iter().filter(|folder| folder.is_dir()) {
            let disk = RealDisk::open(&folder).attempt(|| format!("{} can't be read", folder.display()))?;
            let backend = DirectoryBackend::new(Arc::new(disk));
            if backend.read_format().attempt(|| format!("{} can't be read", folder.display()))?.is_some() {
                return Ok(Self { folder, backend });
            }
        }
        Err(Failure::new(Code::NoRoom, format!("{} holds no depot", folder.display())))
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its files.
    pub(super) const fn backend(&self) -> &DirectoryBackend {
        &self.backend
    }

    /// The newest backup of the one group that keeps its state here.
    pub(super) fn newest_state(&self) -> Result<StateName, Failure> {
        let what = || format!("the states in {} can't be listed", self.folder.display());
        let states = self.backend.list_states().attempt(what)?.items;
        let mut newest: BTreeMap<[u8; 16], StateName> = BTreeMap::new();
        for stored in states {
            let known = newest.entry(stored.state.cluster).or_insert(stored.state);
            *known = (*known).max(stored.state);
        }
        let mut newest = newest.into_values();
        match (newest.next(), newest.next()) {
            (Some(state), None) => Ok(state),
            (None, _) => {
                Err(Failure::new(Code::NotFound, format!("{} holds no state of a group", self.folder.display())))
            }
            (Some(_), Some(_)) => {
                let what = format!("{} holds states of several groups", self.folder.display());
                Err(Failure::new(Code::Ambiguous, what).advise("Give the file of one with --backup."))
            }
        }
    }

    /// A state, to be read.
    pub(super) fn state(&self, state: StateName) -> Result<impl Read + use<>, Failure> {
        let source = self.backend.open_state(state).attempt(|| format!("state {state} can't be opened"))?;
        let left = source.bytes().attempt(|| format!("state {state} can't be read"))?;
        Ok(StateReader { source, at: 0, left })
    }

    /// The newest manifest of each source.
    pub(super) fn newest_manifests(&self) -> Result<BTreeMap<SourceId, u64>, Failure> {
        let what = || format!("the manifests in {} can't be listed", self.folder.display());
        let mut newest = BTreeMap::new();
        for stored in self.backend.list_manifests().attempt(what)?.items {
            let known = newest.entry(stored.source).or_insert(stored.sequence);
            *known = stored.sequence.max(*known);
        }
        Ok(newest)
    }
}

/// A state, from its first byte to its last.
struct StateReader {
    source: Box<dyn PackSource>,
    at: u64,
    left: u64,
}

impl Read for StateReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let len = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        let Some(wanted) = bytes.get_mut(..len).filter(|wanted| !wanted.is_empty()) else { return Ok(0) };
        self.source.read_at(self.at, wanted).map_err(io::Error::other)?;
        let read = len as u64;
        (self.at, self.left) = (self.at + read, self.left - read);
        Ok(len)
    }
}
