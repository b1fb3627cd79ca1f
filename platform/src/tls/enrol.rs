//! The first connection of a host that has a join token and nothing else.
//!
//! The host knows no root; its token knows the root's hash. So the enrolment service shows its chain with the root at
//! the end, and the host believes the root if, and only if, the hash is right ([`RootPin`]). From there on the check is
//! that of any server. The service learns who the client is from the token, over a connection that nobody else can read.
//!
//! ```text
//!   host                                       coordinator
//!    │◄── leaf · issuer · root ──────────────────│   no certificate is asked for
//!    │    root's hash = pin of the token?        │
//!    │─── token's id and secret, request ───────►│   consumed once, by an entry in the log
//!    │◄── chain of certificates ─────────────────│
//! ```

use std::sync::Arc;

use rustls::CertificateError;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::denylist::DenyWatch;
use super::identity::HotIdentity;
use super::spiffe::Role;
use super::token::RootPin;
use super::verify::{BundleError, Expect, PeerVerifier, TrustBundle, TrustBundles, tls13_signatures};

/// The chain of a coordinator, with the root at its end.
#[derive(Debug)]
pub(super) struct WithRoot {
    own: Arc<HotIdentity>,
    root: CertificateDer<'static>,
}

impl WithRoot {
    pub(super) const fn new(own: Arc<HotIdentity>, root: CertificateDer<'static>) -> Self {
        Self { own, root }
    }
}

impl ResolvesServerCert for WithRoot {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut certified = CertifiedKey::clone(self.own.current().certified());
        certified.cert.push(self.root.clone());
        Some(Arc::new(certified))
    }
}

/// Checks a server against the root that a join token pins. A host that enrols has no deny-list yet.
#[derive(Clone, Copy, Debug)]
pub struct PinnedVerifier {
    pin: RootPin,
}

impl PinnedVerifier {
    /// A check for coordinators below this root.
    pub const fn new(pin: RootPin) -> Self {
        Self { pin }
    }

    /// The pinned root among the certificates that a server showed, to be kept for all later connections.
    pub fn root<'a>(&self, shown: &'a [CertificateDer<'a>]) -> Option<&'a CertificateDer<'a>> {
        shown.last().filter(|root| self.pin.matches(root))
    }

    /// The ordinary check, with the pinned root as the only one.
    fn verifier(root: &CertificateDer<'_>) -> Result<PeerVerifier, BundleError> {
        let bundle = TrustBundle::new(std::slice::from_ref(root))?;
        let expect = Expect::roles(bundle.trust_domain().clone(), [Role::Coordinator]);
        PeerVerifier::new(expect, &TrustBundles::default().with(bundle), Arc::new(DenyWatch::default()))
    }
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let unknown = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let root = self.root(intermediates).ok_or_else(unknown)?;
        let (_, issuers) = intermediates.split_last().ok_or_else(unknown)?;
        let verifier = Self::verifier(root).map_err(|_| unknown())?;
        verifier.verify_server_cert(end_entity, issuers, server_name, ocsp_response, now)
    }

    tls13_signatures!(self, super::config::provider().signature_verification_algorithms);
}
