//! What depots ask of this member.
//!
//! Owns the checks of who asks, and of what a depot signed: a receipt is proposed only if the key that was registered when
//! the depot joined signed it. A depot speaks for itself alone, and can't change that key.

use std::pin::Pin;
use std::time::Duration;

use strongroom_core::id::{ClientSession, DepotId, MerkleRoot, PackId, SourceId};
use strongroom_platform::tls::{PeerIdentity, Role};
use strongroom_proto::common::v1::Failure;
use strongroom_proto::depots::v1::depots_server::Depots;
use strongroom_proto::depots::v1::{
    AnnounceRequest, ChangeReply, Done, FollowReply, FollowRequest, OpenSessionRequest, RegisterReceiptRequest,
    Standing, change_reply, follow_reply,
};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::agents::key_of;
use super::asking::{ask, fixed, in_session, look, no_session, peer_of, plain, session};
use super::engine::Engine;
use super::failure::rejected;
use crate::id::Position;
use crate::state::bytes::{PublicKey, Signature};
use crate::state::counters::{Counter, count};
use crate::state::depots::{ChangeDepot, DepotFacts, DepotRow, DepotState};
use crate::state::receipts::{PACKS_PER_RECEIPT_MAX, ReceiptSigner, RegisterReceipt};
use crate::state::session::OpenSession;
use crate::state::text::Address;
use crate::state::{Answer, Rows, Unreadable, query};

/// How often what the group holds of a depot is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Changes that may wait for a depot to read them.
const CHANGES_MAX: usize = 4;

/// The service of depots.
pub struct DepotService {
    engine: Engine,
}

impl DepotService {
    /// The service of a member.
    pub fn new(engine: Engine) -> Self {
        Self { engine }
    }

    async fn registered(&self, peer: &PeerIdentity) -> Result<DepotRow, Failure> {
        let caller = peer.clone();
        look(&self.engine, move |rows| registered(rows, &caller)).await
    }

    async fn open_session(&self, peer: &PeerIdentity, id: &[u8]) -> Result<Done, Failure> {
        self.registered(peer).await?;
        let open = OpenSession { session: ClientSession(fixed(id, "a session's id")?) };
        Ok(done(ask(&self.engine, plain(open.into(), peer)?).await?))
    }

    async fn announce(&self, peer: &PeerIdentity, asked: AnnounceRequest) -> Result<Done, Failure> {
        let given = asked.session.ok_or_else(no_session)?;
        let within = session(&given.id, given.sequence, given.acknowledged_below)?;
        let malformed = |error: &dyn std::error::Error| rejected("malformed", &error.to_string());
        let key = PublicKey::new(&asked.key).map_err(|error| malformed(&error))?;
        let address = Address::new(&asked.address).map_err(|error| malformed(&error))?;
        if self.registered(peer).await?.facts.key != key {
            return Err(rejected("other-key", "a depot's key was registered when it joined, and does not change"));
        }
        let facts = DepotFacts { capacity_bytes: asked.capacity_bytes, key, address };
        let change = ChangeDepot { depot: DepotId(peer.id.subject.0), facts };
        Ok(done(ask(&self.engine, in_session(change.into(), peer, within)?).await?))
    }

    async fn register(&self, peer: &PeerIdentity, asked: RegisterReceiptRequest) -> Result<Done, Failure> {
        if asked.packs.len() > PACKS_PER_RECEIPT_MAX {
            return Err(rejected("too-many", "too many packs under one receipt"));
        }
        let row = self.registered(peer).await?;
        let command = receipt(DepotId(peer.id.subject.0), &row, &asked)?;
        Ok(done(ask(&self.engine, plain(command.into(), peer)?).await?))
    }

    async fn standing(&self, peer: &PeerIdentity) -> Result<Standing, Failure> {
        let caller = peer.clone();
        look(&self.engine, move |rows| {
            let deny_version = count(rows, Counter::DenyVersion)?;
            let row = registered(rows, &caller)?;
            Ok(row.map(|row| Standing { state: word(row.state).to_owned(), generation: row.generation, deny_version }))
        })
        .await
    }

    /// Says how things stand whenever that changes, until it can't be said.
    async fn follow(self, peer: PeerIdentity, changes: mpsc::Sender<Result<FollowReply, Status>>) {
        let mut interval = tokio::time::interval(LOOK_EVERY);
        let mut said = None;
        while !changes.is_closed() {
            interval.tick().await;
            let (result, is_over) = match self.standing(&peer).await {
                Ok(standing) if said.as_ref() == Some(&standing) => continue,
                Ok(standing) => {
                    said = Some(standing.clone());
                    (follow_reply::Result::Standing(standing), false)
                }
                Err(failure) => (follow_reply::Result::Failure(failure), true),
            };
            if changes.send(Ok(FollowReply { result: Some(result) })).await.is_err() || is_over {
                return;
            }
        }
    }
}

/// The caller as the registry knows it, under the name and in the region of its certificate.
fn registered(rows: &Rows, peer: &PeerIdentity) -> Result<Result<DepotRow, Failure>, Unreadable> {
    let row = query::depot(rows, &DepotId(peer.id.subject.0))?;
    let Some(row) = row.filter(|row| row.subject.as_str() == peer.id.to_string()) else {
        return Ok(Err(rejected("unknown-depot", "no such depot is part of the installation")));
    };
    let site = query::site(rows, &row.site)?;
    let is_there = site.is_some_and(|site| site.region.as_str() == peer.id.region.as_str());
    Ok(if is_there { Ok(row) } else { Err(rejected("other-region", "the depot's site lies in another region")) })
}

/// The command that a receipt comes to, if the depot signed it.
fn receipt(depot: DepotId, row: &DepotRow, asked: &RegisterReceiptRequest) -> Result<RegisterReceipt, Failure> {
    let source = SourceId(fixed(&asked.source, "a source's id")?);
    let pack = |pack: &strongroom_proto::depots::v1::HeldPack| {
        Ok((PackId(fixed(&pack.pack, "a pack's id")?), MerkleRoot(fixed(&pack.root, "a pack's root")?)))
    };
    let packs: Vec<(PackId, MerkleRoot)> = asked.packs.iter().map(pack).collect::<Result<_, Failure>>()?;
    let signature = Signature::new(&asked.signature).map_err(|error| rejected("malformed", &error.to_string()))?;
    let (profile, key) = key_of(&row.facts.key).ok_or_else(|| rejected("bad-key", "the depot's key is none"))?;
    let by = ReceiptSigner { depot, profile, key: &key };
    let command = RegisterReceipt::signed(by, source, asked.epoch, &packs, signature);
    command.ok_or_else(|| rejected("bad-signature", "the depot's key did not sign this receipt"))
}

const fn word(state: DepotState) -> &'static str {
    match state {
        DepotState::Active => "active",
        DepotState::Draining => "draining",
        DepotState::Lost => "lost",
    }
}

fn done((at, answer): (Position, Answer)) -> Done {
    Done { index: at.index.0, is_protected: answer == Answer::Protected(true) }
}

fn reply(result: Result<Done, Failure>) -> Response<ChangeReply> {
    let result = match result {
        Ok(done) => change_reply::Result::Done(done),
        Err(failure) => change_reply::Result::Failure(failure),
    };
    Response::new(ChangeReply { result: Some(result) })
}

type Standings = Pin<Box<dyn Stream<Item = Result<FollowReply, Status>> + Send>>;

#[tonic::async_trait]
impl Depots for DepotService {
    type FollowStream = Standings;

    async fn open_session(&self, request: Request<OpenSessionRequest>) -> Result<Response<ChangeReply>, Status> {
        let peer = peer_of(&request, Role::Depot)?;
        Ok(reply(self.open_session(&peer, &request.into_inner().id).await))
    }

    async fn announce(&self, request: Request<AnnounceRequest>) -> Result<Response<ChangeReply>, Status> {
        let peer = peer_of(&request, Role::Depot)?;
        Ok(reply(self.announce(&peer, request.into_inner()).await))
    }

    async fn register_receipt(
        &self,
        request: Request<RegisterReceiptRequest>,
    ) -> Result<Response<ChangeReply>, Status> {
        let peer = peer_of(&request, Role::Depot)?;
        Ok(reply(self.register(&peer, request.into_inner()).await))
    }

    async fn follow(&self, request: Request<FollowRequest>) -> Result<Response<Standings>, Status> {
        let peer = peer_of(&request, Role::Depot)?;
        let (changes, waiting) = mpsc::channel(CHANGES_MAX);
        tokio::spawn(Self::new(self.engine.clone()).follow(peer, changes));
        Ok(Response::new(Box::pin(ReceiverStream::new(waiting))))
    }
}
