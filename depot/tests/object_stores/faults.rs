//! Connections that break, servers that refuse, and answers that are cut: nothing is lost, and every error says what
//! it is.

use strongroom_core::error::Code;
use strongroom_core::id::{DomainId, SourceId};
use strongroom_depot::backend::object::{ObjectBackend, StoreError};
use strongroom_depot::backend::{Backend as _, BackendError};

use crate::emulator::{Emulator, s3_credentials};
use crate::proxy::{Fault, Proxy, Rule};
use crate::services::open;
use crate::suite::{large, pack, put, put_large};

const SLOW_DOWN: &str = "503 Slow Down\n\n<Error><Code>SlowDown</Code><Message>Reduce your rate.</Message></Error>";
const SKEWED: &str = "403 Forbidden\n\n<Error><Code>RequestTimeTooSkewed</Code></Error>";
const DENIED: &str = "403 Forbidden\n\n<Error><Code>AccessDenied</Code></Error>";
const ELSEWHERE: &str = "301 Moved Permanently\n\n<Error><Code>PermanentRedirect</Code></Error>";
const FOREVER: usize = 1_000;

struct World {
    moto: Emulator,
    _folder: tempfile::TempDir,
    proxy: Proxy,
    backend: ObjectBackend,
    /// Reaches the server without the proxy.
    direct: ObjectBackend,
}

fn world(test: &str) -> Option<World> {
    let moto = Emulator::moto(test, &[])?;
    moto.make_bucket("depot", "");
    let proxy = Proxy::before(moto.address);
    let (folder, credentials) = s3_credentials();
    let url =
        |address| format!("s3://depot/p?endpoint=http://{address}&credentials_file={credentials}&retry_seconds=2");
    let (backend, direct) = (open(&url(proxy.address)), open(&url(moto.address)));
    Some(World { moto, _folder: folder, proxy, backend, direct })
}

fn rule(method: &'static str, path: &'static str, times: usize, fault: Fault) -> Rule {
    Rule { method, path, times, fault }
}

#[test]
fn what_breaks_for_a_while_is_tried_again_and_nothing_is_lost() {
    let Some(world) = world("object_stores::faults::what_breaks_for_a_while") else { return };
    let World { proxy, backend, direct, .. } = &world;
    let bytes = large(7);

    // A connection that breaks in the middle of a part, another before the answer to one, and one at the completion.
    proxy.set(&[
        rule("PUT", "partNumber=2", 1, Fault::CutRequest(1 << 20)),
        rule("PUT", "partNumber=1", 1, Fault::LoseAnswer),
        rule("POST", "uploadId=", 1, Fault::LoseAnswer),
    ]);
    put_large(backend, pack(1), &bytes).unwrap();
    assert!(direct.read_pack(pack(1), 0, bytes.len()).unwrap() == bytes);

    // Busy servers.
    let struck = proxy.set(&[rule("", "", 3, Fault::Answer(SLOW_DOWN))]);
    assert_eq!(struck, 3, "each of the faults before has happened");
    put(backend, pack(2), b"a small pack").unwrap();
    assert_eq!(direct.read_pack(pack(2), 0, 12).unwrap(), b"a small pack");

    // Puts that took effect and whose answer was lost.
    let struck = proxy.set(&[rule("PUT", "", 1, Fault::LoseAnswer)]);
    assert_eq!(struck, 3);
    backend.put_manifest(SourceId([1; 16]), 1, b"manifest").unwrap();
    assert_eq!(proxy.set(&[rule("PUT", "", 1, Fault::LoseAnswer)]), 1);
    put(backend, pack(3), b"another pack").unwrap();
    assert_eq!(proxy.set(&[rule("PUT", "", 1, Fault::LoseAnswer)]), 1);
    backend.put_keyring(DomainId([1; 16]), b"keyring").unwrap();
    assert_eq!(direct.read_keyring(DomainId([1; 16])).unwrap().unwrap(), b"keyring");

    // Answers that are cut: what is read is whole or an error.
    assert_eq!(proxy.set(&[rule("GET", ".pack", 1, Fault::CutAnswer(1 << 20))]), 1);
    let read = backend.read_pack(pack(1), 5, 3 << 20).unwrap();
    assert!(bytes.get(5..5 + (3 << 20)) == Some(read.as_slice()));
    assert_eq!(proxy.set(&[rule("GET", ".pack", FOREVER, Fault::CutAnswer(1 << 10))]), 1);
    let cut = backend.read_pack(pack(1), 5, 3 << 20).unwrap_err();
    assert_eq!(cut.code(), Code::DepotUnreachable, "{cut:?}");
}

#[test]
fn what_stays_broken_is_told_by_its_cause() {
    let Some(world) = world("object_stores::faults::what_stays_broken") else { return };
    let World { proxy, backend, direct, .. } = &world;
    let told = |answer: &'static str, code: Code| {
        proxy.set(&[rule("", "", FOREVER, Fault::Answer(answer))]);
        let error = backend.list_packs().unwrap_err();
        assert_eq!(error.code(), code, "{answer}: {error:?}");
        error
    };
    assert!(matches!(told(SLOW_DOWN, Code::DepotUnreachable), BackendError::Store(StoreError::Throttled { .. })));
    told(SKEWED, Code::ClockUnsafe);
    told(DENIED, Code::DepotRefused);
    let elsewhere = told(ELSEWHERE, Code::DepotRefused);
    assert!(matches!(elsewhere, BackendError::Store(StoreError::WrongRegion { .. })), "{elsewhere:?}");

    // An upload that does not get through leaves nothing: neither a pack nor parts.
    proxy.set(&[rule("PUT", "partNumber=2", FOREVER, Fault::CutRequest(10))]);
    let lost = put_large(backend, pack(1), &large(3)).unwrap_err();
    assert_eq!(lost.code(), Code::DepotUnreachable, "{lost:?}");
    assert!(proxy.heads().iter().any(|head| head.starts_with("DELETE ") && head.contains("uploadId=")));
    assert_eq!(direct.list_packs().unwrap().items, []);
    let (_, uploads) = world.moto.ask("GET", "/depot?uploads", "");
    assert!(!uploads.contains("<UploadId>"), "{uploads}");

    // Nobody there at all, and no such bucket.
    proxy.set(&[]);
    let (_folder, credentials) = s3_credentials();
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let rest = format!("credentials_file={credentials}&retry_seconds=1");
    let nobody = open(&format!("s3://depot/p?endpoint=http://{unused}&{rest}")).read_format().unwrap_err();
    assert!(matches!(nobody, BackendError::Store(StoreError::Unreachable { .. })), "{nobody:?}");
    let none = open(&format!("s3://nowhere/p?endpoint=http://{}&{rest}", proxy.address)).read_format().unwrap_err();
    assert!(matches!(none, BackendError::Store(StoreError::NoBucket { .. })), "{none:?}");
}

#[test]
fn a_store_that_takes_no_notice_of_conditions_is_found_out() {
    let Some(world) = world("object_stores::faults::a_store_that_takes_no_notice") else { return };
    let World { proxy, backend, .. } = &world;
    backend.put_format(b"format").unwrap();
    assert!(backend.facts().unwrap().conditional_puts);
    proxy.set(&[rule("PUT", "", FOREVER, Fault::Without("if-none-match"))]);
    assert!(!backend.facts().unwrap().conditional_puts);
}
