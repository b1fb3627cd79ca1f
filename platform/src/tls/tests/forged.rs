//! Certificates that somebody with a stolen key might sign, shown as a client and as a server.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, PKCS_ECDSA_P384_SHA384, SanType,
};
use rustls::pki_types::UnixTime;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, RootCertStore};

use super::world::{Forger, NOW, World, forged_params, new_issuer, shown, uri};
use crate::tls::Role;
use crate::tls::name::{NameError, NamedCertificate};
use crate::tls::validity::unix;
use crate::tls::verify::{PeerIdentity, PeerRefused};

/// Both sides refuse what is shown, and say why.
fn refused(world: &World, shown: &CertifiedKey, why: &PeerRefused) {
    for answer in world.says_to(shown, &world.expect(Role::Operator)) {
        let error = answer.unwrap_err();
        assert_eq!(PeerRefused::find(&error), Some(why), "{error}");
    }
}

/// Both sides refuse the chain of what is shown.
fn unchained(world: &World, shown: &CertifiedKey, is_expected: impl Fn(&CertificateError) -> bool) {
    for answer in world.says_to(shown, &world.expect(Role::Operator)) {
        match answer {
            Err(Error::InvalidCertificate(why)) if is_expected(&why) => {}
            answer => panic!("another answer: {answer:?}"),
        }
    }
}

fn operator(world: &World) -> SanType {
    uri(&world.name(Role::Operator, 1).to_string())
}

fn plain(_: &mut CertificateParams) {}

fn make_ca(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
}

#[test]
fn a_forgery_in_the_right_form_is_believed_so_that_the_refusals_mean_something() {
    let world = World::new();
    let shown = world.forger().show(&[operator(&world)], plain);
    assert!(world.says_to(&shown, &world.expect(Role::Operator)).iter().all(Result::is_ok));
}

#[test]
fn a_certificate_that_does_not_name_one_subject_is_refused() {
    let world = World::new();
    let (id, dns) = (operator(&world), SanType::DnsName("acme.example".try_into().unwrap()));
    let other = uri(&world.name(Role::Agent, 2).to_string());
    let cases = [
        (vec![], NameError::NoName),
        (vec![id.clone(), other], NameError::ManyNames { found: 2 }),
        (vec![id.clone(), id.clone()], NameError::ManyNames { found: 2 }),
        (vec![dns.clone()], NameError::ForeignName),
        (vec![id.clone(), dns.clone()], NameError::ForeignName),
        (vec![dns, id.clone()], NameError::ForeignName),
        (vec![id, SanType::IpAddress([127, 0, 0, 1].into())], NameError::ForeignName),
    ];
    for (names, source) in cases {
        refused(&world, &world.forger().show(&names, plain), &PeerRefused::Certificate { source });
    }
}

#[test]
fn a_uri_that_is_no_name_of_ours_is_refused() {
    let world = World::new();
    for text in ["https://acme.example/", "spiffe://acme.example", "spiffe://acme.example/eu/root/1"] {
        let shown = world.forger().show(&[uri(text)], plain);
        let source = text.parse::<crate::tls::SpiffeId>().unwrap_err();
        refused(&world, &shown, &PeerRefused::Certificate { source: NameError::NotSpiffe { source } });
    }
}

#[test]
fn an_issuer_does_not_vouch_for_another_trust_domain() {
    let world = World::new();
    let names = [uri(&super::world::name("other.example", Role::Operator, 1).to_string())];
    let (found, expected) = ("other.example".parse().unwrap(), "acme.example".parse().unwrap());
    refused(&world, &world.forger().show(&names, plain), &PeerRefused::OtherTrustDomain { found, expected });
}

#[test]
fn a_self_signed_certificate_is_refused() {
    let world = World::new();
    let key = KeyPair::generate().unwrap();
    let leaf = forged_params(&[operator(&world)], plain).self_signed(&key).unwrap();
    let alone = shown(vec![leaf.der().clone()], &key);
    refused(&world, &alone, &PeerRefused::ChainLength { found: 1 });
    let dressed = shown(vec![leaf.der().clone(), world.forger().certificate], &key);
    unchained(&world, &dressed, |why| *why == CertificateError::UnknownIssuer);
}

#[test]
fn a_leaf_signs_no_leaf() {
    let world = World::new();
    let agent = world.identity(Role::Agent, 3);
    let leaf = pem_of(agent.chain().leaf());
    let thief = Forger::new(&leaf, &agent.key_pem());
    let id = agent.id().clone();
    refused(&world, &thief.show(&[operator(&world)], plain), &PeerRefused::NotAnIssuer { id });
    // With the true issuer shown above it, the signature is not that issuer's.
    let (forged, key) = thief.sign(&[operator(&world)], plain);
    let dressed = shown(vec![forged, world.forger().certificate], &key);
    unchained(&world, &dressed, |why| *why == CertificateError::UnknownIssuer || is_bad_signature(why));
    // Three certificates are one too many, whatever they are.
    let (forged, key) = thief.sign(&[operator(&world)], plain);
    let long = shown(vec![forged, thief.certificate.clone(), world.forger().certificate], &key);
    refused(&world, &long, &PeerRefused::ChainLength { found: 3 });
}

fn pem_of(der: &[u8]) -> String {
    crate::tls::pem::write("CERTIFICATE", der).to_string()
}

fn is_bad_signature(why: &CertificateError) -> bool {
    *why == CertificateError::BadSignature
}

#[test]
fn an_issuer_makes_no_other_issuer() {
    let world = World::new();
    let sub = [uri(&world.name(Role::Issuer, 66).to_string())];
    let (certificate, key) = world.forger().sign(&sub, make_ca);
    let thief = Forger::new(&pem_of(&certificate), &key.serialize_pem());
    let below = thief.show(&[operator(&world)], plain);
    unchained(&world, &below, |why| *why == CertificateError::UnknownIssuer);
    let (leaf, key) = thief.sign(&[operator(&world)], plain);
    let chain = vec![leaf, certificate, world.forger().certificate];
    refused(&world, &shown(chain.clone(), &key), &PeerRefused::ChainLength { found: 3 });

    // The library would refuse it too, by the path length in the true issuer's certificate.
    let mut roots = RootCertStore::empty();
    roots.add(world.root.certificate().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let now: UnixTime = unix(NOW).unwrap();
    assert!(verifier.verify_client_cert(&chain[0], &chain[1..], now).is_err());
    assert!(verifier.verify_client_cert(&chain[1], &chain[2..], now).is_err());
    let honest = world.identity(Role::Agent, 1);
    let above = [honest.chain().issuer().clone()];
    assert!(verifier.verify_client_cert(honest.chain().leaf(), &above, now).is_ok());
}

#[test]
fn the_certificate_of_an_authority_makes_no_connection() {
    let world = World::new();
    let issuer = new_issuer(&world.root, "acme.example", 5, NOW, &world.entropy);
    let key = KeyPair::from_pem(&issuer.key_pem()).unwrap();
    let certificate = Forger::new(&issuer.certificate_pem(), &issuer.key_pem()).certificate;
    let alone = shown(vec![certificate.clone()], &key);
    refused(&world, &alone, &PeerRefused::ChainLength { found: 1 });
    let shown = shown(vec![certificate, world.forger().certificate], &key);
    let answers = world.says_to(&shown, &world.expect(Role::Issuer));
    assert!(answers.iter().all(Result::is_err), "{answers:?}");
    // Nor does a leaf that calls itself an issuer, even where somebody expects one.
    let forged = world.forger().show(&[uri(&world.name(Role::Issuer, 6).to_string())], plain);
    for answer in world.says_to(&forged, &world.expect(Role::Issuer)) {
        let id = world.name(Role::Issuer, 6);
        assert_eq!(PeerRefused::find(&answer.unwrap_err()), Some(&PeerRefused::WrongRole { id }));
    }
}

#[test]
fn an_authority_without_an_issuers_name_is_refused() {
    let world = World::new();
    let agent = world.name(Role::Agent, 7);
    let (certificate, key) = world.root_forger().sign(&[uri(&agent.to_string())], make_ca);
    let thief = Forger::new(&pem_of(&certificate), &key.serialize_pem());
    refused(&world, &thief.show(&[operator(&world)], plain), &PeerRefused::NotAnIssuer { id: agent });
    // A leaf right below the root shows the root as its issuer, which has no issuer's name either.
    let below = world.root_forger().show(&[operator(&world)], plain);
    for answer in world.says_to(&below, &world.expect(Role::Operator)) {
        let error = answer.unwrap_err();
        assert!(matches!(PeerRefused::find(&error), Some(PeerRefused::Certificate { .. })), "{error}");
    }
}

#[test]
fn a_key_does_only_what_its_certificate_allows() {
    let world = World::new();
    let only =
        |usage: ExtendedKeyUsagePurpose| move |params: &mut CertificateParams| params.extended_key_usages = vec![usage];
    let expect = world.expect(Role::Operator);
    let as_client = world.forger().show(&[operator(&world)], only(ExtendedKeyUsagePurpose::ClientAuth));
    let [by_server, by_client] = world.says_to(&as_client, &expect);
    assert!(by_server.is_ok() && by_client.is_err());
    let as_server = world.forger().show(&[operator(&world)], only(ExtendedKeyUsagePurpose::ServerAuth));
    let [by_server, by_client] = world.says_to(&as_server, &expect);
    assert!(by_server.is_err() && by_client.is_ok());
}

#[test]
fn a_key_of_another_kind_is_refused() {
    let world = World::new();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let forger = world.forger();
    let signer_key = KeyPair::from_pem(&world.issuer.key_pem()).unwrap();
    let signer = rcgen::Issuer::from_ca_cert_der(&forger.certificate, signer_key).unwrap();
    let leaf = forged_params(&[operator(&world)], plain).signed_by(&key, &signer).unwrap();
    let source = NameError::Malformed;
    assert_eq!(NamedCertificate::read(leaf.der()), Err(source.clone()));
    let peer = PeerIdentity::of_connection(&[leaf.into(), forger.certificate]);
    assert_eq!(peer, Err(PeerRefused::Certificate { source }));
}
