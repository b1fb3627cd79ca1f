//! Object Lock: what is put with a retention can't be deleted, whatever the credentials allow.

use strongroom_core::error::Code;
use strongroom_core::id::{PackId, SourceId};
use strongroom_depot::backend::Backend as _;
use strongroom_depot::backend::object::{BucketLock, RetentionMode};

use crate::emulator::{Emulator, s3_credentials};
use crate::proxy::{Fault, Proxy, Rule, header};
use crate::services::open;
use crate::suite::{large, pack, put, put_large};

/// Moto wants to know who asks, and believes it.
const WHO: &str = "Authorization: AWS4-HMAC-SHA256 Credential=id/20260101/us-east-1/s3/aws4_request, \
    SignedHeaders=host, Signature=0\r\n";

const DENIED: &str = "403 Forbidden\nContent-Type: application/xml\n\n<Error><Code>AccessDenied</Code></Error>";

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

#[test]
fn what_a_later_snapshot_needs_is_kept_as_long_as_the_snapshot() {
    let Some(moto) = Emulator::moto("object_stores::lock::what_a_later_snapshot_needs", &[]) else { return };
    moto.make_bucket("locked", "x-amz-bucket-object-lock-enabled: true\r\n");
    let proxy = Proxy::before(moto.address);
    let (_folder, credentials) = s3_credentials();
    // The time that goes by between two snapshots is a longer retention here.
    let locking = |days: u32| {
        open(&format!(
            "s3://locked/p?endpoint=http://{}&credentials_file={credentials}&lock=compliance&lock_days={days}",
            proxy.address
        ))
    };
    let ends = |pack: PackId| {
        let (first, id) = (pack.to_string(), pack.to_string());
        let (status, answer) = moto.ask("GET", &format!("/locked/p/packs/{}/{id}.pack", &first[..2]), WHO);
        assert_eq!(status, 200, "{answer}");
        header(&answer, "x-amz-object-lock-retain-until-date").unwrap().to_owned()
    };
    let packs = [pack(1), pack(2), pack(3)];
    for pack in packs {
        put(&locking(30), pack, b"records").unwrap();
    }
    let before = packs.map(ends);
    proxy.set(&[]);
    locking(60).keep_on(&packs[..2]).unwrap();
    let after = packs.map(ends);
    assert!(after[0] > before[0] && after[1] > before[1], "{before:?} {after:?}");
    assert_eq!(after[2], before[2], "what nobody needs runs out");
    assert_eq!(locking(30).read_pack(packs[0], 0, 7).unwrap(), b"records");

    // S3 wants a checksum of the body, and every header of its own under the signature; moto does not look.
    let heads = proxy.heads();
    let asked: Vec<_> = heads.iter().filter(|head| head.starts_with("PUT ") && head.contains("?retention")).collect();
    assert_eq!(asked.len(), 2, "{heads:#?}");
    for head in asked {
        let signed = header(head, "authorization").unwrap();
        assert!(signed.contains("x-amz-checksum-sha256") && signed.contains("x-amz-sdk-checksum-algorithm"), "{head}");
    }

    // The store refuses to shorten one, which is as good, and otherwise means that it may not be changed.
    let denied = Rule { method: "PUT", path: "retention", times: usize::MAX, fault: Fault::Answer(DENIED) };
    proxy.set(&[denied]);
    locking(30).keep_on(&packs[..2]).unwrap();
    let error = locking(60).keep_on(&packs).unwrap_err();
    assert_eq!(error.code(), Code::DepotRefused);
    assert_eq!(packs.map(ends), after);
    proxy.set(&[]);
    assert!(locking(60).keep_on(&[pack(9)]).is_err(), "a pack that is not there can't be promised");
}
