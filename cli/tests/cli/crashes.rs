//! Runs that are cut off: killed, interrupted, or ended between two steps.

use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Place, Ran, files_below};

/// A CMDB that takes a while to read.
fn large() -> Place {
    let place = Place::empty();
    place.run(&["init"]).done();
    place.source(
        "big",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)
         INSERT INTO t SELECT i, hex(randomblob(20)) FROM n;",
    );
    place
}

/// Waits until a run has begun to write into the room.
fn wait_until(child: &mut Child, is_so: impl Fn() -> bool) {
    while !is_so() {
        if child.try_wait().unwrap().is_some() {
            return;
        }
        std::thread::yield_now();
    }
}

fn spool_of(place: &Place) -> impl Fn() -> bool {
    let cache = place.room().join("cache");
    move || files_below(&cache).iter().any(|path| path.to_string_lossy().ends_with("staged"))
}

#[test]
fn a_killed_backup_leaves_nothing_that_counts_and_the_next_one_works() {
    let place = large();
    for round in 0..3 {
        let mut child = place.command(&["backup", "big"]).spawn().unwrap();
        wait_until(&mut child, spool_of(&place));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(place.snapshots().len() <= round, "a killed run must not count");
        if round == 1 {
            place.run(&["backup", "big"]).done();
        }
    }
    let taken = place.json(&["backup", "big"]);
    assert_eq!((&taken["records"], &taken["complete"]), (&400_000.into(), &true.into()));
    place.run(&["verify", "--read-data"]).done();
    assert_eq!(place.json(&["drift", "big"])["equal"], true);
}

#[test]
fn an_interrupted_backup_ends_with_130_and_the_next_one_works() {
    let place = large();
    let mut child = place.command(&["backup", "big", "--json"]).spawn().unwrap();
    wait_until(&mut child, spool_of(&place));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap()).ended_with(130);
    assert_eq!(ran.documents().pop().unwrap()["code"], "SR0060");
    assert!(place.snapshots().is_empty());
    place.run(&["backup", "big"]).done();
    place.run(&["verify"]).done();
}

#[test]
fn a_snapshot_whose_run_died_after_its_commit_is_adopted() {
    let place = Place::with_sample();
    place.run(&["backup", "cmdb"]).done();
    let ledger = place.find("state/agent", "ledger");
    let first = std::fs::read(&ledger).unwrap();
    place.day(1);
    place.run(&["backup", "cmdb"]).done();
    // As it is between the manifest's commit and the ledger's: the old ledger, and the new one still pending.
    std::fs::rename(&ledger, ledger.with_file_name("ledger-pending")).unwrap();
    std::fs::write(&ledger, first).unwrap();
    place.day(2);
    let third: Value = place.json(&["backup", "cmdb"]);
    assert_eq!((&third["sequence"], &third["complete"]), (&3.into(), &true.into()));
    place.run(&["verify", "--read-data"]).done();
    let snapshots = place.snapshots();
    let difference = place.json(&["diff", &snapshots[1], &snapshots[2]]);
    assert!(!difference["classes"].as_array().unwrap().is_empty());
}

#[test]
fn a_lost_cache_costs_space_and_changes_nothing() {
    let place = Place::with_sample();
    place.run(&["backup", "cmdb"]).done();
    let before = place.json(&["backup", "cmdb"]);
    std::fs::remove_dir_all(place.room().join("cache")).unwrap();
    std::fs::create_dir(place.room().join("cache")).unwrap();
    assert_eq!(place.json(&["drift", "cmdb"])["equal"], true);
    let after = place.json(&["backup", "cmdb"]);
    assert_eq!((&after["sequence"], &after["root"]), (&3.into(), &before["root"]));
    place.run(&["verify", "--read-data"]).done();
}
