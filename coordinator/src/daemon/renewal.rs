//! The next certificate of this process, asked for when half of the life of the present one is over.
//!
//! Owns the way to it: a member with an issuer signs for itself, and has it noted like any other; all others ask a member.
//! A member whose issuer has ended asks too, and so does one whose issuer ends before a whole certificate would: it takes
//! what its issuer has left only if nobody else gives it one. That an issuer ends is told weeks before (`issuer`).
//! The new key is made here, and key and certificates are written together before they are used.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use strongroom_platform::clock::Clock;
use strongroom_platform::tls::{CertificateChain, Identity, PendingIdentity, Standing};
use strongroom_proto::enrolment::v1::renewal_client::RenewalClient;
use strongroom_proto::enrolment::v1::{RenewRequest, certificate_reply};

use super::DaemonError;
use super::home::{self, Home};
use super::join::chain_of;
use super::transport::Transport;
use crate::id::MemberId;
use crate::server::certifier::{Certifier, serial_of};
use crate::server::dial::{dial, dial_member};
use crate::server::pause::pause;
use crate::server::peers::Links;

/// How often it is looked whether it is time.
const LOOK: Duration = Duration::from_secs(30);
/// How long one member may take to answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(25);

/// What renewing takes.
pub(super) struct Renewal {
    pub(super) home: Home,
    pub(super) transport: Arc<Transport>,
    pub(super) certifier: Option<Arc<Certifier>>,
    pub(super) links: Arc<Links>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Renewal {
    /// Renews when it is time, as long as the process runs.
    pub(super) async fn keep(self) {
        loop {
            let standing = self.transport.own.current().standing(self.clock.wall());
            if standing != Standing::Fresh {
                match self.renew().await {
                    Ok(()) => tracing::info!("this member has its next certificate"),
                    Err(error) if standing == Standing::RenewalDue => {
                        tracing::warn!(error = chain_of(&error), "the certificate was not renewed yet");
                    }
                    Err(error) => {
                        tracing::error!(error = chain_of(&error), "the certificate is over and was not renewed");
                    }
                }
            }
            pause(LOOK).await;
        }
    }

    async fn renew(&self) -> Result<(), DaemonError> {
        let own = self.transport.own.current();
        let pending = own.renewal().map_err(DaemonError::Request)?;
        let chain = match &self.certifier {
            Some(certifier) if certifier.covers(pending.id().role.certificate_ttl(), self.clock.wall()) => {
                sign(certifier, &own, &pending).await?
            }
            Some(certifier) => match self.ask(&pending).await {
                Ok(chain) => chain,
                Err(error) => {
                    tracing::warn!(error = chain_of(&error), "nobody else gave this member its next certificate");
                    sign(certifier, &own, &pending).await?
                }
            },
            None => self.ask(&pending).await?,
        };
        let identity = assemble(pending, chain, &self.home)?;
        self.home.write_identity(home::OWN, &identity)?;
        let replaced = self.transport.own.replace(identity);
        replaced.map_err(|_| DaemonError::Senseless { what: "the new certificate names somebody else" })
    }

    /// Asks the other members, each by its name.
    async fn ask(&self, pending: &PendingIdentity) -> Result<CertificateChain, DaemonError> {
        let members = self.links.known().into_iter().map(|(member, address)| (Some(member), address));
        ask(members, self.transport.to_renewal()?, pending).await
    }
}

/// Renews an identity in a folder, if it is time; gives the one that is to be used.
pub async fn renewed(
    home: &Home,
    transport: &Transport,
    members: &[String],
    clock: &dyn Clock,
) -> Result<(), DaemonError> {
    let own = transport.own.current();
    if own.standing(clock.wall()) == Standing::Fresh {
        return Ok(());
    }
    let pending = own.renewal().map_err(DaemonError::Request)?;
    // Whoever asks from outside knows addresses, and takes whichever member answers there.
    let members = members.iter().map(|address| (None, address.clone()));
    let chain = ask(members, transport.to_renewal()?, &pending).await?;
    let identity = assemble(pending, chain, home)?;
    home.write_identity("", &identity)?;
    let replaced = transport.own.replace(identity);
    replaced.map_err(|_| DaemonError::Senseless { what: "the new certificate names somebody else" })
}

fn assemble(pending: PendingIdentity, chain: CertificateChain, home: &Home) -> Result<Identity, DaemonError> {
    let path = home.path().to_owned();
    pending.into_identity(chain).map_err(|source| DaemonError::Identity { path, source })
}

async fn sign(
    certifier: &Certifier,
    own: &Identity,
    pending: &PendingIdentity,
) -> Result<CertificateChain, DaemonError> {
    let request = pending.request().check(pending.id()).map_err(DaemonError::Request)?;
    let chain = certifier.certify(&request, serial_of(&own.certificate().serial)).await;
    chain.map_err(|error| DaemonError::NoAnswer { last: chain_of(&error) })
}

/// Asks one member after the other.
async fn ask(
    members: impl Iterator<Item = (Option<MemberId>, String)>,
    tls: Arc<ClientConfig>,
    pending: &PendingIdentity,
) -> Result<CertificateChain, DaemonError> {
    let mut last = "no other member is known".to_owned();
    for (member, address) in members {
        let dialled = match member {
            Some(member) => dial_member(member, &address, Arc::clone(&tls)).await,
            None => dial(&address, Arc::clone(&tls)).await,
        };
        let channel = match dialled {
            Ok(channel) => channel,
            Err(error) => {
                last = chain_of(&error);
                continue;
            }
        };
        let request = RenewRequest { request: pending.request().as_der().to_vec() };
        let mut client = RenewalClient::new(channel);
        match tokio::time::timeout(ANSWER_TIME_MAX, client.renew(request)).await {
            Ok(Ok(reply)) => match reply.into_inner().result {
                Some(certificate_reply::Result::Chain(chain)) => {
                    return Ok(CertificateChain::from_der(&chain.leaf, &chain.issuer));
                }
                Some(certificate_reply::Result::Failure(failure)) => last = failure.message,
                None => "an empty answer".clone_into(&mut last),
            },
            Ok(Err(status)) => status.message().clone_into(&mut last),
            Err(_) => last = format!("{address} does not answer"),
        }
    }
    Err(DaemonError::NoAnswer { last })
}

#[cfg(test)]
mod tests;
