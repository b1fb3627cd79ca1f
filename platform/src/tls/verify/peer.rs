//! Whom a connection is meant for, who came, and why they are refused.
//!
//! Owns the rules over names; the signatures below them are checked elsewhere ([`super`]), and first.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, OtherError};
use thiserror::Error;

use crate::tls::denylist::DenyList;
#[cfg(doc)]
use crate::tls::identity::RENEWAL_GRACE;
use crate::tls::name::{NameError, NamedCertificate, Serial};
use crate::tls::spiffe::{Role, SpiffeId, TrustDomain};
use crate::tls::validity::Validity;

/// Whom a connection is meant for. It is fixed before any certificate is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// The organisation, and so the roots that may vouch for the peer.
    pub trust_domain: TrustDomain,
    /// What the peer may be. The role [`Role::Issuer`] makes no connections and is never accepted.
    pub roles: BTreeSet<Role>,
    /// Who the peer is, where only one will do.
    pub id: Option<SpiffeId>,
    /// Says whether a leaf that ended at most [`RENEWAL_GRACE`] ago will do. For the renewal service alone.
    pub grace: bool,
}

impl Expect {
    /// Anybody of these roles.
    pub fn roles(trust_domain: TrustDomain, roles: impl IntoIterator<Item = Role>) -> Self {
        Self { trust_domain, roles: roles.into_iter().collect(), id: None, grace: false }
    }

    /// One peer and nobody else.
    pub fn exactly(id: SpiffeId) -> Self {
        let (trust_domain, roles) = (id.trust_domain.clone(), BTreeSet::from([id.role]));
        Self { trust_domain, roles, id: Some(id), grace: false }
    }

    /// The same peers, also in the grace that follows their certificate. For the renewal service alone.
    #[must_use]
    pub fn with_grace(self) -> Self {
        Self { grace: true, ..self }
    }
}

/// Why a peer is refused whose signatures may well be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PeerRefused {
    /// A peer presents its leaf and its issuer's certificate.
    #[error("the peer presented {found} certificates instead of two")]
    ChainLength {
        /// Certificates found.
        found: usize,
    },
    /// A certificate names nobody.
    #[error("the peer's certificate can't be read")]
    Certificate {
        /// Why.
        #[source]
        source: NameError,
    },
    /// The certificate above the leaf is not an issuer's.
    #[error("{id} signed the peer's certificate, and is no issuer")]
    NotAnIssuer {
        /// The name of the signer.
        id: SpiffeId,
    },
    /// The leaf or its issuer belongs to another trust domain.
    #[error("the peer belongs to {found}, and {expected} was expected")]
    OtherTrustDomain {
        /// The trust domain found.
        found: TrustDomain,
        /// The trust domain expected.
        expected: TrustDomain,
    },
    /// The peer has a role that has no business here.
    #[error("the peer is {id}, whose role is not accepted here")]
    WrongRole {
        /// The peer's name.
        id: SpiffeId,
    },
    /// The peer is somebody else.
    #[error("the peer is {id}, and another one was expected")]
    WrongId {
        /// The peer's name.
        id: SpiffeId,
    },
    /// The peer or its issuer was shut out.
    #[error("{id} with serial number {serial} was denied")]
    Denied {
        /// Who was denied: the peer, or its issuer.
        id: SpiffeId,
        /// Its certificate.
        serial: Serial,
    },
}

impl PeerRefused {
    /// Finds the refusal in an error of rustls, for the log.
    pub fn find(error: &rustls::Error) -> Option<&Self> {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => inner.downcast_ref(),
            _ => None,
        }
    }
}

impl From<PeerRefused> for rustls::Error {
    fn from(refused: PeerRefused) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refused))))
    }
}

/// Who was found at the other end, and on whose word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The peer.
    pub id: SpiffeId,
    /// The number of its certificate.
    pub serial: Serial,
    /// When its certificate is good. A connection that outlives it is its server's to close.
    pub validity: Validity,
    /// The issuer that signed it.
    pub issuer: SpiffeId,
    /// The number of the issuer's certificate.
    pub issuer_serial: Serial,
}

impl PeerIdentity {
    /// Somebody who asks within this process, over no connection that others could use, and so has no certificate to
    /// show. Never to be made of anything that came from outside.
    pub fn of_this_process(id: SpiffeId) -> Self {
        let serial = Serial::default();
        Self { issuer: id.clone(), id, serial: serial.clone(), validity: Validity::ALWAYS, issuer_serial: serial }
    }

    /// Reads who is at the other end of a connection whose handshake is over, out of the certificates that rustls keeps
    /// of it. Only a handshake that a [`PeerVerifier`](super::PeerVerifier) has passed makes the answer true.
    pub fn of_connection(certificates: &[CertificateDer<'_>]) -> Result<Self, PeerRefused> {
        let [leaf, issuer] = certificates else {
            return Err(PeerRefused::ChainLength { found: certificates.len() });
        };
        Self::read(leaf, issuer)
    }

    pub(super) fn read(leaf: &[u8], issuer: &[u8]) -> Result<Self, PeerRefused> {
        let read = |der| NamedCertificate::read(der).map_err(|source| PeerRefused::Certificate { source });
        let (leaf, issuer) = (read(leaf)?, read(issuer)?);
        if issuer.id.role != Role::Issuer || !issuer.is_authority {
            return Err(PeerRefused::NotAnIssuer { id: issuer.id });
        }
        Ok(Self {
            id: leaf.id,
            serial: leaf.serial,
            validity: leaf.validity,
            issuer: issuer.id,
            issuer_serial: issuer.serial,
        })
    }

    /// Says whether this peer is to be shut out, and its open connections closed.
    pub fn is_denied(&self, list: &DenyList) -> bool {
        list.is_denied(&self.id, &self.serial) || list.is_denied(&self.issuer, &self.issuer_serial)
    }

    pub(super) fn check(&self, expect: &Expect, denied: &DenyList) -> Result<(), PeerRefused> {
        for id in [&self.issuer, &self.id] {
            if id.trust_domain != expect.trust_domain {
                let (found, expected) = (id.trust_domain.clone(), expect.trust_domain.clone());
                return Err(PeerRefused::OtherTrustDomain { found, expected });
            }
        }
        if self.id.role == Role::Issuer || !expect.roles.contains(&self.id.role) {
            return Err(PeerRefused::WrongRole { id: self.id.clone() });
        }
        if expect.id.as_ref().is_some_and(|id| *id != self.id) {
            return Err(PeerRefused::WrongId { id: self.id.clone() });
        }
        for (id, serial) in [(&self.issuer, &self.issuer_serial), (&self.id, &self.serial)] {
            if denied.is_denied(id, serial) {
                return Err(PeerRefused::Denied { id: id.clone(), serial: serial.clone() });
            }
        }
        Ok(())
    }
}
