//! A member from start to stop.
//!
//! Owns the order: the member is opened, its thread starts, and only then does it listen; on the way down it stops
//! listening first. Where the others are is looked up in the state once a second, and at first in the settings.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::{ClientConfig, ServerConfig};
use strongroom_platform::clock::Clock;
use strongroom_platform::disk::Disk;
use strongroom_proto::operators::v1::operators_server::OperatorsServer;
use strongroom_proto::peers::v1::peers_server::PeersServer;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::transport::Server;

use super::api::OperatorService;
use super::engine::{Engine, EngineError};
use super::listen;
use super::peers::{Links, MESSAGE_BYTES_MAX, PeerService};
use crate::id::MemberId;
use crate::member::{Member, MemberError};
use crate::state::query;

/// How often a silent connection is asked whether it is alive, and how long it may take to answer.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(5));
/// How often the others' addresses are looked up.
const LOOK_UP: Duration = Duration::from_secs(1);

/// What a member needs to run.
pub struct Settings {
    /// The length of a tick.
    pub tick: Duration,
    /// Its folder.
    pub disk: Arc<dyn Disk>,
    /// Its clocks.
    pub clock: Arc<dyn Clock>,
    /// How it shows itself to those who connect, and whom it lets in.
    pub server: Arc<ServerConfig>,
    /// How it shows itself to other members.
    pub client: Arc<ClientConfig>,
    /// Where it listens to peers and clients.
    pub listener: TcpListener,
    /// Where other members are, as far as the registry does not say.
    pub known: BTreeMap<MemberId, String>,
}

/// Why a member does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The socket is unusable.
    #[error("the member can't listen")]
    Listen(#[source] std::io::Error),
}

/// A member that runs.
pub struct Running {
    engine: Engine,
    thread: JoinHandle<Result<(), MemberError>>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
}

/// Runs a member that is open.
pub fn run(member: Member, settings: Settings) -> Result<Running, RunError> {
    let Settings { tick, disk, clock, server, client, listener, known } = settings;
    let address = listener.local_addr().map_err(RunError::Listen)?;
    let (me, folder) = (member.identity().member, member.folder());
    let links = Arc::new(Links::new(me, client, Arc::clone(&disk), tokio::runtime::Handle::current()));
    links.know(&known);
    let (engine, thread) = Engine::start(member, Arc::clone(&links), clock, tick);
    links.attach(engine.clone());
    tokio::spawn(beat(engine.clone(), tick));
    tokio::spawn(look_up(engine.clone(), links, known));
    let (stop, stopped) = oneshot::channel::<()>();
    let peers =
        PeersServer::new(PeerService::new(engine.clone(), disk, folder)).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let operators = OperatorsServer::new(OperatorService::new(engine.clone()));
    let served = Server::builder()
        .http2_adaptive_window(Some(true))
        .http2_keepalive_interval(Some(KEEP_ALIVE.0))
        .http2_keepalive_timeout(Some(KEEP_ALIVE.1))
        .add_service(peers)
        .add_service(operators)
        .serve_with_incoming_shutdown(listen::accept(listener, server), async { drop(stopped.await) });
    tokio::spawn(async move {
        if let Err(error) = served.await {
            tracing::error!(%error, "this member listens no more");
        }
    });
    Ok(Running { engine, thread, address, stop })
}

impl Running {
    /// The member, to ask it things.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the member has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until the member ends by itself.
    pub fn wait(self) -> std::thread::Result<Result<(), MemberError>> {
        self.thread.join()
    }

    /// Stops listening, and ends the member's thread. The folder may be opened again once that has ended.
    pub async fn stop(self) -> JoinHandle<Result<(), MemberError>> {
        self.stop.send(()).ok();
        self.engine.stop().await;
        self.thread
    }
}

/// Lets the member's time pass.
async fn beat(engine: Engine, tick: Duration) {
    let mut interval = tokio::time::interval(tick);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if engine.wake().is_err() {
            return;
        }
    }
}

/// Keeps the streams to where the registry says that the members are.
async fn look_up(engine: Engine, links: Arc<Links>, known: BTreeMap<MemberId, String>) {
    let mut interval = tokio::time::interval(LOOK_UP);
    loop {
        interval.tick().await;
        match engine.inspect(addresses).await {
            Ok(Some(registered)) => {
                let mut addresses = known.clone();
                addresses.extend(registered);
                links.know(&addresses);
            }
            // It has too much to do, or can't read its rows at the moment: what was known still holds.
            Ok(None) | Err(EngineError::Overloaded) => {}
            Err(EngineError::Ended) => return,
        }
    }
}

fn addresses(member: &Member) -> Option<BTreeMap<MemberId, String>> {
    let machine = member.machine();
    let mut addresses = BTreeMap::new();
    for id in machine.configuration().members() {
        let row = query::member(machine.rows(), &id).ok()?;
        let details = row.and_then(|row| row.details);
        addresses.extend(details.map(|details| (id, details.peer_address.to_string())));
    }
    Some(addresses)
}
