//! The names and files of a simulated volume, as the process sees them and as a crash would leave them.
//!
//! Owns the split between the two. A folder's pending changes are the steps by which its names differ from the durable
//! ones, in the order in which they were made; each step is whole or not at all.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, Weak};

use rand_chacha::ChaCha12Rng;

use super::content::Content;
use super::lock;
use crate::disk::path;
use crate::disk::{DirEntry, DiskError, DiskOp};

/// A file, apart from its names; it lives as long as a name or an open file refers to it.
pub(super) type FileHandle = Arc<Mutex<Content>>;

/// What a name stands for.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Dir,
    File(FileHandle),
}

/// One step on the names of one folder: what each path stands for after it, if anything.
type Step = Vec<(String, Option<Node>)>;

/// A simulated volume.
#[derive(Debug)]
pub(super) struct Volume {
    pub(super) names: BTreeMap<String, Node>,
    pub(super) durable: BTreeMap<String, Node>,
    pub(super) pending: BTreeMap<String, Vec<Step>>,
    pub(super) stream: ChaCha12Rng,
    /// Counts the crashes: a file that was opened in an earlier life belongs to a dead process.
    pub(super) life: u64,
    capacity: u64,
    /// Who holds which lock; a holder that is gone has given it back.
    locks: BTreeMap<String, Weak<()>>,
    /// Syncs say that they are done and do nothing, until the next crash.
    pub(super) is_forgetful: bool,
}

impl Volume {
    pub(super) fn empty(stream: ChaCha12Rng) -> Self {
        let (names, durable, pending, locks) = Default::default();
        Self { names, durable, pending, stream, life: 0, capacity: u64::MAX, locks, is_forgetful: false }
    }

    pub(super) fn life(&self) -> u64 {
        self.life
    }

    pub(super) fn set_capacity(&mut self, bytes: u64) {
        self.capacity = bytes;
    }

    pub(super) fn free_space(&self) -> u64 {
        if self.capacity == u64::MAX {
            return u64::MAX;
        }
        let used = self.names.values().map(|node| match node {
            Node::Dir => 0,
            Node::File(file) => lock(file).len(),
        });
        self.capacity.saturating_sub(used.sum())
    }

    pub(super) fn create_new(&mut self, path: &str) -> Result<FileHandle, DiskError> {
        path::check_file(path)?;
        self.require_dir(DiskOp::CreateNew, path::parent(path))?;
        self.require_free(path)?;
        let file = FileHandle::default();
        self.change(vec![(path.to_owned(), Some(Node::File(Arc::clone(&file))))]);
        Ok(file)
    }

    /// Takes a lock for as long as what it gives lives.
    pub(super) fn lock(&mut self, path: &str) -> Result<Arc<()>, DiskError> {
        path::check_file(path)?;
        if !self.names.contains_key(path) {
            self.create_new(path)?;
        }
        self.file(DiskOp::Lock, path)?;
        if self.locks.get(path).is_some_and(|holder| holder.strong_count() > 0) {
            return Err(DiskError::Locked { path: path.into() });
        }
        let holder = Arc::new(());
        self.locks.insert(path.to_owned(), Arc::downgrade(&holder));
        Ok(holder)
    }

    /// The processes that held locks are dead.
    pub(super) fn unlock_all(&mut self) {
        self.locks.clear();
    }

    pub(super) fn find_file(&self, path: &str) -> Result<FileHandle, DiskError> {
        path::check_file(path)?;
        self.file(DiskOp::OpenRead, path)
    }

    pub(super) fn rename(&mut self, from: &str, to: &str, replaces: bool) -> Result<(), DiskError> {
        path::check_file(from)?;
        path::check_file(to)?;
        let op = if replaces { DiskOp::RenameReplace } else { DiskOp::RenameNoReplace };
        let file = self.file(op, from)?;
        self.require_dir(op, path::parent(to))?;
        if !replaces {
            self.require_free(to)?;
        } else if matches!(self.names.get(to), Some(Node::Dir)) {
            return Err(refused(op, to, io::ErrorKind::IsADirectory));
        }
        if from == to {
            return Ok(());
        }
        let (gone, new) = ((from.to_owned(), None), (to.to_owned(), Some(Node::File(file))));
        if path::parent(from) == path::parent(to) {
            self.change(vec![gone, new]);
        } else {
            self.change(vec![gone]);
            self.change(vec![new]);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &str) -> Result<(), DiskError> {
        path::check_file(path)?;
        self.file(DiskOp::Remove, path)?;
        self.change(vec![(path.to_owned(), None)]);
        Ok(())
    }

    pub(super) fn exists(&self, path: &str) -> Result<bool, DiskError> {
        path::check_dir(path)?;
        Ok(path.is_empty() || self.names.contains_key(path))
    }

    pub(super) fn list(&self, dir: &str) -> Result<Vec<DirEntry>, DiskError> {
        path::check_dir(dir)?;
        self.require_dir(DiskOp::List, dir)?;
        let prefix = path::join(dir, "");
        let below =
            self.names.range(prefix.clone()..).map_while(|(path, node)| Some((path.strip_prefix(&prefix)?, node)));
        Ok(below.filter(|(name, _)| !name.contains('/')).map(|(name, node)| entry(name, node)).collect())
    }

    pub(super) fn create_dir_all(&mut self, dir: &str) -> Result<(), DiskError> {
        path::check_dir(dir)?;
        for dir in path::ancestors(dir) {
            match self.names.get(dir) {
                Some(Node::Dir) => {}
                Some(Node::File(_)) => return Err(DiskError::AlreadyExists { path: dir.into() }),
                None => self.change(vec![(dir.to_owned(), Some(Node::Dir))]),
            }
            self.settle(path::parent(dir));
        }
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: &str) -> Result<(), DiskError> {
        path::check_dir(dir)?;
        self.require_dir(DiskOp::SyncDir, dir)?;
        if !self.is_forgetful {
            self.settle(dir);
        }
        Ok(())
    }

    pub(super) fn flip_bit(&mut self, path: &str, bit: u64) -> Result<(), DiskError> {
        let file = self.find_file(path)?;
        if lock(&file).flip_bit(bit) {
            Ok(())
        } else {
            Err(DiskError::UnexpectedEnd { path: path.into(), end: bit / 8 + 1 })
        }
    }

    /// Writes a sector's content over another one's, or zeros if it comes from nowhere.
    pub(super) fn put_sector(&mut self, path: &str, from: Option<u64>, to: u64) -> Result<(), DiskError> {
        let file = self.find_file(path)?;
        if lock(&file).put_sector(from, to) {
            Ok(())
        } else {
            Err(DiskError::UnexpectedEnd { path: path.into(), end: to })
        }
    }

    /// Makes a step in the sight of the process; it waits for a sync of its folder to be durable.
    fn change(&mut self, step: Step) {
        let dir = step.first().map_or("", |(path, _)| path::parent(path)).to_owned();
        apply(&mut self.names, &step);
        self.pending.entry(dir).or_default().push(step);
    }

    /// Makes all steps on a folder durable.
    fn settle(&mut self, dir: &str) {
        for step in self.pending.remove(dir).unwrap_or_default() {
            apply(&mut self.durable, &step);
        }
    }

    fn file(&self, op: DiskOp, path: &str) -> Result<FileHandle, DiskError> {
        match self.names.get(path) {
            Some(Node::File(file)) => Ok(Arc::clone(file)),
            Some(Node::Dir) => Err(refused(op, path, io::ErrorKind::IsADirectory)),
            None => Err(DiskError::NotFound { path: path.into() }),
        }
    }

    fn require_dir(&self, op: DiskOp, dir: &str) -> Result<(), DiskError> {
        match self.names.get(dir) {
            Some(Node::Dir) => Ok(()),
            Some(Node::File(_)) => Err(refused(op, dir, io::ErrorKind::NotADirectory)),
            None if dir.is_empty() => Ok(()),
            None => Err(DiskError::NotFound { path: dir.into() }),
        }
    }

    fn require_free(&self, path: &str) -> Result<(), DiskError> {
        if self.names.contains_key(path) { Err(DiskError::AlreadyExists { path: path.into() }) } else { Ok(()) }
    }
}

/// Puts the outcome of a step into a table of names.
pub(super) fn apply(names: &mut BTreeMap<String, Node>, step: &Step) {
    for (path, node) in step {
        match node {
            Some(node) => drop(names.insert(path.clone(), node.clone())),
            None => drop(names.remove(path)),
        }
    }
}

fn entry(name: &str, node: &Node) -> DirEntry {
    let (len, is_dir) = match node {
        Node::Dir => (0, true),
        Node::File(file) => (lock(file).len(), false),
    };
    DirEntry { name: name.to_owned(), len, is_dir }
}

fn refused(op: DiskOp, path: &str, kind: io::ErrorKind) -> DiskError {
    DiskError::Io { op, path: path.into(), source: kind.into() }
}
