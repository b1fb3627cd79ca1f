//! What time does to certificates: before, within, in grace, over.

use std::sync::Arc;
use std::time::Duration;

use rustls::{CertificateError, Error};
use strongroom_core::time::WallTime;

use super::world::{ALPN, Failure, NOW, World, new_issuer, shake};
use crate::clock::SimClock;
use crate::tls::authority::{AuthorityError, BACKDATED, CERTIFICATE_TTL_MAX, ISSUER_TTL};
use crate::tls::identity::RENEWAL_GRACE;
use crate::tls::{HotIdentity, Identity, Issuer, PendingIdentity, Role, server_config};

const SECOND: Duration = Duration::from_secs(1);

fn after(time: WallTime, duration: Duration) -> WallTime {
    WallTime(time.0 + i64::try_from(duration.as_micros()).unwrap())
}

/// What a depot says at `at` to an agent whose certificate was made at [`NOW`]. The two have clocks of their own: the
/// agent's is one by which the depot's certificate is good, so that only the depot can refuse.
fn depot_says(at: WallTime, grace: bool) -> Result<(), Error> {
    let world = World::new();
    let client = world.client(world.identity(Role::Agent, 1), world.expect(Role::Depot));
    let other = SimClock::starting_at(at);
    let expect = world.expect(Role::Agent);
    let expect = if grace { expect.with_grace() } else { expect };
    world.clock.set_wall(at.max(NOW));
    let own = Arc::new(HotIdentity::new(world.identity(Role::Depot, 2)));
    let server = server_config(own, world.verifier(expect), Arc::new(other), ALPN).unwrap();
    shake(client, server).map(|_| ()).map_err(Failure::by_server)
}

fn is_expired(answer: &Result<(), Error>) -> bool {
    matches!(answer, Err(Error::InvalidCertificate(CertificateError::ExpiredContext { .. })))
}

#[test]
fn a_certificate_is_good_from_its_first_to_its_last_second() {
    let (first, last) = (WallTime(NOW.0 - 300_000_000), after(NOW, CERTIFICATE_TTL_MAX));
    assert_eq!(depot_says(first, false), Ok(()));
    assert_eq!(depot_says(last, false), Ok(()));
    assert!(is_expired(&depot_says(after(last, SECOND), false)));
    let early = depot_says(WallTime(first.0 - 1_000_000), false);
    assert!(matches!(early, Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { .. }))));
}

#[test]
fn grace_lets_in_for_seven_days_where_it_is_asked_for_and_nowhere_else() {
    let end = after(NOW, CERTIFICATE_TTL_MAX);
    for past in [SECOND, RENEWAL_GRACE] {
        assert_eq!(depot_says(after(end, past), true), Ok(()), "{past:?}");
        assert!(is_expired(&depot_says(after(end, past), false)), "{past:?}");
    }
    assert!(is_expired(&depot_says(after(end, RENEWAL_GRACE + SECOND), true)));
    let early = depot_says(WallTime(NOW.0 - 301_000_000), true);
    assert!(matches!(early, Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { .. }))));
}

#[test]
fn grace_does_not_help_whoever_is_denied() {
    let world = World::new();
    let agent = world.identity(Role::Agent, 1);
    let id = agent.id().clone();
    let client = world.client(agent, world.expect(Role::Depot));
    world.clock.advance(CERTIFICATE_TTL_MAX + SECOND);
    let server = world.server(world.identity(Role::Depot, 2), world.expect(Role::Agent).with_grace());
    assert!(shake(client.clone(), server.clone()).is_ok());
    world.deny(&[&id], &[]);
    assert!(shake(client, server).is_err());
}

#[test]
fn grace_holds_where_the_issuer_ended_with_the_leaf() {
    let world = World::new();
    world.clock.advance(ISSUER_TTL.checked_sub(Duration::from_mins(1)).unwrap());
    let agent = world.identity(Role::Agent, 1);
    assert_eq!(agent.validity().not_after(), world.issuer.validity().not_after());
    let client = world.client(agent, world.expect(Role::Depot));
    let issuer = new_issuer(&world.root, "acme.example", 2, world.now(), &world.entropy);
    world.clock.advance(Duration::from_hours(3 * 24));
    let depot = leaf_of(&issuer, &world, Role::Depot);
    let server = world.server(depot, world.expect(Role::Agent).with_grace());
    assert!(shake(client, server).is_ok());
}

fn leaf_of(issuer: &Issuer, world: &World, role: Role) -> Identity {
    let pending = PendingIdentity::new(world.name(role, 77)).unwrap();
    let request = pending.request().check(pending.id()).unwrap();
    let chain = issuer.issue(&request, CERTIFICATE_TTL_MAX, world.now(), &world.entropy).unwrap();
    pending.into_identity(chain).unwrap()
}

#[test]
fn an_issuer_that_is_over_signs_nothing_and_nothing_outlives_one() {
    let world = World::new();
    let pending = PendingIdentity::new(world.name(Role::Agent, 1)).unwrap();
    let request = pending.request().check(pending.id()).unwrap();
    let issue = |now| world.issuer.issue(&request, CERTIFICATE_TTL_MAX, now, &world.entropy);
    let end = world.issuer.validity().not_after();
    assert_eq!(end, after(NOW, ISSUER_TTL));
    assert!(issue(end).is_ok());
    let late = after(end, SECOND);
    assert!(
        matches!(issue(late), Err(AuthorityError::NotInForce { not_after, now }) if (not_after, now) == (end, late))
    );
    let early = WallTime(NOW.0 - i64::try_from(BACKDATED.as_micros()).unwrap() - 1_000_000);
    assert!(matches!(issue(early), Err(AuthorityError::NotInForce { .. })));
}

#[test]
fn no_issuer_outlives_its_root() {
    let world = World::new();
    let end = world.root.validity().not_after();
    let late = WallTime(end.0 - 1_000_000);
    let issuer = new_issuer(&world.root, "acme.example", 2, late, &world.entropy);
    assert_eq!(issuer.validity().not_after(), end);
    let pending = PendingIdentity::new(world.name(Role::Issuer, 3)).unwrap();
    let request = pending.request().check(pending.id()).unwrap();
    let over = world.root.sign_issuer(&request, after(end, SECOND), &world.entropy);
    assert!(matches!(over, Err(AuthorityError::NotInForce { .. })));
}

#[test]
fn an_agent_that_was_cut_off_for_a_week_renews_by_itself() {
    let world = World::new();
    let agent = world.identity(Role::Agent, 1);
    world.clock.advance(Duration::from_hours(7 * 24));
    assert!(agent.renewal_due(world.now()));
    let pending = agent.renewal().unwrap();
    let client = world.client(agent, world.expect(Role::Coordinator));
    let renewal = world.server(world.identity(Role::Coordinator, 1), world.expect(Role::Agent).with_grace());
    assert!(shake(client, renewal).is_ok());
    let renewed = world.certify(pending);
    assert!(!renewed.renewal_due(world.now()));
    let client = world.client(renewed, world.expect(Role::Coordinator));
    let ordinary = world.server(world.identity(Role::Coordinator, 1), world.expect(Role::Agent));
    assert!(shake(client, ordinary).is_ok());
}
