//! When an identity is renewed, and how it stands.

use std::time::Duration;

use strongroom_core::time::WallTime;

use super::{Identity, RENEWAL_GRACE, Standing};
use crate::rng::SimEntropy;
use crate::tls::{PendingIdentity, Role, RootAuthority};

const NOW: WallTime = WallTime(1_795_348_800_000_000);
const DAY: Duration = Duration::from_hours(24);

fn after(time: WallTime, duration: Duration) -> WallTime {
    WallTime(time.0 + i64::try_from(duration.as_micros()).unwrap())
}

/// Agents of one region whose certificates were made in the same second.
fn fleet(size: u8) -> Vec<Identity> {
    let entropy = SimEntropy::from_seed(1);
    let root = RootAuthority::found(&"acme.example".parse().unwrap(), NOW, &entropy).unwrap();
    let pending = |role: Role, subject: u8| {
        PendingIdentity::new(format!("spiffe://acme.example/eu/{role}/{subject:032x}").parse().unwrap()).unwrap()
    };
    let issuer = pending(Role::Issuer, 0);
    let request = issuer.request().check(issuer.id()).unwrap();
    let issuer = issuer.into_issuer(&root.sign_issuer(&request, NOW, &entropy).unwrap()).unwrap();
    let agent = |subject| {
        let pending = pending(Role::Agent, subject);
        let request = pending.request().check(pending.id()).unwrap();
        pending.into_identity(issuer.issue(&request, DAY, NOW, &entropy).unwrap()).unwrap()
    };
    (0..size).map(agent).collect()
}

#[test]
fn a_fleet_renews_at_half_of_its_life_and_not_in_one_minute() {
    let fleet = fleet(40);
    let (first, last) = (fleet[0].validity().not_before().0, fleet[0].validity().not_after().0);
    let part = |at: WallTime| (at.0 - first) * 100 / (last - first);
    let mut times: Vec<WallTime> = fleet.iter().map(Identity::renewal_at).collect();
    assert!(times.iter().all(|at| (39..=60).contains(&part(*at))), "{times:?}");
    times.sort();
    assert!(part(times[0]) < 45 && part(times[39]) > 55, "{times:?}");
    times.dedup();
    assert_eq!(times.len(), 40);
}

#[test]
fn the_time_of_renewal_is_a_function_of_name_and_validity() {
    let (one, two) = (fleet(1), fleet(1));
    assert_ne!(one[0].certificate().public, two[0].certificate().public);
    assert_eq!(one[0].renewal_at(), two[0].renewal_at());
}

#[test]
fn an_identity_goes_from_fresh_to_expired() {
    let agent = fleet(1).remove(0);
    let (due, end) = (agent.renewal_at(), agent.validity().not_after());
    let second = Duration::from_secs(1);
    let steps = [
        (WallTime(0), Standing::Fresh),
        (NOW, Standing::Fresh),
        (WallTime(due.0 - 1), Standing::Fresh),
        (due, Standing::RenewalDue),
        (end, Standing::RenewalDue),
        (after(end, second), Standing::InGrace),
        (after(end, RENEWAL_GRACE), Standing::InGrace),
        (after(end, RENEWAL_GRACE + second), Standing::Expired),
        (WallTime(i64::MAX), Standing::Expired),
    ];
    for (at, standing) in steps {
        assert_eq!(agent.standing(at), standing, "{at}");
        assert_eq!(agent.renewal_due(at), standing != Standing::Fresh, "{at}");
    }
}

#[test]
fn an_identity_survives_its_files() {
    let agent = fleet(1).remove(0);
    let read = Identity::from_pem(&agent.chain_pem(), &agent.key_pem()).unwrap();
    assert_eq!((read.certificate(), read.chain()), (agent.certificate(), agent.chain()));
    assert_eq!(*read.key_pem(), *agent.key_pem());
}
