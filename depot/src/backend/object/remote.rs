//! The calls of a store that a depot is made of, each done to its end and its errors told by what they mean.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, UpdateVersion,
};

use super::engine::Engine;
use super::error::StoreError;
use crate::backend::Listing;

/// The store, and how its objects are named and reached.
pub(super) struct Remote {
    pub(super) engine: Engine,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) bucket: String,
    pub(super) prefix: Path,
}

/// A whole object, and which version of it.
pub(super) struct Whole {
    pub(super) bytes: Vec<u8>,
    pub(super) version: UpdateVersion,
}

impl Remote {
    /// The name of an object, from its path below the prefix.
    pub(super) fn key(&self, path: &str) -> Path {
        self.prefix.parts().chain(Path::from(path).parts()).collect()
    }

    /// What an answer about a path means.
    pub(super) fn error(&self, path: &str, error: object_store::Error) -> StoreError {
        StoreError::classify(&self.bucket, path, error)
    }

    /// Puts an object under a condition.
    pub(super) fn put(&self, path: &str, bytes: &[u8], mode: PutMode) -> Result<UpdateVersion, StoreError> {
        let (store, key) = (Arc::clone(&self.store), self.key(path));
        let payload = PutPayload::from(bytes.to_vec());
        let options = PutOptions::from(mode);
        let put = self.engine.run(async move { store.put_opts(&key, payload, options).await })?;
        put.map(UpdateVersion::from).map_err(|error| self.error(path, error))
    }

    /// Reads an object as a whole, if it is there and no larger than `bytes_max`.
    pub(super) fn read_whole(&self, path: &str, bytes_max: u64) -> Result<Option<Whole>, StoreError> {
        let (store, key) = (Arc::clone(&self.store), self.key(path));
        let got = self.engine.run(async move {
            let got = store.get(&key).await?;
            if got.meta.size > bytes_max {
                return Ok(Err(got.meta.size));
            }
            let version = UpdateVersion { e_tag: got.meta.e_tag.clone(), version: got.meta.version.clone() };
            Ok(Ok(Whole { bytes: got.bytes().await?.to_vec(), version }))
        })?;
        match got.map_err(|error| self.error(path, error)) {
            Ok(Ok(whole)) => Ok(Some(whole)),
            Ok(Err(bytes)) => Err(StoreError::TooLarge { path: path.to_owned(), bytes, bytes_max }),
            Err(StoreError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An object's size, if it is there.
    pub(super) fn size(&self, path: &str) -> Result<Option<u64>, StoreError> {
        let (store, key) = (Arc::clone(&self.store), self.key(path));
        let head = self.engine.run(async move { store.head(&key).await })?;
        match head.map_err(|error| self.error(path, error)) {
            Ok(meta) => Ok(Some(meta.size)),
            Err(StoreError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Fills `bytes` from a range of an object; one request.
    pub(super) fn read_at(&self, path: &str, offset: u64, bytes: &mut [u8]) -> Result<(), StoreError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let end = offset.saturating_add(bytes.len() as u64);
        let (store, key) = (Arc::clone(&self.store), self.key(path));
        let options = GetOptions { range: Some(GetRange::Bounded(offset..end)), ..GetOptions::default() };
        let got = self.engine.run(async move { store.get_opts(&key, options).await?.bytes().await })?;
        let got = got.map_err(|error| self.error(path, error))?;
        if got.len() != bytes.len() {
            return Err(StoreError::UnexpectedEnd { path: path.to_owned(), end });
        }
        bytes.copy_from_slice(&got);
        Ok(())
    }

    /// Lists what lies below a folder, page by page; `item` recognises what belongs there.
    pub(super) fn list<T: Ord + Send + 'static>(
        &self,
        folder: &str,
        item: impl Fn(&str, u64) -> Option<T> + Send + Sync + 'static,
    ) -> Result<Listing<T>, StoreError> {
        let (store, top) = (Arc::clone(&self.store), self.key(folder));
        let skip = if self.prefix.as_ref().is_empty() { 0 } else { self.prefix.as_ref().len() + 1 };
        let listed = self.engine.run(async move {
            let mut listing = Listing::default();
            let mut objects = store.list(Some(&top));
            while let Some(object) = objects.try_next().await? {
                let path = object.location.as_ref().get(skip..).unwrap_or_default();
                match item(path, object.size) {
                    Some(found) => listing.items.push(found),
                    None => listing.foreign.push(path.to_owned()),
                }
            }
            Ok(listing)
        })?;
        let mut listing = listed.map_err(|error| self.error(folder, error))?;
        listing.items.sort();
        listing.foreign.sort();
        Ok(listing)
    }
}
