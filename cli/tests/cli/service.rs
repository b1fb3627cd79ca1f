//! Operators' verbs against a room: the same words as for a group, with no endpoint and no identity.

use std::fs;

use serde_json::Value;

use crate::harness::Place;

const COLLEAGUE: &str = "spiffe://local/local/operator/0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

fn names(place: &Place) -> Vec<String> {
    let listed = place.json(&["operator", "ls"]);
    let operators = listed["operators"].as_array().unwrap().iter();
    operators.map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn operators_of_a_room_are_registered_and_its_owner_stays() {
    let place = Place::with_sample();
    assert_eq!(names(&place), ["local"]);
    place.run(&["operator", "add", "eve", COLLEAGUE, "--role", "auditor"]).done();
    assert_eq!(names(&place), ["eve", "local"]);
    place.run(&["operator", "roles", "eve", "--role", "operator,auditor"]).done();
    for verb in [&["operator", "rm", "local", "--yes"][..], &["operator", "roles", "local", "--role", "auditor"]] {
        let refused = place.run(verb).ended_with(2);
        assert!(refused.err.contains("owner"), "{}", refused.err);
    }
    place.run(&["operator", "rm", "eve", "--yes"]).done();
    assert_eq!(names(&place), ["local"]);
    // The room is free for the next process, and works.
    place.run(&["backup", "cmdb"]).done();
    assert_eq!(place.json(&["snapshots"])[0]["protected"], true);
}

#[test]
fn a_room_lets_nobody_join_and_keeps_its_agent() {
    let place = Place::with_sample();
    let token = place.run(&["agent", "token", "--region", "local", "--site", "local"]).ended_with(2);
    assert!(token.err.contains("nobody can join a room"), "{}", token.err);
    assert_eq!(place.json(&["agent", "ls"])["agents"][0]["name"], "local");
    let refused = place.run(&["agent", "revoke", "local", "--yes"]).ended_with(2);
    assert!(refused.err.contains("one agent"), "{}", refused.err);
    assert_eq!(place.json(&["coordinator", "members"])["members"].as_array().unwrap().len(), 1);
}

#[test]
fn the_audit_log_of_a_room_is_exported_proven_and_verified_offline() {
    let place = Place::with_sample();
    place.run(&["backup", "cmdb"]).done();
    let exported = place.json(&["audit", "export", "--output", "log.jsonl"]);
    let key = exported["keys"][0].as_str().unwrap();
    let verified = place.json(&["audit", "verify", "log.jsonl", "--key", key]);
    assert_eq!((&verified["ok"], &verified["events"]), (&true.into(), &exported["events"]));
    let log = fs::read_to_string(place.path("log.jsonl")).unwrap();
    for action in ["source.register", "snapshot.commit", "receipt.register", "audit.key"] {
        assert!(log.contains(action), "{action}");
    }
    let last = exported["events"].as_u64().unwrap() - 1;
    let proof = place.run(&["audit", "prove", &last.to_string()]).done().out;
    fs::write(place.path("proof.json"), proof).unwrap();
    let proven = place.json(&["audit", "verify", "proof.json", "--key", key]);
    assert_eq!((&proven["ok"], &proven["leaf"]), (&true.into(), &Value::from(last)));
    // A touched log is found out.
    fs::write(place.path("touched.jsonl"), log.replacen("allowed", "denied", 1).replacen("system", "denied", 1))
        .unwrap();
    place.run(&["audit", "verify", "touched.jsonl", "--key", key]).ended_with(26);
}

#[test]
fn the_status_of_a_room_says_what_is_not_protected_yet() {
    let place = Place::with_sample();
    let before = place.run(&["status", "--json"]).ended_with(1).documents().remove(0);
    assert_eq!(before["findings"][0]["about"], "source cmdb", "{before}");
    place.run(&["backup", "cmdb"]).done();
    let after = place.run(&["status"]).done();
    assert!(after.out.contains("All is well."), "{}", after.out);
    let refused = place.run(&["schedule", "run", "cmdb"]).ended_with(2);
    assert!(refused.err.contains("strongroom backup cmdb"), "{}", refused.err);
}
