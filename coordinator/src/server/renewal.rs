//! The service that gives the next certificate to whoever has one.
//!
//! Owns the one thing that a certificate in its grace is good for. The name is the one that the connection has proven,
//! never one that the request asks for on its own; the deny-list was consulted in the handshake, and once more by every
//! member when the new certificate is noted.

use std::sync::Arc;

use strongroom_platform::tls::{CertificateChain, CertificateRequest, PeerIdentity};
use strongroom_proto::common::v1::{Class, Failure};
use strongroom_proto::enrolment::v1::renewal_server::Renewal;
use strongroom_proto::enrolment::v1::{CertificateReply, Chain, RenewRequest, certificate_reply};
use tonic::{Request, Response, Status};

use super::certifier::{Certifier, CertifyError, serial_of};
use super::forward::ForwardError;

/// The service of renewal.
pub struct RenewalService {
    certifier: Arc<Certifier>,
}

impl RenewalService {
    /// The service over this member's issuer.
    pub const fn new(certifier: Arc<Certifier>) -> Self {
        Self { certifier }
    }

    async fn run(&self, request: &RenewRequest, peer: &PeerIdentity) -> Result<CertificateChain, Failure> {
        let checked = CertificateRequest::from_der(&request.request).check(&peer.id);
        let checked = checked.map_err(|error| refused("malformed", &error.to_string()))?;
        let renews =
            serial_of(&peer.serial).ok_or_else(|| refused("malformed", "the certificate is not one of ours"))?;
        self.certifier.certify(&checked, Some(renews)).await.map_err(|error| failure_of(&error))
    }
}

#[tonic::async_trait]
impl Renewal for RenewalService {
    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<CertificateReply>, Status> {
        let peer = request.extensions().get::<PeerIdentity>().cloned();
        let peer = peer.ok_or_else(|| Status::permission_denied("only those who have a certificate may renew one"))?;
        Ok(Response::new(reply(self.run(request.get_ref(), &peer).await)))
    }
}

/// A chain or a failure, as it is answered.
pub(super) fn reply(result: Result<CertificateChain, Failure>) -> CertificateReply {
    let result = match result {
        Ok(chain) => {
            let (leaf, issuer) = (chain.leaf().to_vec(), chain.issuer().to_vec());
            certificate_reply::Result::Chain(Chain { leaf, issuer })
        }
        Err(failure) => certificate_reply::Result::Failure(failure),
    };
    CertificateReply { result: Some(result) }
}

/// What whoever asked for a certificate is told.
pub(super) fn failure_of(error: &CertifyError) -> Failure {
    match error {
        CertifyError::Refused(refusal) => refused(refusal.code(), &refusal.to_string()),
        CertifyError::Unnameable => refused("malformed", &error.to_string()),
        CertifyError::Issuer(_) => {
            let next = "Ask another member; on this one, the issuer's certificate must be renewed by the root.";
            failure(Class::Retry, "issuer", &error.to_string(), next)
        }
        CertifyError::Forward(error) => forward_failure(*error),
    }
}

/// What is told of a command that did not come to an outcome.
pub(super) fn forward_failure(error: ForwardError) -> Failure {
    let (class, code) = match error {
        ForwardError::Unknown => (Class::Unknown, "unknown"),
        ForwardError::NotDone => (Class::Retry, "no-leader"),
        ForwardError::Entropy => (Class::Retry, "entropy"),
    };
    failure(class, code, &error.to_string(), "Send the same request again.")
}

/// A refusal that asking again does not change.
pub(super) fn refused(code: &str, message: &str) -> Failure {
    failure(Class::Rejected, code, message, "Ask an operator who can look at the member's log.")
}

/// A failure in the form that all services share.
pub(super) fn failure(class: Class, code: &str, message: &str, remedy: &str) -> Failure {
    let (code, message, remedy) = (code.to_owned(), message.to_owned(), remedy.to_owned());
    Failure { code, class: class.into(), message, remedy, ..Failure::default() }
}
