//! Profiles from the command line: chosen, remembered, refused, and what a snapshot and its restore say of them.

use serde_json::Value;

use crate::harness::Place;

const RULES: &str = r#"name = "assets"
product = "Asset Book"
about = "A book of assets."

[recognise]
classes = ["asset", "asset_cache"]

[versions]
class = "migration"
name = "app"
version = "name"
order = "id"

[classes.asset]
tier = 1
label = "asset"
updated = "changed"
stale_after = "30d"
personal = ["owner"]
[classes."asset_*"]
tier = 3
role = "derived"
rebuild = "assets reindex"
[classes.migration]
tier = 1
[classes."hook*"]
secret = ["token"]

[[integrations]]
name = "webhooks"
class = "hook"
columns = ["url"]

[[external_secrets]]
name = "ASSET_KEY"
why = "signs requests"

[[after_restore]]
step = "assets check"
why = "the book checks itself"
"#;

const SCRIPT: &str = "
    CREATE TABLE asset (id INTEGER PRIMARY KEY, name TEXT, owner TEXT, changed TEXT);
    CREATE TABLE asset_cache (id INTEGER PRIMARY KEY, word TEXT);
    CREATE TABLE migration (id INTEGER PRIMARY KEY, app TEXT, name TEXT);
    CREATE TABLE hook (id INTEGER PRIMARY KEY, url TEXT, token TEXT);
    CREATE TABLE oddity (id INTEGER PRIMARY KEY);
    INSERT INTO asset VALUES (1, 'pump', 'ann', '2001-02-03 04:05:06');
    INSERT INTO asset_cache VALUES (1, 'pump'), (2, 'ann');
    INSERT INTO migration VALUES (1, 'assets', '0001'), (2, 'assets', '0002'), (3, 'users', '0001');
    INSERT INTO hook VALUES (1, 'https://chat/hook', 's3cret');
    INSERT INTO oddity VALUES (1);";

fn place() -> Place {
    let place = Place::empty();
    place.run(&["init"]).done();
    place.source("book", SCRIPT);
    std::fs::write(place.path("assets.toml"), RULES).unwrap();
    place
}

fn finding<'a>(document: &'a Value, subject: &str) -> &'a str {
    let findings = document["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["subject"] == subject);
    found.unwrap_or_else(|| unreachable!("nothing on {subject}: {findings:#?}"))["message"].as_str().unwrap()
}

#[test]
fn a_profile_decides_what_a_snapshot_holds_and_what_a_restore_tells() {
    let place = place();
    let taken = place.json(&["backup", "book", "--profile", "assets.toml"]);
    assert_eq!((&taken["complete"], &taken["classes"], &taken["records"]), (&true.into(), &4.into(), &6.into()));
    assert_eq!((&taken["profile"], &taken["left_out"]), (&"assets".into(), &serde_json::json!(["asset_cache"])));
    assert!(finding(&taken, "asset (asset)").contains("2001-02-03"));
    assert!(
        finding(&taken, "profile assets")
            .contains("one class is not known to the profile and is captured as tier 2: oddity"),
        "{taken}"
    );

    let shown = place.json(&["show", "latest"]);
    assert_eq!((&shown["product"], &shown["profile"]), (&"Asset Book".into(), &"assets".into()));
    assert_eq!(shown["application_versions"], serde_json::json!({"assets": "0002", "users": "0001"}));
    assert_eq!(shown["integrations"][0]["values"], serde_json::json!([["https://chat/hook"]]));
    assert!(!shown["integrations"].to_string().contains("s3cret"));
    let cache = shown["class_list"].as_array().unwrap().iter().find(|class| class["class"] == "asset_cache").unwrap();
    assert_eq!(cache["captured"], false);
    assert!(cache["reason"].as_str().unwrap().contains("assets reindex"));
    let text = place.run(&["show", "latest"]).done().out;
    assert!(text.contains("Asset Book, by the profile assets") && text.contains("https://chat/hook"), "{text}");

    let planned = place.json(&["restore", "latest", "--to", &place.url("copy.db"), "--plan"]);
    assert_eq!(planned["external_secrets"][0]["name"], "ASSET_KEY");
    let told = place.run(&["restore", "latest", "--to", &place.url("other.db")]).done().out;
    let at = |part: &str| told.find(part).unwrap_or_else(|| unreachable!("no {part} in {told}"));
    assert!(at("ASSET_KEY") < at("Verdict") && at("1. assets reindex") < at("2. assets check"), "{told}");
    assert!(told.contains("asset_cache"), "{told}");
    let restored = place.json(&["restore", "latest", "--to", &place.url("copy.db")]);
    assert_eq!((&restored["verdict_equal"], &restored["records_written"]), (&true.into(), &6.into()));
    assert_eq!(restored["left_out"], serde_json::json!(["asset_cache"]));
    let copy = rusqlite::Connection::open(place.path("copy.db")).unwrap();
    let cached: i64 = copy.query_row("SELECT count(*) FROM asset_cache", [], |row| row.get(0)).unwrap();
    assert_eq!(cached, 0);

    // What was left out can't drift; what was not can.
    place.change("book.db", "DELETE FROM asset_cache");
    assert_eq!(place.json(&["drift", "book"])["equal"], true);
    place.change("book.db", "UPDATE asset SET name = 'valve'");
    assert_eq!(place.json(&["drift", "book"])["classes"][0]["class"], "asset");
}

#[test]
fn what_one_snapshot_left_out_is_neither_gone_nor_new() {
    let place = place();
    for profile in ["none", "assets.toml", "none"] {
        place.run(&["backup", "book", "--profile", profile]).done();
    }
    let ids = place.snapshots();
    let difference = place.json(&["diff", &ids[0], &ids[1]]);
    assert_eq!(difference["classes"], serde_json::json!([]));
    assert_eq!(difference["not_compared"], serde_json::json!(["asset_cache"]));
    assert_eq!(place.json(&["diff", &ids[0], &ids[2]])["equal"], true);
    let history = place.json(&["find", "latest", "asset_cache:1", "--history"]);
    let versions = history["records"][0]["history"].as_array().unwrap();
    assert_eq!(versions.len(), 1, "{versions:#?}");
    let refused = place.run(&["ls", &ids[1], "asset_cache"]).ended_with(1).err;
    assert!(
        refused.contains("left the class asset_cache out: derived") && refused.contains("--profile none"),
        "{refused}"
    );
}

#[test]
fn a_source_remembers_its_profile_and_one_backup_may_differ() {
    let place = place();
    place.run(&["source", "add", "mine", &place.url("book.db"), "--profile", "assets.toml"]).done();
    let remembered = place.json(&["source", "ls"]);
    let profile = |name: &str| {
        let all = remembered.as_array().unwrap();
        all.iter().find(|source| source["source"] == name).unwrap()["profile"].as_str().unwrap().to_owned()
    };
    assert_eq!(profile("book"), "auto");
    assert_eq!(profile("mine"), place.path("assets.toml").display().to_string());
    assert_eq!(place.json(&["backup", "mine"])["classes"], 4);
    assert_eq!(place.json(&["backup", "mine", "--profile", "none"])["classes"], 5);
    let none = place.json(&["show", "latest"]);
    assert_eq!((&none["product"], &none["profile"]), (&Value::Null, &Value::Null));
    assert_eq!(place.json(&["backup", "mine", "--profile", "auto"])["classes"], 5);

    let inspected = place.json(&["source", "inspect", "mine"]);
    assert_eq!((&inspected["product"], &inspected["profile"]), (&"Asset Book".into(), &"assets".into()));
    let class = |name: &str| {
        inspected["classes"].as_array().unwrap().iter().find(|class| class["class"] == name).unwrap().clone()
    };
    assert_eq!((&class("asset")["tier"], &class("asset")["label"]), (&1.into(), &"asset".into()));
    assert_eq!((&class("asset_cache")["captured"], &class("asset_cache")["role"]), (&false.into(), &"derived".into()));
    assert_eq!(place.json(&["source", "inspect", "mine", "--profile", "none"])["profile"], Value::Null);
}

#[test]
fn known_profiles_are_listed_and_printed_to_be_changed() {
    let place = place();
    let listed = place.json(&["profile", "ls"]);
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|one| one["profile"].as_str().unwrap()).collect();
    assert_eq!(names, ["nautobot", "netbox"]);
    let text = place.run(&["profile", "show", "netbox"]).done().out;
    assert!(text.contains("[recognise]") && text.contains("product = \"NetBox\""), "{text}");
    std::fs::write(place.path("my.toml"), text.replace("name = \"netbox\"", "name = \"mine\"")).unwrap();
    assert_eq!(place.json(&["profile", "show", "my.toml"])["profile"], "mine");
}

#[test]
fn profiles_that_cannot_be_used_are_refused_with_what_to_change() {
    let place = place();
    let said = |arguments: &[&str], code| place.normal(&place.run(arguments).ended_with(code).err);
    insta::assert_snapshot!("unknown_profile", said(&["backup", "book", "--profile", "netbocks"], 1));
    insta::assert_snapshot!("missing_profile", said(&["backup", "book", "--profile", "gone.toml"], 1));
    insta::assert_snapshot!("strange_profile", said(&["backup", "book", "--profile", "netbox"], 2));
    let broken = |from: &str, to: &str| std::fs::write(place.path("broken.toml"), RULES.replacen(from, to, 1)).unwrap();
    broken("stale_after", "stale_afetr");
    insta::assert_snapshot!("unknown_key_in_profile", said(&["backup", "book", "--profile", "broken.toml"], 2));
    broken("tier = 3", "tier = 9");
    insta::assert_snapshot!(
        "bad_value_in_profile",
        said(&["source", "inspect", "book", "--profile", "broken.toml"], 2)
    );
    broken("columns = [\"url\"]", "columns = [\"token\"]");
    insta::assert_snapshot!("secret_in_profile", said(&["profile", "show", "broken.toml"], 2));
    let add = &["source", "add", "other", &place.url("book.db"), "--profile", "broken.toml"];
    assert_eq!(place.run(add).ended_with(2).code, Some(2));
    assert_eq!(place.json(&["source", "ls"]).as_array().unwrap().len(), 1, "nothing was registered");
}

#[test]
fn references_are_checked_by_the_profile_and_named_by_it() {
    const NAMED: &str = "
        name = \"tree\"
        product = \"Tree\"
        about = \"Parts of parts.\"
        [classes.asset]
        label = \"asset\"
        display = [\"name\"]
        [[references.conventional]]
        class = \"asset\"
        column = \"part_of\"
        target = \"asset\"
        ";
    let place = Place::empty();
    place.run(&["init"]).done();
    std::fs::write(place.path("tree.toml"), NAMED).unwrap();
    let script = "CREATE TABLE asset (id INTEGER PRIMARY KEY, name TEXT, part_of INTEGER);
        INSERT INTO asset VALUES (1, 'pump', NULL), (2, 'valve', 1), (3, 'seal', 9);";
    place.source("parts", script);
    place.run(&["source", "add", "tree", &place.url("parts.db"), "--profile", "tree.toml"]).done();
    place.run(&["backup", "tree"]).done();
    for arguments in [&["verify", "tree@latest"][..], &["verify", "--live", "tree"]] {
        let checked = place.json(arguments);
        let broken = &checked["references"][0]["broken"][0];
        assert_eq!((&broken["rule"], &broken["class"], &broken["count"]), (&"R02".into(), &"asset".into(), &1.into()));
        assert_eq!(broken["examples"][0]["name"], "asset seal", "{checked}");
    }
    place.run(&["backup", "parts", "--profile", "none"]).done();
    assert_eq!(place.json(&["verify", "parts@latest"])["references_broken"], 0);
}

#[test]
fn a_rule_that_applies_to_nothing_matters_only_to_who_wrote_it() {
    let place = place();
    let rule = "\n[[references.conventional]]\nclass = 'gone'\ncolumn = 'asset'\ntarget = 'asset'\n";
    std::fs::write(place.path("assets.toml"), [RULES, rule].concat()).unwrap();
    std::fs::write(place.path("own.toml"), rule).unwrap();
    place.run(&["backup", "book", "--profile", "assets.toml"]).done();
    let idle = "conventional: gone, asset -> asset";
    let severity = |arguments: &[&str]| {
        let verified = place.json(arguments);
        assert_eq!(verified["references"][0]["idle_rules"], serde_json::json!([idle]));
        let findings = verified["findings"].as_array().unwrap();
        findings.iter().find(|finding| finding["subject"] == idle).map(|finding| finding["severity"].clone())
    };
    assert_eq!(severity(&["verify"]), None);
    assert_eq!(severity(&["verify", "-v"]), Some("info".into()));
    assert_eq!(severity(&["verify", "--rules", "own.toml"]), Some("warning".into()));
}
