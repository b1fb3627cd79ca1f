//! Compression of whole frames, and of everything else that is compressed before it is sealed.
//!
//! ```text
//!   envelope = 0  bytes                          stored: compression would not have made it smaller
//!            | 1  varint(plain length)  zstd frame (no checksum, no content size)
//! ```
//!
//! A reader opens the seal first, so the declared length is the writer's; it still allocates no more than the caller's
//! bound, and the frame must yield exactly what it declares.

use std::io::{self, Cursor, Seek as _, SeekFrom};

use super::{Entry, Frame, PlainFrame};
use crate::codec::{Malformed, Reader, put_varint};
use crate::limits::FRAME_PLAIN_BYTES_MAX;

/// The flag of stored bytes.
pub(crate) const STORED: u8 = 0;
/// The flag of a zstd frame.
pub(crate) const ZSTD: u8 = 1;

/// A frame that is ready to be sealed, into one pack or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompressedFrame {
    pub(crate) envelope: Vec<u8>,
    pub(crate) plain_len: usize,
    pub(crate) entries: Vec<Entry>,
}

impl CompressedFrame {
    /// The objects by slot.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The length before compression.
    pub const fn plain_len(&self) -> usize {
        self.plain_len
    }

    /// The length after compression, without what sealing adds.
    pub const fn len(&self) -> usize {
        self.envelope.len()
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A compression context, to be kept by one thread and used again.
pub struct Compressor {
    inner: zstd::bulk::Compressor<'static>,
    level: i32,
}

impl Compressor {
    /// A context; the error is that of a machine without memory.
    pub fn new() -> io::Result<Self> {
        let mut inner = zstd::bulk::Compressor::new(0)?;
        // The envelope states the length, and the seal is a better checksum.
        inner.include_contentsize(false)?;
        inner.include_checksum(false)?;
        inner.include_dictid(false)?;
        Ok(Self { inner, level: 0 })
    }

    /// Compresses a frame at a zstd level.
    pub fn compress(&mut self, frame: PlainFrame, level: i32) -> io::Result<CompressedFrame> {
        let envelope = self.envelope(&frame.plain, level)?;
        Ok(CompressedFrame { envelope, plain_len: frame.plain.len(), entries: frame.entries })
    }

    /// Compresses bytes into an envelope.
    pub(crate) fn envelope(&mut self, plain: &[u8], level: i32) -> io::Result<Vec<u8>> {
        if self.level != level {
            self.inner.set_compression_level(level)?;
            self.level = level;
        }
        let mut envelope = Vec::with_capacity(zstd::zstd_safe::compress_bound(plain.len()) + 11);
        envelope.push(ZSTD);
        put_varint(&mut envelope, plain.len() as u64);
        let mut tail = Cursor::new(envelope);
        tail.seek(SeekFrom::End(0))?;
        self.inner.compress_to_buffer(plain, &mut tail)?;
        let mut envelope = tail.into_inner();
        if envelope.len() > plain.len() {
            envelope.clear();
            envelope.push(STORED);
            envelope.extend_from_slice(plain);
        }
        envelope.shrink_to_fit();
        Ok(envelope)
    }
}

/// A decompression context, to be kept by one thread and used again.
pub struct Decompressor {
    inner: zstd::bulk::Decompressor<'static>,
}

impl Decompressor {
    /// A context; the error is that of a machine without memory.
    pub fn new() -> io::Result<Self> {
        Ok(Self { inner: zstd::bulk::Decompressor::new()? })
    }

    /// Undoes [`Compressor::compress`].
    pub fn frame(&mut self, envelope: &[u8]) -> Result<Frame, Malformed> {
        Frame::parse(self.open(envelope, FRAME_PLAIN_BYTES_MAX, "frame")?)
    }

    /// The plaintext of an envelope, at most `max` bytes of it.
    pub(crate) fn open(&mut self, envelope: &[u8], max: usize, what: &'static str) -> Result<Vec<u8>, Malformed> {
        let mut reader = Reader::new(envelope, what);
        match reader.u8()? {
            STORED if reader.remaining() <= max => Ok(reader.rest().to_vec()),
            ZSTD => {
                let len = reader.bounded(max as u64)?;
                let mut plain = Vec::with_capacity(len);
                let written = self.inner.decompress_to_buffer(reader.rest(), &mut plain);
                match written {
                    Ok(written) if written == len && plain.len() == len => Ok(plain),
                    _ => Err(reader.malformed()),
                }
            }
            _ => Err(reader.malformed()),
        }
    }
}
