//! Who is at the other end: the check of a peer's certificates in a handshake.
//!
//! ```text
//!   leaf, issuer ──► read names ──► chain to the roots of the ──► name as ──► not ──► PeerIdentity
//!   (two, bounded)   (one URI)      expected trust domain         expected    denied
//! ```
//!
//! Owns the order of those steps. The chain is checked by rustls's own webpki: signatures, validity, path length, the
//! right to sign and what a key may be used for. Its trust anchors are those of the trust domain that was expected
//! before any certificate came, so that no other domain's root can vouch for a name in this one. Names of hosts count
//! for nothing; the SPIFFE id is matched here, since webpki does not look at URIs. webpki does not hold a trust anchor
//! to its path length either, so the number of certificates is checked here: a leaf and one issuer.
//!
//! Where [`Expect::grace`] is set, which is for the renewal service alone, a leaf that ended at most seven days ago is
//! checked as of its last second. Its issuer was good then, since no leaf outlives its issuer.

mod bundle;
mod peer;

use std::sync::Arc;

use rustls::DistinguishedName;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};

pub use bundle::{BundleError, ROOTS_MAX, TrustBundle, TrustBundles};
pub use peer::{Expect, PeerIdentity, PeerRefused};

use super::denylist::DenyWatch;
use super::identity::RENEWAL_GRACE;
use super::validity::wall;

/// What a verifier says of signatures in a handshake: TLS 1.3 alone, and the one kind of key that all of ours are of.
macro_rules! tls13_signatures {
    ($self:ident, $algorithms:expr) => {
        fn verify_tls12_signature(
            &$self,
            _: &[u8],
            _: &rustls::pki_types::CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Err(rustls::Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOfferedOrEnabled))
        }

        fn verify_tls13_signature(
            &$self,
            message: &[u8],
            cert: &rustls::pki_types::CertificateDer<'_>,
            dss: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            rustls::crypto::verify_tls13_signature(message, cert, dss, &$algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            vec![rustls::SignatureScheme::ECDSA_NISTP256_SHA256]
        }
    };
}
pub(super) use tls13_signatures;

/// What a peer's key is asked to do, and so what its certificate must allow.
#[derive(Clone, Copy, Debug)]
enum Side {
    Client,
    Server,
}

/// Checks the certificates of peers, of clients and of servers alike.
#[derive(Debug)]
pub struct PeerVerifier {
    expect: Expect,
    bundle: TrustBundle,
    denied: Arc<DenyWatch>,
    algorithms: WebPkiSupportedAlgorithms,
    clients: Arc<dyn ClientCertVerifier>,
}

impl PeerVerifier {
    /// A check for these peers; the roots are those of the expected trust domain.
    pub fn new(expect: Expect, bundles: &TrustBundles, denied: Arc<DenyWatch>) -> Result<Self, BundleError> {
        let bundle = bundles.of(&expect.trust_domain)?.clone();
        let provider = Arc::new(super::config::provider());
        let algorithms = provider.signature_verification_algorithms;
        let clients = client_chains(&bundle, provider)?;
        Ok(Self { expect, bundle, denied, algorithms, clients })
    }

    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        now: UnixTime,
        side: Side,
    ) -> Result<PeerIdentity, rustls::Error> {
        let [issuer] = above else {
            return Err(PeerRefused::ChainLength { found: above.len().saturating_add(1) }.into());
        };
        let peer = PeerIdentity::read(leaf, issuer)?;
        self.check_chain(leaf, above, self.as_of(&peer, now), side)?;
        peer.check(&self.expect, &self.denied.current())?;
        Ok(peer)
    }

    /// The time at which the chain has to be good.
    fn as_of(&self, peer: &PeerIdentity, now: UnixTime) -> UnixTime {
        let past = peer.validity.since_end(wall(now));
        let is_in_grace = self.expect.grace && past.is_some_and(|past| past <= RENEWAL_GRACE);
        if is_in_grace { peer.validity.last_unix() } else { now }
    }

    fn check_chain(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        as_of: UnixTime,
        side: Side,
    ) -> Result<(), rustls::Error> {
        match side {
            Side::Client => self.clients.verify_client_cert(leaf, above, as_of).map(|_| ()),
            Side::Server => {
                let leaf = ParsedCertificate::try_from(leaf)?;
                let (roots, algorithms) = (self.bundle.roots(), self.algorithms.all);
                verify_server_cert_signed_by_trust_anchor(&leaf, roots, above, as_of, algorithms)
            }
        }
    }
}

/// The library's check of a client's chain, which is the only one that asks for the purpose of a client.
fn client_chains(
    bundle: &TrustBundle,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, BundleError> {
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(bundle.roots()), provider);
    builder.build().map_err(|_| BundleError::Empty)
}

impl ClientCertVerifier for PeerVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(end_entity, intermediates, now, Side::Client).map(|_| ClientCertVerified::assertion())
    }

    tls13_signatures!(self, self.algorithms);
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity, intermediates, now, Side::Server).map(|_| ServerCertVerified::assertion())
    }

    tls13_signatures!(self, self.algorithms);
}
