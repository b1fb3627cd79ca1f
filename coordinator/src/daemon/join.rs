//! `coordinator join`: a member out of a folder and a token.
//!
//! Owns the order: the root is believed because the token pins it; the member's id is minted with its folder; the key is
//! made here; the token is spent with a request for that id's name. `config.toml` is written last. A join that broke off
//! before the token was spent is run again and goes on with the same id; one that broke off after needs another token.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use strongroom_platform::tls::{
    CertificateChain, JoinToken, PendingIdentity, PinnedVerifier, Role, SpiffeId, SubjectId, TrustBundle,
    enrolment_client_config,
};
use strongroom_proto::common::v1::{Class, Failure};
use strongroom_proto::enrolment::v1::enrol_request::Joins;
use strongroom_proto::enrolment::v1::enrolment_client::EnrolmentClient;
use strongroom_proto::enrolment::v1::{
    Bearer, Chain, DescribeRequest, Description, EnrolRequest, JoiningMember, certificate_reply, describe_reply,
};
use tonic::transport::Channel;

use super::home::{self, Home};
use super::{DaemonError, Machine, Settings, found};
use crate::id::{ClusterEpoch, ClusterId, GroupIdentity, MemberId};
use crate::member::{Founding, Member, MemberIdentity};
use crate::server::dial::{connect, dial_through};
use crate::server::engine::subject_of;
use crate::server::listen::ENROLMENT_ALPN;
use crate::server::pause::pause;

/// How long the group may take to let the member in.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long one answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(25);
/// How long to wait before the next attempt.
const RETRY: Duration = Duration::from_millis(250);

/// How a member joins.
pub struct Joining {
    /// What the operator carried here.
    pub token: JoinToken,
    /// Members that may be asked.
    pub endpoints: Vec<String>,
    /// Names and addresses; the region is the token's.
    pub settings: Settings,
}

/// Makes a member in a folder, and has it let in.
pub async fn join(path: &Path, joining: Joining, machine: &Machine) -> Result<MemberIdentity, DaemonError> {
    let Joining { token, endpoints, mut settings } = joining;
    let home = Home::create(path)?;
    if home.is_finished()? {
        return Err(DaemonError::MemberExists { path: path.to_owned() });
    }
    let desk = Desk::new(&token, endpoints, machine)?;
    let description = desk.describe().await?;
    let identity = make(&home, &description, &settings, machine)?;
    let trust_domain = description.trust_domain.parse().map_err(senseless_name)?;
    let region = description.region.parse().map_err(senseless_name)?;
    let subject = SubjectId(subject_of(identity.member));
    let id = SpiffeId { trust_domain, region, role: Role::Coordinator, subject };
    let pending = PendingIdentity::new(id).map_err(DaemonError::Request)?;
    let member = JoiningMember {
        member: identity.member.to_string(),
        name: settings.name.clone(),
        peer_address: settings.advertise.clone(),
        api_address: settings.advertise.clone(),
    };
    let chain = desk.enrol(pending.request().as_der(), member).await?;
    let own = pending.into_identity(CertificateChain::from_der(&chain.leaf, &chain.issuer));
    let own = own.map_err(|source| DaemonError::Identity { path: path.to_owned(), source })?;
    home.write_roots(home::OWN, &desk.roots()?.to_pem())?;
    home.write_identity(home::OWN, &own)?;
    settings.region.clone_from(&description.region);
    let known = description.members.iter().filter_map(|it| Some((it.member.parse().ok()?, it.peer_address.clone())));
    settings.known = found::known(&known.collect::<Vec<(MemberId, String)>>());
    home.write_settings(&settings)?;
    Ok(identity)
}

/// The member's folder, as one that a group will take in.
fn make(
    home: &Home,
    description: &Description,
    settings: &Settings,
    machine: &Machine,
) -> Result<MemberIdentity, DaemonError> {
    let cluster = <[u8; 16]>::try_from(description.cluster.as_slice());
    let cluster = ClusterId(cluster.map_err(|_| DaemonError::Senseless { what: "a group's id has 16 bytes" })?);
    let founder = description.founder.parse();
    let founder =
        founder.map_err(|_| DaemonError::Senseless { what: "a group's founder has 16 hexadecimal digits" })?;
    let group = GroupIdentity { cluster, epoch: ClusterEpoch(description.epoch), founder };
    let made =
        Member::create(&home.data()?, Founding::Joining(group), &settings.timing.member(), machine.entropy.as_ref());
    let identity = made.map_err(DaemonError::Open)?;
    if identity.group() != group {
        return Err(DaemonError::MemberExists { path: home.path().to_owned() });
    }
    Ok(identity)
}

fn senseless_name(_: strongroom_platform::tls::spiffe::SpiffeError) -> DaemonError {
    DaemonError::Senseless { what: "the group names a place that can't stand in a certificate" }
}

/// The enrolment service, at whichever member answers.
struct Desk<'a> {
    token: &'a JoinToken,
    endpoints: Vec<String>,
    tls: Arc<ClientConfig>,
    root: Arc<OnceLock<CertificateDer<'static>>>,
}

impl<'a> Desk<'a> {
    fn new(token: &'a JoinToken, endpoints: Vec<String>, machine: &Machine) -> Result<Self, DaemonError> {
        let pinned = Arc::new(PinnedVerifier::new(token.pin()));
        let tls = enrolment_client_config(pinned, Arc::clone(&machine.clock), &[ENROLMENT_ALPN]);
        let tls = tls.map_err(DaemonError::Tls)?;
        Ok(Self { token, endpoints, tls: Arc::new(tls), root: Arc::default() })
    }

    fn bearer(&self) -> Bearer {
        Bearer { token: self.token.id().0.to_vec(), secret: self.token.secret().to_vec() }
    }

    async fn describe(&self) -> Result<Description, DaemonError> {
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

    async fn enrol(&self, request: &[u8], member: JoiningMember) -> Result<Chain, DaemonError> {
        let joins = Some(Joins::Member(member));
        let message = EnrolRequest { bearer: Some(self.bearer()), request: request.to_vec(), joins };
        self.until_answered(async |mut client| {
            let reply = client.enrol(message.clone()).await?.into_inner();
            Ok(match reply.result {
                Some(certificate_reply::Result::Chain(chain)) => Ok(chain),
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
    fn roots(&self) -> Result<TrustBundle, DaemonError> {
        let root = self.root.get().ok_or(DaemonError::Senseless { what: "no member showed its root" })?;
        TrustBundle::new(std::slice::from_ref(root)).map_err(DaemonError::Roots)
    }
}

/// An error with all that is below it, in one line.
pub fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        text = format!("{text}: {error}");
        below = error.source();
    }
    text
}
