//! How somebody gets a certificate: the key is made where it is used, and only a request leaves the place.
//!
//! ```text
//!   host or member                                  issuer or root
//!   PendingIdentity::new(id) ── CertificateRequest ──► check(id that was authorised)
//!     │ holds the key                                   │ CheckedRequest
//!     ◄───────────────── CertificateChain ──────────────┘ issue · sign_issuer
//!   into_identity · into_issuer
//! ```
//!
//! Of a request only the public key goes into a certificate. The name is the one that the caller authorised, and the
//! request is refused if it asks for another; its signature proves that the sender holds the key (RFC 2986). Requests
//! come from strangers: no bytes make this module panic. A pending identity does not survive a crash; its holder makes
//! another key and asks anew.

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{CertificateParams, DistinguishedName, PublicKeyData as _, SanType};
use rustls::pki_types::CertificateSigningRequestDer;
use thiserror::Error;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::OID_SIG_ECDSA_WITH_SHA256;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use super::authority::{AuthorityError, Issuer};
use super::identity::{CertificateChain, Identity, IdentityError};
use super::key::{KeyError, PrivateKey, PublicKey};
use super::name::{CERTIFICATE_BYTES_MAX, NameError, p256_point, sole_uri};
use super::pem::{self, NotPem};
use super::spiffe::SpiffeId;

/// A request that no certificate is issued for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// The file is of another kind.
    #[error(transparent)]
    Pem(#[from] NotPem),
    /// The bytes are no request, or one with another kind of key.
    #[error("not a certificate request with a key of P-256")]
    Malformed,
    /// The signature is not that of the key: whoever sent this need not hold it.
    #[error("the request is not signed with the key that it asks a certificate for")]
    NotProven,
    /// There is not one name in it.
    #[error("the request names nobody")]
    Name {
        /// Why.
        #[source]
        source: NameError,
    },
    /// It asks for somebody else's name.
    #[error("the request asks for the name {requested}, and {authorised} was authorised")]
    OtherName {
        /// The name asked for.
        requested: Box<SpiffeId>,
        /// The name that may be had.
        authorised: Box<SpiffeId>,
    },
    /// The key can't be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The library does not write the request.
    #[error("the request can't be written")]
    NotWritten {
        /// Why.
        #[source]
        source: rcgen::Error,
    },
}

/// A key that waits for its certificate.
#[derive(Debug)]
pub struct PendingIdentity {
    id: SpiffeId,
    key: PrivateKey,
    request: CertificateRequest,
}

impl PendingIdentity {
    /// Makes a key, and a request for a certificate with this name.
    pub fn new(id: SpiffeId) -> Result<Self, RequestError> {
        Self::with_key(id, PrivateKey::generate()?)
    }

    /// Goes on with a key that was put aside, as a ceremony of several days needs it. The request asks for the same as
    /// the first one, under a signature of its own.
    pub fn resume(id: SpiffeId, key_pem: &str) -> Result<Self, RequestError> {
        Self::with_key(id, PrivateKey::from_pem(key_pem)?)
    }

    fn with_key(id: SpiffeId, key: PrivateKey) -> Result<Self, RequestError> {
        let not_written = |source| RequestError::NotWritten { source };
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![uri(&id.to_string()).map_err(not_written)?];
        let request = params.serialize_request(&key).map_err(not_written)?;
        Ok(Self { id, key, request: CertificateRequest { der: request.der().clone() } })
    }

    /// Whom the certificate is to name.
    pub const fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// What is sent.
    pub const fn request(&self) -> &CertificateRequest {
        &self.request
    }

    /// The key as a file, to be kept by its owner alone.
    pub fn key_pem(&self) -> Zeroizing<String> {
        self.key.to_pem()
    }

    /// The identity, once the certificate is there.
    pub fn into_identity(self, chain: CertificateChain) -> Result<Identity, IdentityError> {
        Identity::assemble(&self.id, chain, self.key)
    }

    /// The issuer, once the root has signed its certificate.
    pub fn into_issuer(self, certificate_pem: &str) -> Result<Issuer, AuthorityError> {
        Issuer::assemble(&self.id, pem::read_certificate(certificate_pem)?, self.key)
    }
}

/// A URI as a certificate holds it.
pub(super) fn uri(text: &str) -> Result<SanType, rcgen::Error> {
    text.try_into().map(SanType::URI)
}

/// A request as it travels: not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    der: CertificateSigningRequestDer<'static>,
}

impl CertificateRequest {
    /// Takes bytes from somewhere; they are looked at by [`check`](Self::check).
    pub fn from_der(der: &[u8]) -> Self {
        Self { der: CertificateSigningRequestDer::from(der.to_vec()) }
    }

    /// The bytes.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// Reads a request's file.
    pub fn from_pem(pem: &str) -> Result<Self, RequestError> {
        Ok(Self { der: pem::read_request(pem)? })
    }

    /// The request as a file.
    pub fn to_pem(&self) -> String {
        pem::write("CERTIFICATE REQUEST", &self.der).to_string()
    }

    /// Whom the request asks a certificate for, for somebody to look at before they authorise it. Nothing is proven.
    pub fn requested_id(&self) -> Result<SpiffeId, RequestError> {
        requested_id(&self.parse()?)
    }

    /// Checks the request against the name that its sender may have.
    pub fn check(&self, authorised: &SpiffeId) -> Result<CheckedRequest, RequestError> {
        let request = self.parse()?;
        let is_ours = request.signature_algorithm.algorithm == OID_SIG_ECDSA_WITH_SHA256;
        let public = p256_point(&request.certification_request_info.subject_pki).filter(|_| is_ours);
        let public = public.ok_or(RequestError::Malformed)?;
        request.verify_signature().map_err(|_| RequestError::NotProven)?;
        let requested = requested_id(&request)?;
        if requested != *authorised {
            let authorised = Box::new(authorised.clone());
            return Err(RequestError::OtherName { requested: Box::new(requested), authorised });
        }
        Ok(CheckedRequest { id: requested, public })
    }

    fn parse(&self) -> Result<X509CertificationRequest<'_>, RequestError> {
        if self.der.len() > CERTIFICATE_BYTES_MAX {
            return Err(RequestError::Malformed);
        }
        match X509CertificationRequest::from_der(&self.der) {
            Ok(([], request)) => Ok(request),
            _ => Err(RequestError::Malformed),
        }
    }
}

fn requested_id(request: &X509CertificationRequest<'_>) -> Result<SpiffeId, RequestError> {
    let extensions = request.requested_extensions();
    let uri = extensions.map_or(Err(NameError::NoName), sole_uri);
    let id = uri.and_then(|uri| uri.parse().map_err(|source| NameError::NotSpiffe { source }));
    id.map_err(|source| RequestError::Name { source })
}

/// A request whose sender holds the key and may have the name.
#[derive(Clone, Debug)]
pub struct CheckedRequest {
    pub(super) id: SpiffeId,
    pub(super) public: PublicKey,
}

impl CheckedRequest {
    /// Whom the certificate will name.
    pub const fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// The SHA-256 of the public key, as a point of the curve: what a sender is known by who asks again.
    pub fn key_digest(&self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(digest(&SHA256, self.public.der_bytes()).as_ref());
        out
    }
}
