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
use strongroom_core::entropy::Entropy;
use strongroom_platform::clock::Clock;
use strongroom_platform::disk::Disk;
use strongroom_platform::tls::{DenyWatch, Issuer};
use strongroom_proto::agents::v1::agents_server::AgentsServer;
use strongroom_proto::depots::v1::depots_server::DepotsServer;
use strongroom_proto::enrolment::v1::enrolment_server::EnrolmentServer;
use strongroom_proto::enrolment::v1::renewal_server::RenewalServer;
use strongroom_proto::operators::v1::operators_server::OperatorsServer;
use strongroom_proto::peers::v1::peers_server::PeersServer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::transport::Server;

use super::agents::{AgentLinks, AgentService};
use super::api::{Backups, OperatorService};
use super::certifier::Certifier;
use super::checkpoints;
use super::denials::{Denials, begin, keep};
use super::depots::DepotService;
use super::engine::{Engine, EngineError};
use super::enrolment::EnrolmentService;
use super::forward::Forwarder;
use super::listen::{Arrivals, DeskDoors, Doors, accept};
use super::open::OpenConnections;
use super::peers::{Links, MESSAGE_BYTES_MAX, PeerService};
use super::renewal::RenewalService;
use super::scheduler::SchedulerLoop;
use crate::id::MemberId;
use crate::member::{FolderShares, Member, MemberError};
use crate::scheduler::Outlook;
use crate::state::{Actor, query};

/// How often a silent connection is asked whether it is alive, and how long it may take to answer.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(5));
/// The largest message of those who come for a certificate: a request has some 600 bytes.
const DESK_MESSAGE_BYTES_MAX: usize = 64 * 1024;
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

/// What a member has besides, that serves others than itself.
#[derive(Default)]
pub struct Extras {
    /// Who was denied, as the handshakes of this process consult it. The member keeps it up to date.
    pub denied: Arc<DenyWatch>,
    /// What it needs to give certificates.
    pub desk: Option<Desk>,
    /// Addresses that are reached by another one.
    pub routes: BTreeMap<String, String>,
}

/// What a member needs to give certificates.
pub struct Desk {
    /// How it shows itself to those who come for one.
    pub doors: DeskDoors,
    /// The issuer whose key it holds.
    pub issuer: Issuer,
    /// In whose name it asks the group.
    pub actor: Actor,
    /// For serial numbers and sessions.
    pub entropy: Arc<dyn Entropy>,
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
    links: Arc<Links>,
    certifier: Option<Arc<Certifier>>,
    outlook: watch::Receiver<Arc<Outlook>>,
    thread: JoinHandle<Result<(), MemberError>>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
}

/// Runs a member that is open, and nothing besides.
pub fn run(member: Member, settings: Settings) -> Result<Running, RunError> {
    run_with(member, settings, Extras::default())
}

/// Runs a member that is open.
pub fn run_with(member: Member, settings: Settings, extras: Extras) -> Result<Running, RunError> {
    let Settings { tick, disk, clock, server, client, listener, known } = settings;
    let address = listener.local_addr().map_err(RunError::Listen)?;
    let (me, folder) = (member.identity().member, member.folder());
    let open = Arc::new(OpenConnections::new(Arc::clone(&clock), Arc::clone(&extras.denied)));
    let links = Links::new(me, client, Arc::clone(&disk), tokio::runtime::Handle::current());
    let links = Arc::new(links.routed(extras.routes));
    links.watched_by(Arc::clone(&open));
    links.know(&known);
    let (engine, thread) = Engine::start(member, Arc::clone(&links), Arc::clone(&clock), tick);
    links.attach(engine.clone());
    tokio::spawn(beat(engine.clone(), tick));
    tokio::spawn(look_up(engine.clone(), Arc::clone(&links), known));
    tokio::spawn(checkpoints::keep(engine.clone(), Arc::clone(&disk), Arc::clone(&clock)));
    let (stop, stopped) = watch::channel(false);
    let denials = Denials::new(extras.denied);
    let (doors, desk) = match extras.desk {
        Some(desk) => (Some(desk.doors.clone()), Some(certifier(desk, &engine, &links, &clock))),
        None => (None, None),
    };
    let certifier = desk.clone();
    let agent_links = Arc::new(AgentLinks::default());
    let agents = AgentService::new(engine.clone(), Arc::clone(&agent_links), Arc::clone(&clock));
    let backup_clock = Arc::clone(&clock);
    let scheduler = SchedulerLoop::new(engine.clone(), agent_links, clock);
    let outlook = scheduler.outlook();
    tokio::spawn(scheduler.keep(tick));
    let doors = Doors { main: server, desk: doors };
    tokio::spawn(serve(Serving {
        engine: engine.clone(),
        clock: backup_clock,
        disk,
        folder,
        listener,
        doors,
        desk,
        agents,
        open,
        denials,
        stopped,
    }));
    Ok(Running { engine, links, certifier, outlook, thread, address, stop })
}

fn certifier(desk: Desk, engine: &Engine, links: &Arc<Links>, clock: &Arc<dyn Clock>) -> Arc<Certifier> {
    let Desk { issuer, actor, entropy, .. } = desk;
    let forwarder = Forwarder::new(engine.clone(), Arc::clone(links), actor, Arc::clone(&entropy));
    Arc::new(Certifier::new(issuer, Arc::new(forwarder), Arc::clone(clock), entropy))
}

/// What listening takes.
struct Serving {
    engine: Engine,
    clock: Arc<dyn Clock>,
    disk: Arc<dyn Disk>,
    folder: FolderShares,
    listener: TcpListener,
    doors: Doors,
    desk: Option<Arc<Certifier>>,
    agents: AgentService,
    open: Arc<OpenConnections>,
    denials: Denials,
    stopped: watch::Receiver<bool>,
}

/// Listens once it is known who is denied, until the member is stopped.
async fn serve(serving: Serving) {
    let Serving { engine, clock, disk, folder, listener, doors, desk, agents, open, mut denials, stopped } = serving;
    if !begin(&engine, &mut denials).await {
        return;
    }
    tokio::spawn(keep(engine.clone(), denials, Arc::clone(&open)));
    let Arrivals { main, renewal, enrolment } = accept(listener, doors, open);
    if let Some(certifier) = desk {
        let renewals = RenewalServer::new(RenewalService::new(Arc::clone(&certifier)));
        let ended = until_stopped(stopped.clone());
        tokio::spawn(server().add_service(renewals).serve_with_incoming_shutdown(renewal, ended));
        let enrolments = EnrolmentServer::new(EnrolmentService::new(certifier));
        let enrolments = enrolments.max_decoding_message_size(DESK_MESSAGE_BYTES_MAX);
        let ended = until_stopped(stopped.clone());
        tokio::spawn(server().add_service(enrolments).serve_with_incoming_shutdown(enrolment, ended));
    }
    let backups = Backups::new(Arc::clone(&disk), folder.clone(), clock);
    let peers =
        PeersServer::new(PeerService::new(engine.clone(), disk, folder)).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let operators = OperatorService::new(engine.clone()).with_backups(backups);
    let operators = OperatorsServer::new(operators);
    let depots = DepotsServer::new(DepotService::new(engine));
    let served = server()
        .add_service(peers)
        .add_service(operators)
        .add_service(AgentsServer::new(agents))
        .add_service(depots)
        .serve_with_incoming_shutdown(main, until_stopped(stopped))
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "this member listens no more");
    }
}

fn server() -> Server {
    Server::builder()
        .http2_adaptive_window(Some(true))
        .http2_keepalive_interval(Some(KEEP_ALIVE.0))
        .http2_keepalive_timeout(Some(KEEP_ALIVE.1))
}

async fn until_stopped(mut stopped: watch::Receiver<bool>) {
    drop(stopped.wait_for(|is_stopped| *is_stopped).await);
}

impl Running {
    /// The member, to ask it things.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What the scheduler sees coming, while this member leads.
    pub const fn outlook(&self) -> &watch::Receiver<Arc<Outlook>> {
        &self.outlook
    }

    /// The streams to the others.
    pub const fn links(&self) -> &Arc<Links> {
        &self.links
    }

    /// What it gives certificates with, if it has an issuer.
    pub const fn certifier(&self) -> Option<&Arc<Certifier>> {
        self.certifier.as_ref()
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
        self.stop.send(true).ok();
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
