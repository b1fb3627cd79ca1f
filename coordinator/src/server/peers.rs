//! The streams between members.
//!
//! Owns one stream out to each other member, with a bounded queue in front: what does not fit is dropped, and the member
//! is told that the other can't be reached. What comes in is passed on only if its sender is the one that the connection
//! has proven to be.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use strongroom_platform::disk::{Disk, DiskError, DurableFile, Pieces};
use strongroom_platform::tls::{PeerIdentity, Role};
use strongroom_proto::peers::v1::envelope::Content;
use strongroom_proto::peers::v1::peers_client::PeersClient;
use strongroom_proto::peers::v1::peers_server::Peers;
use strongroom_proto::peers::v1::snapshot_part::Part;
use strongroom_proto::peers::v1::{Envelope, LogMessage, Received, SnapshotPart};
use tokio::sync::{OnceCell, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::dial::{DialError, dial};
use super::engine::{Engine, member_of};
use crate::id::MemberId;
use crate::member::{Event, FolderShares, SnapshotJob, stage};
use crate::store;

/// Envelopes that may wait for a stream; Raft sends what is lost again.
const WAITING_MAX: usize = 4_096;
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
    out: Mutex<BTreeMap<MemberId, Link>>,
}

struct Link {
    address: String,
    queue: mpsc::Sender<Envelope>,
}

impl Links {
    /// No streams yet.
    pub fn new(me: MemberId, tls: Arc<ClientConfig>, disk: Arc<dyn Disk>, runtime: tokio::runtime::Handle) -> Self {
        Self { me, tls, disk, runtime, engine: OnceCell::new(), out: Mutex::default() }
    }

    /// Says whom to tell when a member can't be reached.
    pub fn attach(&self, engine: Engine) {
        drop(self.engine.set(engine));
    }

    /// Says where the members are. Streams to others that are not named end.
    pub fn know(self: &Arc<Self>, addresses: &BTreeMap<MemberId, String>) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.retain(|member, link| addresses.get(member) == Some(&link.address));
        for (member, address) in addresses.iter().filter(|(member, _)| **member != self.me) {
            out.entry(*member).or_insert_with(|| self.open(*member, address));
        }
    }

    /// Sends an envelope, or drops it.
    pub fn send(&self, envelope: Envelope) {
        let Some(to) = MemberId::from_number(envelope.to) else { return };
        let out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = out.get(&to).map(|link| link.queue.try_send(envelope).is_ok());
        if sent == Some(false) {
            drop(out);
            self.unreachable(to);
        }
    }

    /// Sends a snapshot, and tells the member how it ended.
    pub fn send_snapshot(&self, job: SnapshotJob) {
        let address = self.address_of(job.to);
        let (tls, disk, engine) = (Arc::clone(&self.tls), Arc::clone(&self.disk), self.engine.get().cloned());
        self.runtime.spawn(async move {
            let to = job.to;
            let sent = match address {
                Some(address) => transfer(&address, tls, disk, job).await,
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
        let tls = Arc::clone(&self.tls);
        self.runtime.spawn(async move {
            let mut waiting = waiting;
            loop {
                let ended = stream(&to, Arc::clone(&tls), waiting).await;
                let Some((back, error)) = ended else { return };
                waiting = back;
                let Some(links) = links.upgrade() else { return };
                tracing::debug!(%member, ?error, "the stream to a member ended");
                links.unreachable(member);
                drop(links);
                drop(tokio::time::timeout(RETRY, std::future::pending::<()>()).await);
                while waiting.try_recv().is_ok() {}
            }
        });
        Link { address: address.to_owned(), queue }
    }
}

/// Carries envelopes until the stream breaks, and gives the queue back; nothing once the queue has ended.
async fn stream(
    address: &str,
    tls: Arc<ClientConfig>,
    mut waiting: mpsc::Receiver<Envelope>,
) -> Option<(mpsc::Receiver<Envelope>, String)> {
    let channel = match dial(address, tls).await {
        Ok(channel) => channel,
        Err(error) => {
            let text = format!("{error:?}");
            return if waiting.is_closed() { None } else { Some((waiting, text)) };
        }
    };
    let (relay, relayed) = mpsc::channel(64);
    let mut client = PeersClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let exchange = client.exchange(ReceiverStream::new(relayed));
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

async fn transfer(
    address: &str,
    tls: Arc<ClientConfig>,
    disk: Arc<dyn Disk>,
    job: SnapshotJob,
) -> Result<(), TransferError> {
    let channel = dial(address, tls).await?;
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
}

impl PeerService {
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

/// The member at the other end of the connection.
fn sender<T>(request: &Request<T>) -> Result<MemberId, Status> {
    let peer = request.extensions().get::<PeerIdentity>();
    let peer = peer.filter(|peer| peer.id.role == Role::Coordinator);
    let member = peer.and_then(|peer| member_of(peer.id.subject.0));
    member.ok_or_else(|| Status::permission_denied("only members of the coordinator may speak here"))
}
