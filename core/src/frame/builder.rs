//! Collects objects into the plaintext of frames.

use crate::codec::put_varint;
use crate::id::ObjectId;
use crate::limits::{FRAME_BYTES_TARGET, OBJECT_BYTES_MAX};

use super::ObjectKind;
use crate::codec::Malformed;

/// Room for the kind and the length in front of a body.
const OBJECT_HEADER_MAX: usize = 11;

/// What a frame holds in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name of the object.
    pub id: ObjectId,
    /// Its form.
    pub kind: ObjectKind,
}

/// Objects that will be compressed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainFrame {
    pub(super) plain: Vec<u8>,
    pub(super) entries: Vec<Entry>,
}

impl PlainFrame {
    /// The objects by slot.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The length of the plaintext.
    pub fn plain_len(&self) -> usize {
        self.plain.len()
    }
}

/// Fills one frame after the other.
#[derive(Default)]
pub struct FrameBuilder {
    plain: Vec<u8>,
    entries: Vec<Entry>,
}

impl FrameBuilder {
    /// Starts with an empty frame.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an object; gives back the frame before it if there was no room left.
    pub fn push(&mut self, id: ObjectId, kind: ObjectKind, body: &[u8]) -> Result<Option<PlainFrame>, Malformed> {
        if body.len() > OBJECT_BYTES_MAX || !kind.fits(&id) {
            return Err(Malformed::new("object for a frame"));
        }
        let needed = body.len() + OBJECT_HEADER_MAX;
        let full = if self.plain.len() + needed > FRAME_BYTES_TARGET { self.flush() } else { None };
        if self.plain.capacity() == 0 {
            self.plain.reserve_exact(needed.max(FRAME_BYTES_TARGET));
        }
        self.plain.push(kind.byte());
        put_varint(&mut self.plain, body.len() as u64);
        self.plain.extend_from_slice(body);
        self.entries.push(Entry { id, kind });
        Ok(full)
    }

    /// The slot that the next object gets, if it still fits into the frame under way.
    pub fn next_slot(&self) -> usize {
        self.entries.len()
    }

    /// Bytes in the frame under way.
    pub fn plain_len(&self) -> usize {
        self.plain.len()
    }

    /// Gives back the frame under way, unless it is empty.
    pub fn flush(&mut self) -> Option<PlainFrame> {
        if self.entries.is_empty() {
            return None;
        }
        Some(PlainFrame { plain: std::mem::take(&mut self.plain), entries: std::mem::take(&mut self.entries) })
    }
}
