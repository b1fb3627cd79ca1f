//! `coordinator run`: a member from its folder until it is told to stop.
//!
//! Owns the order: settings and identity are read, the member opens, the socket is bound, the deny-list is fetched, and
//! only then is the service manager told. On the way down leadership is handed over before anything stops. A member that
//! ends by itself ends this with an error; nothing is started again in the same process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use strongroom_platform::tls::HotIdentity;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::growth::grow;
use super::home::{self, Home};
use super::issuer::IssuerLife;
use super::join::chain_of;
use super::notify::Notify;
use super::renewal::Renewal;
use super::settings::Settings;
use super::transport::Transport;
use super::{DaemonError, Machine, health};
use crate::member::{Event, Member};
use crate::raft::Role;
use crate::server::forward::Forwarder;
use crate::server::pause::pause;
use crate::server::{self, Desk, Engine, Extras, Running, run_with};
use crate::state::members::MemberBooted;
use crate::state::membership::HandOver;
use crate::state::text::Subject;
use crate::state::{Actor, Outcome, Refusal};

/// How often it is looked whether the member has ended by itself.
const LOOK: Duration = Duration::from_millis(100);
/// How long the group may take to hear of this start.
const BOOT_PATIENCE: Duration = Duration::from_secs(30);
/// How long a hand-over may take; then the member stops, and the others elect.
const HAND_OVER_TIME_MAX: Duration = Duration::from_secs(2);
/// How long the member may take to look at itself before it counts as stuck.
const ALIVE_TIME_MAX: Duration = Duration::from_secs(5);

/// Runs the member of a folder until `stop` resolves, or until it ends.
pub async fn run(
    path: &Path,
    machine: &Machine,
    notify: &Notify,
    stop: impl Future<Output = ()>,
) -> Result<(), DaemonError> {
    let home = Home::open(path)?;
    let settings = home.settings()?;
    let transport = Arc::new(transport(&home, machine)?);
    let member = Member::open(&home.data()?, settings.timing.member(), machine.entropy.as_ref());
    let member = member.map_err(DaemonError::Open)?;
    let identity = *member.identity();
    let running = start(member, &home, &settings, &transport, machine).await?;
    let mut tasks = JoinSet::new();
    if let Some(address) = &settings.health {
        let listener = listen(address).await?;
        tasks.spawn(health::serve(listener, running.engine().clone(), issuer_life(&running, machine)));
    }
    let own = own_name(&transport)?;
    accompany(&mut tasks, &home, &transport, &running, machine);
    tracing::info!(member = %identity.member, boot = identity.boot, address = %running.address(), "this member runs");
    notify.ready();
    let forwarder = forwarder(&running, own, machine);
    let booted = MemberBooted { member: identity.member, boot: identity.boot };
    let ended = tokio::select! {
        () = stop => None,
        () = has_ended(&running) => None,
        refusal = not_taken(&forwarder, booted) => Some(DaemonError::NotTaken(refusal)),
        () = watch_over(running.engine(), notify) => None,
    };
    notify.stopping();
    tasks.shutdown().await;
    if ended.is_none() {
        hand_over(running.engine()).await;
    }
    let thread = running.stop().await;
    match tokio::task::spawn_blocking(|| thread.join()).await {
        Ok(Ok(Ok(()))) => ended.map_or(Ok(()), Err),
        Ok(Ok(Err(error))) => Err(DaemonError::Member(error)),
        _ => Err(DaemonError::Defect),
    }
}

fn transport(home: &Home, machine: &Machine) -> Result<Transport, DaemonError> {
    let own = Arc::new(HotIdentity::new(home.identity(home::OWN)?));
    Ok(Transport::new(own, home.roots(home::OWN)?, Arc::clone(&machine.clock)))
}

async fn start(
    member: Member,
    home: &Home,
    settings: &Settings,
    transport: &Transport,
    machine: &Machine,
) -> Result<Running, DaemonError> {
    let listener = listen(&settings.listen).await?;
    let desk = match home.issuer()? {
        Some(issuer) => {
            let (doors, entropy) = (transport.desk_doors()?, Arc::clone(&machine.entropy));
            Some(Desk { doors, issuer, actor: own_name(transport)?, entropy })
        }
        None => None,
    };
    let shell = server::Settings {
        tick: settings.timing.tick(),
        disk: home.data()?,
        clock: Arc::clone(&machine.clock),
        server: transport.door()?,
        client: transport.to_members()?,
        listener,
        known: settings.members()?,
    };
    let extras = Extras { denied: Arc::clone(&transport.denied), desk, routes: settings.routes.clone() };
    run_with(member, shell, extras).map_err(DaemonError::Run)
}

async fn listen(address: &str) -> Result<TcpListener, DaemonError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| DaemonError::Listen { address: address.to_owned(), source })
}

/// Starts what a member does besides answering.
fn accompany(tasks: &mut JoinSet<()>, home: &Home, transport: &Arc<Transport>, running: &Running, machine: &Machine) {
    let renewal = Renewal {
        home: home.clone(),
        transport: Arc::clone(transport),
        certifier: running.certifier().cloned(),
        links: Arc::clone(running.links()),
        clock: Arc::clone(&machine.clock),
    };
    tasks.spawn(renewal.keep());
    if let Some(issuer) = issuer_life(running, machine) {
        tasks.spawn(issuer.watch());
    }
    let domain = transport.own.current().id().trust_domain.clone();
    tasks.spawn(grow(running.engine().clone(), forwarder(running, Actor::System, machine), domain));
}

fn issuer_life(running: &Running, machine: &Machine) -> Option<IssuerLife> {
    running.certifier().map(|certifier| IssuerLife::new(certifier.validity(), Arc::clone(&machine.clock)))
}

fn forwarder(running: &Running, actor: Actor, machine: &Machine) -> Forwarder {
    let (engine, links) = (running.engine().clone(), Arc::clone(running.links()));
    Forwarder::new(engine, links, actor, Arc::clone(&machine.entropy))
}

/// This member, as it is named in the log.
fn own_name(transport: &Transport) -> Result<Actor, DaemonError> {
    let subject = Subject::new(&transport.own.current().id().to_string());
    let subject = subject.map_err(|_| DaemonError::Senseless { what: "the member's name is too long" })?;
    Ok(Actor::Identity(subject))
}

async fn has_ended(running: &Running) {
    while !running.has_ended() {
        pause(LOOK).await;
    }
}

/// Tells the group that this member has started. Resolves only if the group does not take it; a group without a leader
/// hears of it later.
async fn not_taken(forwarder: &Forwarder, booted: MemberBooted) -> Refusal {
    loop {
        match forwarder.ask(booted.into(), BOOT_PATIENCE).await {
            Ok(Outcome::Rejected(refusal @ (Refusal::Retired(_) | Refusal::StaleBoot(_)))) => {
                // Asked for twice, it is stale the second time: whose number is higher was started later.
                if refusal != Refusal::StaleBoot(booted.boot) {
                    return refusal;
                }
                break;
            }
            Ok(_) => break,
            Err(error) => {
                tracing::warn!(error = chain_of(&error), "the group has not heard of this start yet");
                pause(LOOK).await;
            }
        }
    }
    std::future::pending().await
}

/// Tells the service manager that the member answers. Without a watchdog this never resolves; nor does it with one.
async fn watch_over(engine: &Engine, notify: &Notify) {
    let Some(beat) = notify.beat() else { return std::future::pending().await };
    loop {
        let looked = tokio::time::timeout(ALIVE_TIME_MAX, engine.inspect(Member::standing)).await;
        if matches!(looked, Ok(Ok(_))) {
            notify.alive();
        }
        pause(beat).await;
    }
}

/// Hands leadership to the voter that follows most closely, if this member leads and there is one.
async fn hand_over(engine: &Engine) {
    let next = engine.inspect(|member| {
        let (me, voters) = (member.identity().member, &member.machine().configuration().voters);
        let progress = member.group().progress().into_iter();
        let able = progress.filter(|it| it.member != me && it.is_active && voters.contains(&it.member));
        able.max_by_key(|it| it.matched).map(|it| (me, it.member))
    });
    let Ok(Some((from, to))) = next.await else { return };
    if engine.standing().role != Role::Leader {
        return;
    }
    // The audit log tells of it if the group agrees in time; it is handed over in any case.
    let noted = engine.submit(server::of_the_group(HandOver { from, to }.into()));
    let noted = tokio::time::timeout(HAND_OVER_TIME_MAX, noted).await;
    tracing::debug!(?noted, "the hand-over is noted");
    if engine.standing().role != Role::Leader || engine.event(Event::Transfer { to }).is_err() {
        return;
    }
    let mut standing = engine.watch();
    let handed = standing.wait_for(|standing| standing.role != Role::Leader);
    let is_done = matches!(tokio::time::timeout(HAND_OVER_TIME_MAX, handed).await, Ok(Ok(_)));
    tracing::info!(%to, is_done, "leadership is handed over");
}
