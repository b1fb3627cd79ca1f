//! The walk through a tree: every entry below the root, each looked at and none followed.
//!
//! Folders are visited in the order of their paths. What another file system holds, and what was set apart, is not
//! entered.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{Dir, FileType, Stat};
use rustix::io::Errno;

use super::path::TreePath;
use super::place::{look, open_folder};

/// What the walk meets.
pub(super) enum Met<'a> {
    /// An entry of an open folder.
    Entry { folder: &'a OwnedFd, name: &'a OsStr, stat: &'a Stat },
    /// A folder of another file system, recorded as an empty one.
    Mount,
    /// A folder that was set apart.
    SetApart,
    /// A folder that can't be listed.
    Unlisted(Errno),
    /// An entry that can't be looked at.
    Unseen(Errno),
}

/// Walks below a root; `visit` is told of each path once. The root itself is not visited.
pub(super) fn walk<E>(
    root: &OwnedFd,
    set_apart: &[(u64, u64)],
    mut visit: impl FnMut(&TreePath, Met<'_>) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<Errno>,
{
    let device = rustix::fs::fstat(root)?.st_dev;
    let mut folders = vec![TreePath::root()];
    while let Some(path) = folders.pop() {
        let listed = open_folder(root, &path).and_then(|folder| Ok((names(&folder)?, folder)));
        let (names, folder) = match listed {
            Ok(listed) => listed,
            // Gone since it was met.
            Err(Errno::NOENT) => continue,
            Err(error) => {
                visit(&path, Met::Unlisted(error))?;
                continue;
            }
        };
        let mut below = Vec::new();
        for name in &names {
            let (path, name) = (path.join(name), OsStr::from_bytes(name));
            let stat = match look(&folder, name) {
                Ok(stat) => stat,
                Err(Errno::NOENT) => continue,
                Err(error) => {
                    visit(&path, Met::Unseen(error))?;
                    continue;
                }
            };
            let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if is_folder && set_apart.contains(&(stat.st_dev, stat.st_ino)) {
                visit(&path, Met::SetApart)?;
                continue;
            }
            visit(&path, Met::Entry { folder: &folder, name, stat: &stat })?;
            if is_folder && stat.st_dev != device {
                visit(&path, Met::Mount)?;
            } else if is_folder {
                below.push(path);
            }
        }
        folders.extend(below.into_iter().rev());
    }
    Ok(())
}

/// The names in a folder, each once.
fn names(folder: &OwnedFd) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}
