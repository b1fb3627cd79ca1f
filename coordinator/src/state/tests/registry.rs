//! Places, members, identity, depots, agents, sources and operators.

use std::collections::BTreeSet;

use strongroom_core::id::{AgentId, CertificateSerial, DepotId, DomainId, TokenId};
use strongroom_core::time::WallTime;

use super::world::{
    World, at, codes, law, member, mint, name, new_agent, new_depot, promise, put_member, register, source_id,
    source_name, spend, subject,
};
use crate::state::agents::{Agents, ReportAgent, RetireAgent};
use crate::state::certificates::{Denial, Deny, IssueCertificate};
use crate::state::counters::Counter;
use crate::state::depots::{DepotState, SetDepotState};
use crate::state::members::{MemberBooted, RetireMember};
use crate::state::operators::{AddOperator, OperatorRole, RemoveOperator, SetOperatorRoles};
use crate::state::places::{PutJurisdiction, PutRegion, PutSite, RemoveJurisdiction, RemoveRegion, RemoveSite};
use crate::state::sources::{ChangeSource, PauseSource, SetContract};
use crate::state::text::ProgramVersion;
use crate::state::tokens::{Enrolment, JoinRole, RevokeToken, SecretHash};
use crate::state::{Answer, Configuration, Refusal, Thing, query};

#[test]
fn a_place_that_is_referred_to_is_not_removed() {
    let mut world = World::installed();
    let referenced = [
        (world.refused(RemoveJurisdiction { name: law("de") }), Thing::Jurisdiction),
        (world.refused(RemoveRegion { name: name("berlin") }), Thing::Region),
        (world.refused(RemoveSite { name: name("berlin-1") }), Thing::Site),
    ];
    for (refusal, thing) in referenced {
        assert_eq!(refusal, Refusal::Referenced(thing));
    }
}

#[test]
fn a_place_in_use_is_not_moved_elsewhere() {
    let mut world = World::installed();
    let moved = PutRegion { name: name("berlin"), jurisdiction: law("fr") };
    assert_eq!(world.refused(moved), Refusal::Referenced(Thing::Region));
    let moved = PutSite { name: name("berlin-1"), region: name("paris") };
    assert_eq!(world.refused(moved), Refusal::Referenced(Thing::Site));
    world.done(PutSite { name: name("berlin-1"), region: name("berlin") });
}

#[test]
fn places_go_once_nothing_refers_to_them() {
    let mut world = World::new();
    world.done(PutJurisdiction { name: law("at"), codes: codes(&["AT"]) });
    world.done(PutRegion { name: name("wien"), jurisdiction: law("at") });
    world.done(PutSite { name: name("wien-1"), region: name("wien") });
    world.done(RemoveSite { name: name("wien-1") });
    world.done(RemoveRegion { name: name("wien") });
    world.done(RemoveJurisdiction { name: law("at") });
    assert_eq!(world.refused(RemoveRegion { name: name("wien") }), Refusal::Missing(Thing::Region));
}

#[test]
fn a_place_needs_the_place_that_it_lies_in() {
    let mut world = World::new();
    let region = PutRegion { name: name("berlin"), jurisdiction: law("de") };
    assert_eq!(world.refused(region), Refusal::Missing(Thing::Jurisdiction));
    let empty = PutJurisdiction { name: law("de"), codes: BTreeSet::new() };
    assert_eq!(world.refused(empty), Refusal::TooMany(Thing::Jurisdiction));
}

#[test]
fn a_countrys_code_covers_that_country_alone() {
    let mut world = World::new();
    for covered in [&["FR"][..], &["DE", "FR"]] {
        let put = PutJurisdiction { name: law("DE"), codes: codes(covered) };
        assert_eq!(world.refused(put), Refusal::CountryMismatch);
    }
    world.done(PutJurisdiction { name: law("DE"), codes: codes(&["DE"]) });
}

#[test]
fn a_boot_number_must_grow() {
    let mut world = World::installed();
    world.done(put_member(1));
    world.done(MemberBooted { member: member(1), boot: 4 });
    for boot in [3, 4] {
        assert_eq!(world.refused(MemberBooted { member: member(1), boot }), Refusal::StaleBoot(4));
    }
    world.done(MemberBooted { member: member(1), boot: 5 });
    assert_eq!(world.refused(MemberBooted { member: member(2), boot: 1 }), Refusal::Missing(Thing::Member));
}

#[test]
fn a_removed_members_id_is_never_used_again() {
    let mut world = World::installed();
    world.done(put_member(1));
    world.done(RetireMember { member: member(1) });
    assert_eq!(world.refused(put_member(1)), Refusal::Retired(Thing::Member));
    assert_eq!(world.refused(MemberBooted { member: member(1), boot: 9 }), Refusal::Retired(Thing::Member));
    assert_eq!(world.count(Counter::Members), 0);
}

#[test]
fn a_member_of_the_group_is_removed_by_configuration_only() {
    let mut world = World::installed();
    world.done(put_member(1));
    let voters = Configuration { voters: BTreeSet::from([member(1)]), ..Configuration::default() };
    world.index = 500;
    world.machine.apply_configuration(at(500), voters, &[]).unwrap();
    assert_eq!(world.refused(RetireMember { member: member(1) }), Refusal::Referenced(Thing::Member));
}

#[test]
fn a_token_is_spent_once() {
    let mut world = World::installed();
    world.done(mint(2, JoinRole::Agent, "berlin", world.now_ms));
    world.done(spend(2, Enrolment::Agent(new_agent(2))));
    assert_eq!(world.refused(spend(2, Enrolment::Agent(new_agent(3)))), Refusal::TokenClosed);
    assert_eq!(world.count(Counter::TokensOpen), 0);
}

#[test]
fn a_token_lets_in_only_what_it_was_minted_for() {
    let mut world = World::installed();
    let mut token = mint(2, JoinRole::Agent, "berlin", world.now_ms);
    token.terms.name_hint = Some(name("agent-2"));
    world.done(token);
    assert_eq!(world.refused(spend(2, Enrolment::Depot(new_depot(9)))), Refusal::TokenMismatch);
    assert_eq!(world.refused(spend(2, Enrolment::Agent(new_agent(3)))), Refusal::TokenMismatch);
    let mut wrong = spend(2, Enrolment::Agent(new_agent(2)));
    wrong.secret_hash = SecretHash([3; 32]);
    assert_eq!(world.refused(wrong), Refusal::TokenMismatch);
    world.done(spend(2, Enrolment::Agent(new_agent(2))));
}

#[test]
fn a_token_expires_in_accrued_time() {
    let mut world = World::installed();
    world.done(mint(2, JoinRole::Agent, "berlin", world.now_ms));
    world.pass(3_600_000);
    assert_eq!(world.refused(spend(2, Enrolment::Agent(new_agent(2)))), Refusal::TokenExpired);
    let mut long = mint(3, JoinRole::Agent, "berlin", world.now_ms);
    long.terms.expires_ms += 24 * 3_600_000;
    assert_eq!(world.refused(long), Refusal::TooLong);
}

#[test]
fn a_revoked_token_lets_nobody_in() {
    let mut world = World::installed();
    world.done(mint(2, JoinRole::Agent, "berlin", world.now_ms));
    world.done(RevokeToken { token: TokenId([2; 8]) });
    assert_eq!(world.refused(spend(2, Enrolment::Agent(new_agent(2)))), Refusal::TokenClosed);
}

#[test]
fn a_members_token_is_bound_to_its_region() {
    let mut world = World::installed();
    world.done(mint(2, JoinRole::Member, "paris", world.now_ms));
    let put = put_member(1);
    let enrolment = Enrolment::Member { member: put.member, details: put.details.clone() };
    assert_eq!(world.refused(spend(2, enrolment)), Refusal::TokenMismatch);
    world.done(mint(3, JoinRole::Member, "berlin", world.now_ms));
    world.done(spend(3, Enrolment::Member { member: put.member, details: put.details }));
    assert_eq!(world.count(Counter::Members), 1);
}

fn issue(serial: u8, number: u8, renews: Option<u8>) -> IssueCertificate {
    IssueCertificate {
        serial: CertificateSerial([serial; 16]),
        subject: subject("agent", number),
        not_after: WallTime(1),
        renews: renews.map(|serial| CertificateSerial([serial; 16])),
    }
}

#[test]
fn a_denied_identity_gets_no_certificate_and_does_not_join() {
    let mut world = World::installed();
    world.join_agent(2, "berlin");
    world.done(issue(1, 2, None));
    let denial = Denial::Identity(subject("agent", 2));
    assert_eq!(world.done(Deny { denial: denial.clone() }), Answer::DenyVersion(1));
    assert_eq!(world.refused(issue(2, 2, Some(1))), Refusal::Denied);
    world.done(Deny { denial: Denial::Identity(subject("agent", 3)) });
    world.done(mint(3, JoinRole::Agent, "berlin", world.now_ms));
    assert_eq!(world.refused(spend(3, Enrolment::Agent(new_agent(3)))), Refusal::Denied);
    assert_eq!(query::denied_since(world.machine.rows(), &denial).unwrap(), Some(1));
}

#[test]
fn the_deny_lists_version_only_grows() {
    let mut world = World::installed();
    let serial = |number: u8| Deny { denial: Denial::Serial(CertificateSerial([number; 16])) };
    assert_eq!(world.done(serial(1)), Answer::DenyVersion(1));
    assert_eq!(world.done(serial(2)), Answer::DenyVersion(2));
    assert_eq!(world.done(serial(1)), Answer::DenyVersion(1), "denied already, since then");
    let since = query::denials(world.machine.rows(), Some(&1), 10).unwrap();
    assert_eq!(since.rows, [(2, Denial::Serial(CertificateSerial([2; 16])))]);
}

#[test]
fn a_certificate_renews_one_of_the_same_identity() {
    let mut world = World::installed();
    world.join_agent(2, "berlin");
    world.join_agent(4, "berlin");
    world.done(issue(1, 2, None));
    world.done(issue(2, 2, Some(1)));
    assert_eq!(world.refused(issue(2, 2, Some(1))), Refusal::Exists(Thing::Certificate));
    assert_eq!(world.refused(issue(3, 4, Some(1))), Refusal::Changed(Thing::Certificate));
    assert_eq!(world.refused(issue(3, 2, Some(9))), Refusal::Missing(Thing::Certificate));
    world.done(Deny { denial: Denial::Serial(CertificateSerial([2; 16])) });
    assert_eq!(world.refused(issue(3, 2, Some(2))), Refusal::Denied);
}

#[test]
fn a_depots_state_changes_only_from_what_was_seen() {
    let mut world = World::installed();
    let set = |from, to| SetDepotState { depot: DepotId([1; 16]), from, to };
    world.done(set(DepotState::Active, DepotState::Draining));
    let stale = set(DepotState::Active, DepotState::Lost);
    assert_eq!(world.refused(stale), Refusal::Changed(Thing::Depot));
    world.done(set(DepotState::Draining, DepotState::Lost));
    assert_eq!(world.refused(set(DepotState::Lost, DepotState::Draining)), Refusal::DepotLost);
    world.done(set(DepotState::Lost, DepotState::Active));
    let row = query::depot(world.machine.rows(), &DepotId([1; 16])).unwrap().unwrap();
    assert_eq!((row.state, row.generation), (DepotState::Active, 1));
    let counts = [Counter::DepotsActive, Counter::DepotsDraining, Counter::DepotsLost].map(|each| world.count(each));
    assert_eq!(counts, [3, 0, 0]);
}

#[test]
fn an_agent_that_protects_a_source_is_not_retired() {
    let mut world = World::installed();
    world.join_agent(2, "hamburg");
    let retire = |number: u8| RetireAgent { agent: AgentId([number; 16]) };
    assert_eq!(world.refused(retire(1)), Refusal::Referenced(Thing::Agent));
    let mut facts = register(1).facts;
    facts.agent = AgentId([2; 16]);
    world.done(ChangeSource { source: source_id(1), facts });
    world.done(retire(1));
    assert_eq!(world.refused(retire(1)), Refusal::Retired(Thing::Agent));
    assert_eq!(world.refused(register(2)), Refusal::Retired(Thing::Agent));
}

#[test]
fn an_agents_report_is_kept_and_not_audited() {
    let mut world = World::installed();
    let events = world.count(Counter::AuditEvents);
    let report = |boot| ReportAgent { agent: AgentId([1; 16]), version: ProgramVersion::new("1.2.0").unwrap(), boot };
    world.done_without_session(report(3));
    assert_eq!(world.refused(report(2)), Refusal::StaleBoot(3));
    let row = world.machine.rows().get::<Agents>(&AgentId([1; 16])).unwrap().unwrap();
    assert_eq!(row.report.map(|report| report.boot), Some(3));
    assert_eq!(world.count(Counter::AuditEvents), events);
}

#[test]
fn a_sources_name_is_its_own_and_its_domain_fixed() {
    let mut world = World::installed();
    let mut twin = register(2);
    twin.facts.name = source_name("source-1");
    assert_eq!(world.refused(twin), Refusal::Exists(Thing::Source));
    let mut facts = register(1).facts;
    facts.domain = DomainId([9; 16]);
    assert_eq!(world.refused(ChangeSource { source: source_id(1), facts }), Refusal::DomainFixed);
    let mut facts = register(1).facts;
    facts.name = source_name("renamed");
    world.done(ChangeSource { source: source_id(1), facts });
    assert!(query::source_named(world.machine.rows(), &source_name("source-1")).unwrap().is_none());
    assert!(query::source_named(world.machine.rows(), &source_name("renamed")).unwrap().is_some());
}

#[test]
fn a_contract_promises_what_can_be_kept() {
    let mut world = World::installed();
    let set = |contract| SetContract { source: source_id(1), contract };
    for bad in [promise(0, 1, &["de"]), promise(1, 2, &["de"]), promise(9, 1, &["de"]), promise(1, 1, &[])] {
        assert_eq!(world.refused(set(bad)), Refusal::BadContract);
    }
    assert_eq!(world.refused(set(promise(1, 1, &["it"]))), Refusal::Missing(Thing::Jurisdiction));
    world.done(set(promise(1, 1, &["fr"])));
    assert_eq!(query::contract(world.machine.rows(), &source_id(1)).unwrap(), Some(promise(1, 1, &["fr"])));
    let terms = query::source(world.machine.rows(), &source_id(1)).unwrap().unwrap().terms;
    assert_eq!((terms.rpo_s, terms.copies, terms.regions), (14_400, 1, 1));
    assert_eq!(terms.jurisdictions, [law("fr")].into());
}

#[test]
fn sources_are_counted_as_they_pause_and_resume() {
    let mut world = World::installed();
    let pause = |is_paused| PauseSource { source: source_id(1), is_paused };
    world.done(pause(true));
    world.done(pause(true));
    assert_eq!((world.count(Counter::Sources), world.count(Counter::SourcesPaused)), (1, 1));
    world.done(pause(false));
    assert_eq!(world.count(Counter::SourcesPaused), 0);
}

fn add(number: u8, roles: &[OperatorRole]) -> AddOperator {
    let roles = roles.iter().copied().collect();
    AddOperator { name: name(&format!("operator-{number}")), subject: subject("operator", number), roles }
}

#[test]
fn somebody_who_can_operate_is_always_left() {
    let mut world = World::new();
    world.done(add(1, &[OperatorRole::Operator]));
    world.done(add(2, &[OperatorRole::Auditor]));
    let remove = |number: u8| RemoveOperator { name: name(&format!("operator-{number}")) };
    let roles = |role: OperatorRole| SetOperatorRoles { name: name("operator-1"), roles: BTreeSet::from([role]) };
    assert_eq!(world.refused(remove(1)), Refusal::LastOperator);
    assert_eq!(world.refused(roles(OperatorRole::Auditor)), Refusal::LastOperator);
    world.done(add(3, &[OperatorRole::Operator, OperatorRole::Auditor]));
    world.done(roles(OperatorRole::Auditor));
    assert_eq!(world.refused(remove(3)), Refusal::LastOperator);
    world.done(remove(1));
    assert_eq!(world.count(Counter::Operators), 2);
}

#[test]
fn an_identity_belongs_to_one_operator() {
    let mut world = World::new();
    world.done(add(1, &[OperatorRole::Operator]));
    let mut twin = add(1, &[OperatorRole::Operator]);
    twin.name = name("twin");
    assert_eq!(world.refused(twin.clone()), Refusal::IdentityTaken);
    assert_eq!(
        world.refused(AddOperator { subject: subject("operator", 5), roles: BTreeSet::new(), ..twin }),
        Refusal::NoRole
    );
    let found = query::operator_of(world.machine.rows(), &subject("operator", 1)).unwrap();
    assert_eq!(found.map(|(name, _)| name), Some(name("operator-1")));
}

#[test]
fn a_listing_goes_on_where_the_page_ended() {
    let world = World::installed();
    let first = query::depots(world.machine.rows(), None, 2).unwrap();
    let after = first.rows.last().map(|(depot, _)| *depot);
    let second = query::depots(world.machine.rows(), after.as_ref(), 2).unwrap();
    assert_eq!((first.rows.len(), first.has_more, second.rows.len(), second.has_more), (2, true, 1, false));
    assert_eq!(query::tokens(world.machine.rows(), None, 10).unwrap().rows.len(), 4);
}
