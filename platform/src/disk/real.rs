//! A folder of the machine as a disk.
//!
//! Owns the system calls. Bytes go straight to the kernel, without a buffer of our own, so callers write in pieces of
//! some size. It believes what the kernel says about a sync; a disk that lies can only be found by reading it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::{fs, iter};

use rustix::fs::{CWD, Mode, OFlags, RenameFlags, renameat_with, statvfs};
use rustix::io::Errno;

use super::path;
use super::poison::Poison;
use super::{DirEntry, Disk, DiskError, DiskFile, DiskLock, DiskOp, DiskRead, DiskUpdate};

const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// A folder of this machine. Clones are handles to the same volume.
#[derive(Debug, Clone)]
pub struct RealDisk {
    root: PathBuf,
    poison: Poison,
}

impl RealDisk {
    /// Uses a folder that exists.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, DiskError> {
        let root = root.into();
        let facts = fs::metadata(&root).map_err(|source| DiskError::from_io(DiskOp::List, &root, source))?;
        if !facts.is_dir() {
            let source = io::Error::from(io::ErrorKind::NotADirectory);
            return Err(DiskError::from_io(DiskOp::List, &root, source));
        }
        Ok(Self { root, poison: Poison::default() })
    }

    /// Uses a folder, and makes it durably, with those above it, where it is missing.
    pub fn create(root: impl Into<PathBuf>) -> Result<Self, DiskError> {
        let disk = Self { root: root.into(), poison: Poison::default() };
        let is_missing = |dir: &&Path| !dir.as_os_str().is_empty() && !dir.exists();
        let mut missing: Vec<&Path> = disk.root.ancestors().take_while(is_missing).collect();
        missing.reverse();
        for dir in missing {
            make_dir(dir)?;
            sync_dir(disk_parent(dir), &disk.poison)?;
        }
        Self::open(disk.root)
    }

    /// The folder on the machine.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn file(&self, path: &str) -> Result<PathBuf, DiskError> {
        path::check_file(path)?;
        Ok(self.root.join(path))
    }

    fn dir(&self, path: &str) -> Result<PathBuf, DiskError> {
        path::check_dir(path)?;
        Ok(if path.is_empty() { self.root.clone() } else { self.root.join(path) })
    }
}

impl Disk for RealDisk {
    fn create_new(&self, path: &str) -> Result<Box<dyn DiskFile>, DiskError> {
        let path = self.file(path)?;
        self.poison.check(&path)?;
        let opened = OpenOptions::new().append(true).create_new(true).mode(FILE_MODE).open(&path);
        let file = opened.map_err(|source| DiskError::from_io(DiskOp::CreateNew, &path, source))?;
        Ok(Box::new(Writer { file, path, poison: self.poison.clone() }))
    }

    fn open_read(&self, path: &str) -> Result<Box<dyn DiskRead>, DiskError> {
        let path = self.file(path)?;
        let file = open_file(&path).map_err(|source| DiskError::from_io(DiskOp::OpenRead, &path, source))?;
        Ok(Box::new(Reader { file, path }))
    }

    fn open_update(&self, path: &str) -> Result<Box<dyn DiskUpdate>, DiskError> {
        let path = self.file(path)?;
        self.poison.check(&path)?;
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        let file = opened.map_err(|source| DiskError::from_io(DiskOp::OpenUpdate, &path, source))?;
        Ok(Box::new(Updater { reader: Reader { file, path }, poison: self.poison.clone() }))
    }

    fn rename_no_replace(&self, from: &str, to: &str) -> Result<(), DiskError> {
        let (from, to) = (self.file(from)?, self.file(to)?);
        self.poison.check(&from)?;
        rename_no_replace(&from, &to).map_err(|source| rename_error(DiskOp::RenameNoReplace, &from, &to, source))
    }

    fn rename_replace(&self, from: &str, to: &str) -> Result<(), DiskError> {
        let (from, to) = (self.file(from)?, self.file(to)?);
        self.poison.check(&from)?;
        fs::rename(&from, &to).map_err(|source| rename_error(DiskOp::RenameReplace, &from, &to, source))
    }

    fn sync_dir(&self, dir: &str) -> Result<(), DiskError> {
        sync_dir(&self.dir(dir)?, &self.poison)
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, DiskError> {
        let dir = self.dir(dir)?;
        let mut entries = list(&dir).map_err(|source| DiskError::from_io(DiskOp::List, &dir, source))?;
        entries.sort();
        Ok(entries)
    }

    fn create_dir_all(&self, dir: &str) -> Result<(), DiskError> {
        let path = self.dir(dir)?;
        self.poison.check(&path)?;
        for (parent, dir) in iter::once("").chain(path::ancestors(dir)).zip(path::ancestors(dir)) {
            match make_dir(&self.root.join(dir)) {
                Ok(()) => {}
                Err(DiskError::AlreadyExists { path }) if path.is_dir() => {}
                Err(error) => return Err(error),
            }
            sync_dir(&self.dir(parent)?, &self.poison)?;
        }
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<(), DiskError> {
        let path = self.file(path)?;
        self.poison.check(&path)?;
        fs::remove_file(&path).map_err(|source| DiskError::from_io(DiskOp::Remove, &path, source))
    }

    fn exists(&self, path: &str) -> Result<bool, DiskError> {
        let path = self.dir(path)?;
        path.try_exists().map_err(|source| DiskError::from_io(DiskOp::Exists, &path, source))
    }

    fn lock(&self, path: &str) -> Result<DiskLock, DiskError> {
        let path = self.file(path)?;
        let failed = |source| DiskError::from_io(DiskOp::Lock, &path, source);
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(FILE_MODE).open(&path);
        let file = opened.map_err(failed)?;
        match file.try_lock() {
            // The kernel gives it back when the file is closed, which happens when the process dies at the latest.
            Ok(()) => Ok(DiskLock::new(file)),
            Err(TryLockError::WouldBlock) => Err(DiskError::Locked { path }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    fn free_space(&self) -> Result<u64, DiskError> {
        let facts =
            statvfs(&self.root).map_err(|errno| DiskError::from_io(DiskOp::FreeSpace, &self.root, errno.into()))?;
        Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
    }
}

/// A file that is being written.
struct Writer {
    file: File,
    path: PathBuf,
    poison: Poison,
}

impl DiskFile for Writer {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.poison.check(&self.path)?;
        self.file.write_all(bytes).map_err(|source| DiskError::from_io(DiskOp::WriteAll, &self.path, source))
    }

    fn sync(&mut self) -> Result<(), DiskError> {
        self.poison.check(&self.path)?;
        self.file.sync_all().map_err(|source| self.poison.condemn(&self.path, source))
    }
}

/// A file that is being read.
struct Reader {
    file: File,
    path: PathBuf,
}

impl DiskRead for Reader {
    fn len(&self) -> Result<u64, DiskError> {
        let facts = self.file.metadata().map_err(|source| DiskError::from_io(DiskOp::Len, &self.path, source))?;
        Ok(facts.len())
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        self.file.read_exact_at(bytes, offset).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => {
                DiskError::UnexpectedEnd { path: self.path.clone(), end: offset.saturating_add(bytes.len() as u64) }
            }
            _ => DiskError::from_io(DiskOp::ReadAt, &self.path, source),
        })
    }
}

/// A file that is changed in place.
struct Updater {
    reader: Reader,
    poison: Poison,
}

impl DiskRead for Updater {
    fn len(&self) -> Result<u64, DiskError> {
        self.reader.len()
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        self.reader.read_at(offset, bytes)
    }
}

impl DiskUpdate for Updater {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let Reader { file, path } = &self.reader;
        self.poison.check(path)?;
        file.write_all_at(bytes, offset).map_err(|source| DiskError::from_io(DiskOp::WriteAt, path, source))
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        let Reader { file, path } = &self.reader;
        self.poison.check(path)?;
        file.set_len(len).map_err(|source| DiskError::from_io(DiskOp::SetLen, path, source))
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        let Reader { file, path } = &self.reader;
        self.poison.check(path)?;
        // Data and length: what else a full sync would carry, times and owner, no reader relies on.
        file.sync_data().map_err(|source| self.poison.condemn(path, source))
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
}

/// Renames in one step, or by a second name and the removal of the first where the file system knows no such step.
///
/// A crash between the two of the second way leaves the file under both names, which is a temporary file too many.
fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP) => rename_by_link(from, to),
        outcome => Ok(outcome?),
    }
}

fn rename_by_link(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

/// Names the new path where that one is the trouble, since that is where an operator has to look.
fn rename_error(op: DiskOp, from: &Path, to: &Path, source: io::Error) -> DiskError {
    let is_about_target = matches!(source.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::StorageFull);
    DiskError::from_io(op, if is_about_target { to } else { from }, source)
}

fn make_dir(dir: &Path) -> Result<(), DiskError> {
    let made = DirBuilder::new().mode(DIR_MODE).create(dir);
    made.map_err(|source| DiskError::from_io(DiskOp::CreateDirAll, dir, source))
}

fn sync_dir(dir: &Path, poison: &Poison) -> Result<(), DiskError> {
    poison.check(dir)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(dir, flags, Mode::empty());
    let opened = opened.map_err(|errno| DiskError::from_io(DiskOp::SyncDir, dir, errno.into()))?;
    File::from(opened).sync_all().map_err(|source| poison.condemn(dir, source))
}

/// The folder above one, with the current folder for a relative path of one name.
fn disk_parent(dir: &Path) -> &Path {
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn list(dir: &Path) -> io::Result<Vec<DirEntry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Another thread may have renamed or removed it since the folder was read: then it is not there to be listed.
        match fs::metadata(entry.path()) {
            Ok(facts) if facts.is_dir() => entries.push(DirEntry { name, len: 0, is_dir: true }),
            Ok(facts) => entries.push(DirEntry { name, len: facts.len(), is_dir: false }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_by_link_respects_what_has_the_name() {
        let dir = tempfile::TempDir::new().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::write(&from, b"new").unwrap();
        fs::write(&to, b"old").unwrap();
        assert_eq!(rename_by_link(&from, &to).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&to).unwrap(), b"old");
        fs::remove_file(&to).unwrap();
        rename_by_link(&from, &to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"new");
        assert!(!from.exists());
    }

    #[test]
    fn a_failed_sync_condemns_every_handle_of_the_volume() {
        let dir = tempfile::TempDir::new().unwrap();
        let disk = RealDisk::open(dir.path()).unwrap();
        let mut open = disk.create_new("open").unwrap();
        let other = disk.clone();
        let failed = disk.poison.condemn(&dir.path().join("a"), Errno::IO.into());
        assert!(matches!(failed, DiskError::SyncFailed { .. }));
        assert!(matches!(open.write_all(b"x"), Err(DiskError::Poisoned { .. })));
        assert!(matches!(open.sync(), Err(DiskError::Poisoned { .. })));
        assert!(matches!(other.create_new("a"), Err(DiskError::Poisoned { .. })));
        assert!(matches!(other.sync_dir(""), Err(DiskError::Poisoned { .. })));
        assert_eq!(other.list("").unwrap().len(), 1);
        // Opening the folder anew is what a new process does: it knows nothing of the failure.
        assert!(RealDisk::open(dir.path()).unwrap().create_new("a").is_ok());
    }
}
