//! Where a room's depot lies: in the room's own folder, or in an object store that its settings name.

use std::path::Path;
use std::sync::Arc;

use strongroom_core::error::Code;
use strongroom_depot::backend::object::{BucketLock, ObjectBackend, ObjectLocation};
use strongroom_depot::backend::{Backend, DirectoryBackend};
use strongroom_platform::clock::SystemClock;
use strongroom_platform::disk::{DiskError, RealDisk};

use super::paths;
use crate::failure::{Attempt as _, Failure};

/// The files of a depot.
#[derive(Clone)]
pub(crate) struct DepotPlace {
    /// Where packs, manifests and keyrings go.
    pub(crate) backend: Arc<dyn Backend>,
    /// The same, if they lie in an object store.
    pub(crate) store: Option<Arc<ObjectBackend>>,
    /// What it is called: a path or a URL.
    pub(crate) name: String,
}

impl DepotPlace {
    /// Opens the place that a room's settings name.
    pub(crate) fn open(root: &Path, url: Option<&str>) -> Result<Self, Failure> {
        match url {
            Some(url) => Self::in_store(url),
            None => Self::in_folder(root),
        }
    }

    fn in_folder(root: &Path) -> Result<Self, Failure> {
        let folder = root.join(paths::DEPOT);
        let disk = match RealDisk::open(&folder) {
            Err(DiskError::NotFound { .. }) => {
                return Err(Failure::new(Code::NoRoom, format!("the depot of the room {} is gone", root.display())));
            }
            opened => opened.attempt(|| format!("can't open the depot {}", folder.display()))?,
        };
        let backend = Arc::new(DirectoryBackend::new(Arc::new(disk)));
        Ok(Self { backend, store: None, name: folder.display().to_string() })
    }

    fn in_store(url: &str) -> Result<Self, Failure> {
        let location = ObjectLocation::parse(url).map_err(|error| {
            let code = error.code();
            Failure::because(code, "the depot's URL can't be used", error)
                .advise("Give s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX, and no secret in it.")
        })?;
        let store = ObjectBackend::open(&location, Arc::new(SystemClock));
        let store = Arc::new(store.attempt(|| format!("can't open the depot {url}"))?);
        Ok(Self { backend: Arc::clone(&store) as _, store: Some(store), name: url.to_owned() })
    }
}

impl DepotPlace {
    /// Refuses an object store that does not keep what a depot relies upon. The depot has to be there.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let Some(store) = &self.store else { return Ok(()) };
        let facts = store.facts().attempt(|| format!("can't ask {} what it keeps", self.name))?;
        if !facts.conditional_puts {
            let what = format!("{} replaces objects that were to be new", self.name);
            return Err(Failure::new(Code::DepotRefused, what).advise(
                "Use a store that honours If-None-Match: without it two writers lose each other's snapshots.",
            ));
        }
        if store.retention().is_some() && facts.lock == BucketLock::Off {
            let what = format!("the bucket of {} has no Object Lock", self.name);
            return Err(Failure::new(Code::DepotRefused, what)
                .advise("Make a bucket with Object Lock, or leave lock and lock_days out of the URL."));
        }
        Ok(())
    }
}
