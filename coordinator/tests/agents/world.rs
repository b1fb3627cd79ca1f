//! One member that runs, an installation in it, and a clock that the test moves.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use strongroom_coordinator::member::{Answer, Founding, Member, MemberConfig};
use strongroom_coordinator::raft::Role as MemberRole;
use strongroom_coordinator::scheduler::Outlook;
use strongroom_coordinator::server::engine::subject_of;
use strongroom_coordinator::server::{Running, Settings, dial, run};
use strongroom_coordinator::state::agents::NewAgent;
use strongroom_coordinator::state::bytes::PublicKey;
use strongroom_coordinator::state::contracts::ContractDocument;
use strongroom_coordinator::state::depots::{DepotFacts, NewDepot};
use strongroom_coordinator::state::places::{PutJurisdiction, PutRegion, PutSite};
use strongroom_coordinator::state::runs::{RunOutcome, RunRow, RunState};
use strongroom_coordinator::state::session::OpenSession;
use strongroom_coordinator::state::sources::{Engine, RegisterSource, SourceFacts};
use strongroom_coordinator::state::text::{Address, CountryCode, JurisdictionName, Name, SourceName, Subject};
use strongroom_coordinator::state::tokens::{
    Enrolment, JoinRole, KeyDigest, MintToken, SecretHash, SpendToken, TokenTerms,
};
use strongroom_coordinator::state::{Actor, Command, Decision, Outcome, Request, Sequence, Stamp, query};
use strongroom_core::digest::Profile;
use strongroom_core::id::{AgentId, ClientSession, DepotId, DomainId, HostGroup, SourceId, TokenId};
use strongroom_core::manifest::ClassTags;
use strongroom_core::seal::SigningKey;
use strongroom_core::time::WallTime;
use strongroom_platform::clock::SimClock;
use strongroom_platform::disk::{Disk, SimDisk};
use strongroom_platform::rng::SimEntropy;
use strongroom_platform::tls::Role;
use tokio::sync::watch;
use tonic::transport::Channel;

use super::authority::{Authority, name};

/// 2026-11-22T12:00:00Z.
pub(crate) const NOON: WallTime = WallTime(1_795_348_800_000_000);
const SESSION: ClientSession = ClientSession([7; 16]);
/// How much time passes at once: well below what makes an agent seem away.
const STEP: Duration = Duration::from_secs(4);

/// Waits, with a deadline of real time.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), future).await.expect("it takes too long")
}

pub(crate) fn source_id(number: u8) -> SourceId {
    SourceId([number; 16])
}

/// The key that signs heads of a source, or receipts of a depot.
pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(Profile::Blake3, &[number; 32]).unwrap()
}

fn public(number: u8) -> PublicKey {
    PublicKey::new(key(number).verifying_key().as_bytes()).unwrap()
}

fn word(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A contract for one copy in Germany: every five minutes, ten of which may be lost.
pub(crate) fn contract(keys: &Value) -> Value {
    let mut whole = json!({
        "rpo_s": 600, "rto_s": 7200, "retention": {"daily": 7}, "jurisdictions": ["DE"], "copies": 1, "regions": 1,
        "cadence": {"every": {"minutes": 5}},
        "retries": {"attempts_max": 4, "backoff_base_s": 20, "backoff_max_s": 600},
    });
    whole.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    whole
}

pub(crate) struct World {
    pub(crate) clock: SimClock,
    authority: Authority,
    disk: Arc<dyn Disk>,
    running: Option<Running>,
    address: SocketAddr,
    sequence: u64,
    /// Agents give a sign of life when this changes.
    pub(crate) beats: watch::Sender<u64>,
    /// The newest beat of each agent that the member has heard.
    heard: Mutex<Vec<watch::Receiver<u64>>>,
}

impl World {
    /// A member with a region, a site, agents 1 and 2, and depot 9.
    pub(crate) async fn new() -> Self {
        let clock = SimClock::starting_at(NOON);
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(5));
        Member::create(&disk, Founding::Group, &MemberConfig::LAN, &SimEntropy::from_seed(3)).unwrap();
        let (authority, beats) = (Authority::found(NOON), watch::Sender::new(0));
        let address = "127.0.0.1:0".parse().unwrap();
        let mut world =
            Self { clock, authority, disk, running: None, address, sequence: 0, beats, heard: Mutex::default() };
        world.open().await;
        world.install().await;
        world
    }

    /// Opens the member, and waits until it leads.
    pub(crate) async fn open(&mut self) {
        let member = Member::open(&self.disk, MemberConfig::LAN, &SimEntropy::from_seed(4)).unwrap();
        let subject = subject_of(member.identity().member);
        let settings = Settings {
            tick: Duration::from_millis(2),
            disk: Arc::clone(&self.disk),
            clock: Arc::new(self.clock.clone()),
            server: self.authority.server(subject, &self.clock),
            client: self.authority.client(name(Role::Coordinator, "berlin", subject), &self.clock),
            listener: tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(),
            known: BTreeMap::new(),
        };
        let running = run(member, settings).unwrap();
        self.address = running.address();
        let mut standing = running.engine().watch();
        while standing.borrow_and_update().role != MemberRole::Leader {
            self.clock.advance(Duration::from_millis(50));
            running.engine().wake().unwrap();
            drop(tokio::time::timeout(Duration::from_millis(1), standing.changed()).await);
        }
        self.running = Some(running);
    }

    /// Stops the member; its folder stays.
    pub(crate) async fn stop(&mut self) {
        let thread = self.running.take().unwrap().stop().await;
        tokio::task::spawn_blocking(|| thread.join().unwrap().unwrap()).await.unwrap();
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    async fn install(&mut self) {
        let law = JurisdictionName::new("DE").unwrap();
        self.done(OpenSession { session: SESSION }).await;
        self.done(PutJurisdiction { name: law.clone(), codes: [CountryCode::new("DE").unwrap()].into() }).await;
        self.done(PutRegion { name: word("berlin"), jurisdiction: law }).await;
        self.done(PutSite { name: word("berlin-1"), region: word("berlin") }).await;
        for agent in [1, 2] {
            let subject = Subject::new(&name(Role::Agent, "berlin", [agent; 16]).to_string()).unwrap();
            let new = NewAgent { agent: AgentId([agent; 16]), name: word(&format!("agent-{agent}")), subject };
            self.join(agent, JoinRole::Agent, Enrolment::Agent(new)).await;
        }
        let subject = Subject::new(&name(Role::Depot, "berlin", [9; 16]).to_string()).unwrap();
        let address = Address::new("depot:7000").unwrap();
        let facts = DepotFacts { capacity_bytes: 1 << 40, key: public(9), address };
        let new = NewDepot { depot: DepotId([9; 16]), name: word("depot-9"), subject, facts };
        self.join(9, JoinRole::Depot, Enrolment::Depot(new)).await;
    }

    async fn join(&mut self, number: u8, role: JoinRole, enrolment: Enrolment) {
        let (token, secret_hash) = (TokenId([number; 8]), SecretHash([number; 32]));
        let terms = TokenTerms {
            role,
            region: word("berlin"),
            site: Some(word("berlin-1")),
            name_hint: None,
            renews: None,
            expires_ms: 3_600_000,
        };
        self.done(MintToken { token, secret_hash, terms }).await;
        self.done(SpendToken { token, secret_hash, key: KeyDigest([1; 32]), enrolment }).await;
    }

    /// Registers a source of an agent, on a host group.
    pub(crate) async fn register(&mut self, source: u8, agent: u8, host_group: u8, contract: &Value) {
        let facts = SourceFacts {
            name: SourceName::new(&format!("source-{source}")).unwrap(),
            engine: Engine::PostgreSql,
            domain: DomainId([1; 16]),
            agent: AgentId([agent; 16]),
            host_group: HostGroup([host_group; 16]),
            signer: public(source),
            tags: ClassTags::TIER_1,
        };
        let contract = ContractDocument::new(serde_json::from_value(contract.clone()).unwrap()).unwrap();
        self.done(RegisterSource { source: source_id(source), facts, contract }).await;
    }

    pub(crate) async fn done(&mut self, command: impl Into<Command>) {
        self.sequence += 1;
        let command = command.into();
        let is_opening = matches!(command, Command::OpenSession(_));
        let request = Request {
            session: (!is_opening).then_some((SESSION, Sequence(self.sequence))),
            acknowledged_below: Sequence(self.sequence),
            actor: Actor::System,
            decision: Decision::default(),
            stamp: Stamp::default(),
            command,
        };
        let answer = within(self.running().engine().submit(request)).await.unwrap();
        assert!(matches!(answer, Answer::Applied { outcome: Outcome::Done(_), .. }), "{answer:?}");
    }

    /// A connection of somebody.
    pub(crate) async fn channel(&self, role: Role, region: &str, subject: u8) -> Channel {
        let tls = self.authority.client(name(role, region, [subject; 16]), &self.clock);
        within(dial(&self.address.to_string(), tls)).await.unwrap()
    }

    /// Lets time pass, a step and a turn of the scheduler at a time.
    pub(crate) async fn pass(&self, seconds: u64) {
        let mut outlook = self.running().outlook().clone();
        for _ in 0..seconds.div_ceil(STEP.as_secs()) {
            outlook.mark_unchanged();
            self.clock.advance(STEP);
            within(outlook.changed()).await.unwrap();
            self.beats.send_modify(|beat| *beat += 1);
            self.hear_all().await;
        }
    }

    /// Lets the beats of an agent be waited for.
    pub(crate) fn expect(&self, heard: watch::Receiver<u64>) {
        self.heard.lock().unwrap().push(heard);
    }

    /// Waits until the member has heard all agents: however busy the machine is, none seems to be away.
    async fn hear_all(&self) {
        let beat = *self.beats.borrow();
        let agents = self.heard.lock().unwrap().clone();
        for mut heard in agents {
            // Whoever has vanished is not heard any more.
            drop(within(heard.wait_for(|heard| *heard >= beat)).await);
        }
    }

    /// Lets time pass until a condition holds, for at most an hour of it.
    pub(crate) async fn until(&self, condition: impl AsyncFn() -> bool) {
        for _ in 0..3_600 / STEP.as_secs() {
            if condition().await {
                return;
            }
            self.pass(STEP.as_secs()).await;
        }
        panic!("an hour has passed, and it does not hold");
    }

    pub(crate) fn outlook(&self) -> Arc<Outlook> {
        self.running().outlook().borrow().clone()
    }

    /// Runs of a source, the oldest first.
    pub(crate) async fn runs(&self, source: u8) -> Vec<RunRow> {
        let looked = self
            .running()
            .engine()
            .inspect(move |member| query::runs(member.machine().rows(), source_id(source), None, 100).unwrap().rows);
        let mut rows: Vec<RunRow> = within(looked).await.unwrap().into_iter().map(|(_, row)| row).collect();
        rows.reverse();
        rows
    }

    pub(crate) async fn outcomes(&self, source: u8) -> Vec<RunOutcome> {
        let outcome = |row: RunRow| if let RunState::Finished(outcome) = row.state { Some(outcome) } else { None };
        self.runs(source).await.into_iter().filter_map(outcome).collect()
    }

    /// Accrued times at which runs of a source were started.
    pub(crate) async fn starts(&self, source: u8) -> Vec<u64> {
        self.runs(source).await.into_iter().filter_map(|row| row.started_ms).collect()
    }
}
