//! A pack, or a state, on its way into an object store.
//!
//! Owns at most `PARTS_IN_FLIGHT + 2` parts of memory. A pack of one part is one conditional put. A larger one is
//! uploaded in parts, which show under no name before they are completed; the completion is conditional where the
//! service can do that (S3). Where it can't, a look whether the name is free comes first, and only a second writer of
//! the same random id could slip between.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use object_store::{MultipartUpload, ObjectStore as _, PutMode, PutMultipartOptions, PutPayload};

use super::engine::Pending;
use super::error::StoreError;
use super::remote::Remote;
use crate::backend::{BackendError, PackSink, Put};

/// The size of a part: S3 takes none below 5 MiB but the last, and 10,000 of them.
pub(super) const PART_BYTES: usize = 8 << 20;
/// Parts under way at once.
const PARTS_IN_FLIGHT: usize = 2;
/// How long giving up an upload may take. What is left after that costs money and shows nowhere.
const ABORT_WAIT: Duration = Duration::from_secs(10);

/// A pack on its way.
pub(super) struct ObjectSink {
    remote: Arc<Remote>,
    put: Put,
    path: String,
    part: Vec<u8>,
    bytes: u64,
    upload: Option<Upload>,
}

struct Upload {
    parts: Box<dyn MultipartUpload>,
    flying: VecDeque<Pending<object_store::Result<()>>>,
}

impl ObjectSink {
    /// Begins what is to have a name that is free.
    pub(super) fn new(remote: Arc<Remote>, put: Put, path: String) -> Self {
        Self { remote, put, path, part: Vec::new(), bytes: 0, upload: None }
    }

    fn error(&self, error: object_store::Error) -> StoreError {
        self.remote.error(&self.path, error)
    }

    fn send_part(&mut self) -> Result<(), StoreError> {
        let payload = PutPayload::from(mem::take(&mut self.part));
        let mut upload = match self.upload.take() {
            Some(upload) => upload,
            None => self.begin()?,
        };
        let sent = self.fly(&mut upload, payload);
        self.upload = Some(upload);
        sent
    }

    fn begin(&self) -> Result<Upload, StoreError> {
        let (store, key) = (Arc::clone(&self.remote.store), self.remote.key(&self.path));
        let begun = self
            .remote
            .engine
            .run(async move { store.put_multipart_opts(&key, PutMultipartOptions::default()).await })?;
        Ok(Upload { parts: begun.map_err(|error| self.error(error))?, flying: VecDeque::new() })
    }

    fn fly(&self, upload: &mut Upload, payload: PutPayload) -> Result<(), StoreError> {
        while upload.flying.len() >= PARTS_IN_FLIGHT {
            self.land(upload)?;
        }
        upload.flying.push_back(self.remote.engine.begin(upload.parts.put_part(payload))?);
        Ok(())
    }

    /// Waits for the part that has been under way the longest.
    fn land(&self, upload: &mut Upload) -> Result<(), StoreError> {
        match upload.flying.pop_front() {
            Some(part) => part.wait()?.map_err(|error| self.error(error)),
            None => Ok(()),
        }
    }

    fn put_small(&mut self) -> Result<(), BackendError> {
        let bytes = mem::take(&mut self.part);
        match self.remote.put(&self.path, &bytes, PutMode::Create) {
            Ok(_) => Ok(()),
            Err(error @ (StoreError::Exists { .. } | StoreError::Replaced { .. })) => self.settle(&bytes, error),
            Err(error) => Err(error.into()),
        }
    }

    fn complete(&mut self) -> Result<(), BackendError> {
        // Packs end with the root of all their bytes, and states with a checksum of them: the last part tells this one
        // from any other.
        let last = self.part.clone();
        if !last.is_empty() {
            self.send_part()?;
        }
        let Some(mut upload) = self.upload.take() else { return Ok(()) };
        while !upload.flying.is_empty() {
            if let Err(error) = self.land(&mut upload) {
                self.abort(upload);
                return Err(error.into());
            }
        }
        let mut parts = upload.parts;
        let (parts, completed) = self.remote.engine.run(async move {
            let completed = parts.complete().await;
            (parts, completed)
        })?;
        let Err(error) = completed else { return Ok(()) };
        let error = self.error(error);
        let may_be_there =
            matches!(error, StoreError::Exists { .. } | StoreError::Replaced { .. } | StoreError::Missing { .. });
        let settled = if may_be_there { self.settle(&last, error) } else { Err(error.into()) };
        if settled.is_err() {
            self.abort(Upload { parts, flying: VecDeque::new() });
        }
        settled
    }

    /// The name is taken: by these bytes, if a try before had its answer lost, or by another pack.
    fn settle(&self, tail: &[u8], error: StoreError) -> Result<(), BackendError> {
        let Some(size) = self.remote.size(&self.path)? else { return Err(error.into()) };
        let mut found = vec![0; tail.len()];
        let same_size = size == self.bytes;
        if same_size {
            self.remote.read_at(&self.path, size.saturating_sub(tail.len() as u64), &mut found)?;
        }
        if same_size && found == tail { Ok(()) } else { Err(self.put.taken()) }
    }

    fn abort(&self, upload: Upload) {
        upload.flying.into_iter().for_each(Pending::cancel);
        let mut parts = upload.parts;
        let aborted = self.remote.engine.begin(async move { parts.abort().await });
        // The parts show under no name; a rule of the bucket removes what stays.
        let _ = aborted.map(|aborted| aborted.wait_for(ABORT_WAIT));
    }
}

impl PackSink for ObjectSink {
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), BackendError> {
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            // A full part goes only when more follows, so that the last one is never empty.
            if self.part.len() == PART_BYTES {
                self.send_part()?;
            }
            let room = PART_BYTES - self.part.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.part.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<(), BackendError> {
        if self.upload.is_none() { self.put_small() } else { self.complete() }
    }
}

impl Drop for ObjectSink {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            self.abort(upload);
        }
    }
}
