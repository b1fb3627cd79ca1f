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
    for _ in 0..12 {
        place.run(&["backup", "nowhere"]).ended_with(1);
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

#[test]
fn a_gap_in_the_depot_is_told_by_backups_by_the_doctor_and_by_a_rebuild() {
    let place = Place::with_sample();
    place.run(&["backup", "cmdb"]).done();
    let kept = tempfile::tempdir().unwrap();
    copy_dir(&member(&place), kept.path());
    for day in 1..4 {
        place.day(day);
        place.run(&["backup", "cmdb"]).done();
    }
    let manifests = files_below(&place.room().join("depot/manifests"));
    assert_eq!(manifests.len(), 4);
    for lost in &manifests[1..3] {
        fs::remove_file(lost).unwrap();
    }
    // The member knows the first alone: what is behind the gap can't be committed.
    fs::remove_dir_all(member(&place)).unwrap();
    copy_dir(kept.path(), &member(&place));
    let gap = "the depot lacks manifests 2 to 3 of cmdb, and has manifest 4";
    let report = place.run(&["doctor", "--json"]).ended_with(1).documents().pop().unwrap();
    assert_eq!(check(&report, "catalogue"), ["failed"]);
    assert!(report.to_string().contains(gap), "{report}");
    let ran = place.run(&["backup", "cmdb", "--json"]).ended_with(4);
    assert!(ran.err.contains(gap), "{}", ran.err);
    assert_eq!(ran.documents().pop().unwrap()["sequence"], 5);
    fs::remove_dir_all(member(&place)).unwrap();
    let told = place.run(&["snapshots"]).done().err;
    assert!(told.contains(gap) && told.contains("1 snapshot"), "{told}");
}

/// Makes the file that this host keeps of a source one that nothing opens.
fn break_file_of(place: &Place, id: &str) {
    fs::write(place.room().join(format!("state/agent/{id}/source")), "00ff").unwrap();
}

#[test]
fn a_file_of_one_source_that_cannot_be_opened_is_told_and_stops_no_other() {
    let place = Place::with_sample();
    place.source("other", "CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1)");
    for name in ["cmdb", "other"] {
        place.run(&["backup", name]).done();
    }
    let listed = place.json(&["source", "ls"]);
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(listed[0]["source"], "cmdb");
    break_file_of(&place, &id);

    let listed = place.json(&["source", "ls"]);
    assert_eq!(
        (&listed[0]["source"], &listed[0]["url"], &listed[1]["source"]),
        (&"cmdb".into(), &Value::Null, &"other".into())
    );
    assert!(listed[0]["broken"].as_str().unwrap().contains("cmdb") && listed[1]["broken"].is_null(), "{listed}");
    place.run(&["backup", "cmdb"]).ended_with(1);
    place.run(&["backup", "other"]).done();
    assert_eq!(place.json(&["snapshots"]).as_array().unwrap().len(), 3);
    assert_eq!(check(&place.run(&["doctor", "--json"]).documents().pop().unwrap(), "source"), ["failed", "ok"]);

    // Neither does it stop a rebuild: the source lives on under its id.
    fs::remove_dir_all(member(&place)).unwrap();
    let told = place.run(&["source", "ls"]).done().err;
    assert!(told.contains(&format!("source {id} goes by its id")) && told.contains("3 snapshots"), "{told}");
    place.run(&["backup", "other"]).done();
    let removed = place.json(&["source", "rm", &id, "--yes"]);
    assert_eq!((&removed["removed"], &removed["url"], &removed["snapshots"]), (&true.into(), &Value::Null, &1.into()));
    assert_eq!(place.json(&["source", "ls"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_source_that_was_being_forgotten_does_not_come_back_by_a_rebuild() {
    let place = Place::with_sample();
    place.run(&["backup", "cmdb"]).done();
    let id = place.json(&["source", "ls"])[0]["id"].as_str().unwrap().to_owned();
    // As it is if the process died before the group heard of it.
    let dir = place.room().join("state/agent").join(&id);
    fs::rename(dir.join("source"), dir.join("retired")).unwrap();
    let listed = place.json(&["source", "ls"]);
    assert!(listed[0]["broken"].as_str().unwrap().contains("began to forget"), "{listed}");
    let copy = place.copy();
    place.run(&["source", "rm", "cmdb", "--yes"]).done();
    assert_eq!(place.json(&["source", "ls"]), serde_json::json!([]));

    fs::remove_dir_all(member(&copy)).unwrap();
    let told = copy.run(&["source", "ls", "--json"]).done();
    assert!(told.err.contains("taken for one that was forgotten"), "{}", told.err);
    assert_eq!(copy.json(&["source", "ls"]), serde_json::json!([]));
    assert_eq!(copy.json(&["snapshots"]).as_array().unwrap().len(), 1);
}
