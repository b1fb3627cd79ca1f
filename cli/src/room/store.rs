//! The objects of one snapshot, read from the depot.
//!
//! Only packs that the snapshot's chain of heads names are looked into, so what can be read is what the manifests
//! promise, and what a dead run left behind is never touched. Hints are not believed: whoever asks recomputes ids, and
//! blobs are checked here.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use strongroom_agent::capture::Progress;
use strongroom_agent::view::ObjectStore;
use strongroom_core::blob::{BlobError, BlobForm, BlobVerifier, ChunkList};
use strongroom_core::digest::IdFunctions;
use strongroom_core::error::Code;
use strongroom_core::frame::{Object, ObjectKind};
use strongroom_core::id::{BlobId, Hint, LeafId, NodeId, ObjectId};
use strongroom_core::manifest::NeededPacks;
use strongroom_core::tree::reader::{Body, Form, PartSource};
use strongroom_depot::reader::{ReadError, Reader, StoredObject};

/// An object that can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The depot can't give it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A blob is not what its id says.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The user stopped the run.
    #[error("the run was stopped")]
    Stopped,
}

impl StoreError {
    /// The stable code.
    pub(crate) const fn code(&self) -> Code {
        match self {
            Self::Read(error) => error.code(),
            Self::Blob(_) => Code::Damaged,
            Self::Stopped => Code::Interrupted,
        }
    }
}

/// The objects of one snapshot. Usable from several threads.
pub(crate) struct DepotStore {
    reader: Arc<Reader>,
    packs: Option<NeededPacks>,
    progress: Option<Arc<Progress>>,
}

impl DepotStore {
    /// The objects in the packs that a snapshot needs, or in all of them where the list is not known.
    pub(crate) const fn new(reader: Arc<Reader>, packs: Option<NeededPacks>) -> Self {
        Self { reader, packs, progress: None }
    }

    /// Stops reading once the run is asked to.
    pub(crate) fn heed(&mut self, progress: Arc<Progress>) {
        self.progress = Some(progress);
    }

    /// Forgets what was read.
    pub(crate) fn read_anew(&mut self, reader: Arc<Reader>) {
        self.reader = reader;
    }

    /// All objects under an id's hint that can be opened; an error if there are some and none can.
    fn candidates(&self, id: &ObjectId) -> Result<Vec<StoredObject>, StoreError> {
        if self.progress.as_ref().is_some_and(|progress| progress.stop.load(Ordering::Relaxed)) {
            return Err(StoreError::Stopped);
        }
        let mut locations = self.reader.locate(id)?;
        if let Some(packs) = &self.packs {
            locations.retain(|location| packs.contains(location.pack));
        }
        let mut found = Vec::with_capacity(locations.len());
        let mut failed = None;
        for location in &locations {
            match self.reader.load(location) {
                Ok(object) => found.push(object),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if found.is_empty() => Err(error.into()),
            _ => Ok(found),
        }
    }

    /// The first candidate that `check` takes.
    fn fetch<T>(
        &self,
        id: &ObjectId,
        mut check: impl FnMut(Object<'_>) -> Result<T, BlobError>,
    ) -> Result<T, StoreError> {
        let mut failed = None;
        for stored in self.candidates(id)? {
            match stored.object().map(&mut check) {
                Some(Ok(taken)) => return Ok(taken),
                Some(Err(error)) => failed = Some(error),
                None => {}
            }
        }
        Err(failed.map_or_else(|| ReadError::NotFound { id: *id }.into(), StoreError::from))
    }

    fn chunks(&self, ids: &IdFunctions, blob: BlobId, list: &ChunkList) -> Result<Vec<u8>, StoreError> {
        let mut verifier = BlobVerifier::new(ids, blob, list);
        let mut content = Vec::new();
        for (number, chunk) in list.chunks.iter().enumerate() {
            let body = self.fetch(&ObjectId::Chunk(chunk.id), |object| {
                let fits = object.body.len() == chunk.len as usize && ids.chunk(object.body) == chunk.id;
                if fits { Ok(object.body.to_vec()) } else { Err(BlobError::WrongChunk { blob, number }) }
            })?;
            verifier.push(&body)?;
            content.extend_from_slice(&body);
        }
        verifier.finish()?;
        Ok(content)
    }
}

impl PartSource for DepotStore {
    type Error = StoreError;

    fn forms(&self, hint: Hint, inner: bool) -> Result<Vec<Form>, StoreError> {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(hint.0).for_each(|(to, from)| *to = from);
        let id = if inner { ObjectId::Node(NodeId(bytes)) } else { ObjectId::Leaf(LeafId(bytes)) };
        let form = |stored: &StoredObject| Form {
            delta: matches!(stored.location().kind, ObjectKind::DeltaLeaf | ObjectKind::DeltaNode),
            body: Body::new(Arc::clone(stored.frame()), stored.location().slot),
        };
        Ok(self.candidates(&id)?.iter().map(form).collect())
    }
}

/// The content of a blob, or where it is.
enum Found {
    Whole(Vec<u8>),
    List(ChunkList),
}

impl ObjectStore for DepotStore {
    fn blob(&self, ids: &IdFunctions, blob: BlobId) -> Result<Vec<u8>, StoreError> {
        let found = self.fetch(&ObjectId::Blob(blob), |object| {
            Ok(match BlobForm::decode(ids, blob, object)? {
                BlobForm::Whole(content) => Found::Whole(content.into_owned()),
                BlobForm::List(list) => Found::List(list),
            })
        })?;
        match found {
            Found::Whole(content) => Ok(content),
            Found::List(list) => self.chunks(ids, blob, &list),
        }
    }

    fn code(error: &StoreError) -> Code {
        error.code()
    }
}
