//! The parts of one class's new tree, and for each the decision: unchanged, delta or full.
//!
//! Owns the lineage of parts and what the index is told. Never stores a part that the old tree has, and never a delta
//! that costs more than [`DELTA_PERCENT_MAX`] of the full form.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use strongroom_core::blob::{Splitter, encode_blob};
use strongroom_core::codec::{Malformed, Reader};
use strongroom_core::frame::ObjectKind;
use strongroom_core::id::{BlobId, LeafId, NodeId, ObjectId};
use strongroom_core::limits::DELTA_PERCENT_MAX;
use strongroom_core::record::{Cells, Key};
use strongroom_core::tree::block::BlockWriter;
use strongroom_core::tree::delta::{DeltaHead, put_delta};
use strongroom_core::tree::leaf::{Leaf, LeafContext, Packed, leaf_id};
use strongroom_core::tree::lineage::Lineage;
use strongroom_core::tree::node::{Child, Node};
use strongroom_core::tree::params::PartId;
use strongroom_core::tree::reader::{ReadError, TreeReader};
use strongroom_core::tree::scaffold::Scaffold;

use super::build::{BuildError, ObjectSink};
use super::job::Mode;
use super::merge::{MergedRecord, Origin};
use super::old::{OldLeaf, OldNode};
use super::pending::{Arena, Pending, nearest, unchanged};
use crate::cache::index::ClassWriter;
use crate::cache::{Image, LeafEntry, NodeEntry};

/// Blobs of this run that are remembered so as not to be stored twice.
const BLOBS_REMEMBERED: usize = 1 << 16;

/// Handles the parts of one class's new tree.
pub(super) struct PartBuilder<'a, 'b> {
    context: &'b LeafContext,
    mode: Mode,
    reader: Option<TreeReader<'b, Image>>,
    old_nodes: BTreeMap<(u8, Vec<u8>), (Lineage, bool)>,
    index: &'b mut ClassWriter<'a>,
    sink: &'b mut ObjectSink<'a>,
    block: BlockWriter,
    body: Vec<u8>,
    blobs: HashSet<BlobId>,
    splitter: Splitter,
}

impl<'a, 'b> PartBuilder<'a, 'b> {
    pub(super) fn new(
        context: &'b LeafContext,
        mode: Mode,
        image: Option<&'b Image>,
        old_nodes: Vec<OldNode>,
        index: &'b mut ClassWriter<'a>,
        sink: &'b mut ObjectSink<'a>,
    ) -> Self {
        Self {
            context,
            mode,
            reader: image.map(|image| TreeReader::new(image, context.clone())),
            old_nodes: old_nodes.into_iter().map(|(level, key, node)| ((level, key), (node.lineage, false))).collect(),
            index,
            sink,
            block: BlockWriter::new(),
            body: Vec::new(),
            blobs: HashSet::new(),
            splitter: Splitter::new(&context.ids),
        }
    }
}

impl PartBuilder<'_, '_> {
    /// Handles one leaf of the new tree.
    pub(super) fn leaf(
        &mut self,
        items: &[Pending],
        arena: &Arena,
        scaffold: &mut Scaffold<'_>,
    ) -> Result<(), BuildError> {
        let Some(first) = items.first() else { return Ok(()) };
        let first_key = Key::from_bytes(first.key(arena));
        let id = match unchanged(items, arena) {
            Some(id) => id,
            None => self.changed_leaf(items, arena, &first_key)?,
        };
        let child = Child { first_key, id, records: items.len() as u64 };
        scaffold.push_leaf(child, &mut |id, node| self.node(id, &node))
    }

    fn changed_leaf(&mut self, items: &[Pending], arena: &Arena, first_key: &Key) -> Result<PartId, BuildError> {
        for item in items {
            if let Origin::Kept(leaf, _) | Origin::Changed(leaf, _) = &item.origin {
                self.retire(leaf, Some(first_key));
            }
        }
        let pairs = items.iter().map(|item| (item.key(arena), item.digest));
        let id = PartId::from(leaf_id(&self.context.ids, pairs));
        if self.mode != Mode::Store {
            return Ok(id);
        }
        let leaf = self.complete(items, arena)?;
        let lineage = self.store_leaf(id, &leaf, nearest(items))?;
        let mut keys = Packed::default();
        for item in items {
            keys.push(item.key(arena));
        }
        let entry = LeafEntry { lineage, keys, digests: items.iter().map(|item| item.digest).collect() };
        self.index.put(0, first_key, &entry.encode())?;
        Ok(id)
    }

    /// The leaf with all of its records: new ones from the arena, kept ones from the image.
    fn complete(&mut self, items: &[Pending], arena: &Arena) -> Result<Leaf, BuildError> {
        let mut leaf = Leaf::default();
        let mut at_hand: Option<(PartId, Arc<Leaf>)> = None;
        for item in items {
            let Origin::Kept(old, at) = &item.origin else {
                leaf.push(item.key(arena), item.digest, item.record(arena));
                continue;
            };
            let id = old.entry.lineage.id().ok_or(Malformed::new("index leaf"))?;
            let content = match &at_hand {
                Some((known, content)) if *known == id => Arc::clone(content),
                _ => self.image_leaf(id)?,
            };
            leaf.push(item.key(arena), item.digest, content.record(*at as usize));
            at_hand = Some((id, content));
        }
        Ok(leaf)
    }

    fn image_leaf(&mut self, id: PartId) -> Result<Arc<Leaf>, BuildError> {
        let no_image = || ReadError::Shape { what: "there is no image" };
        let reader = self.reader.as_mut().ok_or_else(no_image).map_err(BuildError::Image)?;
        reader.leaf(LeafId(id.0)).map_err(BuildError::Image)
    }

    /// Stores the leaf as a delta where that pays, else in full.
    fn store_leaf(&mut self, id: PartId, leaf: &Leaf, nearest: Option<&OldLeaf>) -> Result<Lineage, BuildError> {
        let object = ObjectId::Leaf(LeafId(id.0));
        if let Some(lineage) = nearest.and_then(|old| old.entry.lineage.back_to(id)) {
            return Ok(lineage);
        }
        self.body.clear();
        if let Some((old, (generation, base_id))) = nearest.and_then(|old| Some((old, old.entry.lineage.next_base()?)))
        {
            let base = self.image_leaf(base_id)?;
            let head = DeltaHead { generation, base: base_id.hint() };
            put_delta(self.context, head, &base, leaf, &mut self.block, &mut self.body)?;
            if self.body.len() * 100 <= leaf.record_bytes() * DELTA_PERCENT_MAX {
                (self.sink)(object, ObjectKind::DeltaLeaf, &self.body)?;
                return Ok(old.entry.lineage.extend(id));
            }
            self.body.clear();
        }
        leaf.put_full(self.context, &mut self.block, &mut self.body)?;
        (self.sink)(object, ObjectKind::FullLeaf, &self.body)?;
        Ok(Lineage::full(id))
    }

    /// Stores the large values of a record as it comes, so that they never pile up, unless the record's earlier content
    /// already refers to them.
    pub(super) fn store_large(&mut self, record: &MergedRecord<'_>) -> Result<(), BuildError> {
        let Some(row) = record.row.filter(|row| self.mode == Mode::Store && !row.large.is_empty()) else {
            return Ok(());
        };
        let mut earlier = Vec::new();
        if let Origin::Changed(old, at) = &record.origin {
            let id = old.entry.lineage.id().ok_or(Malformed::new("index leaf"))?;
            blobs_of(self.image_leaf(id)?.record(*at as usize), &mut earlier)?;
        }
        let mut wanted = Vec::new();
        blobs_of(row.record, &mut wanted)?;
        let mut contents = Reader::new(row.large, "large values");
        for id in wanted {
            let content = contents.bytes()?;
            if earlier.contains(&id) || !self.blobs.insert(id) {
                continue;
            }
            if self.blobs.len() > BLOBS_REMEMBERED {
                self.blobs.clear();
            }
            self.store_blob(content)?;
        }
        Ok(())
    }

    fn store_blob(&mut self, content: &[u8]) -> Result<(), BuildError> {
        let (_, objects) = encode_blob(&self.context.ids, &self.splitter, content)?;
        for object in objects {
            (self.sink)(object.id, object.kind, &object.body)?;
        }
        Ok(())
    }

    /// Handles one node of the new tree.
    pub(super) fn node(&mut self, id: PartId, node: &Node) -> Result<(), BuildError> {
        if self.mode != Mode::Store {
            return Ok(());
        }
        let first_key = node.children.first().map_or(&[][..], |child| &child.first_key);
        let place = (node.level, first_key.to_vec());
        let exact = self.old_nodes.get_mut(&place);
        if let Some((lineage, kept)) = exact {
            *kept = true;
            if lineage.id() == Some(id) {
                return Ok(());
            }
        }
        let below = (node.level, Vec::new())..=place.clone();
        let nearest = self.old_nodes.range(below).next_back().map(|(_, (lineage, _))| lineage.clone());
        let lineage = self.store_node(id, node, nearest.as_ref())?;
        self.index.put(node.level, first_key, &NodeEntry { lineage }.encode())?;
        Ok(())
    }

    fn store_node(&mut self, id: PartId, node: &Node, nearest: Option<&Lineage>) -> Result<Lineage, BuildError> {
        if let Some(lineage) = nearest.and_then(|lineage| lineage.back_to(id)) {
            return Ok(lineage);
        }
        let object = ObjectId::Node(NodeId(id.0));
        let mut full = Vec::new();
        node.put_full(&mut full);
        let base = nearest.and_then(|lineage| Some((lineage, lineage.next_base()?)));
        if let (Some((lineage, (generation, base_id))), Some(reader)) = (base, &self.reader) {
            let base = reader.node(NodeId(base_id.0)).map_err(BuildError::Image)?;
            let mut delta = Vec::new();
            node.put_delta(DeltaHead { generation, base: base_id.hint() }, &base, &mut delta);
            if delta.len() * 100 <= full.len() * DELTA_PERCENT_MAX {
                (self.sink)(object, ObjectKind::DeltaNode, &delta)?;
                return Ok(lineage.extend(id));
            }
        }
        (self.sink)(object, ObjectKind::FullNode, &full)?;
        Ok(Lineage::full(id))
    }

    /// Tells the index once that an old leaf is gone, unless the part that replaces it has its first key.
    pub(super) fn retire(&mut self, leaf: &OldLeaf, replaced_by: Option<&Key>) {
        if leaf.retired.replace(true) || self.mode != Mode::Store {
            return;
        }
        let first_key = leaf.entry.keys.get(0);
        if replaced_by.is_none_or(|key| **key != *first_key) {
            self.index.remove(0, first_key);
        }
    }

    /// Tells the index which old nodes are gone.
    pub(super) fn forget_old_nodes(&mut self) {
        if self.mode != Mode::Store {
            return;
        }
        for ((level, key), (_, kept)) in &self.old_nodes {
            if !kept {
                self.index.remove(*level, key);
            }
        }
    }
}

fn blobs_of(record: &[u8], out: &mut Vec<BlobId>) -> Result<(), Malformed> {
    let mut cells = Cells::new(record);
    while let Some(cell) = cells.next_cell()? {
        out.extend(cell.blob()?.map(|(id, _)| id));
    }
    Ok(())
}
