//! The one order of steps that makes a file durable.
//!
//! Owns the rule "temporary name, write, sync, rename, sync of the folder". Under its final name a file is whole from
//! the first moment; a crash at any step leaves the final name as it was before, or the whole file, and perhaps a
//! temporary file that [`clear_temporaries`] removes.
//!
//! **What an error means.** Up to the rename nothing has happened to the final name. An error from the sync of the
//! folder, [`DiskError::SyncFailed`], leaves the outcome *unknown*: the file is there now, and may or may not be there
//! after a crash. It must not be acknowledged, and must not be reported as absent.
//!
//! **What [`DiskError::AlreadyExists`] means.** Somebody wrote the whole file; whether its name is durable depends on
//! whether they lived long enough to sync the folder. So whoever starts on a folder calls [`clear_temporaries`] first,
//! which syncs it, and may then rely on every name there.

use std::mem;
use std::sync::Arc;

use super::path;
use super::{Disk, DiskError, DiskFile};

/// How a temporary name ends.
const TEMPORARY_SUFFIX: &str = ".tmp";

/// Temporary names that are tried for one file. More than a few are taken only if nobody clears a folder in which
/// writers die again and again.
const TEMPORARY_NAMES_MAX: u32 = 1_000;

/// A file that gets its name when it is whole.
///
/// Dropping it without a commit removes what was written so far, as well as that can be done.
pub struct DurableFile {
    disk: Arc<dyn Disk>,
    file: Box<dyn DiskFile>,
    temporary: String,
    path: String,
    len: u64,
    is_renamed: bool,
}

impl DurableFile {
    /// Starts a file that will be called `path`. Its folder must exist.
    pub fn create(disk: &Arc<dyn Disk>, path: &str) -> Result<Self, DiskError> {
        path::check_file(path)?;
        let (file, temporary) = create_temporary(disk.as_ref(), path)?;
        Ok(Self { disk: Arc::clone(disk), file, temporary, path: path.to_owned(), len: 0, is_renamed: false })
    }

    /// Appends all of `bytes`.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.file.write_all(bytes)?;
        self.len = self.len.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Bytes written so far.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Says whether nothing has been written yet.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Makes the file durable under its name, which must be free: [`DiskError::AlreadyExists`] otherwise.
    pub fn commit(mut self) -> Result<(), DiskError> {
        self.file.sync()?;
        self.disk.rename_no_replace(&self.temporary, &self.path)?;
        self.finish()
    }

    /// Makes the file durable under its name, in the place of a file that may have had it.
    pub fn commit_replacing(mut self) -> Result<(), DiskError> {
        self.file.sync()?;
        self.disk.rename_replace(&self.temporary, &self.path)?;
        self.finish()
    }

    fn finish(&mut self) -> Result<(), DiskError> {
        self.is_renamed = true;
        self.disk.sync_dir(path::parent(&self.path))
    }
}

impl Drop for DurableFile {
    fn drop(&mut self) {
        if !mem::replace(&mut self.is_renamed, true) {
            // A temporary file that stays is litter, which the next clearing removes; it is never taken for a whole one.
            drop(self.disk.remove(&self.temporary));
        }
    }
}

/// Writes a new file durably; [`DiskError::AlreadyExists`], and nothing changed, if the name is taken.
pub fn durable_write(disk: &Arc<dyn Disk>, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
    let mut file = DurableFile::create(disk, path)?;
    file.write_all(bytes)?;
    file.commit()
}

/// Writes a file durably in the place of one that may have the name: after a crash there is the old or the new one.
pub fn durable_replace(disk: &Arc<dyn Disk>, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
    let mut file = DurableFile::create(disk, path)?;
    file.write_all(bytes)?;
    file.commit_replacing()
}

/// Readies a folder after whatever happened before: removes the temporary files in it and makes its names durable.
///
/// Only for a folder in which nobody is writing. Gives the number of files removed.
pub fn clear_temporaries(disk: &dyn Disk, dir: &str) -> Result<usize, DiskError> {
    let mut removed = 0;
    for entry in disk.list(dir)? {
        if !entry.is_dir && is_temporary(&entry.name) {
            disk.remove(&path::join(dir, &entry.name))?;
            removed += 1;
        }
    }
    disk.sync_dir(dir)?;
    Ok(removed)
}

/// Says whether a file of this name is one that was never committed.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(TEMPORARY_SUFFIX)
}

fn create_temporary(disk: &dyn Disk, path: &str) -> Result<(Box<dyn DiskFile>, String), DiskError> {
    let (dir, name) = (path::parent(path), path::name(path));
    let mut taken = DiskError::AlreadyExists { path: path.into() };
    for number in 0..TEMPORARY_NAMES_MAX {
        let temporary = path::join(dir, &format!(".{name}.{number}{TEMPORARY_SUFFIX}"));
        match disk.create_new(&temporary) {
            Ok(file) => return Ok((file, temporary)),
            Err(error @ DiskError::AlreadyExists { .. }) => taken = error,
            Err(error) => return Err(error),
        }
    }
    Err(taken)
}
