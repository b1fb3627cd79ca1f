//! What operators ask of this member.
//!
//! ```text
//!   message ──► commands · members ──► access: decided, asked for ──► outcome ──► reply
//!   message ──► access: decided ──► listings · outlook · audit ──► reply
//!   message ──► watch ──► what is, then what changes
//! ```
//!
//! Owns the way from a message to a request and back from an answer, and nothing that decides.

mod access;
mod audit;
mod backup;
mod commands;
mod handover;
mod listings;
mod members;
mod outlook;
mod rows;
mod watch;
mod words;

pub use backup::Backups;

use strongroom_platform::tls::PeerIdentity;
use strongroom_proto::common::v1::Failure;
use strongroom_proto::operators::v1::operators_server::Operators;
use strongroom_proto::operators::v1::{
    BackupPart, BackupRequest, ChangeMembersRequest, DenialsSeen, Done, ExecuteReply, ExecuteRequest,
    GetCheckpointReply, GetCheckpointRequest, GetCountsReply, GetCountsRequest, GetJurisdictionReply,
    GetJurisdictionRequest, GetOutlookReply, GetOutlookRequest, GetSourceReply, GetSourceRequest, Jurisdiction,
    ListEventsReply, ListEventsRequest, ListReply, ListRequest, ProveEventReply, ProveEventRequest, RunsSeen,
    Standing as StandingMessage, StatusReply, StatusRequest, TransferLeadershipRequest, WatchDenialsRequest,
    WatchRunsRequest, execute_reply, get_checkpoint_reply, get_counts_reply, get_jurisdiction_reply, get_outlook_reply,
    get_source_reply, list_events_reply, list_reply, prove_event_reply,
};
use tonic::{Request, Response, Status};

use super::checkpoints;
use super::engine::Engine;
use super::failure::{not_asked, not_leader, rejected, unreadable};
use crate::policy::{self, Caller};
use crate::raft::Role;
use crate::state::membership::HandOver;
use crate::state::places::Jurisdictions;
use crate::state::{Decision, Verdict};
pub use outlook::Foresight;
use watch::{Follow, Watches};

/// The service of operators.
pub struct OperatorService {
    engine: Engine,
    watches: Watches,
    foresight: Foresight,
    backups: Option<Backups>,
    /// The member is to stay the only one of its group.
    is_alone: bool,
}

impl OperatorService {
    /// The service of a member.
    pub fn new(engine: Engine) -> Self {
        let (watches, foresight) = (Watches::default(), Foresight::default());
        Self { engine, watches, foresight, backups: None, is_alone: false }
    }

    /// The same service with what the member's scheduler sees coming.
    #[must_use]
    pub fn with_foresight(self, foresight: Foresight) -> Self {
        Self { foresight, ..self }
    }

    /// The service of a member that has its own process for itself, and takes no other in.
    pub fn alone(engine: Engine) -> Self {
        Self { is_alone: true, ..Self::new(engine) }
    }

    /// The same, which gives copies of the state, too.
    #[must_use]
    pub fn with_backups(self, backups: Backups) -> Self {
        Self { backups: Some(backups), ..self }
    }

    async fn run(&self, request: ExecuteRequest, peer: PeerIdentity) -> Result<u64, Failure> {
        let request = commands::request(request, &peer).map_err(|what| rejected("malformed", what))?;
        access::submit(&self.engine, request, peer).await
    }

    async fn change(&self, request: ChangeMembersRequest, peer: PeerIdentity) -> Result<u64, Failure> {
        self.require_several()?;
        let (change, request) = members::change(request, &peer).map_err(|what| rejected("malformed", what))?;
        let decision = self.decide(peer.clone(), "member.change").await?;
        if decision.verdict == Verdict::Denied {
            // The attempt stands in the audit log.
            return access::submit(&self.engine, request, peer).await;
        }
        let request = crate::state::Request { decision, ..request };
        // If the members have changed and the registry refuses what was to be noted, that is what is told.
        match self.engine.change(change, Some(request)).await {
            Ok(answer) => access::outcome(&self.engine, answer).await,
            Err(error) => Err(not_asked(error)),
        }
    }

    /// Refuses what makes no sense for a member that is alone.
    fn require_several(&self) -> Result<(), Failure> {
        if self.is_alone {
            return Err(rejected("alone", "a room has one member, which takes no other in"));
        }
        Ok(())
    }

    async fn transfer(&self, to: &str, peer: PeerIdentity) -> Result<u64, Failure> {
        self.require_several()?;
        let to = commands::member(to).map_err(|what| rejected("malformed", what))?;
        let from = self.engine.inspect(|member| member.identity().member).await.map_err(not_asked)?;
        let noted = commands::own_retry(HandOver { from, to }.into(), &peer);
        let noted = noted.map_err(|what| rejected("malformed", what))?;
        // Who asked stands in the audit log before anything happens; a member that does not lead is told who does.
        access::submit(&self.engine, noted, peer).await?;
        handover::transfer(&self.engine, to).await
    }

    /// The decision of this member, if it leads.
    async fn decide(&self, peer: PeerIdentity, action: &'static str) -> Result<Decision, Failure> {
        let standing = self.engine.standing();
        if standing.role != Role::Leader {
            return Err(not_leader(&self.engine, standing.leader).await);
        }
        let decided = self.engine.inspect(move |member| {
            Caller::of(member.machine().rows(), &peer).map(|caller| policy::decide(&caller, action))
        });
        decided.await.map_err(not_asked)?.map_err(|error| unreadable(&error))
    }

    async fn now_ms(&self) -> Result<u64, Failure> {
        self.engine.inspect(|member| member.machine().stamp().accrued_ms).await.map_err(not_asked)
    }

    async fn jurisdiction(&self, name: &str, peer: PeerIdentity) -> Result<Jurisdiction, Failure> {
        let name = commands::jurisdiction(name).map_err(|what| rejected("malformed", what))?;
        access::read(&self.engine, peer, "jurisdiction.list", move |rows| {
            let row = rows.get::<Jurisdictions>(&name).map_err(|error| unreadable(&error))?;
            let row = row.ok_or_else(|| rejected("missing", "there is no such jurisdiction"))?;
            Ok(Jurisdiction {
                name: name.to_string(),
                codes: row.codes.iter().map(ToString::to_string).collect(),
                references: row.references,
            })
        })
        .await
    }

    async fn page(&self, request: ListRequest, peer: PeerIdentity) -> Result<list_reply::Result, Failure> {
        let listing = request.listing();
        let action = listings::action(listing).ok_or_else(|| rejected("malformed", "the listing is unknown"))?;
        let now_ms = self.now_ms().await?;
        let look = move |rows: &_| listings::page(rows, listing, &request, now_ms);
        access::read(&self.engine, peer, action, look).await.map(list_reply::Result::Page)
    }

    async fn source(&self, source: String, peer: PeerIdentity) -> Result<get_source_reply::Result, Failure> {
        let now_ms = self.now_ms().await?;
        let look = move |rows: &_| listings::details(rows, &source, now_ms);
        access::read(&self.engine, peer, "source.show", look).await.map(get_source_reply::Result::Source)
    }

    async fn counts(&self, peer: PeerIdentity) -> Result<get_counts_reply::Result, Failure> {
        let now_ms = self.now_ms().await?;
        let look = move |rows: &_| listings::counts(rows, now_ms);
        access::read(&self.engine, peer, "count.list", look).await.map(get_counts_reply::Result::Counts)
    }

    async fn outlook(
        &self,
        request: GetOutlookRequest,
        peer: PeerIdentity,
    ) -> Result<get_outlook_reply::Result, Failure> {
        let now_ms = self.now_ms().await?;
        // Whoever does not lead is told so here; what comes after it is the leader's own memory.
        let after =
            access::read(&self.engine, peer, "outlook.show", move |rows| outlook::asked(rows, &request)).await?;
        Ok(get_outlook_reply::Result::Outlook(self.foresight.page(&after, now_ms)))
    }

    async fn checkpoint(&self, peer: PeerIdentity) -> Result<get_checkpoint_reply::Result, Failure> {
        let cluster = self.engine.inspect(|member| member.identity().cluster).await.map_err(not_asked)?;
        let look = move |rows: &_| audit::standing(rows, checkpoints::origin_text(cluster));
        access::read(&self.engine, peer, "audit.checkpoint", look).await.map(get_checkpoint_reply::Result::Standing)
    }
}

#[tonic::async_trait]
impl Operators for OperatorService {
    async fn execute(&self, request: Request<ExecuteRequest>) -> Result<Response<ExecuteReply>, Status> {
        let peer = access::peer(&request)?;
        Ok(Response::new(reply(self.run(request.into_inner(), peer).await)))
    }

    async fn change_members(&self, request: Request<ChangeMembersRequest>) -> Result<Response<ExecuteReply>, Status> {
        let peer = access::peer(&request)?;
        Ok(Response::new(reply(self.change(request.into_inner(), peer).await)))
    }

    async fn transfer_leadership(
        &self,
        request: Request<TransferLeadershipRequest>,
    ) -> Result<Response<ExecuteReply>, Status> {
        let peer = access::peer(&request)?;
        Ok(Response::new(reply(self.transfer(&request.into_inner().to, peer).await)))
    }

    async fn get_jurisdiction(
        &self,
        request: Request<GetJurisdictionRequest>,
    ) -> Result<Response<GetJurisdictionReply>, Status> {
        let peer = access::peer(&request)?;
        let result = self.jurisdiction(&request.into_inner().name, peer).await;
        let result = result.map(get_jurisdiction_reply::Result::Jurisdiction);
        let result = result.unwrap_or_else(get_jurisdiction_reply::Result::Failure);
        Ok(Response::new(GetJurisdictionReply { result: Some(result) }))
    }

    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        let peer = access::peer(&request)?;
        let looked = self.engine.inspect(move |member| {
            access::permit(member.machine().rows(), &peer, "status.show").map(|()| members::status(member))
        });
        let status = looked.await.map_err(|error| Status::unavailable(error.to_string()))?;
        status.map(Response::new).map_err(|failure| Status::permission_denied(failure.message))
    }

    type WatchStandingStream = Follow<StandingMessage>;

    async fn watch_standing(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<Self::WatchStandingStream>, Status> {
        let peer = access::peer(&request)?;
        self.watches.standing(self.engine.clone(), peer).map(Response::new)
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListReply>, Status> {
        let peer = access::peer(&request)?;
        let result = self.page(request.into_inner(), peer).await.unwrap_or_else(list_reply::Result::Failure);
        Ok(Response::new(ListReply { result: Some(result) }))
    }

    async fn get_source(&self, request: Request<GetSourceRequest>) -> Result<Response<GetSourceReply>, Status> {
        let peer = access::peer(&request)?;
        let result = self.source(request.into_inner().source, peer).await;
        let result = result.unwrap_or_else(get_source_reply::Result::Failure);
        Ok(Response::new(GetSourceReply { result: Some(result) }))
    }

    async fn get_counts(&self, request: Request<GetCountsRequest>) -> Result<Response<GetCountsReply>, Status> {
        let peer = access::peer(&request)?;
        let result = self.counts(peer).await.unwrap_or_else(get_counts_reply::Result::Failure);
        Ok(Response::new(GetCountsReply { result: Some(result) }))
    }

    async fn get_outlook(&self, request: Request<GetOutlookRequest>) -> Result<Response<GetOutlookReply>, Status> {
        let peer = access::peer(&request)?;
        let result = self.outlook(request.into_inner(), peer).await;
        let result = result.unwrap_or_else(get_outlook_reply::Result::Failure);
        Ok(Response::new(GetOutlookReply { result: Some(result) }))
    }

    async fn list_events(&self, request: Request<ListEventsRequest>) -> Result<Response<ListEventsReply>, Status> {
        let peer = access::peer(&request)?;
        let request = request.into_inner();
        let look = move |rows: &_| audit::events(rows, request).map(list_events_reply::Result::Events);
        let result = access::read(&self.engine, peer, "audit.list", look).await;
        let result = result.unwrap_or_else(list_events_reply::Result::Failure);
        Ok(Response::new(ListEventsReply { result: Some(result) }))
    }

    async fn prove_event(&self, request: Request<ProveEventRequest>) -> Result<Response<ProveEventReply>, Status> {
        let peer = access::peer(&request)?;
        let leaf = request.into_inner().leaf;
        let look = move |rows: &_| audit::proof(rows, leaf).map(prove_event_reply::Result::Proof);
        let result = access::read(&self.engine, peer, "audit.prove", look).await;
        let result = result.unwrap_or_else(prove_event_reply::Result::Failure);
        Ok(Response::new(ProveEventReply { result: Some(result) }))
    }

    async fn get_checkpoint(
        &self,
        request: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointReply>, Status> {
        let peer = access::peer(&request)?;
        let result = self.checkpoint(peer).await.unwrap_or_else(get_checkpoint_reply::Result::Failure);
        Ok(Response::new(GetCheckpointReply { result: Some(result) }))
    }

    type WatchDenialsStream = Follow<DenialsSeen>;

    async fn watch_denials(
        &self,
        request: Request<WatchDenialsRequest>,
    ) -> Result<Response<Self::WatchDenialsStream>, Status> {
        let peer = access::peer(&request)?;
        let after = request.into_inner().after_version;
        self.watches.denials(self.engine.clone(), peer, after).map(Response::new)
    }

    type WatchRunsStream = Follow<RunsSeen>;

    async fn watch_runs(&self, request: Request<WatchRunsRequest>) -> Result<Response<Self::WatchRunsStream>, Status> {
        let peer = access::peer(&request)?;
        let source = request.into_inner().source;
        self.watches.runs(self.engine.clone(), peer, source).map(Response::new)
    }

    type BackupStream = Follow<BackupPart>;

    async fn backup(&self, request: Request<BackupRequest>) -> Result<Response<Self::BackupStream>, Status> {
        let peer = access::peer(&request)?;
        let backups = self.backups.clone().ok_or_else(|| Status::unimplemented("this member gives no copies"))?;
        Ok(Response::new(backups.follow(self.engine.clone(), peer)))
    }
}

fn reply(result: Result<u64, Failure>) -> ExecuteReply {
    let result = match result {
        Ok(index) => execute_reply::Result::Done(Done { index }),
        Err(failure) => execute_reply::Result::Failure(failure),
    };
    ExecuteReply { result: Some(result) }
}

#[cfg(test)]
pub(in crate::server) mod tests;
