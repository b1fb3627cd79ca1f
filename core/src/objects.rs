//! Where the objects of a snapshot come from: the parts of its trees, and its blobs.
//!
//! Owns the seam between those who read snapshots and those who keep packs. Neither knows the other.

use crate::blob::BlobLength;
use crate::digest::IdFunctions;
use crate::error::Code;
use crate::id::BlobId;
use crate::tree::reader::PartSource;

/// Where parts and blobs come from.
pub trait ObjectStore: PartSource + Sync
where
    Self::Error: std::error::Error + Send + Sync + 'static,
{
    /// The content of a blob, checked against its id. What is not as long as expected is refused before its chunks are
    /// read.
    fn blob(&self, ids: &IdFunctions, blob: BlobId, expected: BlobLength) -> Result<Vec<u8>, Self::Error>;

    /// The stable code of a failure.
    fn code(error: &Self::Error) -> Code;
}
