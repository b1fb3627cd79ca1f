//! The roots that are trusted, one set for each trust domain.
//!
//! A root vouches for names in its own trust domain only. So a set is chosen by the trust domain that a connection is
//! meant for, before a certificate is looked at, and the sets never mix. A trust domain has two roots while one takes
//! the other's place.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use thiserror::Error;

use crate::tls::name::{NameError, RootCertificate};
use crate::tls::pem::{self, NotPem};
use crate::tls::spiffe::TrustDomain;

/// No trust domain has more roots: the old one, the new one, and as many in reserve.
pub const ROOTS_MAX: usize = 4;

/// Roots that make no set, or a set that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BundleError {
    /// There is no root.
    #[error("there is no root to trust")]
    Empty,
    /// There are more roots than a trust domain has.
    #[error("a trust domain has at most {ROOTS_MAX} roots, and {found} were given")]
    TooMany {
        /// Roots found.
        found: usize,
    },
    /// A root can't be read.
    #[error("the certificate of a root can't be read")]
    Root {
        /// Why.
        #[source]
        source: NameError,
    },
    /// The library does not take a root that could be read.
    #[error("the certificate of a root of {trust_domain} can't serve as one")]
    NotAnAnchor {
        /// Whose root.
        trust_domain: TrustDomain,
    },
    /// The roots stand for different trust domains.
    #[error("the roots stand for {first} and for {other}")]
    Mixed {
        /// The trust domain of the first root.
        first: TrustDomain,
        /// Another one.
        other: TrustDomain,
    },
    /// No roots are known of the trust domain that was asked for.
    #[error("no root of {trust_domain} is known")]
    Unknown {
        /// The trust domain asked for.
        trust_domain: TrustDomain,
    },
    /// The file is of another kind.
    #[error(transparent)]
    Pem(#[from] NotPem),
}

/// The roots of one trust domain.
#[derive(Clone)]
pub struct TrustBundle {
    trust_domain: TrustDomain,
    certificates: Vec<CertificateDer<'static>>,
    roots: Arc<RootCertStore>,
}

impl TrustBundle {
    /// The set of these roots, all of one trust domain.
    pub fn new(roots: &[CertificateDer<'_>]) -> Result<Self, BundleError> {
        if roots.len() > ROOTS_MAX {
            return Err(BundleError::TooMany { found: roots.len() });
        }
        let mut store = RootCertStore::empty();
        let mut trust_domain: Option<TrustDomain> = None;
        for root in roots {
            let facts = RootCertificate::read(root).map_err(|source| BundleError::Root { source })?;
            let other = facts.trust_domain;
            let first = trust_domain.get_or_insert_with(|| other.clone());
            if *first != other {
                return Err(BundleError::Mixed { first: first.clone(), other });
            }
            let added = store.add(root.clone().into_owned());
            added.map_err(|_| BundleError::NotAnAnchor { trust_domain: other })?;
        }
        let trust_domain = trust_domain.ok_or(BundleError::Empty)?;
        let certificates = roots.iter().map(|root| root.clone().into_owned()).collect();
        Ok(Self { trust_domain, certificates, roots: Arc::new(store) })
    }

    /// Reads a file of roots.
    pub fn from_pem(roots_pem: &str) -> Result<Self, BundleError> {
        Self::new(&pem::read_certificates(roots_pem)?)
    }

    /// The roots as a file.
    pub fn to_pem(&self) -> String {
        self.certificates.iter().map(|root| pem::write("CERTIFICATE", root).to_string()).collect()
    }

    /// The roots' certificates, in the order in which they were given.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// Whose roots these are.
    pub const fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    pub(super) const fn roots(&self) -> &Arc<RootCertStore> {
        &self.roots
    }
}

impl fmt::Debug for TrustBundle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "TrustBundle({}, {} roots)", self.trust_domain, self.roots.len())
    }
}

/// The roots of all trust domains that a process knows.
#[derive(Clone, Debug, Default)]
pub struct TrustBundles(BTreeMap<TrustDomain, TrustBundle>);

impl TrustBundles {
    /// Takes a set of roots in place of the one that its trust domain had.
    #[must_use]
    pub fn with(mut self, bundle: TrustBundle) -> Self {
        self.0.insert(bundle.trust_domain.clone(), bundle);
        self
    }

    /// The roots of a trust domain.
    pub fn of(&self, trust_domain: &TrustDomain) -> Result<&TrustBundle, BundleError> {
        self.0.get(trust_domain).ok_or_else(|| BundleError::Unknown { trust_domain: trust_domain.clone() })
    }
}

#[cfg(test)]
mod tests {
    use strongroom_core::time::WallTime;

    use super::*;
    use crate::rng::SimEntropy;
    use crate::tls::RootAuthority;

    fn root(trust_domain: &str) -> CertificateDer<'static> {
        let (now, entropy) = (WallTime(1_795_348_800_000_000), SimEntropy::from_seed(1));
        RootAuthority::found(&trust_domain.parse().unwrap(), now, &entropy).unwrap().certificate().clone()
    }

    #[test]
    fn a_trust_domain_may_have_two_roots_for_a_while() {
        let bundle = TrustBundle::new(&[root("acme.example"), root("acme.example")]).unwrap();
        assert_eq!(format!("{bundle:?}"), "TrustBundle(acme.example, 2 roots)");
        assert_eq!(TrustBundle::from_pem(&bundle.to_pem()).unwrap().certificates, bundle.certificates);
    }

    #[test]
    fn roots_of_two_trust_domains_make_no_set() {
        let (first, other) = ("acme.example".parse().unwrap(), "other.example".parse().unwrap());
        let made = TrustBundle::new(&[root("acme.example"), root("other.example")]);
        assert_eq!(made.err(), Some(BundleError::Mixed { first, other }));
    }

    #[test]
    fn a_set_is_neither_empty_nor_without_end() {
        assert_eq!(TrustBundle::new(&[]).err(), Some(BundleError::Empty));
        let many = vec![root("acme.example"); ROOTS_MAX + 1];
        assert_eq!(TrustBundle::new(&many).err(), Some(BundleError::TooMany { found: ROOTS_MAX + 1 }));
        let noise = TrustBundle::new(&[CertificateDer::from(vec![0x30; 9])]);
        assert_eq!(noise.err(), Some(BundleError::Root { source: NameError::Malformed }));
    }
}
