//! Reading trees: from ids to checked leaves and nodes.
//!
//! The reader asks a [`PartSource`] for stored forms by short names, follows delta chains, and accepts a part only if
//! the id recomputed from its contents is the id that the parent names. A chain's generations must fall, so it ends.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;

use crate::codec::{Malformed, Reader};
use crate::digest::IdFunctions;
use crate::frame::Frame;
use crate::id::{Hint, LeafId, NodeId};
use crate::limits::{CHAIN_FORMS_MAX, TREE_LEVELS_MAX};
use crate::record::KeyError;

use super::delta::{DeltaHead, apply_delta};
use super::leaf::{Leaf, LeafContext};
use super::node::{Child, Node};
use super::params::{PartId, Top};

impl PartId {
    /// The short name under which packs index the part.
    pub fn hint(&self) -> Hint {
        let [a, b, c, d, e, f, ..] = self.0;
        Hint([a, b, c, d, e, f])
    }
}

/// The bytes of one object, within the frame that they came in.
#[derive(Clone, Debug)]
pub struct Body {
    frame: Arc<Frame>,
    slot: u32,
}

impl Body {
    /// The object in a slot of a frame.
    pub const fn new(frame: Arc<Frame>, slot: u32) -> Self {
        Self { frame, slot }
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.frame.object(self.slot).map_or(&[], |object| object.body)
    }
}

/// One stored form of a part.
#[derive(Clone, Debug)]
pub struct Form {
    /// Whether it is a delta.
    pub delta: bool,
    /// Its body.
    pub body: Body,
}

/// Where stored forms come from: a depot, or the agent's image.
pub trait PartSource {
    /// Why forms can't be had.
    type Error;

    /// All forms under a short name: of inner nodes, or of leaves. Those of other parts may be among them.
    fn forms(&self, hint: Hint, inner: bool) -> Result<Vec<Form>, Self::Error>;
}

/// A part that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError<E> {
    /// The source of forms failed.
    #[error(transparent)]
    Source(E),
    /// No stored form yields the part.
    #[error("no stored form yields the {kind} {id}: {reason}")]
    Missing {
        /// Leaf or node.
        kind: &'static str,
        /// Its id.
        id: String,
        /// The last form's fault, or that there is none.
        reason: String,
    },
    /// A node's children contradict it.
    #[error("the tree is not well-formed: {what}")]
    Shape {
        /// What is wrong.
        what: &'static str,
    },
}

/// Leaves kept at hand, since a leaf is often the base of the next one asked for.
const RECENT_LEAVES: usize = 48;

/// Reads the parts of one class's tree. One reader serves one thread.
pub struct TreeReader<'a, S: PartSource> {
    source: &'a S,
    context: LeafContext,
    recent: VecDeque<(LeafId, Arc<Leaf>)>,
}

impl<'a, S: PartSource> TreeReader<'a, S> {
    /// A reader over stored forms.
    pub const fn new(source: &'a S, context: LeafContext) -> Self {
        Self { source, context, recent: VecDeque::new() }
    }

    /// The id functions in use.
    pub const fn ids(&self) -> &IdFunctions {
        &self.context.ids
    }

    /// A leaf, checked.
    pub fn leaf(&mut self, id: LeafId) -> Result<Arc<Leaf>, ReadError<S::Error>> {
        if let Some((_, leaf)) = self.recent.iter().find(|(known, _)| *known == id) {
            return Ok(Arc::clone(leaf));
        }
        let mut reason = "there is none".to_owned();
        let hint = PartId::from(id).hint();
        for leaf in self.candidates(hint, u32::MAX, 0, &mut reason)? {
            if leaf.id(&self.context.ids) == id {
                if self.recent.len() == RECENT_LEAVES {
                    self.recent.pop_front();
                }
                self.recent.push_back((id, Arc::clone(&leaf)));
                return Ok(leaf);
            }
            "another leaf has the same short name".clone_into(&mut reason);
        }
        Err(ReadError::Missing { kind: "leaf", id: id.to_string(), reason })
    }

    /// All leaves that forms under a short name yield, of generations below `below`.
    fn candidates(
        &self,
        hint: Hint,
        below: u32,
        depth: usize,
        reason: &mut String,
    ) -> Result<Vec<Arc<Leaf>>, ReadError<S::Error>> {
        if let Some((_, leaf)) = self.recent.iter().find(|(known, _)| PartId::from(*known).hint() == hint && depth > 0) {
            return Ok(vec![Arc::clone(leaf)]);
        }
        let mut found = Vec::new();
        for form in self.source.forms(hint, false).map_err(ReadError::Source)? {
            if !form.delta {
                match Leaf::read_full(&self.context, &form.body) {
                    Ok(leaf) => found.push(Arc::new(leaf)),
                    Err(error) => *reason = error.to_string(),
                }
                continue;
            }
            match chained(&form.body, below, depth) {
                Ok(head) => {
                    for base in self.candidates(head.base, head.generation, depth + 1, reason)? {
                        match apply_delta(&self.context, &base, &form.body) {
                            Ok(leaf) => found.push(Arc::new(leaf)),
                            Err(error) => *reason = KeyError::to_string(&error),
                        }
                    }
                }
                Err(error) => *reason = error.to_string(),
            }
        }
        Ok(found)
    }

    /// A node, checked.
    pub fn node(&self, id: NodeId) -> Result<Node, ReadError<S::Error>> {
        let mut reason = "there is none".to_owned();
        for node in self.node_candidates(PartId::from(id).hint(), u32::MAX, 0, &mut reason)? {
            if node.id(&self.context.ids) == id {
                return Ok(node);
            }
        }
        Err(ReadError::Missing { kind: "node", id: id.to_string(), reason })
    }

    fn node_candidates(
        &self,
        hint: Hint,
        below: u32,
        depth: usize,
        reason: &mut String,
    ) -> Result<Vec<Node>, ReadError<S::Error>> {
        let mut found = Vec::new();
        let mut keep = |node: Result<Node, Malformed>, reason: &mut String| match node {
            Ok(node) => found.push(node),
            Err(error) => *reason = error.to_string(),
        };
        for form in self.source.forms(hint, true).map_err(ReadError::Source)? {
            if !form.delta {
                keep(Node::read_full(&form.body), reason);
                continue;
            }
            match chained(&form.body, below, depth) {
                Ok(head) => {
                    for base in self.node_candidates(head.base, head.generation, depth + 1, reason)? {
                        keep(Node::apply_delta(&base, &form.body), reason);
                    }
                }
                Err(error) => *reason = error.to_string(),
            }
        }
        Ok(found)
    }

    /// The children of a part at a level above the leaves, checked against what the parent says of it.
    pub fn children(&self, level: u8, id: PartId, records: u64) -> Result<Vec<Child>, ReadError<S::Error>> {
        let node = self.node(NodeId(id.0))?;
        if node.level != level {
            return Err(ReadError::Shape { what: "a node's level is not one below its parent's" });
        }
        if node.records() != records {
            return Err(ReadError::Shape { what: "a node's count of records is not what its parent says" });
        }
        Ok(node.children)
    }

    /// One record by its key, with its leaf and the position there.
    pub fn find(&mut self, top: Option<Top>, key: &[u8]) -> Result<Option<(Arc<Leaf>, usize)>, ReadError<S::Error>> {
        let Some(top) = top else { return Ok(None) };
        let (mut level, mut id, mut records) = (top.level, top.id, top.records);
        while level > 0 {
            let children = self.children(level, id, records)?;
            let after = children.partition_point(|child| &*child.first_key <= key);
            let Some(child) = after.checked_sub(1).and_then(|at| children.get(at)) else { return Ok(None) };
            (level, id, records) = (level - 1, child.id, child.records);
        }
        let leaf = self.leaf(LeafId(id.0))?;
        Ok(leaf.find(key).ok().map(|at| (leaf, at)))
    }

    /// Walks all leaves in key order.
    pub fn for_each_leaf<X>(
        &mut self,
        top: Option<Top>,
        visit: &mut dyn FnMut(&Leaf) -> Result<(), X>,
    ) -> Result<Result<(), X>, ReadError<S::Error>> {
        let Some(top) = top else { return Ok(Ok(())) };
        if top.level > TREE_LEVELS_MAX {
            return Err(ReadError::Shape { what: "too many levels" });
        }
        self.walk(top.level, top.id, top.records, visit)
    }

    fn walk<X>(
        &mut self,
        level: u8,
        id: PartId,
        records: u64,
        visit: &mut dyn FnMut(&Leaf) -> Result<(), X>,
    ) -> Result<Result<(), X>, ReadError<S::Error>> {
        if level > 0 {
            for child in self.children(level, id, records)? {
                if let Err(stop) = self.walk(level - 1, child.id, child.records, visit)? {
                    return Ok(Err(stop));
                }
            }
            return Ok(Ok(()));
        }
        let leaf = self.leaf(LeafId(id.0))?;
        if leaf.len() as u64 != records {
            return Err(ReadError::Shape { what: "a leaf's count of records is not what its parent says" });
        }
        Ok(visit(&leaf))
    }
}

fn chained(body: &[u8], below: u32, depth: usize) -> Result<DeltaHead, Malformed> {
    let head = DeltaHead::read(&mut Reader::new(body, "delta form"))?;
    if head.generation >= below || depth >= CHAIN_FORMS_MAX {
        return Err(Malformed::new("delta chain: generations do not fall"));
    }
    Ok(head)
}
