//! How certificates come to be: requests, ceremonies and what no authority signs.

use std::time::Duration;

use proptest::prelude::*;
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, SanType};

use super::world::{Forger, NOW, World, forged_params, name, new_issuer, uri};
use crate::rng::SimEntropy;
use crate::tls::authority::{AuthorityError, CERTIFICATE_TTL_MAX};
use crate::tls::identity::IdentityError;
use crate::tls::name::NameError;
use crate::tls::request::RequestError;
use crate::tls::{CertificateRequest, Identity, Issuer, NamedCertificate, PendingIdentity, Role, RootAuthority};

#[test]
fn an_issuer_is_made_in_a_ceremony_that_passes_files_alone() {
    let entropy = SimEntropy::from_seed(3);
    let founded = RootAuthority::found(&"acme.example".parse().unwrap(), NOW, &entropy).unwrap();
    let (safe, key) = (founded.certificate_pem(), founded.key_pem());
    // On the member: the key stays, the request goes out.
    let id = name("acme.example", Role::Issuer, 1);
    let pending = PendingIdentity::new(id.clone()).unwrap();
    let (request_file, key_file) = (pending.request().to_pem(), pending.key_pem());
    assert!(request_file.starts_with("-----BEGIN CERTIFICATE REQUEST-----\n"));
    // Beside the safe: the request comes in, somebody looks at its name, the certificate goes out.
    let root = RootAuthority::from_pem(&safe, &key).unwrap();
    let request = CertificateRequest::from_pem(&request_file).unwrap();
    assert_eq!(request.requested_id(), Ok(id.clone()));
    let certificate = root.sign_issuer(&request.check(&id).unwrap(), NOW, &entropy).unwrap();
    // Back on the member, some days later.
    let issuer = PendingIdentity::resume(id.clone(), &key_file).unwrap().into_issuer(&certificate).unwrap();
    let again = Issuer::from_pem(&issuer.certificate_pem(), &issuer.key_pem()).unwrap();
    assert_eq!((again.id(), again.validity()), (&id, issuer.validity()));
    assert_eq!(root.trust_domain(), &id.trust_domain);
}

#[test]
fn a_request_for_another_name_is_refused() {
    let world = World::new();
    let (mine, yours) = (world.name(Role::Agent, 1), world.name(Role::Depot, 1));
    let pending = PendingIdentity::new(yours.clone()).unwrap();
    let error = pending.request().check(&mine).unwrap_err();
    assert_eq!(error, RequestError::OtherName { requested: Box::new(yours), authorised: Box::new(mine) });
}

#[test]
fn a_request_that_its_key_did_not_sign_is_refused() {
    let id = name("acme.example", Role::Agent, 1);
    let pending = PendingIdentity::new(id.clone()).unwrap();
    let mut broken = pending.request().as_der().to_vec();
    // The last byte belongs to the signature, which covers everything else but its own frame.
    *broken.last_mut().unwrap() ^= 1;
    assert_eq!(CertificateRequest::from_der(&broken).check(&id).err(), Some(RequestError::NotProven));

    // Somebody else's public key in a request that one signed oneself.
    let other = PendingIdentity::new(id.clone()).unwrap();
    let point = |pending: &PendingIdentity| {
        let der = pending.request().as_der().to_vec();
        let at = der.windows(4).position(|bytes| bytes == [3, 66, 0, 4]).unwrap() + 3;
        (der, at)
    };
    let ((mut mine, at), (yours, from)) = (point(&pending), point(&other));
    mine[at..at + 65].copy_from_slice(&yours[from..from + 65]);
    assert_eq!(CertificateRequest::from_der(&mine).check(&id).err(), Some(RequestError::NotProven));
}

#[test]
fn a_request_of_another_form_is_refused() {
    let id = name("acme.example", Role::Agent, 1);
    let san = || uri(&id.to_string());
    let request = |names: &[SanType], key: &KeyPair| {
        let mut params = forged_params(names, |_| {});
        params.use_authority_key_identifier_extension = false;
        CertificateRequest::from_der(params.serialize_request(key).unwrap().der())
    };
    let key = KeyPair::generate().unwrap();
    let refused = |names: &[SanType], source| {
        assert_eq!(request(names, &key).check(&id).err(), Some(RequestError::Name { source }));
    };
    assert!(request(&[san()], &key).check(&id).is_ok());
    refused(&[], NameError::NoName);
    refused(&[san(), san()], NameError::ManyNames { found: 2 });
    refused(&[san(), SanType::DnsName("acme.example".try_into().unwrap())], NameError::ForeignName);
    let large = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    assert_eq!(request(&[san()], &large).check(&id).err(), Some(RequestError::Malformed));
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    assert_eq!(request(&[san()], &ed25519).check(&id).err(), Some(RequestError::Malformed));
    let long = CertificateRequest::from_der(&[0x30; 9_000]);
    assert_eq!(long.check(&id).err(), Some(RequestError::Malformed));
}

#[test]
fn each_authority_signs_its_own_kind_and_trust_domain() {
    let (world, entropy) = (World::new(), SimEntropy::from_seed(9));
    let checked = |trust_domain: &str, role| {
        let pending = PendingIdentity::new(name(trust_domain, role, 1)).unwrap();
        pending.request().check(pending.id()).unwrap()
    };
    let issue = |trust_domain, role, ttl| world.issuer.issue(&checked(trust_domain, role), ttl, NOW, &entropy);
    let hour = Duration::from_hours(1);
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Issuer) {
        assert!(issue("acme.example", role, role.certificate_ttl()).is_ok());
        let by_root = world.root.sign_issuer(&checked("acme.example", role), NOW, &entropy);
        assert!(matches!(by_root, Err(AuthorityError::RoleNotSigned { role: refused }) if refused == role));
    }
    let issuer = issue("acme.example", Role::Issuer, hour);
    assert!(matches!(issuer, Err(AuthorityError::RoleNotSigned { role: Role::Issuer })));
    let foreign = issue("other.example", Role::Agent, hour);
    assert!(matches!(foreign, Err(AuthorityError::OtherTrustDomain { .. })));
    let foreign = world.root.sign_issuer(&checked("other.example", Role::Issuer), NOW, &entropy);
    assert!(matches!(foreign, Err(AuthorityError::OtherTrustDomain { .. })));
    for ttl in [Duration::ZERO, CERTIFICATE_TTL_MAX + Duration::from_secs(1)] {
        let refused = issue("acme.example", Role::Agent, ttl);
        assert!(matches!(refused, Err(AuthorityError::TtlOutOfRange { ttl: asked }) if asked == ttl));
    }
}

#[test]
fn a_leaf_says_what_was_authorised_and_no_more() {
    let world = World::new();
    let first = world.identity(Role::Agent, 1);
    let facts = first.certificate();
    assert_eq!((first.id(), facts.is_authority), (&world.name(Role::Agent, 1), false));
    assert_eq!(facts.validity.not_before().0, NOW.0 - 300_000_000);
    assert_eq!(facts.validity.not_after().0, NOW.0 + 86_400_000_000);
    let server = world.identity(Role::Coordinator, 1);
    assert_eq!(server.validity().not_after().0, NOW.0 + 43_200_000_000);

    let (_, parsed) = x509_parser::parse_x509_certificate(first.chain().leaf()).unwrap();
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && usage.server_auth && !usage.any && !usage.code_signing);
    assert_eq!(parsed.subject().iter().count(), 0);
    assert_eq!(parsed.key_usage().unwrap().unwrap().value.flags, 1);
    // 128 bits, the first of them zero, so that the number is positive and has no shorter form.
    assert_eq!(parsed.raw_serial().len(), 16);
    assert!(parsed.raw_serial()[0] & 0x80 == 0 && parsed.raw_serial()[0] != 0);
    assert_ne!(facts.serial, server.certificate().serial);
}

#[test]
fn authorities_are_limited_in_their_certificates() {
    let world = World::new();
    let limits = |der: &[u8]| {
        let (_, parsed) = x509_parser::parse_x509_certificate(der).unwrap();
        let constraints = parsed.basic_constraints().unwrap().unwrap();
        (constraints.critical, constraints.value.ca, constraints.value.path_len_constraint)
    };
    assert_eq!(limits(world.root.certificate()), (true, true, Some(1)));
    assert_eq!(limits(&world.forger().certificate), (true, true, Some(0)));
    let years = (world.root.validity().not_after().0 - NOW.0) / 86_400_000_000;
    assert_eq!(years, 3_652);
    let issuer = NamedCertificate::read(&world.forger().certificate).unwrap();
    assert_eq!((issuer.validity.not_after().0 - NOW.0) / 86_400_000_000, 90);
}

#[test]
fn key_and_certificate_have_to_belong_together() {
    let world = World::new();
    let (one, two) = (world.identity(Role::Agent, 1), world.identity(Role::Agent, 1));
    assert_eq!(Identity::from_pem(&one.chain_pem(), &two.key_pem()).err(), Some(IdentityError::NotItsKey));
    assert!(Identity::from_pem(&one.chain_pem(), &one.key_pem()).is_ok());
    let other = World::of("acme.example", 5);
    let mixed = RootAuthority::from_pem(&world.root.certificate_pem(), &other.root.key_pem());
    assert!(matches!(mixed, Err(AuthorityError::NotItsKey)));
    let mixed = Issuer::from_pem(&world.issuer.certificate_pem(), &other.issuer.key_pem());
    assert!(matches!(mixed, Err(AuthorityError::NotItsKey)));
}

#[test]
fn a_certificate_does_not_pass_for_one_of_another_kind() {
    let world = World::new();
    let agent = world.identity(Role::Agent, 1);
    let issuer = &world.issuer;
    let as_issuer = Issuer::from_pem(&agent.chain_pem(), &agent.key_pem());
    assert!(matches!(as_issuer, Err(AuthorityError::NotItsCertificate)));
    let as_root = RootAuthority::from_pem(&issuer.certificate_pem(), &issuer.key_pem());
    assert!(matches!(as_root, Err(AuthorityError::Certificate { source: NameError::NotSpiffe { .. } })));
    let twice = issuer.certificate_pem().repeat(2);
    assert_eq!(Identity::from_pem(&twice, &issuer.key_pem()).err(), Some(IdentityError::Authority));
    let alone = issuer.certificate_pem();
    assert_eq!(Identity::from_pem(&alone, &agent.key_pem()).err(), Some(IdentityError::ChainLength { found: 1 }));
    // A certificate for somebody else does not complete a pending identity.
    let pending = PendingIdentity::new(world.name(Role::Agent, 2)).unwrap();
    let wrong = pending.into_identity(agent.chain().clone());
    assert!(matches!(wrong, Err(IdentityError::OtherName { .. })));
    let pending = PendingIdentity::new(world.name(Role::Issuer, 2)).unwrap();
    let wrong = pending.into_issuer(&new_issuer(&world.root, "acme.example", 3, NOW, &world.entropy).certificate_pem());
    assert!(matches!(wrong, Err(AuthorityError::NotItsCertificate)));
}

#[test]
fn a_ca_that_calls_itself_an_issuer_has_to_be_one() {
    let world = World::new();
    let (certificate, key) = world.root_forger().sign(&[uri(&world.name(Role::Issuer, 4).to_string())], |_| {});
    let pem = crate::tls::pem::write("CERTIFICATE", &certificate);
    let leaf = Forger::new(&pem, &key.serialize_pem());
    let made = Issuer::from_pem(&pem, &key.serialize_pem());
    assert!(matches!(made, Err(AuthorityError::NotItsCertificate)), "{:?}", leaf.certificate.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_request_with_a_changed_byte_asks_for_nothing_else(at in 0usize..2_000, flip in 1u8..) {
        let id = name("acme.example", Role::Agent, 1);
        let mut der = PendingIdentity::new(id.clone()).unwrap().request().as_der().to_vec();
        let at = at % der.len();
        der[at] ^= flip;
        let request = CertificateRequest::from_der(&der);
        let _ = request.requested_id();
        if let Ok(checked) = request.check(&id) {
            prop_assert_eq!(checked.id(), &id);
        }
    }
}
