//! Turns content into the objects of a blob, whole or piece by piece.

use std::borrow::Cow;
use std::mem;

use super::splitter::Splitter;
use super::{BlobError, ChunkRef};
use crate::codec::put_varint;
use crate::digest::{IdFunctions, Streaming};
use crate::frame::ObjectKind;
use crate::id::{BlobId, ChunkId, ObjectId};
use crate::limits::{BLOB_WHOLE_BYTES_MAX, CHUNK_BYTES_MAX, OBJECT_BYTES_MAX};

/// An object to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobObject<'a> {
    /// Its id.
    pub id: ObjectId,
    /// Its form.
    pub kind: ObjectKind,
    /// Its encoded body.
    pub body: Cow<'a, [u8]>,
}

/// The id and the objects of a content that lies in memory. The last object stands under the blob's id.
pub fn encode_blob<'a>(
    ids: &IdFunctions,
    splitter: &Splitter,
    content: &'a [u8],
) -> Result<(BlobId, Vec<BlobObject<'a>>), BlobError> {
    let blob = ids.blob(content);
    if content.len() <= BLOB_WHOLE_BYTES_MAX {
        return Ok((blob, vec![whole(blob, Cow::Borrowed(content))]));
    }
    let mut objects = Vec::new();
    let mut chunks = Vec::new();
    for chunk in splitter.chunks(content) {
        objects.push(chunk_object(ids, Cow::Borrowed(chunk), &mut chunks));
    }
    objects.push(list(blob, content.len() as u64, &chunks)?);
    Ok((blob, objects))
}

/// Encodes a content of any length that comes piece by piece; holds at most a few chunks.
pub struct BlobEncoder<'a> {
    ids: &'a IdFunctions,
    splitter: &'a Splitter,
    hasher: Streaming,
    pending: Vec<u8>,
    bytes: u64,
    chunks: Vec<ChunkRef>,
}

impl<'a> BlobEncoder<'a> {
    /// Starts with nothing.
    pub fn new(ids: &'a IdFunctions, splitter: &'a Splitter) -> Self {
        Self { ids, splitter, hasher: ids.blob_start(), pending: Vec::new(), bytes: 0, chunks: Vec::new() }
    }

    /// Takes more content, and gives the chunks that it completes to `sink`.
    pub fn write<E>(
        &mut self,
        content: &[u8],
        sink: &mut impl FnMut(BlobObject<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.hasher.update(content);
        self.bytes += content.len() as u64;
        self.pending.extend_from_slice(content);
        let mut at = 0;
        while let Some(rest) = self.pending.get(at..).filter(|rest| rest.len() >= CHUNK_BYTES_MAX as usize) {
            let len = self.splitter.first_chunk(rest);
            let chunk = rest.get(..len).unwrap_or(rest);
            sink(chunk_object(self.ids, Cow::Borrowed(chunk), &mut self.chunks))?;
            at += len;
        }
        self.pending.drain(..at);
        Ok(())
    }

    /// Ends the content: gives the remaining objects to `sink`, that of the blob's id last.
    pub fn finish<E: From<BlobError>>(
        mut self,
        sink: &mut impl FnMut(BlobObject<'_>) -> Result<(), E>,
    ) -> Result<BlobId, E> {
        let blob = BlobId(self.hasher.finish());
        let rest = mem::take(&mut self.pending);
        if self.bytes <= BLOB_WHOLE_BYTES_MAX as u64 {
            sink(whole(blob, Cow::Owned(rest)))?;
            return Ok(blob);
        }
        for chunk in self.splitter.chunks(&rest) {
            sink(chunk_object(self.ids, Cow::Borrowed(chunk), &mut self.chunks))?;
        }
        sink(list(blob, self.bytes, &self.chunks)?)?;
        Ok(blob)
    }
}

fn whole(blob: BlobId, body: Cow<'_, [u8]>) -> BlobObject<'_> {
    BlobObject { id: ObjectId::Blob(blob), kind: ObjectKind::WholeBlob, body }
}

fn chunk_object<'a>(ids: &IdFunctions, body: Cow<'a, [u8]>, chunks: &mut Vec<ChunkRef>) -> BlobObject<'a> {
    let id: ChunkId = ids.chunk(&body);
    // The splitter ends every chunk at CHUNK_BYTES_MAX.
    chunks.push(ChunkRef { id, len: u32::try_from(body.len()).unwrap_or(CHUNK_BYTES_MAX) });
    BlobObject { id: ObjectId::Chunk(id), kind: ObjectKind::Chunk, body }
}

fn list(blob: BlobId, bytes: u64, chunks: &[ChunkRef]) -> Result<BlobObject<'static>, BlobError> {
    let mut body = Vec::with_capacity(20 + chunks.len() * (ChunkId::LEN + 3));
    put_varint(&mut body, bytes);
    put_varint(&mut body, chunks.len() as u64);
    for chunk in chunks {
        put_varint(&mut body, u64::from(chunk.len));
        body.extend_from_slice(&chunk.id.0);
    }
    if body.len() > OBJECT_BYTES_MAX {
        return Err(BlobError::TooLong { bytes });
    }
    Ok(BlobObject { id: ObjectId::Blob(blob), kind: ObjectKind::ChunkList, body: Cow::Owned(body) })
}
