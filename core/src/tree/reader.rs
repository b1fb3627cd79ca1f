//! Reading trees: from ids to checked leaves and nodes.
//!
//! The reader asks a [`PartSource`] for stored forms by short names, follows delta chains, and accepts a part only if
//! the id recomputed from its contents is the id that the parent names. The base of a delta is a full form or the delta
//! of exactly the generation that the rule names, so chains end, and a part that came back to an earlier content, whose
//! many forms share one name, is read along one chain.
//!
//! Anybody who can write into a depot can put forms under any short name. So forms are opened one at a time and given up
//! before the next, and a search has bounds: memory is that of a part, its base and a frame or two, whatever lies there.

mod search;

use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;

use crate::digest::IdFunctions;
use crate::frame::Frame;
use crate::id::{Hint, LeafId, NodeId};
use crate::limits::{LEAVES_KEPT_BYTES_MAX, TREE_LEVELS_MAX};

use super::leaf::{Leaf, LeafContext};
use super::node::{Child, Node};
use super::params::{PartId, Top};
use search::Search;

impl PartId {
    /// The short name under which packs index the part.
    pub fn hint(&self) -> Hint {
        Hint(self.0.first_chunk().copied().unwrap_or_default())
    }
}

/// A record's leaf, and its position there.
pub type Found = (Arc<Leaf>, usize);

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
    /// Where a form lies.
    type Place;

    /// Where forms under a short name lie, those that are cheapest to try first: of inner nodes, or of leaves. Those of
    /// other parts may be among them.
    fn places(&self, hint: Hint, inner: bool) -> Result<Vec<Self::Place>, Self::Error>;

    /// The form at a place; nothing if it is of the other kind.
    fn form(&self, place: &Self::Place, inner: bool) -> Result<Option<Form>, Self::Error>;
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
    nodes_read: Cell<u64>,
}

impl<'a, S: PartSource> TreeReader<'a, S> {
    /// A reader over stored forms.
    pub const fn new(source: &'a S, context: LeafContext) -> Self {
        Self { source, context, recent: VecDeque::new(), nodes_read: Cell::new(0) }
    }

    /// Inner nodes that were read and are what their parents say.
    pub const fn nodes_read(&self) -> u64 {
        self.nodes_read.get()
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
        let leaf: Arc<Leaf> = Search::new(self.source, &self.context, &self.recent).part(id.into())?;
        self.keep(id, &leaf);
        Ok(leaf)
    }

    /// Keeps a leaf at hand, in the place of those that were asked for longest ago.
    fn keep(&mut self, id: LeafId, leaf: &Arc<Leaf>) {
        let kept = |recent: &VecDeque<(LeafId, Arc<Leaf>)>| -> usize {
            recent.iter().map(|(_, leaf)| leaf.record_bytes()).sum()
        };
        while self.recent.len() >= RECENT_LEAVES
            || (!self.recent.is_empty() && kept(&self.recent) + leaf.record_bytes() > LEAVES_KEPT_BYTES_MAX)
        {
            self.recent.pop_front();
        }
        if leaf.record_bytes() <= LEAVES_KEPT_BYTES_MAX {
            self.recent.push_back((id, Arc::clone(leaf)));
        }
    }

    /// A node, checked.
    pub fn node(&self, id: NodeId) -> Result<Node, ReadError<S::Error>> {
        let node: Arc<Node> = Search::new(self.source, &self.context, &self.recent).part(id.into())?;
        Ok(Arc::unwrap_or_clone(node))
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
        self.nodes_read.update(|read| read + 1);
        Ok(node.children)
    }

    /// One record by its key, with its leaf and the position there.
    pub fn find(&mut self, top: Option<Top>, key: &[u8]) -> Result<Option<Found>, ReadError<S::Error>> {
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
