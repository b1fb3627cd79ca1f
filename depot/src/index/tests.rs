//! An index answers the same whether it was told or rebuilt, and follows packs that come and go.

use std::sync::Arc;

use strongroom_core::digest::Profile;
use strongroom_core::seal::HostKey;
use strongroom_platform::disk::SimDisk;

use super::*;
use crate::depot::Depot;
use crate::reader::PackFileError;
use crate::testing::{Domain, bodies, chunk_id};

fn setting() -> (Domain, Depot) {
    let domain = Domain::new(Profile::Blake3, 1);
    let depot = domain.depot(Arc::new(SimDisk::from_seed(1))).unwrap();
    (domain, depot)
}

/// All that can be asked of an index, to compare two of them.
fn answers(index: &Index, bodies: &[Vec<u8>]) -> Vec<Vec<Location>> {
    bodies.iter().map(|body| index.locate(&chunk_id(body), &|_| true).unwrap()).collect()
}

#[test]
fn finds_every_object_where_it_lies() {
    let (domain, depot) = setting();
    let index = Index::in_memory().unwrap();
    let all = bodies(1, 300, 2_000);
    let pack = domain.put_pack(&depot, &all).unwrap();
    index.add(&pack).unwrap();
    assert!(pack.directory.frames().len() > 2);
    for (body, found) in all.iter().zip(answers(&index, &all)) {
        let [location] = found[..] else { panic!("{} candidates", found.len()) };
        let info = pack.directory.frames()[location.frame as usize];
        assert_eq!((location.offset, location.sealed_len), (info.offset, info.sealed_len));
        let entry = pack.directory.objects_of(&info)[location.slot as usize];
        assert_eq!(entry.hint, chunk_id(body).hint());
    }
    assert!(answers(&index, &bodies(2, 3, 10)).iter().all(Vec::is_empty));
    assert_eq!(index.header(pack.pack).unwrap().unwrap(), pack.header);
}

#[test]
fn rebuilt_from_packs_it_answers_the_same() {
    let (domain, depot) = setting();
    let told = Index::in_memory().unwrap();
    let (first, second) = (bodies(1, 200, 1_000), bodies(2, 200, 1_000));
    let shared = [&first[..], &second[..10]].concat();
    for bodies in [&shared, &second] {
        told.add(&domain.put_pack(&depot, bodies).unwrap()).unwrap();
    }
    let rebuilt = Index::in_memory().unwrap();
    let caught_up = rebuilt.catch_up(depot.backend().as_ref(), &domain.keys()).unwrap();
    assert_eq!((caught_up.added, caught_up.removed, caught_up.unreadable.len()), (2, 0, 0));
    assert_eq!(told.packs().unwrap(), rebuilt.packs().unwrap());
    for body in first.iter().chain(&second) {
        let sorted = |index: &Index| {
            let mut found = index.locate(&chunk_id(body), &|_| true).unwrap();
            found.sort_by_key(|location| location.pack);
            found
        };
        assert_eq!(sorted(&told), sorted(&rebuilt));
    }
    let both = told.locate(&chunk_id(&second[0]), &|_| true).unwrap();
    assert_eq!(both.len(), 2);
    assert_eq!(told.locate(&chunk_id(&second[0]), &|pack| pack == both[1].pack).unwrap(), both[1..]);
}

#[test]
fn catches_up_with_packs_that_came_and_went() {
    let (domain, depot) = setting();
    let index = Index::in_memory().unwrap();
    let (here, gone) = (bodies(1, 20, 100), bodies(2, 20, 100));
    let elsewhere = domain.depot(Arc::new(SimDisk::from_seed(2))).unwrap();
    index.add(&domain.put_pack(&elsewhere, &gone).unwrap()).unwrap();
    domain.put_pack(&depot, &here).unwrap();
    let caught_up = index.catch_up(depot.backend().as_ref(), &domain.keys()).unwrap();
    assert_eq!((caught_up.added, caught_up.removed), (1, 1));
    assert!(answers(&index, &gone).iter().all(Vec::is_empty));
    assert!(answers(&index, &here).iter().all(|found| found.len() == 1));
    let again = index.catch_up(depot.backend().as_ref(), &domain.keys()).unwrap();
    assert_eq!((again.added, again.removed), (0, 0));
}

#[test]
fn a_pack_under_another_key_keeps_none_from_being_entered() {
    let (domain, depot) = setting();
    domain.put_pack(&depot, &bodies(1, 2, 100)).unwrap();
    let index = Index::in_memory().unwrap();
    let stranger = HostKey::new(Profile::Blake3, [1; 32]);
    let caught_up = index.catch_up(depot.backend().as_ref(), &stranger).unwrap();
    assert!(matches!(caught_up.unreadable[..], [(_, PackFileError::Pack(PackError::WrongKey { .. }))]));
}

#[test]
fn a_file_that_is_of_no_use_is_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = Index::open(&folder.path().join("no such folder/index"));
    assert!(matches!(elsewhere, Err(IndexError::Database(_))), "what can't be read is not thrown away");
    let path = folder.path().join("index");
    std::fs::write(&path, vec![7; 10_000]).unwrap();
    let (domain, depot) = setting();
    let all = bodies(1, 2, 100);
    let pack = domain.put_pack(&depot, &all).unwrap();
    {
        let index = Index::open(&path).unwrap();
        index.add(&pack).unwrap();
        assert!(matches!(Index::open(&path), Err(IndexError::Busy { .. })));
    }
    let index = Index::open(&path).unwrap();
    assert!(answers(&index, &all).iter().all(|found| found.len() == 1), "what was committed stays");
}
