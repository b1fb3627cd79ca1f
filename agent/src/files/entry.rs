//! One entry of a tree, as it is recorded.

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Stat};

use super::path::TreePath;

/// Bits of a mode that can be set: permissions, and the three above them.
pub(super) const MODE_BITS: u32 = 0o7777;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file, with its content.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, with what it says.
    Symlink,
    /// A named pipe.
    Pipe,
    /// Another name of a file that has a record of its own.
    HardLink,
}

impl Kind {
    const ALL: [(Self, &'static str); 5] = [
        (Self::File, "file"),
        (Self::Folder, "folder"),
        (Self::Symlink, "symlink"),
        (Self::Pipe, "pipe"),
        (Self::HardLink, "hard link"),
    ];

    /// The kind's word in records.
    pub(super) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }

    /// The kind behind a word.
    pub(super) fn of_word(word: &[u8]) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| known.as_bytes() == word).map(|(kind, _)| *kind)
    }

    /// The kind that the file system says; nothing for what can't be recorded.
    pub(super) fn of(stat: &Stat) -> Option<Self> {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Some(Self::File),
            FileType::Directory => Some(Self::Folder),
            FileType::Symlink => Some(Self::Symlink),
            FileType::Fifo => Some(Self::Pipe),
            _ => None,
        }
    }
}

/// What an entry has beside its kind and its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    /// Permissions.
    pub(super) mode: u32,
    /// The owner's number.
    pub(super) uid: u32,
    /// The group's number.
    pub(super) gid: u32,
    /// When it was last changed, in nanoseconds since 1970.
    pub(super) mtime_ns: i64,
    /// Extended attributes in their encoded form; empty if there are none.
    pub(super) xattrs: Vec<u8>,
}

impl Attributes {
    /// What a look tells; extended attributes are read from an open file.
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            mode: stat.st_mode & MODE_BITS,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime_ns: nanoseconds(stat),
            xattrs: Vec::new(),
        }
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: TreePath,
    pub(super) kind: Kind,
    pub(super) attributes: Attributes,
    /// Bytes of a file.
    pub(super) size: u64,
    /// What a symbolic link says, or the path of the record that a hard link is another name of.
    pub(super) target: Option<Vec<u8>>,
}

/// What two looks at a file that nobody touched agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stillness {
    inode: (u64, u64),
    size: i64,
    mtime_ns: i64,
    ctime: (i64, i64),
}

impl Stillness {
    pub(super) fn of(file: &OwnedFd) -> Result<(Self, Stat), rustix::io::Errno> {
        let stat = rustix::fs::fstat(file)?;
        let still = Self {
            inode: (stat.st_dev, stat.st_ino),
            size: stat.st_size,
            mtime_ns: nanoseconds(&stat),
            ctime: (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0)),
        };
        Ok((still, stat))
    }
}

/// The time of the last change. Years beyond 2262 are cut off there.
fn nanoseconds(stat: &Stat) -> i64 {
    const SECOND: i64 = 1_000_000_000;
    let fraction = i64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    stat.st_mtime.saturating_mul(SECOND).saturating_add(fraction)
}
