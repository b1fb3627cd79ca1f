//! Retentions that grow with use: a pack that a new manifest needs is kept as long as what is put with it.
//!
//! A pack is locked when it is put, and snapshots go on needing it for as long as its records stay as they are. So before
//! a manifest is put, the retention of every older pack that it needs is set anew, counted from now. A retention only
//! grows: where the store refuses, since the one that is there is longer, that is as good.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, PutOptions, PutPayload};

use super::ObjectBackend;
use super::error::StoreError;
use super::location::{Retention, RetentionMode};
use super::s3::{S3Bucket, SetRetention, generic, until};

/// Requests under way at once.
const AT_ONCE: usize = 8;

impl RetentionMode {
    /// The mode's word in requests.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }
}

impl ObjectBackend {
    /// Sets the retention of objects anew, if the depot has one.
    pub(super) fn extend(&self, paths: Vec<String>) -> Result<(), StoreError> {
        let (Some(retention), Some(s3)) = (self.retention, &self.s3) else { return Ok(()) };
        let wanted = until(s3.clock.as_ref(), retention)
            .map_err(|source| StoreError::Settings { source: Box::new(generic(source)) })?;
        let work = paths.into_iter().map(|path| Extension {
            store: Arc::clone(&self.remote.store),
            s3: Arc::clone(s3),
            key: self.remote.key(&path),
            path,
            retention,
            wanted: wanted.clone(),
        });
        let work: Vec<Extension> = work.collect();
        self.remote.engine.run(async move {
            stream::iter(work).map(Extension::set).buffer_unordered(AT_ONCE).try_collect::<()>().await
        })?
    }
}

/// One object's new retention.
struct Extension {
    store: Arc<dyn ObjectStore>,
    s3: Arc<S3Bucket>,
    key: Path,
    path: String,
    retention: Retention,
    wanted: String,
}

impl Extension {
    async fn set(self) -> Result<(), StoreError> {
        let body = format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{}</Mode>\
             <RetainUntilDate>{}</RetainUntilDate></Retention>",
            self.retention.mode.word(),
            self.wanted
        );
        let mut options = PutOptions::default();
        options.extensions.insert(SetRetention);
        let put = self.store.put_opts(&self.key, PutPayload::from(body.into_bytes()), options).await;
        let Err(error) = put else { return Ok(()) };
        match StoreError::classify(&self.s3.name, &self.path, error) {
            error @ StoreError::Denied { .. } => {
                if self.is_longer().await? {
                    Ok(())
                } else {
                    Err(error)
                }
            }
            error => Err(error),
        }
    }

    /// Whether the retention that is there, of the same mode or a firmer one, ends no sooner than the one wanted.
    async fn is_longer(&self) -> Result<bool, StoreError> {
        let found = self.s3.retention_of(self.key.as_ref()).await;
        let found = found.map_err(|error| StoreError::classify(&self.s3.name, &self.path, error))?;
        let instant = |text: &str| text.parse::<jiff::Timestamp>().ok();
        Ok(found.is_some_and(|(mode, ends)| {
            let is_as_firm = mode == self.retention.mode.word() || mode == RetentionMode::Compliance.word();
            is_as_firm && instant(&ends).zip(instant(&self.wanted)).is_some_and(|(ends, wanted)| ends >= wanted)
        }))
    }
}
