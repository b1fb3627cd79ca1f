//! The scaffold: builds the inner levels of a tree from its leaves, as a stream.
//!
//! Memory is one window of children per level, whatever the size of the class.

use crate::digest::IdFunctions;

use super::cutter::Cutter;
use super::node::{Child, Node};
use super::params::{PartId, Top, TreeParams};

struct Level {
    cutter: Cutter<Child>,
    children: u64,
    only: Option<Child>,
}

/// Takes leaves in key order, gives nodes in the order in which they are complete.
pub struct Scaffold<'a> {
    ids: &'a IdFunctions,
    params: TreeParams,
    levels: Vec<Level>,
}

impl<'a> Scaffold<'a> {
    /// A scaffold for one class.
    pub fn new(ids: &'a IdFunctions, params: TreeParams) -> Self {
        Self { ids, params, levels: Vec::new() }
    }

    /// Takes the next leaf; `emit` gets each node that is now complete, with its id.
    pub fn push_leaf<E>(&mut self, leaf: Child, emit: &mut impl FnMut(PartId, Node) -> Result<(), E>) -> Result<(), E> {
        self.push(0, leaf, emit)
    }

    /// Completes the levels and gives the top, if there was any leaf.
    pub fn finish<E>(mut self, emit: &mut impl FnMut(PartId, Node) -> Result<(), E>) -> Result<Option<Top>, E> {
        let mut below = 0;
        while let Some(level) = self.levels.get_mut(below) {
            if level.children == 1 {
                let level_number = u8::try_from(below).unwrap_or(u8::MAX);
                return Ok(level.only.take().map(|top| Top { level: level_number, id: top.id, records: top.records }));
            }
            let target = self.params.node_children_target;
            let cutter = std::mem::replace(&mut level.cutter, Cutter::new(target));
            if let Some(children) = cutter.finish() {
                self.complete(below, children, emit)?;
            }
            below += 1;
        }
        Ok(None)
    }

    fn push<E>(
        &mut self,
        below: usize,
        child: Child,
        emit: &mut impl FnMut(PartId, Node) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.levels.len() == below {
            let cutter = Cutter::new(self.params.node_children_target);
            self.levels.push(Level { cutter, children: 0, only: None });
        }
        let hash = self.ids.border(u8::try_from(below + 1).unwrap_or(u8::MAX), &child.first_key);
        let Some(level) = self.levels.get_mut(below) else { return Ok(()) };
        level.children += 1;
        level.only = (level.children == 1).then(|| child.clone());
        match level.cutter.push(hash, child) {
            Some(children) => self.complete(below, children, emit),
            None => Ok(()),
        }
    }

    fn complete<E>(
        &mut self,
        below: usize,
        children: Vec<Child>,
        emit: &mut impl FnMut(PartId, Node) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(first) = children.first() else { return Ok(()) };
        let first_key = first.first_key.clone();
        let node = Node { level: u8::try_from(below + 1).unwrap_or(u8::MAX), children };
        let id = PartId::from(node.id(self.ids));
        let records = node.records();
        emit(id, node)?;
        self.push(below + 1, Child { first_key, id, records }, emit)
    }
}
