//! An agent that does as a test says, and the depot that takes its packs.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_core::digest::{IdFunctions, IdKey, Profile};
use strongroom_core::id::{ClassId, ClassRoot, DepotId, DomainId, HeadHash, MerkleRoot, PackId, SnapshotId};
use strongroom_core::manifest::{
    ClassHead, ClassTags, ClockReadings, ManifestBody, ManifestDraft, PackRef, SignedHead, SnapshotTotals,
    snapshot_root,
};
use strongroom_core::receipt::{Receipt, packs_root};
use strongroom_core::seal::{EpochNumber, EpochPrivateKey, Recipient, Scope};
use strongroom_core::time::WallTime;
use strongroom_platform::rng::SimEntropy;
use strongroom_platform::tls::Role;
use strongroom_proto::agents::v1::agents_client::AgentsClient;
use strongroom_proto::agents::v1::change_reply::Result as Changed;
use strongroom_proto::agents::v1::from_agent::Message as Said;
use strongroom_proto::agents::v1::run_ended::Outcome;
use strongroom_proto::agents::v1::to_agent::Message;
use strongroom_proto::agents::v1::{
    Alive, CalledOff, ChangeReply, CommitSnapshotRequest, Done, FromAgent, Hello, OpenSessionRequest,
    OpenUploadRequest, Progress, RunEnded, Session, StartRun, ToAgent,
};
use strongroom_proto::common::v1::Failure;
use strongroom_proto::depots::v1::depots_client::DepotsClient;
use strongroom_proto::depots::v1::{HeldPack, RegisterReceiptRequest};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use super::world::{World, key, source_id, within};

/// How runs end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Succeeds,
    Fails,
    Hangs,
    /// Says that it brought the snapshot of another source.
    Lies,
}

/// What an agent was told, for tests to look at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) starts: Vec<Vec<u8>>,
    pub(crate) called_off: Vec<Vec<u8>>,
    pub(crate) noted: Vec<Vec<u8>>,
    /// Ends that were not taken, each with whether the run is over.
    pub(crate) refused: Vec<(Vec<u8>, bool)>,
}

pub(crate) struct Agent {
    pub(crate) fate: watch::Sender<Fate>,
    pub(crate) told: watch::Receiver<Told>,
    task: tokio::task::JoinHandle<()>,
}

impl Agent {
    /// An agent that follows, and says that it has these runs.
    pub(crate) async fn follow(world: &World, number: u8, boot: u64, fate: Fate, runs: &[Vec<u8>]) -> Self {
        let (out, said) = mpsc::channel(64);
        let hello = Hello { version: "0.1.0".into(), boot, runs: runs.to_vec() };
        out.send(FromAgent { message: Some(Said::Hello(hello)) }).await.unwrap();
        let mut client = AgentsClient::new(world.channel(Role::Agent, "berlin", number).await);
        let mut orders = within(client.follow(ReceiverStream::new(said))).await.unwrap().into_inner();
        let first = within(orders.message()).await.unwrap().unwrap().message;
        assert!(matches!(first, Some(Message::Welcome(_))), "{first:?}");
        let (fate, is_fate) = watch::channel(fate);
        let (telling, told) = watch::channel(Told::default());
        let work = Work::new(world, client, boot).await;
        let beats = world.beats.subscribe();
        let (hearing, heard) = watch::channel(*beats.borrow());
        world.expect(heard);
        let script = Script { out, orders, fate: is_fate, telling, work, beats, hearing };
        Self { fate, told, task: tokio::spawn(script.play()) }
    }

    /// The host is gone.
    pub(crate) async fn vanish(self) {
        self.task.abort();
        drop(self.task.await);
    }
}

struct Script {
    out: mpsc::Sender<FromAgent>,
    orders: Streaming<ToAgent>,
    fate: watch::Receiver<Fate>,
    telling: watch::Sender<Told>,
    work: Work,
    beats: watch::Receiver<u64>,
    hearing: watch::Sender<u64>,
}

impl Script {
    async fn play(mut self) {
        loop {
            tokio::select! {
                order = self.orders.message() => {
                    let Ok(Some(ToAgent { message: Some(order) })) = order else { return };
                    self.hear(order).await;
                }
                changed = self.beats.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let beat = *self.beats.borrow_and_update();
                    self.say(Said::Alive(Alive {})).await;
                    let (run, outcome) = (question(beat), Some(Outcome::CalledOff(CalledOff {})));
                    self.say(Said::Ended(RunEnded { run, outcome })).await;
                }
            }
        }
    }

    async fn say(&self, message: Said) {
        drop(self.out.send(FromAgent { message: Some(message) }).await);
    }

    async fn hear(&mut self, order: Message) {
        match order {
            Message::Start(start) => {
                self.telling.send_modify(|told| told.starts.push(start.run.clone()));
                let progress = Progress { run: start.run.clone(), bytes: 10, records: 1 };
                self.say(Said::Progress(progress)).await;
                let fate = *self.fate.borrow();
                let outcome = match fate {
                    Fate::Hangs => return,
                    Fate::Fails => Outcome::Failed(30),
                    Fate::Succeeds => Outcome::Snapshot(self.work.snapshot(&start).await),
                    Fate::Lies => {
                        let other = StartRun { run: Vec::new(), source: source_id(2).0.to_vec(), ..start.clone() };
                        Outcome::Snapshot(self.work.snapshot(&other).await)
                    }
                };
                self.say(Said::Ended(RunEnded { run: start.run, outcome: Some(outcome) })).await;
            }
            Message::CallOff(it) => {
                self.telling.send_modify(|told| told.called_off.push(it.run.clone()));
                let outcome = Some(Outcome::CalledOff(CalledOff {}));
                self.say(Said::Ended(RunEnded { run: it.run, outcome })).await;
            }
            Message::EndRefused(it) if it.run[..8] == QUESTION => {
                let beat = it.run.last_chunk().copied().map(u64::from_be_bytes).unwrap();
                self.hearing.send_replace(beat);
            }
            Message::EndNoted(it) => self.telling.send_modify(|told| told.noted.push(it.run)),
            Message::EndRefused(it) => self.telling.send_modify(|told| told.refused.push((it.run, it.is_over))),
            Message::Welcome(_) | Message::Failure(_) => {}
        }
    }
}

/// Begins the id of a run that does not exist. Its end is refused, which says that what was said before was heard.
const QUESTION: [u8; 8] = *b"question";

fn question(beat: u64) -> Vec<u8> {
    [QUESTION, beat.to_be_bytes()].concat()
}

/// What an agent and its depot do for a snapshot.
pub(crate) struct Work {
    pub(crate) agents: AgentsClient<Channel>,
    pub(crate) depots: DepotsClient<Channel>,
    pub(crate) session: [u8; 16],
    sequence: u64,
    chains: BTreeMap<u8, (u64, HeadHash)>,
    entropy: Arc<SimEntropy>,
}

impl Work {
    pub(crate) async fn new(world: &World, mut agents: AgentsClient<Channel>, boot: u64) -> Self {
        let depots = DepotsClient::new(world.channel(Role::Depot, "berlin", 9).await);
        let mut session = [1; 16];
        session[..8].copy_from_slice(&boot.to_be_bytes());
        let opened = within(agents.open_session(OpenSessionRequest { id: session.to_vec() })).await.unwrap();
        done(opened.into_inner()).unwrap();
        let entropy = Arc::new(SimEntropy::from_seed(boot));
        Self { agents, depots, session, sequence: 0, chains: BTreeMap::new(), entropy }
    }

    pub(crate) fn next(&mut self) -> Session {
        self.sequence += 1;
        Session { id: self.session.to_vec(), sequence: self.sequence, acknowledged_below: self.sequence }
    }

    /// What the upload that is opened next is called.
    fn upload(&self) -> u8 {
        u8::try_from(self.sequence % 256).unwrap()
    }

    /// Opens an upload, and gives its epoch.
    pub(crate) async fn open(&mut self, source: u8, run: &[u8]) -> Result<Done, Failure> {
        let upload = vec![self.upload(); 16];
        let (session, run) = (Some(self.next()), run.to_vec());
        let open = OpenUploadRequest { session, upload, source: source_id(source).0.to_vec(), run };
        done(within(self.agents.open_upload(open)).await.unwrap().into_inner())
    }

    pub(crate) async fn commit(&mut self, upload: u8, epoch: u64, signed_head: Vec<u8>) -> Result<Done, Failure> {
        let (session, upload) = (Some(self.next()), vec![upload; 16]);
        let commit = CommitSnapshotRequest { session, upload, epoch, signed_head, cut_age_ms: 1_000 };
        done(within(self.agents.commit_snapshot(commit)).await.unwrap().into_inner())
    }

    /// The receipt of depot 9 for one pack.
    pub(crate) async fn receipt(&mut self, source: u8, epoch: u64, pack: PackId, signer: u8) -> Result<(), Failure> {
        let packs = [(pack, MerkleRoot([3; 32]))];
        let root = packs_root(Profile::Blake3, &packs);
        let (depot, count) = (DepotId([9; 16]), 1);
        let receipt = Receipt { profile: Profile::Blake3, depot, source: source_id(source), epoch, count, root };
        let signature = receipt.sign(&key(signer)).unwrap().to_vec();
        let held = HeldPack { pack: pack.0.to_vec(), root: vec![3; 32] };
        let asked =
            RegisterReceiptRequest { source: source_id(source).0.to_vec(), epoch, packs: vec![held], signature };
        let reply = within(self.depots.register_receipt(asked)).await.unwrap().into_inner();
        match reply.result.unwrap() {
            strongroom_proto::depots::v1::change_reply::Result::Done(_) => Ok(()),
            strongroom_proto::depots::v1::change_reply::Result::Failure(failure) => Err(failure),
        }
    }

    /// Brings a protected snapshot, and gives its id.
    async fn snapshot(&mut self, start: &StartRun) -> Vec<u8> {
        let source = start.source[0];
        let upload = self.upload();
        let epoch = self.open(source, &start.run).await.unwrap().epoch;
        let (sequence, previous) =
            self.chains.get(&source).map_or((1, None), |(sequence, hash)| (sequence + 1, Some(*hash)));
        let (head, hash, snapshot, pack) = head(source, sequence, previous, source, &self.entropy);
        self.receipt(source, epoch, pack, 9).await.unwrap();
        let committed = self.commit(upload, epoch, head).await.unwrap();
        assert!(committed.is_protected);
        self.chains.insert(source, (sequence, hash));
        snapshot.0.to_vec()
    }
}

pub(crate) fn done(reply: ChangeReply) -> Result<Done, Failure> {
    match reply.result.unwrap() {
        Changed::Done(done) => Ok(done),
        Changed::Failure(failure) => Err(failure),
    }
}

/// A head with one pack of its own, signed by a key.
pub(crate) fn head(
    source: u8,
    sequence: u64,
    previous: Option<HeadHash>,
    signer: u8,
    entropy: &SimEntropy,
) -> (Vec<u8>, HeadHash, SnapshotId, PackId) {
    let profile = Profile::Blake3;
    let ids = IdFunctions::new(profile, &IdKey::from_bytes([1; 32]));
    let mut id = [source; 16];
    id[..8].copy_from_slice(&sequence.to_be_bytes());
    let (snapshot, pack) = (SnapshotId(id), PackId(id));
    let classes = vec![ClassHead { class: ClassId([1; 16]), tags: ClassTags::TIER_1, root: ClassRoot([1; 32]) }];
    let draft = ManifestDraft {
        scope: Scope::new(profile, DomainId([1; 16]), "production", "DE"),
        source: source_id(source),
        sequence,
        previous,
        snapshot,
        root: snapshot_root(&ids, &classes, &[]),
        complete: true,
        restarts_packs: true,
        started: WallTime(1),
        finished: WallTime(2),
        interval: None,
        totals: SnapshotTotals { records: 12, plaintext_bytes: 3_456 },
        classes,
        packs_added: vec![PackRef { pack, bytes: 1_000, root: MerkleRoot([3; 32]) }],
        packs_dropped: vec![],
    };
    let body = ManifestBody {
        source_name: "a source".into(),
        engine: "postgresql".into(),
        engine_version: "15".into(),
        product: None,
        profile: None,
        application_versions: BTreeMap::new(),
        integrations: vec![],
        environment: BTreeMap::new(),
        source_position: BTreeMap::new(),
        clock: ClockReadings::default(),
        host: "db".into(),
        classes: vec![],
        schemas: strongroom_core::id::BlobId([8; 32]),
        blobs: vec![],
        findings: vec![],
        tags: vec![],
    };
    let epoch = EpochPrivateKey::generate(profile, EpochNumber(1), entropy).unwrap();
    let sealed = draft.seal(&body, Recipient::Epoch(epoch.public()), &key(signer), entropy).unwrap();
    (SignedHead::of_manifest(&sealed.bytes).unwrap().to_vec(), sealed.head_hash, snapshot, pack)
}
