//! Builds one class's tree: merges the old records with the new rows, cuts leaves, and has each part handled.

use std::cell::RefCell;
use std::rc::Rc;

use strongroom_core::blob::BlobError;
use strongroom_core::codec::Malformed;
use strongroom_core::frame::ObjectKind;
use strongroom_core::id::ObjectId;
use strongroom_core::record::KeyError;
use strongroom_core::tree::cutter::Cutter;
use strongroom_core::tree::leaf::LeafContext;
use strongroom_core::tree::params::{Top, TreeParams};
use strongroom_core::tree::reader::ReadError;
use strongroom_core::tree::scaffold::Scaffold;

use super::job::Mode;
use super::merge::{MergeError, Tally, merge};
use super::old::{OldLeaf, OldNode, OldRecords};
use super::part::PartBuilder;
use super::pending::{Arena, Pending};
use super::sorter::Merged;
use crate::cache::index::ClassWriter;
use crate::cache::{Image, ImageError, IndexError};

/// Takes encoded objects on their way into frames.
pub(super) type ObjectSink<'a> = dyn FnMut(ObjectId, ObjectKind, &[u8]) -> Result<(), BuildError> + 'a;

/// A class that could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Rows or index can't be read.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// The index can't be written.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The image does not yield a part that it should hold: the class must be stored whole.
    #[error("the image does not yield a part")]
    Image(#[source] ReadError<ImageError>),
    /// The index does not yield the old nodes: the class must be stored whole.
    #[error("the index does not yield the old nodes")]
    OldNodes(#[source] IndexError),
    /// A large value can't be stored.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A record or part can't be encoded.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The records of an old part have no keys.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The frames are not taken any more: the reason is reported elsewhere.
    #[error("storing was stopped")]
    Stopped,
}

/// What a class's tree came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Built {
    pub top: Option<Top>,
    pub tally: Tally,
}

/// Everything that the building of one class needs.
pub(super) struct ClassBuild<'a> {
    pub context: LeafContext,
    pub params: TreeParams,
    pub mode: Mode,
    pub image: Option<&'a Image>,
    pub old_nodes: Vec<OldNode>,
    pub index: ClassWriter<'a>,
    pub sink: &'a mut ObjectSink<'a>,
    pub is_stopped: &'a dyn Fn() -> bool,
}

impl ClassBuild<'_> {
    /// Merges, cuts, stores, and gives the top.
    pub(super) fn run(mut self, old: OldRecords<'_>, new: Merged) -> Result<Built, BuildError> {
        let keyless = self.context.key_plan.is_none();
        let ids = self.context.ids.clone();
        let old_nodes = std::mem::take(&mut self.old_nodes);
        let mut builder = PartBuilder::new(&self.context, self.mode, self.image, old_nodes, &mut self.index, self.sink);
        let mut scaffold = Scaffold::new(&ids, self.params);
        let mut cutter = Cutter::new(self.params.leaf_records_target);
        let mut arena = Arena::default();
        let gone: RefCell<Vec<Rc<OldLeaf>>> = RefCell::default();
        let left = |leaf: Rc<OldLeaf>| {
            if leaf.survivors.get() == 0 {
                gone.borrow_mut().push(leaf);
            }
            Ok(())
        };
        let tally = merge::<BuildError>(old, new, keyless, left, |record| {
            for leaf in gone.borrow_mut().drain(..) {
                builder.retire(&leaf, None);
            }
            builder.store_large(&record)?;
            let hash = ids.border(0, record.key);
            let pending = Pending::new(&record, self.mode, &mut arena)?;
            if let Some(items) = cutter.push(hash, pending) {
                if (self.is_stopped)() {
                    return Err(BuildError::Stopped);
                }
                builder.leaf(&items, &arena, &mut scaffold)?;
                arena.drop_before(items.last().map_or(0, |last| last.start));
            }
            Ok(())
        })?;
        for leaf in gone.borrow_mut().drain(..) {
            builder.retire(&leaf, None);
        }
        if let Some(items) = cutter.finish() {
            builder.leaf(&items, &arena, &mut scaffold)?;
        }
        let top = scaffold.finish(&mut |id, node| builder.node(id, &node))?;
        builder.forget_old_nodes();
        self.index.finish()?;
        Ok(Built { top, tally })
    }
}
