//! What clients ask of this member.
//!
//! Owns the way from a message to a request and back from an answer, and nothing that decides. A failure says whether
//! asking again may do: a write whose fate is not known is never called failed.

mod commands;

use std::pin::Pin;

use strongroom_platform::tls::{PeerIdentity, Role as Part};
use strongroom_proto::common::v1::{Class, Failure};
use strongroom_proto::operators::v1::operators_server::Operators;
use strongroom_proto::operators::v1::{
    ChangeMembersRequest, Done, ExecuteReply, ExecuteRequest, GetJurisdictionReply, GetJurisdictionRequest,
    Jurisdiction, MemberStatus, Standing as StandingMessage, StatusReply, StatusRequest, TransferLeadershipRequest,
    execute_reply, get_jurisdiction_reply,
};
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};

use super::engine::{Engine, EngineError};
use crate::id::MemberId;
use crate::member::{Answer, Event, Member};
use crate::raft::{Role, Standing, Unchanged};
use crate::state::text::JurisdictionName;
use crate::state::{Outcome, Rows, members, places, query};

/// Members that a status lists; a group has no more.
const MEMBERS_MAX: usize = 256;

/// The service of operators.
pub struct OperatorService {
    engine: Engine,
}

impl OperatorService {
    /// The service of a member.
    pub fn new(engine: Engine) -> Self {
        Self { engine }
    }

    async fn run(&self, request: ExecuteRequest, peer: &PeerIdentity) -> Result<u64, Failure> {
        let request = commands::request(request, peer).map_err(|what| rejected("malformed", what))?;
        match self.engine.submit(request).await {
            Ok(Answer::Applied { at, outcome: Outcome::Done(_) }) => Ok(at.index.0),
            Ok(Answer::Applied { outcome: Outcome::Rejected(refusal), .. }) => {
                Err(rejected(refusal.code(), &refusal.to_string()))
            }
            Ok(answer) => Err(self.not_applied(&answer).await),
            Err(error) => Err(not_asked(error)),
        }
    }

    async fn change(&self, request: ChangeMembersRequest, peer: &PeerIdentity) -> Result<u64, Failure> {
        let (change, request) = commands::change(request, peer).map_err(|what| rejected("malformed", what))?;
        match self.engine.change(change, request).await {
            Ok(Answer::Applied { at, outcome: Outcome::Done(_) }) => Ok(at.index.0),
            // The members have changed, and what was to be noted of the new one was not: the state changed meanwhile.
            Ok(Answer::Applied { outcome: Outcome::Rejected(refusal), .. }) => {
                Err(rejected(refusal.code(), &refusal.to_string()))
            }
            Ok(answer) => Err(self.not_applied(&answer).await),
            Err(error) => Err(not_asked(error)),
        }
    }

    async fn transfer(&self, to: &str) -> Result<u64, Failure> {
        let to = to.parse().map_err(|_| rejected("malformed", "a member has 16 hexadecimal digits"))?;
        let standing = self.engine.standing();
        if standing.role != Role::Leader {
            return Err(self.not_applied(&Answer::NotLeader { leader: standing.leader }).await);
        }
        self.engine.event(Event::Transfer { to }).map_err(not_asked)?;
        Ok(standing.committed.0)
    }

    async fn jurisdiction(&self, name: &str) -> Result<Jurisdiction, Failure> {
        let name = JurisdictionName::new(name).map_err(|error| rejected("malformed", &error.to_string()))?;
        let looked_up = name.clone();
        let read = self.engine.read(move |rows| rows.get::<places::Jurisdictions>(&looked_up)).await;
        match read {
            Ok(Ok(Ok(Some(row)))) => Ok(Jurisdiction {
                name: name.to_string(),
                codes: row.codes.iter().map(ToString::to_string).collect(),
                references: row.references,
            }),
            Ok(Ok(Ok(None))) => Err(rejected("missing", "there is no such jurisdiction")),
            Ok(Ok(Err(error))) => Err(failure(Class::Fatal, "unreadable", &error.to_string(), "Ask another member.")),
            Ok(Err(answer)) => Err(self.not_applied(&answer).await),
            Err(error) => Err(not_asked(error)),
        }
    }

    /// Why an answer is none, and where to ask instead.
    async fn not_applied(&self, answer: &Answer) -> Failure {
        match answer {
            Answer::NotLeader { leader } => {
                let again = "Ask the leader, or any member again in a moment.";
                let mut failure = failure(Class::Retry, "not-leader", "this member does not lead", again);
                failure.leader = self.address_of(*leader).await.unwrap_or_default();
                failure
            }
            Answer::Busy => {
                failure(Class::Retry, "busy", "the leader takes no more at the moment", "Ask again in a moment.")
            }
            Answer::Refused(refusal) => rejected(refusal.code(), &refusal.to_string()),
            Answer::TooLong(error) => rejected("too-long", &error.to_string()),
            Answer::Unchanged(error @ Unchanged::UnderWay) => {
                failure(Class::Retry, "under-way", &error.to_string(), "Ask again when the members are settled.")
            }
            Answer::Unchanged(error) => rejected("unchanged", &error.to_string()),
            Answer::Unknown | Answer::Applied { .. } => failure(
                Class::Unknown,
                "unknown",
                "leadership was lost before the outcome was known",
                "Send the same request again, in the same session and with the same number.",
            ),
        }
    }

    async fn address_of(&self, leader: Option<MemberId>) -> Option<String> {
        let leader = leader?;
        let row = self.engine.inspect(move |member| member_row(member.machine().rows(), leader)).await.ok()??;
        row.details.map(|details| details.api_address.to_string())
    }
}

type Follow<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Operators for OperatorService {
    async fn execute(&self, request: Request<ExecuteRequest>) -> Result<Response<ExecuteReply>, Status> {
        let peer = operator(&request)?;
        Ok(Response::new(reply(self.run(request.into_inner(), &peer).await)))
    }

    async fn change_members(&self, request: Request<ChangeMembersRequest>) -> Result<Response<ExecuteReply>, Status> {
        let peer = operator(&request)?;
        Ok(Response::new(reply(self.change(request.into_inner(), &peer).await)))
    }

    async fn transfer_leadership(
        &self,
        request: Request<TransferLeadershipRequest>,
    ) -> Result<Response<ExecuteReply>, Status> {
        operator(&request)?;
        Ok(Response::new(reply(self.transfer(&request.into_inner().to).await)))
    }

    async fn get_jurisdiction(
        &self,
        request: Request<GetJurisdictionRequest>,
    ) -> Result<Response<GetJurisdictionReply>, Status> {
        operator(&request)?;
        let result = match self.jurisdiction(&request.into_inner().name).await {
            Ok(row) => get_jurisdiction_reply::Result::Jurisdiction(row),
            Err(failure) => get_jurisdiction_reply::Result::Failure(failure),
        };
        Ok(Response::new(GetJurisdictionReply { result: Some(result) }))
    }

    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        operator(&request)?;
        let status = self.engine.inspect(status).await;
        status.map(Response::new).map_err(|error| Status::unavailable(error.to_string()))
    }

    type WatchStandingStream = Follow<StandingMessage>;

    async fn watch_standing(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<Self::WatchStandingStream>, Status> {
        operator(&request)?;
        let standings = WatchStream::new(self.engine.watch()).map(|standing| Ok(standing_message(standing)));
        Ok(Response::new(Box::pin(standings)))
    }
}

/// The operator at the other end of the connection; members and operators may ask here.
fn operator<T>(request: &Request<T>) -> Result<PeerIdentity, Status> {
    let peer = request.extensions().get::<PeerIdentity>();
    let peer = peer.filter(|peer| matches!(peer.id.role, Part::Operator | Part::Coordinator)).cloned();
    peer.ok_or_else(|| Status::permission_denied("only operators may ask here"))
}

fn reply(result: Result<u64, Failure>) -> ExecuteReply {
    let result = match result {
        Ok(index) => execute_reply::Result::Done(Done { index }),
        Err(failure) => execute_reply::Result::Failure(failure),
    };
    ExecuteReply { result: Some(result) }
}

fn status(member: &Member) -> StatusReply {
    let (identity, machine) = (member.identity(), member.machine());
    let configuration = machine.configuration();
    let progress = member.group().progress();
    let members = configuration.members().into_iter().take(MEMBERS_MAX).map(|id| {
        let details = member_row(machine.rows(), id).and_then(|row| row.details);
        let part = match () {
            () if configuration.voters.contains(&id) => "voter",
            () if configuration.learners.contains(&id) => "learner",
            () => "leaving",
        };
        let details = details.as_ref();
        MemberStatus {
            member: id.to_string(),
            part: part.to_owned(),
            name: details.map(|it| it.name.to_string()).unwrap_or_default(),
            region: details.map(|it| it.region.to_string()).unwrap_or_default(),
            peer_address: details.map(|it| it.peer_address.to_string()).unwrap_or_default(),
            api_address: details.map(|it| it.api_address.to_string()).unwrap_or_default(),
            matched: progress.iter().find(|it| it.member == id).map_or(0, |it| it.matched.0),
        }
    });
    StatusReply {
        cluster: identity.cluster.to_string(),
        epoch: identity.epoch.0,
        member: identity.member.to_string(),
        standing: Some(standing_message(member.standing())),
        applied: machine.position().index.0,
        state_digest: machine.digest().to_string(),
        members: members.collect(),
    }
}

/// What the registry says of a member; a row that can't be read says nothing, and ends the member elsewhere.
fn member_row(rows: &Rows, id: MemberId) -> Option<members::MemberRow> {
    query::member(rows, &id).ok().flatten()
}

fn standing_message(standing: Standing) -> StandingMessage {
    let role = match standing.role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
    };
    StandingMessage {
        role: role.to_owned(),
        term: standing.term.0,
        leader: standing.leader.map(|id| id.to_string()).unwrap_or_default(),
        committed: standing.committed.0,
        last: standing.last.0,
    }
}

fn not_asked(error: EngineError) -> Failure {
    match error {
        EngineError::Overloaded => failure(Class::Retry, "overloaded", &error.to_string(), "Ask again in a moment."),
        EngineError::Ended => {
            failure(Class::Unknown, "ended", &error.to_string(), "Send the same request to another member.")
        }
    }
}

fn rejected(code: &str, message: &str) -> Failure {
    failure(Class::Rejected, code, message, "Ask for something else.")
}

fn failure(class: Class, code: &str, message: &str, remedy: &str) -> Failure {
    Failure {
        code: code.to_owned(),
        class: class.into(),
        message: message.to_owned(),
        remedy: remedy.to_owned(),
        leader: String::new(),
    }
}
