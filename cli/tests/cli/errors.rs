//! Wrong uses and bad luck: the exit code of each, and how a failure reads.

use crate::harness::{Place, Ran};

#[track_caller]
fn shown(place: &Place, arguments: &[&str], code: i32) -> String {
    let ran = place.run(arguments).ended_with(code);
    place.normal(&ran.err)
}

#[test]
fn failures_say_what_happened_to_what_why_and_what_next() {
    let empty = Place::empty();
    insta::assert_snapshot!("no_room", shown(&empty, &["snapshots"], 10));
    let place = Place::with_sample();
    insta::assert_snapshot!("room_exists", shown(&place, &["init"], 2));
    insta::assert_snapshot!("unknown_source", shown(&place, &["backup", "cmdbb"], 1));
    insta::assert_snapshot!("no_snapshots_yet", shown(&place, &["show", "latest"], 1));
    insta::assert_snapshot!("unreachable", shown(&place, &["backup", &place.url("nowhere.db")], 1));
    insta::assert_snapshot!("no_url", shown(&place, &["source", "add", "x", "mysql://db/x"], 2));
    insta::assert_snapshot!("bad_name", shown(&place, &["source", "add", "a@b", "sqlite:x"], 2));
    place.run(&["backup", "cmdb"]).done();
    insta::assert_snapshot!("unknown_class", shown(&place, &["ls", "latest", "devices"], 1));
    insta::assert_snapshot!("no_key", shown(&place, &["find", "latest", "device"], 2));
    insta::assert_snapshot!("wrong_key_columns", shown(&place, &["find", "latest", "device:1,2"], 2));
    insta::assert_snapshot!(
        "target_not_empty",
        shown(&place, &["restore", "latest", "--to", &place.url("cmdb.db")], 2)
    );
    insta::assert_snapshot!("source_for_snapshot", shown(&place, &["show", "cmdb"], 1));
    insta::assert_snapshot!("no_time", shown(&place, &["show", "cmdb@soon"], 2));
    insta::assert_snapshot!("too_early", shown(&place, &["show", "cmdb@2001-01-01"], 1));
}

#[test]
fn programs_get_failures_as_the_last_line() {
    let place = Place::empty();
    for (arguments, code, number) in [
        (&["snapshots", "--json"][..], 10, "SR0010"),
        (&["fnord", "--json"], 2, "SR0001"),
        (&["backup", "x", "--json"], 10, "SR0010"),
    ] {
        let ran = place.run(arguments).ended_with(code);
        let last = ran.documents().pop().unwrap();
        assert_eq!(
            (&last["message_type"], &last["code"], &last["exit_code"]),
            (&"error".into(), &number.into(), &code.into())
        );
    }
}

#[test]
fn ambiguous_ids_are_refused_and_missing_records_told() {
    let place = Place::with_sample();
    for _ in 0..17 {
        place.run(&["backup", "cmdb"]).done();
    }
    let ids = place.snapshots();
    let first = |id: &String| id[..1].to_owned();
    let twice = ids.iter().find(|id| ids.iter().filter(|other| first(other) == first(id)).count() > 1).unwrap();
    let refused = place.run(&["show", &first(twice)]).ended_with(2);
    assert!(refused.err.contains("SR0019"), "{}", refused.err);
    let missing = place.run(&["find", "latest", "device:999999", "--json"]).ended_with(1);
    assert_eq!(missing.documents()[0]["records"][0]["found"], false);
}

#[test]
fn a_later_format_is_refused_and_left_alone() {
    let place = Place::with_sample();
    place.run(&["backup", "cmdb"]).done();
    for (file, from, to) in
        [("depot/format", "\"version\": 1", "\"version\": 7"), ("state/room.toml", "version = 2", "version = 7")]
    {
        let path = place.room().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        for arguments in [&["backup", "cmdb"][..], &["snapshots"], &["ls", "latest"]] {
            let refused = place.run(arguments).ended_with(24);
            assert!(refused.err.contains("SR0014"), "{file}: {}", refused.err);
        }
        std::fs::write(&path, text).unwrap();
    }
    place.run(&["ls", "latest"]).done();
}

#[test]
fn what_can_not_be_captured_makes_the_snapshot_incomplete_and_the_exit_code_three() {
    let place = Place::with_sample();
    place.source(
        "odd",
        "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);
         PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema VALUES ('table', 'far', 'far', 0, 'CREATE VIRTUAL TABLE far USING elsewhere(x)');",
    );
    let ran = place.run(&["backup", "odd", "--json"]).ended_with(3);
    let summary = ran.documents().pop().unwrap();
    assert_eq!((&summary["complete"], &summary["protected"]), (&false.into(), &true.into()));
    assert!(ran.err.contains("SR0039"), "{}", ran.err);
    assert_eq!(place.json(&["snapshots", "odd"])[0]["complete"], false);
    assert!(place.run(&["snapshots"]).done().out.contains("INCOMPLETE"));
}

#[test]
fn damage_is_found_and_does_not_hide_the_rest() {
    let place = Place::with_sample();
    place.run(&["backup", "cmdb"]).done();
    let pack = place.find("depot/packs", ".pack");
    let sound = std::fs::read(&pack).unwrap();
    let mut damaged = sound.clone();
    damaged[sound.len() / 3] ^= 1;
    std::fs::write(&pack, &damaged).unwrap();
    let found = |ran: Ran| {
        let summary = ran.documents().pop().unwrap();
        assert_eq!(summary["ok"], false);
        let kinds: Vec<_> =
            summary["findings"].as_array().unwrap().iter().map(|f| f["kind"].as_str().unwrap().to_owned()).collect();
        kinds
    };
    let kinds = found(place.run(&["verify", "--read-data", "--json"]).ended_with(26));
    assert!(kinds.contains(&"damaged_pack".to_owned()), "{kinds:?}");
    std::fs::remove_file(&pack).unwrap();
    let kinds = found(place.run(&["verify", "--json"]).ended_with(26));
    assert!(kinds.contains(&"missing_pack".to_owned()), "{kinds:?}");
    std::fs::write(&pack, &sound).unwrap();
    place.run(&["verify", "--read-data"]).done();

    let manifest = place.find("depot/manifests", ".manifest");
    let mut bytes = std::fs::read(&manifest).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&manifest, &bytes).unwrap();
    let kinds = found(place.run(&["verify", "--json"]).ended_with(26));
    assert!(kinds.contains(&"bad_manifest".to_owned()), "{kinds:?}");
    let told = place.run(&["show", "latest"]).ended_with(1);
    assert!(told.err.contains("verify"), "{}", told.err);
}

#[test]
fn a_room_that_was_not_made_to_its_end_is_made_anew_and_one_with_packs_is_not() {
    let place = Place::with_sample();
    let settings = place.room().join("state/room.toml");
    std::fs::remove_file(&settings).unwrap();
    std::fs::write(place.room().join("state/making"), "").unwrap();
    place.run(&["snapshots"]).ended_with(10);
    place.run(&["init"]).done();
    place.run(&["source", "add", "cmdb", &place.url("cmdb.db")]).done();
    place.run(&["backup", "cmdb"]).done();
    std::fs::remove_file(&settings).unwrap();
    place.run(&["init"]).ended_with(2);
    let elsewhere =
        place.command(&["init"]).env("STRONGROOM_ROOM", "x").arg("--room").arg(place.path("")).output().unwrap();
    assert_eq!(elsewhere.status.code(), Some(2));
}
