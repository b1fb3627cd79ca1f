//! A depot that keeps its packs in memory, and reads them with the core's own reader.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use strongroom_agent::repository::{PackSink, Repository, RepositoryError};
use strongroom_agent::view::ObjectStore;
use strongroom_core::blob::{BlobForm, BlobLength};
use strongroom_core::digest::IdFunctions;
use strongroom_core::error::Code;
use strongroom_core::frame::{Decompressor, Frame, ObjectKind};
use strongroom_core::id::{BlobId, Hint, ObjectId, PackId, SnapshotId, SourceId};
use strongroom_core::pack::OpenPack;
use strongroom_core::seal::EpochPrivateKey;
use strongroom_core::tree::reader::{Body, Form, PartSource};

/// Snapshots and the bytes of their manifests, by sequence.
type Manifests = BTreeMap<u64, (SnapshotId, Vec<u8>)>;

#[derive(Clone, Default)]
pub(crate) struct MemoryDepot {
    pub(crate) packs: Arc<Mutex<BTreeMap<PackId, Vec<u8>>>>,
    pub(crate) manifests: Arc<Mutex<Manifests>>,
    /// The manifest is stored, but the agent never hears of it.
    pub(crate) lose_acknowledgement: Arc<Mutex<bool>>,
    /// Bytes that one pack can take.
    pub(crate) room: Arc<Mutex<Option<usize>>>,
}

struct Upload {
    depot: MemoryDepot,
    pack: PackId,
    bytes: Vec<u8>,
}

fn refused(what: &str) -> RepositoryError {
    RepositoryError { code: Code::VolumeFailed, what: what.into(), source: None }
}

impl Repository for MemoryDepot {
    fn pack(&self, pack: PackId) -> Result<Box<dyn PackSink>, RepositoryError> {
        Ok(Box::new(Upload { depot: self.clone(), pack, bytes: Vec::new() }))
    }

    fn put_manifest(
        &self,
        _: SourceId,
        sequence: u64,
        snapshot: SnapshotId,
        bytes: &[u8],
    ) -> Result<(), RepositoryError> {
        let mut manifests = self.manifests.lock().unwrap();
        if manifests.contains_key(&sequence) {
            return Err(refused("the sequence is taken"));
        }
        manifests.insert(sequence, (snapshot, bytes.to_vec()));
        if *self.lose_acknowledgement.lock().unwrap() { Err(refused("no answer")) } else { Ok(()) }
    }

    fn snapshot_at(&self, _: SourceId, sequence: u64) -> Result<Option<SnapshotId>, RepositoryError> {
        Ok(self.manifests.lock().unwrap().get(&sequence).map(|(snapshot, _)| *snapshot))
    }
}

impl PackSink for Upload {
    fn write(&mut self, bytes: &[u8]) -> Result<(), RepositoryError> {
        if self.depot.room.lock().unwrap().is_some_and(|room| self.bytes.len() + bytes.len() > room) {
            return Err(RepositoryError { code: Code::NoSpace, what: "the depot is full".into(), source: None });
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), RepositoryError> {
        self.depot.packs.lock().unwrap().insert(self.pack, self.bytes);
        Ok(())
    }
}

/// All objects of a depot, opened once.
pub(crate) struct Opened {
    objects: BTreeMap<Hint, Vec<(ObjectKind, Arc<Frame>, u32)>>,
}

#[derive(Debug, thiserror::Error)]
#[error("no such blob")]
pub(crate) struct NoBlob;

impl Opened {
    pub(crate) fn new(depot: &MemoryDepot, keys: &EpochPrivateKey) -> Self {
        Self::of(&depot.packs.lock().unwrap(), keys)
    }

    /// The objects of some packs only: what a snapshot names, and no more.
    pub(crate) fn of(packs: &BTreeMap<PackId, Vec<u8>>, keys: &EpochPrivateKey) -> Self {
        let mut decompressor = Decompressor::new().unwrap();
        let mut objects: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for bytes in packs.values() {
            let pack = OpenPack::open(bytes, keys, &mut decompressor).unwrap();
            for (number, info) in pack.directory().frames().iter().enumerate() {
                let frame = Arc::new(pack.frame(number as u32, &mut decompressor).unwrap());
                for (slot, entry) in pack.directory().objects_of(info).iter().enumerate() {
                    let place = (entry.kind, Arc::clone(&frame), slot as u32);
                    objects.entry(entry.hint).or_default().push(place);
                }
            }
        }
        Self { objects }
    }

    /// Forms of leaves by kind: (full, delta).
    pub(crate) fn leaf_forms(&self) -> (usize, usize) {
        let count = |kind| self.objects.values().flatten().filter(|(found, ..)| *found == kind).count();
        (count(ObjectKind::FullLeaf), count(ObjectKind::DeltaLeaf))
    }
}

impl PartSource for Opened {
    type Error = NoBlob;
    type Place = Form;

    fn places(&self, hint: Hint, inner: bool) -> Result<Vec<Form>, NoBlob> {
        let kinds = if inner {
            [ObjectKind::FullNode, ObjectKind::DeltaNode]
        } else {
            [ObjectKind::FullLeaf, ObjectKind::DeltaLeaf]
        };
        let found = self.objects.get(&hint).into_iter().flatten().filter(|(kind, ..)| kinds.contains(kind));
        Ok(found
            .map(|(kind, frame, slot)| Form { delta: *kind == kinds[1], body: Body::new(Arc::clone(frame), *slot) })
            .collect())
    }

    fn form(&self, place: &Form, _: bool) -> Result<Option<Form>, NoBlob> {
        Ok(Some(place.clone()))
    }
}

impl ObjectStore for Opened {
    fn blob(&self, ids: &IdFunctions, blob: BlobId, expected: BlobLength) -> Result<Vec<u8>, NoBlob> {
        for (_, frame, slot) in self.objects.get(&ObjectId::Blob(blob).hint()).into_iter().flatten() {
            match BlobForm::decode(ids, blob, expected, frame.object(*slot).unwrap()) {
                Ok(BlobForm::Whole(content)) => return Ok(content.into_owned()),
                Ok(BlobForm::List(list)) => {
                    let chunk = |id| &self.objects[&ObjectId::Chunk(id).hint()][0];
                    let chunks =
                        list.chunks.iter().map(|c| chunk(c.id)).map(|(_, f, s)| f.object(*s).unwrap().body.to_vec());
                    return Ok(chunks.collect::<Vec<_>>().concat());
                }
                Err(_) => {}
            }
        }
        Err(NoBlob)
    }

    fn code(_: &NoBlob) -> Code {
        Code::Damaged
    }
}
