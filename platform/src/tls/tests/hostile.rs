//! Bytes that nobody honest sends: no panic, and nobody becomes somebody else.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::danger::ClientCertVerifier;

use super::world::{NOW, World};
use crate::tls::config::SERVER_NAME;
use crate::tls::name::RootCertificate;
use crate::tls::validity::unix;
use crate::tls::verify::{Expect, PeerVerifier, TrustBundle};
use crate::tls::{CertificateChain, Identity, NamedCertificate, PinnedVerifier, Role, RootPin};

/// One trust domain for all cases: making keys takes longer than reading certificates.
static WORLD: LazyLock<(World, Identity)> = LazyLock::new(|| {
    let world = World::new();
    let agent = world.identity(Role::Agent, 1);
    (world, agent)
});

/// What was done to bytes on their way.
#[derive(Clone, Debug)]
enum Harm {
    Flip(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    Repeat(usize, usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        (any::<usize>(), 1u8..).prop_map(|(at, flip)| Harm::Flip(at, flip)),
        any::<usize>().prop_map(Harm::Cut),
        (any::<usize>(), prop::collection::vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
        (any::<usize>(), 1usize..64).prop_map(|(at, len)| Harm::Repeat(at, len)),
    ]
}

fn harmed(der: &[u8], harms: &[Harm]) -> CertificateDer<'static> {
    let mut bytes = der.to_vec();
    for harm in harms {
        let len = bytes.len().max(1);
        match harm {
            Harm::Flip(at, flip) => bytes.iter_mut().skip(at % len).take(1).for_each(|byte| *byte ^= flip),
            Harm::Cut(at) => bytes.truncate(at % len),
            Harm::Insert(at, extra) => {
                let at = (at % len).min(bytes.len());
                bytes.splice(at..at, extra.iter().copied());
            }
            Harm::Repeat(at, run) => {
                let at = (at % len).min(bytes.len());
                let part = bytes[at..(at + run).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    CertificateDer::from(bytes)
}

/// Whom a check that expects any role takes the holder of these certificates for.
fn believed(leaf: &CertificateDer<'_>, issuer: &CertificateDer<'_>) -> bool {
    let (world, _) = &*WORLD;
    let expect = Expect { roles: Role::ALL.into(), ..world.expect(Role::Agent) };
    let verifier = PeerVerifier::new(expect, &world.bundles(), Arc::clone(&world.denied)).unwrap();
    let (above, now) = (std::slice::from_ref(issuer), unix(NOW).unwrap());
    let host = ServerName::try_from(SERVER_NAME).unwrap();
    let as_client = verifier.verify_client_cert(leaf, above, now).is_ok();
    let as_server = verifier.verify_server_cert(leaf, above, &host, &[], now).is_ok();
    assert_eq!(as_client, as_server);
    as_client
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_harmed_leaf_is_nobody_else(harms in prop::collection::vec(harm(), 1..4)) {
        let (_, agent) = &*WORLD;
        let leaf = harmed(agent.chain().leaf(), &harms);
        if believed(&leaf, agent.chain().issuer()) {
            let named = NamedCertificate::read(&leaf).unwrap();
            prop_assert_eq!(&named, agent.certificate());
        }
    }

    #[test]
    fn a_harmed_issuer_vouches_for_nobody(harms in prop::collection::vec(harm(), 1..4)) {
        let (_, agent) = &*WORLD;
        let issuer = harmed(agent.chain().issuer(), &harms);
        if believed(agent.chain().leaf(), &issuer) {
            prop_assert_eq!(&issuer, agent.chain().issuer());
        }
    }

    #[test]
    fn a_harmed_root_is_not_the_pinned_one(harms in prop::collection::vec(harm(), 1..4)) {
        let (world, agent) = &*WORLD;
        let root = harmed(world.root.certificate(), &harms);
        let _ = RootCertificate::read(&root);
        let _ = TrustBundle::new(std::slice::from_ref(&root));
        let verifier = PinnedVerifier::new(RootPin::of(world.root.certificate()));
        let above = [agent.chain().issuer().clone(), root.clone()];
        let host = ServerName::try_from(SERVER_NAME).unwrap();
        let now = unix(NOW).unwrap();
        prop_assert!(verifier.verify_server_cert(agent.chain().leaf(), &above, &host, &[], now).is_err());
        prop_assert_eq!(verifier.root(&above).is_some(), root == *world.root.certificate());
    }

    #[test]
    fn noise_names_nobody(noise in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(NamedCertificate::read(&noise).is_err());
        let text = String::from_utf8_lossy(&noise);
        prop_assert!(CertificateChain::from_pem(&text).is_err());
    }
}

#[test]
fn the_unharmed_chain_is_believed() {
    let (_, agent) = &*WORLD;
    assert!(believed(agent.chain().leaf(), agent.chain().issuer()));
    // The two in the wrong order, and each twice, are no chain.
    assert!(!believed(agent.chain().issuer(), agent.chain().leaf()));
    assert!(!believed(agent.chain().leaf(), agent.chain().leaf()));
    assert!(!believed(agent.chain().issuer(), agent.chain().issuer()));
}
