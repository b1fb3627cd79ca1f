//! Builds one class's tree from the merged records, and decides per part: unchanged, delta or full.
//!
//! Owns the lineage of parts and what the index is told. Never stores a part that the old tree has, and never a delta
//! that costs more than [`DELTA_PERCENT_MAX`] of the full form.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use strongroom_core::blob::{BlobError, Splitter, encode_blob};
use strongroom_core::codec::{Malformed, Reader};
use strongroom_core::frame::ObjectKind;
use strongroom_core::id::{BlobId, LeafId, NodeId, ObjectId, RecordDigest};
use strongroom_core::limits::DELTA_PERCENT_MAX;
use strongroom_core::record::{Cells, Key};
use strongroom_core::tree::block::BlockWriter;
use strongroom_core::tree::cutter::Cutter;
use strongroom_core::tree::delta::{DeltaHead, put_delta};
use strongroom_core::tree::leaf::{Leaf, LeafContext, Packed, leaf_id};
use strongroom_core::tree::lineage::Lineage;
use strongroom_core::tree::node::{Child, Node};
use strongroom_core::tree::params::{PartId, Top, TreeParams};
use strongroom_core::tree::reader::{ReadError, TreeReader};
use strongroom_core::tree::scaffold::Scaffold;

use super::merge::{MergeError, MergedRecord, OldLeaf, OldRecords, Origin, Tally, merge};
use super::run::Mode;
use super::sorter::Merged;
use crate::cache::index::ClassWriter;
use crate::cache::{Image, ImageError, IndexError, LeafEntry, NodeEntry};

/// Blobs of this run that are remembered so as not to be stored twice.
const BLOBS_REMEMBERED: usize = 1 << 16;

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
    /// A large value can't be stored.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A record or part can't be encoded.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The frames are not taken any more: the reason is reported elsewhere.
    #[error("storing was stopped")]
    Stopped,
}

/// One record that waits for its leaf. Key, record and large values lie in the arena.
struct Pending {
    digest: RecordDigest,
    origin: Origin,
    start: u64,
    key_len: u32,
    record_len: u32,
    large_len: u32,
}

/// Bytes of pending records, dropped from the front as leaves are cut.
#[derive(Default)]
struct Arena {
    bytes: Vec<u8>,
    base: u64,
}

impl Arena {
    fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    fn slice(&self, start: u64, len: u32) -> &[u8] {
        let from = usize::try_from(start.saturating_sub(self.base)).unwrap_or(usize::MAX);
        self.bytes.get(from..from.saturating_add(len as usize)).unwrap_or_default()
    }

    fn drop_before(&mut self, start: u64) {
        let dead = usize::try_from(start.saturating_sub(self.base)).unwrap_or(0).min(self.bytes.len());
        if dead > 4 << 20 {
            self.bytes.drain(..dead);
            self.base += dead as u64;
        }
    }
}

impl Pending {
    fn key<'a>(&self, arena: &'a Arena) -> &'a [u8] {
        arena.slice(self.start, self.key_len)
    }

    fn record<'a>(&self, arena: &'a Arena) -> &'a [u8] {
        arena.slice(self.start + u64::from(self.key_len), self.record_len)
    }

    fn large<'a>(&self, arena: &'a Arena) -> &'a [u8] {
        arena.slice(self.start + u64::from(self.key_len) + u64::from(self.record_len), self.large_len)
    }
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
    pub old_nodes: Vec<(u8, Vec<u8>, NodeEntry)>,
    pub index: ClassWriter<'a>,
    pub sink: &'a mut ObjectSink<'a>,
}

struct Builder<'a, 'b> {
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

impl<'a> ClassBuild<'a> {
    /// Merges, cuts, stores, and gives the top.
    pub(super) fn run(mut self, old: OldRecords<'_>, new: Merged) -> Result<Built, BuildError> {
        let keyless = self.context.key_plan.is_none();
        let ids = self.context.ids.clone();
        let old_nodes = std::mem::take(&mut self.old_nodes);
        let mut builder = Builder {
            context: &self.context,
            mode: self.mode,
            reader: self.image.map(|image| TreeReader::new(image, self.context.clone())),
            old_nodes: old_nodes.into_iter().map(|(level, key, node)| ((level, key), (node.lineage, false))).collect(),
            index: &mut self.index,
            sink: self.sink,
            block: BlockWriter::new(),
            body: Vec::new(),
            blobs: HashSet::new(),
            splitter: Splitter::new(&ids),
        };
        let mut scaffold = Scaffold::new(&ids, self.params);
        let mut cutter = Cutter::new(self.params.leaf_records_target);
        let mut arena = Arena::default();
        let mut gone: Vec<Rc<OldLeaf>> = Vec::new();
        let gone = std::cell::RefCell::new(&mut gone);
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
            let hash = ids.border(0, record.key);
            let pending = Pending::new(&record, self.mode, &mut arena);
            if let Some(items) = cutter.push(hash, pending) {
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

impl Pending {
    fn new(record: &MergedRecord<'_>, mode: Mode, arena: &mut Arena) -> Self {
        let start = arena.end();
        arena.bytes.extend_from_slice(record.key);
        let (mut record_len, mut large_len) = (0, 0);
        if let (Some(row), Mode::Store) = (&record.row, mode) {
            arena.bytes.extend_from_slice(row.record);
            arena.bytes.extend_from_slice(row.large);
            (record_len, large_len) = (row.record.len() as u32, row.large.len() as u32);
        }
        Self {
            digest: record.digest,
            origin: record.origin.clone(),
            start,
            key_len: record.key.len() as u32,
            record_len,
            large_len,
        }
    }
}

impl Builder<'_, '_> {
    /// Handles one leaf of the new tree.
    fn leaf(&mut self, items: &[Pending], arena: &Arena, scaffold: &mut Scaffold<'_>) -> Result<(), BuildError> {
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
        self.store_blobs(items, arena)?;
        let lineage = self.store_leaf(id, &leaf, nearest(items))?;
        let mut keys = Packed::default();
        items.iter().for_each(|item| keys.push(item.key(arena)));
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
        if let Some((old, (generation, base_id))) = nearest.and_then(|old| Some((old, old.entry.lineage.next_base()?))) {
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

    /// Stores the large values of new records, unless the record's earlier content already refers to them.
    fn store_blobs(&mut self, items: &[Pending], arena: &Arena) -> Result<(), BuildError> {
        for item in items.iter().filter(|item| item.large_len > 0) {
            let mut earlier = Vec::new();
            if let Origin::Changed(old, at) = &item.origin {
                let id = old.entry.lineage.id().ok_or(Malformed::new("index leaf"))?;
                blobs_of(self.image_leaf(id)?.record(*at as usize), &mut earlier)?;
            }
            let mut wanted = Vec::new();
            blobs_of(item.record(arena), &mut wanted)?;
            let mut contents = Reader::new(item.large(arena), "large values");
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
    fn node(&mut self, id: PartId, node: &Node) -> Result<(), BuildError> {
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
    fn retire(&mut self, leaf: &OldLeaf, replaced_by: Option<&Key>) {
        if leaf.retired.replace(true) || self.mode != Mode::Store {
            return;
        }
        let first_key = leaf.entry.keys.get(0);
        if replaced_by.is_none_or(|key| **key != *first_key) {
            self.index.remove(0, first_key);
        }
    }

    fn forget_old_nodes(&mut self) {
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

/// The id of the old leaf that these items are, record for record.
fn unchanged(items: &[Pending], arena: &Arena) -> Option<PartId> {
    let Origin::Kept(leaf, 0) = &items.first()?.origin else { return None };
    let same = items.len() == leaf.entry.digests.len()
        && items.iter().enumerate().all(|(position, item)| {
            matches!(&item.origin, Origin::Kept(other, at) if Rc::ptr_eq(leaf, other) && *at as usize == position)
                && item.key(arena) == leaf.entry.keys.get(position)
        });
    if same { leaf.entry.lineage.id() } else { None }
}

/// The old leaf that most of the items come from.
fn nearest(items: &[Pending]) -> Option<&OldLeaf> {
    let mut best: Option<(&Rc<OldLeaf>, usize)> = None;
    let mut run: Option<(&Rc<OldLeaf>, usize)> = None;
    for item in items {
        let (Origin::Kept(leaf, _) | Origin::Changed(leaf, _)) = &item.origin else { continue };
        run = match run {
            Some((current, count)) if Rc::ptr_eq(current, leaf) => Some((current, count + 1)),
            _ => Some((leaf, 1)),
        };
        if run.map(|(_, count)| count) > best.map(|(_, count)| count) {
            best = run;
        }
    }
    best.map(|(leaf, _)| &**leaf)
}

fn blobs_of(record: &[u8], out: &mut Vec<BlobId>) -> Result<(), Malformed> {
    let mut cells = Cells::new(record);
    while let Some(cell) = cells.next_cell()? {
        out.extend(cell.blob()?.map(|(id, _)| id));
    }
    Ok(())
}
