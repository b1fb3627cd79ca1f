//! Frames on their way: objects gathered, numbered, compressed on several threads, and stored in order.

use std::collections::BTreeMap;

use crossbeam_channel::{Receiver, Sender};
use strongroom_core::frame::{CompressedFrame, Compressor, FrameBuilder, ObjectKind, PlainFrame};
use strongroom_core::id::ObjectId;

use super::build::BuildError;
use super::job::CaptureError;
use super::output::Output;
use crate::source::SourceError;

/// zstd levels: parts stored whole are many and compressed once; deltas are few and dense.
const LEVEL_FULL: i32 = 3;
const LEVEL_DELTA: i32 = 12;

/// A frame with its number and the level at which it is compressed.
pub(super) type PlainItem = (u64, (PlainFrame, i32));

/// A compressed frame with its number.
pub(super) type CompressedItem = (u64, CompressedFrame);

/// Puts objects into frames: tree parts by how densely they are compressed, chunks apart.
pub(super) struct Framer {
    to: Sender<PlainItem>,
    number: u64,
    full: FrameBuilder,
    delta: FrameBuilder,
    chunks: FrameBuilder,
}

impl Framer {
    pub(super) fn new(to: Sender<PlainItem>) -> Self {
        Self { to, number: 0, full: FrameBuilder::new(), delta: FrameBuilder::new(), chunks: FrameBuilder::new() }
    }

    /// Takes an object.
    pub(super) fn push(&mut self, id: ObjectId, kind: ObjectKind, body: &[u8]) -> Result<(), BuildError> {
        let (builder, level) = match kind {
            ObjectKind::FullLeaf | ObjectKind::WholeBlob => (&mut self.full, LEVEL_FULL),
            ObjectKind::Chunk => (&mut self.chunks, LEVEL_FULL),
            _ => (&mut self.delta, LEVEL_DELTA),
        };
        match builder.push(id, kind, body)? {
            Some(frame) => self.send(frame, level),
            None => Ok(()),
        }
    }

    fn send(&mut self, frame: PlainFrame, level: i32) -> Result<(), BuildError> {
        self.number += 1;
        self.to.send((self.number - 1, (frame, level))).map_err(|_| BuildError::Stopped)
    }

    /// Sends what is left.
    pub(super) fn finish(mut self) -> Result<(), BuildError> {
        let frames =
            [(self.full.flush(), LEVEL_FULL), (self.delta.flush(), LEVEL_DELTA), (self.chunks.flush(), LEVEL_FULL)];
        for (frame, level) in frames {
            if let Some(frame) = frame {
                self.send(frame, level)?;
            }
        }
        Ok(())
    }
}

/// Compresses frames as they come.
pub(super) fn compress_frames(
    plain: &Receiver<PlainItem>,
    packed: &Sender<CompressedItem>,
) -> Result<(), CaptureError> {
    let mut compressor = Compressor::new().map_err(CaptureError::Compression)?;
    for (number, (frame, level)) in plain {
        let frame = compressor.compress(frame, level).map_err(CaptureError::Compression)?;
        if packed.send((number, frame)).is_err() {
            return Err(SourceError::Stopped.into());
        }
    }
    Ok(())
}

/// Stores frames in the order of their numbers, whatever the order in which they were compressed.
pub(super) fn write_frames(
    packed: &Receiver<CompressedItem>,
    output: &mut dyn Output,
    is_stopped: &dyn Fn() -> bool,
) -> Result<(), CaptureError> {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for (number, frame) in packed {
        if is_stopped() {
            return Err(SourceError::Stopped.into());
        }
        waiting.insert(number, frame);
        while let Some(frame) = waiting.remove(&next) {
            let chunks = frame.entries().first().is_some_and(|entry| entry.kind == ObjectKind::Chunk);
            if chunks {
                output.put_chunks(&frame)?;
            } else {
                output.put(&frame)?;
            }
            next += 1;
        }
    }
    Ok(())
}
