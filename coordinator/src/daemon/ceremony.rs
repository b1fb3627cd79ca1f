//! `coordinator issuer …`: what is certified beside the root's key, which lies elsewhere.
//!
//! Owns the three steps of a member's issuer, each of which reads and writes files: the member writes a request, somebody
//! beside the root signs it, and the member puts the certificate together with its key. Nothing is sent.
//!
//! Owns also the way in when no operator can log in any more: whoever has the root's key certifies one. The root signs
//! issuers alone, so an issuer is made for this one signature, and its key is gone when the call returns:
//!
//! ```text
//!   root ──signs──► issuer of this ceremony ──signs──► operator, for 12 h
//! ```
//!
//! Such a certificate says who somebody is, and nothing of what he may do: a group obeys whom it has registered.

use std::path::Path;

use strongroom_platform::tls::{
    CertificateChain, CertificateRequest, Identity, PendingIdentity, Role, RootAuthority, SpiffeId, SubjectId,
};

use super::home::{self, Home};
use super::{DaemonError, Machine};

/// The folder of the key that waits for its certificate.
const PENDING: &str = "identity/issuer";

/// Makes a key for the member's issuer, and gives its name and the request for the root. Asked for again before the
/// certificate is installed, the key stays.
pub fn request(path: &Path) -> Result<(SpiffeId, String), DaemonError> {
    let home = Home::open(path)?;
    let pending = home.pending(PENDING, issuer_of(home.identity(home::OWN)?.id()))?;
    Ok((pending.id().clone(), pending.request().to_pem()))
}

/// Signs a request with the root's key, and gives the certificate.
///
/// # Errors
///
/// Nothing is signed if the request asks for another name than `issuer`, which whoever signs has heard from the member:
/// a request that was swapped on its way would make an issuer of a stranger's key.
pub fn sign(root_pem: &str, request_pem: &str, issuer: &SpiffeId, machine: &Machine) -> Result<String, DaemonError> {
    let root = RootAuthority::from_pem(root_pem, root_pem).map_err(DaemonError::Authority)?;
    let request = CertificateRequest::from_pem(request_pem).map_err(DaemonError::Request)?;
    let asked = request.requested_id().map_err(DaemonError::Request)?;
    if asked != *issuer {
        return Err(DaemonError::Option { option: "ISSUER", what: format!("the request is that of {asked}") });
    }
    let checked = request.check(issuer).map_err(DaemonError::Request)?;
    let certificate = root.sign_issuer(&checked, machine.clock.wall(), machine.entropy.as_ref());
    certificate.map_err(DaemonError::Authority)
}

/// Takes the certificate that came back into use, from the member's next start on. The next request makes a new key.
pub fn install(path: &Path, certificate_pem: &str) -> Result<(), DaemonError> {
    let home = Home::open(path)?;
    let id = issuer_of(home.identity(home::OWN)?.id());
    if home.pending_name(PENDING)?.as_ref() != Some(&id) {
        let what = "no request waits for a certificate: make one with `issuer request`".to_owned();
        return Err(DaemonError::Option { option: "CERTIFICATE", what });
    }
    let pending = home.pending(PENDING, id)?;
    home.write_issuer(&pending.into_issuer(certificate_pem).map_err(DaemonError::Authority)?)?;
    home.forget_pending(PENDING)
}

/// Certifies an operator whose key lies elsewhere, as the request asks. Gives the name, for the eyes of whoever signs.
///
/// The group does not know this certificate, and so does not renew it: within its 12 hours, the operator takes another
/// by a token. It opens nothing unless the group has registered the name, and has not denied it.
pub fn operator(
    root_pem: &str,
    request: &CertificateRequest,
    machine: &Machine,
) -> Result<(SpiffeId, CertificateChain), DaemonError> {
    let root = RootAuthority::from_pem(root_pem, root_pem).map_err(DaemonError::Authority)?;
    let id = request.requested_id().map_err(DaemonError::Request)?;
    if id.role != Role::Operator {
        return Err(DaemonError::Option { option: "SUBJECT", what: format!("{id} is no operator") });
    }
    let checked = request.check(&id).map_err(DaemonError::Request)?;
    let (now, entropy) = (machine.clock.wall(), machine.entropy.as_ref());
    let subject = SubjectId::mint(entropy).map_err(DaemonError::Entropy)?;
    let pending = PendingIdentity::new(SpiffeId { role: Role::Issuer, subject, ..id.clone() });
    let pending = pending.map_err(DaemonError::Request)?;
    let asked = pending.request().check(pending.id()).map_err(DaemonError::Request)?;
    let certificate = root.sign_issuer(&asked, now, entropy).map_err(DaemonError::Authority)?;
    let issuer = pending.into_issuer(&certificate).map_err(DaemonError::Authority)?;
    let chain = issuer.issue(&checked, Role::Operator.certificate_ttl(), now, entropy);
    Ok((id, chain.map_err(DaemonError::Authority)?))
}

/// Makes a key for an operator and certifies it, in an empty folder that commands take as an identity.
pub fn operator_folder(
    path: &Path,
    root_pem: &str,
    subject: &SpiffeId,
    machine: &Machine,
) -> Result<Identity, DaemonError> {
    let root = RootAuthority::from_pem(root_pem, root_pem).map_err(DaemonError::Authority)?;
    let pending = PendingIdentity::new(subject.clone()).map_err(DaemonError::Request)?;
    let (_, chain) = operator(root_pem, pending.request(), machine)?;
    let home = Home::create(path)?;
    if home.has_identity("")? {
        return Err(DaemonError::IdentityExists { path: path.to_owned() });
    }
    let identity = pending.into_identity(chain);
    let identity = identity.map_err(|source| DaemonError::Identity { path: path.to_owned(), source })?;
    home.write_roots("", &root.certificate_pem())?;
    home.write_identity("", &identity)?;
    Ok(identity)
}

/// The issuer that belongs to a member: the same place and number, in another role.
fn issuer_of(member: &SpiffeId) -> SpiffeId {
    SpiffeId { role: Role::Issuer, ..member.clone() }
}

#[cfg(test)]
mod tests;
