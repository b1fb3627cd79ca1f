//! A catalogue of many snapshots, committed by the state machine over a store.

use std::path::Path;
use std::sync::Arc;

use strongroom_coordinator::id::{LogIndex, Position, Term};
use strongroom_coordinator::member::{Heritage, MemberConfig};
use strongroom_coordinator::recovery::Survivor;
use strongroom_coordinator::state::agents::NewAgent;
use strongroom_coordinator::state::bytes::{PublicKey, Signature};
use strongroom_coordinator::state::contracts::ContractDocument;
use strongroom_coordinator::state::depots::{DepotFacts, NewDepot};
use strongroom_coordinator::state::packs::{AddedPack, PackDifference};
use strongroom_coordinator::state::receipts::RegisterReceipt;
use strongroom_coordinator::state::session::OpenSession;
use strongroom_coordinator::state::snapshots::{CommitSnapshot, SnapshotFacts};
use strongroom_coordinator::state::sources::{Engine, RegisterSource, SourceFacts};
use strongroom_coordinator::state::text::{Address, Name, SourceName, Subject};
use strongroom_coordinator::state::tokens::{
    Enrolment, JoinRole, KeyDigest, MintToken, SecretHash, SpendToken, TokenTerms,
};
use strongroom_coordinator::state::uploads::OpenUpload;
use strongroom_coordinator::state::{
    Actor, Base, Command, Decision, Layer, Machine, Outcome, Request, Sequence, Stamp,
};
use strongroom_coordinator::store::{self, Store};
use strongroom_core::id::{
    AgentId, ClientSession, DepotId, DomainId, HeadHash, HostGroup, MerkleRoot, PackId, SnapshotId, SnapshotRoot,
    SourceId, TokenId, UploadId,
};
use strongroom_core::manifest::ClassTags;
use strongroom_core::time::WallTime;
use strongroom_platform::disk::{Disk, RealDisk};

/// Sources among which the snapshots are spread: a large installation.
const SOURCES: u64 = 1_000;
/// Rows that may change before they go to the database, as a member has it.
const FLUSH_ROWS_MAX: usize = 8_000;
/// Packs that each head adds; from the second on it drops as many of those before.
const PACKS_ADDED: u64 = 2;
const SESSION: ClientSession = ClientSession([7; 16]);
const CONTRACT: &str = r#"{"rpo_s": 14400, "rto_s": 7200, "retention": {"daily": 7}, "jurisdictions": ["DE"],
    "copies": 1, "regions": 1, "cadence": {"every": {"minutes": 60}}}"#;

/// Goes on with the state of a founded group until it has so many snapshots.
pub(crate) fn fill(from: &Path, to: &Path, snapshots: u64) -> (Heritage, Machine) {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(from).expect("the founded group"));
    let mut survivor = Survivor::look(&disk, &MemberConfig::LAN).expect("its member");
    let heritage = survivor.heritage();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::create(to).expect("a folder"));
    disk.create_dir_all(store::DIR).expect("a folder");
    let mut rows = Layer::default();
    for (key, value) in survivor.pages().flat_map(|page| page.expect("rows")) {
        rows.set(key, Some(value));
    }
    Store::create(&disk, &store::path(1), &rows).expect("a state");
    let store = Arc::new(Store::open(disk.as_ref(), &store::path(1)).expect("the state"));
    let machine = Machine::open(Arc::clone(&store) as Arc<dyn Base>).expect("the state");
    let mut filling = Filling { machine, store, sequence: 0 };
    filling.install();
    for number in 0..snapshots {
        filling.snapshot(number);
        if filling.machine.changed_rows() >= FLUSH_ROWS_MAX {
            filling.flush();
        }
    }
    filling.flush();
    let (last, digest) = (filling.machine.position(), filling.machine.digest());
    let heritage = Heritage { last, committed: last, term: last.term, digest, ..heritage };
    (heritage, filling.machine)
}

struct Filling {
    machine: Machine,
    store: Arc<Store>,
    sequence: u64,
}

impl Filling {
    fn apply(&mut self, command: impl Into<Command>) {
        let command = command.into();
        self.sequence += 1;
        let is_open = matches!(command, Command::OpenSession(_));
        let request = Request {
            session: (!is_open).then_some((SESSION, Sequence(self.sequence))),
            acknowledged_below: Sequence(self.sequence.saturating_sub(16)),
            actor: Actor::System,
            decision: Decision::default(),
            stamp: Stamp { accrued_ms: 1_000, wall: WallTime(1_700_000_000_000_000) },
            command,
        };
        let LogIndex(before) = self.machine.position().index;
        let at = Position { index: LogIndex(before + 1), term: Term(9) };
        let bytes = request.encode().expect("a request");
        match self.machine.apply(at, &bytes).expect("rows") {
            Outcome::Done(_) => {}
            Outcome::Rejected(refusal) => panic!("{refusal}"),
        }
    }

    fn flush(&mut self) {
        if let Some(frozen) = self.machine.freeze() {
            self.store.flush(&frozen.layer).expect("the disk");
            self.machine.thaw();
        }
    }

    fn install(&mut self) {
        self.apply(OpenSession { session: SESSION });
        let name = Name::new("here").expect("a name");
        let subject = |part: &str| {
            Subject::new(&format!("spiffe://bench.example/here/{part}/{}", "01".repeat(16))).expect("a name")
        };
        let agent = NewAgent { agent: AgentId([1; 16]), name: name.clone(), subject: subject("agent") };
        let key = PublicKey::new(&[1; 32]).expect("a key");
        let facts =
            DepotFacts { capacity_bytes: 1 << 50, key, address: Address::new("depot:7000").expect("an address") };
        let depot = NewDepot { depot: DepotId([1; 16]), name: name.clone(), subject: subject("depot"), facts };
        let joins = [(1, JoinRole::Agent, Enrolment::Agent(agent)), (2, JoinRole::Depot, Enrolment::Depot(depot))];
        for (number, role, enrolment) in joins {
            let (token, secret_hash) = (TokenId([number; 8]), SecretHash([number; 32]));
            let (region, site) = (name.clone(), Some(name.clone()));
            let terms = TokenTerms { role, region, site, name_hint: None, renews: None, expires_ms: 60_000 };
            self.apply(MintToken { token, secret_hash, terms });
            let key = KeyDigest([number; 32]);
            self.apply(SpendToken { token, secret_hash, key, enrolment });
        }
        for number in 0..SOURCES {
            let facts = SourceFacts {
                name: SourceName::new(&format!("source-{number}")).expect("a name"),
                engine: Engine::PostgreSql,
                domain: DomainId([1; 16]),
                agent: AgentId([1; 16]),
                host_group: HostGroup(id(number)),
                signer: PublicKey::new(&[1; 32]).expect("a key"),
                tags: ClassTags::TIER_1,
            };
            let contract = ContractDocument::decode(CONTRACT.as_bytes()).expect("a contract");
            let (source, upload) = (SourceId(id(number)), UploadId(id(number)));
            self.apply(RegisterSource { source, facts, contract });
            self.apply(OpenUpload { upload, source, agent: AgentId([1; 16]), run: None });
        }
    }

    /// A head that adds some packs and drops one, after their receipt.
    fn snapshot(&mut self, number: u64) {
        let (origin, before) = (number % SOURCES, number / SOURCES);
        let source = SourceId(id(origin));
        let packs = |number: u64| (0..PACKS_ADDED).map(move |pack| PackId(id(number * PACKS_ADDED + pack)));
        let receipt = RegisterReceipt {
            depot: DepotId([1; 16]),
            source,
            epoch: 1,
            root: MerkleRoot(hash(number)),
            packs: sorted(packs(number).collect()),
            signature: Signature::new(&[1; 64]).expect("a signature"),
        };
        self.apply(receipt);
        let earlier = number.checked_sub(SOURCES);
        let facts = SnapshotFacts {
            sequence: before + 1,
            head: HeadHash(hash(number)),
            previous: earlier.map(|earlier| HeadHash(hash(earlier))),
            root: SnapshotRoot(hash(number)),
            manifest_bytes: 900,
            plaintext_bytes: 1 << 30,
            records: 600_000,
            classes: 40,
            tags: ClassTags::TIER_1,
            is_complete: true,
            interval: None,
        };
        let added = sorted(packs(number).collect());
        let added = added.into_iter().map(|pack| AddedPack { pack, bytes: 1 << 20, root: MerkleRoot(hash(number)) });
        // Two in and two out: what a source needs stays as large as it was.
        let dropped = sorted(earlier.into_iter().flat_map(packs).collect());
        let packs = PackDifference { restarts: false, added: added.collect(), dropped };
        let (upload, snapshot) = (UploadId(id(origin)), SnapshotId(id(number)));
        self.apply(CommitSnapshot { source, upload, epoch: 1, snapshot, facts, packs, cut_age_ms: 0 });
    }
}

fn sorted(mut packs: Vec<PackId>) -> Vec<PackId> {
    packs.sort();
    packs
}

/// Spread as random ids are.
fn id(number: u64) -> [u8; 16] {
    let mut id = [0; 16];
    let (high, low) = id.split_at_mut(8);
    high.copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    low.copy_from_slice(&number.to_be_bytes());
    id
}

fn hash(number: u64) -> [u8; 32] {
    *blake3::hash(&number.to_be_bytes()).as_bytes()
}
