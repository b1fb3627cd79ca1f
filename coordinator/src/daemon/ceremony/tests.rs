//! Operators that are certified beside the root's key.

use std::sync::Arc;

use strongroom_core::error::Code;
use strongroom_core::time::WallTime;
use strongroom_platform::clock::{Clock as _, SystemClock};
use strongroom_platform::rng::SystemEntropy;
use strongroom_platform::tls::{PendingIdentity, RootAuthority, SpiffeId};
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::{operator_folder, sign};
use crate::daemon::{Home, Machine};

fn machine() -> Machine {
    Machine { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
}

fn root(machine: &Machine) -> Zeroizing<String> {
    let domain = "acme.example".parse().unwrap();
    let root = RootAuthority::found(&domain, machine.clock.wall(), machine.entropy.as_ref()).unwrap();
    Zeroizing::new([&root.certificate_pem(), root.key_pem().as_str()].concat())
}

fn name(role: &str) -> SpiffeId {
    format!("spiffe://acme.example/here/{role}/000102030405060708090a0b0c0d0e0f").parse().unwrap()
}

#[test]
fn the_folder_of_a_certified_operator_is_an_identity_with_its_root() {
    let (machine, folder) = (machine(), TempDir::new().unwrap());
    let made = operator_folder(&folder.path().join("ann"), &root(&machine), &name("operator"), &machine).unwrap();
    let home = Home::open(&folder.path().join("ann")).unwrap();
    assert_eq!(home.identity("").unwrap().certificate().serial, made.certificate().serial);
    assert_eq!(home.roots("").unwrap().trust_domain().as_str(), "acme.example");
    let now = SystemClock.wall();
    let (half_a_day, a_day) = (WallTime(now.0 + 11 * 3_600_000_000), WallTime(now.0 + 13 * 3_600_000_000));
    assert!(made.validity().holds_at(half_a_day) && !made.validity().holds_at(a_day));
    // It lies there with a key: nothing is put in its place.
    let again = operator_folder(&folder.path().join("ann"), &root(&machine), &name("operator"), &machine);
    assert_eq!(again.unwrap_err().code(), Code::IdentityExists);
}

#[test]
fn nobody_but_operators_of_the_roots_own_domain_is_certified() {
    let (machine, folder) = (machine(), TempDir::new().unwrap());
    let path = folder.path().join("other");
    for role in ["coordinator", "agent", "depot", "issuer"] {
        let refused = operator_folder(&path, &root(&machine), &name(role), &machine).unwrap_err();
        assert_eq!(refused.code(), Code::Usage, "{role}");
    }
    let elsewhere: SpiffeId = "spiffe://other.example/here/operator/000102030405060708090a0b0c0d0e0f".parse().unwrap();
    let refused = operator_folder(&path, &root(&machine), &elsewhere, &machine).unwrap_err();
    assert_eq!(refused.code(), Code::WrongKey);
    assert!(!path.exists(), "a folder was left by what was refused");
}

#[test]
fn an_issuer_is_signed_for_the_name_that_was_heard_and_no_other() {
    let machine = machine();
    let pending = PendingIdentity::new(name("issuer")).unwrap();
    let request = pending.request().to_pem();
    let other: SpiffeId = "spiffe://acme.example/here/issuer/ffffffffffffffffffffffffffffffff".parse().unwrap();
    let root = root(&machine);
    assert_eq!(sign(&root, &request, &other, &machine).unwrap_err().code(), Code::Usage);
    let certificate = sign(&root, &request, &name("issuer"), &machine).unwrap();
    assert_eq!(*pending.into_issuer(&certificate).unwrap().id(), name("issuer"));
}
