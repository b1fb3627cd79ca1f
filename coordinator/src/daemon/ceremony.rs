//! `coordinator issuer …`: a member's issuer, certified by a root whose key lies elsewhere.
//!
//! Owns the three steps, each of which reads and writes files: the member writes a request, somebody beside the root signs
//! it, and the member puts the certificate together with its key. Nothing is sent.

use std::path::Path;

use strongroom_platform::tls::{CertificateRequest, PendingIdentity, Role, RootAuthority, SpiffeId};
use zeroize::Zeroizing;

use super::home::{self, Home};
use super::{DaemonError, Machine};

/// The key that waits for its certificate.
const PENDING_KEY: &str = "identity/issuer-pending.pem";

/// Makes a key for the member's issuer, and gives the request for the root. Asked for again, the key stays.
pub fn request(path: &Path) -> Result<String, DaemonError> {
    let home = Home::open(path)?;
    let id = issuer_of(home.identity(home::OWN)?.id());
    let pending = match home.read(PENDING_KEY).map(Zeroizing::new) {
        Ok(key) => PendingIdentity::resume(id, &key),
        Err(_) => PendingIdentity::new(id),
    };
    let pending = pending.map_err(DaemonError::Request)?;
    home.write(PENDING_KEY, &pending.key_pem())?;
    Ok(pending.request().to_pem())
}

/// Signs a request with the root's key. Gives the issuer's name, for the eyes of whoever signs, and its certificate.
pub fn sign(root_pem: &str, request_pem: &str, machine: &Machine) -> Result<(SpiffeId, String), DaemonError> {
    let root = RootAuthority::from_pem(root_pem, root_pem).map_err(DaemonError::Authority)?;
    let request = CertificateRequest::from_pem(request_pem).map_err(DaemonError::Request)?;
    let id = request.requested_id().map_err(DaemonError::Request)?;
    let checked = request.check(&id).map_err(DaemonError::Request)?;
    let certificate = root.sign_issuer(&checked, machine.clock.wall(), machine.entropy.as_ref());
    certificate.map(|certificate| (id, certificate)).map_err(DaemonError::Authority)
}

/// Takes the certificate that came back into use, from the member's next start on.
pub fn install(path: &Path, certificate_pem: &str) -> Result<(), DaemonError> {
    let home = Home::open(path)?;
    let id = issuer_of(home.identity(home::OWN)?.id());
    let key = Zeroizing::new(home.read(PENDING_KEY)?);
    let pending = PendingIdentity::resume(id, &key).map_err(DaemonError::Request)?;
    home.write_issuer(&pending.into_issuer(certificate_pem).map_err(DaemonError::Authority)?)
}

/// The issuer that belongs to a member: the same place and number, in another role.
fn issuer_of(member: &SpiffeId) -> SpiffeId {
    SpiffeId { role: Role::Issuer, ..member.clone() }
}
