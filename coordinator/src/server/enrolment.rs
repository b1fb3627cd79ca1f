//! The service that lets in those who have a join token.
//!
//! Owns the order: the secret is compared with what the group knows of the token, and a token that is over is refused,
//! before anything is proposed; so strangers can't fill the log, nor take up sessions. The request is checked against the
//! name that follows from the token; the token is spent by one entry, of which exactly one enrolment wins; then the
//! certificate is signed and noted.
//!
//! A host that heard no answer asks again with the same key, here or at another member: the token knows who spent it. A
//! stranger is told no more than that it was refused, and is heard only so often from one place.

mod joining;
mod tries;

use std::sync::Arc;

use strongroom_core::id::TokenId;
use strongroom_platform::clock::Clock;
use strongroom_platform::tls::token::secret_hash;
use strongroom_platform::tls::{CertificateChain, CertificateRequest};
use strongroom_proto::common::v1::{Class, Failure};
use strongroom_proto::enrolment::v1::enrolment_server::Enrolment;
use strongroom_proto::enrolment::v1::{
    Bearer, CertificateReply, DescribeReply, DescribeRequest, Description, EnrolRequest, KnownMember, describe_reply,
};
use tonic::{Request, Response, Status};

use super::certifier::{Certifier, PATIENCE};
use super::engine::EngineError;
use super::origin::Origin;
use super::renewal::{failure, failure_of, forward_failure, refused, reply};
use crate::id::MemberId;
use crate::member::Member;
use crate::raft::Role as Standing;
use crate::state::text::Subject;
use crate::state::tokens::{
    JoinRole, KeyDigest, SPENT_TIMES_MAX, SecretHash, SpendToken, TokenRow, TokenState, TokenTerms, Tokens,
};
use crate::state::{Outcome, Refusal, Rows, Unreadable, query};
use tries::Tries;

/// The service of enrolment.
pub struct EnrolmentService {
    certifier: Arc<Certifier>,
    clock: Arc<dyn Clock>,
    tries: Tries,
}

/// A token whose secret was right, and that is not over.
struct Borne {
    token: TokenId,
    hash: SecretHash,
    terms: TokenTerms,
    state: TokenState,
    /// As whom its bearer will be known, if that is known before.
    identity: Option<Subject>,
}

/// What is known of a token.
struct Known {
    row: TokenRow,
    identity: Option<Subject>,
    now_ms: u64,
}

impl EnrolmentService {
    /// The service over this member's issuer.
    pub fn new(certifier: Arc<Certifier>, clock: Arc<dyn Clock>) -> Self {
        Self { certifier, clock, tries: Tries::default() }
    }

    /// The token of a bearer, if the secret is its and it is not over. A place whose bearers were refused too often is
    /// not listened to for a while.
    async fn bearer(&self, bearer: Option<&Bearer>, from: Origin) -> Result<Borne, Failure> {
        let now = self.clock.monotonic();
        if !self.tries.may_try(from, now) {
            let what = "too many have been refused who came from there";
            return Err(failure(Class::Retry, "tries", what, "Wait for a minute."));
        }
        let borne = self.look_at(bearer).await;
        // Whoever comes at a bad moment did nothing wrong.
        if borne.as_ref().is_err_and(|failure| failure.class() == Class::Rejected || failure.code == "token") {
            self.tries.count(from, now);
        }
        borne
    }

    async fn look_at(&self, bearer: Option<&Bearer>) -> Result<Borne, Failure> {
        let bearer = bearer.ok_or_else(|| refused("malformed", "there is no token"))?;
        let token = bearer.token.as_slice().try_into().map(TokenId);
        let token = token.map_err(|_| refused("malformed", "a token's id has 8 bytes"))?;
        let secret: [u8; 32] =
            bearer.secret.as_slice().try_into().map_err(|_| refused("malformed", "a token's secret has 32 bytes"))?;
        let Known { row, identity, now_ms } = self.known(token).await?;
        let hash = SecretHash(secret_hash(&secret));
        // The comparison of BLAKE3 hashes takes the same time wherever they differ.
        if blake3::hash(&hash.0) != blake3::hash(&row.secret_hash.0) {
            return Err(refused("token", "the token is not known here"));
        }
        // What is over stays over: rows that are behind may say that it is not, and never that it is.
        let is_expired = row.terms.expires_ms <= now_ms;
        let refusal = match row.state {
            TokenState::Revoked => Some(Refusal::TokenClosed),
            TokenState::Open | TokenState::Spent { .. } if is_expired => Some(Refusal::TokenExpired),
            TokenState::Open | TokenState::Spent { .. } => None,
        };
        match refusal {
            Some(refusal) => Err(refused(refusal.code(), &refusal.to_string())),
            None => Ok(Borne { token, hash, terms: row.terms, state: row.state, identity }),
        }
    }

    /// What the group knows of a token. Where this member leads, that is read after all that was acknowledged before; any
    /// other goes by its own rows, and may not have heard of it yet.
    async fn known(&self, token: TokenId) -> Result<Known, Failure> {
        let engine = self.certifier.forwarder().engine();
        let again = |error: EngineError| failure(Class::Retry, "busy", &error.to_string(), "Ask again.");
        let now_ms = engine.inspect(|member| member.machine().stamp().accrued_ms).await.map_err(again)?;
        let is_leader = engine.standing().role == Standing::Leader;
        let found = if is_leader {
            match engine.read(move |rows| row_of(rows, token)).await.map_err(again)? {
                Ok(found) => found,
                Err(_) => return Err(failure(Class::Retry, "no-leader", "this member leads no more", "Ask again.")),
            }
        } else {
            engine.inspect(move |member| row_of(member.machine().rows(), token)).await.map_err(again)?
        };
        match found {
            Ok(Some((row, identity))) => Ok(Known { row, identity, now_ms }),
            Ok(None) => {
                let class = if is_leader { Class::Rejected } else { Class::Retry };
                Err(failure(class, "token", "the token is not known here", "Ask again, or for another token."))
            }
            Err(error) => Err(failure(Class::Retry, "unreadable", &error.to_string(), "Ask another member.")),
        }
    }

    async fn describe_to(&self, request: &DescribeRequest, from: Origin) -> Result<Description, Failure> {
        let borne = self.bearer(request.bearer.as_ref(), from).await?;
        let engine = self.certifier.forwarder().engine();
        let known = engine.inspect(|member| (*member.identity(), known_members(member))).await;
        let again = |error: EngineError| failure(Class::Retry, "busy", &error.to_string(), "Ask again.");
        let (identity, members) = known.map_err(again)?;
        let text = |word: Option<String>| word.unwrap_or_default();
        Ok(Description {
            cluster: identity.cluster.0.to_vec(),
            epoch: identity.epoch.0,
            founder: identity.founder.to_string(),
            trust_domain: self.certifier.trust_domain().to_string(),
            region: borne.terms.region.to_string(),
            members,
            role: joining::role_word(borne.terms.role).to_owned(),
            name: text(borne.terms.name_hint.map(|name| name.to_string())),
            identity: text(borne.identity.map(|subject| subject.to_string())),
        })
    }

    /// Notes that somebody was refused.
    fn turned_away(&self, refusal: Refusal, from: Origin) -> Failure {
        self.tries.count(from, self.clock.monotonic());
        refused(refusal.code(), &refusal.to_string())
    }

    async fn enrol_bearer(&self, request: EnrolRequest, from: Origin) -> Result<CertificateChain, Failure> {
        let borne = self.bearer(request.bearer.as_ref(), from).await?;
        let joins = request.joins.ok_or_else(|| refused("malformed", "nobody joins"))?;
        let name = joining::name_of(&joins, &borne, self.certifier.trust_domain())?;
        let enrolment = joining::enrolment_of(joins, &borne, &name)?;
        let checked = CertificateRequest::from_der(&request.request).check(&name);
        let checked = checked.map_err(|error| refused("malformed", &error.to_string()))?;
        let key = KeyDigest(checked.key_digest());
        let spend = SpendToken { token: borne.token, secret_hash: borne.hash, key, enrolment };
        // What would be refused is not proposed: it would stand in the log, and in the audit log, for ever.
        if let TokenState::Spent { by, times, .. } = borne.state
            && (by != spend.bearer() || times >= SPENT_TIMES_MAX)
        {
            return Err(self.turned_away(Refusal::TokenClosed, from));
        }
        let outcome = self.certifier.forwarder().ask_plain(spend.into(), PATIENCE).await;
        match outcome.map_err(forward_failure)? {
            Outcome::Done(_) => {}
            Outcome::Rejected(refusal) => return Err(self.turned_away(refusal, from)),
        }
        self.certifier.certify(&checked, None).await.map_err(|error| failure_of(&error))
    }
}

/// Where a request comes from; the listener has noted it.
fn origin<T>(request: &Request<T>) -> Result<Origin, Status> {
    let origin = request.extensions().get::<Origin>().copied();
    origin.ok_or_else(|| Status::internal("it is not known where the request comes from"))
}

#[tonic::async_trait]
impl Enrolment for EnrolmentService {
    async fn describe(&self, request: Request<DescribeRequest>) -> Result<Response<DescribeReply>, Status> {
        let from = origin(&request)?;
        let result = match self.describe_to(request.get_ref(), from).await {
            Ok(description) => describe_reply::Result::Description(description),
            Err(failure) => describe_reply::Result::Failure(failure),
        };
        Ok(Response::new(DescribeReply { result: Some(result) }))
    }

    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<CertificateReply>, Status> {
        let from = origin(&request)?;
        Ok(Response::new(reply(self.enrol_bearer(request.into_inner(), from).await)))
    }
}

/// A token, and as whom its bearer will be known.
fn row_of(rows: &Rows, token: TokenId) -> Result<Option<(TokenRow, Option<Subject>)>, Unreadable> {
    let Some(row) = rows.get::<Tokens>(&token)? else { return Ok(None) };
    let identity = match (&row.terms.role, &row.terms.name_hint) {
        (JoinRole::Operator, Some(name)) => query::operator(rows, name)?.map(|operator| operator.subject),
        _ => row.terms.renews.clone(),
    };
    Ok(Some((row, identity)))
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
