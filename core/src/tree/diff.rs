//! What differs between two trees of one class, at the cost of the difference.
//!
//! Level by level, parts that both trees have are set aside by their ids. A key lies in exactly one leaf of a tree; so
//! a key in a leaf of one tree alone can't lie in a leaf that both have, and comparing the leaves that are left is
//! exact. What is left falls into stretches of keys, which can be compared side by side.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use crate::id::{LeafId, RecordDigest};

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
    before: Vec<Child>,
    after: Vec<Child>,
}

/// A stretch of keys, with the leaves that may hold keys of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch<'a> {
    from: &'a [u8],
    until: Option<&'a [u8]>,
    before: &'a [Child],
    after: &'a [Child],
}

impl Differing {
    /// Cuts the keys into stretches of about so many leaves of the side that has more.
    pub fn stretches(&self, leaves: usize) -> Vec<Stretch<'_>> {
        let longer = if self.before.len() > self.after.len() { &self.before } else { &self.after };
        let cuts: Vec<&[u8]> = longer.iter().map(|leaf| &*leaf.first_key).step_by(leaves.max(1)).skip(1).collect();
        let starts = std::iter::once(&[][..]).chain(cuts.iter().copied());
        let ends = cuts.iter().copied().map(Some).chain(std::iter::once(None));
        let stretch = |(from, until)| {
            let (before, after) = (within(&self.before, from, until), within(&self.after, from, until));
            Stretch { from, until, before, after }
        };
        starts.zip(ends).map(stretch).collect()
    }
}

/// The leaves that may hold keys of a stretch: one that begins before it may reach into it.
fn within<'a>(leaves: &'a [Child], from: &[u8], until: Option<&[u8]>) -> &'a [Child] {
    let end = until.map_or(leaves.len(), |until| leaves.partition_point(|leaf| &*leaf.first_key < until));
    let start = leaves.partition_point(|leaf| &*leaf.first_key <= from).saturating_sub(1);
    leaves.get(start..end).unwrap_or_default()
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
                return Ok(Differing { before: old, after: new });
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

/// Compares the records of a stretch and hands each difference on. One reader serves both trees, since a leaf of the
/// earlier one is often the base of its successor.
pub fn diff_stretch<S: PartSource>(
    reader: &mut TreeReader<'_, S>,
    stretch: &Stretch<'_>,
    visit: &mut dyn FnMut(Change<'_>),
) -> Result<(), ReadError<S::Error>> {
    let (mut a, mut b) = (Run::new(stretch.before), Run::new(stretch.after));
    a.skip_below(stretch.from, reader)?;
    b.skip_below(stretch.from, reader)?;
    loop {
        a.settle(reader)?;
        b.settle(reader)?;
        let (old, new) = (a.key_below(stretch.until), b.key_below(stretch.until));
        let order = match (old, new) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.cmp(new),
        };
        match order {
            Ordering::Less => visit(Change::Removed(a.record())),
            Ordering::Greater => visit(Change::Added(b.record())),
            Ordering::Equal if a.digest() != b.digest() => visit(Change::Changed(a.record(), b.record())),
            Ordering::Equal => {}
        }
        a.at += usize::from(order.is_le());
        b.at += usize::from(order.is_ge());
    }
}

/// A walk over the records of consecutive leaves.
struct Run<'a> {
    leaves: &'a [Child],
    leaf: Arc<Leaf>,
    at: usize,
}

impl<'a> Run<'a> {
    fn new(leaves: &'a [Child]) -> Self {
        Self { leaves, leaf: Arc::new(Leaf::default()), at: 0 }
    }

    /// Passes over what lies before a stretch, which is at most a part of the first leaf.
    fn skip_below<S: PartSource>(
        &mut self,
        from: &[u8],
        reader: &mut TreeReader<'_, S>,
    ) -> Result<(), ReadError<S::Error>> {
        if self.leaves.first().is_some_and(|leaf| &*leaf.first_key < from) {
            self.settle(reader)?;
            self.at = self.leaf.find(from).unwrap_or_else(|at| at);
        }
        Ok(())
    }

    fn settle<S: PartSource>(&mut self, reader: &mut TreeReader<'_, S>) -> Result<(), ReadError<S::Error>> {
        while self.at >= self.leaf.len() {
            let Some((next, rest)) = self.leaves.split_first() else { return Ok(()) };
            self.leaf = reader.leaf(LeafId(next.id.0))?;
            self.leaves = rest;
            self.at = 0;
        }
        Ok(())
    }

    fn key_below(&self, until: Option<&[u8]>) -> Option<&[u8]> {
        let key = (self.at < self.leaf.len()).then(|| self.leaf.key(self.at))?;
        until.is_none_or(|until| key < until).then_some(key)
    }

    fn digest(&self) -> Option<RecordDigest> {
        self.leaf.digest(self.at)
    }

    fn record(&self) -> &[u8] {
        self.leaf.record(self.at)
    }
}
