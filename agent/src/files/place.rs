//! Folders below a root, opened name by name, so that no link is ever followed.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;

use super::path::TreePath;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The root of a tree. Its own path may lead through links: it was given by the operator.
pub(super) fn open_root(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// A folder below a root.
pub(super) fn open_folder(root: &OwnedFd, path: &TreePath) -> Result<OwnedFd, Errno> {
    let mut folder = openat(root, ".", FOLDER, Mode::empty())?;
    for name in path.names() {
        folder = openat(&folder, name, FOLDER, Mode::empty())?;
    }
    Ok(folder)
}

/// A file of a folder, for reading. It never blocks, whatever somebody put under the name meanwhile.
pub(super) fn open_file(folder: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    openat(folder, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
}

/// What lies under a name, without following it.
pub(super) fn look(folder: &OwnedFd, name: &OsStr) -> Result<Stat, Errno> {
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
}
