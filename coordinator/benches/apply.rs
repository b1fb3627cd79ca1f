//! How many commands the state machine applies in a second, over a base in memory.
//!
//! Entries come in batches of 1,000, each flushed to the base as the store would, outside of the time that counts. Run it
//! with `cargo bench -p strongroom-coordinator --bench apply`; nothing else should run meanwhile.

use std::sync::Arc;

use strongroom_coordinator::id::{LogIndex, Position, Term};
use strongroom_coordinator::state::agents::{NewAgent, ReportAgent};
use strongroom_coordinator::state::bytes::{PublicKey, Signature};
use strongroom_coordinator::state::contracts::ContractDocument;
use strongroom_coordinator::state::depots::{DepotFacts, NewDepot};
use strongroom_coordinator::state::packs::{AddedPack, PackDifference};
use strongroom_coordinator::state::places::{PutJurisdiction, PutRegion, PutSite};
use strongroom_coordinator::state::receipts::RegisterReceipt;
use strongroom_coordinator::state::session::OpenSession;
use strongroom_coordinator::state::snapshots::{CommitSnapshot, SnapshotFacts};
use strongroom_coordinator::state::sources::{Engine, PauseSource, RegisterSource, SourceFacts};
use strongroom_coordinator::state::text::{
    Address, CountryCode, JurisdictionName, Name, ProgramVersion, SourceName, Subject,
};
use strongroom_coordinator::state::tokens::{
    Enrolment, JoinRole, KeyDigest, MintToken, SecretHash, SpendToken, TokenTerms,
};
use strongroom_coordinator::state::uploads::OpenUpload;
use strongroom_coordinator::state::{Actor, Command, Decision, Machine, MemoryBase, Outcome, Request, Sequence, Stamp};
use strongroom_core::id::{
    AgentId, ClientSession, DepotId, DomainId, HeadHash, HostGroup, MerkleRoot, PackId, PolicyHash, SnapshotId,
    SnapshotRoot, SourceId, TokenId, UploadId,
};
use strongroom_core::manifest::ClassTags;
use strongroom_core::time::WallTime;
use strongroom_platform::clock::{Clock, SystemClock};

const BATCH: u64 = 1_000;
const BATCHES: u64 = 50;

struct Bench {
    machine: Machine,
    base: Arc<MemoryBase>,
    clock: SystemClock,
    index: u64,
    sequence: u64,
}

type Failure = Box<dyn std::error::Error>;

impl Bench {
    fn new() -> Result<Self, Failure> {
        let base = Arc::new(MemoryBase::default());
        let machine = Machine::open(Arc::<MemoryBase>::clone(&base))?;
        let mut bench = Self { machine, base, clock: SystemClock, index: 0, sequence: 0 };
        bench.apply(OpenSession { session: SESSION }.into())?;
        Ok(bench)
    }

    fn entry(&mut self, command: Command) -> Result<(Position, Vec<u8>), Failure> {
        self.index += 1;
        self.sequence += 1;
        let is_open = matches!(command, Command::OpenSession(_));
        let request = Request {
            session: (!is_open).then_some((SESSION, Sequence(self.sequence))),
            acknowledged_below: Sequence(self.sequence.saturating_sub(16)),
            actor: Actor::Identity(Subject::new("spiffe://example.org/berlin/agent/00000000000000000000000000000001")?),
            decision: Decision { policy_hash: PolicyHash([1; 32]), ..Decision::default() },
            stamp: Stamp { accrued_ms: self.index, wall: WallTime(1_700_000_000_000_000) },
            command,
        };
        Ok((Position { index: LogIndex(self.index), term: Term(1) }, request.encode()?))
    }

    fn apply(&mut self, command: Command) -> Result<(), Failure> {
        let (at, bytes) = self.entry(command)?;
        match self.machine.apply(at, &bytes)? {
            Outcome::Done(_) => Ok(()),
            Outcome::Rejected(refusal) => Err(refusal.into()),
        }
    }

    /// Applies batches of a command and prints how many a second.
    fn measure(&mut self, what: &str, make: impl Fn(u64) -> Result<Command, Failure>) -> Result<(), Failure> {
        let mut nanos = 0;
        let mut number = 0;
        for _ in 0..BATCHES {
            let mut entries = Vec::new();
            for _ in 0..BATCH {
                entries.push(self.entry(make(number)?)?);
                number += 1;
            }
            let before = self.clock.monotonic();
            for (at, bytes) in &entries {
                if let Outcome::Rejected(refusal) = self.machine.apply(*at, bytes)? {
                    return Err(refusal.into());
                }
            }
            let frozen = self.machine.freeze();
            nanos += self.clock.monotonic().since(before).as_nanos();
            if let Some(frozen) = frozen {
                self.base.flush(&frozen.layer);
                self.machine.thaw();
            }
        }
        print(what, u128::from(BATCH * BATCHES) * 1_000_000_000 / nanos.max(1));
        Ok(())
    }
}

const SESSION: ClientSession = ClientSession([7; 16]);
const CONTRACT: &str = r#"{"rpo_s": 14400, "rto_s": 7200, "retention": {"daily": 7}, "jurisdictions": ["DE"],
    "copies": 1, "regions": 1, "cadence": {"every": {"minutes": 60}}}"#;
const SOURCE: SourceId = SourceId([1; 16]);

#[expect(clippy::print_stdout, reason = "a bench is there to print")]
fn print(what: &str, commands_per_s: u128) {
    println!("{what:<40} {commands_per_s:>9} commands/s");
}

fn id(number: u64) -> [u8; 16] {
    let mut id = [0; 16];
    // Spread as random ids are.
    id[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    id
}

fn hash(number: u64) -> [u8; 32] {
    *blake3::hash(&number.to_be_bytes()).as_bytes()
}

fn install(bench: &mut Bench) -> Result<(), Failure> {
    let name = Name::new("berlin")?;
    let codes = [CountryCode::new("DE")?].into();
    let country = JurisdictionName::new("DE")?;
    bench.apply(PutJurisdiction { name: country.clone(), codes }.into())?;
    bench.apply(PutRegion { name: name.clone(), jurisdiction: country }.into())?;
    bench.apply(PutSite { name: name.clone(), region: name.clone() }.into())?;
    let subject = Subject::new("spiffe://example.org/berlin/agent/00000000000000000000000000000001")?;
    let agent = NewAgent { agent: AgentId([1; 16]), name: name.clone(), subject: subject.clone() };
    let facts =
        DepotFacts { capacity_bytes: 1 << 40, key: PublicKey::new(&[1; 32])?, address: Address::new("depot:7000")? };
    let depot = NewDepot { depot: DepotId([1; 16]), name: name.clone(), subject, facts };
    for (number, role, enrolment) in
        [(1, JoinRole::Agent, Enrolment::Agent(agent)), (2, JoinRole::Depot, Enrolment::Depot(depot))]
    {
        let (token, secret_hash) = (TokenId([number; 8]), SecretHash([number; 32]));
        let (region, site) = (name.clone(), Some(name.clone()));
        let terms = TokenTerms { role, region, site, name_hint: None, renews: None, expires_ms: 60_000 };
        bench.apply(MintToken { token, secret_hash, terms }.into())?;
        bench.apply(SpendToken { token, secret_hash, key: KeyDigest([1; 32]), enrolment }.into())?;
    }
    let facts = SourceFacts {
        name: SourceName::new("berlin")?,
        engine: Engine::PostgreSql,
        domain: DomainId([1; 16]),
        agent: AgentId([1; 16]),
        host_group: HostGroup([1; 16]),
        signer: PublicKey::new(&[1; 32])?,
        tags: ClassTags::TIER_1,
    };
    let contract = ContractDocument::decode(CONTRACT.as_bytes())?;
    bench.apply(RegisterSource { source: SOURCE, facts, contract }.into())?;
    let upload = UploadId([1; 16]);
    bench.apply(OpenUpload { upload, source: SOURCE, agent: AgentId([1; 16]), run: None }.into())
}

fn receipt(number: u64) -> Result<Command, Failure> {
    let command = RegisterReceipt {
        depot: DepotId([1; 16]),
        source: SOURCE,
        epoch: 1,
        root: MerkleRoot(hash(number)),
        packs: vec![PackId(id(number))],
        signature: Signature::new(&[1; 64])?,
    };
    Ok(command.into())
}

/// A head that adds a pack and drops the one before.
fn commit(number: u64) -> Command {
    let facts = SnapshotFacts {
        sequence: number + 1,
        head: HeadHash(hash(number)),
        previous: number.checked_sub(1).map(|before| HeadHash(hash(before))),
        root: SnapshotRoot(hash(number)),
        manifest_bytes: 900,
        plaintext_bytes: 1 << 30,
        records: 600_000,
        classes: 40,
        tags: ClassTags::TIER_1,
        is_complete: true,
        interval: None,
    };
    let added = vec![AddedPack { pack: PackId(id(number)), bytes: 1 << 20, root: MerkleRoot(hash(number)) }];
    let dropped = number.checked_sub(1).map(|before| PackId(id(before))).into_iter().collect();
    let packs = PackDifference { restarts: false, added, dropped };
    let (upload, snapshot) = (UploadId([1; 16]), SnapshotId(id(number)));
    CommitSnapshot { source: SOURCE, upload, epoch: 1, snapshot, facts, packs, cut_age_ms: 0 }.into()
}

fn main() -> Result<(), Failure> {
    let mut bench = Bench::new()?;
    install(&mut bench)?;
    let version = ProgramVersion::new("0.1.0")?;
    bench.measure("report of an agent (not audited)", |boot| {
        Ok(ReportAgent { agent: AgentId([1; 16]), version: version.clone(), boot }.into())
    })?;
    bench.measure("pause or resume a source (audited)", |number| {
        Ok(PauseSource { source: SOURCE, is_paused: number % 2 == 0 }.into())
    })?;
    bench.measure("receipt over one pack", receipt)?;
    bench.measure("head with one pack in and one out", |number| Ok(commit(number)))
}
