//! Blobs: bytes kept as they are, whole or cut into chunks where their content says so.
//!
//! A blob's id is the keyed hash of its content, whatever its chunks; a chunk's id that of the chunk. Up to
//! [`BLOB_WHOLE_BYTES_MAX`] a blob is one object; longer ones are a list of chunks, so that a small change stores little.
//!
//! ```text
//!   whole blob  = content
//!   chunk list  = varint(content length)  varint(chunks)  ( varint(length)  chunk id (32) )*
//! ```
//!
//! Equal content gives an equal list, since borders depend on the content and the source's key alone. A reader
//! recomputes every id, and holds one chunk at a time.

mod encoder;
mod splitter;

use std::borrow::Cow;
use std::fmt;

pub use encoder::{BlobEncoder, BlobObject, encode_blob};
pub use splitter::Splitter;

use crate::codec::{Malformed, Reader};
use crate::digest::{IdFunctions, Streaming};
use crate::frame::{Object, ObjectKind};
use crate::id::{BlobId, ChunkId};
use crate::limits::{BLOB_VALUE_BYTES_MAX, BLOB_WHOLE_BYTES_MAX, CHUNK_BYTES_MAX};

/// A blob can't be stored or given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// The object breaks its format.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The content is not that of the id.
    #[error("the content of blob {blob} is not what its id says")]
    WrongContent {
        /// The blob asked for.
        blob: BlobId,
    },
    /// A chunk is not the one that the list names.
    #[error("chunk {number} of blob {blob} is not what the list says")]
    WrongChunk {
        /// The blob asked for.
        blob: BlobId,
        /// The chunk's place in the list, from zero.
        number: usize,
    },
    /// The content is not as long as whatever names the blob says.
    #[error("blob {blob} has {bytes} bytes, not the {expected} that are expected")]
    WrongLength {
        /// The blob asked for.
        blob: BlobId,
        /// The length that its form states.
        bytes: u64,
        /// The length that is expected.
        expected: BlobLength,
    },
    /// The list of chunks would be longer than an object may be.
    #[error("a blob of {bytes} bytes is longer than the format allows")]
    TooLong {
        /// The length so far.
        bytes: u64,
    },
}

/// How long a blob may be, by what names it: a cell, a manifest, or a bound of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobLength {
    /// So many bytes.
    Exactly(u64),
    /// No more bytes.
    AtMost(u64),
}

impl BlobLength {
    /// Whether a blob of so many bytes may be given out in one piece.
    pub const fn admits(self, bytes: u64) -> bool {
        match self {
            Self::Exactly(expected) => bytes == expected && bytes <= BLOB_VALUE_BYTES_MAX,
            Self::AtMost(max) => bytes <= max && bytes <= BLOB_VALUE_BYTES_MAX,
        }
    }
}

impl fmt::Display for BlobLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(bytes) | Self::AtMost(bytes) if *bytes > BLOB_VALUE_BYTES_MAX => {
                write!(f, "{BLOB_VALUE_BYTES_MAX} at most")
            }
            Self::Exactly(bytes) => write!(f, "{bytes}"),
            Self::AtMost(bytes) => write!(f, "{bytes} at most"),
        }
    }
}

/// One chunk of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRef {
    /// Its id.
    pub id: ChunkId,
    /// Its length.
    pub len: u32,
}

/// The chunks of a longer blob, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkList {
    /// The length of the content.
    pub bytes: u64,
    /// The chunks.
    pub chunks: Vec<ChunkRef>,
}

impl ChunkList {
    /// Reads a list.
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body, "chunk list");
        let bytes = reader.varint()?;
        let count = reader.bounded((reader.remaining() / (ChunkId::LEN + 1)) as u64)?;
        let mut chunks = Vec::with_capacity(count);
        let mut sum = 0_u64;
        for _ in 0..count {
            let len = reader.bounded(u64::from(CHUNK_BYTES_MAX))?;
            sum += len as u64;
            let len = u32::try_from(len).map_err(|_| reader.malformed())?;
            chunks.push(ChunkRef { id: ChunkId(reader.array()?), len });
        }
        if sum != bytes {
            return Err(reader.malformed());
        }
        reader.finish()?;
        Ok(Self { bytes, chunks })
    }
}

/// A blob as a pack holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobForm<'a> {
    /// All of the content.
    Whole(Cow<'a, [u8]>),
    /// Where the content is.
    List(ChunkList),
}

impl<'a> BlobForm<'a> {
    /// Reads the object that stands under a blob's id, if it is as long as expected. A whole blob is checked against
    /// the id.
    pub fn decode(
        ids: &IdFunctions,
        blob: BlobId,
        expected: BlobLength,
        object: Object<'a>,
    ) -> Result<Self, BlobError> {
        let form = Self::decode_any(ids, blob, object)?;
        let bytes = match &form {
            Self::Whole(content) => content.len() as u64,
            Self::List(list) => list.bytes,
        };
        if expected.admits(bytes) { Ok(form) } else { Err(BlobError::WrongLength { blob, bytes, expected }) }
    }

    fn decode_any(ids: &IdFunctions, blob: BlobId, object: Object<'a>) -> Result<Self, BlobError> {
        match object.kind {
            ObjectKind::WholeBlob if object.body.len() > BLOB_WHOLE_BYTES_MAX => {
                Err(Malformed::new("whole blob").into())
            }
            ObjectKind::WholeBlob if ids.blob(object.body) == blob => Ok(Self::Whole(Cow::Borrowed(object.body))),
            ObjectKind::WholeBlob => Err(BlobError::WrongContent { blob }),
            ObjectKind::ChunkList => Ok(Self::List(ChunkList::decode(object.body)?)),
            _ => Err(Malformed::new("object kind").into()),
        }
    }
}

/// Checks a chunked blob while it is read: each chunk by its id, and all of it by the blob's.
///
/// What was given out before [`Self::finish`] agreed is only as good as the list; write it where it does not count yet.
pub struct BlobVerifier<'a> {
    ids: &'a IdFunctions,
    blob: BlobId,
    list: &'a ChunkList,
    next: usize,
    hasher: Streaming,
}

impl<'a> BlobVerifier<'a> {
    /// Starts on the first chunk of a list.
    pub fn new(ids: &'a IdFunctions, blob: BlobId, list: &'a ChunkList) -> Self {
        Self { ids, blob, list, next: 0, hasher: ids.blob_start() }
    }

    /// Checks the next chunk.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), BlobError> {
        let wrong = BlobError::WrongChunk { blob: self.blob, number: self.next };
        let expected = self.list.chunks.get(self.next).ok_or(wrong)?;
        if chunk.len() != expected.len as usize || self.ids.chunk(chunk) != expected.id {
            return Err(wrong);
        }
        self.hasher.update(chunk);
        self.next += 1;
        Ok(())
    }

    /// Checks the whole.
    pub fn finish(self) -> Result<(), BlobError> {
        let complete = self.next == self.list.chunks.len() && BlobId(self.hasher.finish()) == self.blob;
        if complete { Ok(()) } else { Err(BlobError::WrongContent { blob: self.blob }) }
    }
}

#[cfg(test)]
mod tests;
