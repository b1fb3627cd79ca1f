//! A machine with a client, and an installation to play with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use strongroom_core::id::{
    AgentId, ClientSession, DepotId, DomainId, HeadHash, HostGroup, MerkleRoot, PackId, PolicyHash, RunId, SnapshotId,
    SnapshotRoot, SourceId, TokenId, UploadId,
};
use strongroom_core::manifest::ClassTags;
use strongroom_core::time::WallTime;

use crate::id::{LogIndex, MemberId, Position, Term};
use crate::state::agents::NewAgent;
use crate::state::bytes::{PublicKey, Signature};
use crate::state::command::Command;
use crate::state::contracts::ContractDocument;
use crate::state::counters::Counter;
use crate::state::depots::{DepotFacts, NewDepot};
use crate::state::members::{MemberDetails, PutMember};
use crate::state::packs::{AddedPack, PackDifference};
use crate::state::places::{PutJurisdiction, PutRegion, PutSite};
use crate::state::receipts::RegisterReceipt;
use crate::state::request::{Actor, Decision, Request, Sequence, Stamp};
use crate::state::rows::Base;
use crate::state::runs::{RunCause, RunPlan};
use crate::state::session::OpenSession;
use crate::state::snapshots::{CommitSnapshot, SnapshotFacts};
use crate::state::sources::{Engine, RegisterSource, SourceFacts};
use crate::state::tables;
use crate::state::text::{Address, CountryCode, JurisdictionName, Name, SourceName, Subject};
use crate::state::tokens::{Enrolment, JoinRole, MintToken, SecretHash, SpendToken, TokenTerms};
use crate::state::uploads::OpenUpload;
use crate::state::{Answer, Machine, MemoryBase, Outcome, Refusal, StateDigest};

pub(super) type Dump = BTreeMap<Vec<u8>, Vec<u8>>;

pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) base: Arc<MemoryBase>,
    pub(super) session: ClientSession,
    pub(super) index: u64,
    pub(super) sequence: u64,
    pub(super) now_ms: u64,
    /// Every request sent, with its place in the log and what came of it.
    pub(super) history: Vec<(Position, Vec<u8>, Outcome)>,
}

pub(super) fn at(index: u64) -> Position {
    Position { index: LogIndex(index), term: Term(1) }
}

pub(super) fn dump(base: &MemoryBase) -> Dump {
    base.scan(&[], &[], usize::MAX).unwrap().into_iter().collect()
}

/// The digest of all rows but the machine's notes, by a scan.
pub(super) fn digest_of(rows: &Dump) -> StateDigest {
    let mut digest = StateDigest::default();
    rows.iter().filter(|(key, _)| key[0] != tables::META).for_each(|(key, value)| digest.add(key, value));
    digest
}

/// The rows without those of sessions, the audit log and the machine's notes.
fn effects(rows: Dump) -> Dump {
    let aside = [
        tables::META,
        tables::CLIENT_SESSIONS,
        tables::CLIENT_SESSION_DAYS,
        tables::CLIENT_OUTCOMES,
        tables::AUDIT_EVENTS,
        tables::AUDIT_FRONTIER,
        tables::AUDIT_TILES,
        tables::REFUSED_REQUESTS,
    ];
    let counters = [
        Counter::AuditEvents,
        Counter::ClientSessions,
        Counter::SessionsSweptDay,
        Counter::DenialsSweptDay,
        Counter::RefusalsKept,
        Counter::RefusalsSweptWindow,
    ];
    let is_aside = |key: &[u8]| {
        aside.contains(&key[0]) || counters.iter().any(|counter| key == [tables::COUNTERS, *counter as u8])
    };
    rows.into_iter().filter(|(key, _)| !is_aside(key)).collect()
}

impl World {
    pub(super) fn new() -> Self {
        let base = Arc::new(MemoryBase::default());
        let machine = Machine::open(Arc::<MemoryBase>::clone(&base)).unwrap();
        let session = ClientSession([7; 16]);
        let mut world = Self { machine, base, session, index: 0, sequence: 0, now_ms: 1_000, history: Vec::new() };
        world.done_without_session(OpenSession { session });
        world
    }

    /// Two regions in Germany and one in France, a site in each; agent 1 in Berlin; depots 1 (Berlin), 2 (Hamburg) and
    /// 3 (Paris); source 1, two copies in two regions within Germany.
    pub(super) fn installed() -> Self {
        let mut world = Self::new();
        for (jurisdiction, code) in [("de", "DE"), ("fr", "FR")] {
            world.done(PutJurisdiction { name: law(jurisdiction), codes: codes(&[code]) });
        }
        for (region, jurisdiction) in [("berlin", "de"), ("hamburg", "de"), ("paris", "fr")] {
            world.done(PutRegion { name: name(region), jurisdiction: law(jurisdiction) });
            world.done(PutSite { name: name(&format!("{region}-1")), region: name(region) });
        }
        world.join_agent(1, "berlin");
        for (depot, region) in [(1, "berlin"), (2, "hamburg"), (3, "paris")] {
            world.join_depot(depot, region);
        }
        world.done(register(1));
        world
    }

    pub(super) fn join_agent(&mut self, number: u8, region: &str) -> Answer {
        self.done(mint(number, JoinRole::Agent, region, self.now_ms));
        self.done(spend(number, Enrolment::Agent(new_agent(number))))
    }

    pub(super) fn join_depot(&mut self, number: u8, region: &str) -> Answer {
        self.done(mint(100 + number, JoinRole::Depot, region, self.now_ms));
        self.done(spend(100 + number, Enrolment::Depot(new_depot(number))))
    }

    pub(super) fn request(&mut self, command: impl Into<Command>) -> Request {
        self.sequence += 1;
        Request {
            session: Some((self.session, Sequence(self.sequence))),
            acknowledged_below: Sequence(self.sequence.saturating_sub(8)),
            actor: Actor::Identity(subject("coordinator", 9)),
            decision: Decision { policy_hash: PolicyHash([9; 32]), ..Decision::default() },
            stamp: Stamp { accrued_ms: self.now_ms, wall: WallTime(1_700_000_000_000_000) },
            command: command.into(),
        }
    }

    pub(super) fn send(&mut self, request: &Request) -> Outcome {
        self.index += 1;
        let bytes = request.encode().unwrap();
        let outcome = self.machine.apply(at(self.index), &bytes).unwrap();
        self.history.push((at(self.index), bytes, outcome.clone()));
        outcome
    }

    pub(super) fn ask(&mut self, command: impl Into<Command>) -> Outcome {
        let request = self.request(command);
        self.send(&request)
    }

    pub(super) fn done(&mut self, command: impl Into<Command>) -> Answer {
        let command = command.into();
        match self.ask(command.clone()) {
            Outcome::Done(answer) => answer,
            Outcome::Rejected(refusal) => panic!("{command:?}: {refusal}"),
        }
    }

    pub(super) fn done_without_session(&mut self, command: impl Into<Command>) -> Answer {
        let mut request = self.request(command);
        request.session = None;
        match self.send(&request) {
            Outcome::Done(answer) => answer,
            Outcome::Rejected(refusal) => panic!("{:?}: {refusal}", request.command),
        }
    }

    /// The command is rejected, and changes no row but those of its session and the audit log.
    pub(super) fn refused(&mut self, command: impl Into<Command>) -> Refusal {
        let command = command.into();
        let before = effects(self.flushed());
        match self.ask(command.clone()) {
            Outcome::Rejected(refusal) => {
                assert_eq!(effects(self.flushed()), before, "{command:?} left something behind");
                refusal
            }
            Outcome::Done(answer) => panic!("{command:?} was not refused: {answer:?}"),
        }
    }

    /// All rows, flushed.
    pub(super) fn flushed(&mut self) -> Dump {
        flush(&mut self.machine, &self.base);
        dump(&self.base)
    }

    /// Lets accrued time pass, in the steps that an entry may take.
    pub(super) fn pass(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        while self.now_ms < until {
            self.now_ms = until.min(self.now_ms + 60_000);
            self.done_without_session(OpenSession { session: ClientSession([8; 16]) });
        }
    }

    pub(super) fn count(&self, counter: Counter) -> u64 {
        crate::state::counters::count(self.machine.rows(), counter).unwrap()
    }

    /// Opens an upload of a source by agent 1, and gives its epoch.
    pub(super) fn upload(&mut self, source: u8, upload: u8) -> u64 {
        match self.done(open_upload(source, upload)) {
            Answer::Epoch(epoch) => epoch,
            answer => panic!("no epoch: {answer:?}"),
        }
    }
}

pub(super) fn flush(machine: &mut Machine, base: &MemoryBase) {
    if let Some(frozen) = machine.freeze() {
        base.flush(&frozen.layer);
        machine.thaw();
    }
}

pub(super) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(super) fn source_name(text: &str) -> SourceName {
    SourceName::new(text).unwrap()
}

pub(super) fn law(text: &str) -> JurisdictionName {
    JurisdictionName::new(text).unwrap()
}

pub(super) fn codes(texts: &[&str]) -> BTreeSet<CountryCode> {
    texts.iter().map(|text| CountryCode::new(text).unwrap()).collect()
}

pub(super) fn subject(role: &str, number: u8) -> Subject {
    Subject::new(&format!("spiffe://example.org/berlin/{role}/{number:032x}")).unwrap()
}

pub(super) fn member(number: u64) -> MemberId {
    MemberId::from_number(number).unwrap()
}

pub(super) const fn source_id(number: u8) -> SourceId {
    SourceId([number; 16])
}

pub(super) fn run_id(number: u8) -> RunId {
    RunId([number; 16])
}

pub(super) fn pack_id(number: u8) -> PackId {
    PackId([number; 16])
}

pub(super) fn put_member(number: u64) -> PutMember {
    let address = |port: u16| Address::new(&format!("member-{number}:{port}")).unwrap();
    let details = MemberDetails {
        name: name(&format!("member-{number}")),
        region: name("berlin"),
        peer_address: address(1),
        api_address: address(2),
    };
    PutMember { member: member(number), details }
}

pub(super) fn mint(number: u8, role: JoinRole, region: &str, now_ms: u64) -> MintToken {
    let site = (role != JoinRole::Member).then(|| name(&format!("{region}-1")));
    let terms = TokenTerms { role, region: name(region), site, name_hint: None, expires_ms: now_ms + 3_600_000 };
    MintToken { token: TokenId([number; 8]), secret_hash: SecretHash([number; 32]), terms }
}

pub(super) fn spend(number: u8, enrolment: Enrolment) -> SpendToken {
    SpendToken { token: TokenId([number; 8]), secret_hash: SecretHash([number; 32]), enrolment }
}

pub(super) fn new_agent(number: u8) -> NewAgent {
    let agent = AgentId([number; 16]);
    NewAgent { agent, name: name(&format!("agent-{number}")), subject: subject("agent", number) }
}

pub(super) fn new_depot(number: u8) -> NewDepot {
    NewDepot {
        depot: DepotId([number; 16]),
        name: name(&format!("depot-{number}")),
        subject: subject("depot", number),
        facts: depot_facts(number),
    }
}

pub(super) fn depot_facts(number: u8) -> DepotFacts {
    let address = Address::new(&format!("depot-{number}:7000")).unwrap();
    DepotFacts { capacity_bytes: 1 << 40, key: PublicKey::new(&[number; 32]).unwrap(), address }
}

/// An hourly contract, which may promise what can't be kept.
pub(super) fn promise(copies: u8, regions: u8, jurisdictions: &[&str]) -> ContractDocument {
    let text = serde_json::json!({
        "rpo_s": 14_400, "rto_s": 7200, "retention": {"daily": 7}, "jurisdictions": jurisdictions,
        "copies": copies, "regions": regions, "cadence": {"every": {"minutes": 60}},
    });
    ContractDocument::new(serde_json::from_value(text).unwrap()).unwrap()
}

pub(super) fn register(number: u8) -> RegisterSource {
    let facts = SourceFacts {
        name: source_name(&format!("source-{number}")),
        engine: Engine::PostgreSql,
        domain: DomainId([number; 16]),
        agent: AgentId([1; 16]),
        host_group: HostGroup([1; 16]),
        signer: PublicKey::new(&[number; 32]).unwrap(),
        tags: ClassTags::TIER_1.with(ClassTags::PERSONAL),
    };
    RegisterSource { source: source_id(number), facts, contract: promise(2, 2, &["de"]) }
}

pub(super) fn plan(source: u8, period: u64, attempt: u32) -> RunPlan {
    RunPlan { source: source_id(source), period, attempt, cause: RunCause::Schedule }
}

pub(super) fn open_upload(source: u8, upload: u8) -> OpenUpload {
    OpenUpload { upload: UploadId([upload; 16]), source: source_id(source), agent: AgentId([1; 16]), run: None }
}

pub(super) fn head_hash(source: u8, sequence: u64) -> HeadHash {
    let mut hash = [source; 32];
    hash[..8].copy_from_slice(&sequence.to_be_bytes());
    HeadHash(hash)
}

pub(super) fn snapshot_id(source: u8, sequence: u64) -> SnapshotId {
    let mut id = [source; 16];
    id[..8].copy_from_slice(&sequence.to_be_bytes());
    SnapshotId(id)
}

pub(super) fn packs(added: &[u8], dropped: &[u8]) -> PackDifference {
    let add = |pack: &u8| AddedPack { pack: pack_id(*pack), bytes: 1_000, root: MerkleRoot([*pack; 32]) };
    PackDifference {
        restarts: false,
        added: added.iter().map(add).collect(),
        dropped: dropped.iter().map(|pack| pack_id(*pack)).collect(),
    }
}

pub(super) fn commit(source: u8, upload: u8, epoch: u64, sequence: u64, packs: PackDifference) -> CommitSnapshot {
    let facts = SnapshotFacts {
        sequence,
        head: head_hash(source, sequence),
        previous: (sequence > 1).then(|| head_hash(source, sequence - 1)),
        root: SnapshotRoot([source; 32]),
        manifest_bytes: 900,
        plaintext_bytes: 1 << 30,
        records: 600_000,
        classes: 40,
        tags: ClassTags::TIER_1,
        is_complete: true,
        interval: Some((WallTime(1), WallTime(2))),
    };
    let snapshot = snapshot_id(source, sequence);
    CommitSnapshot {
        source: source_id(source),
        upload: UploadId([upload; 16]),
        epoch,
        snapshot,
        facts,
        packs,
        cut_age_ms: 0,
    }
}

pub(super) fn receipt(source: u8, epoch: u64, depot: u8, packs: &[u8]) -> RegisterReceipt {
    let mut root = [depot; 32];
    root[..packs.len()].copy_from_slice(packs);
    RegisterReceipt {
        depot: DepotId([depot; 16]),
        source: source_id(source),
        epoch,
        root: MerkleRoot(root),
        packs: packs.iter().map(|pack| pack_id(*pack)).collect(),
        signature: Signature::new(&[depot; 64]).unwrap(),
    }
}
