//! Who may sign the audit log, what is kept of what was signed, and who may act at all when an entry takes effect.

use std::collections::BTreeSet;

use strongroom_core::audit::{
    Checkpoint, KeyName, LogSigner, SignedCheckpoint, TreeHead, TreeSize, TrustedKeys, VerifierKey, empty_root,
};

use super::samples::signer;
use super::world::{World, at, codes, law, member, name, subject};
use crate::id::MemberId;
use crate::state::audit::head;
use crate::state::operators::{AddOperator, OperatorRole, RemoveOperator, SetOperatorRoles};
use crate::state::places::PutJurisdiction;
use crate::state::request::{Actor, Verdict};
use crate::state::session::OpenSession;
use crate::state::signing::{AUDIT_KEYS_MAX, KeepCheckpoint, RegisterAuditKey, audit_keys, newest_checkpoint};
use crate::state::{Command, Configuration, Outcome, Refusal, Thing};

fn other(origin: &str, seed: u8) -> LogSigner {
    LogSigner::from_seed(KeyName::new(origin).unwrap(), &[seed; 32]).unwrap()
}

fn key_of(member: MemberId, signer: &LogSigner) -> RegisterAuditKey {
    RegisterAuditKey { member, key: signer.verifier_key().clone() }
}

fn signed(signer: &LogSigner, head: TreeHead) -> SignedCheckpoint {
    Checkpoint::new(signer.verifier_key().name().clone(), head).sign(signer).unwrap()
}

fn keep(signer: &LogSigner, head: TreeHead) -> KeepCheckpoint {
    KeepCheckpoint { checkpoint: signed(signer, head) }
}

/// A world of two voters, the first of which has registered its key.
fn world() -> World {
    let mut world = World::new();
    let voters = BTreeSet::from([member(1), member(2)]);
    let configuration = Configuration { voters, ..Configuration::default() };
    world.index += 1;
    world.machine.apply_configuration(at(world.index), configuration, &[]).unwrap();
    world.done(key_of(member(1), &signer()));
    world
}

#[test]
fn a_checkpoint_is_kept_if_a_known_key_signed_what_there_is() {
    let mut world = world();
    let now = head(world.machine.rows()).unwrap();
    world.done(keep(&signer(), now));
    world.done(keep(&signer(), now));
    let kept = newest_checkpoint(world.machine.rows()).unwrap().unwrap();
    assert_eq!(kept, signed(&signer(), now));
    assert_eq!(head(world.machine.rows()).unwrap(), now, "a checkpoint is no event");
    let keys: Vec<VerifierKey> = audit_keys(world.machine.rows()).unwrap().into_iter().map(|row| row.key).collect();
    assert_eq!(kept.verify(&TrustedKeys::new(keys).unwrap()).unwrap().checkpoint().head(), &now);
}

#[test]
fn what_promises_more_less_or_something_else_is_refused() {
    let mut world = world();
    let now = head(world.machine.rows()).unwrap();
    let stale = Refusal::Changed(Thing::Checkpoint);
    let more = TreeHead { size: TreeSize(now.size.0 + 1), ..now };
    assert_eq!(world.refused(keep(&signer(), more)), stale);
    assert_eq!(world.refused(keep(&signer(), TreeHead { root: empty_root(), ..now })), stale);
    world.done(keep(&signer(), now));
    assert_eq!(world.refused(keep(&signer(), TreeHead { size: TreeSize(0), root: empty_root() })), stale);
    let stranger = other("example.org/strongroom/audit", 7);
    assert_eq!(world.refused(keep(&stranger, now)), Refusal::Missing(Thing::AuditKey));
}

#[test]
fn another_leader_signs_the_same_log_with_a_key_of_its_own() {
    let mut world = world();
    let second = other("example.org/strongroom/audit", 2);
    world.done(keep(&signer(), head(world.machine.rows()).unwrap()));
    world.done(key_of(member(2), &second));
    let now = head(world.machine.rows()).unwrap();
    world.done(keep(&second, now));
    assert_eq!(newest_checkpoint(world.machine.rows()).unwrap(), Some(signed(&second, now)));
    assert_eq!(audit_keys(world.machine.rows()).unwrap().len(), 2);
}

#[test]
fn keys_of_strangers_and_of_other_logs_are_refused() {
    let mut world = world();
    let second = other("example.org/strongroom/audit", 2);
    assert_eq!(world.refused(key_of(member(3), &second)), Refusal::Missing(Thing::Member));
    let elsewhere = other("example.org/another/audit", 2);
    assert_eq!(world.refused(key_of(member(2), &elsewhere)), Refusal::Changed(Thing::AuditKey));
    assert_eq!(world.refused(key_of(member(2), &signer())), Refusal::Exists(Thing::AuditKey));
}

fn put() -> PutJurisdiction {
    PutJurisdiction { name: law("eu"), codes: codes(&["DE"]) }
}

fn ask_as(world: &mut World, number: u8, command: impl Into<Command>) -> Outcome {
    let mut request = world.request(command);
    request.actor = Actor::Identity(subject("operator", number));
    world.send(&request)
}

fn operator(number: u8, role: OperatorRole) -> AddOperator {
    let roles = BTreeSet::from([role]);
    AddOperator { name: name(&format!("operator-{number}")), subject: subject("operator", number), roles }
}

#[test]
fn an_operator_who_lost_the_role_before_the_entry_took_effect_is_rejected() {
    let mut world = World::new();
    let forbidden = Outcome::Rejected(Refusal::Forbidden);
    world.done(operator(1, OperatorRole::Operator));
    world.done(operator(2, OperatorRole::Operator));
    assert!(matches!(ask_as(&mut world, 2, put()), Outcome::Done(_)));
    let roles = BTreeSet::from([OperatorRole::Auditor]);
    world.done(SetOperatorRoles { name: name("operator-2"), roles });
    assert_eq!(ask_as(&mut world, 2, put()), forbidden);
    world.done(RemoveOperator { name: name("operator-2") });
    assert_eq!(ask_as(&mut world, 2, put()), forbidden);
    assert_eq!(ask_as(&mut world, 3, put()), forbidden, "nobody ever knew it");
    let open = OpenSession { session: strongroom_core::id::ClientSession([9; 16]) };
    assert!(matches!(ask_as(&mut world, 2, open), Outcome::Done(_)));
    assert!(matches!(ask_as(&mut world, 1, put()), Outcome::Done(_)));
}

#[test]
fn a_denied_request_without_a_session_is_audited_all_the_same() {
    let mut world = World::new();
    let before = head(world.machine.rows()).unwrap().size.0;
    let mut request = world.request(put());
    request.session = None;
    request.decision.verdict = Verdict::Denied;
    assert_eq!(world.send(&request), Outcome::Rejected(Refusal::Forbidden));
    assert_eq!(head(world.machine.rows()).unwrap().size.0, before + 1);
}

#[test]
fn what_took_effect_before_is_not_told_as_denied_after() {
    let mut world = World::new();
    let request = world.request(put());
    assert!(matches!(world.send(&request), Outcome::Done(_)));
    let mut again = request;
    again.decision.verdict = Verdict::Denied;
    assert!(matches!(world.send(&again), Outcome::Done(_)));
}

#[test]
fn there_is_always_room_for_the_key_of_a_voter_and_what_was_signed_stays_provable() {
    let mut world = world();
    let log = "example.org/strongroom/audit";
    world.done(keep(&signer(), head(world.machine.rows()).unwrap()));
    // Member 2 loses its key again and again.
    for seed in 2..=200_u8 {
        world.done(key_of(member(2), &other(log, seed)));
        let now = head(world.machine.rows()).unwrap();
        if seed == 100 {
            world.done(keep(&other(log, seed), now));
        }
    }
    let keys = audit_keys(world.machine.rows()).unwrap();
    assert_eq!(keys.len(), AUDIT_KEYS_MAX);
    let has = |signer: &LogSigner| keys.iter().any(|row| row.key == *signer.verifier_key());
    assert!(has(&signer()), "the only key of a voter was retired");
    assert!(has(&other(log, 100)), "nobody could verify the newest checkpoint");
    assert!(has(&other(log, 200)) && !has(&other(log, 2)), "the oldest is retired first");
    assert_eq!(world.refused(key_of(member(2), &other(log, 2))), Refusal::Retired(Thing::AuditKey));
    let stale = keep(&other(log, 2), head(world.machine.rows()).unwrap());
    assert_eq!(world.refused(stale), Refusal::Missing(Thing::AuditKey), "a retired key signs no more");
    // Whoever holds an old checkpoint finds the key that signed it in the log.
    let registered = super::auditing::events(world.machine.rows()).into_iter().map(|(_, event)| event);
    let text = other(log, 2).verifier_key().to_string();
    assert!(registered.into_iter().any(|event| event.action.as_str() == "audit.key" && event.object.as_str() == text));
}
