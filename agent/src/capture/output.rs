//! Where a capture's frames go.

use strongroom_core::frame::CompressedFrame;

/// Frames that could not be stored.
#[derive(Debug, thiserror::Error)]
#[error("the capture can't be stored")]
pub struct OutputError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Takes the frames of a capture, in order, from one thread.
pub trait Output: Send {
    /// Stores a frame of tree parts and whole blobs.
    fn put(&mut self, frame: &CompressedFrame) -> Result<(), OutputError>;

    /// Stores a frame of chunks, which are kept apart from tree parts.
    fn put_chunks(&mut self, frame: &CompressedFrame) -> Result<(), OutputError>;
}

/// Stores nothing: for captures that are compared only.
pub struct NullOutput;

impl Output for NullOutput {
    fn put(&mut self, _: &CompressedFrame) -> Result<(), OutputError> {
        Ok(())
    }

    fn put_chunks(&mut self, _: &CompressedFrame) -> Result<(), OutputError> {
        Ok(())
    }
}
