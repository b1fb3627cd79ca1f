//! Who signs certificates: one root for a trust domain, and under it one issuer for each member of the coordinator.
//!
//! ```text
//!   root       10 years   key offline       signs issuers only, path length 1
//!    └─ issuer 90 days    key on a member   signs leaves only, path length 0
//!        └─ leaf  12–24 h key on the host
//! ```
//!
//! The root is needed once for each issuer and may lie in a safe for the rest: what it signs is a request that came as
//! a file, and what it gives back is a file. Every certificate has a random serial number, begins a little before it
//! was made, and ends no later than the one above it, so that a chain is never good in part. Times come from the
//! caller. Who may have which name is the caller's to decide; what stands here is only what no caller may ask for.

mod issuer;
mod root;

use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose, SerialNumber};
use strongroom_core::entropy::{Entropy, EntropyError, random_array};
use strongroom_core::time::WallTime;
use thiserror::Error;

pub use issuer::{CERTIFICATE_TTL_MAX, Issuer};
pub use root::RootAuthority;

use super::key::KeyError;
use super::name::NameError;
use super::pem::NotPem;
use super::request::uri;
use super::spiffe::{Role, SpiffeId, TrustDomain};
use super::validity::{OutOfRange, Validity};

/// How much earlier than it was made a certificate begins, for hosts whose clock is behind.
pub const BACKDATED: Duration = Duration::from_mins(5);

/// How long an issuer's certificate is good.
pub const ISSUER_TTL: Duration = Duration::from_hours(90 * 24);

/// How long a root's certificate is good: ten years, with their leap days.
pub const ROOT_TTL: Duration = Duration::from_hours(3_652 * 24);

/// An authority that can't be set up, or that does not sign.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// This authority has no say over the role: the root signs issuers, issuers sign all others.
    #[error("this authority signs no certificate for the role {role}")]
    RoleNotSigned {
        /// The role asked for.
        role: Role,
    },
    /// The name belongs to another trust domain.
    #[error("this authority signs for {own}, and not for {asked}")]
    OtherTrustDomain {
        /// The trust domain of the authority.
        own: TrustDomain,
        /// The trust domain asked for.
        asked: TrustDomain,
    },
    /// The certificate asked for would be good for no time at all, or for too long.
    #[error("a certificate is good for 1 s to {} s, and {} s were asked for", CERTIFICATE_TTL_MAX.as_secs(), ttl.as_secs())]
    TtlOutOfRange {
        /// What was asked for.
        ttl: Duration,
    },
    /// The authority's own certificate is not good now.
    #[error("the authority's own certificate is good until {not_after}, and it is {now}")]
    NotInForce {
        /// The end of its own certificate.
        not_after: WallTime,
        /// The time at which it was asked.
        now: WallTime,
    },
    /// The certificate is not that of an authority of this kind, or names somebody else.
    #[error("the certificate is not that of this authority")]
    NotItsCertificate,
    /// Key and certificate do not belong together.
    #[error("the key is not that of the certificate")]
    NotItsKey,
    /// The certificate can't be read.
    #[error("the authority's certificate can't be read")]
    Certificate {
        /// Why.
        #[source]
        source: NameError,
    },
    /// The key can't be made or read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The file is of another kind.
    #[error(transparent)]
    Pem(#[from] NotPem),
    /// A certificate can't name the time.
    #[error(transparent)]
    Time(#[from] OutOfRange),
    /// There is no random serial number to be had.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The library does not write the certificate.
    #[error("the certificate can't be written")]
    NotWritten {
        /// Why.
        #[source]
        source: rcgen::Error,
    },
}

impl AuthorityError {
    fn not_written(source: rcgen::Error) -> Self {
        Self::NotWritten { source }
    }
}

/// Whether an authority may sign for this name now.
fn check_scope(own: &TrustDomain, validity: Validity, id: &SpiffeId, now: WallTime) -> Result<(), AuthorityError> {
    if id.trust_domain != *own {
        return Err(AuthorityError::OtherTrustDomain { own: own.clone(), asked: id.trust_domain.clone() });
    }
    if !validity.holds_at(now) {
        return Err(AuthorityError::NotInForce { not_after: validity.not_after(), now });
    }
    Ok(())
}

/// What all certificates have in common: a name, a validity, a random number.
fn params(name: &str, validity: Validity, entropy: &dyn Entropy) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![uri(name).map_err(AuthorityError::not_written)?];
    params.serial_number = Some(SerialNumber::from_slice(&draw_serial(entropy)?));
    params.use_authority_key_identifier_extension = true;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let (first, last) = validity.edges_s();
    params.not_before = epoch + Duration::from_secs(first);
    params.not_after = epoch + Duration::from_secs(last);
    Ok(params)
}

/// What authorities have besides: a subject that the certificates below refer to, and the right to sign.
fn make_authority(params: &mut CertificateParams, subject: &str, trust_domain: &TrustDomain, path_length: u8) {
    params.distinguished_name.push(DnType::OrganizationName, trust_domain.as_str());
    params.distinguished_name.push(DnType::CommonName, subject);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
}

/// A positive number of 128 bits, of which the first two are given: its sign, and that it has no shorter form.
fn draw_serial(entropy: &dyn Entropy) -> Result<[u8; 16], EntropyError> {
    let mut serial: [u8; 16] = random_array(entropy)?;
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    Ok(serial)
}
