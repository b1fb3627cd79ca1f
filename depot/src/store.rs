//! The objects of one snapshot, read from the depot.
//!
//! Only packs that the snapshot's chain of heads names are looked into, so what can be read is what the manifests
//! promise, and what a dead run left behind is never touched. Hints are not believed: whoever asks recomputes ids, and
//! blobs are checked here. Nor are lengths: candidates are opened one at a time, and a blob takes no more memory than
//! whoever names it expects.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use strongroom_core::blob::{BlobError, BlobForm, BlobLength, BlobVerifier, ChunkList};
use strongroom_core::codec::Malformed;
use strongroom_core::digest::IdFunctions;
use strongroom_core::error::Code;
use strongroom_core::frame::ObjectKind;
use strongroom_core::id::{BlobId, Hint, LeafId, NodeId, ObjectId};
use strongroom_core::manifest::NeededPacks;
use strongroom_core::objects::ObjectStore;
use strongroom_core::tree::reader::{Body, Form, PartSource};

use crate::index::Location;
use crate::reader::{ReadError, Reader, StoredObject};

/// An object that can't be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The depot can't give it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A blob is not what its id says.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// There is no memory for a blob.
    #[error("there is no memory for the {bytes} bytes of blob {blob}")]
    NoMemory {
        /// The blob.
        blob: BlobId,
        /// Its length.
        bytes: u64,
    },
    /// The user stopped the run.
    #[error("the run was stopped")]
    Stopped,
}

impl StoreError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Read(error) => error.code(),
            Self::Blob(_) => Code::Damaged,
            Self::NoMemory { .. } => Code::NoMemory,
            Self::Stopped => Code::Interrupted,
        }
    }
}

/// Says whether a run was asked to stop.
pub type IsStopped = Arc<dyn Fn() -> bool + Send + Sync>;

/// The objects of one snapshot. Usable from several threads.
pub struct DepotStore {
    reader: Arc<Reader>,
    packs: Option<NeededPacks>,
    is_stopped: Option<IsStopped>,
}

impl DepotStore {
    /// The objects in the packs that a snapshot needs, or in all of them where the list is not known.
    pub const fn new(reader: Arc<Reader>, packs: Option<NeededPacks>) -> Self {
        Self { reader, packs, is_stopped: None }
    }

    /// Stops reading once the run is asked to.
    pub fn heed(&mut self, is_stopped: IsStopped) {
        self.is_stopped = Some(is_stopped);
    }

    /// Forgets what was read.
    pub fn read_anew(&mut self, reader: Arc<Reader>) {
        self.reader = reader;
    }

    /// The places where an object may lie, those in full first.
    fn locate(&self, id: &ObjectId) -> Result<Vec<Location>, StoreError> {
        if self.is_stopped.as_ref().is_some_and(|is_stopped| is_stopped()) {
            return Err(StoreError::Stopped);
        }
        Ok(self.reader.locate(id, &|pack| self.packs.as_ref().is_none_or(|packs| packs.contains(pack)))?)
    }

    /// What `take` makes of the first candidate that it takes. Each is given up before the next is opened.
    fn first<T>(
        &self,
        id: &ObjectId,
        mut take: impl FnMut(StoredObject) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (mut unread, mut refused) = (None, None);
        for location in self.locate(id)? {
            match self.reader.load(&location).map(&mut take) {
                Ok(Ok(taken)) => return Ok(taken),
                Ok(Err(StoreError::Stopped)) => return Err(StoreError::Stopped),
                Ok(Err(error)) => refused = Some(error),
                Err(error) => unread = Some(error),
            }
        }
        Err(match (refused, unread) {
            (Some(refused), _) => refused,
            (None, Some(unread)) => unread.into(),
            (None, None) => ReadError::NotFound { id: *id }.into(),
        })
    }

    fn chunks(&self, ids: &IdFunctions, blob: BlobId, list: &ChunkList) -> Result<Vec<u8>, StoreError> {
        let mut verifier = BlobVerifier::new(ids, blob, list);
        let mut content = Vec::new();
        let no_memory = || StoreError::NoMemory { blob, bytes: list.bytes };
        content.try_reserve_exact(usize::try_from(list.bytes).map_err(|_| no_memory())?).map_err(|_| no_memory())?;
        for chunk in &list.chunks {
            self.first(&ObjectId::Chunk(chunk.id), |stored| {
                let body = stored.object().map(|object| object.body).unwrap_or_default();
                verifier.push(body)?;
                content.extend_from_slice(body);
                Ok(())
            })?;
        }
        verifier.finish()?;
        Ok(content)
    }
}

impl PartSource for DepotStore {
    type Error = StoreError;
    type Place = Location;

    fn places(&self, hint: Hint, inner: bool) -> Result<Vec<Location>, StoreError> {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(hint.0).for_each(|(to, from)| *to = from);
        self.locate(&if inner { ObjectId::Node(NodeId(bytes)) } else { ObjectId::Leaf(LeafId(bytes)) })
    }

    fn form(&self, place: &Location, _: bool) -> Result<Option<Form>, StoreError> {
        let stored = self.reader.load(place)?;
        let delta = matches!(place.kind, ObjectKind::DeltaLeaf | ObjectKind::DeltaNode);
        Ok(Some(Form { delta, body: Body::new(Arc::clone(stored.frame()), place.slot) }))
    }
}

impl ObjectStore for DepotStore {
    fn blob(&self, ids: &IdFunctions, blob: BlobId, expected: BlobLength) -> Result<Vec<u8>, StoreError> {
        self.first(&ObjectId::Blob(blob), |stored| {
            let object = stored.object().ok_or(Malformed::new("object")).map_err(BlobError::from)?;
            let list = match BlobForm::decode(ids, blob, expected, object)? {
                BlobForm::Whole(content) => return Ok(content.into_owned()),
                BlobForm::List(list) => list,
            };
            drop(stored);
            self.chunks(ids, blob, &list)
        })
    }

    fn code(error: &StoreError) -> Code {
        error.code()
    }
}
