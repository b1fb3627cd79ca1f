//! Long random histories, applied in several ways that must come to the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use strongroom_core::id::{CertificateSerial, DepotId, HostGroup, RunId, SnapshotId, SourceId, UploadId};
use strongroom_core::time::WallTime;

use super::naive;
use super::persisted::kind;
use super::world::{
    World, at, codes, commit, digest_of, dump, flush, law, mint, name, new_agent, open_upload, packs, plan, promise,
    put_member, receipt, register, run_id, snapshot_id, source_id, spend, subject,
};
use crate::id::Position;
use crate::state::certificates::{Denial, Deny, IssueCertificate};
use crate::state::command::Command;
use crate::state::depots::{DepotState, SetDepotState};
use crate::state::members::MemberBooted;
use crate::state::operators::{AddOperator, OperatorRole, RemoveOperator};
use crate::state::places::{PutJurisdiction, PutSite, RemoveSite};
use crate::state::request::{Request, Sequence};
use crate::state::retired::RetireSource;
use crate::state::runs::commands::{FinishRun, QueueRun, ReportRun, SetHostGroupCap, StartRun};
use crate::state::runs::{RunCause, RunOutcome, RunPlan};
use crate::state::sources::{DisableSource, PauseSource, SetContract};
use crate::state::text::Name;
use crate::state::tokens::{Enrolment, JoinRole};
use crate::state::uploads::{CloseUpload, FenceUpload};
use crate::state::{Machine, MemoryBase, Outcome, StateDigest, query};

type Entry = (Position, Vec<u8>, Outcome);

/// Some numbers from which a command is made, with an eye on the state so that many take effect.
#[derive(Clone, Copy, Debug)]
struct Seed {
    kind: u8,
    a: u8,
    b: u8,
    ms: u16,
}

fn seeds(most: usize) -> impl Strategy<Value = Vec<Seed>> {
    let seed = (any::<u8>(), any::<u8>(), any::<u8>(), any::<u16>());
    proptest::collection::vec(seed.prop_map(|(kind, a, b, ms)| Seed { kind, a, b, ms }), 1..most)
}

fn command(world: &World, Seed { kind, a, b, .. }: Seed) -> Command {
    let (few, source) = (a % 4, 1 + a % 2);
    match kind % 25 {
        0 => PutJurisdiction { name: law(&format!("zone-{few}")), codes: codes(&[["DE", "FR"][usize::from(b % 2)]]) }
            .into(),
        1 => PutSite { name: word("site", few), region: name("berlin") }.into(),
        2 => RemoveSite { name: word("site", few) }.into(),
        3 => put_member(u64::from(few) + 1).into(),
        4 => MemberBooted { member: super::world::member(u64::from(few) + 1), boot: u64::from(b) }.into(),
        5 => mint(b, JoinRole::Agent, "berlin", world.now_ms).into(),
        6 => spend(b, Enrolment::Agent(new_agent(few))).into(),
        7 => issue(few, b).into(),
        8 => Deny { denial: Denial::Serial(CertificateSerial([b % 8; 16])) }.into(),
        9 => depot_state(few, b).into(),
        10 => register(source).into(),
        11 if b.is_multiple_of(4) => DisableSource { source: source_id(source), is_disabled: b > 100 }.into(),
        11 => PauseSource { source: source_id(source), is_paused: b % 3 == 0 }.into(),
        12 => contract(source, b).into(),
        13 => QueueRun { run: run_id(b), plan: some_plan(source, b) }.into(),
        14 | 15 => start(world, source, b).into(),
        16 => finish(world, source, b).into(),
        17 => report(world, source, a, b).into(),
        18 => SetHostGroupCap { host_group: HostGroup([1; 16]), cap: u16::from(few) }.into(),
        19 => open_upload(source, b % 4).into(),
        20 => end_upload(world, source, b),
        21 => operator(few, b),
        // Sources of their own: one that is retired never comes back.
        24 if b.is_multiple_of(2) => RetireSource { source: source_id(40 + few) }.into(),
        24 => register(40 + few).into(),
        _ if b.is_multiple_of(2) => some_commit(world, source, a, b).into(),
        _ => some_receipt(world, source, a, b).into(),
    }
}

fn word(text: &str, number: u8) -> Name {
    name(&format!("{text}-{number}"))
}

fn issue(serial: u8, b: u8) -> IssueCertificate {
    let renews = b.is_multiple_of(2).then_some(CertificateSerial([serial; 16]));
    let (serial, subject) = (CertificateSerial([b % 8; 16]), subject("agent", b % 3));
    IssueCertificate { serial, subject, not_after: WallTime(1), renews }
}

fn depot_state(depot: u8, b: u8) -> SetDepotState {
    let states = [DepotState::Active, DepotState::Draining, DepotState::Lost];
    let (from, to) = (states[usize::from(b % 3)], states[usize::from(b / 3 % 3)]);
    SetDepotState { depot: DepotId([depot; 16]), from, to }
}

fn contract(source: u8, b: u8) -> SetContract {
    let places: &[&str] = if b.is_multiple_of(2) { &["de"] } else { &["de", "fr"] };
    SetContract { source: source_id(source), contract: promise(1 + b % 3, 1 + b % 2, places) }
}

fn some_plan(source: u8, b: u8) -> RunPlan {
    let cause = match b % 10 {
        0 => RunCause::Manual,
        5 => RunCause::Forced,
        _ => RunCause::Schedule,
    };
    RunPlan { cause, ..plan(source, u64::from(b / 16), u32::from(b % 4)) }
}

fn start(world: &World, source: u8, b: u8) -> StartRun {
    let seen = query::schedule(world.machine.rows(), &source_id(source)).unwrap().unwrap_or_default().seen;
    StartRun { run: run_id(b), plan: some_plan(source, b), seen }
}

fn running(world: &World, source: u8) -> Option<RunId> {
    query::schedule(world.machine.rows(), &source_id(source)).unwrap().unwrap_or_default().seen.running
}

fn report(world: &World, source: u8, a: u8, b: u8) -> ReportRun {
    let run = running(world, source).unwrap_or(run_id(b));
    ReportRun { run, bytes: u64::from(b), records: u64::from(a) }
}

fn finish(world: &World, source: u8, b: u8) -> FinishRun {
    let outcome = match b % 3 {
        0 => RunOutcome::Succeeded { snapshot: snapshot_id(source, 1) },
        1 => RunOutcome::Failed { code: 30 },
        _ => RunOutcome::Abandoned,
    };
    FinishRun { run: running(world, source).unwrap_or(run_id(b)), outcome }
}

fn epoch(world: &World, source: u8) -> (u64, UploadId) {
    let row = query::epoch(world.machine.rows(), &source_id(source)).unwrap().unwrap_or_default();
    (row.epoch, row.live.unwrap_or(UploadId([9; 16])))
}

fn end_upload(world: &World, source: u8, b: u8) -> Command {
    let (epoch, upload) = epoch(world, source);
    match b % 4 {
        0 => CloseUpload { source: source_id(source), upload, epoch }.into(),
        1 => FenceUpload { source: source_id(source), epoch }.into(),
        _ => open_upload(source, b % 4).into(),
    }
}

fn operator(few: u8, b: u8) -> Command {
    if b.is_multiple_of(3) {
        return RemoveOperator { name: word("operator", few) }.into();
    }
    let role = if b.is_multiple_of(2) { OperatorRole::Operator } else { OperatorRole::Auditor };
    let (name, subject) = (word("operator", few), subject("operator", b % 4));
    AddOperator { name, subject, roles: [role].into() }.into()
}

fn some_commit(world: &World, source: u8, a: u8, b: u8) -> crate::state::snapshots::CommitSnapshot {
    let (epoch, upload) = epoch(world, source);
    let sequence = query::head(world.machine.rows(), &source_id(source)).unwrap().map_or(0, |head| head.sequence) + 1;
    let live = query::live_packs(world.machine.rows(), source_id(source), None, 100).unwrap();
    let dropped: Vec<u8> = live.rows.iter().map(|(pack, _)| pack.0[0]).filter(|pack| pack % 4 == a % 4).collect();
    let mut difference = packs(&[16 * source + b % 16], &dropped);
    if b % 16 == 2 {
        difference.restarts = true;
        difference.dropped.clear();
    }
    let mut command = commit(source, 0, epoch, sequence, difference);
    command.upload = upload;
    command
}

fn some_receipt(world: &World, source: u8, a: u8, b: u8) -> crate::state::receipts::RegisterReceipt {
    let (epoch, _) = epoch(world, source);
    let first = 16 * source + b % 12;
    let live = query::live_packs(world.machine.rows(), source_id(source), None, 100).unwrap().rows;
    let bare: Vec<u8> = live.iter().filter(|(_, row)| !row.is_placed).map(|(pack, _)| pack.0[0]).collect();
    let guessed = [first, first + 1, first + 2, first + 3];
    let packs = if a.is_multiple_of(2) && !bare.is_empty() { &bare } else { &guessed[..] };
    let mut receipt = receipt(source, epoch, 1 + a / 4 % 3, packs);
    receipt.root.0[31] = b;
    receipt
}

/// Applies random commands one after the other, most of them within the client's session.
fn straight(seeds: &[Seed]) -> World {
    let mut world = World::installed();
    for seed in seeds {
        world.now_ms += u64::from(seed.ms);
        let command = command(&world, *seed);
        let mut request = world.request(command);
        if seed.ms % 11 == 0 {
            request.session = None;
        }
        // Nothing is acknowledged, so that each retry finds its outcome.
        request.acknowledged_below = Sequence(0);
        world.send(&request);
    }
    world
}

/// Applies a history with flushes and restarts where the bits of `points` say so.
fn replay(history: &[Entry], points: u64) -> StateDigest {
    let base = Arc::new(MemoryBase::default());
    let mut machine = Machine::open(Arc::<MemoryBase>::clone(&base)).unwrap();
    let mut frozen = None;
    for (bit, (position, bytes, outcome)) in (0..64).cycle().zip(history) {
        assert_eq!(&machine.apply(*position, bytes).unwrap(), outcome);
        match points.rotate_right(bit) & 7 {
            0 => frozen = machine.freeze().or(frozen),
            1 => {
                if let Some(frozen) = frozen.take() {
                    base.flush(&frozen.layer);
                    machine.thaw();
                }
            }
            2 => {
                if let Some(frozen) = frozen.take() {
                    base.flush(&frozen.layer);
                    machine.thaw();
                }
                flush(&mut machine, &base);
                machine = Machine::open(Arc::<MemoryBase>::clone(&base)).unwrap();
            }
            _ => {}
        }
    }
    if let Some(frozen) = frozen.take() {
        base.flush(&frozen.layer);
        machine.thaw();
    }
    flush(&mut machine, &base);
    assert_eq!(digest_of(&dump(&base)), machine.digest(), "the digest is that of a scan");
    machine.digest()
}

/// The audit log has as many events as it counts, and its root is that of the events.
fn check_audit(world: &World) {
    let frontier = crate::state::audit::frontier(world.machine.rows()).unwrap();
    assert_eq!(frontier.size().0, world.count(crate::state::counters::Counter::AuditEvents));
    super::auditing::check_head(world.machine.rows());
}

/// What the counters say is what a scan finds.
fn check_counters(world: &World) {
    use crate::state::counters::Counter;
    let rows = world.machine.rows();
    let depots = query::depots(rows, None, 1_000).unwrap().rows;
    let active = depots.iter().filter(|(_, row)| row.state == DepotState::Active).count();
    assert_eq!(u64::try_from(active).unwrap(), world.count(Counter::DepotsActive));
    let sources = query::sources(rows, None, 1_000).unwrap().rows.len();
    assert_eq!(u64::try_from(sources).unwrap(), world.count(Counter::Sources));
    let (mut committed, mut protected) = (0, 0);
    for source in [1, 2] {
        let snapshots = query::snapshots(rows, source_id(source), None, 1_000).unwrap().rows;
        committed += snapshots.len();
        protected += snapshots.iter().filter(|(_, row)| row.protected_ms.is_some()).count();
        check_packs(world, source);
    }
    assert_eq!(u64::try_from(committed).unwrap(), world.count(Counter::Snapshots));
    assert_eq!(u64::try_from(protected).unwrap(), world.count(Counter::SnapshotsProtected));
}

/// The newest head's numbers are those of its packs, and its list is the fold of all differences.
fn check_packs(world: &World, source: u8) {
    let rows = world.machine.rows();
    let Some(head) = query::head(rows, &source_id(source)).unwrap() else { return };
    let live = query::live_packs(rows, source_id(source), None, 1_000).unwrap().rows;
    let unplaced = live.iter().filter(|(_, row)| !row.is_placed).count();
    assert_eq!(
        (usize::try_from(head.live_packs).unwrap(), usize::try_from(head.unplaced).unwrap()),
        (live.len(), unplaced)
    );
    assert_eq!(head.live_bytes, live.iter().map(|(_, row)| row.bytes).sum::<u64>());
    let needed: Vec<_> = naive::packs_of(rows, source_id(source), head.sequence).into_iter().collect();
    assert_eq!(needed, live.iter().map(|(pack, _)| *pack).collect::<Vec<_>>());
}

/// What a step newly calls protected is so by the plainest means, and so it is with the newest snapshot if the step bore
/// upon it.
fn check_protection(world: &World, source: SourceId, before: &BTreeMap<SnapshotId, u64>, bears_upon: bool) {
    let rows = world.machine.rows();
    let after = naive::protected(world, source);
    assert!(before.keys().all(|snapshot| after.contains_key(snapshot)), "once protected, for good");
    for (_, sequence) in after.iter().filter(|(snapshot, _)| !before.contains_key(*snapshot)) {
        assert!(naive::is_whole(rows, source, *sequence), "snapshot {sequence} lacks copies");
    }
    if let Some(head) = query::head(rows, &source).unwrap().filter(|_| bears_upon) {
        assert_eq!(head.unplaced == 0, naive::is_whole(rows, source, head.sequence));
    }
}

/// Steps from one number, the same each time.
fn steps(number: u8, count: usize) -> Vec<Seed> {
    let mut bytes = vec![0; count * 5];
    blake3::Hasher::new().update(&[number]).finalize_xof().fill(&mut bytes);
    let step = |five: &[u8]| Seed { kind: five[0], a: five[1], b: five[2], ms: u16::from_be_bytes([five[3], five[4]]) };
    bytes.chunks_exact(5).map(step).collect()
}

#[test]
fn long_histories_reach_every_kind_and_protect_nothing_too_early() {
    let mut done = BTreeMap::new();
    let mut late = 0;
    for number in 0..4 {
        let mut world = World::installed();
        for seed in steps(number, 1_000) {
            let before = [1, 2].map(|source| naive::protected(&world, source_id(source)));
            world.now_ms += u64::from(seed.ms);
            let command = command(&world, seed);
            let is_done = matches!(world.ask(command.clone()), Outcome::Done(_));
            *done.entry(kind(&command)).or_insert(0) += u32::from(is_done);
            let bears_upon = match &command {
                Command::CommitSnapshot(command) => Some(command.source),
                Command::RegisterReceipt(command) => Some(command.source),
                _ => None,
            };
            for (source, before) in [1, 2].map(source_id).into_iter().zip(&before) {
                check_protection(&world, source, before, is_done && bears_upon == Some(source));
                let is_late = matches!(command, Command::RegisterReceipt(_));
                late += usize::from(is_late) * (naive::protected(&world, source).len() - before.len());
            }
        }
        check_audit(&world);
        check_counters(&world);
        assert_eq!(replay(&world.history, 0x1122_3344_5566_7788), world.machine.digest());
    }
    let idle: Vec<_> = done.iter().filter(|(_, times)| **times == 0).collect();
    assert!(idle.is_empty(), "never took effect: {idle:?}");
    assert!(late > 10, "only {late} snapshots were protected by a late receipt");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn flushes_and_restarts_change_nothing(seeds in seeds(300), points in any::<u64>()) {
        let world = straight(&seeds);
        check_audit(&world);
        check_counters(&world);
        prop_assert_eq!(replay(&world.history, points), world.machine.digest());
    }

    #[test]
    fn retries_change_nothing_and_get_the_same_answer(seeds in seeds(300), again in any::<prop::sample::Index>()) {
        let world = straight(&seeds);
        let mut machine = Machine::open(Arc::new(MemoryBase::default())).unwrap();
        // What the installation acknowledged is forgotten.
        let acknowledged = |entry: &Entry| Request::decode(&entry.1).map(|(request, _)| request.acknowledged_below);
        let acknowledged = world.history.iter().filter_map(|entry| acknowledged(entry).ok()).max().unwrap();
        // Places in the log are spread out, so that retries find room between the requests.
        for (number, (position, bytes, outcome)) in world.history.iter().enumerate() {
            let place = position.index.0;
            prop_assert_eq!(&machine.apply(at(place * 4), bytes).unwrap(), outcome);
            let earlier = &world.history[again.index(number + 1)];
            let digest = machine.digest();
            let (request, _) = Request::decode(&earlier.1).unwrap();
            if request.session.is_some_and(|(_, sequence)| sequence >= acknowledged) {
                prop_assert_eq!(&machine.apply(at(place * 4 + 1), &earlier.1).unwrap(), &earlier.2);
                prop_assert_eq!(machine.digest(), digest);
            }
        }
    }
}
