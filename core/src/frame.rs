//! Frames: objects that are compressed and sealed together.
//!
//! Small parts of trees compress two to three times better together than alone, so they share a frame of at most
//! [`FRAME_BYTES_TARGET`] plaintext; a larger object has a frame to itself. Three pure steps, so that compression can
//! run on any thread while packs are written in order:
//!
//! ```text
//!   objects ──FrameBuilder──► PlainFrame ──Compressor──► CompressedFrame ──PackWriter──► sealed bytes
//!                                          (any thread)                 └──PackWriter──► sealed bytes (host's image)
//!   sealed bytes ──PackReader──► compressed bytes ──Decompressor──► Frame ──► objects by slot
//!
//!   plain frame  = object*
//!   object       = kind (1)  varint(body length)  body
//! ```
//!
//! Nothing here is secret-dependent or keyed: ids and seals are the business of others. A reader believes a frame only
//! after its seal opened, and even then only within the bounds of [`crate::limits`].

mod builder;
mod envelope;

use std::ops::Range;

pub use builder::{Entry, FrameBuilder, PlainFrame};
pub use envelope::{CompressedFrame, Compressor, Decompressor};
#[cfg(test)]
use envelope::{STORED, ZSTD};

use crate::codec::{Malformed, Reader};
use crate::id::ObjectId;
use crate::limits::{FRAME_BYTES_TARGET, OBJECT_BYTES_MAX};

/// The form in which an object is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ObjectKind {
    /// A leaf, whole.
    FullLeaf = 1,
    /// A leaf as the difference from another.
    DeltaLeaf = 2,
    /// An inner node, whole.
    FullNode = 3,
    /// An inner node as the difference from another.
    DeltaNode = 4,
    /// A blob in one piece.
    WholeBlob = 5,
    /// A blob as the list of its chunks.
    ChunkList = 6,
    /// One chunk of a blob.
    Chunk = 7,
}

impl ObjectKind {
    /// The kind of a byte; zero and what no version so far has written are malformed.
    pub const fn from_byte(byte: u8) -> Result<Self, Malformed> {
        Ok(match byte {
            1 => Self::FullLeaf,
            2 => Self::DeltaLeaf,
            3 => Self::FullNode,
            4 => Self::DeltaNode,
            5 => Self::WholeBlob,
            6 => Self::ChunkList,
            7 => Self::Chunk,
            _ => return Err(Malformed::new("object kind")),
        })
    }

    /// The byte of the kind.
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// Whether an object of this kind can be what the id names.
    pub const fn fits(self, id: &ObjectId) -> bool {
        matches!(
            (self, id),
            (Self::FullLeaf | Self::DeltaLeaf, ObjectId::Leaf(_))
                | (Self::FullNode | Self::DeltaNode, ObjectId::Node(_))
                | (Self::WholeBlob | Self::ChunkList, ObjectId::Blob(_))
                | (Self::Chunk, ObjectId::Chunk(_))
        )
    }
}

/// One object of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<'a> {
    /// Its form.
    pub kind: ObjectKind,
    /// Its encoded body.
    pub body: &'a [u8],
}

/// A frame that was opened and decompressed: its objects by slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    plain: Vec<u8>,
    slots: Vec<(ObjectKind, Range<usize>)>,
}

impl Frame {
    /// Parses the plaintext of a frame.
    pub fn parse(plain: Vec<u8>) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&plain, "frame");
        let mut slots = Vec::new();
        while !reader.is_empty() {
            let kind = ObjectKind::from_byte(reader.u8()?)?;
            let len = reader.bounded(OBJECT_BYTES_MAX as u64)?;
            let start = plain.len() - reader.remaining();
            reader.take(len)?;
            if !slots.is_empty() && plain.len() > FRAME_BYTES_TARGET {
                return Err(Malformed::new("frame: objects that have no room together"));
            }
            slots.push((kind, start..start + len));
        }
        Ok(Self { plain, slots })
    }

    /// The object in a slot.
    pub fn object(&self, slot: u32) -> Option<Object<'_>> {
        let (kind, range) = self.slots.get(usize::try_from(slot).ok()?)?;
        Some(Object { kind: *kind, body: self.plain.get(range.clone())? })
    }

    /// All objects, in order.
    pub fn objects(&self) -> impl Iterator<Item = Object<'_>> {
        self.slots.iter().filter_map(|(kind, range)| Some(Object { kind: *kind, body: self.plain.get(range.clone())? }))
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no object.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Bytes of memory that the frame holds, near enough for a cache's bound.
    pub fn memory_bytes(&self) -> usize {
        self.plain.capacity() + self.slots.capacity() * size_of::<(ObjectKind, Range<usize>)>()
    }

    /// The length of the plaintext.
    pub fn plain_len(&self) -> usize {
        self.plain.len()
    }
}

#[cfg(test)]
mod tests;
