//! The whole walk over a sample: from `init` to a restore that proves itself, in both forms of output.

use rusqlite::Connection;
use serde_json::Value;

use crate::harness::Place;

fn counts(document: &Value) -> Vec<(String, u64, u64, u64)> {
    let classes = document["classes"].as_array().unwrap().iter();
    let number = |class: &Value, name: &str| class[name].as_u64().unwrap();
    classes
        .map(|class| {
            let name = class["class"].as_str().unwrap().to_owned();
            (name, number(class, "added"), number(class, "removed"), number(class, "changed"))
        })
        .collect()
}

#[test]
fn a_backup_is_listed_searched_compared_and_restored() {
    let place = Place::with_sample();
    let first = place.json(&["backup", "cmdb", "--profile", "none", "--tag", "first"]);
    assert_eq!(
        (&first["complete"], &first["protected"], &first["places"][0]),
        (&true.into(), &true.into(), &"local".into())
    );
    assert_eq!(place.day(1), 10);
    let second = place.json(&["backup", "cmdb"]);
    assert_eq!((&second["changed"], &second["added"], &second["removed"]), (&10.into(), &10.into(), &0.into()));
    assert!(second["bytes_stored"].as_u64() < first["bytes_stored"].as_u64());

    let snapshots = place.snapshots();
    assert_eq!(snapshots, [first["snapshot"].as_str().unwrap(), second["snapshot"].as_str().unwrap()]);
    assert_eq!(place.json(&["snapshots", "cmdb"]).as_array().unwrap().len(), 2);
    let shown = place.json(&["show", &snapshots[0][..8]]);
    assert_eq!(
        (&shown["root"], &shown["tags"][0], &shown["engine"]),
        (&first["root"], &"first".into(), &"sqlite".into())
    );
    for selector in ["latest", "cmdb@latest", "cmdb@2100-01-01", &snapshots[1]] {
        assert_eq!(place.json(&["show", selector])["snapshot"], second["snapshot"], "{selector}");
    }

    let classes = place.json(&["ls", "latest"]);
    assert!(
        classes["classes"].as_array().unwrap().iter().any(|class| class["class"] == "device" && class["records"] == 60)
    );
    let devices = place.json(&["ls", "latest", "device", "--limit", "5"]);
    assert_eq!((devices["records"].as_array().unwrap().len(), &devices["truncated"]), (5, &true.into()));

    let difference = place.json(&["diff", &snapshots[0], &snapshots[1], "--records"]);
    let changed: u64 = counts(&difference).iter().map(|(_, _, _, changed)| changed).sum();
    let history = counts(&difference).into_iter().find(|(class, ..)| class == "history").unwrap();
    assert_eq!((changed, history), (10, ("history".into(), 10, 0, 0)));
    let records = difference["records"].as_array().unwrap();
    let one = records.iter().find(|record| record["change"] == "changed").unwrap();
    assert_ne!(one["before"], one["after"]);
    assert!(place.json(&["diff", "latest", &snapshots[1]])["equal"] == true);
    assert_eq!(counts(&place.json(&["diff", &snapshots[0], "latest", "--class", "history"])).len(), 1);

    let name = format!("{}:{}", one["class"].as_str().unwrap(), one["key"].as_str().unwrap());
    let found = place.json(&["find", "latest", &name, "device:1", "--history"]);
    assert_eq!((&found["records"][0]["fields"], found["records"].as_array().unwrap().len()), (&one["after"], 2));
    let versions = found["records"][0]["history"].as_array().unwrap();
    assert_eq!(
        (versions.len(), &versions[0]["change"], &versions[1]["change"]),
        (2, &"added".into(), &"changed".into())
    );
    assert_eq!(versions[0]["fields"], one["before"]);
    let cold = place.json(&["find", "latest", "device:1", "device:1", "--cold"]);
    assert_eq!(cold["records"][0]["depot_reads"], cold["records"][1]["depot_reads"]);
    let warm = place.json(&["find", "latest", "device:1", "device:1"]);
    assert_eq!(warm["records"][1]["depot_reads"], 0);
}

#[test]
fn a_change_of_definitions_alone_is_no_equality() {
    let place = Place::with_sample();
    place.run(&["backup", "cmdb"]).done();
    place.change("cmdb.db", "CREATE INDEX later ON device (name)");
    place.run(&["backup", "cmdb"]).done();
    let snapshots = place.snapshots();
    let difference = place.json(&["diff", &snapshots[0], &snapshots[1]]);
    assert_eq!((&difference["equal"], counts(&difference).len()), (&false.into(), 0));
    let blobs = difference["blobs"].as_array().unwrap();
    assert!(blobs.contains(&"ddl-after".into()) && blobs.contains(&"fingerprint".into()), "{blobs:?}");
}

#[test]
fn drift_tells_what_a_backup_would_and_stores_nothing() {
    let place = Place::with_sample();
    place.run(&["drift", "cmdb"]).ended_with(1);
    place.run(&["backup", "cmdb"]).done();
    assert_eq!(place.json(&["drift", "cmdb"])["equal"], true);
    place.day(2);
    let before = crate::harness::files_below(&place.room().join("depot"));
    let drifted = place.json(&["drift", "cmdb"]);
    assert_eq!(crate::harness::files_below(&place.room().join("depot")), before);
    let snapshot = place.json(&["backup", "cmdb"]);
    assert_eq!(counts(&drifted).iter().map(|(_, added, _, changed)| added + changed).sum::<u64>(), 20);
    assert_eq!((&snapshot["added"], &snapshot["changed"]), (&10.into(), &10.into()));
    place.change("cmdb.db", "DROP TABLE relation; CREATE TABLE later (id INTEGER PRIMARY KEY)");
    let drifted = place.json(&["drift", "cmdb"]);
    let names: Vec<&str> =
        drifted["classes"].as_array().unwrap().iter().map(|c| c["class"].as_str().unwrap()).collect();
    assert!(names.contains(&"relation") && names.contains(&"later"), "{names:?}");
}

#[test]
fn what_is_wrong_with_a_source_is_told_before_it_is_read() {
    let place = Place::with_sample();
    place.run(&["backup", "cmdb"]).done();
    place.change("cmdb.db", "PRAGMA foreign_keys = OFF; DROP TABLE relation");
    let told = place.run(&["backup", "cmdb"]).done().out;
    let at = |part: &str| told.find(part).unwrap_or_else(|| panic!("no {part} in {told}"));
    assert!(at("warning: relation: is gone") < at("Snapshot "), "{told}");
    assert_eq!(told.matches("relation: is gone").count(), 1, "{told}");
    let kept = place.json(&["show", "latest"])["findings"].to_string();
    assert!(kept.contains("is gone; the preceding snapshot has"), "{kept}");
    // Once is enough.
    let next = place.json(&["backup", "cmdb"]);
    assert!(!next["findings"].to_string().contains("is gone"), "{next}");
}

#[test]
fn a_restore_gives_back_what_was_there() {
    let place = Place::with_sample();
    let taken = place.json(&["backup", "cmdb"]);
    let target = place.url("restored.db");
    let plan = place.json(&["restore", "latest", "--to", &target, "--plan"]);
    assert_eq!(plan["records"], taken["records"]);
    assert!(!place.path("restored.db").exists());
    let restored = place.json(&["restore", "latest", "--to", &target]);
    assert_eq!(
        (&restored["root_equal"], &restored["verdict_equal"], &restored["published"]),
        (&true.into(), &true.into(), &true.into())
    );
    assert_eq!((&restored["records_written"], &restored["references_broken"]), (&taken["records"], &0.into()));

    place.run(&["restore", "latest", "--to", &target]).ended_with(2);
    place.run(&["restore", "latest", "--to", &target, "--over"]).ended_with(2);
    place.run(&["restore", "latest", "--to", &target, "--over", "--yes"]).done();

    place.run(&["source", "add", "copy", &target]).done();
    let copy = place.json(&["backup", "copy"]);
    assert_eq!(copy["records"], taken["records"]);
}

#[test]
fn references_that_lead_nowhere_are_counted() {
    let place = Place::with_sample();
    place.source(
        "loose",
        "PRAGMA foreign_keys = OFF; CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1);
         CREATE TABLE b (id INTEGER PRIMARY KEY, a TEXT REFERENCES a); INSERT INTO b VALUES (1, 1), (2, 7), (3, NULL);",
    );
    place.run(&["backup", "loose"]).done();
    let verified = place.json(&["verify", "loose@latest"]);
    assert_eq!((&verified["ok"], &verified["references_broken"]), (&true.into(), &1.into()));
    let restored = place.json(&["restore", "loose@latest", "--to", &place.url("loose2.db")]);
    assert_eq!((&restored["references_broken"], &restored["root_equal"]), (&1.into(), &true.into()));
}

#[test]
fn a_reference_that_sqlite_cannot_follow_fails_no_restore() {
    let place = Place::with_sample();
    // What `c` refers to is not unique, which SQLite takes until it is asked to check.
    place.source(
        "odd",
        "PRAGMA foreign_keys = OFF; CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO a VALUES (1, 'x');
         CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a); INSERT INTO b VALUES (1, 1), (2, 7);
         CREATE TABLE c (name TEXT REFERENCES a(name)); INSERT INTO c VALUES ('x');",
    );
    place.run(&["backup", "odd"]).done();
    let restored = place.json(&["restore", "odd@latest", "--to", &place.url("odd2.db")]);
    assert_eq!((&restored["published"], &restored["verdict_equal"]), (&true.into(), &true.into()));
    assert_eq!(restored["references_broken"], 1, "those of the other tables are counted");
    let findings = restored["findings"].as_array().unwrap();
    let of = |subject: &str| findings.iter().filter(|finding| finding["subject"] == subject).count();
    assert_eq!((of("b"), of("c"), findings.len()), (1, 1, 2), "{findings:#?}");
}

#[test]
fn an_export_is_loaded_by_others() {
    let place = Place::with_sample();
    place.change(
        "cmdb.db",
        "CREATE TABLE \"odd \"\"name\" (\"a,b\" TEXT PRIMARY KEY, v); INSERT INTO \"odd \"\"name\" VALUES
         ('it''s', 1.5), (CAST(X'ff' AS TEXT), X'00'), ('two' || char(10) || 'lines', 9e999)",
    );
    let taken = place.json(&["backup", "cmdb"]);
    let file = place.path("dump.sql");
    let written = place.json(&["export", "latest", "--format", "sql", "-o", file.to_str().unwrap()]);
    assert_eq!(written["records"], taken["records"]);
    place.run(&["export", "latest", "--format", "sql", "-o", file.to_str().unwrap()]).ended_with(2);
    place.change("loaded.db", &std::fs::read_to_string(&file).unwrap());
    place.run(&["source", "add", "loaded", &place.url("loaded.db")]).done();
    assert_eq!(place.json(&["backup", "loaded"])["records"], taken["records"]);
    let sum = |file: &str| {
        let sql =
            "SELECT group_concat(hex(\"a,b\") || typeof(v) || hex(v)) FROM (SELECT * FROM \"odd \"\"name\" ORDER BY 1)";
        Connection::open(place.path(file)).unwrap().query_row(sql, [], |row| row.get::<_, String>(0)).unwrap()
    };
    assert_eq!(sum("cmdb.db"), sum("loaded.db"));

    let lines = place.run(&["export", "cmdb@latest", "--format", "jsonl", "--class", "device"]).done().out;
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((lines.lines().count(), &first["class"], &first["key"]), (60, &"device".into(), &"1".into()));
}

#[test]
fn verification_and_doctor_find_a_sound_room_sound() {
    let place = Place::with_sample();
    place.run(&["backup", "cmdb"]).done();
    place.day(1);
    place.run(&["backup", "cmdb"]).done();
    let verified = place.json(&["verify", "--read-data"]);
    assert_eq!(
        (&verified["ok"], &verified["snapshots"], verified["findings"].as_array().unwrap().len()),
        (&true.into(), &2.into(), 0)
    );
    assert_eq!(place.json(&["verify", "latest"])["snapshots"], 1);
    assert_eq!(place.json(&["doctor"])["ok"], true);
}

#[test]
fn sources_are_listed_and_inspected() {
    let place = Place::with_sample();
    let listed = place.json(&["source", "ls"]);
    assert_eq!(listed[0]["source"], "cmdb");
    let inspected = place.json(&["source", "inspect", "cmdb"]);
    let device = inspected["classes"].as_array().unwrap().iter().find(|class| class["class"] == "device").unwrap();
    assert_eq!((&inspected["engine"], &device["key"][0]), (&"sqlite".into(), &"id".into()));
    assert!(device["references"].as_array().unwrap().contains(&"rack".into()));
    let by_url = place.json(&["source", "inspect", &place.url("cmdb.db")]);
    assert_eq!(by_url["classes"], inspected["classes"]);
}

#[test]
fn a_url_is_registered_on_its_first_backup() {
    let place = Place::with_sample();
    std::fs::create_dir(place.path("other")).unwrap();
    std::fs::copy(place.path("cmdb.db"), place.path("other/cmdb.db")).unwrap();
    let taken = place.json(&["backup", &place.url("other/cmdb.db")]);
    assert_eq!((&taken["source"], &taken["sequence"]), (&"cmdb-2".into(), &1.into()));
    assert_eq!(place.json(&["backup", &place.url("other/cmdb.db")])["sequence"], 2);
    assert_eq!(place.json(&["backup", "cmdb-2"])["sequence"], 3);
}

#[test]
fn names_and_keys_of_any_kind_are_found() {
    let place = Place::with_sample();
    place.source(
        "odd",
        "CREATE TABLE \"a:b \"\"c.d\" (k TEXT, n INTEGER, v, PRIMARY KEY (k, n)) WITHOUT ROWID;
         INSERT INTO \"a:b \"\"c.d\" VALUES ('en,US:x%', 1, 'one'), ('two' || char(10) || 'lines', 2, 'zwei');",
    );
    place.run(&["backup", "odd"]).done();
    for (key, value) in [("en%2CUS:x%25,1", "one"), ("two%0Alines,2", "zwei")] {
        let found = place.json(&["find", "odd@latest", &format!("a:b \"c.d:{key}")]);
        assert_eq!(found["records"][0]["fields"]["v"], value, "{key}");
    }
    let listed = place.run(&["ls", "odd@latest", "a:b \"c.d"]).done().out;
    assert_eq!(listed.lines().count(), 2, "a name must not break the lines of a list: {listed}");
}

#[test]
fn everything_works_in_the_fips_profile() {
    let place = Place::empty();
    place.run(&["init", "--fips", "--jurisdiction", "de"]).done();
    place.source("small", "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'x'), (2, 'y')");
    place.run(&["backup", "small"]).done();
    assert_eq!(place.json(&["verify", "--read-data"])["ok"], true);
    assert_eq!(place.json(&["restore", "latest", "--to", &place.url("back.db")])["root_equal"], true);
}

#[test]
fn records_with_large_values_are_listed_found_and_exported_by_their_keys() {
    let place = Place::empty();
    place.run(&["init"]).done();
    place.source(
        "docs",
        "CREATE TABLE doc (path TEXT PRIMARY KEY, body TEXT, raw BLOB) WITHOUT ROWID;
         INSERT INTO doc VALUES ('a', hex(zeroblob(3000)), zeroblob(90000)), ('b', 'short', NULL);",
    );
    place.run(&["backup", "docs"]).done();
    let exported = place.run(&["export", "latest", "--format", "jsonl"]).done().out;
    let first: Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    assert_eq!((&first["key"], first["fields"]["body"].as_str().unwrap().len()), (&"a".into(), 6000));
    assert_eq!(place.json(&["ls", "latest", "doc"])["records"][0]["key"], "a");
    assert_eq!(place.json(&["find", "latest", "doc:a"])["records"][0]["found"], true);
}

/// What is known of the references of the sample.
const SAMPLE_RULES: &str = "
[references]
may_dangle = [\"history\"]
[[references.generic]]
class = \"relation\"
type = \"from_class\"
id = \"from_id\"
names = \"{}\"
[[references.generic]]
class = \"relation\"
type = \"to_class\"
id = \"to_id\"
names = \"{}\"
";

#[test]
fn references_are_checked_by_rules_in_snapshots_and_live_against_a_baseline() {
    fn with_rules<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
        [arguments, &["--rules", "rules.toml"]].concat()
    }
    let place = Place::with_sample();
    std::fs::write(place.path("rules.toml"), SAMPLE_RULES).unwrap();
    place.run(&["backup", "cmdb"]).done();
    let whole = place.json(&with_rules(&["verify", "latest"]));
    let followed = whole["references"][0]["references"].as_u64().unwrap();
    assert!(followed > 1000 && whole["references_broken"] == 0, "{whole}");
    let declared_only = place.json(&["verify", "latest"]);
    assert!(declared_only["references"][0]["references"].as_u64().unwrap() < followed);

    place.change("cmdb.db", "PRAGMA foreign_keys = OFF; DELETE FROM device WHERE id IN (3, 4)");
    let first = place.snapshots()[0].clone();
    let live = place.run(&[&with_rules(&["verify", "--live", "cmdb", "--against", &first])[..], &["--json"]].concat());
    let live = live.ended_with(26).documents().into_iter().find(|line| line["message_type"] == "summary").unwrap();
    place.run(&["backup", "cmdb"]).done();
    let stored = place.json(&with_rules(&["verify", "latest"]));
    assert!(stored["references_broken"].as_u64().unwrap() > 4, "old violations are no error: {stored}");
    let counts = |summary: &Value| -> Vec<Value> {
        let of = |broken: &Value| ["rule", "class", "reference", "target", "count"].map(|name| broken[name].clone());
        summary["references"][0]["broken"].as_array().unwrap().iter().flat_map(of).collect()
    };
    assert_eq!(counts(&live), counts(&stored), "a source and its snapshot are found to be alike");
    assert_eq!(live["references"][0]["broken"][0]["new"], live["references"][0]["broken"][0]["count"]);
    assert_eq!(live["ok"], false);

    let second = place.snapshots()[1].clone();
    let compared = place.run(&with_rules(&["verify", &second, "--against", &first])).ended_with(26);
    assert!(compared.err.contains("whole in the snapshot compared with"), "{}", compared.err);
    assert!(compared.out.contains("R01 interface, foreign key 1"), "{}", compared.out);
    place.run(&with_rules(&["verify", &second, "--against", &second])).done();
    place.run(&["verify", "--against", &first]).ended_with(2);
    std::fs::write(place.path("rules.toml"), "[references]\nwrong = 1").unwrap();
    place.run(&with_rules(&["verify", "latest"])).ended_with(2);
}
