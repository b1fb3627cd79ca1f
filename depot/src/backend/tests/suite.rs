//! The suite: a backend that passes keeps the promises of the trait.

use crate::backend::{Backend, BackendError, Listing, Reads, StateName, StoredPack, StoredState};
use strongroom_core::id::{DomainId, PackId, SourceId};

/// A pack's id.
pub(crate) fn pack(byte: u8) -> PackId {
    PackId([byte; 16])
}

/// Puts a pack in small pieces.
pub(crate) fn put(backend: &dyn Backend, pack: PackId, bytes: &[u8]) -> Result<(), BackendError> {
    let mut sink = backend.put_pack(pack)?;
    bytes.chunks(7).try_for_each(|part| sink.write(part))?;
    sink.commit()
}

/// Puts a backend through everything that the trait promises. It must be empty.
pub(crate) fn conforms(backend: &dyn Backend) {
    packs_are_put_once_and_read_in_parts(backend);
    a_pack_without_commit_leaves_nothing(backend);
    one_writer_of_a_manifest_wins(backend);
    states_are_put_once_and_listed_in_order(backend);
    keyrings_are_replaced(backend);
    reads_are_counted(backend);
    large_packs_are_put_once_and_whole(backend);
}

fn packs_are_put_once_and_read_in_parts(backend: &dyn Backend) {
    assert_eq!(backend.list_packs().unwrap(), Listing::default());
    put(backend, pack(9), b"the second pack").unwrap();
    put(backend, pack(1), b"the first pack").unwrap();
    let listed = backend.list_packs().unwrap();
    assert_eq!(listed.items, [StoredPack { pack: pack(1), bytes: 14 }, StoredPack { pack: pack(9), bytes: 15 }]);
    assert_eq!(backend.read_pack(pack(9), 4, 6).unwrap(), b"second");
    assert!(backend.read_pack(pack(9), 10, 6).is_err(), "past the end");
    assert!(matches!(backend.read_pack(pack(5), 0, 1), Err(BackendError::NoPack { .. })));
    assert!(matches!(put(backend, pack(9), b"again"), Err(BackendError::PackExists { .. })));
    let (mut one, mut two) = (backend.put_pack(pack(3)).unwrap(), backend.put_pack(pack(3)).unwrap());
    one.write(b"one").unwrap();
    two.write(b"two").unwrap();
    one.commit().unwrap();
    assert!(matches!(two.commit(), Err(BackendError::PackExists { .. })));
    assert_eq!(backend.read_pack(pack(3), 0, 3).unwrap(), b"one");
}

fn states_are_put_once_and_listed_in_order(backend: &dyn Backend) {
    assert_eq!(backend.list_states().unwrap(), Listing::default());
    let state = |epoch, index| StateName { cluster: [3; 16], epoch, index };
    for (name, bytes) in [(state(2, 4), "after"), (state(1, 900), "before")] {
        let mut sink = backend.put_state(name).unwrap();
        sink.write(bytes.as_bytes()).unwrap();
        sink.commit().unwrap();
    }
    assert!(matches!(backend.put_state(state(2, 4)).map(drop), Err(BackendError::StateExists { .. })));
    assert!(matches!(backend.open_state(state(2, 5)).map(drop), Err(BackendError::NoState { .. })));
    let listed = backend.list_states().unwrap();
    let expected = [(state(1, 900), 6), (state(2, 4), 5)].map(|(state, bytes)| StoredState { state, bytes });
    assert_eq!((listed.items.as_slice(), listed.foreign.len()), (expected.as_slice(), 0));
    let mut found = [0; 5];
    backend.open_state(state(2, 4)).unwrap().read_at(0, &mut found).unwrap();
    assert_eq!(&found, b"after");
}

fn a_pack_without_commit_leaves_nothing(backend: &dyn Backend) {
    let before = backend.list_packs().unwrap();
    let mut sink = backend.put_pack(pack(7)).unwrap();
    sink.write(b"half a p").unwrap();
    assert_eq!(backend.list_packs().unwrap(), before, "a pack under way is not listed");
    drop(sink);
    assert_eq!(backend.list_packs().unwrap(), before);
    put(backend, pack(7), b"the whole pack").unwrap();
}

fn one_writer_of_a_manifest_wins(backend: &dyn Backend) {
    let (source, other) = (SourceId([1; 16]), SourceId([2; 16]));
    assert_eq!(backend.list_manifests().unwrap(), Listing::default());
    backend.put_manifest(source, 1, b"mine").unwrap();
    let late = backend.put_manifest(source, 1, b"yours");
    assert!(matches!(late, Err(BackendError::Conflict { sequence: 1, .. })));
    backend.put_manifest(source, 1, b"mine").unwrap();
    backend.put_manifest(other, 1, b"theirs").unwrap();
    backend.put_manifest(source, 10, b"tenth").unwrap();
    backend.put_manifest(source, 2, b"second").unwrap();
    assert_eq!(backend.read_manifest(source, 1).unwrap(), b"mine");
    assert!(matches!(backend.read_manifest(source, 3), Err(BackendError::NoManifest { .. })));
    let listed: Vec<_> = backend.list_manifests().unwrap().items.iter().map(|m| (m.source, m.sequence)).collect();
    assert_eq!(listed, [(source, 1), (source, 2), (source, 10), (other, 1)]);
}

fn keyrings_are_replaced(backend: &dyn Backend) {
    let domain = DomainId([1; 16]);
    assert_eq!(backend.read_keyring(domain).unwrap(), None);
    backend.put_keyring(domain, b"old").unwrap();
    backend.put_keyring(domain, b"new").unwrap();
    assert_eq!(backend.read_keyring(domain).unwrap().unwrap(), b"new");
    assert_eq!(backend.read_format().unwrap(), None);
    backend.put_format(b"format").unwrap();
    assert!(backend.put_format(b"other").is_err());
    assert_eq!(backend.read_format().unwrap().unwrap(), b"format");
}

fn reads_are_counted(backend: &dyn Backend) {
    let before = backend.reads().so_far();
    backend.read_pack(pack(9), 0, 3).unwrap();
    backend.read_pack(pack(9), 3, 2).unwrap();
    assert_eq!(backend.reads().so_far() - before, Reads { reads: 2, bytes: 5 });
}

/// Larger than two parts of an upload, and no multiple of one.
const LARGE_BYTES: usize = (20 << 20) + 4_321;

/// Bytes that differ from place to place, and from seed to seed.
pub(crate) fn large(seed: u8) -> Vec<u8> {
    (0_u32..)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .map(|byte| byte ^ seed)
        .take(LARGE_BYTES)
        .collect()
}

/// Puts a pack in pieces of a megabyte.
pub(crate) fn put_large(backend: &dyn Backend, pack: PackId, bytes: &[u8]) -> Result<(), BackendError> {
    let mut sink = backend.put_pack(pack)?;
    bytes.chunks(1 << 20).try_for_each(|part| sink.write(part))?;
    sink.commit()
}

fn large_packs_are_put_once_and_whole(backend: &dyn Backend) {
    let bytes = large(1);
    let mut dropped = backend.put_pack(pack(11)).unwrap();
    dropped.write(&bytes).unwrap();
    drop(dropped);
    put_large(backend, pack(11), &bytes).unwrap();
    let stored = StoredPack { pack: pack(11), bytes: LARGE_BYTES as u64 };
    assert!(backend.list_packs().unwrap().items.contains(&stored));
    assert!(matches!(put_large(backend, pack(11), &large(2)), Err(BackendError::PackExists { .. })));
    let source = backend.open_pack(pack(11)).unwrap();
    assert_eq!(source.bytes().unwrap(), LARGE_BYTES as u64);
    let mut read = vec![0; LARGE_BYTES];
    for (at, part) in (0..).step_by(3 << 20).zip(read.chunks_mut(3 << 20)) {
        source.read_at(at, part).unwrap();
    }
    assert!(read == bytes, "the pack is the one that was put first");
}
