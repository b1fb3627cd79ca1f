//! A disk whose changes stay in memory.
//!
//! Owns the illusion that a folder can be written, for those who must open what is in it and may change nothing: tools
//! that look at a member which is not to be touched. What lies below is read and never written. Everything that was
//! changed is forgotten with the disk. Memory grows with what is written, so it is for short looks.

mod patched;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::path;
use super::{DirEntry, Disk, DiskError, DiskFile, DiskLock, DiskOp, DiskRead, DiskUpdate};
use patched::Patched;

/// A disk over another one, which it only reads.
pub struct OverlayDisk {
    below: Arc<dyn Disk>,
    changed: Mutex<BTreeMap<String, Changed>>,
    locked: Arc<Mutex<BTreeSet<String>>>,
    has_own_locks: bool,
}

/// What became of a name.
#[derive(Clone)]
enum Changed {
    File(Arc<Patched>),
    Folder,
    Gone,
}

/// What a name stands for.
enum Kind {
    Patched(Arc<Patched>),
    FileBelow,
    Folder,
    Absent,
}

impl OverlayDisk {
    /// A disk that shows what `below` holds.
    pub fn over(below: Arc<dyn Disk>) -> Self {
        Self { below, changed: Mutex::default(), locked: Arc::default(), has_own_locks: false }
    }

    /// The same for a caller who keeps writers out by a lock of its own, several at a time perhaps, or on a volume where
    /// nobody can write: no lock of the disk below is taken.
    pub fn with_own_locks(below: Arc<dyn Disk>) -> Self {
        Self { has_own_locks: true, ..Self::over(below) }
    }

    fn changed(&self) -> MutexGuard<'_, BTreeMap<String, Changed>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kind(&self, path: &str) -> Result<Kind, DiskError> {
        let changed = self.changed().get(path).cloned();
        match changed {
            Some(Changed::File(file)) => return Ok(Kind::Patched(file)),
            Some(Changed::Folder) => return Ok(Kind::Folder),
            Some(Changed::Gone) => return Ok(Kind::Absent),
            None => {}
        }
        if path.is_empty() {
            return Ok(Kind::Folder);
        }
        if !self.below.exists(path)? {
            return Ok(Kind::Absent);
        }
        Ok(if self.below.list(path).is_ok() { Kind::Folder } else { Kind::FileBelow })
    }

    /// Refuses a folder that is none.
    fn need_folder(&self, op: DiskOp, dir: &str) -> Result<(), DiskError> {
        match self.kind(dir)? {
            Kind::Folder => Ok(()),
            Kind::Absent => Err(DiskError::NotFound { path: dir.into() }),
            Kind::Patched(_) | Kind::FileBelow => Err(refused(op, dir, io::ErrorKind::NotADirectory)),
        }
    }

    /// The file of a name, as one that can be changed.
    fn file(&self, op: DiskOp, path: &str) -> Result<Arc<Patched>, DiskError> {
        path::check_file(path)?;
        match self.kind(path)? {
            Kind::Patched(file) => Ok(file),
            Kind::FileBelow => {
                let file = Arc::new(Patched::over(path, self.below.open_read(path)?)?);
                self.set(path, Changed::File(Arc::clone(&file)));
                Ok(file)
            }
            Kind::Folder => Err(refused(op, path, io::ErrorKind::IsADirectory)),
            Kind::Absent => Err(DiskError::NotFound { path: path.into() }),
        }
    }

    fn rename(&self, op: DiskOp, from: &str, to: &str) -> Result<(), DiskError> {
        path::check_file(to)?;
        let file = self.file(op, from)?;
        self.need_folder(op, path::parent(to))?;
        match self.kind(to)? {
            Kind::Folder => return Err(refused(op, to, io::ErrorKind::IsADirectory)),
            Kind::Absent => {}
            _ if op == DiskOp::RenameReplace => {}
            _ => return Err(DiskError::AlreadyExists { path: to.into() }),
        }
        self.set(from, Changed::Gone);
        self.set(to, Changed::File(file));
        Ok(())
    }

    fn set(&self, path: &str, changed: Changed) {
        self.changed().insert(path.to_owned(), changed);
    }
}

impl Disk for OverlayDisk {
    fn create_new(&self, path: &str) -> Result<Box<dyn DiskFile>, DiskError> {
        path::check_file(path)?;
        self.need_folder(DiskOp::CreateNew, path::parent(path))?;
        if !matches!(self.kind(path)?, Kind::Absent) {
            return Err(DiskError::AlreadyExists { path: path.into() });
        }
        let file = Arc::new(Patched::empty(path));
        self.set(path, Changed::File(Arc::clone(&file)));
        Ok(Box::new(Appending { file, len: 0 }))
    }

    fn open_read(&self, path: &str) -> Result<Box<dyn DiskRead>, DiskError> {
        Ok(Box::new(self.file(DiskOp::OpenRead, path)?))
    }

    fn open_update(&self, path: &str) -> Result<Box<dyn DiskUpdate>, DiskError> {
        Ok(Box::new(self.file(DiskOp::OpenUpdate, path)?))
    }

    fn rename_no_replace(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.rename(DiskOp::RenameNoReplace, from, to)
    }

    fn rename_replace(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.rename(DiskOp::RenameReplace, from, to)
    }

    fn sync_dir(&self, dir: &str) -> Result<(), DiskError> {
        path::check_dir(dir)?;
        self.need_folder(DiskOp::SyncDir, dir)
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, DiskError> {
        path::check_dir(dir)?;
        self.need_folder(DiskOp::List, dir)?;
        let below = match self.below.list(dir) {
            Ok(entries) => entries,
            // A folder that only this disk has.
            Err(DiskError::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut entries: BTreeMap<String, DirEntry> =
            below.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        for (path, changed) in self.changed().iter().filter(|(path, _)| path::parent(path) == dir) {
            let name = path::name(path).to_owned();
            match changed {
                Changed::Gone => drop(entries.remove(&name)),
                Changed::Folder => drop(entries.insert(name.clone(), DirEntry { name, len: 0, is_dir: true })),
                Changed::File(file) => {
                    entries.insert(name.clone(), DirEntry { name, len: file.len()?, is_dir: false });
                }
            }
        }
        Ok(entries.into_values().collect())
    }

    fn create_dir_all(&self, dir: &str) -> Result<(), DiskError> {
        path::check_dir(dir)?;
        for ancestor in path::ancestors(dir) {
            match self.kind(ancestor)? {
                Kind::Folder => {}
                Kind::Absent => self.set(ancestor, Changed::Folder),
                _ => return Err(DiskError::AlreadyExists { path: ancestor.into() }),
            }
        }
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<(), DiskError> {
        self.file(DiskOp::Remove, path)?;
        self.set(path, Changed::Gone);
        Ok(())
    }

    fn exists(&self, path: &str) -> Result<bool, DiskError> {
        path::check_dir(path)?;
        Ok(!matches!(self.kind(path)?, Kind::Absent))
    }

    fn lock(&self, path: &str) -> Result<DiskLock, DiskError> {
        path::check_file(path)?;
        let is_forgotten = self.has_own_locks || self.changed().contains_key(path);
        if !is_forgotten && self.below.exists(path)? {
            // The file is there: taking the lock changes nothing, and keeps out who would.
            match self.below.lock(path) {
                // Nobody can take it where nothing can be written; and nobody who would need it can run there.
                Err(DiskError::Io { source, .. }) if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {}
                taken => return taken,
            }
        }
        match self.kind(path)? {
            Kind::Absent => drop(self.create_new(path)?),
            Kind::Folder => return Err(refused(DiskOp::Lock, path, io::ErrorKind::IsADirectory)),
            Kind::Patched(_) | Kind::FileBelow => {}
        }
        let mut locked = self.locked.lock().unwrap_or_else(PoisonError::into_inner);
        if !locked.insert(path.to_owned()) {
            return Err(DiskError::Locked { path: path.into() });
        }
        Ok(DiskLock::new(Held { path: path.to_owned(), locked: Arc::clone(&self.locked) }))
    }

    fn free_space(&self) -> Result<u64, DiskError> {
        self.below.free_space()
    }
}

/// A lock that only this disk knows of.
struct Held {
    path: String,
    locked: Arc<Mutex<BTreeSet<String>>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.locked.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
    }
}

/// A new file on its way.
struct Appending {
    file: Arc<Patched>,
    len: u64,
}

impl DiskFile for Appending {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.file.write_at(self.len, bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), DiskError> {
        Ok(())
    }
}

fn refused(op: DiskOp, path: &str, kind: io::ErrorKind) -> DiskError {
    DiskError::Io { op, path: Path::new(path).to_path_buf(), source: kind.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{SimDisk, durable_replace, durable_write};

    #[test]
    fn nothing_reaches_the_disk_below() {
        let below: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
        below.create_dir_all("dir").unwrap();
        durable_write(&below, "dir/a", &[7; 10_000]).unwrap();
        durable_write(&below, "b", b"below").unwrap();
        let overlay: Arc<dyn Disk> = Arc::new(OverlayDisk::over(Arc::clone(&below)));
        let file = overlay.open_update("dir/a").unwrap();
        file.write_at(4_090, &[1; 20]).unwrap();
        file.set_len(5_000).unwrap();
        file.set_len(5_004).unwrap();
        durable_replace(&overlay, "b", b"above").unwrap();
        overlay.remove("b").unwrap();
        overlay.create_dir_all("new/er").unwrap();
        overlay.rename_no_replace("dir/a", "new/er/a").unwrap();
        let mut expected = vec![7; 5_000];
        expected[4_090..4_110].fill(1);
        expected.extend([0; 4]);
        assert_eq!(overlay.read("new/er/a", 10_000).unwrap(), expected);
        assert!(overlay.list("dir").unwrap().is_empty());
        assert_eq!(below.read("dir/a", 10_000).unwrap(), [7; 10_000]);
        assert_eq!(below.read("b", 10).unwrap(), b"below");
        assert_eq!(below.list("").unwrap().len(), 2);
    }

    #[test]
    fn with_locks_of_its_own_it_takes_none_below_and_minds_none() {
        let below: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
        durable_write(&below, "lock", b"").unwrap();
        let theirs = below.lock("lock").unwrap();
        assert!(OverlayDisk::over(Arc::clone(&below)).lock("lock").is_err());
        let looks = [OverlayDisk::with_own_locks(Arc::clone(&below)), OverlayDisk::with_own_locks(Arc::clone(&below))];
        let held: Vec<_> = looks.iter().map(|disk| disk.lock("lock").unwrap()).collect();
        assert!(looks[0].lock("lock").is_err());
        drop(theirs);
        let theirs = below.lock("lock").unwrap();
        drop((held, theirs));
    }

    #[test]
    fn a_lock_that_is_below_keeps_others_out_unless_this_disk_has_forgotten_its_name() {
        let below: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
        drop(below.lock("lock").unwrap());
        let overlay = OverlayDisk::over(Arc::clone(&below));
        let held = overlay.lock("lock").unwrap();
        assert!(matches!(below.lock("lock"), Err(DiskError::Locked { .. })));
        let other = OverlayDisk::over(Arc::clone(&below));
        assert!(matches!(other.lock("lock"), Err(DiskError::Locked { .. })));
        other.remove("lock").unwrap();
        let own = other.lock("lock").unwrap();
        assert!(matches!(other.lock("lock"), Err(DiskError::Locked { .. })));
        drop((held, own));
        assert!(below.lock("lock").is_ok() && other.lock("lock").is_ok());
    }

    /// A medium on which nothing can be written, the file of a lock included.
    struct ReadOnly(SimDisk);

    impl ReadOnly {
        fn refuse<T>(op: DiskOp, path: &str) -> Result<T, DiskError> {
            Err(refused(op, path, io::ErrorKind::ReadOnlyFilesystem))
        }
    }

    impl Disk for ReadOnly {
        fn create_new(&self, path: &str) -> Result<Box<dyn DiskFile>, DiskError> {
            Self::refuse(DiskOp::CreateNew, path)
        }

        fn open_read(&self, path: &str) -> Result<Box<dyn DiskRead>, DiskError> {
            self.0.open_read(path)
        }

        fn open_update(&self, path: &str) -> Result<Box<dyn DiskUpdate>, DiskError> {
            Self::refuse(DiskOp::OpenUpdate, path)
        }

        fn rename_no_replace(&self, from: &str, _to: &str) -> Result<(), DiskError> {
            Self::refuse(DiskOp::RenameNoReplace, from)
        }

        fn rename_replace(&self, from: &str, _to: &str) -> Result<(), DiskError> {
            Self::refuse(DiskOp::RenameReplace, from)
        }

        fn sync_dir(&self, dir: &str) -> Result<(), DiskError> {
            Self::refuse(DiskOp::SyncDir, dir)
        }

        fn list(&self, dir: &str) -> Result<Vec<DirEntry>, DiskError> {
            self.0.list(dir)
        }

        fn create_dir_all(&self, dir: &str) -> Result<(), DiskError> {
            Self::refuse(DiskOp::CreateDirAll, dir)
        }

        fn remove(&self, path: &str) -> Result<(), DiskError> {
            Self::refuse(DiskOp::Remove, path)
        }

        fn exists(&self, path: &str) -> Result<bool, DiskError> {
            self.0.exists(path)
        }

        fn lock(&self, path: &str) -> Result<DiskLock, DiskError> {
            Self::refuse(DiskOp::Lock, path)
        }

        fn free_space(&self) -> Result<u64, DiskError> {
            Ok(0)
        }
    }

    #[test]
    fn what_lies_on_a_medium_that_is_only_read_can_be_locked_and_changed() {
        let disk = SimDisk::from_seed(1);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        durable_write(&shared, "a", b"below").unwrap();
        drop(disk.lock("lock").unwrap());
        let overlay: Arc<dyn Disk> = Arc::new(OverlayDisk::over(Arc::new(ReadOnly(disk))));
        let held = overlay.lock("lock").unwrap();
        assert!(matches!(overlay.lock("lock"), Err(DiskError::Locked { .. })));
        durable_replace(&overlay, "a", b"above").unwrap();
        overlay.create_dir_all("new").unwrap();
        assert_eq!(overlay.read("a", 10).unwrap(), b"above");
        drop(held);
    }
}
