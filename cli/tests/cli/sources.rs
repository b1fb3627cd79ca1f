//! Sources that come and go: what is forgotten with one, and what is not.

use crate::harness::{Place, files_below};

#[test]
fn a_source_with_a_wrong_url_gives_its_name_back() {
    let place = Place::empty();
    place.run(&["init"]).done();
    place.source("right", "CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1)");
    place.run(&["source", "add", "cmdb", "postgres://nobody@127.0.0.1:1/none"]).done();
    place.run(&["source", "add", "cmdb", &place.url("right.db")]).ended_with(2);

    // Nobody is there to ask.
    let refused = place.run(&["source", "rm", "cmdb"]).ended_with(2);
    assert!(refused.err.contains("--yes"), "{}", refused.err);
    let planned = place.json(&["source", "rm", "cmdb", "--plan"]);
    assert_eq!((&planned["removed"], &planned["snapshots"]), (&false.into(), &0.into()));
    let removed = place.json(&["source", "rm", "cmdb", "--yes"]);
    assert_eq!((&removed["removed"], &removed["source"]), (&true.into(), &"cmdb".into()));
    place.run(&["source", "rm", "cmdb", "--yes"]).ended_with(1);
    place.run(&["source", "add", "cmdb", &place.url("right.db")]).done();
    place.run(&["backup", "cmdb"]).done();
}

#[test]
fn snapshots_outlive_their_source() {
    let place = Place::with_sample();
    let taken = place.json(&["backup", "cmdb"]);
    let id = place.json(&["source", "ls"])[0]["id"].as_str().unwrap().to_owned();
    let told = place.run(&["source", "rm", "cmdb", "--yes"]).done().out;
    assert!(told.contains(&format!("strongroom snapshots {id}")) && told.contains("1 snapshot stays"), "{told}");

    assert_eq!(place.json(&["source", "ls"]), serde_json::json!([]));
    let kept = place.room().join("state/agent");
    assert_eq!((files_below(&kept).len(), place.room().join("cache").join(&id).exists()), (0, false));
    place.run(&["backup", "cmdb"]).ended_with(1);

    // All that needs no new snapshot goes on.
    assert_eq!(place.json(&["snapshots", &id])[0]["snapshot"], taken["snapshot"]);
    assert_eq!(place.json(&["verify", "--read-data"])["ok"], true);
    let restored = place.json(&["restore", &format!("{id}@latest"), "--to", &place.url("back.db")]);
    assert_eq!(restored["verdict_equal"], true);

    // Registered again, it begins a line of its own beside the old one.
    place.run(&["source", "add", "cmdb", &place.url("cmdb.db")]).done();
    let again = place.json(&["backup", "cmdb"]);
    assert_eq!((&again["sequence"], &again["records"]), (&1.into(), &taken["records"]));
    assert_eq!(place.json(&["verify"])["snapshots"], 2);
}
