//! Reading trees: from ids to checked leaves and nodes.
//!
//! The reader asks a [`PartSource`] for stored forms by short names, follows delta chains, and accepts a part only if
//! the id recomputed from its contents is the id that the parent names. The base of a delta is a full form or the delta
//! of exactly the generation that the rule names, so chains end, and a part that came back to an earlier content, whose
//! many forms share one name, is read along one chain.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;

use crate::codec::Reader;
use crate::digest::IdFunctions;
use crate::frame::Frame;
use crate::id::{Hint, LeafId, NodeId};
use crate::limits::{CHAIN_FORMS_MAX, PART_FORMS_MAX, TREE_LEVELS_MAX};
use crate::record::KeyError;

use super::delta::{DeltaHead, apply_delta};
use super::leaf::{Leaf, LeafContext};
use super::lineage::base_generation;
use super::node::{Child, Node};
use super::params::{PartId, Top};

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
        match self.search_leaf(id) {
            // A recent leaf may have stood in for a base of the same short name.
            Err(ReadError::Missing { .. }) if !self.recent.is_empty() => {
                self.recent.clear();
                self.search_leaf(id)
            }
            found => found,
        }
    }

    fn search_leaf(&mut self, id: LeafId) -> Result<Arc<Leaf>, ReadError<S::Error>> {
        let mut search = Search::new();
        for form in self.sorted_forms(PartId::from(id).hint(), false)? {
            for leaf in self.leaves_of(&form, 0, &mut search)? {
                if leaf.id(&self.context.ids) != id {
                    "another leaf has the same short name".clone_into(&mut search.reason);
                    continue;
                }
                if self.recent.len() == RECENT_LEAVES {
                    self.recent.pop_front();
                }
                self.recent.push_back((id, Arc::clone(&leaf)));
                return Ok(leaf);
            }
        }
        Err(ReadError::Missing { kind: "leaf", id: id.to_string(), reason: search.reason })
    }

    /// The leaves that one form yields: several only where short names of bases collide.
    fn leaves_of(&self, form: &Form, depth: usize, search: &mut Search) -> Result<Vec<Arc<Leaf>>, ReadError<S::Error>> {
        let mut found = Vec::new();
        if !form.delta {
            search.keep(&mut found, Leaf::read_full(&self.context, &form.body).map(Arc::new));
            return Ok(found);
        }
        let Some((base, generation)) = search.base_of(form, depth) else { return Ok(found) };
        if let Some((_, leaf)) = self.recent.iter().find(|(known, _)| PartId::from(*known).hint() == base) {
            search.keep(&mut found, apply_delta(&self.context, leaf, &form.body).map(Arc::new));
        }
        if found.is_empty() {
            for below in self.base_forms(base, generation, false)? {
                for leaf in self.leaves_of(&below, depth + 1, search)? {
                    search.keep(&mut found, apply_delta(&self.context, &leaf, &form.body).map(Arc::new));
                }
            }
        }
        Ok(found)
    }

    /// A node, checked.
    pub fn node(&self, id: NodeId) -> Result<Node, ReadError<S::Error>> {
        let mut search = Search::new();
        for form in self.sorted_forms(PartId::from(id).hint(), true)? {
            for node in self.nodes_of(&form, 0, &mut search)? {
                if node.id(&self.context.ids) == id {
                    return Ok(node);
                }
            }
        }
        Err(ReadError::Missing { kind: "node", id: id.to_string(), reason: search.reason })
    }

    fn nodes_of(&self, form: &Form, depth: usize, search: &mut Search) -> Result<Vec<Node>, ReadError<S::Error>> {
        let mut found = Vec::new();
        if !form.delta {
            search.keep(&mut found, Node::read_full(&form.body).map_err(KeyError::from));
            return Ok(found);
        }
        let Some((base, generation)) = search.base_of(form, depth) else { return Ok(found) };
        for below in self.base_forms(base, generation, true)? {
            for node in self.nodes_of(&below, depth + 1, search)? {
                search.keep(&mut found, Node::apply_delta(&node, &form.body).map_err(KeyError::from));
            }
        }
        Ok(found)
    }

    /// All forms under a short name, those that are cheapest to follow first.
    fn sorted_forms(&self, hint: Hint, inner: bool) -> Result<Vec<Form>, ReadError<S::Error>> {
        let mut forms = self.source.forms(hint, inner).map_err(ReadError::Source)?;
        forms.sort_by_key(Form::generation);
        Ok(forms)
    }

    /// The forms that a delta's base may have: in full, or as the delta of the very generation that the rule names.
    fn base_forms(&self, hint: Hint, generation: u32, inner: bool) -> Result<Vec<Form>, ReadError<S::Error>> {
        let mut forms = self.sorted_forms(hint, inner)?;
        forms.retain(|form| !form.delta || form.generation() == generation);
        Ok(forms)
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

impl Form {
    /// The generation that the form states; 0 for a full one.
    fn generation(&self) -> u32 {
        if !self.delta {
            return 0;
        }
        DeltaHead::read(&mut Reader::new(&self.body, "delta form")).map_or(u32::MAX, |head| head.generation)
    }
}

/// The bounded search for one part.
struct Search {
    reason: String,
    applied: usize,
}

impl Search {
    fn new() -> Self {
        Self { reason: "there is none".to_owned(), applied: 0 }
    }

    fn keep<T>(&mut self, found: &mut Vec<T>, part: Result<T, KeyError>) {
        self.applied += 1;
        match part {
            Ok(part) => found.push(part),
            Err(error) => self.reason = error.to_string(),
        }
    }

    /// The short name and generation of a delta's base, unless the chain or the search has grown too long.
    fn base_of(&mut self, form: &Form, depth: usize) -> Option<(Hint, u32)> {
        let head = match DeltaHead::read(&mut Reader::new(&form.body, "delta form")) {
            Ok(head) => head,
            Err(error) => {
                self.reason = error.to_string();
                return None;
            }
        };
        if depth >= CHAIN_FORMS_MAX || self.applied >= PART_FORMS_MAX {
            "its chain of deltas is too long".clone_into(&mut self.reason);
            return None;
        }
        base_generation(head.generation).map(|generation| (head.base, generation))
    }
}
