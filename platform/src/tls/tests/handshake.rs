//! Who gets through a handshake, and who does not.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::server::ServerSessionMemoryCache;
use rustls::{CertificateError, ClientConnection, Error, PeerIncompatible, ProtocolVersion, ServerConnection};
use strongroom_core::time::WallTime;

use super::world::{ALPN, Failure, World, name, shake};
use crate::tls::config::{self, SERVER_NAME};
use crate::tls::verify::{BundleError, Expect, PeerIdentity, PeerRefused, PeerVerifier};
use crate::tls::{HotIdentity, PinnedVerifier, Role, RootPin, enrolment_client_config, enrolment_server_config};

fn refusal(error: &Error) -> &PeerRefused {
    PeerRefused::find(error).unwrap_or_else(|| panic!("another error: {error}"))
}

/// Two roots of one trust domain differ in their keys alone, so that it is a signature that fails.
fn is_of_another_root(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::BadSignature | CertificateError::UnknownIssuer))
}

#[test]
fn two_of_one_trust_domain_know_each_other() {
    let world = World::new();
    let (agent, depot) = (world.identity(Role::Agent, 1), world.identity(Role::Depot, 2));
    let serial = agent.certificate().serial.clone();
    let client = world.client(agent, Expect::exactly(world.name(Role::Depot, 2)));
    let server = world.server(depot, world.expect(Role::Agent));
    let (client, server) = shake(client, server).unwrap();

    let seen = PeerIdentity::of_connection(server.peer_certificates().unwrap()).unwrap();
    assert_eq!((seen.id, seen.serial), (world.name(Role::Agent, 1), serial));
    assert_eq!(seen.issuer, *world.issuer.id());
    let seen = PeerIdentity::of_connection(client.peer_certificates().unwrap()).unwrap();
    assert_eq!(seen.id, world.name(Role::Depot, 2));
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!((client.alpn_protocol(), server.alpn_protocol()), (Some(ALPN[0]), Some(ALPN[0])));
    assert_eq!(server.server_name(), None);
}

#[test]
fn a_role_that_is_not_expected_is_refused_by_both_sides() {
    let world = World::new();
    let id = world.name(Role::Operator, 1);
    let client = world.client(world.identity(Role::Operator, 1), world.expect(Role::Depot));
    let server = world.server(world.identity(Role::Depot, 2), world.expect(Role::Agent));
    let error = shake(client, server).unwrap_err().by_server();
    assert_eq!(*refusal(&error), PeerRefused::WrongRole { id });

    let id = world.name(Role::Agent, 3);
    let client = world.client(world.identity(Role::Agent, 1), world.expect(Role::Depot));
    let server = world.server(world.identity(Role::Agent, 3), world.expect(Role::Agent));
    let error = shake(client, server).unwrap_err().by_client();
    assert_eq!(*refusal(&error), PeerRefused::WrongRole { id });
}

#[test]
fn another_one_of_the_expected_role_is_refused() {
    let world = World::new();
    let client = world.client(world.identity(Role::Agent, 1), Expect::exactly(world.name(Role::Depot, 9)));
    let server = world.server(world.identity(Role::Depot, 2), world.expect(Role::Agent));
    let error = shake(client, server).unwrap_err().by_client();
    assert_eq!(*refusal(&error), PeerRefused::WrongId { id: world.name(Role::Depot, 2) });
}

#[test]
fn another_trust_domain_has_no_say_in_this_one() {
    let (world, other) = (World::new(), World::of("other.example", 2));
    let client = other.identity(Role::Agent, 1);
    // The client trusts the server, so that it is the server that has to refuse.
    let client = config::client_config(
        Arc::new(HotIdentity::new(client)),
        world.verifier(world.expect(Role::Depot)),
        world.clock(),
        ALPN,
    );
    let server = world.server(world.identity(Role::Depot, 2), world.expect(Role::Agent));
    let error = shake(client.unwrap(), server).unwrap_err().by_server();
    assert_eq!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer));
}

#[test]
fn another_root_of_the_same_name_is_not_believed() {
    let (world, impostor) = (World::new(), World::of("acme.example", 2));
    let client = world.client(world.identity(Role::Agent, 1), world.expect(Role::Depot));
    let server = impostor.server(impostor.identity(Role::Depot, 2), impostor.expect(Role::Agent));
    assert!(is_of_another_root(&shake(client, server).unwrap_err().by_client()));
}

#[test]
fn a_trust_domain_without_roots_is_refused_before_a_connection() {
    let world = World::new();
    let expect = Expect::exactly(name("other.example", Role::Depot, 1));
    let made = PeerVerifier::new(expect, &world.bundles(), Arc::clone(&world.denied));
    let trust_domain = "other.example".parse().unwrap();
    assert_eq!(made.err(), Some(BundleError::Unknown { trust_domain }));
}

#[test]
fn whoever_is_denied_is_refused_whatever_names_them() {
    let world = World::new();
    let agent = world.identity(Role::Agent, 1);
    let (id, serial) = (agent.id().clone(), agent.certificate().serial.clone());
    let server = world.server(world.identity(Role::Depot, 2), world.expect(Role::Agent));
    let client = world.client(agent, world.expect(Role::Depot));
    let (_, open) = shake(client.clone(), server.clone()).unwrap();
    let peer = PeerIdentity::of_connection(open.peer_certificates().unwrap()).unwrap();
    assert!(!peer.is_denied(&world.denied.current()));

    let denied = PeerRefused::Denied { id: id.clone(), serial: serial.clone() };
    for (ids, serials) in [(vec![&id], vec![]), (vec![], vec![&serial])] {
        world.deny(&ids, &serials);
        let error = shake(client.clone(), server.clone()).unwrap_err().by_server();
        assert_eq!(*refusal(&error), denied);
        // What a server asks for connections that are open.
        assert!(peer.is_denied(&world.denied.current()));
    }
    world.deny(&[], &[]);
    assert!(shake(client, server).is_ok());
}

#[test]
fn denying_an_issuer_denies_all_that_it_signed() {
    let world = World::new();
    let client = world.client(world.identity(Role::Agent, 1), world.expect(Role::Depot));
    let server = world.server(world.identity(Role::Depot, 2), world.expect(Role::Agent));
    let (_, open) = shake(client.clone(), server.clone()).unwrap();
    let peer = PeerIdentity::of_connection(open.peer_certificates().unwrap()).unwrap();
    let (id, serial) = (peer.issuer.clone(), peer.issuer_serial.clone());
    for (ids, serials) in [(vec![&id], vec![]), (vec![], vec![&serial])] {
        world.deny(&ids, &serials);
        let error = shake(client.clone(), server.clone()).unwrap_err().by_client();
        assert_eq!(*refusal(&error), PeerRefused::Denied { id: id.clone(), serial: serial.clone() });
        assert!(peer.is_denied(&world.denied.current()));
    }
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let world = World::new();
    let pin = RootPin::of(world.root.certificate());
    let mut client = enrolment_client_config(Arc::new(PinnedVerifier::new(pin)), world.clock(), ALPN).unwrap();
    client.dangerous().set_certificate_verifier(world.verifier(world.expect(Role::Depot)));
    let server = world.server(world.identity(Role::Depot, 2), world.expect(Role::Agent));
    assert_eq!(shake(client, server).unwrap_err().by_server(), Error::NoCertificatesPresented);
}

#[test]
fn a_client_that_speaks_another_protocol_is_refused() {
    let world = World::new();
    let mut client = world.client(world.identity(Role::Agent, 1), world.expect(Role::Depot));
    client.alpn_protocols = vec![b"h2".to_vec()];
    let server = world.server(world.identity(Role::Depot, 2), world.expect(Role::Agent));
    assert_eq!(shake(client, server).unwrap_err().by_server(), Error::NoApplicationProtocol);
}

/// A hello as of RFC 5246: version 1.2, one suite, one kind of signature, and nothing that speaks of a later version.
const TLS12_HELLO: &[u8] = &[
    0x16, 3, 1, 0, 55, // a record of the handshake, 55 bytes
    1, 0, 0, 51, // a client's hello, 51 bytes
    3, 3, // version 1.2
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
    31, 0, // no session
    0, 2, 0xc0, 0x2b, // ECDHE-ECDSA with AES-128-GCM
    1, 0, // no compression
    0, 8, 0, 13, 0, 4, 0, 2, 4, 3, // ECDSA over P-256 with SHA-256
];

#[test]
fn tls_1_2_is_not_spoken() {
    let world = World::new();
    let config = world.server(world.identity(Role::Depot, 2), world.expect(Role::Agent));
    let mut server = ServerConnection::new(Arc::new(config)).unwrap();
    server.read_tls(&mut &*TLS12_HELLO).unwrap();
    let error = server.process_new_packets().unwrap_err();
    assert_eq!(error, Error::PeerIncompatible(PeerIncompatible::SupportedVersionsExtensionRequired));

    let config = world.client(world.identity(Role::Agent, 1), world.expect(Role::Depot));
    let host = ServerName::try_from(SERVER_NAME).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), host).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    // Extension 43, supported versions: one of them, 0x0304.
    assert!(hello.windows(7).any(|bytes| bytes == [0, 43, 0, 3, 2, 3, 4]));
    assert!(!hello.windows(SERVER_NAME.len()).any(|bytes| bytes == SERVER_NAME.as_bytes()));
}

#[test]
fn nothing_is_sent_early_and_no_session_is_resumed() {
    let world = World::new();
    let client = world.client(world.identity(Role::Agent, 1), world.expect(Role::Depot));
    let server = world.server(world.identity(Role::Depot, 2), world.expect(Role::Agent));
    assert_eq!((server.max_early_data_size, server.send_tls13_tickets), (0, 0));
    assert!(!client.enable_early_data && !server.session_storage.can_cache() && !server.ticketer.enabled());
    for _ in 0..2 {
        let (mut client, server) = shake(client.clone(), server.clone()).unwrap();
        assert!(client.early_data().is_none());
        assert_eq!(client.tls13_tickets_received(), 0);
        assert_eq!(server.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}

#[test]
fn a_client_resumes_nothing_even_where_a_server_offers_it() {
    let world = World::new();
    let client = world.client(world.identity(Role::Agent, 1), world.expect(Role::Depot));
    let mut server = world.server(world.identity(Role::Depot, 2), world.expect(Role::Agent));
    server.send_tls13_tickets = 2;
    server.session_storage = ServerSessionMemoryCache::new(8);
    for _ in 0..2 {
        let (client, server) = shake(client.clone(), server.clone()).unwrap();
        assert_eq!(client.tls13_tickets_received(), 2);
        assert_eq!(server.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
}

#[test]
fn a_renewed_identity_is_served_without_a_restart() {
    let world = World::new();
    let hot = Arc::new(HotIdentity::new(world.identity(Role::Depot, 2)));
    let verifier = world.verifier(world.expect(Role::Agent));
    let server = config::server_config(Arc::clone(&hot), verifier, world.clock(), ALPN).unwrap();
    let client = world.client(world.identity(Role::Agent, 1), world.expect(Role::Depot));
    let serial = || {
        let (client, _) = shake(client.clone(), server.clone()).unwrap();
        PeerIdentity::of_connection(client.peer_certificates().unwrap()).unwrap().serial
    };
    let first = serial();
    hot.replace(world.certify(hot.current().renewal().unwrap())).unwrap();
    let second = serial();
    assert_ne!(first, second);
    assert_eq!(second, hot.current().certificate().serial);
}

#[test]
fn one_process_never_becomes_another_subject() {
    let world = World::new();
    let hot = HotIdentity::new(world.identity(Role::Depot, 2));
    let error = hot.replace(world.identity(Role::Depot, 3)).unwrap_err();
    assert_eq!(*error.found, world.name(Role::Depot, 3));
    assert_eq!(*hot.current().id(), world.name(Role::Depot, 2));
}

#[test]
fn a_clock_before_1970_makes_no_connection() {
    let world = World::new();
    let client = world.client(world.identity(Role::Agent, 1), world.expect(Role::Depot));
    let server = world.server(world.identity(Role::Depot, 2), world.expect(Role::Agent));
    world.clock.set_wall(WallTime(-1));
    assert!(matches!(
        shake(client, server),
        Err(Failure::Client(Error::FailedToGetCurrentTime) | Failure::Server(Error::FailedToGetCurrentTime))
    ));
}

#[test]
fn a_host_with_a_token_finds_the_coordinator_by_the_pin_of_its_root() {
    let world = World::new();
    let enrol = |role, pin: RootPin| {
        let own = Arc::new(HotIdentity::new(world.identity(role, 4)));
        let root = world.root.certificate().clone();
        let server = enrolment_server_config(own, root, world.clock(), ALPN).unwrap();
        let client = enrolment_client_config(Arc::new(PinnedVerifier::new(pin)), world.clock(), ALPN).unwrap();
        shake(client, server)
    };
    let pin = RootPin::of(world.root.certificate());
    let (client, server) = enrol(Role::Coordinator, pin).unwrap();
    let shown = client.peer_certificates().unwrap();
    assert_eq!(PinnedVerifier::new(pin).root(shown), Some(world.root.certificate()));
    assert!(server.peer_certificates().is_none());

    let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
    assert_eq!(enrol(Role::Coordinator, RootPin([7; 32])).unwrap_err().by_client(), unknown);
    // A pin of something that is no root does not make it one.
    assert_eq!(enrol(Role::Coordinator, RootPin::of(b"x")).unwrap_err().by_client(), unknown);
    let error = enrol(Role::Agent, pin).unwrap_err().by_client();
    assert_eq!(*refusal(&error), PeerRefused::WrongRole { id: world.name(Role::Agent, 4) });
}

#[test]
fn a_pinned_root_does_not_vouch_for_another_roots_chain() {
    let (world, impostor) = (World::new(), World::of("acme.example", 2));
    let own = Arc::new(HotIdentity::new(impostor.identity(Role::Coordinator, 4)));
    let root = world.root.certificate().clone();
    let server = enrolment_server_config(own, root, world.clock(), ALPN).unwrap();
    let pin = RootPin::of(world.root.certificate());
    let client = enrolment_client_config(Arc::new(PinnedVerifier::new(pin)), world.clock(), ALPN).unwrap();
    assert!(is_of_another_root(&shake(client, server).unwrap_err().by_client()));
}

#[test]
fn fips_is_reported_as_the_library_says() {
    let world = World::new();
    let server = world.server(world.identity(Role::Depot, 2), world.expect(Role::Agent));
    let client = world.client(world.identity(Role::Agent, 1), world.expect(Role::Depot));
    assert_eq!((server.fips(), client.fips()), (config::is_fips(), config::is_fips()));
}
