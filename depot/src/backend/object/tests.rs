//! The object backend over a store in memory, and what its answers are taken for. Real services are in the package's
//! tests.

use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use strongroom_core::error::Code;

use super::*;
use crate::backend::tests::conforms;

fn over(store: &Arc<InMemory>, prefix: &str) -> ObjectBackend {
    let store: Arc<dyn ObjectStore> = Arc::clone(store) as _;
    let prefix = Path::parse(prefix).unwrap();
    let remote = Remote { engine: Engine::start().unwrap(), store, bucket: "memory".to_owned(), prefix };
    ObjectBackend::new(remote, None, None)
}

#[test]
fn a_store_in_memory_conforms() {
    conforms(&over(&Arc::default(), "some/prefix"));
}

#[test]
fn a_store_without_a_prefix_conforms() {
    conforms(&over(&Arc::default(), ""));
}

#[test]
fn two_depots_in_one_bucket_do_not_see_each_other() {
    let store = Arc::default();
    let (one, other) = (over(&store, "site/a"), over(&store, "site/ab"));
    one.put_manifest(SourceId([1; 16]), 1, b"one").unwrap();
    assert_eq!(other.list_manifests().unwrap(), Listing::default());
    assert_eq!(one.list_manifests().unwrap().items.len(), 1);
}

#[test]
fn a_change_to_a_keyring_that_was_replaced_meanwhile_is_refused() {
    let (store, domain) = (Arc::default(), DomainId([1; 16]));
    let (one, other) = (over(&store, "p"), over(&store, "p"));
    one.put_keyring(domain, b"first").unwrap();
    other.read_keyring(domain).unwrap();
    one.put_keyring(domain, b"second").unwrap();
    let late = other.put_keyring(domain, b"third");
    assert!(matches!(late, Err(BackendError::Store(StoreError::Replaced { .. }))));
    assert_eq!(late.unwrap_err().code(), Code::Busy);
    assert_eq!(one.read_keyring(domain).unwrap().unwrap(), b"second");
    // Who reads again may replace what was read.
    other.read_keyring(domain).unwrap();
    other.put_keyring(domain, b"third").unwrap();
}

#[test]
fn a_keyring_that_was_never_read_is_not_replaced() {
    let (store, domain) = (Arc::default(), DomainId([1; 16]));
    over(&store, "p").put_keyring(domain, b"first").unwrap();
    let blind = over(&store, "p").put_keyring(domain, b"blind");
    assert!(matches!(blind, Err(BackendError::Store(StoreError::Replaced { .. }))));
}

#[test]
fn calls_may_come_from_another_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let backend = over(&Arc::default(), "p");
        backend.put_format(b"format").unwrap();
        assert_eq!(backend.read_format().unwrap().unwrap(), b"format");
    });
}

#[test]
fn an_object_of_monstrous_size_is_not_read() {
    let store: Arc<InMemory> = Arc::default();
    let backend = over(&store, "p");
    let large = vec![0; usize::try_from(FORMAT_BYTES_MAX).unwrap() + 1];
    backend.remote.put(FORMAT, &large, PutMode::Create).unwrap();
    assert!(matches!(backend.read_format(), Err(BackendError::Store(StoreError::TooLarge { .. }))));
}

#[test]
fn names_that_do_not_belong_are_told() {
    let store: Arc<InMemory> = Arc::default();
    let backend = over(&store, "p");
    for path in ["packs/readme", "packs/09/note.txt"] {
        backend.remote.put(path, b"?", PutMode::Create).unwrap();
    }
    assert_eq!(backend.list_packs().unwrap().foreign, ["packs/09/note.txt", "packs/readme"]);
}
