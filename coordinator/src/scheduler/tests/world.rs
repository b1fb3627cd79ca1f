//! A machine, a scheduler and agents, all from one seed. Each step is half a minute, and checks what must always hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::tz::TimeZoneDatabase;
use serde_json::{Value, json};
use strongroom_core::id::{
    AgentId, ClientSession, DepotId, DomainId, HeadHash, HostGroup, MerkleRoot, PackId, RunId, SnapshotId,
    SnapshotRoot, SourceId, TokenId, UploadId,
};
use strongroom_core::manifest::ClassTags;
use strongroom_core::schedule::{Caps, Now};
use strongroom_core::time::{AccruedMs, WallTime};

use crate::id::{ClusterId, LogIndex, Position, Term};
use crate::scheduler::{Attendance, Attending, Order, Outlook, Scheduler};
use crate::state::agents::NewAgent;
use crate::state::bytes::{PublicKey, Signature};
use crate::state::contracts::ContractDocument;
use crate::state::depots::{DepotFacts, NewDepot};
use crate::state::packs::{AddedPack, PackDifference};
use crate::state::passing::PassTime;
use crate::state::places::{PutJurisdiction, PutRegion, PutSite};
use crate::state::planning::{TermsCache, source_views};
use crate::state::query;
use crate::state::receipts::RegisterReceipt;
use crate::state::runs::commands::FinishRun;
use crate::state::runs::{RunOutcome, RunRow, RunState};
use crate::state::session::OpenSession;
use crate::state::snapshots::{CommitSnapshot, SnapshotFacts};
use crate::state::sources::{Engine, RegisterSource, SourceFacts};
use crate::state::text::{Address, CountryCode, JurisdictionName, Name, SourceName, Subject};
use crate::state::tokens::{Enrolment, JoinRole, KeyDigest, MintToken, SecretHash, SpendToken, TokenTerms};
use crate::state::uploads::OpenUpload;
use crate::state::{Actor, Answer, Command, Decision, Machine, MemoryBase, Outcome, Request, Sequence, Stamp};

const STEP_MS: u64 = 30_000;
const SESSION: ClientSession = ClientSession([7; 16]);
/// 2027-01-01T00:00:00Z.
const MIDNIGHT_S: i64 = 1_798_761_600;

/// How runs end that agents take from now on, two minutes after they took them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Succeeds,
    Fails,
    Hangs,
}

pub(super) fn source_id(number: u8) -> SourceId {
    SourceId([number; 16])
}

pub(super) fn run_id(number: u8) -> RunId {
    RunId([number; 16])
}

/// A contract for one copy in Germany.
pub(super) fn contract(keys: &Value) -> Value {
    let mut whole = json!({
        "rto_s": 7200, "retention": {"daily": 7}, "jurisdictions": ["DE"], "copies": 1, "regions": 1,
        "retries": {"attempts_max": 3, "backoff_base_s": 60, "backoff_max_s": 600},
    });
    whole.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    whole
}

pub(super) struct World {
    machine: Machine,
    scheduler: Scheduler,
    terms: TermsCache,
    seed: u64,
    index: u64,
    now_ms: u64,
    /// Agents that have a stream, with what they have and what they were told over it.
    attendance: Attendance,
    /// Runs at work, by agent: source, when it ends and how.
    at_work: BTreeMap<(AgentId, RunId), (SourceId, u64, Fate)>,
    sequences: BTreeMap<SourceId, u64>,
    unfit: BTreeSet<SourceId>,
    pub(super) caps: Caps,
    pub(super) fate: Fate,
    pub(super) outlook: Outlook,
    pub(super) given: Vec<(AgentId, RunId)>,
    pub(super) called_off: Vec<(AgentId, RunId)>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let machine = Machine::open(Arc::new(MemoryBase::default())).unwrap();
        let now = Now { accrued: AccruedMs(0), wall: WallTime(MIDNIGHT_S * 1_000_000) };
        let mut world = Self {
            machine,
            scheduler: Scheduler::new(ClusterId([1; 16]), now),
            terms: TermsCache::default(),
            seed,
            index: 0,
            now_ms: 1_000,
            attendance: Attendance::new(),
            at_work: BTreeMap::new(),
            sequences: BTreeMap::new(),
            unfit: BTreeSet::new(),
            caps: Caps { runs_max: 8, host_group_runs_max: 1, host_groups: BTreeMap::new() },
            fate: Fate::Succeeds,
            outlook: Outlook::default(),
            given: Vec::new(),
            called_off: Vec::new(),
        };
        world.install();
        world
    }

    fn install(&mut self) {
        let (name, law) = (Name::new("berlin").unwrap(), JurisdictionName::new("DE").unwrap());
        self.done(OpenSession { session: SESSION });
        self.done(PutJurisdiction { name: law.clone(), codes: [CountryCode::new("DE").unwrap()].into() });
        self.done(PutRegion { name: name.clone(), jurisdiction: law });
        self.done(PutSite { name: name.clone(), region: name.clone() });
        let subject = |role: &str, number: u8| {
            Subject::new(&format!("spiffe://example.org/berlin/{role}/{number:032x}")).unwrap()
        };
        for agent in [1, 2] {
            let called = Name::new(&format!("agent-{agent}")).unwrap();
            let new = NewAgent { agent: AgentId([agent; 16]), name: called, subject: subject("agent", agent) };
            self.join(agent, JoinRole::Agent, Enrolment::Agent(new));
            self.come(agent);
        }
        let address = Address::new("depot:7000").unwrap();
        let facts = DepotFacts { capacity_bytes: 1 << 40, key: PublicKey::new(&[1; 32]).unwrap(), address };
        let new = NewDepot { depot: DepotId([1; 16]), name, subject: subject("depot", 1), facts };
        self.join(3, JoinRole::Depot, Enrolment::Depot(new));
    }

    fn join(&mut self, number: u8, role: JoinRole, enrolment: Enrolment) {
        let (token, secret_hash) = (TokenId([number; 8]), SecretHash([number; 32]));
        let (region, site) = (Name::new("berlin").unwrap(), Name::new("berlin").ok());
        let terms = TokenTerms { role, region, site, name_hint: None, renews: None, expires_ms: self.now_ms + 1_000 };
        self.done(MintToken { token, secret_hash, terms });
        self.done(SpendToken { token, secret_hash, key: KeyDigest([1; 32]), enrolment });
    }

    /// Registers a source on the host group of its agent.
    pub(super) fn register(&mut self, source: u8, agent: u8, contract: &Value) {
        let facts = SourceFacts {
            name: SourceName::new(&format!("source-{source}")).unwrap(),
            engine: Engine::PostgreSql,
            domain: DomainId([1; 16]),
            agent: AgentId([agent; 16]),
            host_group: HostGroup([agent; 16]),
            signer: PublicKey::new(&[1; 32]).unwrap(),
            tags: ClassTags::TIER_1,
        };
        let contract = ContractDocument::new(serde_json::from_value(contract.clone()).unwrap()).unwrap();
        self.done(RegisterSource { source: source_id(source), facts, contract });
    }

    /// Numbers that follow from the seed (`SplitMix64`: Steele, Lea and Flood, 2014).
    pub(super) fn dice(&mut self, bound: u8) -> u8 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u8::try_from((mixed ^ (mixed >> 31)) % u64::from(bound)).unwrap()
    }

    fn apply(&mut self, command: Command) -> Outcome {
        self.index += 1;
        let request = Request {
            session: Some((SESSION, Sequence(self.index))),
            acknowledged_below: Sequence(self.index),
            actor: Actor::System,
            decision: Decision::default(),
            stamp: Stamp { accrued_ms: self.now_ms, wall: self.now().wall },
            command,
        };
        let is_opening = matches!(request.command, Command::OpenSession(_));
        let request = Request { session: request.session.filter(|_| !is_opening), ..request };
        let at = Position { index: LogIndex(self.index), term: Term(1) };
        self.machine.apply(at, &request.encode().unwrap()).unwrap()
    }

    pub(super) fn done(&mut self, command: impl Into<Command>) -> Answer {
        match self.apply(command.into()) {
            Outcome::Done(answer) => answer,
            Outcome::Rejected(refusal) => panic!("{refusal}"),
        }
    }

    pub(super) fn now(&self) -> Now {
        let wall = MIDNIGHT_S * 1_000_000 + i64::try_from(self.now_ms).unwrap() * 1_000;
        Now { accrued: AccruedMs(self.now_ms), wall: WallTime(wall) }
    }

    pub(super) fn attendance(&self) -> Attendance {
        self.attendance.clone()
    }

    pub(super) fn scheduler(&self) -> Scheduler {
        Scheduler::new(ClusterId([1; 16]), self.now())
    }

    /// Another leader takes over, to which all agents come with what they have.
    pub(super) fn reign(&mut self) {
        self.scheduler = self.scheduler();
        let agents: Vec<u8> = self.attendance.keys().map(|agent| agent.0[0]).collect();
        for agent in agents {
            self.come(agent);
        }
    }

    /// An agent opens a stream, and says what it has.
    pub(super) fn come(&mut self, agent: u8) {
        let agent = AgentId([agent; 16]);
        let holds = self.at_work.keys().filter(|(of, _)| *of == agent).map(|(_, run)| *run).collect();
        self.attendance.insert(agent, Attending { holds, ..Attending::default() });
    }

    /// An agent is gone; what it has at work goes on, and it can't say how it ends.
    pub(super) fn leave(&mut self, agent: u8) {
        self.attendance.remove(&AgentId([agent; 16]));
    }

    /// An agent's host is restored from before it took its runs.
    pub(super) fn forget(&mut self, agent: u8) {
        self.at_work.retain(|(of, _), _| of.0[0] != agent);
        self.come(agent);
    }

    /// This host's zone data do not bear the contract of a source out any more.
    pub(super) fn forget_zones(&mut self, source: u8) {
        self.terms = TermsCache::default();
        self.unfit.insert(source_id(source));
    }

    pub(super) fn disturb(&mut self) {
        let agent = 1 + self.dice(2);
        match self.dice(12) {
            0 => self.leave(agent),
            1..4 => self.come(agent),
            4 => self.forget(agent),
            5 => self.reign(),
            6 => self.fate = Fate::Fails,
            7 => self.fate = Fate::Hangs,
            8..10 => self.fate = Fate::Succeeds,
            _ => {}
        }
    }

    pub(super) fn heal(&mut self) {
        self.fate = Fate::Succeeds;
        for agent in [1, 2] {
            self.forget(agent);
        }
    }

    /// Lets time pass in steps.
    pub(super) fn live(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(STEP_MS) {
            self.now_ms += STEP_MS;
            self.done(PassTime);
            self.end_runs();
            self.turn();
            self.check();
        }
    }

    fn turn(&mut self) {
        let mut page = source_views(self.machine.rows(), &self.terms, None, 100).unwrap();
        let unknown = std::mem::take(&mut page.without_terms);
        let (unfit, unknown): (Vec<_>, Vec<_>) = unknown.into_iter().partition(|it| self.unfit.contains(&it.source));
        for it in unknown {
            let document = query::contract(self.machine.rows(), &it.source).unwrap().unwrap();
            let terms = document.contract().validate(&TimeZoneDatabase::none()).unwrap();
            self.terms.keep(it.source, it.terms_version, Arc::new(terms));
            page = source_views(self.machine.rows(), &self.terms, None, 100).unwrap();
        }
        self.scheduler.roll.take_page(page);
        for it in &unfit {
            self.scheduler.roll.leave_alone(it);
        }
        let decided = self.scheduler.decide(self.now(), &self.attendance, &self.caps);
        self.outlook = decided.outlook;
        for (agent, order) in decided.orders {
            let attending = self.attendance.get_mut(&agent).expect("only who is there is told");
            match order {
                Order::Start(order) => {
                    assert!(attending.holds.insert(order.run), "told twice over one stream");
                    self.given.push((agent, order.run));
                    let ends = (order.plan.source, self.now_ms + 120_000, self.fate);
                    self.at_work.entry((agent, order.run)).or_insert(ends);
                }
                Order::CallOff(run) => {
                    assert!(attending.called_off.insert(run), "told twice over one stream");
                    self.called_off.push((agent, run));
                    self.at_work.remove(&(agent, run));
                    attending.holds.remove(&run);
                }
            }
        }
        for (_, command) in decided.commands {
            // An agent may have been faster.
            self.apply(command);
        }
    }

    fn end_runs(&mut self) {
        let is_over = |(agent, _): &(AgentId, RunId), (_, ends, fate): &mut (SourceId, u64, Fate)| {
            self.attendance.contains_key(agent) && *ends <= self.now_ms && *fate != Fate::Hangs
        };
        let over: Vec<_> = self.at_work.extract_if(.., is_over).collect();
        for ((agent, run), (source, _, fate)) in over {
            let outcome = match fate {
                Fate::Succeeds => self.snapshot(agent, run, source),
                _ => Some(RunOutcome::Failed { code: 30 }),
            };
            // A run that was called off meanwhile can't end otherwise.
            outcome.map(|outcome| self.apply(FinishRun { run, outcome }.into()));
            self.attendance.get_mut(&agent).map(|attending| attending.holds.remove(&run));
        }
    }

    /// Brings a protected snapshot, unless the run was called off.
    fn snapshot(&mut self, agent: AgentId, run: RunId, source: SourceId) -> Option<RunOutcome> {
        let sequence = self.sequences.get(&source).copied().unwrap_or(0) + 1;
        let mut id = source.0;
        id[..8].copy_from_slice(&sequence.to_be_bytes());
        let open = OpenUpload { upload: UploadId(id), source, agent, run: Some(run) };
        let Outcome::Done(Answer::Epoch(epoch)) = self.apply(open.into()) else { return None };
        let hash = |sequence: u64| HeadHash([u8::try_from(sequence % 251).unwrap(); 32]);
        let facts = SnapshotFacts {
            sequence,
            head: hash(sequence),
            previous: (sequence > 1).then(|| hash(sequence - 1)),
            root: SnapshotRoot([1; 32]),
            manifest_bytes: 900,
            plaintext_bytes: 1,
            records: 1,
            classes: 1,
            tags: ClassTags::TIER_1,
            is_complete: true,
            interval: None,
        };
        let (pack, root) = (PackId(id), MerkleRoot([1; 32]));
        let packs = PackDifference { restarts: true, added: vec![AddedPack { pack, bytes: 1, root }], dropped: vec![] };
        let mut receipt = [0; 32];
        receipt[..16].copy_from_slice(&id);
        self.done(RegisterReceipt {
            depot: DepotId([1; 16]),
            source,
            epoch,
            root: MerkleRoot(receipt),
            packs: vec![pack],
            signature: Signature::new(&[1; 64]).unwrap(),
        });
        let (upload, snapshot) = (UploadId(id), SnapshotId(id));
        self.done(CommitSnapshot { source, upload, epoch, snapshot, facts, packs, cut_age_ms: 60_000 });
        self.sequences.insert(source, sequence);
        Some(RunOutcome::Succeeded { snapshot })
    }

    /// What must hold after each step.
    fn check(&self) {
        let mut busy = BTreeSet::new();
        for (source, row) in query::sources(self.machine.rows(), None, 100).unwrap().rows {
            let rows = query::runs(self.machine.rows(), source, None, 100).unwrap().rows;
            let running = rows.iter().filter(|(_, row)| row.is_running()).count();
            assert!(running <= 1, "two runs of a source at once");
            let forced = rows.iter().any(|(_, row)| row.plan.cause == crate::state::runs::RunCause::Forced);
            assert!(running == 0 || forced || busy.insert(row.facts.host_group), "two runs on one host group");
        }
    }

    fn rows_of(&self, source: u8) -> Vec<(RunId, RunRow)> {
        let mut rows = query::runs(self.machine.rows(), source_id(source), None, 100).unwrap().rows;
        rows.reverse();
        rows
    }

    pub(super) fn run(&self, run: RunId) -> RunRow {
        query::run(self.machine.rows(), &run).unwrap().unwrap()
    }

    pub(super) fn runs(&self, source: u8) -> Vec<RunId> {
        self.rows_of(source).into_iter().map(|(run, _)| run).collect()
    }

    /// Accrued times of starts, the first first.
    pub(super) fn starts(&self, source: u8) -> Vec<u64> {
        self.rows_of(source).into_iter().filter_map(|(_, row)| row.started_ms).collect()
    }

    pub(super) fn outcomes(&self, source: u8) -> Vec<RunOutcome> {
        let outcome = |row: RunRow| if let RunState::Finished(outcome) = row.state { Some(outcome) } else { None };
        self.rows_of(source).into_iter().filter_map(|(_, row)| outcome(row)).collect()
    }

    pub(super) fn last_outcome(&self, source: &SourceId) -> Option<RunOutcome> {
        self.outcomes(source.0[0]).last().copied()
    }
}
