//! An issuer: the authority of one member, which signs short-lived certificates and no other authority.
//!
//! Its name carries the member's id, so that all that a member signed can be refused at once by denying that name.

use std::fmt;
use std::time::Duration;

use rcgen::{ExtendedKeyUsagePurpose, IsCa, Issuer as Signer, KeyUsagePurpose};
use rustls::pki_types::CertificateDer;
use strongroom_core::entropy::Entropy;
use strongroom_core::time::WallTime;
use zeroize::Zeroizing;

use super::{AuthorityError, BACKDATED, check_scope, params};
use crate::tls::identity::CertificateChain;
use crate::tls::key::PrivateKey;
use crate::tls::name::NamedCertificate;
use crate::tls::pem;
use crate::tls::request::CheckedRequest;
use crate::tls::spiffe::{Role, SpiffeId};
use crate::tls::validity::Validity;

/// No leaf is good for longer: what was stolen is worth little by tomorrow.
pub const CERTIFICATE_TTL_MAX: Duration = Duration::from_hours(24);

impl Role {
    /// How long a certificate of this role is good, unless policy says less.
    pub const fn certificate_ttl(self) -> Duration {
        match self {
            Self::Agent => Duration::from_hours(24),
            Self::Coordinator | Self::Depot | Self::Operator => Duration::from_hours(12),
            Self::Issuer => super::ISSUER_TTL,
        }
    }
}

/// The key and certificate of an issuer.
pub struct Issuer {
    certificate: CertificateDer<'static>,
    facts: NamedCertificate,
    key: PrivateKey,
}

impl Issuer {
    /// Reads an issuer's files.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, AuthorityError> {
        let certificate = pem::read_certificate(certificate_pem)?;
        let facts = NamedCertificate::read(&certificate).map_err(|source| AuthorityError::Certificate { source })?;
        Self::assemble(&facts.id, certificate, PrivateKey::from_pem(key_pem)?)
    }

    /// Puts together what a ceremony gave back and the key that stayed here.
    pub(in crate::tls) fn assemble(
        id: &SpiffeId,
        certificate: CertificateDer<'static>,
        key: PrivateKey,
    ) -> Result<Self, AuthorityError> {
        let facts = NamedCertificate::read(&certificate).map_err(|source| AuthorityError::Certificate { source })?;
        if facts.id != *id || facts.id.role != Role::Issuer || !facts.is_authority {
            return Err(AuthorityError::NotItsCertificate);
        }
        if facts.public != key.public()? {
            return Err(AuthorityError::NotItsKey);
        }
        Ok(Self { certificate, facts, key })
    }

    /// Who the issuer is.
    pub const fn id(&self) -> &SpiffeId {
        &self.facts.id
    }

    /// When its certificate is good.
    pub const fn validity(&self) -> Validity {
        self.facts.validity
    }

    /// The certificate as a file, for everybody.
    pub fn certificate_pem(&self) -> String {
        pem::write("CERTIFICATE", &self.certificate).to_string()
    }

    /// The key as a file, to be kept by the member alone.
    pub fn key_pem(&self) -> Zeroizing<String> {
        self.key.to_pem()
    }

    /// Signs a leaf that is good for `ttl`, or as long as the issuer has left.
    pub fn issue(
        &self,
        request: &CheckedRequest,
        ttl: Duration,
        now: WallTime,
        entropy: &dyn Entropy,
    ) -> Result<CertificateChain, AuthorityError> {
        let id = request.id();
        if id.role == Role::Issuer {
            return Err(AuthorityError::RoleNotSigned { role: id.role });
        }
        check_scope(&self.facts.id.trust_domain, self.facts.validity, id, now)?;
        if ttl < Duration::from_secs(1) || ttl > CERTIFICATE_TTL_MAX {
            return Err(AuthorityError::TtlOutOfRange { ttl });
        }
        let validity = Validity::around(now, BACKDATED, ttl)?.ending_within(self.facts.validity);
        let mut params = params(&id.to_string(), validity, entropy)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let signer = Signer::from_ca_cert_der(&self.certificate, &self.key).map_err(AuthorityError::not_written)?;
        let leaf = params.signed_by(&request.public, &signer).map_err(AuthorityError::not_written)?;
        Ok(CertificateChain::new(leaf.into(), self.certificate.clone()))
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Issuer({}, key not shown)", self.facts.id)
    }
}
