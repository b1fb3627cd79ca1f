//! Compaction of the image: keeps the forms that living chains need, and leaves the rest behind.
//!
//! Forms are copied part by part in the order of the trees, each part with the whole chain below it, so memory is that
//! of one chain. A form that two parts share may be copied twice, which costs space and nothing else. Names beyond the
//! hint are not known here and not needed. A crash leaves either set of packs whole.

use std::collections::BTreeSet;

use strongroom_core::codec::Reader;
use strongroom_core::entropy::Entropy;
use strongroom_core::frame::{Compressor, FrameBuilder, ObjectKind};
use strongroom_core::id::{ClassId, Hint, LeafId, NodeId, ObjectId};
use strongroom_core::limits::CHAIN_FORMS_MAX;
use strongroom_core::pack::{PackError, PackIdentity};
use strongroom_core::tree::delta::DeltaHead;

use super::image::{Image, ImageError, ImageWriter};
use super::index::{Index, IndexError};

/// The image is compacted when it has grown to this many times its size after the last compaction.
const GROWTH_MAX: u64 = 2;

/// An image smaller than this is left alone.
const WORTH_BYTES: u64 = 32 << 20;

const LEVEL: i32 = 3;

/// An image that could not be compacted. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// The image can't be read or written.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The index can't be read.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// Compacts the image if it has grown enough. `identity` names new packs.
pub fn compact_if_grown(
    image: &Image,
    index: &Index,
    classes: &[ClassId],
    identity: &dyn Fn() -> Result<PackIdentity, PackError>,
    entropy: &dyn Entropy,
) -> Result<bool, CompactError> {
    let (bytes, settled) = (image.bytes()?, image.settled_bytes()?);
    if bytes < WORTH_BYTES || bytes < settled.saturating_mul(GROWTH_MAX) {
        return Ok(false);
    }
    compact(image, index, classes, identity, entropy)?;
    Ok(true)
}

/// Compacts the image.
pub fn compact(
    image: &Image,
    index: &Index,
    classes: &[ClassId],
    identity: &dyn Fn() -> Result<PackIdentity, PackError>,
    entropy: &dyn Entropy,
) -> Result<(), CompactError> {
    let old = image.packs()?;
    let mut copy = Copy {
        image,
        writer: image.writer(),
        frames: FrameBuilder::new(),
        compressor: Compressor::new().map_err(ImageError::Compression)?,
        identity,
        entropy,
    };
    for class in classes {
        let class = index.class(*class);
        for leaf in class.leaves() {
            if let Some(id) = leaf?.lineage.id() {
                copy.chain(id.hint(), false)?;
            }
        }
        for (_, _, node) in class.nodes()? {
            if let Some(id) = node.lineage.id() {
                copy.chain(id.hint(), true)?;
            }
        }
    }
    copy.flush()?;
    let update = copy.writer.finish()?;
    Ok(image.replace(&old, &update)?)
}

struct Copy<'a> {
    image: &'a Image,
    writer: ImageWriter<'a>,
    frames: FrameBuilder,
    compressor: Compressor,
    identity: &'a dyn Fn() -> Result<PackIdentity, PackError>,
    entropy: &'a dyn Entropy,
}

impl Copy<'_> {
    /// Copies all forms under a short name, and those of their bases.
    fn chain(&mut self, hint: Hint, inner: bool) -> Result<(), ImageError> {
        let mut done = BTreeSet::new();
        let mut todo = vec![hint];
        while let Some(hint) = todo.pop() {
            if !done.insert(hint) || done.len() > CHAIN_FORMS_MAX * 4 {
                continue;
            }
            for form in self.image.committed_forms(hint, inner)? {
                if form.delta {
                    let head = DeltaHead::read(&mut Reader::new(&form.body, "delta form"))?;
                    todo.push(head.base);
                }
                self.put(hint, inner, form.delta, &form.body)?;
            }
        }
        Ok(())
    }

    fn put(&mut self, hint: Hint, inner: bool, delta: bool, body: &[u8]) -> Result<(), ImageError> {
        let (id, kind) = match (inner, delta) {
            (false, false) => (ObjectId::Leaf(LeafId(padded(hint))), ObjectKind::FullLeaf),
            (false, true) => (ObjectId::Leaf(LeafId(padded(hint))), ObjectKind::DeltaLeaf),
            (true, false) => (ObjectId::Node(NodeId(padded(hint))), ObjectKind::FullNode),
            (true, true) => (ObjectId::Node(NodeId(padded(hint))), ObjectKind::DeltaNode),
        };
        if let Some(frame) = self.frames.push(id, kind, body)? {
            let frame = self.compressor.compress(frame, LEVEL).map_err(ImageError::Compression)?;
            self.writer.append(&frame, self.identity, self.entropy)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ImageError> {
        if let Some(frame) = self.frames.flush() {
            let frame = self.compressor.compress(frame, LEVEL).map_err(ImageError::Compression)?;
            self.writer.append(&frame, self.identity, self.entropy)?;
        }
        Ok(())
    }
}

/// An id of which only the hint is known.
fn padded(hint: Hint) -> [u8; 32] {
    let mut id = [0; 32];
    for (to, from) in id.iter_mut().zip(hint.0) {
        *to = from;
    }
    id
}
