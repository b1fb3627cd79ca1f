//! What differs between two trees of one class, at the cost of the difference.
//!
//! Level by level, parts that both trees have are set aside by their ids. A key lies in exactly one leaf of a tree; so
//! a key in a leaf of one tree alone can't lie in a leaf that both have, and comparing the leaves that are left is
//! exact.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use crate::id::LeafId;

use super::leaf::Leaf;
use super::node::Child;
use super::params::{PartId, Top};
use super::reader::{PartSource, ReadError, TreeReader};
use crate::record::Key;

/// How one record differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// Only in the later tree.
    Added(&'a [u8]),
    /// Only in the earlier tree.
    Removed(&'a [u8]),
    /// In both, with different contents: earlier, later.
    Changed(&'a [u8], &'a [u8]),
}

/// Leaves that only one of two trees has, in key order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differing {
    /// Of the earlier tree.
    pub before: Vec<LeafId>,
    /// Of the later tree.
    pub after: Vec<LeafId>,
}

/// Finds the leaves that only one of two trees has. Both are trees of one line: same id key, same parameters.
pub fn differing_leaves<S: PartSource>(
    reader: &TreeReader<'_, S>,
    before: Option<Top>,
    after: Option<Top>,
) -> Result<Differing, ReadError<S::Error>> {
    let (mut old, mut new) = (start(before), start(after));
    let (mut old_level, mut new_level) = (level(before), level(after));
    loop {
        if old_level == new_level {
            set_common_aside(&mut old, &mut new);
        }
        match old_level.cmp(&new_level) {
            Ordering::Equal if old_level == 0 => {
                let leaves = |parts: Vec<Child>| parts.into_iter().map(|part| LeafId(part.id.0)).collect();
                return Ok(Differing { before: leaves(old), after: leaves(new) });
            }
            Ordering::Equal => {
                old = expand(reader, old_level, &old)?;
                new = expand(reader, new_level, &new)?;
                (old_level, new_level) = (old_level - 1, new_level - 1);
            }
            Ordering::Greater => {
                old = expand(reader, old_level, &old)?;
                old_level -= 1;
            }
            Ordering::Less => {
                new = expand(reader, new_level, &new)?;
                new_level -= 1;
            }
        }
    }
}

fn level(top: Option<Top>) -> u8 {
    top.map_or(0, |top| top.level)
}

fn start(top: Option<Top>) -> Vec<Child> {
    top.map(|top| Child { first_key: Key::from_bytes(&[]), id: top.id, records: top.records }).into_iter().collect()
}

fn set_common_aside(old: &mut Vec<Child>, new: &mut Vec<Child>) {
    let in_old: HashSet<PartId> = old.iter().map(|part| part.id).collect();
    let common: HashSet<PartId> = new.iter().map(|part| part.id).filter(|id| in_old.contains(id)).collect();
    old.retain(|part| !common.contains(&part.id));
    new.retain(|part| !common.contains(&part.id));
}

fn expand<S: PartSource>(
    reader: &TreeReader<'_, S>,
    level: u8,
    parts: &[Child],
) -> Result<Vec<Child>, ReadError<S::Error>> {
    let mut children = Vec::new();
    for part in parts {
        children.extend(reader.children(level, part.id, part.records)?);
    }
    Ok(children)
}

/// Compares the records of two runs of leaves and hands each difference on with its key. One reader serves both, since a
/// leaf of the earlier tree is often the base of its successor.
pub fn diff_leaves<S: PartSource>(
    reader: &mut TreeReader<'_, S>,
    leaves: &Differing,
    visit: &mut dyn FnMut(&[u8], Change<'_>),
) -> Result<(), ReadError<S::Error>> {
    let (mut a, mut b) = (Run::new(&leaves.before), Run::new(&leaves.after));
    loop {
        a.settle(reader)?;
        b.settle(reader)?;
        let order = match (a.key(), b.key()) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.cmp(new),
        };
        match order {
            Ordering::Less => visit(a.key().unwrap_or_default(), Change::Removed(a.record())),
            Ordering::Greater => visit(b.key().unwrap_or_default(), Change::Added(b.record())),
            Ordering::Equal if a.digest() != b.digest() => {
                visit(b.key().unwrap_or_default(), Change::Changed(a.record(), b.record()));
            }
            Ordering::Equal => {}
        }
        a.at += usize::from(order.is_le());
        b.at += usize::from(order.is_ge());
    }
}

/// A walk over the records of consecutive leaves.
struct Run<'a> {
    leaves: &'a [LeafId],
    leaf: Arc<Leaf>,
    at: usize,
}

impl<'a> Run<'a> {
    fn new(leaves: &'a [LeafId]) -> Self {
        Self { leaves, leaf: Arc::new(Leaf::default()), at: 0 }
    }

    fn settle<S: PartSource>(&mut self, reader: &mut TreeReader<'_, S>) -> Result<(), ReadError<S::Error>> {
        while self.at >= self.leaf.len() {
            let Some((next, rest)) = self.leaves.split_first() else { return Ok(()) };
            self.leaf = reader.leaf(*next)?;
            self.leaves = rest;
            self.at = 0;
        }
        Ok(())
    }

    fn key(&self) -> Option<&[u8]> {
        (self.at < self.leaf.len()).then(|| self.leaf.key(self.at))
    }

    fn digest(&self) -> Option<crate::id::RecordDigest> {
        self.leaf.digest(self.at)
    }

    fn record(&self) -> &[u8] {
        self.leaf.record(self.at)
    }
}
