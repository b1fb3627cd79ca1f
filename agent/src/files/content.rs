//! Contents that hold still while they are read.
//!
//! A short file is read into memory, a long one into a nameless file on the spool, which goes with its last handle. If
//! the file changed meanwhile, it is read once more; if it changed again, it has no content that could be called its
//! own.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags, SeekFrom, Stat};
use rustix::io::Errno;

use super::entry::Stillness;
use super::pieces::Content;

/// Files up to this length carry their content in their own record.
pub(super) const INLINE_BYTES_MAX: u64 = 256 * 1024;

/// Bytes that are copied at a time.
const COPY_BYTES: usize = 1 << 20;

/// Free bytes that a copy leaves on the spool.
const SPARE_BYTES: u64 = 64 << 20;

/// How often a file that changes is read.
const ATTEMPTS: usize = 2;

static NAMES: AtomicU64 = AtomicU64::new(0);

/// A content that nobody changes any more.
pub(super) enum Stable {
    /// In memory.
    Held(Vec<u8>),
    /// In a file: a copy, or one that belongs to us.
    Lying(File, u64),
}

/// Why a file has no stable content.
#[derive(Debug)]
pub(super) enum Unstable {
    /// It changed each time.
    Changed,
    /// The spool has no room for a copy of so many bytes.
    NoRoom(u64),
    /// It can't be read.
    Failed(io::Error),
}

impl<E: Into<io::Error>> From<E> for Unstable {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Reads an open file, and says how it looked.
pub(super) fn read_still(file: &OwnedFd, spool: Option<&Path>) -> Result<(Stable, Stat), Unstable> {
    let file = File::from(file.try_clone()?);
    for _ in 0..ATTEMPTS {
        let descriptor = OwnedFd::from(file.try_clone()?);
        let (before, stat) = Stillness::of(&descriptor)?;
        let content = match read_once(&file, &stat, spool) {
            // It became shorter.
            Err(Unstable::Changed) => continue,
            Err(Unstable::Failed(error)) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            other => other?,
        };
        if Stillness::of(&descriptor)?.0 == before {
            return Ok((content, stat));
        }
    }
    Err(Unstable::Changed)
}

fn read_once(file: &File, stat: &Stat, spool: Option<&Path>) -> Result<Stable, Unstable> {
    let length = u64::try_from(stat.st_size).unwrap_or(0);
    if length <= INLINE_BYTES_MAX {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(&mut bytes, 0)?;
        // Times move in steps of some milliseconds, within which a short file can be read and written.
        let mut again = vec![0; bytes.len()];
        file.read_exact_at(&mut again, 0)?;
        return if again == bytes { Ok(Stable::Held(bytes)) } else { Err(Unstable::Changed) };
    }
    let Some(spool) = spool else { return Ok(Stable::Lying(file.try_clone()?, length)) };
    let stored = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512).min(length);
    let volume = rustix::fs::statvfs(spool)?;
    if volume.f_bavail.saturating_mul(volume.f_frsize) < stored.saturating_add(SPARE_BYTES) {
        return Err(Unstable::NoRoom(stored));
    }
    let copy = File::from(nameless(spool)?);
    if rustix::fs::ioctl_ficlone(&copy, file).is_err() {
        copy_data(file, &copy, length)?;
    }
    Ok(Stable::Lying(copy, length))
}

/// A file without a name, for its owner alone.
fn nameless(spool: &Path) -> Result<OwnedFd, Errno> {
    let (shared, owner) = (OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
    match rustix::fs::open(spool, shared | OFlags::TMPFILE | OFlags::EXCL, owner) {
        // Not every file system can. The name lasts no longer than it takes to remove it.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {
            let number = NAMES.fetch_add(1, Ordering::Relaxed);
            let path = spool.join(format!("copy-{}-{number}", rustix::process::getpid().as_raw_nonzero()));
            let file = rustix::fs::open(&path, shared | OFlags::CREATE | OFlags::EXCL, owner)?;
            rustix::fs::unlink(&path)?;
            Ok(file)
        }
        other => other,
    }
}

/// Copies what is no hole.
fn copy_data(from: &File, to: &File, length: u64) -> io::Result<()> {
    to.set_len(length)?;
    let mut bytes = vec![0; COPY_BYTES];
    let mut at = next_data(from, 0, length)?;
    while at < length {
        let part = usize::try_from(length - at).unwrap_or(COPY_BYTES).min(COPY_BYTES);
        let part = bytes.get_mut(..part).unwrap_or_default();
        from.read_exact_at(part, at)?;
        to.write_all_at(part, at)?;
        at = next_data(from, at + part.len() as u64, length)?;
    }
    Ok(())
}

fn next_data(file: &File, offset: u64, length: u64) -> io::Result<u64> {
    if offset >= length {
        return Ok(length);
    }
    match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(found) => Ok(found.min(length)),
        Err(Errno::NXIO) => Ok(length),
        // A file system that does not know its holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(offset),
        Err(error) => Err(error.into()),
    }
}

impl Content for Stable {
    fn length(&self) -> u64 {
        match self {
            Self::Held(bytes) => bytes.len() as u64,
            Self::Lying(_, length) => *length,
        }
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Held(held) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                let part = held.get(from..).and_then(|rest| rest.get(..bytes.len()));
                bytes.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Self::Lying(file, _) => file.read_exact_at(bytes, offset),
        }
    }

    fn next_data(&self, offset: u64) -> io::Result<u64> {
        match self {
            Self::Held(_) => Ok(offset),
            Self::Lying(file, length) => next_data(file, offset, *length),
        }
    }
}
