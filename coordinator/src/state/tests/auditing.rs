//! The audit log by the plainest means: all its events, hashed anew, against what the rows say and prove.

use proptest::prelude::*;
use strongroom_core::audit::{
    AuditEvent, Checkpoint, Decision as Decided, EventProof, ExportLines, ExportWriter, KeyName, LeafIndex, LogSigner,
    SignedCheckpoint, TreeHead, TreeSize, TrustedKeys, empty_root, leaf_hash, node_hash, prove_consistency,
    prove_inclusion, root_at, verify_consistency, verify_export, verify_inclusion,
};
use strongroom_core::id::TreeHash;

use super::world::{World, name, source_id};
use crate::state::audit::proofs::{AuditHashes, EventUnproven, prove_event};
use crate::state::audit::{AuditTiles, head};
use crate::state::places::RemoveSite;
use crate::state::query::audit_events;
use crate::state::request::{Actor, Verdict};
use crate::state::sources::PauseSource;
use crate::state::{Outcome, Refusal, Rows};

/// RFC 9162 §2.1.1 word for word.
fn naive(leaves: &[TreeHash]) -> TreeHash {
    match leaves {
        [] => empty_root(),
        [one] => *one,
        _ => {
            let k = leaves.len().next_power_of_two() / 2;
            node_hash(&naive(&leaves[..k]), &naive(&leaves[k..]))
        }
    }
}

/// All events, page by page.
pub(super) fn events(rows: &Rows) -> Vec<(Vec<u8>, AuditEvent)> {
    let mut events = Vec::new();
    loop {
        let page = audit_events(rows, LeafIndex(events.len() as u64), 100).unwrap();
        for (place, event) in page.rows {
            assert_eq!(place.0, events.len() as u64, "no gap");
            events.push(event);
        }
        if !page.has_more {
            return events;
        }
    }
}

fn leaves(rows: &Rows) -> Vec<TreeHash> {
    events(rows).iter().map(|(bytes, _)| leaf_hash(bytes)).collect()
}

/// The head of the first so many events, by the plainest means.
fn naive_head(leaves: &[TreeHash], size: usize) -> TreeHead {
    TreeHead { size: TreeSize(size as u64), root: naive(&leaves[..size]) }
}

/// The head is that of all events.
pub(super) fn check_head(rows: &Rows) {
    let leaves = leaves(rows);
    assert_eq!(head(rows).unwrap(), naive_head(&leaves, leaves.len()));
}

/// An installation whose log has at least so many events, part of which are in the base and part above it.
fn long(events: u64) -> World {
    let mut world = World::installed();
    for number in 0.. {
        let size = head(world.machine.rows()).unwrap().size.0;
        if size >= events {
            break;
        }
        world.done(PauseSource { source: source_id(1), is_paused: number % 2 == 0 });
        if number == events / 2 {
            world.flushed();
        }
    }
    world
}

fn signer() -> LogSigner {
    LogSigner::from_seed(KeyName::new("example.org/strongroom/audit").unwrap(), &[1; 32]).unwrap()
}

fn signed(head: TreeHead) -> SignedCheckpoint {
    let signer = signer();
    Checkpoint::new(signer.verifier_key().name().clone(), head).sign(&signer).unwrap()
}

fn trusted() -> TrustedKeys {
    TrustedKeys::new([signer().verifier_key().clone()]).unwrap()
}

#[test]
fn a_completed_tile_has_a_row() {
    let world = long(600);
    let tiles = world.machine.rows().list::<AuditTiles>(&[], None, 10).unwrap();
    let leaves = leaves(world.machine.rows());
    let found: Vec<_> = tiles.iter().map(|(at, hash)| (at.level, at.index, *hash)).collect();
    assert_eq!(found, [(1, 0, naive(&leaves[..256])), (1, 1, naive(&leaves[256..512]))]);
}

#[test]
fn an_export_of_the_whole_log_verifies() {
    let world = long(300);
    let rows = world.machine.rows();
    let key = signer().verifier_key().clone();
    let (mut writer, mut export) = ExportWriter::start(key.name().clone(), vec![key]).unwrap();
    let middle = TreeSize(256);
    for (_, event) in events(rows) {
        export.push_str(&writer.event(event).unwrap());
        if writer.events() == middle {
            let head = TreeHead { size: middle, root: root_at(&AuditHashes::of(rows), middle).unwrap() };
            export.push_str(&writer.checkpoint(signed(head)).unwrap());
        }
    }
    export.push_str(&writer.checkpoint(signed(head(rows).unwrap())).unwrap());
    export.push_str(&writer.finish().unwrap());
    let report = verify_export(ExportLines::new(export.as_bytes()), &trusted(), None).unwrap();
    assert_eq!((report.head, report.checkpoints), (head(rows).unwrap(), 2));
    let broken = export.replacen("source.pause", "source.cause", 1);
    assert!(verify_export(ExportLines::new(broken.as_bytes()), &trusted(), None).is_err());
}

#[test]
fn an_event_beyond_the_log_or_its_checkpoint_is_not_proven() {
    let world = World::installed();
    let rows = world.machine.rows();
    let now = head(rows).unwrap();
    let beyond = prove_event(rows, LeafIndex(now.size.0), signed(now));
    assert!(matches!(beyond, Err(EventUnproven::NoEvent(_))));
    let earlier = TreeHead { size: TreeSize(1), root: root_at(&AuditHashes::of(rows), TreeSize(1)).unwrap() };
    assert!(matches!(prove_event(rows, LeafIndex(1), signed(earlier)), Err(EventUnproven::Path(_))));
    let later = TreeHead { size: TreeSize(now.size.0 + 1), ..now };
    assert!(matches!(prove_event(rows, LeafIndex(0), signed(later)), Err(EventUnproven::Path(_))));
}

#[test]
fn a_request_that_policy_denies_does_nothing_and_is_audited() {
    let mut world = World::installed();
    let mut request = world.request(PauseSource { source: source_id(1), is_paused: true });
    request.decision.verdict = Verdict::Denied;
    assert_eq!(world.send(&request), Outcome::Rejected(Refusal::Forbidden));
    assert_eq!(world.send(&request), Outcome::Rejected(Refusal::Forbidden), "a retry gets the same answer");
    let last = events(world.machine.rows()).pop().unwrap().1;
    assert_eq!((last.decision, last.result.as_str()), (Decided::Denied, "forbidden"));
    assert_eq!(last.policy, request.decision.policy_hash);
    assert_eq!(last.index.0, world.index - 1, "the retry is no event");
    assert!(!world.machine.rows().get::<crate::state::sources::Sources>(&source_id(1)).unwrap().unwrap().is_paused);
}

#[test]
fn what_the_system_does_is_told_from_what_somebody_asked_for() {
    let mut world = World::new();
    let asked = world.request(RemoveSite { name: name("nowhere") });
    let mut own = world.request(RemoveSite { name: name("nowhere") });
    own.actor = Actor::System;
    world.send(&asked);
    world.send(&own);
    let events = events(world.machine.rows());
    let decided: Vec<_> = events.iter().map(|(_, event)| (event.actor.as_str(), event.decision)).collect();
    assert_eq!(decided, [(asked.actor.as_str(), Decided::Allowed), ("system", Decided::System)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn proofs_from_the_rows_verify(picks in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 12)) {
        let world = long(700);
        let (rows, source) = (world.machine.rows(), AuditHashes::of(world.machine.rows()));
        let (leaves, events) = (leaves(rows), events(rows));
        check_head(rows);
        for (leaf, more) in picks {
            let leaf = leaf.index(leaves.len());
            let size = leaf + 1 + more.index(leaves.len() - leaf);
            let (place, old, new) = (LeafIndex(leaf as u64), naive_head(&leaves, leaf), naive_head(&leaves, size));
            prop_assert_eq!(root_at(&source, new.size).unwrap(), new.root);
            let path = prove_inclusion(&source, place, new.size).unwrap();
            verify_inclusion(&leaves[leaf], place, &new, &path).unwrap();
            let path = prove_consistency(&source, old.size, new.size).unwrap();
            verify_consistency(&old, &new, &path).unwrap();
            let text = prove_event(rows, place, signed(new)).unwrap().to_text().unwrap();
            let proven = EventProof::parse(&text).unwrap().verify(&trusted()).unwrap();
            prop_assert_eq!(&proven.event, &events[leaf].1);
        }
    }
}
