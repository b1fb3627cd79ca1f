//! The root of a trust domain: it signs issuers, and nothing else.
//!
//! Its key is needed for a ceremony once in 90 days for each member, and nowhere else. The root's certificate is what
//! all others trust; a join token pins it by its hash.

use std::fmt;

use rcgen::Issuer as Signer;
use rustls::pki_types::CertificateDer;
use strongroom_core::entropy::Entropy;
use strongroom_core::time::WallTime;
use zeroize::Zeroizing;

use super::{AuthorityError, BACKDATED, ISSUER_TTL, ROOT_TTL, check_scope, make_authority, params};
use crate::tls::key::PrivateKey;
use crate::tls::name::RootCertificate;
use crate::tls::pem;
use crate::tls::request::CheckedRequest;
use crate::tls::spiffe::{Role, TrustDomain};
use crate::tls::validity::Validity;

/// The key and certificate of a root.
pub struct RootAuthority {
    certificate: CertificateDer<'static>,
    facts: RootCertificate,
    key: PrivateKey,
}

impl RootAuthority {
    /// Founds a trust domain: a new key, and a certificate that it signs itself.
    pub fn found(trust_domain: &TrustDomain, now: WallTime, entropy: &dyn Entropy) -> Result<Self, AuthorityError> {
        let key = PrivateKey::generate()?;
        let validity = Validity::around(now, BACKDATED, ROOT_TTL)?;
        let mut params = params(&trust_domain.to_uri(), validity, entropy)?;
        make_authority(&mut params, "Strongroom root", trust_domain, 1);
        let certificate = params.self_signed(&key).map_err(AuthorityError::not_written)?;
        Self::assemble(certificate.into(), key)
    }

    /// Reads a root's files.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, AuthorityError> {
        Self::assemble(pem::read_certificate(certificate_pem)?, PrivateKey::from_pem(key_pem)?)
    }

    fn assemble(certificate: CertificateDer<'static>, key: PrivateKey) -> Result<Self, AuthorityError> {
        let facts = RootCertificate::read(&certificate).map_err(|source| AuthorityError::Certificate { source })?;
        if facts.public != key.public()? {
            return Err(AuthorityError::NotItsKey);
        }
        Ok(Self { certificate, facts, key })
    }

    /// The certificate as a file, for everybody.
    pub fn certificate_pem(&self) -> String {
        pem::write("CERTIFICATE", &self.certificate).to_string()
    }

    /// The key as a file, to be kept where no network reaches.
    pub fn key_pem(&self) -> Zeroizing<String> {
        self.key.to_pem()
    }

    /// The certificate.
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The organisation that the root stands for.
    pub const fn trust_domain(&self) -> &TrustDomain {
        &self.facts.trust_domain
    }

    /// When the root's certificate is good.
    pub const fn validity(&self) -> Validity {
        self.facts.validity
    }

    /// Signs an issuer's request, for 90 days or as long as the root has left. Gives the certificate's file.
    pub fn sign_issuer(
        &self,
        request: &CheckedRequest,
        now: WallTime,
        entropy: &dyn Entropy,
    ) -> Result<String, AuthorityError> {
        let id = request.id();
        if id.role != Role::Issuer {
            return Err(AuthorityError::RoleNotSigned { role: id.role });
        }
        check_scope(&self.facts.trust_domain, self.facts.validity, id, now)?;
        let validity = Validity::around(now, BACKDATED, ISSUER_TTL)?.ending_within(self.facts.validity);
        let mut params = params(&id.to_string(), validity, entropy)?;
        make_authority(&mut params, &format!("Strongroom issuer {}", id.subject), &id.trust_domain, 0);
        let signer = Signer::from_ca_cert_der(&self.certificate, &self.key).map_err(AuthorityError::not_written)?;
        let certificate = params.signed_by(&request.public, &signer).map_err(AuthorityError::not_written)?;
        Ok(pem::write("CERTIFICATE", certificate.der()).to_string())
    }
}

impl fmt::Debug for RootAuthority {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RootAuthority({}, key not shown)", self.facts.trust_domain)
    }
}
