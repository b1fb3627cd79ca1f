//! Object Lock: what is put with a retention can't be deleted, whatever the credentials allow.

use strongroom_core::id::SourceId;
use strongroom_depot::backend::Backend as _;
use strongroom_depot::backend::object::{BucketLock, RetentionMode};

use crate::emulator::{Emulator, s3_credentials};
use crate::proxy::{Proxy, header};
use crate::services::open;
use crate::suite::{large, pack, put, put_large};

/// The versions in a bucket: path and version.
fn versions(moto: &Emulator) -> Vec<(String, String)> {
    let (status, answer) = moto.ask("GET", "/locked?versions", "");
    assert_eq!(status, 200, "{answer}");
    let text = |part: &str, name: &str| {
        let (_, rest) = part.split_once(&format!("<{name}>")).unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    let parts = answer.split("<Version>").skip(1);
    parts.map(|part| (text(part, "Key"), text(part, "VersionId"))).collect()
}

#[test]
fn what_was_put_with_a_retention_can_not_be_deleted() {
    let Some(moto) = Emulator::moto("object_stores::lock::what_was_put_with_a_retention", &[]) else { return };
    moto.make_bucket("locked", "x-amz-bucket-object-lock-enabled: true\r\n");
    let proxy = Proxy::before(moto.address);
    let (_folder, credentials) = s3_credentials();
    let url = format!(
        "s3://locked/p?endpoint=http://{}&credentials_file={credentials}&lock=compliance&lock_days=30",
        proxy.address
    );
    let backend = open(&url);
    backend.put_format(b"format").unwrap();
    put(&backend, pack(1), b"small").unwrap();
    put_large(&backend, pack(2), &large(1)).unwrap();
    backend.put_manifest(SourceId([1; 16]), 1, b"manifest").unwrap();
    assert!(matches!(backend.facts().unwrap().lock, BucketLock::On { default: None }));
    assert_eq!(
        backend.retention().map(|retention| (retention.mode, retention.days)),
        Some((RetentionMode::Compliance, 30))
    );

    let found = versions(&moto);
    assert_eq!(found.len(), 4);
    // Moto forgets the retention of an upload in parts. That it is asked for, under the signature, shows below.
    let in_parts = format!("{}.pack", pack(2));
    for (key, version) in found.iter().filter(|(key, _)| !key.ends_with(&in_parts)) {
        let (status, answer) = moto.ask("DELETE", &format!("/locked/{key}?versionId={version}"), "");
        assert_eq!(status, 403, "{key}: {answer}");
    }
    assert_eq!(versions(&moto), found);

    // S3 refuses headers of its own that the signature does not cover; moto does not look.
    let heads = proxy.heads();
    let stamped: Vec<_> = heads.iter().filter(|head| header(head, "x-amz-object-lock-mode").is_some()).collect();
    assert!(stamped.len() >= 4, "{heads:#?}");
    let is_begun = |head: &&&String| head.starts_with("POST ") && head.contains("uploads");
    assert_eq!(stamped.iter().filter(is_begun).count(), 1, "the upload in parts has a retention from its beginning");
    for head in stamped {
        let signed = header(head, "authorization").unwrap();
        assert!(signed.contains("x-amz-object-lock-mode;x-amz-object-lock-retain-until-date"), "{head}");
        assert!(header(head, "x-amz-sdk-checksum-algorithm").is_some() || head.starts_with("POST "), "{head}");
    }
}
