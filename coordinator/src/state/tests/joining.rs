//! Who gets in by a token, who comes back by one, and how many certificates anybody gets.

use std::collections::BTreeSet;

use strongroom_core::id::{AgentId, CertificateSerial, DepotId};
use strongroom_core::time::WallTime;

use super::world::{
    World, at, depot_facts, member, mint, name, new_agent, new_depot, put_member, register, source_id, spend, subject,
};
use crate::state::agents::RetireAgent;
use crate::state::certificates::{Denial, IssueCertificate};
use crate::state::counters::Counter;
use crate::state::holders::{CERTIFICATE_KEPT_MS, CERTIFICATES_PER_DAY_MAX};
use crate::state::members::{MemberBooted, RetireMember};
use crate::state::operators::{AddOperator, OperatorRole, RemoveOperator, SetOperatorRoles};
use crate::state::request::Actor;
use crate::state::session::OpenSession;
use crate::state::sources::ChangeSource;
use crate::state::tokens::{Enrolment, JoinRole, KeyDigest, MintToken, SPENT_TIMES_MAX};
use crate::state::{Configuration, Outcome, Refusal, Thing, holders, query};

const HOUR_MS: u64 = 60 * 60 * 1_000;

fn enter(number: u64) -> Enrolment {
    let put = put_member(number);
    Enrolment::Member { member: put.member, details: put.details }
}

fn issue(serial: u8, of: (&str, u8), renews: Option<u8>) -> IssueCertificate {
    IssueCertificate {
        serial: CertificateSerial([serial; 16]),
        subject: subject(of.0, of.1),
        not_after: WallTime(1),
        renews: renews.map(|serial| CertificateSerial([serial; 16])),
    }
}

fn is_denied(world: &World, serial: u8) -> bool {
    let denial = Denial::Serial(CertificateSerial([serial; 16]));
    query::denied_since(world.machine.rows(), &denial).unwrap().is_some()
}

fn token_of(world: &World, number: u8, role: JoinRole, renews: Option<(&str, u8)>) -> MintToken {
    let mut token = mint(number, role, "berlin", world.now_ms);
    token.terms.renews = renews.map(|(role, number)| subject(role, number));
    token
}

#[test]
fn a_token_puts_nobody_in_the_place_of_a_member_that_is_known() {
    let mut world = World::installed();
    world.done(put_member(1));
    world.done(MemberBooted { member: member(1), boot: 3 });
    world.done(put_member(3));
    world.done(RetireMember { member: member(3) });
    let voters = Configuration { voters: BTreeSet::from([member(2)]), ..Configuration::default() };
    world.index = 500;
    world.machine.apply_configuration(at(500), voters, &[]).unwrap();
    let before = query::member(world.machine.rows(), &member(1)).unwrap();
    for known in [1, 2, 3] {
        world.done(mint(10 + u8::try_from(known).unwrap(), JoinRole::Member, "berlin", world.now_ms));
        let refused = world.refused(spend(10 + u8::try_from(known).unwrap(), enter(known)));
        assert_eq!(refused, Refusal::Exists(Thing::Member), "{known}");
    }
    assert_eq!(query::member(world.machine.rows(), &member(1)).unwrap(), before);
    world.done(mint(20, JoinRole::Member, "berlin", world.now_ms));
    world.done(spend(20, enter(4)));
}

#[test]
fn a_member_does_not_join_under_the_name_of_one_that_is_part_of_the_group() {
    let mut world = World::installed();
    world.done(put_member(1));
    let voters = Configuration { voters: BTreeSet::from([member(1)]), ..Configuration::default() };
    world.index = 500;
    world.machine.apply_configuration(at(500), voters, &[]).unwrap();
    world.done(mint(2, JoinRole::Member, "berlin", world.now_ms));
    let twin = Enrolment::Member { member: member(2), details: put_member(1).details };
    assert_eq!(world.refused(spend(2, twin)), Refusal::Exists(Thing::Member));
}

#[test]
fn whoever_heard_no_answer_asks_again_with_the_same_key_and_nobody_with_another() {
    let mut world = World::installed();
    world.done(mint(2, JoinRole::Member, "berlin", world.now_ms));
    let first = spend(2, enter(1));
    world.done_without_session(first.clone());
    let row = query::member(world.machine.rows(), &member(1)).unwrap();
    for _ in 1..SPENT_TIMES_MAX {
        world.done_without_session(first.clone());
    }
    assert_eq!(query::member(world.machine.rows(), &member(1)).unwrap(), row);
    assert_eq!((world.count(Counter::Members), world.count(Counter::TokensOpen)), (1, 0));
    assert_eq!(world.refused(first.clone()), Refusal::TokenClosed, "a key is heard only so often");

    world.done(mint(3, JoinRole::Member, "berlin", world.now_ms));
    let first = spend(3, enter(2));
    world.done(first.clone());
    let mut other_key = first.clone();
    other_key.key = KeyDigest([9; 32]);
    assert_eq!(world.refused(other_key), Refusal::TokenClosed);
    assert_eq!(world.refused(spend(3, enter(5))), Refusal::TokenClosed, "the same key under another id");
    world.pass(HOUR_MS);
    assert_eq!(world.refused(first), Refusal::TokenExpired);
}

#[test]
fn a_name_is_not_given_to_another_host_or_depot() {
    let mut world = World::installed();
    world.done(mint(2, JoinRole::Agent, "berlin", world.now_ms));
    let mut twin = new_agent(2);
    twin.name = name("agent-1");
    assert_eq!(world.refused(spend(2, Enrolment::Agent(twin.clone()))), Refusal::Exists(Thing::Agent));
    world.done(mint(3, JoinRole::Depot, "berlin", world.now_ms));
    let mut depot = new_depot(9);
    depot.name = name("depot-1");
    assert_eq!(world.refused(spend(3, Enrolment::Depot(depot))), Refusal::Exists(Thing::Depot));
    // A name is free once its agent is retired.
    world.join_agent(4, "berlin");
    let mut facts = register(1).facts;
    facts.agent = AgentId([4; 16]);
    world.done(ChangeSource { source: source_id(1), facts });
    world.done(RetireAgent { agent: AgentId([1; 16]) });
    world.done(spend(2, Enrolment::Agent(twin)));
}

#[test]
fn a_host_that_comes_back_has_its_older_certificates_denied_and_keeps_its_place() {
    let mut world = World::installed();
    for serial in [1, 2] {
        world.done(issue(serial, ("agent", 1), None));
    }
    let row = query::agent(world.machine.rows(), &AgentId([1; 16])).unwrap();
    let token = token_of(&world, 50, JoinRole::Agent, Some(("agent", 1)));
    world.done(token);
    assert_eq!(world.refused(spend(50, Enrolment::Agent(new_agent(2)))), Refusal::Missing(Thing::Agent));
    world.done(spend(50, Enrolment::Agent(new_agent(1))));
    assert!(is_denied(&world, 1) && is_denied(&world, 2));
    assert_eq!(query::agent(world.machine.rows(), &AgentId([1; 16])).unwrap(), row, "the sources stay its own");
    world.done(issue(3, ("agent", 1), None));
    assert!(!is_denied(&world, 3));
    world.done(issue(4, ("agent", 1), Some(3)));
}

#[test]
fn a_certificate_from_before_the_return_is_not_renewed_in_its_grace() {
    let mut world = World::installed();
    world.done(issue(1, ("depot", 1), None));
    // A day later it counts no more, and so is not on the deny-list.
    world.pass(25 * HOUR_MS);
    world.done(token_of(&world, 50, JoinRole::Depot, Some(("depot", 1))));
    let mut back = new_depot(1);
    back.facts = depot_facts(7);
    world.done(spend(50, Enrolment::Depot(back)));
    assert!(!is_denied(&world, 1));
    assert_eq!(world.refused(issue(2, ("depot", 1), Some(1))), Refusal::Denied);
    let row = query::depot(world.machine.rows(), &DepotId([1; 16])).unwrap().unwrap();
    assert_eq!(row.facts, depot_facts(1), "what is registered stays; the depot changes it itself");
}

#[test]
fn a_token_for_a_return_is_for_somebody_who_is_registered() {
    let mut world = World::installed();
    let token = |world: &World, role, renews| token_of(world, 50, role, Some(renews));
    let refused = [
        (token(&world, JoinRole::Agent, ("agent", 9)), Refusal::Missing(Thing::Agent)),
        (token(&world, JoinRole::Agent, ("depot", 1)), Refusal::TokenMismatch),
        (token(&world, JoinRole::Member, ("coordinator", 1)), Refusal::TokenMismatch),
        (token(&world, JoinRole::Operator, ("operator", 1)), Refusal::Missing(Thing::Operator)),
    ];
    for (token, refusal) in refused {
        assert_eq!(world.refused(token), refusal);
    }
}

fn add(number: u8, role: OperatorRole) -> AddOperator {
    let name = name(&format!("operator-{number}"));
    AddOperator { name, subject: subject("operator", number), roles: BTreeSet::from([role]) }
}

fn operator(number: u8) -> Enrolment {
    Enrolment::Operator { name: name(&format!("operator-{number}")), subject: subject("operator", number) }
}

fn operators_token(world: &World, token: u8, operator: u8) -> MintToken {
    let mut minted = mint(token, JoinRole::Operator, "berlin", world.now_ms);
    minted.terms.name_hint = Some(name(&format!("operator-{operator}")));
    minted
}

#[test]
fn an_operators_token_is_for_one_name_and_gives_no_role() {
    let mut world = World::installed();
    let unregistered = operators_token(&world, 50, 2);
    assert_eq!(world.refused(unregistered), Refusal::Missing(Thing::Operator));
    assert_eq!(world.refused(mint(50, JoinRole::Operator, "berlin", world.now_ms)), Refusal::Missing(Thing::Operator));
    world.done(add(1, OperatorRole::Operator));
    world.done(add(2, OperatorRole::Auditor));
    world.done(operators_token(&world, 51, 2));
    assert_eq!(world.refused(spend(51, operator(1))), Refusal::TokenMismatch);
    let mut other = operator(2);
    if let Enrolment::Operator { subject: it, .. } = &mut other {
        *it = subject("operator", 1);
    }
    assert_eq!(world.refused(spend(51, other)), Refusal::TokenMismatch);
    world.done(spend(51, operator(2)));
    let row = query::operator(world.machine.rows(), &name("operator-2")).unwrap().unwrap();
    assert_eq!(row.roles, BTreeSet::from([OperatorRole::Auditor]));
    assert_eq!(world.count(Counter::OperatorsInCharge), 1);
}

#[test]
fn an_operator_who_enrols_again_has_the_older_certificate_denied() {
    let mut world = World::installed();
    world.done(add(1, OperatorRole::Operator));
    world.done(issue(1, ("operator", 1), None));
    world.done(operators_token(&world, 51, 1));
    world.done(spend(51, operator(1)));
    assert!(is_denied(&world, 1));
    assert_eq!(world.refused(issue(2, ("operator", 1), Some(1))), Refusal::Denied);
    world.done(issue(2, ("operator", 1), None));
    world.done(SetOperatorRoles {
        name: name("operator-1"),
        roles: BTreeSet::from([OperatorRole::Operator, OperatorRole::Auditor]),
    });
}

#[test]
fn whoever_left_gets_no_certificate() {
    let mut world = World::installed();
    world.join_agent(2, "berlin");
    world.done(RetireAgent { agent: AgentId([2; 16]) });
    world.done(add(1, OperatorRole::Operator));
    world.done(add(2, OperatorRole::Operator));
    world.done(RemoveOperator { name: name("operator-2") });
    let refused = [
        (issue(1, ("agent", 2), None), Refusal::Retired(Thing::Agent)),
        (issue(1, ("agent", 7), None), Refusal::Missing(Thing::Agent)),
        (issue(1, ("depot", 7), None), Refusal::Missing(Thing::Depot)),
        (issue(1, ("operator", 2), None), Refusal::Missing(Thing::Operator)),
        (issue(1, ("issuer", 1), None), Refusal::Malformed),
    ];
    for (issue, refusal) in refused {
        assert_eq!(holders::refused(world.machine.rows(), &issue.subject, world.now_ms).unwrap(), Some(refusal));
        assert_eq!(world.refused(issue), refusal);
    }
    world.done(issue(1, ("operator", 1), None));
}

#[test]
fn a_name_gets_few_certificates_a_day() {
    let mut world = World::installed();
    let most = u8::try_from(CERTIFICATES_PER_DAY_MAX).unwrap();
    for serial in 1..=most {
        world.done(issue(serial, ("agent", 1), None));
        world.pass(HOUR_MS);
    }
    let agent = subject("agent", 1);
    assert_eq!(world.refused(issue(90, ("agent", 1), Some(1))), Refusal::TooMany(Thing::Certificate));
    let refused = holders::refused(world.machine.rows(), &agent, world.now_ms).unwrap();
    assert_eq!(refused, Some(Refusal::TooMany(Thing::Certificate)));
    world.done(issue(91, ("depot", 1), None));
    // One by one, those of yesterday make room.
    world.pass((24 - u64::from(most)) * HOUR_MS);
    world.done(issue(92, ("agent", 1), Some(1)));
    assert_eq!(world.refused(issue(93, ("agent", 1), None)), Refusal::TooMany(Thing::Certificate));
}

#[test]
fn certificates_are_forgotten_long_after_they_ended() {
    let mut world = World::installed();
    for serial in 1..=6 {
        world.done(issue(serial, ("agent", 1), None));
    }
    let known = |world: &World| query::certificates(world.machine.rows(), None, 100).unwrap().rows.len();
    world.pass(CERTIFICATE_KEPT_MS - 1);
    let session = world.session;
    world.done_without_session(OpenSession { session });
    world.done(issue(7, ("agent", 1), Some(6)));
    assert_eq!(known(&world), 7, "one was forgotten that may yet be renewed");
    world.pass(1);
    for (serial, left) in [(8, 6), (9, 5), (10, 4), (11, 5)] {
        world.done(issue(serial, ("agent", 1), None));
        assert_eq!(known(&world), left, "after {serial}");
    }
    assert_eq!(world.refused(issue(12, ("agent", 1), Some(1))), Refusal::Missing(Thing::Certificate));
    assert_eq!(world.count(Counter::Certificates), 11, "what was issued stays counted");
    assert!(query::certificate(world.machine.rows(), &CertificateSerial([7; 16])).unwrap().is_some());
}

#[test]
fn whoever_came_back_by_another_token_has_shut_out_the_bearer_of_the_first() {
    let mut world = World::installed();
    world.done(add(1, OperatorRole::Operator));
    for token in [50, 51] {
        world.done(operators_token(&world, token, 1));
    }
    let stolen = spend(50, operator(1));
    world.done_without_session(stolen.clone());
    world.done_without_session(stolen.clone());
    world.done(issue(1, ("operator", 1), None));
    world.done(spend(51, operator(1)));
    assert!(is_denied(&world, 1));
    assert_eq!(world.refused(stolen), Refusal::TokenClosed);
    world.done_without_session(spend(51, operator(1)));
}

#[test]
fn a_token_is_worth_no_more_than_whoever_minted_it() {
    let mut world = World::installed();
    world.done(add(1, OperatorRole::Operator));
    world.done(add(2, OperatorRole::Operator));
    for token in [50, 51] {
        let minted = operators_token(&world, token, 1);
        let mut request = world.request(minted);
        request.actor = Actor::Identity(subject("operator", 2));
        assert!(matches!(world.send(&request), Outcome::Done(_)));
    }
    world.done(spend(50, operator(1)));
    world.done(RemoveOperator { name: name("operator-2") });
    assert_eq!(world.refused(spend(51, operator(1))), Refusal::TokenClosed);
    // What was spent before stays spent.
    world.done_without_session(spend(50, operator(1)));
}
