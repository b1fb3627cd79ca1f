//! Certificates of this member's issuer: signed, agreed on, and only then handed out.
//!
//! Owns the order of those steps. A certificate that the group has not noted leaves nobody's hands, so that what is not
//! in the state was never used, and a denial that was agreed on before the note wins.

use std::sync::Arc;
use std::time::Duration;

use strongroom_core::entropy::Entropy;
use strongroom_core::id::CertificateSerial;
use strongroom_core::time::WallTime;
use strongroom_platform::clock::Clock;
use strongroom_platform::tls::{
    AuthorityError, CertificateChain, CheckedRequest, Issuer, NamedCertificate, Serial, TrustDomain, Validity,
};

use super::forward::{ForwardError, Forwarder};
use crate::state::certificates::IssueCertificate;
use crate::state::text::Subject;
use crate::state::{Outcome, Refusal};

/// How long the group may take to agree on a certificate.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertifyError {
    /// The issuer does not sign.
    #[error("the issuer of this member does not sign")]
    Issuer(#[source] AuthorityError),
    /// The certificate can't be named in the state.
    #[error("the certificate's name or number does not fit the state")]
    Unnameable,
    /// The group decided against it.
    #[error("the group refused the certificate: {0}")]
    Refused(Refusal),
    /// The group did not answer.
    #[error("the group did not agree on the certificate")]
    Forward(#[source] ForwardError),
}

/// Signs with the issuer of this member.
pub struct Certifier {
    issuer: Issuer,
    forwarder: Arc<Forwarder>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Certifier {
    /// A certifier over an issuer.
    pub fn new(issuer: Issuer, forwarder: Arc<Forwarder>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { issuer, forwarder, clock, entropy }
    }

    /// The way to the group.
    pub const fn forwarder(&self) -> &Arc<Forwarder> {
        &self.forwarder
    }

    /// In which trust domain it signs.
    pub const fn trust_domain(&self) -> &TrustDomain {
        &self.issuer.id().trust_domain
    }

    /// When its issuer's certificate is good.
    pub const fn validity(&self) -> Validity {
        self.issuer.validity()
    }

    /// Whether a certificate that it signs at `now` is good for all of `ttl`.
    pub fn covers(&self, ttl: Duration, now: WallTime) -> bool {
        let ttl_us = i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX);
        let end = WallTime(now.0.saturating_add(ttl_us));
        self.validity().holds_at(now) && self.validity().holds_at(end)
    }

    /// Signs, has it noted, and gives it out. `renews` is the certificate that it follows.
    pub async fn certify(
        &self,
        request: &CheckedRequest,
        renews: Option<CertificateSerial>,
    ) -> Result<CertificateChain, CertifyError> {
        let ttl = request.id().role.certificate_ttl();
        let signed = self.issuer.issue(request, ttl, self.clock.wall(), self.entropy.as_ref());
        let chain = signed.map_err(CertifyError::Issuer)?;
        let note = note_of(&chain, renews).ok_or(CertifyError::Unnameable)?;
        match self.forwarder.ask(note.into(), PATIENCE).await.map_err(CertifyError::Forward)? {
            Outcome::Done(_) => Ok(chain),
            Outcome::Rejected(refusal) => Err(CertifyError::Refused(refusal)),
        }
    }
}

/// What the state keeps of a certificate.
pub fn note_of(chain: &CertificateChain, renews: Option<CertificateSerial>) -> Option<IssueCertificate> {
    let facts = NamedCertificate::read(chain.leaf()).ok()?;
    let subject = Subject::new(&facts.id.to_string()).ok()?;
    let (serial, not_after) = (serial_of(&facts.serial)?, facts.validity.not_after());
    Some(IssueCertificate { serial, subject, not_after, renews })
}

/// A certificate's number as the state keeps it; ours all have 16 bytes.
pub fn serial_of(serial: &Serial) -> Option<CertificateSerial> {
    serial.as_bytes().try_into().ok().map(CertificateSerial)
}
