//! Classes and records of SQLite databases, brought back into the database in use, and undone again.

use rusqlite::Connection;
use serde_json::Value;

use crate::harness::{Place, Ran};
use crate::not_run::corpus;

/// A room with a database, and a snapshot of it.
fn with(script: &str) -> Place {
    let place = Place::empty();
    place.run(&["init"]).done();
    place.source("live", script);
    place.run(&["backup", "live"]).done();
    place
}

const SMALL: &str = "CREATE TABLE site (id INTEGER PRIMARY KEY, name TEXT UNIQUE, up INTEGER REFERENCES site);
    CREATE TABLE device (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, site INTEGER NOT NULL REFERENCES site(id),
        twice TEXT GENERATED ALWAYS AS (name || name), UNIQUE (site, name));
    CREATE TABLE note (n TEXT);
    CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT);
    CREATE TRIGGER watch AFTER INSERT ON device BEGIN INSERT INTO log (what) VALUES (new.name); END;
    INSERT INTO site VALUES (1, 'root', NULL), (2, 'leaf', 1);
    INSERT INTO device (id, name, site) VALUES (10, 'a', 2), (11, 'b', 2), (12, 'c', 1);
    INSERT INTO note VALUES ('x');";

/// What differs between the snapshot and the database now: class, added, removed, changed.
fn drift(place: &Place, source: &str) -> Vec<(String, u64, u64, u64)> {
    let drifted = place.json(&["drift", source]);
    let number = |class: &Value, name: &str| class[name].as_u64().unwrap();
    let classes = drifted["classes"].as_array().unwrap().iter();
    classes
        .map(|class| {
            let name = class["class"].as_str().unwrap().to_owned();
            (name, number(class, "added"), number(class, "removed"), number(class, "changed"))
        })
        .collect()
}

fn restore(place: &Place, arguments: &[&str]) -> Ran {
    place.run(&[&["restore", "live@latest", "--to", &place.url("live.db")], arguments].concat())
}

fn document(ran: &Ran) -> Value {
    ran.documents().pop().unwrap()
}

fn undo(place: &Place, summary: &Value, arguments: &[&str]) -> Ran {
    let id = summary["restore"].as_str().unwrap();
    place.run(&[&["restore", "--undo", id, "--to", &place.url("live.db"), "--json"], arguments].concat())
}

/// The kinds of conflicts in a plan.
fn conflicts(plan: &Value) -> Vec<&str> {
    let records = plan["plan"].as_array().unwrap().iter();
    records.flat_map(|r| r["conflicts"].as_array().unwrap()).map(|c| c["kind"].as_str().unwrap()).collect()
}

#[test]
fn what_was_deleted_and_changed_comes_back_and_is_undone() {
    let place = with(SMALL);
    place.change("live.db", "DELETE FROM device WHERE id = 10; UPDATE site SET name = 'other' WHERE id = 2");
    let damaged = drift(&place, "live");
    let plan = document(&restore(&place, &["--record", "device:10", "--record", "site:2", "--plan", "--json"]).done());
    assert_eq!(
        (&plan["counts"]["create"], &plan["counts"]["overwrite"], &plan["possible"]),
        (&1.into(), &1.into(), &true.into())
    );
    let site = plan["plan"].as_array().unwrap().iter().find(|record| record["class"] == "site").unwrap();
    assert_eq!((&site["fields"][0]["snapshot"], &site["fields"][0]["target"]), (&"leaf".into(), &"other".into()));
    assert_eq!(conflicts(&plan), ["changed"]);
    assert_eq!(drift(&place, "live"), damaged, "a plan changes nothing");

    restore(&place, &["--record", "site:2"]).ended_with(2);
    let summary =
        document(&restore(&place, &["--record", "device:10", "--record", "site:2", "--yes", "--json"]).done());
    assert_eq!((&summary["records_written"], &summary["root_equal"]), (&2.into(), &true.into()));
    assert_eq!(drift(&place, "live"), [], "the trigger must not fire");

    let undone = document(&undo(&place, &summary, &["--yes"]).done());
    assert_eq!(drift(&place, "live"), damaged);
    assert_eq!(undone["undoes"], summary["restore"]);
    document(&undo(&place, &undone, &["--yes"]).done());
    assert_eq!(drift(&place, "live"), []);
}

#[test]
fn an_undo_leaves_what_was_changed_since_unless_told() {
    let place = with(SMALL);
    place.change("live.db", "DELETE FROM device WHERE id = 10; UPDATE device SET name = 'z' WHERE id = 12");
    let summary = document(&restore(&place, &["--class", "device", "--yes", "--json"]).done());
    place.change("live.db", "UPDATE device SET name = 'later' WHERE id = 10");
    let ran = undo(&place, &summary, &["--yes"]).ended_with(1);
    assert_eq!(ran.documents()[0]["counts"]["skipped"], 1);
    assert_eq!(drift(&place, "live"), [("device".to_owned(), 0, 0, 2)]);
    undo(&place, &summary, &["--yes", "--on-conflict", "overwrite"]).done();
    assert_eq!(drift(&place, "live"), [("device".to_owned(), 0, 1, 1)]);
}

#[test]
fn a_class_keeps_what_only_the_target_has_unless_told() {
    let place = with(SMALL);
    place.change("live.db", "INSERT INTO device (name, site) VALUES ('new', 1); DELETE FROM device WHERE id < 12");
    let summary = document(&restore(&place, &["--class", "device", "--json"]).done());
    assert_eq!((&summary["counts"]["create"], &summary["counts"]["extra"]), (&2.into(), &1.into()));
    let extra = [("device".to_owned(), 1, 0, 0), ("log".to_owned(), 1, 0, 0)];
    assert_eq!(drift(&place, "live"), extra);
    let summary = document(&restore(&place, &["--class", "device", "--delete-extra", "--yes", "--json"]).done());
    assert_eq!((&summary["counts"]["delete"], &summary["counts"]["extra"]), (&1.into(), &0.into()));
    assert_eq!(drift(&place, "live"), [("log".to_owned(), 1, 0, 0)]);
    undo(&place, &summary, &[]).done();
    assert_eq!(drift(&place, "live"), extra);
    let next = "SELECT seq FROM sqlite_sequence WHERE name = 'device'";
    let connection = Connection::open(place.path("live.db")).unwrap();
    assert_eq!(connection.query_row(next, [], |row| row.get::<_, i64>(0)).unwrap(), 13, "counters never go back");
}

#[test]
fn each_class_counts_its_own_records() {
    let place = with(SMALL);
    place.change("live.db", "DELETE FROM device WHERE id = 12");
    let summary = document(&restore(&place, &["--class", "device", "--class", "site", "--plan", "--json"]).done());
    let unchanged = summary["counts"]["unchanged"].as_u64().unwrap();
    let restored = document(&restore(&place, &["--class", "device", "--class", "site", "--json"]).done());
    let counts = |class: &str| {
        let classes = restored["classes"].as_array().unwrap();
        let class = classes.iter().find(|found| found["class"] == class).unwrap();
        assert_eq!((&class["expected"], &class["equal"]), (&class["found"], &true.into()));
        class["found"].as_u64().unwrap()
    };
    let rows = |class: &str| {
        let connection = Connection::open(place.path("live.db")).unwrap();
        let sql = format!("SELECT count(*) FROM {class}");
        connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap().unsigned_abs()
    };
    assert_eq!((counts("device"), counts("site")), (rows("device"), rows("site")));
    assert_eq!(unchanged + 1, rows("device") + rows("site"));
}

#[test]
fn records_come_with_what_they_refer_to_and_with_what_is_theirs() {
    let place = with(SMALL);
    place.change("live.db", "PRAGMA foreign_keys = OFF; DELETE FROM device WHERE site = 2; DELETE FROM site");
    let plan = document(&restore(&place, &["--record", "device:10", "--plan", "--json"]).done());
    assert_eq!((conflicts(&plan), &plan["possible"]), (vec!["missing_parent"], &false.into()));
    restore(&place, &["--record", "device:10"]).ended_with(1);
    let summary = document(&restore(&place, &["--record", "device:10", "--with-references", "--json"]).done());
    assert_eq!(summary["records_written"], 3);
    assert_eq!(drift(&place, "live"), [("device".to_owned(), 0, 1, 0)]);
    undo(&place, &summary, &["--yes"]).done();
    let summary =
        document(&restore(&place, &["--record", "site:2", "--with-owned", "--with-references", "--json"]).done());
    assert_eq!((&summary["records_written"], drift(&place, "live")), (&4.into(), Vec::new()));
}

#[test]
fn every_conflict_is_told_and_can_be_left_out() {
    let place = with(SMALL);
    place.change(
        "live.db",
        "UPDATE site SET name = 'x' WHERE id = 2; INSERT INTO site VALUES (3, 'leaf', NULL);
         DELETE FROM device WHERE id = 12; ALTER TABLE device ADD COLUMN must TEXT NOT NULL DEFAULT ''",
    );
    let plan = document(&restore(&place, &["--record", "site:2", "--plan", "--json"]).done());
    assert_eq!(conflicts(&plan), ["changed", "unique_taken"]);
    restore(&place, &["--record", "site:2", "--on-conflict", "overwrite"]).ended_with(1);
    let both = ["--record", "site:2", "--record", "device:12", "--on-conflict", "skip", "--json"];
    let summary = document(&restore(&place, &both).done());
    assert_eq!(
        (&summary["records_written"], &summary["counts"]["skipped"], &summary["root_equal"]),
        (&1.into(), &1.into(), &false.into())
    );
    place.change("live.db", "DELETE FROM device; ALTER TABLE device DROP COLUMN must");
    let extra = ["--class", "site", "--delete-extra", "--plan", "--json"];
    place.change("live.db", "INSERT INTO device (id, name, site) VALUES (20, 'on', 3)");
    let plan = document(&restore(&place, &extra).done());
    assert!(conflicts(&plan).contains(&"referred"), "{plan:#}");

    place.change("live.db", "ALTER TABLE site RENAME COLUMN name TO label; ALTER TABLE site DROP COLUMN up");
    let plan = document(&restore(&place, &["--record", "site:2", "--plan", "--json"]).done());
    assert!(conflicts(&plan).contains(&"no_column"), "{plan:#}");
}

#[test]
fn unique_values_that_move_are_written_in_their_order() {
    let place = with(SMALL);
    place.change("live.db", "UPDATE site SET name = 'tmp' WHERE id = 1; UPDATE site SET name = 'root' WHERE id = 2");
    restore(&place, &["--class", "site", "--yes"]).done();
    assert_eq!(drift(&place, "live"), []);
    place.change(
        "live.db",
        "UPDATE site SET name = 'tmp' WHERE id = 1; UPDATE site SET name = 'root' WHERE id = 2; UPDATE site SET name = 'leaf' WHERE id = 1",
    );
    let plan = document(&restore(&place, &["--class", "site", "--plan", "--json"]).done());
    assert!(conflicts(&plan).contains(&"circle"), "{plan:#}");
}

#[test]
fn wrong_uses_are_told_apart() {
    let place = with(SMALL);
    restore(&place, &["--class", "devices"]).ended_with(1);
    restore(&place, &["--record", "device"]).ended_with(2);
    restore(&place, &["--record", "device:1,2"]).ended_with(2);
    restore(&place, &["--record", "device:99"]).ended_with(1);
    restore(&place, &["--class", "note"]).ended_with(1);
    restore(&place, &["--with-references"]).ended_with(2);
    restore(&place, &["--class", "device", "--over"]).ended_with(2);
    restore(&place, &["--class", "device", "--undo", "00"]).ended_with(2);
    place.run(&["restore", "--undo", "00", "--to", &place.url("live.db")]).ended_with(1);
    let url = place.url("nowhere.db");
    place.run(&["restore", "latest", "--to", &url, "--class", "device"]).ended_with(1);
    assert!(!place.path("nowhere.db").exists());
    place.change("other.db", "CREATE TABLE site (id INTEGER PRIMARY KEY, name TEXT)");
    place.run(&["restore", "latest", "--to", &place.url("other.db"), "--class", "device"]).ended_with(1);
    let summary = document(&restore(&place, &["--class", "device", "--json"]).done());
    assert_eq!((&summary["records_written"], &summary["root_equal"]), (&0.into(), &true.into()));
    place
        .run(&["restore", "--undo", summary["restore"].as_str().unwrap(), "--to", &place.url("live.db")])
        .ended_with(1);
}

#[test]
fn a_writer_that_does_not_end_is_not_waited_for_without_bound() {
    let place = with(SMALL);
    place.change("live.db", "DELETE FROM device WHERE id = 10");
    let other = Connection::open(place.path("live.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    restore(&place, &["--record", "device:10"]).ended_with(11);
    other.execute_batch("ROLLBACK").unwrap();
    restore(&place, &["--record", "device:10"]).done();
}

#[test]
fn an_earlier_state_comes_back_without_a_word_if_a_snapshot_has_the_later_one() {
    let place = with(SMALL);
    let first = place.snapshots().pop().unwrap();
    place.change("live.db", "UPDATE device SET name = 'z' WHERE id = 12");
    place.run(&["backup", "live"]).done();
    let arguments = ["restore", &first, "--to", &place.url("live.db"), "--record", "device:12"];
    let plan = place.json(&[&arguments[..], &["--plan"]].concat());
    assert_eq!((conflicts(&plan), &plan["counts"]["overwrite"]), (Vec::new(), &1.into()));
    place.run(&[&arguments[..], &["--yes", "--on-conflict", "stop"]].concat()).done();
    assert_eq!(drift(&place, "live"), [("device".to_owned(), 0, 0, 1)]);
}

#[test]
fn chinook_loses_records_classes_and_neighbourhoods_and_gets_them_back() {
    let test = "chinook_loses_records_classes_and_neighbourhoods_and_gets_them_back";
    let Some(packed) = corpus("chinook.sqlite.zst", test) else { return };
    let place = Place::empty();
    std::fs::write(place.path("live.db"), zstd::decode_all(std::fs::File::open(packed).unwrap()).unwrap()).unwrap();
    place.run(&["init"]).done();
    place.run(&["source", "add", "live", &place.url("live.db")]).done();
    let first = place.json(&["backup", "live"]);
    for (damage, arguments) in [
        ("DELETE FROM Track WHERE TrackId = 6", &["--record", "Track:6"][..]),
        ("UPDATE Artist SET Name = 'Nobody' WHERE ArtistId = 1", &["--record", "Artist:1"]),
        ("DELETE FROM Genre; DELETE FROM MediaType", &["--class", "Genre", "--class", "MediaType"]),
        ("UPDATE Track SET UnitPrice = 7, Composer = NULL", &["--class", "Track"]),
        (
            "DELETE FROM InvoiceLine WHERE InvoiceId = 1; DELETE FROM Invoice WHERE InvoiceId = 1",
            &["--record", "Invoice:1", "--with-owned"],
        ),
        (
            "DELETE FROM Customer WHERE CustomerId = 1; DELETE FROM Employee",
            &["--record", "Customer:1", "--class", "Employee", "--with-references"],
        ),
    ] {
        place.change("live.db", &format!("PRAGMA foreign_keys = OFF; {damage}"));
        let damaged = drift(&place, "live");
        assert_ne!(damaged, []);
        let summary = document(&restore(&place, &[arguments, &["--yes", "--json"]].concat()).done());
        assert_eq!((&summary["root_equal"], drift(&place, "live")), (&true.into(), Vec::new()), "{damage}");
        let undone = document(&undo(&place, &summary, &["--yes"]).done());
        assert_eq!(drift(&place, "live"), damaged, "{damage}");
        undo(&place, &undone, &["--yes"]).done();
        assert_eq!(place.json(&["backup", "live"])["root"], first["root"], "{damage}");
    }
}
