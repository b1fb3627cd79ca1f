//! Chains of heads, lists of packs, receipts, and when a snapshot is protected.

use std::collections::BTreeSet;

use strongroom_core::id::DepotId;

use super::world::{World, codes, commit, law, pack_id, packs, promise, receipt, register, snapshot_id, source_id};
use crate::state::counters::Counter;
use crate::state::depots::{DepotState, SetDepotState};
use crate::state::pending::PENDING_MAX;
use crate::state::places::PutJurisdiction;
use crate::state::sources::SetContract;
use crate::state::{Answer, Refusal, Thing, query};

const DURABLE: Answer = Answer::Protected(false);
const PROTECTED: Answer = Answer::Protected(true);

fn is_protected(world: &World, sequence: u64) -> bool {
    let row = query::snapshot(world.machine.rows(), &snapshot_id(1, sequence)).unwrap().unwrap();
    row.protected_ms.is_some()
}

fn live(world: &World) -> BTreeSet<u8> {
    let page = query::live_packs(world.machine.rows(), source_id(1), None, 1_000).unwrap();
    page.rows.into_iter().map(|(pack, _)| pack.0[0]).collect()
}

fn set_depot(depot: u8, from: DepotState, to: DepotState) -> SetDepotState {
    SetDepotState { depot: DepotId([depot; 16]), from, to }
}

#[test]
fn a_head_follows_the_newest_one() {
    let mut world = World::installed();
    let epoch = world.upload(1, 1);
    assert_eq!(world.refused(commit(1, 1, epoch, 2, packs(&[1], &[]))), Refusal::ChainBroken);
    world.done(commit(1, 1, epoch, 1, packs(&[1], &[])));
    assert_eq!(world.refused(commit(1, 1, epoch, 1, packs(&[2], &[]))), Refusal::Exists(Thing::Snapshot));
    let mut forked = commit(1, 1, epoch, 2, packs(&[2], &[]));
    forked.facts.previous = Some(super::world::head_hash(9, 1));
    assert_eq!(world.refused(forked), Refusal::ChainBroken);
    world.done(commit(1, 1, epoch, 2, packs(&[2], &[])));
    let listed = query::snapshots(world.machine.rows(), source_id(1), None, 10).unwrap();
    let sequences: Vec<u64> = listed.rows.iter().map(|(_, row)| row.facts.sequence).collect();
    assert_eq!(sequences, [2, 1], "the newest first");
}

#[test]
fn the_list_of_packs_is_the_fold_of_the_differences() {
    let mut world = World::installed();
    let epoch = world.upload(1, 1);
    world.done(commit(1, 1, epoch, 1, packs(&[1, 2], &[])));
    world.done(commit(1, 1, epoch, 2, packs(&[3], &[1])));
    assert_eq!(live(&world), BTreeSet::from([2, 3]));
    world.done(commit(1, 1, epoch, 3, packs(&[1], &[2])));
    assert_eq!(live(&world), BTreeSet::from([1, 3]), "a dropped pack may come back");
    let mut anew = packs(&[1, 4], &[]);
    anew.restarts = true;
    world.done(commit(1, 1, epoch, 4, anew));
    assert_eq!(live(&world), BTreeSet::from([1, 4]));
    let row = query::pack(world.machine.rows(), &pack_id(3)).unwrap().unwrap();
    assert_eq!((row.first, row.dropped), (2, Some(4)));
    let row = query::pack(world.machine.rows(), &pack_id(1)).unwrap().unwrap();
    assert_eq!((row.first, row.since, row.dropped), (1, 3, None), "listed anew without a gap");
}

#[test]
fn a_difference_that_does_not_fit_is_refused() {
    let mut world = World::installed();
    world.done(register(2));
    let epoch = world.upload(1, 1);
    let other = world.upload(2, 2);
    world.done(commit(1, 1, epoch, 1, packs(&[1, 2], &[])));
    for broken in [packs(&[1], &[]), packs(&[], &[9]), packs(&[4, 3], &[]), packs(&[3, 3], &[])] {
        assert_eq!(world.refused(commit(1, 1, epoch, 2, broken)), Refusal::PackListBroken);
    }
    assert_eq!(world.refused(commit(2, 2, other, 1, packs(&[1], &[]))), Refusal::PackListBroken, "another's pack");
}

#[test]
fn a_snapshot_is_protected_by_enough_copies_in_enough_regions() {
    let mut world = World::installed();
    world.join_depot(4, "berlin");
    let epoch = world.upload(1, 1);
    assert_eq!(world.done(commit(1, 1, epoch, 1, packs(&[1, 2], &[]))), DURABLE);
    assert_eq!(world.done(receipt(1, epoch, 1, &[1, 2])), DURABLE);
    assert_eq!(world.done(receipt(1, epoch, 4, &[1, 2])), DURABLE, "two copies, one region");
    assert_eq!(world.done(receipt(1, epoch, 2, &[1])), DURABLE);
    assert!(!is_protected(&world, 1));
    assert_eq!(world.done(receipt(1, epoch, 2, &[2])), PROTECTED);
    assert!(is_protected(&world, 1));
    assert_eq!(world.count(Counter::SnapshotsProtected), 1);
}

#[test]
fn receipts_before_the_commit_count() {
    let mut world = World::installed();
    let epoch = world.upload(1, 1);
    world.done(receipt(1, epoch, 1, &[1]));
    world.done(receipt(1, epoch, 2, &[1]));
    assert_eq!(world.done(commit(1, 1, epoch, 1, packs(&[1], &[]))), PROTECTED);
}

#[test]
fn a_receipt_from_beyond_the_contract_is_refused() {
    let mut world = World::installed();
    let epoch = world.upload(1, 1);
    assert_eq!(world.refused(receipt(1, epoch, 3, &[1])), Refusal::Unlawful);
    world.done(SetContract { source: source_id(1), contract: promise(2, 2, &["de", "fr"]) });
    world.done(receipt(1, epoch, 3, &[1]));
}

#[test]
fn a_group_that_covers_less_makes_its_depots_unlawful() {
    let mut world = World::installed();
    world.done(PutJurisdiction { name: law("eu"), codes: codes(&["DE", "FR"]) });
    world.done(SetContract { source: source_id(1), contract: promise(2, 2, &["eu"]) });
    let epoch = world.upload(1, 1);
    world.done(receipt(1, epoch, 1, &[1, 2]));
    world.done(receipt(1, epoch, 3, &[1, 2]));
    assert_eq!(world.done(commit(1, 1, epoch, 1, packs(&[1], &[]))), PROTECTED);
    world.done(PutJurisdiction { name: law("eu"), codes: codes(&["DE"]) });
    assert_eq!(world.done(commit(1, 1, epoch, 2, packs(&[2], &[]))), DURABLE);
    assert!(is_protected(&world, 1), "once protected, for good");
}

#[test]
fn copies_in_a_lost_depot_do_not_count_for_later_snapshots() {
    let mut world = World::installed();
    let epoch = world.upload(1, 1);
    world.done(receipt(1, epoch, 1, &[1]));
    world.done(receipt(1, epoch, 2, &[1]));
    assert_eq!(world.done(commit(1, 1, epoch, 1, packs(&[1], &[]))), PROTECTED);
    world.done(set_depot(2, DepotState::Active, DepotState::Lost));
    assert_eq!(world.done(commit(1, 1, epoch, 2, packs(&[], &[]))), DURABLE);
    assert_eq!(world.refused(receipt(1, epoch, 2, &[1])), Refusal::DepotLost);
    world.done(set_depot(2, DepotState::Lost, DepotState::Active));
    assert_eq!(world.done(commit(1, 1, epoch, 3, packs(&[], &[]))), DURABLE, "it is not trusted for being back");
    assert_eq!(world.done(receipt(1, epoch, 2, &[1])), PROTECTED);
    assert!((1..=3).all(|sequence| is_protected(&world, sequence)));
}

#[test]
fn a_late_copy_protects_the_snapshots_that_list_the_pack() {
    let mut world = World::installed();
    let epoch = world.upload(1, 1);
    world.done(receipt(1, epoch, 1, &[1, 2, 3]));
    world.done(commit(1, 1, epoch, 1, packs(&[1], &[])));
    world.done(commit(1, 1, epoch, 2, packs(&[2], &[])));
    world.done(commit(1, 1, epoch, 3, packs(&[3], &[1])));
    assert_eq!(world.done(receipt(1, epoch, 2, &[2, 3])), PROTECTED);
    assert_eq!([1, 2, 3].map(|sequence| is_protected(&world, sequence)), [false, false, true]);
    world.done(receipt(1, epoch, 2, &[1]));
    assert_eq!([1, 2, 3].map(|sequence| is_protected(&world, sequence)), [true, true, true]);
}

#[test]
fn stricter_terms_hold_for_what_waits_and_what_comes() {
    let mut world = World::installed();
    world.join_depot(4, "berlin");
    let epoch = world.upload(1, 1);
    world.done(receipt(1, epoch, 1, &[1]));
    assert_eq!(world.done(commit(1, 1, epoch, 1, packs(&[1], &[]))), DURABLE);
    world.done(SetContract { source: source_id(1), contract: promise(3, 2, &["de"]) });
    assert_eq!(world.done(receipt(1, epoch, 2, &[1])), DURABLE);
    assert_eq!(world.done(receipt(1, epoch, 4, &[1])), PROTECTED);
    assert!(is_protected(&world, 1));
}

#[test]
fn a_receipt_is_registered_once() {
    let mut world = World::installed();
    let epoch = world.upload(1, 1);
    world.done(receipt(1, epoch, 1, &[1]));
    world.done_without_session(receipt(1, epoch, 1, &[1]));
    let mut other = receipt(1, epoch, 1, &[1]);
    other.signature = crate::state::bytes::Signature::new(&[0; 64]).unwrap();
    assert_eq!(world.refused(other), Refusal::Exists(Thing::Receipt));
    assert_eq!(world.refused(receipt(1, epoch + 1, 1, &[2])), Refusal::Missing(Thing::Upload));
    assert_eq!(world.refused(receipt(1, epoch, 1, &[])), Refusal::TooMany(Thing::Pack));
}

#[test]
fn a_snapshot_that_waited_behind_too_many_others_stays_durable() {
    let mut world = World::installed();
    let epoch = world.upload(1, 1);
    world.done(receipt(1, epoch, 1, &[1]));
    let newest = u64::try_from(PENDING_MAX).unwrap() + 2;
    world.done(commit(1, 1, epoch, 1, packs(&[1], &[])));
    for sequence in 2..=newest {
        assert_eq!(world.done(commit(1, 1, epoch, sequence, packs(&[], &[]))), DURABLE);
    }
    assert_eq!(world.done(receipt(1, epoch, 2, &[1])), PROTECTED);
    assert_eq!([1, 2, 3, newest].map(|sequence| is_protected(&world, sequence)), [false, false, true, true]);
    assert_eq!(world.count(Counter::SnapshotsProtected), u64::try_from(PENDING_MAX).unwrap());
}
