//! The room's group: what it may know, what becomes of it when it is lost, and how it keeps up with the depot.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::copy_dir::copy_dir;
use crate::harness::{Place, files_below};

fn member(place: &Place) -> std::path::PathBuf {
    place.room().join("state/coordinator")
}

/// Files below a folder that hold a word, in whatever case.
fn holding(folder: &Path, word: &str) -> Vec<String> {
    let holds = |path: &Path| {
        let bytes = fs::read(path).unwrap().to_ascii_lowercase();
        bytes.windows(word.len()).any(|window| window == word.as_bytes())
    };
    files_below(folder).iter().filter(|path| holds(path)).map(|path| path.display().to_string()).collect()
}

fn check<'a>(report: &'a Value, name: &str) -> Vec<&'a str> {
    let checks = report["checks"].as_array().unwrap().iter();
    checks.filter(|check| check["check"] == name).map(|check| check["state"].as_str().unwrap()).collect()
}

fn protected(place: &Place) -> Vec<bool> {
    let listed = place.json(&["snapshots"]);
    listed.as_array().unwrap().iter().map(|facts| facts["protected"].as_bool().unwrap()).collect()
}

#[test]
fn no_file_of_the_member_names_what_lies_below_a_source() {
    let place = Place::empty();
    place.run(&["init"]).done();
    let script = "CREATE TABLE planted_class (id INTEGER PRIMARY KEY, planted_column TEXT);
        CREATE VIEW planted_view AS SELECT planted_column FROM planted_class;
        INSERT INTO planted_class VALUES (1, 'a planted value');";
    rusqlite::Connection::open(place.path("planted-file.db")).unwrap().execute_batch(script).unwrap();
    place.run(&["source", "add", "word-of-an-operator", &place.url("planted-file.db")]).done();
    let unreachable = "postgres://planted-user:planted-password@127.0.0.1:1/planted-database";
    place.run(&["source", "add", "nowhere", unreachable]).done();
    place.run(&["backup", "word-of-an-operator", "--tag", "planted-tag"]).done();
    place.change("planted-file.db", "INSERT INTO planted_class VALUES (2, 'another planted value')");
    place.run(&["backup", "word-of-an-operator"]).done();
    place.run(&["backup", "nowhere"]).ended_with(1);
    // As many openings as it takes until rows are flushed into the database.
    for _ in 0..70 {
        place.run(&["source", "ls"]).done();
    }

    assert_eq!(holding(&member(&place), "planted"), Vec::<String>::new());
    let names = holding(&member(&place), "word-of-an-operator");
    for folder in ["/log/", "/state/"] {
        let is_found = names.iter().any(|path| path.contains(&format!("coordinator{folder}")));
        assert!(is_found, "the search finds what is there: {names:?}");
    }
    assert_eq!(holding(&place.room().join("state"), "planted"), Vec::<String>::new(), "what the agent keeps is sealed");
}

#[test]
fn a_lost_member_is_built_anew_from_the_depot_and_what_the_agent_keeps() {
    let place = Place::with_sample();
    place.source("old", "CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1)");
    place.run(&["backup", "old"]).done();
    place.run(&["source", "rm", "old", "--yes"]).done();
    for day in 1..4 {
        place.run(&["backup", "cmdb"]).done();
        place.day(day);
    }
    let (before, sources) = (place.json(&["snapshots"]), place.json(&["source", "ls"]));
    assert_eq!(protected(&place), [true; 4]);

    fs::remove_dir_all(member(&place)).unwrap();
    let told = place.run(&["source", "ls"]).done();
    assert!(told.err.contains("built anew") && told.err.contains("4 snapshots"), "{}", told.err);
    assert_eq!(place.run(&["source", "ls"]).done().err, "");
    assert_eq!((place.json(&["snapshots"]), place.json(&["source", "ls"])), (before, sources));
    let doctor = place.json(&["doctor"]);
    assert_eq!((check(&doctor, "coordinator"), check(&doctor, "catalogue")), (vec!["ok"], vec!["ok"]));
    let next = place.json(&["backup", "cmdb"]);
    assert_eq!((&next["sequence"], &next["protected"]), (&4.into(), &true.into()));
}

#[test]
fn snapshots_whose_runs_died_before_their_commit_are_committed_by_the_next() {
    let place = Place::with_sample();
    place.run(&["backup", "cmdb"]).done();
    let kept = tempfile::tempdir().unwrap();
    copy_dir(&member(&place), kept.path());
    for day in 1..3 {
        place.day(day);
        place.run(&["backup", "cmdb"]).done();
    }
    // As it is if the processes died after their manifests were durable.
    fs::remove_dir_all(member(&place)).unwrap();
    copy_dir(kept.path(), &member(&place));
    assert_eq!(protected(&place), [true, false, false]);
    assert_eq!(check(&place.json(&["doctor"]), "catalogue"), ["warning"]);
    place.day(3);
    let next = place.json(&["backup", "cmdb"]);
    assert_eq!((&next["sequence"], &next["protected"]), (&4.into(), &true.into()));
    assert_eq!(protected(&place), [true; 4]);
    assert_eq!(check(&place.json(&["doctor"]), "catalogue"), ["ok"]);
}

#[test]
fn a_snapshot_that_the_depot_has_lost_is_told_and_keeps_no_other_from_being_taken() {
    let place = Place::with_sample();
    place.run(&["backup", "cmdb"]).done();
    place.day(1);
    place.run(&["backup", "cmdb"]).done();
    let manifests = files_below(&place.room().join("depot/manifests"));
    fs::remove_file(manifests.last().unwrap()).unwrap();
    let report = place.run(&["doctor", "--json"]).ended_with(1).documents().pop().unwrap();
    assert_eq!(check(&report, "catalogue"), ["failed"]);
    let ran = place.run(&["backup", "cmdb", "--json"]).done();
    assert!(ran.err.contains("does not hold its manifest"), "{}", ran.err);
    assert_eq!(ran.documents().pop().unwrap()["protected"], true);
}

#[test]
fn a_member_that_lacks_a_part_is_not_used_and_not_replaced() {
    let place = Place::with_sample();
    fs::remove_dir_all(member(&place).join("log")).unwrap();
    for arguments in [&["source", "ls"][..], &["backup", "cmdb"]] {
        let refused = place.run(arguments).ended_with(1);
        assert!(refused.err.contains("SR0079"), "{}", refused.err);
    }
    fs::rename(member(&place), place.path("elsewhere")).unwrap();
    place.run(&["backup", "cmdb"]).done();
}

#[test]
fn processes_of_one_room_wait_for_each_other() {
    let place = Place::empty();
    place.run(&["init"]).done();
    let names = ["a", "b", "c", "d"];
    for name in names {
        let file = format!("{name}.db");
        let script = "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)";
        rusqlite::Connection::open(place.path(&file)).unwrap().execute_batch(script).unwrap();
    }
    let added: Vec<_> = names
        .iter()
        .map(|name| place.command(&["source", "add", name, &place.url(&format!("{name}.db"))]).spawn().unwrap())
        .collect();
    let is_done = |child: std::process::Child| child.wait_with_output().unwrap().status.success();
    assert!(added.into_iter().all(is_done));
    let backups: Vec<_> = names.iter().map(|name| place.command(&["backup", name]).spawn().unwrap()).collect();
    assert!(backups.into_iter().all(is_done));
    assert_eq!(protected(&place), [true; 4]);
}
