//! The streams between members.
//!
//! Owns one stream out to each other member, with a bounded queue in front: what does not fit is dropped, and the member
//! is told that the other can't be reached. A connection out stands only if the other end has proven to be the member
//! that is meant, and what comes in is passed on only if its sender is the one that the connection has proven to be. What
//! a member asks the leader for is decided upon here, by its proven name, and is never more than members ask for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prost::Message as _;
use rustls::ClientConfig;
use strongroom_platform::disk::{Disk, DiskError, DurableFile, Pieces};
use strongroom_platform::tls::{PeerIdentity, Role};
use strongroom_proto::peers::v1::envelope::Content;
use strongroom_proto::peers::v1::peers_client::PeersClient;
use strongroom_proto::peers::v1::peers_server::Peers;
use strongroom_proto::peers::v1::propose_reply::Result as Proposed;
use strongroom_proto::peers::v1::snapshot_part::Part;
use strongroom_proto::peers::v1::{Envelope, LogMessage, ProposeReply, ProposeRequest, Received, SnapshotPart};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

use super::dial::{DialError, dial_member, dial_member_watched};
use super::engine::{Engine, EngineError, member_of};
use super::forward::{Housekeeping, decided};
use super::open::OpenConnections;
use super::pause::pause;
use crate::id::MemberId;
use crate::member::{Answer, Event, FolderShares, SnapshotJob, stage};
use crate::raft::Role as Standing;
use crate::state::text::Subject;
use crate::state::{Actor, Command, Decision, Outcome, Refusal, Request as StateRequest};
use crate::store;

/// Envelopes that may wait for a stream; Raft sends what is lost again.
const WAITING_MAX: usize = 4_096;
/// Bytes of envelopes that may wait for a stream, the one that is being sent included.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The largest message: a batch of entries, and what surrounds it.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a snapshot in one message.
const PART_BYTES: usize = 256 * 1024;
/// How long to wait before a stream is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// The streams out.
pub struct Links {
    me: MemberId,
    tls: Arc<ClientConfig>,
    disk: Arc<dyn Disk>,
    runtime: tokio::runtime::Handle,
    engine: OnceCell<Engine>,
    open: OnceCell<Arc<OpenConnections>>,
    routes: BTreeMap<String, String>,
    out: Mutex<BTreeMap<MemberId, Link>>,
}

struct Link {
    address: String,
    queue: mpsc::Sender<Waiting>,
    bytes: Arc<Semaphore>,
}

/// An envelope that waits, and the room that it takes.
type Waiting = (Envelope, OwnedSemaphorePermit);

impl Link {
    /// Puts an envelope in the queue, if there is room for one more and for its bytes.
    fn offer(&self, envelope: Envelope) -> bool {
        let bytes = u32::try_from(envelope.encoded_len()).unwrap_or(u32::MAX);
        let Ok(permit) = Arc::clone(&self.bytes).try_acquire_many_owned(bytes) else { return false };
        self.queue.try_send((envelope, permit)).is_ok()
    }
}

impl Links {
    /// No streams yet.
    pub fn new(me: MemberId, tls: Arc<ClientConfig>, disk: Arc<dyn Disk>, runtime: tokio::runtime::Handle) -> Self {
        Self {
            me,
            tls,
            disk,
            runtime,
            engine: OnceCell::new(),
            open: OnceCell::new(),
            routes: BTreeMap::new(),
            out: Mutex::default(),
        }
    }

    /// Says which addresses are reached by another one.
    #[must_use]
    pub fn routed(self, routes: BTreeMap<String, String>) -> Self {
        Self { routes, ..self }
    }

    /// The other members, and where they are reached.
    pub fn known(&self) -> Vec<(MemberId, String)> {
        let out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.iter().map(|(member, link)| (*member, link.address.clone())).collect()
    }

    /// Says whom to tell when a member can't be reached.
    pub fn attach(&self, engine: Engine) {
        drop(self.engine.set(engine));
    }

    /// Says who closes streams to those who may not stay.
    pub fn watched_by(&self, open: Arc<OpenConnections>) {
        drop(self.open.set(open));
    }

    /// Connects to a member whose address is known.
    pub async fn channel_to(&self, member: MemberId) -> Option<Result<Channel, DialError>> {
        let address = self.address_of(member)?;
        Some(self.dialler().dial(member, &address).await)
    }

    fn dialler(&self) -> Dialler {
        Dialler { tls: Arc::clone(&self.tls), open: self.open.get().cloned() }
    }

    /// Says where the members are. Streams to others that are not named end.
    pub fn know(self: &Arc<Self>, addresses: &BTreeMap<MemberId, String>) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let routed = |address: &String| self.routes.get(address).unwrap_or(address).clone();
        let addresses: BTreeMap<MemberId, String> = addresses.iter().map(|(id, it)| (*id, routed(it))).collect();
        out.retain(|member, link| addresses.get(member) == Some(&link.address));
        for (member, address) in addresses.iter().filter(|(member, _)| **member != self.me) {
            out.entry(*member).or_insert_with(|| self.open(*member, address));
        }
    }

    /// Sends an envelope, or drops it.
    pub fn send(&self, envelope: Envelope) {
        let Some(to) = MemberId::from_number(envelope.to) else { return };
        let out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = out.get(&to).map(|link| link.offer(envelope));
        if sent == Some(false) {
            drop(out);
            self.unreachable(to);
        }
    }

    /// Sends a snapshot, and tells the member how it ended.
    pub fn send_snapshot(&self, job: SnapshotJob) {
        let address = self.address_of(job.to);
        let (dialler, disk, engine) = (self.dialler(), Arc::clone(&self.disk), self.engine.get().cloned());
        self.runtime.spawn(async move {
            let to = job.to;
            let sent = match address {
                Some(address) => transfer(&address, dialler, disk, job).await,
                None => Err(TransferError::NoAddress),
            };
            if let Err(error) = &sent {
                tracing::warn!(%to, %error, "a snapshot was not sent");
            }
            if let Some(engine) = engine {
                engine.tell(Event::SnapshotSent { to, is_done: sent.is_ok() }).await.ok();
            }
        });
    }

    fn address_of(&self, member: MemberId) -> Option<String> {
        let out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.get(&member).map(|link| link.address.clone())
    }

    fn unreachable(&self, member: MemberId) {
        if let Some(engine) = self.engine.get() {
            engine.event(Event::Unreachable(member)).ok();
        }
    }

    fn open(self: &Arc<Self>, member: MemberId, address: &str) -> Link {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let (links, to) = (Arc::downgrade(self), address.to_owned());
        let dialler = self.dialler();
        self.runtime.spawn(async move {
            let mut waiting = waiting;
            loop {
                let ended = stream(member, &to, &dialler, waiting).await;
                let Some((back, error)) = ended else { return };
                waiting = back;
                let Some(links) = links.upgrade() else { return };
                tracing::debug!(%member, ?error, "the stream to a member ended");
                links.unreachable(member);
                drop(links);
                pause(RETRY).await;
                while waiting.try_recv().is_ok() {}
            }
        });
        Link { address: address.to_owned(), queue, bytes: Arc::new(Semaphore::new(WAITING_BYTES_MAX)) }
    }
}

/// How connections to other members are made.
struct Dialler {
    tls: Arc<ClientConfig>,
    open: Option<Arc<OpenConnections>>,
}

impl Dialler {
    async fn dial(&self, member: MemberId, address: &str) -> Result<Channel, DialError> {
        match &self.open {
            Some(open) => dial_member_watched(member, address, Arc::clone(&self.tls), Arc::clone(open)).await,
            None => dial_member(member, address, Arc::clone(&self.tls)).await,
        }
    }
}

/// Carries envelopes until the stream breaks, and gives the queue back; nothing once the queue has ended.
async fn stream(
    member: MemberId,
    address: &str,
    dialler: &Dialler,
    mut waiting: mpsc::Receiver<Waiting>,
) -> Option<(mpsc::Receiver<Waiting>, String)> {
    let channel = match dialler.dial(member, address).await {
        Ok(channel) => channel,
        Err(error) => {
            let text = format!("{error:?}");
            return if waiting.is_closed() { None } else { Some((waiting, text)) };
        }
    };
    let (relay, relayed) = mpsc::channel::<Waiting>(64);
    let mut client = PeersClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let exchange = client.exchange(ReceiverStream::new(relayed).map(|(envelope, _)| envelope));
    tokio::pin!(exchange);
    loop {
        tokio::select! {
            ended = &mut exchange => return Some((waiting, format!("{ended:?}"))),
            next = waiting.recv() => match next {
                Some(envelope) => {
                    tokio::select! {
                        sent = relay.send(envelope) => if sent.is_err() {
                            return Some((waiting, "the stream is closed".to_owned()));
                        },
                        ended = &mut exchange => return Some((waiting, format!("{ended:?}"))),
                    }
                }
                None => return None,
            },
        }
    }
}

/// Why a snapshot was not sent.
#[derive(Debug, thiserror::Error)]
enum TransferError {
    #[error("the member's address is not known")]
    NoAddress,
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the copy can't be read")]
    Disk(#[source] DiskError),
    #[error("the other end refused: {0}")]
    Refused(Box<Status>),
}

async fn transfer(address: &str, dialler: Dialler, disk: Arc<dyn Disk>, job: SnapshotJob) -> Result<(), TransferError> {
    let channel = dialler.dial(job.to, address).await?;
    let (parts, sent) = mpsc::channel(8);
    let reading = tokio::task::spawn_blocking(move || read_parts(disk.as_ref(), job, &parts));
    let mut client = PeersClient::new(channel);
    let installed = client.install(ReceiverStream::new(sent)).await;
    match reading.await {
        Ok(read) => read.map_err(TransferError::Disk)?,
        Err(_) => return Err(TransferError::NoAddress),
    }
    installed.map(|_| ()).map_err(|status| TransferError::Refused(Box::new(status)))
}

fn read_parts(disk: &dyn Disk, job: SnapshotJob, parts: &mpsc::Sender<SnapshotPart>) -> Result<(), DiskError> {
    let file = disk.open_read(&job.path)?;
    let send = |part| parts.blocking_send(SnapshotPart { part: Some(part) }).is_ok();
    if !send(Part::Envelope(job.envelope)) {
        return Ok(());
    }
    for piece in Pieces::of(file.as_ref(), PART_BYTES)? {
        if !send(Part::Bytes(piece?.into())) {
            return Ok(());
        }
    }
    Ok(())
}

/// The service that other members call.
pub struct PeerService {
    engine: Engine,
    disk: Arc<dyn Disk>,
    /// Snapshots are received into the member's folder.
    folder: FolderShares,
    /// One snapshot at a time: two would be one too many for the disk.
    installing: tokio::sync::Mutex<()>,
    receipts: AtomicU64,
}

impl PeerService {
    /// The service of a member.
    pub fn new(engine: Engine, disk: Arc<dyn Disk>, folder: FolderShares) -> Self {
        Self { engine, disk, folder, installing: tokio::sync::Mutex::new(()), receipts: AtomicU64::new(0) }
    }
}

#[tonic::async_trait]
impl Peers for PeerService {
    async fn exchange(&self, request: Request<Streaming<Envelope>>) -> Result<Response<Received>, Status> {
        let from = sender(&request)?;
        let mut envelopes = request.into_inner();
        while let Some(envelope) = envelopes.message().await? {
            if envelope.from != from.number() {
                return Err(Status::permission_denied("the envelope is not the sender's own"));
            }
            self.engine.envelope(envelope).await.map_err(|error| Status::unavailable(error.to_string()))?;
        }
        Ok(Response::new(Received {}))
    }

    async fn install(&self, request: Request<Streaming<SnapshotPart>>) -> Result<Response<Received>, Status> {
        let from = sender(&request)?;
        let Ok(_alone) = self.installing.try_lock() else {
            return Err(Status::resource_exhausted("another snapshot is being received"));
        };
        let Some(share) = self.folder.take() else { return Err(Status::unavailable("the member has ended")) };
        let mut parts = request.into_inner();
        let first = parts.message().await?.and_then(|part| part.part);
        let Some(Part::Envelope(envelope)) = first else {
            return Err(Status::invalid_argument("a snapshot begins with its envelope"));
        };
        if envelope.from != from.number() {
            return Err(Status::permission_denied("the envelope is not the sender's own"));
        }
        let Some(Content::Log(LogMessage { snapshot: Some(facts), .. })) = &envelope.content else {
            return Err(Status::invalid_argument("the envelope is not that of a snapshot"));
        };
        // Each receipt has a file of its own: the member may still be about to install the one before.
        let number = self.receipts.fetch_add(1, Ordering::Relaxed);
        let path = store::staged_path(&format!("incoming-{number}"));
        self.receive(&path, &mut parts, facts.file_bytes).await?;
        let (disk, staged_at) = (Arc::clone(&self.disk), path);
        let staging = move || (stage(&disk, envelope, staged_at), share).0;
        let staged = tokio::task::spawn_blocking(staging).await;
        let staged = staged.map_err(|_| Status::internal("the snapshot could not be verified"))?;
        let staged = staged.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let taken = self.engine.tell(Event::Staged(Box::new(staged))).await;
        taken.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(Received {}))
    }

    async fn propose(&self, request: Request<ProposeRequest>) -> Result<Response<ProposeReply>, Status> {
        let (from, actor) = (sender(&request)?, actor(&request)?);
        let decoded = StateRequest::decode(&request.into_inner().request);
        let (asked, _) = decoded.map_err(|refusal| Status::invalid_argument(refusal.to_string()))?;
        let action = asked.command.action();
        let Some(command) = Housekeeping::of(asked.command) else {
            tracing::warn!(%from, action, "a member asked for what no member asks for");
            return Ok(Response::new(ProposeReply { result: Some(told(&Outcome::Rejected(Refusal::Forbidden))) }));
        };
        // Who asks is who the connection says, and what is decided is decided here.
        let StateRequest { session, acknowledged_below, stamp, .. } = asked;
        let decision = Decision::default();
        let request = move |command| StateRequest { session, acknowledged_below, actor, decision, stamp, command };
        Ok(Response::new(ProposeReply { result: Some(self.proposed(from, command, request).await) }))
    }
}

impl PeerService {
    /// Asks this member's log for what another one wants, if this one leads and that one may want it.
    async fn proposed(
        &self,
        from: MemberId,
        command: Housekeeping,
        request: impl FnOnce(Command) -> StateRequest + Send + 'static,
    ) -> Proposed {
        let prepared = self.engine.submit_prepared(move |member| {
            let is_leader = member.standing().role == Standing::Leader;
            if is_leader && !command.may_come_from(from, member.machine().configuration()) {
                tracing::warn!(%from, ?command, "a member asked for what is not its part to ask for");
                return Err(Answer::Refused(Refusal::Forbidden));
            }
            decided(member, request(command.into()))
        });
        match prepared.await {
            Ok(Ok(answer) | Err(answer)) => proposal(answer),
            Err(EngineError::Overloaded) => Proposed::Busy(true),
            Err(EngineError::Ended) => Proposed::Unknown(true),
        }
    }

    async fn receive(&self, path: &str, parts: &mut Streaming<SnapshotPart>, bytes_max: u64) -> Result<(), Status> {
        let refused = |error: DiskError| Status::unavailable(error.to_string());
        store::discard(&self.disk, path).map_err(refused)?;
        let mut file = DurableFile::create(&self.disk, path).map_err(refused)?;
        while let Some(part) = parts.message().await? {
            let Some(Part::Bytes(bytes)) = part.part else {
                return Err(Status::invalid_argument("a snapshot has one envelope"));
            };
            if file.len().saturating_add(bytes.len() as u64) > bytes_max {
                return Err(Status::invalid_argument("the snapshot is longer than its envelope says"));
            }
            file.write_all(&bytes).map_err(refused)?;
        }
        file.commit().map_err(refused)
    }
}

/// An answer, for the member that asked.
fn proposal(answer: Answer) -> Proposed {
    match answer {
        Answer::Refused(refusal) => told(&Outcome::Rejected(refusal)),
        Answer::Applied { outcome, .. } => told(&outcome),
        Answer::NotLeader { leader } => Proposed::NotLeader(leader.map_or(0, MemberId::number)),
        Answer::Busy | Answer::TooLong(_) | Answer::Unchanged(_) => Proposed::Busy(true),
        Answer::Unknown => Proposed::Unknown(true),
    }
}

fn told(outcome: &Outcome) -> Proposed {
    // Writing into memory can't fail; were it to, the outcome would be asked for again.
    postcard::to_stdvec(outcome).map_or(Proposed::Unknown(true), |bytes| Proposed::Outcome(bytes.into()))
}

/// The member at the other end of the connection, as it is named in the log.
fn actor<T>(request: &Request<T>) -> Result<Actor, Status> {
    let peer = request.extensions().get::<PeerIdentity>();
    let subject = peer.and_then(|peer| Subject::new(&peer.id.to_string()).ok());
    subject.map(Actor::Identity).ok_or_else(|| Status::permission_denied("the member's name is too long"))
}

/// The member at the other end of the connection.
fn sender<T>(request: &Request<T>) -> Result<MemberId, Status> {
    let peer = request.extensions().get::<PeerIdentity>();
    let peer = peer.filter(|peer| peer.id.role == Role::Coordinator);
    let member = peer.and_then(|peer| member_of(peer.id.subject.0));
    member.ok_or_else(|| Status::permission_denied("only members of the coordinator may speak here"))
}
