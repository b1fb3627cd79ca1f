//! The building of a tree from its records, in key order: every folder before what it holds, every file before its
//! pieces, the first name of a file before the others.
//!
//! Everything is made below one root that was empty, under names that were not there, and no link is followed on the way
//! to it. Folders stay open to their owner alone until all that they hold is there.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, chownat, fchmod, fchown, futimens, linkat,
    mkdirat, mknodat, openat, symlinkat, utimensat,
};
use rustix::io::Errno;
use strongroom_core::codec::Malformed;

use super::entry::{Attributes, Entry, Kind};
use super::path::TreePath;
use super::pieces::{self, Digest};
use super::place::open_folder;
use super::record::{Body, FileRecord};
use super::xattrs;

/// Blocks of zeros that are left out of a file.
const HOLE_BYTES: usize = 4096;

/// A record that can't become part of the tree.
#[derive(Debug, thiserror::Error)]
pub(super) enum BuildError {
    /// It does not follow its format, or would lead out of the tree.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The file system refused it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Its owner or an attribute can't be given.
    #[error("{what} can't be given to it")]
    Refused {
        /// What.
        what: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl From<Errno> for BuildError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

/// Bits of a mode by which an entry runs as its owner or group.
const RUN_AS_BITS: u32 = 0o6000;

/// What an entry should have and could not be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Withheld {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Bits of its mode that went with the owner.
    pub(super) bits: u32,
}

/// A file whose pieces are still coming.
struct Unfinished {
    entry: Entry,
    file: OwnedFd,
    places: HashMap<Digest, Vec<u64>>,
    lengths: HashMap<Digest, u64>,
}

/// Builds a tree.
pub(super) struct Builder {
    root: OwnedFd,
    /// The folder of the last entry.
    folder: Option<(TreePath, OwnedFd)>,
    folders: Vec<(TreePath, Attributes)>,
    unfinished: Option<Unfinished>,
    /// What could not be given, since this user may not.
    pub(super) withheld: BTreeMap<TreePath, Withheld>,
}

impl Builder {
    /// Builds below an empty folder.
    pub(super) fn new(root: OwnedFd) -> Self {
        Self { root, folder: None, folders: Vec::new(), unfinished: None, withheld: BTreeMap::new() }
    }

    /// Takes the next record.
    pub(super) fn take(&mut self, record: FileRecord<'_>) -> Result<(), BuildError> {
        match record {
            FileRecord::Piece(path, digest, content) => self.piece(&path, &digest, content),
            FileRecord::Entry(entry, body) => {
                self.finish_file()?;
                self.entry(entry, body)
            }
        }
    }

    /// Gives the folders their attributes, the deepest first.
    pub(super) fn finish(&mut self) -> Result<(), BuildError> {
        self.finish_file()?;
        self.folder = None;
        while let Some((path, attributes)) = self.folders.pop() {
            let folder = open_folder(&self.root, &path)?;
            self.settle(&path, &folder, &attributes)?;
        }
        Ok(())
    }

    /// The root, for whoever makes it durable.
    pub(super) fn root(&self) -> &OwnedFd {
        &self.root
    }

    fn entry(&mut self, entry: Entry, body: Body<'_>) -> Result<(), BuildError> {
        let path = entry.path.clone();
        let Some((above, name)) = path.split() else {
            if entry.kind != Kind::Folder {
                return Err(Malformed::new("file: the root is no folder").into());
            }
            self.folders.push((path, entry.attributes));
            return Ok(());
        };
        let folder = self.open(&above)?;
        match entry.kind {
            Kind::Folder => {
                mkdirat(&folder, name, Mode::RWXU)?;
                self.folders.push((path, entry.attributes));
                Ok(())
            }
            Kind::File => self.file(entry, &folder, name, body),
            Kind::Symlink => {
                let target = entry.target.as_deref().ok_or(Malformed::new("file: link"))?;
                symlinkat(target, &folder, name)?;
                self.settle_unopened(&entry, &folder, name)
            }
            Kind::Pipe => {
                mknodat(&folder, name, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
                self.settle_unopened(&entry, &folder, name)
            }
            Kind::HardLink => {
                let target = entry.target.as_deref().ok_or(Malformed::new("file: hard link"))?;
                let first = TreePath::parse(target).map_err(|_| Malformed::new("file: hard link"))?;
                let (above, first) = first.split().ok_or(Malformed::new("file: hard link"))?;
                Ok(linkat(&open_folder(&self.root, &above)?, first, &folder, name, AtFlags::empty())?)
            }
        }
    }

    fn open(&mut self, path: &TreePath) -> Result<OwnedFd, BuildError> {
        if self.folder.as_ref().is_none_or(|(known, _)| known != path) {
            self.folder = Some((path.clone(), open_folder(&self.root, path)?));
        }
        let folder = self.folder.as_ref().map(|(_, folder)| folder.try_clone());
        Ok(folder.unwrap_or_else(|| self.root.try_clone())?)
    }

    fn file(&mut self, entry: Entry, folder: &OwnedFd, name: &OsStr, body: Body<'_>) -> Result<(), BuildError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?;
        rustix::fs::ftruncate(&file, entry.size)?;
        let mut unfinished = Unfinished { file, places: HashMap::new(), lengths: HashMap::new(), entry };
        match body {
            Body::Inline(content) => write_data(&unfinished.file, 0, content)?,
            Body::Pieces(list) => {
                for piece in pieces::parse(list, unfinished.entry.size)? {
                    unfinished.places.entry(piece.digest).or_default().push(piece.offset);
                    unfinished.lengths.insert(piece.digest, piece.length);
                }
            }
            Body::Nothing => return Err(Malformed::new("file: content").into()),
        }
        self.unfinished = Some(unfinished);
        Ok(())
    }

    fn piece(&mut self, path: &TreePath, digest: &Digest, content: &[u8]) -> Result<(), BuildError> {
        let wrong = || Malformed::new("file: a piece that no file has");
        let file = self.unfinished.as_mut().filter(|file| file.entry.path == *path).ok_or(wrong())?;
        let places = file.places.remove(digest).ok_or(wrong())?;
        if file.lengths.get(digest) != Some(&(content.len() as u64)) {
            return Err(wrong().into());
        }
        places.into_iter().try_for_each(|offset| write_data(&file.file, offset, content))
    }

    fn finish_file(&mut self) -> Result<(), BuildError> {
        let Some(Unfinished { entry, file, places, .. }) = self.unfinished.take() else { return Ok(()) };
        if !places.is_empty() {
            return Err(Malformed::new("file: pieces are missing").into());
        }
        self.settle(&entry.path, &file, &entry.attributes)
    }

    /// Gives an open file or folder what it has beside its content. A change of owner takes permissions away, and any
    /// change sets the time, so the order matters.
    fn settle(&mut self, path: &TreePath, file: &OwnedFd, attributes: &Attributes) -> Result<(), BuildError> {
        let (uid, gid) = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
        let now = rustix::fs::fstat(file)?;
        let mut mode = attributes.mode;
        if (now.st_uid, now.st_gid) != (attributes.uid, attributes.gid) {
            mode = self.note_owner(path, attributes, fchown(file, Some(uid), Some(gid)))?;
        }
        for (name, value) in xattrs::parse(&attributes.xattrs)? {
            xattrs::set(file, name, value).map_err(|error| BuildError::Refused {
                what: format!("the attribute {}", String::from_utf8_lossy(name)),
                source: error.into(),
            })?;
        }
        fchmod(file, Mode::from_raw_mode(mode))?;
        Ok(futimens(file, &times(attributes))?)
    }

    /// The same for a link or a pipe, which can't be opened.
    fn settle_unopened(&mut self, entry: &Entry, folder: &OwnedFd, name: &OsStr) -> Result<(), BuildError> {
        let attributes = &entry.attributes;
        let (uid, gid) = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
        let now = super::place::look(folder, name)?;
        let mut mode = attributes.mode;
        if (now.st_uid, now.st_gid) != (attributes.uid, attributes.gid) {
            let given = chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW);
            mode = self.note_owner(&entry.path, attributes, given)?;
        }
        if entry.kind == Kind::Pipe {
            // Made by us a moment ago, in a folder that is ours alone.
            rustix::fs::chmodat(folder, name, Mode::from_raw_mode(mode), AtFlags::empty())?;
        }
        Ok(utimensat(folder, name, &times(attributes), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// The mode that an entry gets after a change of its owner. What was refused an owner must not run as the one that
    /// it has: what ran as root would run as whoever restores.
    fn note_owner(
        &mut self,
        path: &TreePath,
        attributes: &Attributes,
        given: Result<(), Errno>,
    ) -> Result<u32, BuildError> {
        match given {
            Err(Errno::PERM) => {
                let bits = attributes.mode & RUN_AS_BITS;
                self.withheld.insert(path.clone(), Withheld { uid: attributes.uid, gid: attributes.gid, bits });
                Ok(attributes.mode & !RUN_AS_BITS)
            }
            other => Ok(other.map(|()| attributes.mode)?),
        }
    }
}

fn times(attributes: &Attributes) -> Timestamps {
    const SECOND: i64 = 1_000_000_000;
    let (seconds, fraction) = (attributes.mtime_ns.div_euclid(SECOND), attributes.mtime_ns.rem_euclid(SECOND));
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: fraction },
    }
}

/// Writes what is not zero: the file has its length already, and a hole reads as zeros.
fn write_data(file: &OwnedFd, offset: u64, content: &[u8]) -> Result<(), BuildError> {
    let file = File::from(file.try_clone()?);
    let mut at = offset;
    for run in content.chunks(HOLE_BYTES) {
        if run.iter().any(|byte| *byte != 0) {
            file.write_all_at(run, at)?;
        }
        at += run.len() as u64;
    }
    Ok(())
}
