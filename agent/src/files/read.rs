//! From what the walk meets to records: entries with their attributes, contents that hold still.
//!
//! What does not hold still or can't be read has no record, and a finding. Once pieces of a file are given, they can't
//! be taken back: so its content is stable before the first one is.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::Stat;
use rustix::io::Errno;
use strongroom_core::digest::IdFunctions;
use strongroom_core::error::Code;

use super::content::{INLINE_BYTES_MAX, Stable, Unstable, read_still};
use super::cut::FilesCut;
use super::entry::{Attributes, Entry, Kind, Stillness};
use super::links::{Claim, Claims};
use super::path::TreePath;
use super::pieces::{self, Content as _, Cutter};
use super::place::{look, open_file, open_folder};
use super::record::{Body, put_entry, put_piece};
use super::walk::Met;
use super::xattrs;
use crate::source::{PartRead, RowWriter, Severity, SourceError};

/// The reading of one part.
pub(super) struct PartReader<'a, 'r> {
    cut: &'a FilesCut,
    cutter: Cutter<'a>,
    rows: &'a mut RowWriter<'r>,
    rows_before: u64,
    bytes: u64,
    /// Of the names that are read together.
    claims: Claims,
}

/// Why an entry has no record.
enum Skip {
    /// It can't be read.
    Unreadable(std::io::Error),
    /// The capture ends.
    Source(SourceError),
}

impl<E: Into<std::io::Error>> From<E> for Skip {
    fn from(error: E) -> Self {
        Self::Unreadable(error.into())
    }
}

impl<'a, 'r> PartReader<'a, 'r> {
    pub(super) fn new(cut: &'a FilesCut, ids: &'a IdFunctions, rows: &'a mut RowWriter<'r>) -> Self {
        Self { cut, cutter: Cutter::new(ids), rows_before: rows.rows(), rows, bytes: 0, claims: Claims::new() }
    }

    /// What was read.
    pub(super) fn finish(self) -> PartRead {
        PartRead { captured: self.rows.rows() - self.rows_before, expected: None, bytes: self.bytes }
    }

    /// Reads the root itself.
    pub(super) fn root(&mut self) -> Result<(), SourceError> {
        let failed = |error: Errno| SourceError::engine(Code::SourceLost, &self.cut.facts.database, error.to_string());
        let stat = rustix::fs::fstat(&self.cut.root).map_err(failed)?;
        let attributes = self.attributes(&TreePath::root(), &stat, Some(&self.cut.root)).map_err(failed)?;
        let entry = Entry { path: TreePath::root(), kind: Kind::Folder, attributes, size: 0, target: None };
        put_entry(self.rows, &entry, Body::Nothing)
    }

    /// Reads what the walk met.
    pub(super) fn meet(&mut self, path: &TreePath, met: &Met<'_>) -> Result<(), SourceError> {
        let findings = &self.cut.findings;
        match met {
            Met::Entry { folder, name, stat } => match self.entry(path, folder, name, stat) {
                Ok(()) => {}
                Err(Skip::Source(error)) => return Err(error),
                // Gone since it was met: it is not in the cut.
                Err(Skip::Unreadable(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(Skip::Unreadable(error)) => {
                    findings.note(Severity::Incomplete, path, format!("it can't be read: {error}"));
                }
            },
            Met::Mount => {
                let message =
                    "another file system is mounted here, which is not captured: add it as a source of its own";
                findings.note(Severity::Info, path, message);
            }
            Met::SetApart => {
                findings.note(Severity::Info, path, "left out: it is the room that keeps the snapshots");
            }
            Met::Unlisted(error) => {
                findings.note(Severity::Incomplete, path, format!("what it holds can't be listed: {error}"));
            }
            Met::Unseen(error) => {
                findings.note(Severity::Incomplete, path, format!("it can't be looked at: {error}"));
            }
        }
        Ok(())
    }

    /// Reads names that shared a file when the tree was surveyed, in the order of their paths.
    pub(super) fn names_of_one(&mut self, names: &[TreePath]) -> Result<(), SourceError> {
        for path in names {
            let Some((above, name)) = path.split() else { continue };
            let looked = open_folder(&self.cut.root, &above).and_then(|folder| Ok((look(&folder, name)?, folder)));
            match looked {
                Ok((stat, folder)) => self.meet(path, &Met::Entry { folder: &folder, name, stat: &stat })?,
                // Gone, or its folder is: it is not in the cut.
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(error) => self.meet(path, &Met::Unseen(error))?,
            }
        }
        self.claims.clear();
        Ok(())
    }

    fn entry(&mut self, path: &TreePath, folder: &OwnedFd, name: &OsStr, stat: &Stat) -> Result<(), Skip> {
        let Some(kind) = Kind::of(stat) else {
            let message = "a socket or device is not captured: who made it makes it again";
            self.cut.findings.note(Severity::Info, path, message);
            return Ok(());
        };
        if kind == Kind::File {
            return self.file(path, folder, name);
        }
        let (attributes, target) = match kind {
            Kind::Symlink => {
                let target = rustix::fs::readlinkat(folder, name, Vec::new())?.into_bytes();
                (self.attributes(path, stat, None)?, Some(target))
            }
            Kind::Folder => {
                // A folder that can't be opened is recorded all the same; that it can't be listed, the walk says.
                let opened = TreePath::parse(name.as_bytes()).ok().and_then(|name| open_folder(folder, &name).ok());
                (self.attributes(path, stat, opened.as_ref())?, None)
            }
            _ => (self.attributes(path, stat, None)?, None),
        };
        let entry = Entry { path: path.clone(), kind, attributes, size: 0, target };
        put_entry(self.rows, &entry, Body::Nothing).map_err(Skip::Source)
    }

    fn file(&mut self, path: &TreePath, folder: &OwnedFd, name: &OsStr) -> Result<(), Skip> {
        let file = open_file(folder, name)?;
        let (_, stat) = Stillness::of(&file)?;
        if Kind::of(&stat) != Some(Kind::File) {
            // It was replaced since it was looked at.
            return Err(Skip::Unreadable(std::io::Error::other("it changed its kind while it was read")));
        }
        let inode = (stat.st_dev, stat.st_ino);
        match self.claims.get(&inode) {
            Some(Claim::Recorded(first)) => {
                let target = Some(first.as_bytes().to_vec());
                let attributes = Attributes::of(&stat);
                let entry = Entry { path: path.clone(), kind: Kind::HardLink, attributes, size: 0, target };
                return put_entry(self.rows, &bare(entry), Body::Nothing).map_err(Skip::Source);
            }
            Some(Claim::LeftOut(why)) => {
                self.cut.findings.note(Severity::Incomplete, path, why);
                return Ok(());
            }
            None => {}
        }
        let claim = self.only_name(path, &file)?;
        if self.cut.survey.shared.has(path) {
            self.claims.insert(inode, claim);
        }
        Ok(())
    }

    /// Reads a file under the first of its names, or the only one.
    fn only_name(&mut self, path: &TreePath, file: &OwnedFd) -> Result<Claim, Skip> {
        let left_out = match read_still(file, self.cut.spool.as_deref()) {
            Ok((content, stat)) => {
                let attributes = self.attributes(path, &stat, Some(file))?;
                let size = content.length();
                let entry = Entry { path: path.clone(), kind: Kind::File, attributes, size, target: None };
                self.bytes += size;
                self.content(&entry, &content).map_err(|skip| broken(path, skip))?;
                self.settle(path, file, &stat, &content)?;
                return Ok(Claim::Recorded(path.clone()));
            }
            Err(Unstable::Failed(error)) => return Err(Skip::Unreadable(error)),
            Err(Unstable::Changed) => "it changed each time it was read, and is not in the snapshot".to_owned(),
            Err(Unstable::NoRoom(bytes)) => {
                let mb = bytes >> 20;
                format!("it is not in the snapshot: the spool has no room for a copy of its {mb} MiB")
            }
        };
        self.cut.findings.note(Severity::Incomplete, path, left_out.as_str());
        Ok(Claim::LeftOut(left_out))
    }

    /// A long file that was read where it lies must not have changed meanwhile: its pieces are given already.
    fn settle(&self, path: &TreePath, file: &OwnedFd, stat: &Stat, content: &Stable) -> Result<(), Skip> {
        if self.cut.spool.is_some() || matches!(content, Stable::Held(_)) {
            return Ok(());
        }
        let now = rustix::fs::fstat(file)?;
        if Attributes::of(&now) == Attributes::of(stat) && now.st_size == stat.st_size {
            return Ok(());
        }
        Err(Skip::Source(SourceError::engine(Code::SourceChanged, path.to_string(), "it changed while it was read")))
    }

    fn content(&mut self, entry: &Entry, content: &Stable) -> Result<(), Skip> {
        if let Stable::Held(bytes) = content {
            debug_assert!(bytes.len() as u64 <= INLINE_BYTES_MAX);
            return put_entry(self.rows, entry, Body::Inline(bytes)).map_err(Skip::Source);
        }
        let (mut list, mut end) = (Vec::new(), 0);
        let mut given = HashSet::new();
        let Self { cutter, rows, .. } = self;
        cutter.cut(content, |piece, bytes| {
            pieces::put(&mut list, end, &piece);
            end = piece.offset + piece.length;
            if given.insert(piece.digest) {
                put_piece(rows, &entry.path, &piece.digest, bytes).map_err(Skip::Source)?;
            }
            Ok::<_, Skip>(())
        })?;
        put_entry(self.rows, entry, Body::Pieces(&list)).map_err(Skip::Source)
    }

    fn attributes(&self, path: &TreePath, stat: &Stat, opened: Option<&OwnedFd>) -> Result<Attributes, Errno> {
        let mut attributes = Attributes::of(stat);
        if let Some(withheld) = self.cut.allowed.get(path) {
            (attributes.uid, attributes.gid) = (withheld.uid, withheld.gid);
            attributes.mode |= withheld.bits;
        }
        if let Some(opened) = opened {
            attributes.xattrs = xattrs::read(opened)?;
        }
        Ok(attributes)
    }
}

/// Once pieces of a file are given, they can't be taken back.
fn broken(path: &TreePath, skip: Skip) -> Skip {
    let Skip::Unreadable(error) = skip else { return skip };
    Skip::Source(SourceError::Engine {
        code: Code::SourceLost,
        subject: path.to_string(),
        message: "it can't be read to its end".into(),
        source: Some(Box::new(error)),
    })
}

/// Another name has no attributes of its own.
fn bare(entry: Entry) -> Entry {
    Entry { attributes: Attributes { xattrs: Vec::new(), ..entry.attributes }, ..entry }
}
