//! What agents ask of this member.
//!
//! Owns the checks of who asks: the certificate names the agent, the registry must know it under that name and in that
//! region, and it speaks for its own sources alone. A commit's facts are those of the head that the source's key signed;
//! nothing beside it is believed.

mod commit;
mod follow;
mod links;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use strongroom_core::id::{AgentId, ClientSession, RunId, SourceId, UploadId};
use strongroom_platform::clock::Clock;
use strongroom_platform::tls::{PeerIdentity, Role};
use strongroom_proto::agents::v1::agents_server::Agents;
use strongroom_proto::agents::v1::from_agent::Message as Said;
use strongroom_proto::agents::v1::to_agent::Message;
use strongroom_proto::agents::v1::{
    ChangeReply, CloseUploadRequest, CommitSnapshotRequest, Done, FromAgent, GetSourcesReply, GetSourcesRequest, Hello,
    OpenSessionRequest, OpenUploadRequest, Session, Source, Sources, ToAgent, change_reply, get_sources_reply,
};
use strongroom_proto::common::v1::Failure;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, once};
use tonic::{Request, Response, Status, Streaming};

use super::asking::{InSession, ask, fixed, in_session, look, no_session, peer_of, plain, session};
use super::engine::Engine;
use super::failure::rejected;
use crate::id::Position;
use crate::state::agents::{AgentRow, AgentState};
use crate::state::session::OpenSession;
use crate::state::sources::SourceRow;
use crate::state::uploads::{CloseUpload, OpenUpload};
use crate::state::{Answer, Command, Rows, Unreadable, query};
pub(in crate::server) use commit::key_of;
pub use links::AgentLinks;

/// How long an agent may take to say who it is.
const HELLO_TIME_MAX: Duration = Duration::from_secs(10);
/// Sources on one page: their contracts make it large.
const PAGE_SOURCES_MAX: usize = 64;
/// Sources that one call looks at, to find those of its agent.
const SEARCHED_MAX: usize = 1_000;

/// The service of agents.
pub struct AgentService {
    engine: Engine,
    links: Arc<AgentLinks>,
    clock: Arc<dyn Clock>,
}

impl AgentService {
    /// The service of a member.
    pub fn new(engine: Engine, links: Arc<AgentLinks>, clock: Arc<dyn Clock>) -> Self {
        Self { engine, links, clock }
    }

    /// Asks for a command about a source of the caller's.
    async fn change(
        &self,
        peer: &PeerIdentity,
        source: SourceId,
        command: Command,
        within: InSession,
    ) -> Result<Done, Failure> {
        self.own_source(peer, source).await?;
        Ok(done(ask(&self.engine, in_session(command, peer, within)?).await?))
    }

    async fn own_source(&self, peer: &PeerIdentity, source: SourceId) -> Result<SourceRow, Failure> {
        let caller = peer.clone();
        look(&self.engine, move |rows| own_source(rows, &caller, source)).await
    }

    async fn open_session(&self, peer: &PeerIdentity, id: &[u8]) -> Result<Done, Failure> {
        let caller = peer.clone();
        look(&self.engine, move |rows| Ok(registered(rows, &caller)?.map(|_| ()))).await?;
        let open = OpenSession { session: ClientSession(fixed(id, "a session's id")?) };
        Ok(done(ask(&self.engine, plain(open.into(), peer)?).await?))
    }

    async fn open_upload(&self, peer: &PeerIdentity, asked: OpenUploadRequest) -> Result<Done, Failure> {
        let within = within(asked.session)?;
        let source = SourceId(fixed(&asked.source, "a source's id")?);
        let run = if asked.run.is_empty() { None } else { Some(RunId(fixed(&asked.run, "a run's id")?)) };
        let upload = UploadId(fixed(&asked.upload, "an upload's id")?);
        let open = OpenUpload { upload, source, agent: AgentId(peer.id.subject.0), run };
        self.change(peer, source, open.into(), within).await
    }

    async fn close_upload(&self, peer: &PeerIdentity, asked: CloseUploadRequest) -> Result<Done, Failure> {
        let within = within(asked.session)?;
        let source = SourceId(fixed(&asked.source, "a source's id")?);
        let upload = UploadId(fixed(&asked.upload, "an upload's id")?);
        self.change(peer, source, CloseUpload { source, upload, epoch: asked.epoch }.into(), within).await
    }

    async fn commit(&self, peer: &PeerIdentity, asked: CommitSnapshotRequest) -> Result<Done, Failure> {
        let within = within(asked.session.clone())?;
        let source = commit::claimed_source(&asked.signed_head)?;
        let row = self.own_source(peer, source).await?;
        let command = commit::command(&asked, source, &row)?;
        Ok(done(ask(&self.engine, in_session(command.into(), peer, within)?).await?))
    }

    async fn sources(&self, peer: &PeerIdentity, after: &[u8]) -> Result<Sources, Failure> {
        let after = if after.is_empty() { None } else { Some(SourceId(fixed(after, "a source's id")?)) };
        let caller = peer.clone();
        look(&self.engine, move |rows| own_sources(rows, &caller, after)).await
    }

    async fn follow(
        &self,
        peer: PeerIdentity,
        mut said: Streaming<FromAgent>,
    ) -> Result<ReceiverStream<Result<ToAgent, Status>>, Failure> {
        let hello = hello(&mut said).await?;
        let (engine, links, clock) = (self.engine.clone(), Arc::clone(&self.links), Arc::clone(&self.clock));
        let (follower, orders) = follow::welcome(engine, links, clock, peer, hello).await?;
        tokio::spawn(follower.serve(said));
        Ok(ReceiverStream::new(orders))
    }
}

/// The first message of a stream.
async fn hello(said: &mut Streaming<FromAgent>) -> Result<Hello, Failure> {
    match tokio::time::timeout(HELLO_TIME_MAX, said.message()).await {
        Ok(Ok(Some(FromAgent { message: Some(Said::Hello(hello)) }))) => Ok(hello),
        _ => Err(rejected("malformed", "a stream begins with a hello")),
    }
}

/// The caller as the registry knows it, under the name and in the region of its certificate.
fn registered(rows: &Rows, peer: &PeerIdentity) -> Result<Result<AgentRow, Failure>, Unreadable> {
    let row = query::agent(rows, &AgentId(peer.id.subject.0))?;
    let row = row.filter(|row| row.state == AgentState::Active && row.subject.as_str() == peer.id.to_string());
    let Some(row) = row else { return Ok(Err(rejected("unknown-agent", "no such agent is part of the installation"))) };
    let site = query::site(rows, &row.site)?;
    let is_there = site.is_some_and(|site| site.region.as_str() == peer.id.region.as_str());
    Ok(if is_there { Ok(row) } else { Err(rejected("other-region", "the agent's site lies in another region")) })
}

fn own_source(rows: &Rows, peer: &PeerIdentity, source: SourceId) -> Result<Result<SourceRow, Failure>, Unreadable> {
    if let Err(failure) = registered(rows, peer)? {
        return Ok(Err(failure));
    }
    let row = query::source(rows, &source)?.filter(|row| row.facts.agent.0 == peer.id.subject.0);
    Ok(row.ok_or_else(|| rejected("not-yours", "the agent protects no such source")))
}

/// A page of the caller's sources. It looks at a bounded number, so that a page may be empty and yet not the last.
fn own_sources(
    rows: &Rows,
    peer: &PeerIdentity,
    after: Option<SourceId>,
) -> Result<Result<Sources, Failure>, Unreadable> {
    if let Err(failure) = registered(rows, peer)? {
        return Ok(Err(failure));
    }
    let page = query::sources(rows, after.as_ref(), SEARCHED_MAX)?;
    let mut next_after = page.rows.last().filter(|_| page.has_more).map(|(source, _)| *source);
    let mut sources = Vec::new();
    for (source, row) in page.rows.into_iter().filter(|(_, row)| row.facts.agent.0 == peer.id.subject.0) {
        let contract = query::contract(rows, &source)?;
        sources.push(Source {
            source: source.0.to_vec(),
            name: row.facts.name.to_string(),
            domain: row.facts.domain.0.to_vec(),
            terms_version: row.terms_version,
            contract: contract.map(|document| document.as_bytes().to_vec()).unwrap_or_default(),
            is_paused: row.is_paused,
            is_disabled: row.is_disabled,
        });
        if sources.len() == PAGE_SOURCES_MAX {
            next_after = Some(source);
            break;
        }
    }
    let next_after = next_after.map(|source| source.0.to_vec()).unwrap_or_default();
    Ok(Ok(Sources { sources, next_after }))
}

fn within(given: Option<Session>) -> Result<InSession, Failure> {
    let given = given.ok_or_else(no_session)?;
    session(&given.id, given.sequence, given.acknowledged_below)
}

fn done((at, answer): (Position, Answer)) -> Done {
    let epoch = if let Answer::Epoch(epoch) = answer { epoch } else { 0 };
    Done { index: at.index.0, epoch, is_protected: answer == Answer::Protected(true) }
}

fn reply(result: Result<Done, Failure>) -> Response<ChangeReply> {
    let result = match result {
        Ok(done) => change_reply::Result::Done(done),
        Err(failure) => change_reply::Result::Failure(failure),
    };
    Response::new(ChangeReply { result: Some(result) })
}

type Orders = Pin<Box<dyn Stream<Item = Result<ToAgent, Status>> + Send>>;

#[tonic::async_trait]
impl Agents for AgentService {
    type FollowStream = Orders;

    async fn follow(&self, request: Request<Streaming<FromAgent>>) -> Result<Response<Orders>, Status> {
        let peer = peer_of(&request, Role::Agent)?;
        let stream: Orders = match self.follow(peer, request.into_inner()).await {
            Ok(orders) => Box::pin(orders),
            Err(failure) => Box::pin(once(Ok(ToAgent { message: Some(Message::Failure(failure)) }))),
        };
        Ok(Response::new(stream))
    }

    async fn get_sources(&self, request: Request<GetSourcesRequest>) -> Result<Response<GetSourcesReply>, Status> {
        let peer = peer_of(&request, Role::Agent)?;
        let result = match self.sources(&peer, &request.into_inner().after).await {
            Ok(sources) => get_sources_reply::Result::Sources(sources),
            Err(failure) => get_sources_reply::Result::Failure(failure),
        };
        Ok(Response::new(GetSourcesReply { result: Some(result) }))
    }

    async fn open_session(&self, request: Request<OpenSessionRequest>) -> Result<Response<ChangeReply>, Status> {
        let peer = peer_of(&request, Role::Agent)?;
        Ok(reply(self.open_session(&peer, &request.into_inner().id).await))
    }

    async fn open_upload(&self, request: Request<OpenUploadRequest>) -> Result<Response<ChangeReply>, Status> {
        let peer = peer_of(&request, Role::Agent)?;
        Ok(reply(self.open_upload(&peer, request.into_inner()).await))
    }

    async fn close_upload(&self, request: Request<CloseUploadRequest>) -> Result<Response<ChangeReply>, Status> {
        let peer = peer_of(&request, Role::Agent)?;
        Ok(reply(self.close_upload(&peer, request.into_inner()).await))
    }

    async fn commit_snapshot(&self, request: Request<CommitSnapshotRequest>) -> Result<Response<ChangeReply>, Status> {
        let peer = peer_of(&request, Role::Agent)?;
        Ok(reply(self.commit(&peer, request.into_inner()).await))
    }
}
