//! A copy of the state's file, for a member that the log can't reach any more.
//!
//! Owns the copying and the digest over the file's bytes. Nothing may be flushed meanwhile: the engine changes the file
//! in place.

use std::sync::Arc;

use strongroom_platform::disk::{Disk, DurableFile, Pieces};

use super::StoreError;

/// Bytes that are copied at once.
const PIECE_BYTES: usize = 256 * 1024;

/// A copied file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its length in bytes.
    pub len: u64,
    /// BLAKE3 over its bytes.
    pub digest: [u8; 32],
}

/// Copies a file durably, under a name that is free.
pub fn copy(disk: &Arc<dyn Disk>, from: &str, to: &str) -> Result<Copied, StoreError> {
    let source = disk.open_read(from)?;
    let pieces = Pieces::of(source.as_ref(), PIECE_BYTES)?;
    let len = pieces.file_bytes();
    let mut target = DurableFile::create(disk, to)?;
    let mut hasher = blake3::Hasher::new();
    for piece in pieces {
        let piece = piece?;
        hasher.update(&piece);
        target.write_all(&piece)?;
    }
    target.commit()?;
    Ok(Copied { len, digest: *hasher.finalize().as_bytes() })
}
