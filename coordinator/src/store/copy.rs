//! A copy of the state's file, for a member that the log can't reach any more.
//!
//! Owns the copying and the digest over the file's bytes. Nothing may be flushed meanwhile: the engine changes the file
//! in place.

use std::sync::Arc;

use strongroom_platform::disk::{Disk, DurableFile};

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
    let len = source.len()?;
    let mut target = DurableFile::create(disk, to)?;
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE_BYTES];
    while target.len() < len {
        let wanted = usize::try_from(len - target.len()).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let piece = piece.get_mut(..wanted).unwrap_or_default();
        source.read_at(target.len(), piece)?;
        hasher.update(piece);
        target.write_all(piece)?;
    }
    target.commit()?;
    Ok(Copied { len, digest: *hasher.finalize().as_bytes() })
}
