//! Entries, positions, flushes, stamps and configurations.

use std::collections::BTreeSet;
use std::sync::Arc;

use strongroom_core::audit::LeafIndex;

use super::world::{World, at, digest_of, flush, member, name, put_member};
use crate::id::Position;
use crate::state::members::{MemberState, Members};
use crate::state::places::{PutSite, RemoveSite};
use crate::state::{Answer, Configuration, Machine, MemoryBase, Outcome, Refusal, StateDigest, query};

#[test]
fn an_empty_base_is_the_state_before_the_first_entry() {
    let machine = Machine::open(Arc::new(MemoryBase::default())).unwrap();
    assert_eq!((machine.position(), machine.digest()), (Position::default(), StateDigest::default()));
    assert_eq!(machine.configuration(), &Configuration::default());
}

#[test]
fn a_leaders_no_op_moves_the_position_and_nothing_else() {
    let mut world = World::new();
    let before = world.machine.digest();
    assert_eq!(world.machine.apply(at(50), &[]).unwrap(), Outcome::Done(Answer::Applied));
    assert_eq!((world.machine.position(), world.machine.digest()), (at(50), before));
}

#[test]
fn an_entry_that_was_applied_is_not_applied_again() {
    let mut world = World::installed();
    let (position, bytes, _) = world.history.last().cloned().unwrap();
    let before = (world.machine.position(), world.machine.digest());
    assert_eq!(world.machine.apply(position, &bytes).unwrap(), Outcome::Rejected(Refusal::OutOfOrder));
    assert_eq!((world.machine.position(), world.machine.digest()), before);
}

#[test]
fn bytes_that_are_no_request_are_rejected_and_change_nothing() {
    let mut world = World::new();
    let before = world.machine.digest();
    for (bytes, refusal) in [(&[2_u8, 1][..], Refusal::UnknownVersion), (&[1, 255, 255], Refusal::Malformed)] {
        world.index += 1;
        assert_eq!(world.machine.apply(at(world.index), bytes).unwrap(), Outcome::Rejected(refusal));
    }
    assert_eq!((world.machine.position().index.0, world.machine.digest()), (world.index, before));
}

#[test]
fn bytes_behind_a_request_make_it_malformed() {
    let mut world = World::new();
    let mut bytes = world.request(RemoveSite { name: name("berlin-1") }).encode().unwrap();
    bytes.push(0);
    assert_eq!(world.machine.apply(at(9), &bytes).unwrap(), Outcome::Rejected(Refusal::Malformed));
}

#[test]
fn a_machine_opens_as_it_was_last_flushed() {
    let mut world = World::installed();
    let rows = world.flushed();
    let reopened = Machine::open(Arc::<MemoryBase>::clone(&world.base)).unwrap();
    assert_eq!(reopened.position(), world.machine.position());
    assert_eq!(reopened.digest(), world.machine.digest());
    assert_eq!(reopened.digest(), digest_of(&rows));
    assert_eq!(reopened.stamp(), world.machine.stamp());
}

#[test]
fn one_layer_is_on_its_way_at_a_time() {
    let mut world = World::installed();
    let frozen = world.machine.freeze().unwrap();
    assert_eq!((frozen.position, frozen.digest), (world.machine.position(), world.machine.digest()));
    assert_eq!(world.machine.changed_rows(), 0);
    world.done(PutSite { name: name("paris-2"), region: name("paris") });
    assert!(world.machine.freeze().is_none());
    world.base.flush(&frozen.layer);
    world.machine.thaw();
    assert!(world.machine.freeze().is_some());
}

fn voters(numbers: &[u64]) -> Configuration {
    Configuration { voters: numbers.iter().map(|number| member(*number)).collect(), ..Configuration::default() }
}

fn state(world: &World, number: u64) -> MemberState {
    world.machine.rows().get::<Members>(&member(number)).unwrap().unwrap().state
}

#[test]
fn the_registry_follows_the_configuration() {
    let mut world = World::installed();
    world.done(put_member(1));
    assert_eq!(state(&world, 1), MemberState::Registered);
    let context = world.request(put_member(2)).encode().unwrap();
    let mut joint = voters(&[1]);
    joint.learners = BTreeSet::from([member(2)]);
    let outcome = world.machine.apply_configuration(at(900), joint.clone(), &context).unwrap();
    assert_eq!(outcome, Outcome::Done(Answer::Applied));
    assert_eq!((state(&world, 1), state(&world, 2)), (MemberState::Voter, MemberState::Learner));
    world.machine.apply_configuration(at(901), voters(&[2]), &[]).unwrap();
    assert_eq!((state(&world, 1), state(&world, 2)), (MemberState::Removed, MemberState::Voter));
    flush(&mut world.machine, &world.base);
    let reopened = Machine::open(Arc::<MemoryBase>::clone(&world.base)).unwrap();
    assert_eq!(reopened.configuration(), &voters(&[2]));
}

#[test]
fn a_configuration_holds_even_if_its_request_is_rejected() {
    let mut world = World::installed();
    let context = world.request(RemoveSite { name: name("nowhere") }).encode().unwrap();
    let outcome = world.machine.apply_configuration(at(900), voters(&[1]), &context).unwrap();
    assert!(matches!(outcome, Outcome::Rejected(Refusal::Missing(_))));
    assert_eq!(world.machine.configuration(), &voters(&[1]));
    assert_eq!(world.machine.position(), at(900));
}

#[test]
fn accrued_time_is_clamped_as_entries_apply() {
    let mut world = World::new();
    let mut request = world.request(RemoveSite { name: name("nowhere") });
    request.stamp.accrued_ms = u64::MAX;
    world.send(&request);
    assert_eq!(world.machine.stamp().accrued_ms, 61_000);
}

#[test]
fn privileged_effects_and_their_refusals_are_audited() {
    let mut world = World::new();
    world.refused(RemoveSite { name: name("nowhere") });
    let page = query::audit_events(world.machine.rows(), LeafIndex(0), 10).unwrap();
    let (place, (_, event)) = &page.rows[0];
    assert_eq!((place.0, event.action.as_str(), event.object.as_str()), (0, "site.remove", "nowhere"));
    assert_eq!((event.result.as_str(), event.index.0), ("missing", world.index));
    assert_eq!(page.rows.len(), 1, "opening a session is not audited");
}
