//! Groups alone: one that leads by itself, and members that hear nothing but rubbish.

use std::sync::Arc;

use proptest::prelude::*;
use strongroom_platform::disk::{Disk, SimDisk};
use strongroom_proto::peers::v1::{Configuration as WireConfiguration, LogEntry, LogMessage, SnapshotFacts};

use super::log::{Floor, Hard, Log, LogError, LogIdentity};
use super::{Group, Handler, OpenedLog, Role, Timing, Unproposed, Verdict};
use crate::id::{ClusterId, LogIndex, MemberId, Position, Term};
use crate::state::Configuration;

const SEGMENT_BYTES: u64 = 64 * 1024;

fn id(number: u64) -> MemberId {
    MemberId::from_number(number).unwrap()
}

/// What a group did, and no more.
#[derive(Default)]
struct Notes {
    sent: Vec<(MemberId, LogMessage)>,
    applied: Vec<(LogIndex, Vec<u8>)>,
    reads: Vec<(Vec<u8>, LogIndex)>,
    configurations: Vec<Configuration>,
}

impl Handler for Notes {
    type Error = LogError;

    fn send(&mut self, to: MemberId, message: LogMessage) {
        self.sent.push((to, message));
    }

    fn command(&mut self, at: Position, bytes: &[u8]) -> Result<(), LogError> {
        self.applied.push((at.index, bytes.to_vec()));
        Ok(())
    }

    fn configuration(&mut self, at: Position, new: Configuration, _context: &[u8]) -> Result<(), LogError> {
        self.applied.push((at.index, Vec::new()));
        self.configurations.push(new);
        Ok(())
    }

    fn read(&mut self, token: &[u8], index: LogIndex) {
        self.reads.push((token.to_vec(), index));
    }

    fn install(&mut self, at: Position) -> Result<Floor, LogError> {
        Ok(Floor { position: at, generation: 2 })
    }

    fn installed(&mut self) -> Result<(), LogError> {
        Ok(())
    }
}

/// A member with a disk of its own; it is number 1 of as many voters.
fn group(voters: u64) -> (Group, Arc<dyn Disk>) {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
    let identity = LogIdentity { cluster: ClusterId([1; 16]), member: id(1) };
    let position = Position { index: LogIndex(1), term: Term(1) };
    let hard = Hard { term: Term(1), vote: None, commit: LogIndex(1) };
    Log::create(&disk, identity, SEGMENT_BYTES, hard, Floor { position, generation: 1 }).unwrap();
    let opened = OpenedLog::open(&disk, identity, SEGMENT_BYTES).unwrap();
    let configuration = Configuration { voters: (1..=voters).map(id).collect(), ..Configuration::default() };
    let group = Group::resume(opened, id(1), position, &configuration, Timing::LAN, 7).unwrap();
    (group, disk)
}

fn tick(group: &mut Group, notes: &mut Notes, ticks: u32) {
    for _ in 0..ticks {
        group.tick().unwrap();
        group.turn(notes).unwrap();
    }
}

#[test]
fn a_group_of_one_leads_and_applies_in_order() {
    let (mut group, _disk) = group(1);
    let mut notes = Notes::default();
    assert_eq!(group.propose(b"early".to_vec()), Err(Unproposed::NotLeader { leader: None }));
    tick(&mut group, &mut notes, 25);
    assert_eq!(group.standing().role, Role::Leader);
    let first = group.propose(b"one".to_vec()).unwrap();
    let second = group.propose(b"two".to_vec()).unwrap();
    group.read(b"token".to_vec()).unwrap();
    group.turn(&mut notes).unwrap();
    let tail: Vec<_> = notes.applied.iter().rev().take(2).rev().cloned().collect();
    assert_eq!(tail, [(first.index, b"one".to_vec()), (second.index, b"two".to_vec())]);
    assert_eq!(notes.reads.len(), 1);
    assert!(notes.sent.is_empty());
}

#[test]
fn a_member_of_three_says_nothing_that_is_not_on_its_disk() {
    let (mut group, disk) = group(3);
    let mut notes = Notes::default();
    tick(&mut group, &mut notes, 60);
    assert_eq!(group.standing().role, Role::Candidate);
    // It asks whether it would be elected, and for no vote: so nothing of a new term is on the disk yet.
    drop(group);
    let identity = LogIdentity { cluster: ClusterId([1; 16]), member: id(1) };
    assert_eq!(OpenedLog::open(&disk, identity, SEGMENT_BYTES).unwrap().hard().term, Term(1));
}

#[test]
fn a_member_that_forgot_is_told_so_by_a_leader_with_nothing_new() {
    let (mut group, _disk) = group(3);
    let mut notes = Notes::default();
    let heartbeat = LogMessage { kind: 6, term: 2, commit: 9, ..LogMessage::default() };
    assert_eq!(group.receive(id(2), heartbeat.clone(), true), Ok(()));
    group.turn(&mut notes).unwrap();
    let standing = group.standing();
    assert_eq!((standing.leader, standing.committed), (Some(id(2)), LogIndex(1)));
    let amnesia = Verdict::Amnesia { known: LogIndex(9), last: LogIndex(1) };
    assert_eq!(group.receive(id(2), heartbeat, true), Err(amnesia));
}

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..6_u64, 1 => any::<u64>(), 1 => Just(u64::MAX)]
}

fn entries() -> impl Strategy<Value = Vec<LogEntry>> {
    let entry = (numbers(), 0..5_u32, proptest::collection::vec(any::<u8>(), 0..12));
    let entry = entry.prop_map(|(term, kind, data)| LogEntry { term, kind, data: data.into(), ..LogEntry::default() });
    proptest::collection::vec(entry, 0..4)
}

fn snapshots() -> impl Strategy<Value = SnapshotFacts> {
    let members = || proptest::collection::vec(0..5_u64, 0..4);
    (numbers(), numbers(), members(), members(), members(), any::<bool>()).prop_map(
        |(index, term, voters, learners, voters_outgoing, auto_leave)| SnapshotFacts {
            index,
            term,
            configuration: Some(WireConfiguration {
                voters,
                learners,
                voters_outgoing,
                auto_leave,
                ..WireConfiguration::default()
            }),
            ..SnapshotFacts::default()
        },
    )
}

prop_compose! {
    fn messages()(
        kind in 0..13_u32,
        (term, log_term, index, commit, commit_term, reject_hint) in
            (numbers(), numbers(), numbers(), numbers(), numbers(), numbers()),
        (reject, priority, request_snapshot) in (any::<bool>(), -3..3_i64, prop_oneof![9 => Just(0_u64), 1 => numbers()]),
        entries in entries(),
        context in proptest::collection::vec(any::<u8>(), 0..70),
        snapshot in proptest::option::weighted(0.2, snapshots()),
    ) -> LogMessage {
        LogMessage {
            kind, term, log_term, index, entries, commit, commit_term, reject, reject_hint,
            context: context.into(), priority, request_snapshot, snapshot,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A snapshot that Raft accepts is installed by the notes; everything else must be refused or borne.
    #[test]
    fn no_message_of_a_peer_ends_the_process(
        voters in 1..4_u64,
        steps in proptest::collection::vec((1..5_u64, messages(), 0..12_u32, any::<bool>()), 1..40),
    ) {
        let (mut group, _disk) = group(voters);
        let mut notes = Notes::default();
        for (from, message, ticks, proposes) in steps {
            tick(&mut group, &mut notes, ticks);
            if proposes {
                group.propose(b"x".to_vec()).ok();
                group.read(b"r".to_vec()).ok();
            }
            if from != 1 && group.receive(id(from), message, true).is_err() {
                continue;
            }
            group.turn(&mut notes).unwrap();
        }
    }
}
