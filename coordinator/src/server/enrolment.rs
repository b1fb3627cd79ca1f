//! The service that lets hosts in that have a join token.
//!
//! Owns the order: the secret is compared with what this member knows of the token before anything is proposed, so that
//! strangers can't fill the log; the request is checked against the name that follows from the token; the token is spent
//! by one entry, of which exactly one enrolment wins; then the certificate is signed and noted.
//!
//! The token is spent in a session whose id is a hash of token, secret and request. So a host that heard no answer asks
//! again, here or at another member, and gets the outcome of the first time; with another key it is another session, and
//! the token is closed. A stranger is told no more than that it was refused.

use std::sync::Arc;

use strongroom_core::id::{AgentId, ClientSession, TokenId};
use strongroom_platform::tls::token::secret_hash;
use strongroom_platform::tls::{CertificateChain, CertificateRequest, Role, SpiffeId, SubjectId};
use strongroom_proto::common::v1::{Class, Failure};
use strongroom_proto::enrolment::v1::enrol_request::Joins;
use strongroom_proto::enrolment::v1::enrolment_server::Enrolment;
use strongroom_proto::enrolment::v1::{
    Bearer, CertificateReply, DescribeReply, DescribeRequest, Description, EnrolRequest, KnownMember, describe_reply,
};
use tonic::{Request, Response, Status};

use super::certifier::{Certifier, PATIENCE};
use super::engine::subject_of;
use super::renewal::{failure, failure_of, forward_failure, refused, reply};
use crate::id::MemberId;
use crate::member::Member;
use crate::raft::Role as Standing;
use crate::state::agents::NewAgent;
use crate::state::members::MemberDetails;
use crate::state::text::{Address, Name, Subject};
use crate::state::tokens::{Enrolment as Joining, JoinRole, SecretHash, SpendToken, TokenTerms, Tokens};
use crate::state::{Outcome, Sequence, query};

/// The service of enrolment.
pub struct EnrolmentService {
    certifier: Arc<Certifier>,
}

/// A token whose secret was right.
struct Borne {
    token: TokenId,
    hash: SecretHash,
    terms: TokenTerms,
}

impl EnrolmentService {
    /// The service over this member's issuer.
    pub const fn new(certifier: Arc<Certifier>) -> Self {
        Self { certifier }
    }

    /// The token of a bearer, if the secret is its.
    async fn bearer(&self, bearer: Option<&Bearer>) -> Result<Borne, Failure> {
        let bearer = bearer.ok_or_else(|| refused("malformed", "there is no token"))?;
        let token = bearer.token.as_slice().try_into().map(TokenId);
        let token = token.map_err(|_| refused("malformed", "a token's id has 8 bytes"))?;
        let secret: [u8; 32] =
            bearer.secret.as_slice().try_into().map_err(|_| refused("malformed", "a token's secret has 32 bytes"))?;
        let engine = self.certifier.forwarder().engine();
        let row = engine.inspect(move |member| member.machine().rows().get::<Tokens>(&token)).await;
        let row = row.ok().and_then(Result::ok).flatten();
        let Some(row) = row else {
            // A member that does not lead may not have heard of it yet.
            let class = if engine.standing().role == Standing::Leader { Class::Rejected } else { Class::Retry };
            return Err(failure(class, "token", "the token is not known here", "Ask again, or for another token."));
        };
        let hash = SecretHash(secret_hash(&secret));
        // The comparison of BLAKE3 hashes takes the same time wherever they differ.
        if blake3::hash(&hash.0) != blake3::hash(&row.secret_hash.0) {
            return Err(refused("token", "the token is not known here"));
        }
        Ok(Borne { token, hash, terms: row.terms })
    }

    async fn describe_to(&self, request: &DescribeRequest) -> Result<Description, Failure> {
        let borne = self.bearer(request.bearer.as_ref()).await?;
        let engine = self.certifier.forwarder().engine();
        let known = engine.inspect(|member| (*member.identity(), known_members(member))).await;
        let again = |error: super::EngineError| failure(Class::Retry, "busy", &error.to_string(), "Ask again.");
        let (identity, members) = known.map_err(again)?;
        Ok(Description {
            cluster: identity.cluster.0.to_vec(),
            epoch: identity.epoch.0,
            founder: identity.founder.to_string(),
            trust_domain: self.certifier.trust_domain().to_string(),
            region: borne.terms.region.to_string(),
            members,
        })
    }

    async fn enrol_host(&self, request: EnrolRequest) -> Result<CertificateChain, Failure> {
        let borne = self.bearer(request.bearer.as_ref()).await?;
        let joins = request.joins.ok_or_else(|| refused("malformed", "nobody joins"))?;
        let name = self.name_of(&joins, &borne.terms)?;
        let enrolment = enrolment_of(joins, &borne.terms, &name)?;
        let checked = CertificateRequest::from_der(&request.request).check(&name);
        let checked = checked.map_err(|error| refused("malformed", &error.to_string()))?;
        let session = session_of(&borne, &request.request);
        let forwarder = self.certifier.forwarder();
        forwarder.open(session, PATIENCE).await.map_err(forward_failure)?;
        let spend = SpendToken { token: borne.token, secret_hash: borne.hash, enrolment };
        let outcome = forwarder.ask_in(session, Sequence(1), spend.into(), PATIENCE).await;
        match outcome.map_err(forward_failure)? {
            Outcome::Done(_) => {}
            Outcome::Rejected(refusal) => return Err(refused(refusal.code(), &refusal.to_string())),
        }
        self.certifier.certify(&checked, None).await.map_err(|error| failure_of(&error))
    }

    /// The name that whoever joins will bear.
    fn name_of(&self, joins: &Joins, terms: &TokenTerms) -> Result<SpiffeId, Failure> {
        let (role, subject) = match joins {
            Joins::Member(it) => (Role::Coordinator, subject_of(member_id(&it.member)?)),
            Joins::Agent(it) => {
                let subject = it.agent.as_slice().try_into();
                (Role::Agent, subject.map_err(|_| refused("malformed", "an agent's id has 16 bytes"))?)
            }
        };
        let region = terms.region.as_str().parse();
        let region = region.map_err(|_| refused("malformed", "the token's region can't stand in a certificate"))?;
        Ok(SpiffeId { trust_domain: self.certifier.trust_domain().clone(), region, role, subject: SubjectId(subject) })
    }
}

#[tonic::async_trait]
impl Enrolment for EnrolmentService {
    async fn describe(&self, request: Request<DescribeRequest>) -> Result<Response<DescribeReply>, Status> {
        let result = match self.describe_to(request.get_ref()).await {
            Ok(description) => describe_reply::Result::Description(description),
            Err(failure) => describe_reply::Result::Failure(failure),
        };
        Ok(Response::new(DescribeReply { result: Some(result) }))
    }

    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<CertificateReply>, Status> {
        Ok(Response::new(reply(self.enrol_host(request.into_inner()).await)))
    }
}

fn enrolment_of(joins: Joins, terms: &TokenTerms, name: &SpiffeId) -> Result<Joining, Failure> {
    let word = |text: &str| Name::new(text).map_err(|error| refused("malformed", &error.to_string()));
    let address = |text: &str| Address::new(text).map_err(|error| refused("malformed", &error.to_string()));
    let is_meant =
        matches!((&joins, terms.role), (Joins::Member(_), JoinRole::Member) | (Joins::Agent(_), JoinRole::Agent));
    if !is_meant {
        return Err(refused("token-mismatch", "the token is for something else"));
    }
    Ok(match joins {
        Joins::Member(it) => Joining::Member {
            member: member_id(&it.member)?,
            details: MemberDetails {
                name: word(&it.name)?,
                region: terms.region.clone(),
                peer_address: address(&it.peer_address)?,
                api_address: address(&it.api_address)?,
            },
        },
        Joins::Agent(it) => {
            let subject = Subject::new(&name.to_string());
            let subject = subject.map_err(|error| refused("malformed", &error.to_string()))?;
            Joining::Agent(NewAgent { agent: AgentId(name.subject.0), name: word(&it.name)?, subject })
        }
    })
}

fn member_id(text: &str) -> Result<MemberId, Failure> {
    text.parse().map_err(|_| refused("malformed", "a member has 16 hexadecimal digits"))
}

/// The session in which this bearer spends its token on this request.
fn session_of(borne: &Borne, request: &[u8]) -> ClientSession {
    let mut hasher = blake3::Hasher::new_derive_key("strongroom v1 enrolment session");
    hasher.update(borne.token.as_bytes()).update(&borne.hash.0).update(request);
    let mut id = [0; 16];
    hasher.finalize_xof().fill(&mut id);
    ClientSession(id)
}

/// Where the members of the group are, as far as the registry says.
fn known_members(member: &Member) -> Vec<KnownMember> {
    let machine = member.machine();
    let details = |id: &MemberId| query::member(machine.rows(), id).ok().flatten().and_then(|row| row.details);
    let members = machine.configuration().members().into_iter();
    let known = members.filter_map(|id| details(&id).map(|details| (id, details)));
    known
        .map(|(id, details)| KnownMember {
            member: id.to_string(),
            peer_address: details.peer_address.to_string(),
            api_address: details.api_address.to_string(),
        })
        .collect()
}
