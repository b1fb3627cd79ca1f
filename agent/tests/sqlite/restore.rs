//! Restoring into a file: what is there afterwards, and what happens to what was there before.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use strongroom_agent::fingerprint::Fingerprint;
use strongroom_agent::source::{Finding, Severity, SourceError};
use strongroom_agent::sqlite::{SqliteLocation, SqliteTarget};
use strongroom_agent::target::{FeedRecord, Load, LoadPlan, Target};
use strongroom_core::error::Code;
use strongroom_platform::clock::SystemClock;

use crate::harness::{Capture, Place, capture, capture_source, values};

pub(crate) const TOKEN: &str = "token";

pub(crate) fn target(path: &Path) -> SqliteTarget {
    SqliteTarget::new(SqliteLocation::new(path), Arc::new(SystemClock))
}

fn plan(captured: &Capture, over: bool) -> LoadPlan<'_> {
    let (facts, classes, blobs) = (&captured.facts, &captured.schemas, &captured.blobs);
    LoadPlan { facts, classes, blobs, over, token: TOKEN, loaders: 1 }
}

/// Loads everything and ends the data.
pub(crate) fn load(captured: &Capture, path: &Path, over: bool) -> Result<(Box<dyn Load>, Vec<Finding>), SourceError> {
    let (target, plan) = (target(path), plan(captured, over));
    target.plan(&plan)?;
    let load = target.begin(&plan)?;
    for schema in &captured.schemas {
        let rows = &captured.rows[&schema.name];
        let mut feed = |take: &mut dyn FnMut(&FeedRecord<'_>) -> Result<(), SourceError>| {
            for row in rows {
                take(&FeedRecord { record: &row.record, large: &row.large })?;
            }
            Ok(rows.len() as u64)
        };
        assert_eq!(load.load(0, schema, &mut feed)?, rows.len() as u64);
    }
    let findings = load.after_data()?;
    Ok((load, findings))
}

/// Restores and says what was found on the way.
pub(crate) fn restore(captured: &Capture, path: &Path, over: bool) -> Result<Vec<Finding>, SourceError> {
    let (load, mut findings) = load(captured, path, over)?;
    findings.extend(load.publish()?);
    Ok(findings)
}

pub(crate) fn assert_equal(one: &Capture, other: &Capture) {
    assert_eq!(one.digests(), other.digests());
    let fingerprint = |capture: &Capture| Fingerprint::from_blob(capture.blob("fingerprint").unwrap()).unwrap();
    assert_eq!(fingerprint(one).differences(&fingerprint(other)), []);
    for role in ["ddl-before", "ddl-after", "sequences"] {
        assert_eq!(one.blob(role), other.blob(role), "{role}");
    }
}

/// Captures, restores to a new place, and captures again.
fn round_trip(place: &Place, script: &str) -> (Capture, Capture, Vec<Finding>) {
    let first = capture(&place.database("source.db", script));
    let restored = place.path("restored.db");
    let findings = restore(&first, &restored, false).unwrap();
    let second = capture(&restored);
    assert_equal(&first, &second);
    (first, second, findings)
}

#[test]
fn every_value_comes_back_bit_for_bit() {
    let place = Place::new();
    let script = "CREATE TABLE t(id INTEGER PRIMARY KEY, i INTEGER, n NUMERIC, r REAL, x TEXT, b BLOB, a DEFAULT 'no');
        INSERT INTO t VALUES (1, 1, 1, 1, 1, 1, 1), (2, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5),
        (3, 'x', 'x', 'x', 'x', 'x', 'x'), (4, x'00ff', x'00ff', x'00ff', x'00ff', x'00ff', x'00ff'),
        (5, NULL, NULL, NULL, NULL, NULL, NULL), (6, CAST(x'ff00fe' AS TEXT), '1e400', 1e20, '', x'', -0.0),
        (7, -9223372036854775808, 9e999, -9e999, 9223372036854775807, zeroblob(70000), printf('%.*c', 5000, 'x'));";
    let (_, _, findings) = round_trip(&place, script);
    assert_eq!(findings, []);
}

#[test]
fn every_kind_of_table_comes_back() {
    let place = Place::new();
    let script = "CREATE TABLE \"a \"\"b\"\".c'd\ne; --\"(\"x.y\" TEXT PRIMARY KEY NOT NULL, \"ü \" INT) WITHOUT ROWID;
        INSERT INTO \"a \"\"b\"\".c'd\ne; --\" VALUES ('k', 1);
        CREATE TABLE strict(id INTEGER PRIMARY KEY, x ANY, r REAL NOT NULL) STRICT; INSERT INTO strict VALUES (1, '1', 2);
        CREATE TABLE computed(id INTEGER PRIMARY KEY, v AS (id + 1), s INT AS (id * 2) STORED, z);
        INSERT INTO computed(id, z) VALUES (1, 'z'); CREATE INDEX computed_s ON computed(s);
        CREATE TABLE holes(a TEXT, b INT, PRIMARY KEY (a, b)); INSERT INTO holes VALUES (NULL, 1), (NULL, 1), ('x', NULL);
        CREATE TABLE keyless(a, b); INSERT INTO keyless VALUES (1, 1), (1, 1), (2, NULL);
        CREATE TABLE swallowing(a INT UNIQUE ON CONFLICT REPLACE, b); INSERT INTO swallowing VALUES (1, 1), (NULL, 2);
        CREATE TABLE folded(name TEXT COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID; INSERT INTO folded VALUES ('b'), ('A'), ('C');
        CREATE TABLE dotted(\"rowid\" TEXT, \"oid\" TEXT, \"_rowid_\" TEXT); INSERT INTO dotted VALUES ('a', 'b', 'c');";
    let (_, _, findings) = round_trip(&place, script);
    assert_eq!(findings, []);
}

#[test]
fn what_stands_upon_the_tables_comes_back() {
    let place = Place::new();
    let script = "PRAGMA application_id = 77; PRAGMA user_version = 5; PRAGMA page_size = 8192; PRAGMA auto_vacuum = 2;
        CREATE TABLE ci(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, data TEXT CHECK (json_valid(data)));
        CREATE TABLE log(id INTEGER PRIMARY KEY AUTOINCREMENT, ci INT REFERENCES ci ON DELETE CASCADE, at TEXT);
        CREATE INDEX ci_name ON ci(name COLLATE NOCASE DESC) WHERE name IS NOT NULL; CREATE INDEX ci_os ON ci(data ->> 'os');
        CREATE VIEW named AS SELECT id, name FROM ci -- with a comment at its end
        ; CREATE TRIGGER ci_logged AFTER INSERT ON ci BEGIN INSERT INTO log(ci, at) VALUES (new.id, '\n;\n'); END;
        CREATE TRIGGER named_insert INSTEAD OF INSERT ON named BEGIN INSERT INTO ci(name) VALUES (new.name); END;
        INSERT INTO ci(name, data) VALUES ('a', '{\"os\":\"linux\"}'), ('b', '{}'); DELETE FROM ci WHERE id = 2; ANALYZE;";
    let (first, _, findings) = round_trip(&place, script);
    assert!(findings.is_empty(), "{findings:?}");
    assert!(first.findings().any(|finding| finding.subject == "sqlite_stat"));
    let restored = Connection::open(place.path("restored.db")).unwrap();
    restored.execute_batch("INSERT INTO named(name) VALUES ('c')").unwrap();
    let (ci, log): (i64, i64) = restored
        .query_row("SELECT (SELECT max(id) FROM ci), (SELECT count(*) FROM log)", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!((ci, log), (3, 2), "the counter goes on, and triggers fire once");
    let analyzed: i64 = restored.query_row("SELECT count(*) FROM sqlite_stat1", [], |row| row.get(0)).unwrap();
    assert!(analyzed > 0);
}

#[test]
fn search_indexes_come_back_as_they_were() {
    let place = Place::new();
    let script = "CREATE VIRTUAL TABLE doc USING fts5(title, body);
        INSERT INTO doc VALUES ('rack', 'row of racks'), ('site', 'Zürich'); INSERT INTO doc(doc) VALUES ('optimize');
        CREATE VIRTUAL TABLE old USING fts4(body); INSERT INTO old VALUES ('switch in rack 7');
        CREATE VIRTUAL TABLE place USING rtree(id, x0, x1, y0, y1); INSERT INTO place VALUES (1, 0, 1, 0, 1), (2, 5, 6, 5, 6);
        CREATE VIRTUAL TABLE words USING fts5vocab(doc, row);
        CREATE VIRTUAL TABLE older USING fts3(body); INSERT INTO older VALUES ('patch panel'); DELETE FROM old WHERE docid = 9;
        CREATE VIRTUAL TABLE bare USING fts5(body, content=''); INSERT INTO bare(rowid, body) VALUES (41, 'cable tray');";
    let (first, _, findings) = round_trip(&place, script);
    assert!(findings.is_empty(), "{findings:?}");
    assert!(!first.findings().any(|finding| finding.severity >= Severity::Warning));
    let restored = Connection::open(place.path("restored.db")).unwrap();
    let count = |sql: &str| restored.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM doc WHERE doc MATCH 'racks'"), 1);
    assert_eq!(count("SELECT count(*) FROM old WHERE old MATCH 'switch'"), 1);
    assert_eq!(count("SELECT count(*) FROM place WHERE x0 >= 5"), 1);
    assert_eq!(count("SELECT count(*) FROM older WHERE older MATCH 'panel'"), 1);
    assert_eq!(count("SELECT rowid FROM bare WHERE bare MATCH 'tray'"), 41);
    assert_eq!(count("SELECT rtreecheck('place') = 'ok'"), 1);
    restored
        .execute_batch("INSERT INTO doc VALUES ('new', 'one'); INSERT INTO doc(doc) VALUES ('integrity-check')")
        .unwrap();
}

#[test]
fn an_index_over_rows_that_it_knows_by_number_still_finds_them() {
    let place = Place::new();
    let script = "CREATE TABLE note(body TEXT, oid TEXT); INSERT INTO note(body) VALUES ('gone'), ('rack'), ('site');
        CREATE VIRTUAL TABLE noted USING fts5(body, content='note'); INSERT INTO noted(noted) VALUES ('rebuild');
        INSERT INTO noted(noted, rowid, body) VALUES ('delete', 1, 'gone'); DELETE FROM note WHERE body = 'gone';
        CREATE TABLE word(w TEXT PRIMARY KEY, body TEXT); INSERT INTO word VALUES ('z', 'last'), ('a', 'first');
        CREATE VIRTUAL TABLE words USING fts4(content=\"word\", body); INSERT INTO words(words) VALUES ('rebuild');
        CREATE VIEW named AS SELECT 7 AS rowid, 'x' AS body; CREATE VIRTUAL TABLE v USING fts5(body, content='named');";
    let (first, _, findings) = round_trip(&place, script);
    assert!(findings.is_empty(), "{findings:?}");
    let warned: Vec<_> = first.findings().filter(|finding| finding.severity == Severity::Warning).collect();
    assert_eq!((warned.len(), warned[0].subject.as_str()), (1, "v"), "{warned:?}");
    let numbers: Vec<_> =
        first.rows["note"].iter().map(|row| values(first.schema("note"), row)["rowid"].clone()).collect();
    assert_eq!(numbers, ["i 2", "i 3"]);
    let restored = Connection::open(place.path("restored.db")).unwrap();
    let text = |sql: &str| restored.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(text("SELECT body FROM noted WHERE noted MATCH 'site'"), "site");
    assert_eq!(text("SELECT body FROM words WHERE words MATCH 'last'"), "last");
    restored.execute_batch("INSERT INTO noted(noted, rank) VALUES ('integrity-check', 1)").unwrap();
}

#[test]
fn utf16_databases_come_back_in_utf16() {
    for (encoding, lone) in [("UTF-16le", "x'3dd84100'"), ("UTF-16be", "x'd83d0041'")] {
        let place = Place::new();
        let script = format!(
            "PRAGMA encoding = '{encoding}'; CREATE TABLE t(x TEXT PRIMARY KEY NOT NULL, b BLOB);
            INSERT INTO t VALUES ('Zürich 🦀', x'00d8'), (CAST({lone} AS TEXT), 'x');"
        );
        round_trip(&place, &script);
        let restored = Connection::open(place.path("restored.db")).unwrap();
        let sql = format!("SELECT count(*) FROM t WHERE CAST(x AS BLOB) = {lone}");
        assert_eq!(restored.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    }
}

#[test]
fn broken_references_and_checks_are_restored_and_found() {
    let place = Place::new();
    let script = "PRAGMA foreign_keys = OFF; CREATE TABLE a(id INTEGER PRIMARY KEY);
        CREATE TABLE b(id INTEGER PRIMARY KEY, a INT REFERENCES a, c INT CHECK (c > 0));
        PRAGMA ignore_check_constraints = ON; INSERT INTO b VALUES (1, 7, 1), (2, 8, -1);";
    let (_, _, findings) = round_trip(&place, script);
    let subjects: Vec<_> = findings.iter().map(|finding| finding.subject.as_str()).collect();
    assert_eq!(subjects, ["integrity_check", "b"], "{findings:?}");
}

#[test]
fn deferred_references_stay_deferred() {
    let place = Place::new();
    let script = "CREATE TABLE a(id INTEGER PRIMARY KEY, b INT NOT NULL REFERENCES b DEFERRABLE INITIALLY DEFERRED);
        CREATE TABLE b(id INTEGER PRIMARY KEY, a INT NOT NULL REFERENCES a DEFERRABLE INITIALLY DEFERRED);
        BEGIN; INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1); COMMIT;";
    let (_, _, findings) = round_trip(&place, script);
    assert_eq!(findings, []);
    let restored = Connection::open(place.path("restored.db")).unwrap();
    let both = "PRAGMA foreign_keys = ON; BEGIN; INSERT INTO a VALUES (2, 2); INSERT INTO b VALUES (2, 2); COMMIT;";
    restored.execute_batch(both).unwrap();
    assert!(restored.execute_batch("INSERT INTO a VALUES (3, 3)").is_err());
}

#[test]
fn no_definition_reaches_another_file() {
    let place = Place::new();
    let mut captured = capture(&place.database("source.db", "CREATE TABLE t(a); CREATE VIEW v AS SELECT 1;"));
    let other = place.path("other.db");
    let attach = format!("ATTACH DATABASE '{}' AS other; CREATE TABLE other.x(a)", other.display());
    let trigger = "CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM elsewhere.t; END";
    let object = |name: &str, kind: &str, sql: &str| {
        format!("-- strongroom {{\"kind\":\"{kind}\",\"name\":\"{name}\",\"bytes\":{}}}\n{sql}\n;\n", sql.len())
    };
    let after = captured.blobs.iter_mut().find(|blob| blob.role == "ddl-after").unwrap();
    after.content.extend_from_slice((object("evil", "view", &attach) + &object("r", "trigger", trigger)).as_bytes());
    let findings = restore(&captured, &place.path("restored.db"), false).unwrap();
    let named: Vec<_> = findings.iter().map(|finding| (finding.subject.as_str(), finding.severity)).collect();
    assert_eq!(named, [("evil", Severity::Incomplete), ("r", Severity::Incomplete)], "{findings:?}");
    assert!(!other.exists());
}

#[test]
fn what_the_target_cannot_take_is_named() {
    let place = Place::new();
    let mut captured = capture(&place.database("source.db", "CREATE TABLE t(a); CREATE INDEX i ON t(a);"));
    let after = captured.blobs.iter_mut().find(|blob| blob.role == "ddl-after").unwrap();
    after.content = String::from_utf8(after.content.clone()).unwrap().replace("ON t(a)", "ON u(a)").into_bytes();
    let findings = restore(&captured, &place.path("restored.db"), false).unwrap();
    assert_eq!((findings[0].subject.as_str(), findings[0].severity), ("i", Severity::Incomplete));
}

#[test]
fn a_wal_database_is_wal_again_and_alone_in_its_folder() {
    let place = Place::new();
    let folder = Place::new();
    let path = place.database("source.db", "PRAGMA journal_mode = WAL; CREATE TABLE t(a); INSERT INTO t VALUES (1);");
    restore(&capture(&path), &folder.path("restored.db"), false).unwrap();
    assert_eq!(folder.names(), ["restored.db"]);
    let mode: String = Connection::open(folder.path("restored.db"))
        .unwrap()
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn a_target_that_holds_data_is_replaced_only_when_allowed() {
    let place = Place::new();
    let captured = capture(&place.database("source.db", "CREATE TABLE t(a); INSERT INTO t VALUES (1);"));
    for mode in ["DELETE", "WAL"] {
        let folder = Place::new();
        let script = format!("PRAGMA journal_mode = {mode}; CREATE TABLE old(a); INSERT INTO old VALUES ('old');");
        let path = folder.database("t.db", &script);
        let old = capture(&path);
        assert_eq!(restore(&captured, &path, false).unwrap_err().code(), Code::TargetNotEmpty);
        assert!(folder.names().iter().all(|name| !name.contains(TOKEN)));
        let findings = restore(&captured, &path, true).unwrap();
        assert!(findings[0].message.contains("t.db.before-token"), "{findings:?}");
        assert_eq!(folder.names(), ["t.db", "t.db.before-token"], "{mode}");
        assert_equal(&captured, &capture(&path));
        let kept = capture(&folder.path("t.db.before-token"));
        assert_equal(&old, &kept);
        assert_eq!(old.facts.settings, kept.facts.settings);
    }
}

#[test]
fn an_empty_target_needs_no_leave_and_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let captured = capture(&place.database("source.db", "CREATE TABLE t(a); INSERT INTO t VALUES (1);"));
    let path = place.path("t.db");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    restore(&captured, &path, false).unwrap();
    assert_equal(&captured, &capture(&path));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(place.names(), ["source.db", "t.db"]);
}

#[test]
fn a_target_that_others_have_open_is_busy() {
    let place = Place::new();
    let captured = capture(&place.database("source.db", "CREATE TABLE t(a);"));
    let path = place.database("wal.db", "PRAGMA journal_mode = WAL; CREATE TABLE old(a);");
    let other = Connection::open(&path).unwrap();
    other.query_row("SELECT count(*) FROM old", [], |_| Ok(())).unwrap();
    assert_eq!(restore(&captured, &path, true).unwrap_err().code(), Code::Busy);
    let path = place.database("delete.db", "CREATE TABLE old(a);");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN; SELECT * FROM old").unwrap();
    assert_eq!(restore(&captured, &path, true).unwrap_err().code(), Code::Busy);
}

#[test]
fn a_write_during_the_load_is_not_lost_without_leave() {
    let place = Place::new();
    let captured = capture(&place.database("source.db", "CREATE TABLE t(a);"));
    let path = place.path("t.db");
    let (load, _) = load(&captured, &path, false).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE new(a)").unwrap();
    assert_eq!(load.publish().unwrap_err().code(), Code::TargetNotEmpty);
    assert_eq!(capture(&path).schemas[0].name, "new");
    assert_eq!(place.names(), ["source.db", "t.db"]);
}

#[test]
fn side_files_of_another_database_are_never_taken_over() {
    let place = Place::new();
    let captured = capture(&place.database("source.db", "CREATE TABLE t(a);"));
    for suffix in ["-journal", "-wal"] {
        std::fs::write(place.path(&format!("t.db{suffix}")), "leftover").unwrap();
        assert_eq!(restore(&captured, &place.path("t.db"), false).unwrap_err().code(), Code::TargetFailed);
        std::fs::remove_file(place.path(&format!("t.db{suffix}"))).unwrap();
    }
    assert_eq!(place.names(), ["source.db"]);
}

#[test]
fn a_damaged_target_can_be_replaced_and_is_kept() {
    let place = Place::new();
    let captured = capture(&place.database("source.db", "CREATE TABLE t(a);"));
    let rubbish = "rubbish ".repeat(1000);
    std::fs::write(place.path("t.db"), &rubbish).unwrap();
    assert_eq!(restore(&captured, &place.path("t.db"), false).unwrap_err().code(), Code::TargetNotEmpty);
    restore(&captured, &place.path("t.db"), true).unwrap();
    assert_equal(&captured, &capture(&place.path("t.db")));
    assert_eq!(std::fs::read_to_string(place.path("t.db.before-token")).unwrap(), rubbish);
}

#[test]
fn a_link_to_the_database_stays_a_link() {
    let place = Place::new();
    let captured = capture(&place.database("source.db", "CREATE TABLE t(a);"));
    let path = place.database("real.db", "CREATE TABLE old(a);");
    std::os::unix::fs::symlink(&path, place.path("link.db")).unwrap();
    restore(&captured, &place.path("link.db"), true).unwrap();
    assert!(place.path("link.db").is_symlink());
    assert_equal(&captured, &capture(&path));
}

#[test]
fn a_load_that_is_given_up_leaves_nothing() {
    let place = Place::new();
    let captured = capture(&place.database("source.db", "CREATE TABLE t(a);"));
    let (given_up, _) = load(&captured, &place.path("t.db"), false).unwrap();
    assert!(place.names().iter().any(|name| name == "t.db.strongroom-token"));
    given_up.abandon().unwrap();
    drop(load(&captured, &place.path("t.db"), false).unwrap());
    assert_eq!(place.names(), ["source.db"]);
}

#[test]
fn the_loaded_place_can_be_compared_before_it_has_the_name() {
    let place = Place::new();
    let captured = capture(
        &place.database("source.db", "PRAGMA journal_mode = WAL; CREATE TABLE t(a); INSERT INTO t VALUES (1);"),
    );
    let (load, _) = load(&captured, &place.path("t.db"), false).unwrap();
    let staged = capture_source(&*load.as_source().unwrap());
    assert_equal(&captured, &staged);
    assert!(!place.path("t.db").exists());
    load.publish().unwrap();
}
