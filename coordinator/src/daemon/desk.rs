//! The enrolment service, as those ask it who have a token and nothing else.
//!
//! Owns the way to whichever member answers, and what is believed there: a server whose root is the one that the token
//! pins. One after the other is asked with the same request until one has an answer for good.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use strongroom_platform::tls::{CertificateChain, JoinToken, PinnedVerifier, TrustBundle, enrolment_client_config};
use strongroom_proto::common::v1::{Class, Failure};
use strongroom_proto::enrolment::v1::enrol_request::Joins;
use strongroom_proto::enrolment::v1::enrolment_client::EnrolmentClient;
use strongroom_proto::enrolment::v1::{
    Bearer, DescribeRequest, Description, EnrolRequest, certificate_reply, describe_reply,
};
use tonic::transport::Channel;

use super::join::chain_of;
use super::{DaemonError, Machine};
use crate::server::dial::{connect, dial_through};
use crate::server::listen::ENROLMENT_ALPN;
use crate::server::pause::pause;

/// How long the group may take to let somebody in.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long one answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(25);
/// How long to wait before the next attempt.
const RETRY: Duration = Duration::from_millis(250);

/// The enrolment service, at whichever member answers.
pub(super) struct Desk<'a> {
    token: &'a JoinToken,
    endpoints: Vec<String>,
    tls: Arc<ClientConfig>,
    root: Arc<OnceLock<CertificateDer<'static>>>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(token: &'a JoinToken, endpoints: Vec<String>, machine: &Machine) -> Result<Self, DaemonError> {
        let pinned = Arc::new(PinnedVerifier::new(token.pin()));
        let tls = enrolment_client_config(pinned, Arc::clone(&machine.clock), &[ENROLMENT_ALPN]);
        let tls = tls.map_err(DaemonError::Tls)?;
        Ok(Self { token, endpoints, tls: Arc::new(tls), root: Arc::default() })
    }

    fn bearer(&self) -> Bearer {
        Bearer { token: self.token.id().0.to_vec(), secret: self.token.secret().to_vec() }
    }

    /// What the bearer of the token needs to know.
    pub(super) async fn describe(&self) -> Result<Description, DaemonError> {
        self.until_answered(async |mut client| {
            let reply = client.describe(DescribeRequest { bearer: Some(self.bearer()) }).await?.into_inner();
            Ok(match reply.result {
                Some(describe_reply::Result::Description(description)) => Ok(description),
                Some(describe_reply::Result::Failure(failure)) => Err(failure),
                None => Err(Failure::default()),
            })
        })
        .await
    }

    /// Spends the token, and gives the certificate. Asked again with the same name and key, it gives another.
    pub(super) async fn enrol(&self, request: &[u8], joins: Joins) -> Result<CertificateChain, DaemonError> {
        let joins = Some(joins);
        let message = EnrolRequest { bearer: Some(self.bearer()), request: request.to_vec(), joins };
        self.until_answered(async |mut client| {
            let reply = client.enrol(message.clone()).await?.into_inner();
            Ok(match reply.result {
                Some(certificate_reply::Result::Chain(chain)) => {
                    Ok(CertificateChain::from_der(&chain.leaf, &chain.issuer))
                }
                Some(certificate_reply::Result::Failure(failure)) => Err(failure),
                None => Err(Failure::default()),
            })
        })
        .await
    }

    /// Asks one member after the other, with the same request, until one has an answer for good.
    async fn until_answered<T>(
        &self,
        ask: impl AsyncFn(EnrolmentClient<Channel>) -> Result<Result<T, Failure>, tonic::Status>,
    ) -> Result<T, DaemonError> {
        let mut last = "no endpoint was given".to_owned();
        let asking = async {
            loop {
                for endpoint in &self.endpoints {
                    let client = match self.dial(endpoint).await {
                        Ok(client) => client,
                        Err(error) => {
                            last = chain_of(&error);
                            continue;
                        }
                    };
                    match tokio::time::timeout(ANSWER_TIME_MAX, ask(client)).await {
                        Ok(Ok(Ok(answer))) => return Ok(answer),
                        Ok(Ok(Err(failure))) if failure.class() == Class::Rejected => {
                            return Err(DaemonError::Refused(failure));
                        }
                        Ok(Ok(Err(failure))) => last = failure.message,
                        Ok(Err(status)) => status.message().clone_into(&mut last),
                        Err(_) => last = format!("{endpoint} does not answer"),
                    }
                }
                pause(RETRY).await;
            }
        };
        let answered = tokio::time::timeout(PATIENCE, asking).await;
        answered.unwrap_or(Err(DaemonError::NoAnswer { last }))
    }

    async fn dial(&self, endpoint: &str) -> Result<EnrolmentClient<Channel>, crate::server::DialError> {
        let (tls, root, pin) = (Arc::clone(&self.tls), Arc::clone(&self.root), self.token.pin());
        let connect = move |to| {
            let (tls, root) = (Arc::clone(&tls), Arc::clone(&root));
            async move {
                let stream = connect(to, tls).await?;
                let shown = stream.inner().get_ref().1.peer_certificates().unwrap_or_default();
                if let Some(pinned) = PinnedVerifier::new(pin).root(shown) {
                    root.get_or_init(|| pinned.clone().into_owned());
                }
                Ok(stream)
            }
        };
        Ok(EnrolmentClient::new(dial_through(endpoint, connect).await?))
    }

    /// The root that the token pins, and that was seen.
    pub(super) fn roots(&self) -> Result<TrustBundle, DaemonError> {
        let root = self.root.get().ok_or(DaemonError::Senseless { what: "no member showed its root" })?;
        TrustBundle::new(std::slice::from_ref(root)).map_err(DaemonError::Roots)
    }
}
