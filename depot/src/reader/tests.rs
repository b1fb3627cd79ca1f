//! What reading by id promises: one read a frame, checked ids, damage that hides nothing, many threads.

use std::sync::Arc;
use std::thread;

use strongroom_core::digest::Profile;
use strongroom_core::id::ChunkId;
use strongroom_platform::disk::SimDisk;

use super::*;
use crate::depot::Depot;
use crate::testing::{Domain, bodies, chunk_id};

struct Setting {
    domain: Domain,
    disk: SimDisk,
    depot: Depot,
    index: Arc<Index>,
}

impl Setting {
    fn new(profile: Profile) -> Self {
        let (domain, disk) = (Domain::new(profile, 1), SimDisk::from_seed(1));
        let depot = domain.depot(Arc::new(disk.clone())).unwrap();
        Self { domain, disk, depot, index: Arc::new(Index::in_memory().unwrap()) }
    }

    fn put(&self, bodies: &[Vec<u8>]) -> PackId {
        let pack = self.domain.put_pack(&self.depot, bodies).unwrap();
        self.index.add(&pack).unwrap();
        pack.pack
    }

    fn reader(&self, cache_bytes: usize) -> Reader {
        let keys = Arc::new(self.domain.keys());
        Reader::new(Arc::clone(self.depot.backend()), Arc::clone(&self.index), keys, cache_bytes)
    }
}

/// Fetches and recomputes the id, as every caller must.
fn fetch(reader: &Reader, id: &ObjectId) -> Result<Vec<u8>, ReadError> {
    reader.fetch(id, |object| {
        let body = object.object()?.body;
        (chunk_id(body) == *id).then(|| body.to_vec())
    })
}

#[test]
fn a_cold_object_costs_one_read_and_a_warm_one_none() {
    for profile in [Profile::Blake3, Profile::Fips] {
        let setting = Setting::new(profile);
        let all = bodies(1, 100, 3_000);
        setting.put(&all);
        let reader = setting.reader(CACHE_BYTES_DEFAULT);
        let reads = || reader.backend().reads().so_far();
        let before = reads();
        assert_eq!(fetch(&reader, &chunk_id(&all[0])).unwrap(), all[0]);
        assert_eq!((reads() - before).reads, 1);
        assert_eq!(fetch(&reader, &chunk_id(&all[1])).unwrap(), all[1]);
        assert_eq!((reads() - before).reads, 1, "the same frame");
        for body in &all {
            assert_eq!(&fetch(&reader, &chunk_id(body)).unwrap(), body);
        }
    }
}

#[test]
fn a_hint_that_two_objects_share_is_no_id() {
    let setting = Setting::new(Profile::Blake3);
    let all = bodies(1, 2, 100);
    setting.put(&all);
    let reader = setting.reader(CACHE_BYTES_DEFAULT);
    let mut twin = *chunk_id(&all[0]).as_bytes();
    twin[31] ^= 1;
    let twin = ObjectId::Chunk(ChunkId(twin));
    assert!(matches!(fetch(&reader, &twin), Err(ReadError::NoneFits { candidates: 1, .. })));
    let absent = ObjectId::Chunk(ChunkId([9; 32]));
    assert!(matches!(fetch(&reader, &absent), Err(ReadError::NotFound { .. })));
}

#[test]
fn a_damaged_copy_does_not_hide_a_good_one() {
    let setting = Setting::new(Profile::Blake3);
    let all = bodies(1, 5, 100);
    setting.put(&all);
    let newest = setting.put(&all);
    let path = format!("packs/{:02x}/{newest}.pack", newest.0[0]);
    setting.disk.flip_bit(&path, 8 * 230).unwrap();
    assert_eq!(fetch(&setting.reader(CACHE_BYTES_DEFAULT), &chunk_id(&all[0])).unwrap(), all[0]);
    let only = bodies(2, 1, 100);
    let pack = setting.put(&only);
    setting.disk.flip_bit(&format!("packs/{:02x}/{pack}.pack", pack.0[0]), 8 * 230).unwrap();
    let read = fetch(&setting.reader(CACHE_BYTES_DEFAULT), &chunk_id(&only[0]));
    assert!(matches!(read, Err(ReadError::Pack { source: PackError::Damaged { .. }, .. })));
}

#[test]
fn serves_many_threads_from_a_small_cache() {
    let setting = Setting::new(Profile::Blake3);
    let all = bodies(1, 400, 3_000);
    setting.put(&all);
    let reader = setting.reader(300_000);
    thread::scope(|scope| {
        for start in 0..4 {
            let (reader, all) = (&reader, &all);
            scope.spawn(move || {
                for i in 0..all.len() {
                    let body = &all[(i * 7 + start * 100) % all.len()];
                    assert_eq!(&fetch(reader, &chunk_id(body)).unwrap(), body);
                }
            });
        }
    });
}
