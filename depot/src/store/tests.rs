//! The store against what others put under the names of a blob and its chunks.

use strongroom_core::blob::{BlobObject, Splitter, encode_blob};
use strongroom_core::codec::put_varint;
use strongroom_core::digest::{IdKey, Profile};
use strongroom_core::manifest::{Predecessor, UnverifiedManifest};
use strongroom_core::pack::SealedPack;
use strongroom_platform::disk::SimDisk;

use super::*;
use crate::depot::Depot;
use crate::index::Index;
use crate::testing::{Domain, frames_of};

struct World {
    domain: Domain,
    depot: Depot,
    ids: IdFunctions,
}

impl World {
    fn new() -> Self {
        let domain = Domain::new(Profile::Blake3, 1);
        let depot = domain.depot(Arc::new(SimDisk::from_seed(1))).unwrap();
        Self { domain, depot, ids: IdFunctions::new(Profile::Blake3, &IdKey::from_bytes([1; 32])) }
    }

    fn put(&self, objects: &[BlobObject<'_>]) -> SealedPack {
        let objects = objects.iter().map(|object| (object.id, object.kind, &object.body[..]));
        self.domain.put_frames(&self.depot, &frames_of(objects)).unwrap()
    }

    /// The store of a snapshot that needs some packs, or may need any.
    fn store(&self, packs: Option<&[&SealedPack]>) -> DepotStore {
        let index = Index::in_memory().unwrap();
        index.catch_up(self.depot.backend().as_ref(), &self.domain.keys()).unwrap();
        let keys = Arc::new(self.domain.keys());
        let reader = Reader::new(Arc::clone(self.depot.backend()), Arc::new(index), keys, 1 << 20);
        let needed = packs.map(|packs| {
            let manifest = UnverifiedManifest::parse(&self.domain.manifest(1, None, packs).bytes).unwrap();
            let manifest = manifest.verify(&self.domain.signers(), Predecessor::None).unwrap();
            let mut needed = NeededPacks::new();
            needed.apply(manifest.head()).unwrap();
            needed
        });
        DepotStore::new(Arc::new(reader), needed)
    }
}

fn content() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}

/// A list under a blob's name that gives one chunk so many times.
fn repeated(ids: &IdFunctions, blob: BlobId, chunk: &[u8], times: usize) -> BlobObject<'static> {
    let mut list = Vec::new();
    put_varint(&mut list, (chunk.len() * times) as u64);
    put_varint(&mut list, times as u64);
    let mut entry = Vec::new();
    put_varint(&mut entry, chunk.len() as u64);
    entry.extend_from_slice(&ids.chunk(chunk).0);
    list.extend(entry.repeat(times));
    BlobObject { id: ObjectId::Blob(blob), kind: ObjectKind::ChunkList, body: list.into() }
}

#[test]
fn lists_that_others_put_under_a_blobs_name_neither_hide_it_nor_take_memory() {
    let (world, content) = (World::new(), content());
    let (blob, objects) = encode_blob(&world.ids, &Splitter::new(&world.ids), &content).unwrap();
    let chunk = vec![7; 256 << 10];
    let named = BlobObject {
        id: ObjectId::Chunk(world.ids.chunk(&chunk)),
        kind: ObjectKind::Chunk,
        body: chunk.clone().into(),
    };
    // The youngest are tried first: a list of 256 GiB, and one of the right length that leads nowhere.
    world.put(&objects);
    world.put(&[repeated(&world.ids, blob, &chunk, 1 << 20), named]);
    world.put(&[repeated(&world.ids, blob, &[0; 1_200], 1_000)]);
    let store = world.store(None);
    assert_eq!(store.blob(&world.ids, blob, BlobLength::Exactly(1_200_000)).unwrap(), content);
    let claimed = store.blob(&world.ids, blob, BlobLength::Exactly(256 << 30));
    assert!(matches!(claimed, Err(StoreError::Blob(BlobError::WrongLength { .. }))), "{claimed:?}");
}

#[test]
fn packs_that_no_head_names_are_not_looked_into() {
    let (world, content) = (World::new(), content());
    let (blob, objects) = encode_blob(&world.ids, &Splitter::new(&world.ids), &content).unwrap();
    let (named, other) = (world.put(&objects[1..]), world.put(&objects[..1]));
    let length = BlobLength::AtMost(1_200_000);
    let read = world.store(Some(&[&named])).blob(&world.ids, blob, length);
    assert!(matches!(read, Err(StoreError::Read(ReadError::NotFound { .. }))), "{read:?}");
    assert_eq!(world.store(Some(&[&named, &other])).blob(&world.ids, blob, length).unwrap(), content);
}

#[test]
fn a_run_that_is_stopped_reads_no_more() {
    let world = World::new();
    let (blob, objects) = encode_blob(&world.ids, &Splitter::new(&world.ids), b"short").unwrap();
    world.put(&objects);
    let mut store = world.store(None);
    assert!(store.blob(&world.ids, blob, BlobLength::Exactly(5)).is_ok());
    store.heed(Arc::new(|| true));
    let stopped = store.blob(&world.ids, blob, BlobLength::Exactly(5));
    assert!(matches!(stopped, Err(StoreError::Stopped)), "{stopped:?}");
}
