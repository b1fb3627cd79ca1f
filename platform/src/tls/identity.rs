//! One's own identity: a key, and the chain of certificates that says whose it is.
//!
//! An identity is renewed at half of its life, give or take a tenth by which a fleet that was enrolled in one hour does
//! not come back in one minute. Once its certificate is over, it may still ask for a new one, and do nothing else, for
//! seven days: a host that was cut off for a week heals by itself.
//!
//! ```text
//!   not before              half ± 10 %                not after           + 7 days
//!       ├───────── Fresh ─────────┼───── RenewalDue ───────┼───── InGrace ─────┼── Expired
//! ```
//!
//! What survives a crash is what was written as files ([`Identity::chain_pem`], [`Identity::key_pem`]). The key is never
//! shown, and is wiped when the last holder lets go of it.

mod hot;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use strongroom_core::time::WallTime;
use thiserror::Error;
use zeroize::Zeroizing;

pub use hot::{HotIdentity, ReplaceError};

use super::key::{KeyError, PrivateKey};
use super::name::{NameError, NamedCertificate};
use super::pem::{self, NotPem};
use super::request::{PendingIdentity, RequestError};
use super::spiffe::{Role, SpiffeId};
use super::validity::Validity;

/// How long after its end a certificate may still be used to ask for the next one.
pub const RENEWAL_GRACE: Duration = Duration::from_hours(7 * 24);

/// The largest part of a life by which renewal moves from its middle: one in this many.
const JITTER_PART: i64 = 10;

/// A chain and a key that make no identity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// A chain is a leaf and its issuer's certificate.
    #[error("a chain has two certificates, and this one has {found}")]
    ChainLength {
        /// Certificates found.
        found: usize,
    },
    /// The leaf names nobody.
    #[error("the certificate can't be read")]
    Certificate {
        /// Why.
        #[source]
        source: NameError,
    },
    /// The leaf names somebody else than was asked for.
    #[error("the certificate names {found}, and {expected} was asked for")]
    OtherName {
        /// The name in the certificate.
        found: Box<SpiffeId>,
        /// The name asked for.
        expected: Box<SpiffeId>,
    },
    /// The leaf is the certificate of an authority.
    #[error("the certificate is that of an authority")]
    Authority,
    /// Key and certificate do not belong together.
    #[error("the key is not that of the certificate")]
    NotItsKey,
    /// The key can't be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The file is of another kind.
    #[error(transparent)]
    Pem(#[from] NotPem),
}

/// A leaf and the certificate of the issuer that signed it. The root is not part of it: whoever checks has that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateChain {
    leaf: CertificateDer<'static>,
    issuer: CertificateDer<'static>,
}

impl CertificateChain {
    pub(super) const fn new(leaf: CertificateDer<'static>, issuer: CertificateDer<'static>) -> Self {
        Self { leaf, issuer }
    }

    /// Takes bytes from somewhere; they are looked at when an identity is made of them.
    pub fn from_der(leaf: &[u8], issuer: &[u8]) -> Self {
        Self::new(leaf.to_vec().into(), issuer.to_vec().into())
    }

    /// The leaf.
    pub const fn leaf(&self) -> &CertificateDer<'static> {
        &self.leaf
    }

    /// The issuer's certificate.
    pub const fn issuer(&self) -> &CertificateDer<'static> {
        &self.issuer
    }

    /// Reads a chain's file: the leaf first.
    pub fn from_pem(chain_pem: &str) -> Result<Self, IdentityError> {
        let certificates = pem::read_certificates(chain_pem)?;
        let found = certificates.len();
        let pair = <[_; 2]>::try_from(certificates).map_err(|_| IdentityError::ChainLength { found })?;
        let [leaf, issuer] = pair;
        Ok(Self { leaf, issuer })
    }

    /// The chain as a file.
    pub fn to_pem(&self) -> String {
        [&self.leaf, &self.issuer].map(|der| pem::write("CERTIFICATE", der).to_string()).concat()
    }
}

/// How an identity stands at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing is to be done. A certificate that is not good yet counts as fresh: a new one would be no better, since
    /// it is the clock that is behind.
    Fresh,
    /// The certificate is good, and it is time to ask for the next one.
    RenewalDue,
    /// The certificate is over. It opens nothing but the renewal service.
    InGrace,
    /// The certificate is of no use any more; a join token is needed.
    Expired,
}

/// A key and the certificates that say whose it is.
pub struct Identity {
    facts: NamedCertificate,
    chain: CertificateChain,
    key: PrivateKey,
    certified: Arc<CertifiedKey>,
}

impl Identity {
    /// Reads an identity's files.
    pub fn from_pem(chain_pem: &str, key_pem: &str) -> Result<Self, IdentityError> {
        let chain = CertificateChain::from_pem(chain_pem)?;
        let facts = NamedCertificate::read(chain.leaf()).map_err(|source| IdentityError::Certificate { source })?;
        Self::assemble(&facts.id, chain, PrivateKey::from_pem(key_pem)?)
    }

    /// Puts together what an issuer gave and the key that stayed here.
    pub(super) fn assemble(
        expected: &SpiffeId,
        chain: CertificateChain,
        key: PrivateKey,
    ) -> Result<Self, IdentityError> {
        let facts = NamedCertificate::read(chain.leaf()).map_err(|source| IdentityError::Certificate { source })?;
        if facts.id != *expected {
            let expected = Box::new(expected.clone());
            return Err(IdentityError::OtherName { found: Box::new(facts.id), expected });
        }
        if facts.is_authority || facts.id.role == Role::Issuer {
            return Err(IdentityError::Authority);
        }
        if facts.public != key.public()? {
            return Err(IdentityError::NotItsKey);
        }
        let certificates = vec![chain.leaf.clone(), chain.issuer.clone()];
        let certified = Arc::new(CertifiedKey::new(certificates, key.for_tls()?));
        Ok(Self { facts, chain, key, certified })
    }

    /// Whose identity this is.
    pub const fn id(&self) -> &SpiffeId {
        &self.facts.id
    }

    /// What the certificate says.
    pub const fn certificate(&self) -> &NamedCertificate {
        &self.facts
    }

    /// When the certificate is good.
    pub const fn validity(&self) -> Validity {
        self.facts.validity
    }

    /// The certificates.
    pub const fn chain(&self) -> &CertificateChain {
        &self.chain
    }

    /// The certificates as a file.
    pub fn chain_pem(&self) -> String {
        self.chain.to_pem()
    }

    /// The key as a file, to be kept by its owner alone.
    pub fn key_pem(&self) -> Zeroizing<String> {
        self.key.to_pem()
    }

    /// A new key and a request for the same name, for a renewal.
    pub fn renewal(&self) -> Result<PendingIdentity, RequestError> {
        PendingIdentity::new(self.facts.id.clone())
    }

    /// When the next certificate is to be asked for.
    pub fn renewal_at(&self) -> WallTime {
        let span_s = self.facts.validity.span_s();
        let spread_s = span_s / JITTER_PART;
        let offset_s = 2 * spread_s * draw_of(&self.facts.id) / i64::from(u16::MAX) - spread_s;
        let first = self.facts.validity.not_before();
        WallTime(first.0 + (span_s / 2 + offset_s) * 1_000_000)
    }

    /// Says whether the next certificate is to be asked for at `now`.
    pub fn renewal_due(&self, now: WallTime) -> bool {
        self.standing(now) != Standing::Fresh
    }

    /// How the identity stands at `now`.
    pub fn standing(&self, now: WallTime) -> Standing {
        match self.facts.validity.since_end(now) {
            Some(past) if past > RENEWAL_GRACE => Standing::Expired,
            Some(_) => Standing::InGrace,
            None if now >= self.renewal_at() => Standing::RenewalDue,
            None => Standing::Fresh,
        }
    }

    /// What rustls serves.
    pub(super) const fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}

/// A number from 0 to 65,535 that belongs to a name, and is spread evenly over names.
fn draw_of(id: &SpiffeId) -> i64 {
    let hash = digest(&SHA256, format!("strongroom v1 renewal\0{id}").as_bytes());
    let draw = hash.as_ref().first_chunk().copied().map_or(0, u16::from_be_bytes);
    i64::from(draw)
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Identity({}, serial {}, key not shown)", self.facts.id, self.facts.serial)
    }
}
