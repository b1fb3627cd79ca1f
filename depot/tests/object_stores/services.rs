//! A service conforms, as far as a server of it is here.

use std::sync::Arc;

use strongroom_core::id::SourceId;
use strongroom_depot::backend::Backend as _;
use strongroom_depot::backend::object::{BucketLock, ObjectBackend, ObjectLocation};
use strongroom_platform::clock::SystemClock;

use crate::emulator::{AZURE_ACCOUNT, Emulator, azure_credentials, s3_credentials};
use crate::suite;

/// Opens a place.
pub(crate) fn open(url: &str) -> ObjectBackend {
    ObjectBackend::open(&ObjectLocation::parse(url).unwrap(), Arc::new(SystemClock)).unwrap()
}

#[test]
fn s3_conforms() {
    // Three names a page, so that every listing has several.
    let settings = [("MOTO_S3_DEFAULT_MAX_KEYS", "3")];
    let Some(moto) = Emulator::moto("object_stores::services::s3_conforms", &settings) else { return };
    moto.make_bucket("depot", "");
    let (_folder, credentials) = s3_credentials();
    let url = format!("s3://depot/a/b?endpoint=http://{}&credentials_file={credentials}", moto.address);
    let backend = open(&url);
    suite::conforms(&backend);

    let facts = backend.facts().unwrap();
    assert!(facts.conditional_puts);
    assert_eq!(facts.lock, BucketLock::Off);

    for sequence in 3..10 {
        backend.put_manifest(SourceId([1; 16]), sequence, b"page").unwrap();
    }
    let (status, answer) = moto.ask("GET", "/depot?list-type=2", "");
    assert!(status == 200 && answer.contains("<IsTruncated>true</IsTruncated>"), "{answer}");
    let listed = backend.list_manifests().unwrap().items;
    assert_eq!(listed.iter().filter(|manifest| manifest.source == SourceId([1; 16])).count(), 10);

    let (_, uploads) = moto.ask("GET", "/depot?uploads", "");
    assert!(!uploads.contains("<UploadId>"), "no upload is left unfinished: {uploads}");
}

#[test]
fn azure_conforms() {
    let Some(server) = Emulator::azure("object_stores::services::azure_conforms") else { return };
    server.make_azure_container("depot");
    let (_folder, credentials) = azure_credentials();
    let backend = open(&format!(
        "az://depot/a/b?account={AZURE_ACCOUNT}&endpoint=http://{}/{AZURE_ACCOUNT}&credentials_file={credentials}",
        server.address
    ));
    suite::conforms(&backend);
    assert!(backend.facts().unwrap().conditional_puts);
}
