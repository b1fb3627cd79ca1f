//! Who is who, and the TLS that proves it.
//!
//! Owns the names of subjects (SPIFFE ids), the authorities that certify them, the files and requests by which
//! certificates come to be, and the check of both ends of a connection. It never decides who may join, who is denied or
//! what a role may do: that is the coordinator's, whose lists come in from outside. It opens no socket and reads no
//! clock; what it makes are configurations of rustls, for QUIC and TCP alike.
//!
//! ```text
//!   root (offline) ──signs──► issuer (a member's) ──signs──► leaf (on the host)      authority · request
//!                                                              │
//!   join token ──pins──► root                                  ▼                     token · enrol
//!                                        HotIdentity ── config ── PeerVerifier       identity · config · verify
//!                                                                   │     │
//!                                                     TrustBundles ─┘     └─ DenyWatch               denylist
//! ```
//!
//! Invariants: a private key never leaves the machine that made it, unless its owner writes the file; a certificate
//! names one subject; a peer is believed only after its chain was verified against the roots of a trust domain that was
//! chosen before; nobody is let in on a clock's word alone, since whoever is denied stays denied whatever the time.
//! Nothing here is kept over a restart but what the caller writes to files.

pub mod authority;
pub mod config;
pub mod denylist;
pub mod enrol;
pub mod identity;
mod key;
pub mod name;
mod pem;
pub mod request;
pub mod spiffe;
#[cfg(test)]
mod tests;
pub mod token;
pub mod validity;
pub mod verify;

pub use authority::{AuthorityError, Issuer, RootAuthority};
pub use config::{client_config, enrolment_client_config, enrolment_server_config, server_config};
pub use denylist::{DenyList, DenyVersion, DenyWatch};
pub use enrol::PinnedVerifier;
pub use identity::{CertificateChain, HotIdentity, Identity, Standing};
pub use key::KeyError;
pub use name::{NamedCertificate, Serial};
pub use pem::NotPem;
pub use request::{CertificateRequest, CheckedRequest, PendingIdentity};
pub use spiffe::{Region, Role, SpiffeId, SubjectId, TrustDomain};
pub use token::{JoinClaim, JoinToken, RootPin, TokenBinding, TokenRecord};
pub use validity::Validity;
pub use verify::{Expect, PeerIdentity, PeerRefused, PeerVerifier, TrustBundle, TrustBundles};
