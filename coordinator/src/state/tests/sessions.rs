//! Client sessions.

use strongroom_core::id::ClientSession;

use super::world::{World, codes, law};
use crate::state::counters::Counter;
use crate::state::places::{PutJurisdiction, RemoveJurisdiction};
use crate::state::request::Sequence;
use crate::state::session::{ClientOutcomes, OUTCOMES_MAX, OpenSession, SESSIONS_MAX};
use crate::state::{Answer, Outcome, Refusal};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

fn put() -> PutJurisdiction {
    PutJurisdiction { name: law("de"), codes: codes(&["DE"]) }
}

#[test]
fn a_retry_gets_the_first_outcome_and_changes_nothing() {
    let mut world = World::new();
    let request = world.request(put());
    assert_eq!(world.send(&request), Outcome::Done(Answer::Applied));
    let remove = world.request(RemoveJurisdiction { name: law("de") });
    assert_eq!(world.send(&remove), Outcome::Done(Answer::Applied));
    let before = world.machine.digest();
    assert_eq!(world.send(&remove), Outcome::Done(Answer::Applied));
    assert_eq!(world.send(&request), Outcome::Done(Answer::Applied));
    assert_eq!(world.machine.digest(), before);
}

#[test]
fn a_rejection_is_remembered_too() {
    let mut world = World::new();
    let remove = world.request(RemoveJurisdiction { name: law("de") });
    let first = world.send(&remove);
    world.done(put());
    assert_eq!(world.send(&remove), first);
}

#[test]
fn what_was_acknowledged_is_forgotten() {
    let mut world = World::new();
    let mut first = world.request(put());
    first.acknowledged_below = Sequence(0);
    world.send(&first);
    let mut second = world.request(put());
    second.acknowledged_below = Sequence(world.sequence);
    world.send(&second);
    assert_eq!(world.send(&first), Outcome::Rejected(Refusal::AlreadyAcknowledged));
    let row = world.machine.rows().get::<ClientOutcomes>(&(world.session, world.sequence - 1)).unwrap();
    assert_eq!(row, None);
}

#[test]
fn a_request_that_acknowledges_itself_is_refused() {
    let mut world = World::new();
    let mut request = world.request(put());
    request.acknowledged_below = Sequence(world.sequence + 1);
    assert_eq!(world.send(&request), Outcome::Rejected(Refusal::AlreadyAcknowledged));
    request.acknowledged_below = Sequence(0);
    assert_eq!(world.send(&request), Outcome::Done(Answer::Applied), "nothing was forgotten by it");
}

#[test]
fn a_session_remembers_a_bounded_number_of_outcomes() {
    let mut world = World::new();
    let mut request = world.request(put());
    request.acknowledged_below = Sequence(0);
    request.session = Some((world.session, Sequence(OUTCOMES_MAX)));
    assert_eq!(world.send(&request), Outcome::Rejected(Refusal::SessionFull));
    request.acknowledged_below = Sequence(1);
    assert_eq!(world.send(&request), Outcome::Done(Answer::Applied));
}

#[test]
fn a_command_that_needs_a_session_is_refused_without_one() {
    let mut world = World::new();
    let mut request = world.request(put());
    request.session = None;
    assert_eq!(world.send(&request), Outcome::Rejected(Refusal::SessionNeeded));
    request.session = Some((ClientSession([1; 16]), Sequence(1)));
    assert_eq!(world.send(&request), Outcome::Rejected(Refusal::NoSession));
}

#[test]
fn an_idle_session_is_forgotten_after_a_week_and_a_used_one_is_not() {
    let mut world = World::new();
    let idle = ClientSession([9; 16]);
    world.done_without_session(OpenSession { session: idle });
    let mut request = world.request(put());
    request.session = Some((idle, Sequence(1)));
    request.acknowledged_below = Sequence(0);
    assert_eq!(world.send(&request), Outcome::Done(Answer::Applied));
    for _ in 0..9 {
        world.pass(DAY_MS);
        world.done(put());
    }
    assert_eq!(world.send(&request), Outcome::Rejected(Refusal::NoSession));
    assert_eq!(world.machine.rows().get::<ClientOutcomes>(&(idle, 1)).unwrap(), None);
    assert_eq!(world.count(Counter::ClientSessions), 2, "the client's own and the one that lets time pass");
    world.done_without_session(OpenSession { session: idle });
    assert_eq!(world.send(&request), Outcome::Done(Answer::Applied), "a new session knows nothing of the old one");
}

#[test]
fn opening_a_session_again_keeps_what_it_remembers() {
    let mut world = World::new();
    let remove = world.request(RemoveJurisdiction { name: law("de") });
    let first = world.send(&remove);
    world.done(put());
    let session = world.session;
    world.done_without_session(OpenSession { session });
    assert_eq!(world.send(&remove), first);
    assert_eq!(world.count(Counter::ClientSessions), 1);
}

#[test]
fn no_more_sessions_are_open_than_there_may_be() {
    let mut world = World::new();
    let mut session = [1; 16];
    for number in 1..SESSIONS_MAX {
        session[..8].copy_from_slice(&number.to_be_bytes());
        world.done_without_session(OpenSession { session: ClientSession(session) });
    }
    let mut request = world.request(OpenSession { session: ClientSession([2; 16]) });
    request.session = None;
    assert_eq!(world.send(&request), Outcome::Rejected(Refusal::SessionsFull));
    assert_eq!(world.count(Counter::ClientSessions), SESSIONS_MAX);
}
