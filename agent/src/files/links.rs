//! Names that share a file, and what became of the file under the first of them.
//!
//! A record of another name points at the record of the first one, so it may be written only once that one is. All names
//! of a file are therefore read by one part, in the order of their paths, after everything else of that part: the first
//! name that gets a record is the one that the others point at. Which part reads a path follows from the survey alone,
//! so no path falls between two parts, whatever happens to the tree meanwhile.

use std::collections::{HashMap, HashSet};

use super::path::TreePath;

/// A file's device and number.
pub(super) type Inode = (u64, u64);

/// The paths that shared a file when the tree was surveyed.
#[derive(Default)]
pub(super) struct SharedNames {
    groups: Vec<Vec<TreePath>>,
    paths: HashSet<TreePath>,
}

impl SharedNames {
    /// Groups of paths. What has one name in the tree is a file like others.
    pub(super) fn new(groups: impl Iterator<Item = Vec<TreePath>>) -> Self {
        let mut groups: Vec<Vec<TreePath>> = groups.filter(|names| names.len() > 1).collect();
        for names in &mut groups {
            names.sort_unstable();
        }
        let paths = groups.iter().flatten().cloned().collect();
        Self { groups, paths }
    }

    /// Whether a path is read with others.
    pub(super) fn has(&self, path: &TreePath) -> bool {
        self.paths.contains(path)
    }

    /// The groups that fall to one of several parts.
    pub(super) fn of_part(&self, part: usize, parts: usize) -> impl Iterator<Item = &[TreePath]> {
        let is_mine = move |names: &&Vec<TreePath>| names.first().is_some_and(|first| first.part_of(parts) == part);
        self.groups.iter().filter(is_mine).map(Vec::as_slice)
    }
}

/// What became of a file under the first of its names that could be read.
#[derive(Clone, Debug)]
pub(super) enum Claim {
    /// The path of its record.
    Recorded(TreePath),
    /// It has none, and why.
    LeftOut(String),
}

/// The files of one group so far: more than one if somebody replaced a name since the survey.
pub(super) type Claims = HashMap<Inode, Claim>;
