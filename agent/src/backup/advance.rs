//! The cache's advance: it follows a snapshot only once that is committed, and catches up after a crash.

use std::sync::Arc;

use strongroom_core::id::{ClassId, SnapshotRoot};

use super::job::{BackupError, BackupJob, OpenCache};
use crate::cache::{Image, ImageUpdate, Index, IndexUpdate, compact_if_grown};
use crate::ledger::{Ledger, LedgerStore};
use crate::shipment::identity;

/// The cache of one source during one backup.
pub(super) struct Advance<'a> {
    job: &'a BackupJob<'a>,
    cache: OpenCache,
    staged: String,
}

impl<'a> Advance<'a> {
    /// Opens the cache, after settling what an earlier run left undecided.
    pub(super) fn open(job: &'a BackupJob<'a>, store: &LedgerStore) -> Result<Self, BackupError> {
        job.disk.create_dir_all(job.cache_dir)?;
        let index = Index::open(&job.cache_path.join("index"))?;
        let image_dir = format!("{}/image", job.cache_dir);
        let image = Image::open(Arc::clone(job.disk), &image_dir, job.host.clone(), &index)?;
        let this = Self { job, cache: OpenCache { index, image }, staged: format!("{}/staged", job.cache_dir) };
        this.settle(store)?;
        Ok(this)
    }

    /// Adopts the pending ledger if its snapshot was committed, else drops it.
    fn settle(&self, store: &LedgerStore) -> Result<(), BackupError> {
        let Some(pending) = store.load_pending()? else { return Ok(()) };
        let found = self.job.repository.snapshot_at(self.job.sealing.source, pending.sequence)?;
        if found == Some(pending.snapshot) {
            // The image of that run can't be trusted to be whole, so the cache starts anew with the next snapshot.
            store.adopt()?;
        } else {
            store.drop_pending()?;
        }
        Ok(())
    }

    /// The index.
    pub(super) const fn index(&self) -> &Index {
        &self.cache.index
    }

    /// The image.
    pub(super) const fn image(&self) -> &Image {
        &self.cache.image
    }

    /// Whether the cache says that it describes the ledger's snapshot.
    pub(super) fn describes(&self, ledger: Option<&Ledger>) -> Result<bool, BackupError> {
        let described = self.cache.index.describes()?;
        Ok(ledger.is_some_and(|ledger| described == Some(ledger.root)))
    }

    /// Readies the cache for a capture that stores, and says whether it can be used.
    pub(super) fn prepare(&self, ledger: Option<&Ledger>) -> Result<bool, BackupError> {
        let usable = self.describes(ledger)?;
        if usable {
            self.cache.image.remove_strays()?;
        } else {
            self.cache.index.describe_nothing()?;
            self.cache.image.clear()?;
        }
        Ok(usable)
    }

    /// A file for changes that wait for the commit.
    pub(super) fn stage(&self) -> Result<IndexUpdate, BackupError> {
        if self.job.disk.exists(&self.staged)? {
            self.job.disk.remove(&self.staged)?;
        }
        Ok(IndexUpdate::new(self.job.disk.create_new(&self.staged)?))
    }

    /// Applies what waited. Called once the snapshot is committed.
    pub(super) fn follow(&self, root: &SnapshotRoot, image: Option<&ImageUpdate>) -> Result<(), BackupError> {
        self.cache.index.describe_nothing()?;
        self.cache.index.apply(self.job.disk.open_read(&self.staged)?.as_ref())?;
        if let Some(image) = image {
            image.apply(&self.cache.image)?;
        }
        self.cache.index.describe(root)?;
        self.job.disk.remove(&self.staged)?;
        Ok(())
    }

    /// Begins the cache anew.
    pub(super) fn forget(&self) -> Result<(), BackupError> {
        self.cache.index.describe_nothing()?;
        Ok(self.cache.image.clear()?)
    }

    /// Leaves dead forms of the image behind, once there are many.
    pub(super) fn compact(&self, classes: &[ClassId]) -> Result<(), BackupError> {
        let sealing = self.job.sealing;
        compact_if_grown(&self.cache.image, &self.cache.index, classes, &|| identity(&sealing), sealing.entropy)?;
        Ok(())
    }
}
