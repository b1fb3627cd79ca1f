//! An identity that is renewed while connections come and go.
//!
//! The configurations of rustls hold a [`HotIdentity`] and ask it at each handshake, so that the newest certificate is
//! served without a restart. Connections that are open keep the one that they began with. The name never changes: what
//! is exchanged is the certificate of one subject.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;

use super::Identity;
use crate::tls::spiffe::SpiffeId;

/// An identity that takes no other one's place.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the new certificate names {found}, and this process is {own}")]
pub struct ReplaceError {
    /// The name in the certificate.
    pub found: Box<SpiffeId>,
    /// Whose process this is.
    pub own: Box<SpiffeId>,
}

/// The newest identity of this process.
#[derive(Debug)]
pub struct HotIdentity {
    current: RwLock<Arc<Identity>>,
}

impl HotIdentity {
    /// Begins with an identity.
    pub fn new(identity: Identity) -> Self {
        Self { current: RwLock::new(Arc::new(identity)) }
    }

    /// The identity that handshakes use now.
    pub fn current(&self) -> Arc<Identity> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Uses another identity of the same name from the next handshake on.
    pub fn replace(&self, identity: Identity) -> Result<(), ReplaceError> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.id() != identity.id() {
            let own = Box::new(current.id().clone());
            return Err(ReplaceError { found: Box::new(identity.id().clone()), own });
        }
        *current = Arc::new(identity);
        Ok(())
    }

    fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(self.current().certified())
    }
}

impl ResolvesServerCert for HotIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certified())
    }
}

impl ResolvesClientCert for HotIdentity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.certified())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
