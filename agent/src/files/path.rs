//! Paths below the root of a tree: bytes, relative, and unable to lead out of it.
//!
//! What comes from a snapshot is checked here before any of it reaches the file system.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// Bytes of one name that Linux takes.
const NAME_BYTES_MAX: usize = 255;

/// Bytes of a whole path: far below what a key may have.
const PATH_BYTES_MAX: usize = 64 * 1024;

/// A path below a root; the root itself is `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TreePath(Vec<u8>);

/// A path that could lead somewhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path does not stay below its root")]
pub(super) struct Escaping;

impl TreePath {
    /// The root.
    pub(super) fn root() -> Self {
        Self(b".".to_vec())
    }

    /// A path that came from outside.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Escaping> {
        let is_name = |name: &[u8]| {
            !name.is_empty() && name.len() <= NAME_BYTES_MAX && name != b"." && name != b".." && !name.contains(&0)
        };
        let is_path = bytes.len() <= PATH_BYTES_MAX && bytes.split(|byte| *byte == b'/').all(is_name);
        if is_path || bytes == b"." { Ok(Self(bytes.to_vec())) } else { Err(Escaping) }
    }

    /// Whether this is the root.
    pub(super) fn is_root(&self) -> bool {
        self.0 == b"."
    }

    /// The path of an entry of this folder.
    pub(super) fn join(&self, name: &[u8]) -> Self {
        if self.is_root() { Self(name.to_vec()) } else { Self([self.0.as_slice(), b"/", name].concat()) }
    }

    /// The folder that holds it, and its name there; nothing for the root.
    pub(super) fn split(&self) -> Option<(Self, &OsStr)> {
        if self.is_root() {
            return None;
        }
        match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(at) => {
                let (folder, name) = self.0.split_at(at);
                Some((Self(folder.to_vec()), OsStr::from_bytes(name.get(1..)?)))
            }
            None => Some((Self::root(), OsStr::from_bytes(&self.0))),
        }
    }

    /// The names on the way from the root.
    pub(super) fn names(&self) -> impl Iterator<Item = &OsStr> {
        let names = if self.is_root() { &[][..] } else { self.0.as_slice() };
        names.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).map(OsStr::from_bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Which of several parts reads it.
    pub(super) fn part_of(&self, parts: usize) -> usize {
        const START: u64 = 0xcbf2_9ce4_8422_2325;
        const FACTOR: u64 = 0x0100_0000_01b3;
        let hash = self.0.iter().fold(START, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FACTOR));
        usize::try_from(hash >> 32).unwrap_or(0) % parts.max(1)
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OsStr::from_bytes(&self.0).display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_of_the_root() {
        for path in ["", "/", "/etc", "a//b", "a/", "..", "a/../b", "./a", "a/.", "a\0b", &"n".repeat(256)] {
            assert_eq!(TreePath::parse(path.as_bytes()), Err(Escaping), "{path:?}");
        }
        for path in [&b"."[..], b"a", b"a/b", b"...", b"a/..b", b"\xff/\n"] {
            assert_eq!(TreePath::parse(path).unwrap().as_bytes(), path);
        }
    }

    #[test]
    fn a_path_is_its_folder_and_its_name() {
        let path = TreePath::root().join(b"a").join(b"b");
        assert_eq!(path.as_bytes(), b"a/b");
        let (folder, name) = path.split().unwrap();
        assert_eq!((folder.as_bytes(), name), (&b"a"[..], OsStr::new("b")));
        assert_eq!(folder.split().unwrap().0, TreePath::root());
        assert_eq!((path.names().count(), TreePath::root().names().count()), (2, 0));
    }
}
