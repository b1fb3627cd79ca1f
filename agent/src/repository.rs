//! What an agent may do with a depot: put packs and manifests. There is no verb to read or to delete.

use strongroom_core::error::Code;
use strongroom_core::id::{PackId, SnapshotId, SourceId};

/// A depot that did not take what it was given.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct RepositoryError {
    /// The stable code.
    pub code: Code,
    /// What could not be done.
    pub what: String,
    /// Why.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A depot, as an agent sees it.
pub trait Repository: Send + Sync {
    /// Begins a pack.
    fn pack(&self, pack: PackId) -> Result<Box<dyn PackSink>, RepositoryError>;

    /// Stores a manifest under a sequence that nobody has taken; durable when it returns.
    fn put_manifest(
        &self,
        source: SourceId,
        sequence: u64,
        snapshot: SnapshotId,
        bytes: &[u8],
    ) -> Result<(), RepositoryError>;

    /// Which snapshot, if any, has a sequence.
    fn snapshot_at(&self, source: SourceId, sequence: u64) -> Result<Option<SnapshotId>, RepositoryError>;
}

/// A pack on its way. Dropped without a commit, it leaves nothing behind.
pub trait PackSink: Send {
    /// Appends bytes.
    fn write(&mut self, bytes: &[u8]) -> Result<(), RepositoryError>;

    /// Makes the pack durable under its name.
    fn commit(self: Box<Self>) -> Result<(), RepositoryError>;
}
