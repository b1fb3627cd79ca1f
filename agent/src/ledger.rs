//! The ledger: what the agent must remember of a source's newest committed snapshot to take the next one.
//!
//! It lies beside the cache, not in it, so that losing the cache does not begin a new tree line. It is sealed under the
//! host's key, since it holds names. A pending ledger is written before the manifest is put: after a crash the depot
//! tells whether that snapshot was committed, and the pending ledger is adopted or dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use strongroom_core::entropy::Entropy;
use strongroom_core::id::{ClassId, ClassRoot, HeadHash, SchemaDigest, SnapshotId, SnapshotRoot, SourceId};
use strongroom_core::manifest::BlobEntry;
use strongroom_core::record::ClassSchema;
use strongroom_core::seal::{HostKey, SealError};
use strongroom_core::time::WallTime;
use strongroom_core::tree::params::TreeParams;
use strongroom_platform::disk::{Disk, DiskError, durable_replace};

const LEDGER_BYTES_MAX: u64 = 256 << 20;
const CONTEXT: &[u8] = b"strongroom v1 ledger";

/// A ledger that can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The seal does not open under this host's key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The contents are not a ledger.
    #[error("the ledger can't be read")]
    Json(#[source] serde_json::Error),
}

/// What is remembered of one class.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LedgerClass {
    /// Its id.
    pub id: ClassId,
    /// Its root.
    pub root: ClassRoot,
    /// Its tree's parameters.
    pub params: TreeParams,
    /// Its schema.
    pub schema: ClassSchema,
    /// The digest of that.
    pub schema_digest: SchemaDigest,
    /// Its records.
    pub records: u64,
}

/// The newest committed snapshot of a source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ledger {
    /// Its place in the chain, from 1.
    pub sequence: u64,
    /// The hash of its head.
    pub head_hash: HeadHash,
    /// Its id.
    pub snapshot: SnapshotId,
    /// Its root.
    pub root: SnapshotRoot,
    /// Its classes by name; also those that the source no longer has, so that one that returns keeps its id.
    pub classes: BTreeMap<String, LedgerClass>,
    /// Classes that it left out, though the source has them.
    #[serde(default)]
    pub left_out: BTreeSet<String>,
    /// Classes that the source had before it and has no longer.
    #[serde(default)]
    pub gone: BTreeSet<String>,
    /// When its last row was read. Ledgers of earlier releases do not say it.
    #[serde(default)]
    pub finished: Option<WallTime>,
    /// Blobs that its packs hold.
    pub blobs: Vec<BlobEntry>,
}

/// Where the ledger of one source lies.
pub struct LedgerStore {
    disk: Arc<dyn Disk>,
    path: String,
    pending: String,
    host: HostKey,
    source: SourceId,
}

impl LedgerStore {
    /// The store in a folder.
    pub fn new(disk: Arc<dyn Disk>, dir: &str, host: HostKey, source: SourceId) -> Result<Self, LedgerError> {
        disk.create_dir_all(dir)?;
        Ok(Self { disk, path: format!("{dir}/ledger"), pending: format!("{dir}/ledger-pending"), host, source })
    }

    /// The ledger of the newest snapshot known to be committed.
    pub fn load(&self) -> Result<Option<Ledger>, LedgerError> {
        self.read(&self.path)
    }

    /// The ledger of a snapshot of which it is not known whether it was committed.
    pub fn load_pending(&self) -> Result<Option<Ledger>, LedgerError> {
        self.read(&self.pending)
    }

    /// Writes the ledger of a snapshot that is about to be committed.
    pub fn write_pending(&self, ledger: &Ledger, entropy: &dyn Entropy) -> Result<(), LedgerError> {
        let plain = serde_json::to_vec(ledger).map_err(LedgerError::Json)?;
        let sealed = self.host.wrap(&self.context(), &plain, entropy)?;
        Ok(durable_replace(&self.disk, &self.pending, &sealed)?)
    }

    /// The pending snapshot was committed.
    pub fn adopt(&self) -> Result<(), LedgerError> {
        self.disk.rename_replace(&self.pending, &self.path)?;
        self.sync()
    }

    /// The pending snapshot was not committed.
    pub fn drop_pending(&self) -> Result<(), LedgerError> {
        if self.disk.exists(&self.pending)? {
            self.disk.remove(&self.pending)?;
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), LedgerError> {
        let dir = self.path.rsplit_once('/').map_or("", |(dir, _)| dir);
        Ok(self.disk.sync_dir(dir)?)
    }

    fn read(&self, path: &str) -> Result<Option<Ledger>, LedgerError> {
        if !self.disk.exists(path)? {
            return Ok(None);
        }
        let sealed = self.disk.read(path, LEDGER_BYTES_MAX)?;
        let plain = self.host.unwrap(&self.context(), &sealed)?;
        serde_json::from_slice(&plain).map(Some).map_err(LedgerError::Json)
    }

    fn context(&self) -> Vec<u8> {
        [CONTEXT, self.source.as_bytes()].concat()
    }
}
