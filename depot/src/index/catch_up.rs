//! Brings the index up to what the depot holds.

use std::collections::BTreeSet;

use strongroom_core::frame::Decompressor;
use strongroom_core::id::PackId;
use strongroom_core::pack::PackError;
use strongroom_core::seal::OpensDataKeys;

use super::{Index, IndexError, tables};
use crate::backend::{Backend, StoredPack};
use crate::reader::{PackFile, PackFileError};

/// What catching up came to.
#[derive(Debug, Default)]
pub struct CaughtUp {
    /// Packs that were entered.
    pub added: usize,
    /// Packs that were taken out, since the depot no longer has them.
    pub removed: usize,
    /// Packs that are there and can't be opened, whatever the reason. Objects that lie in them alone can't be found.
    pub unreadable: Vec<(PackId, PackFileError)>,
}

impl Index {
    /// Compares the lists of packs and enters what is missing, opening it with `keys`.
    ///
    /// A pack that can't be opened does not keep the others from being entered. Every pack is a transaction of its own,
    /// so what was done is kept if the process dies.
    pub fn catch_up(&self, backend: &dyn Backend, keys: &dyn OpensDataKeys) -> Result<CaughtUp, IndexError> {
        let stored: BTreeSet<StoredPack> = backend.list_packs()?.items.into_iter().collect();
        let known: BTreeSet<StoredPack> = self.packs()?.into_iter().collect();
        let mut caught_up = CaughtUp::default();

        let gone: Vec<PackId> = known.difference(&stored).map(|pack| pack.pack).collect();
        if !gone.is_empty() {
            let write = self.database.begin_write().map_err(IndexError::database)?;
            tables::remove(&write, &gone)?;
            write.commit().map_err(IndexError::database)?;
            caught_up.removed = gone.len();
        }
        let mut missing = stored.difference(&known).peekable();
        if missing.peek().is_none() {
            return Ok(caught_up);
        }
        let mut decompressor =
            Decompressor::new().map_err(|source| IndexError::Pack(PackError::Compression(source)))?;
        for pack in missing {
            match PackFile::open(backend, pack.pack, keys).and_then(|file| {
                let directory = file.directory(&mut decompressor)?;
                Ok((file, directory))
            }) {
                Ok((file, directory)) => {
                    self.add_directory(file.header(), file.bytes(), &directory)?;
                    caught_up.added += 1;
                }
                Err(error) => caught_up.unreadable.push((pack.pack, error)),
            }
        }
        Ok(caught_up)
    }
}
