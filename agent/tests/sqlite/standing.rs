//! What a cut costs those who write meanwhile, and what it sees of them.

use std::time::Duration;

use rusqlite::Connection;
use strongroom_agent::source::{Severity, Source};

use crate::harness::{Place, capture, capture_cut, capture_source, options, read_class, source, values};
use crate::not_run::not_run;
use crate::restore::assert_equal;

#[test]
fn what_is_written_during_the_cut_is_not_in_it() {
    let place = Place::new();
    let path = place.database(
        "a.db",
        "PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);",
    );
    let writer = Connection::open(&path).unwrap();
    let cut = source(&path).open(&options()).unwrap();
    let write = "INSERT INTO t VALUES (2); DELETE FROM t WHERE id = 1; CREATE TABLE later(x); PRAGMA user_version = 9;";
    writer.execute_batch(write).unwrap();
    assert_eq!(cut.classes().len(), 1);
    assert_eq!(read_class(&*cut, 0, &cut.classes()[0].schema).len(), 1);
    writer.execute_batch("PRAGMA wal_checkpoint(PASSIVE)").unwrap();
    let after = capture(&path);
    let ddl = cut.blobs().unwrap().into_iter().find(|blob| blob.role == "ddl-before").unwrap();
    assert!(!String::from_utf8(ddl.content).unwrap().contains("later"));
    assert_eq!(cut.close().unwrap(), []);
    assert_eq!(values(after.schema("t"), &after.rows["t"][0])["id"], "i 2");
}

#[test]
fn a_database_with_a_rollback_journal_is_copied_and_writers_go_on() {
    let place = Place::new();
    let script =
        "CREATE TABLE t(x); INSERT INTO t VALUES (1), (2), (3); DELETE FROM t WHERE x = 2; PRAGMA user_version = 4;";
    let path = place.database("a.db", script);
    let copies = place.path("spool/a");
    let cut = source(&path).with_copies_in(&copies).open(&options()).unwrap();
    assert_eq!(std::fs::read_dir(&copies).unwrap().count(), 0, "the copy has no name any more");
    let writer = Connection::open(&path).unwrap();
    writer.busy_timeout(Duration::ZERO).unwrap();
    writer.execute_batch("INSERT INTO t VALUES (4); CREATE TABLE later(x)").unwrap();
    assert!(cut.facts().findings.iter().any(|finding| finding.message.contains("could not commit for the")));
    let (from_copy, direct) = (capture_cut(cut), capture(&path));
    assert_eq!(from_copy.rows["t"].len(), 2);
    assert_eq!(from_copy.facts.settings, direct.facts.settings, "it is told of the original");
    assert!(from_copy.closing.is_empty());
    assert!(!from_copy.rows.contains_key("later") && direct.rows["t"].len() == 3);
}

#[test]
fn a_copy_holds_what_the_original_holds() {
    let place = Place::new();
    for encoding in ["UTF-8", "UTF-16be"] {
        let script = format!(
            "PRAGMA page_size = 1024; PRAGMA auto_vacuum = 2; PRAGMA encoding = '{encoding}'; PRAGMA application_id = 9;
            CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, v, g AS (v || 'x') STORED);
            INSERT INTO t(v) VALUES (1.0), (-0.0), (9e999), (x'00'), (CAST(x'd800' AS TEXT)), (NULL), (zeroblob(9000));
            CREATE TABLE note(body TEXT); INSERT INTO note VALUES ('a'), ('b'), ('c'); DELETE FROM note WHERE body = 'b';
            CREATE VIRTUAL TABLE noted USING fts5(body, content='note'); INSERT INTO noted(noted) VALUES ('rebuild');
            CREATE TABLE w(a TEXT COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID; INSERT INTO w VALUES ('B'), ('a');
            CREATE VIEW v AS SELECT * FROM t; CREATE TRIGGER tr AFTER INSERT ON w BEGIN DELETE FROM note; END; ANALYZE;"
        );
        let path = place.database(encoding, &script);
        let copied = source(&path).with_copies_in(place.path("spool"));
        let (one, other) = (capture(&path), capture_source(&copied));
        assert_equal(&one, &other);
        assert_eq!((&one.facts.settings, &one.facts.position), (&other.facts.settings, &other.facts.position));
    }
}

#[test]
fn what_sqlite_cannot_copy_is_read_where_it_lies() {
    let place = Place::new();
    // A collation that only its application knows.
    let script = "CREATE TABLE t(a TEXT COLLATE NOCASE PRIMARY KEY); INSERT INTO t VALUES ('x'), ('y');
        PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'NOCASE', 'backwards');";
    let path = place.database("a.db", script);
    let captured = capture_source(&source(&path).with_copies_in(place.path("spool")));
    assert_eq!(captured.rows["t"].len(), 2);
    assert!(captured.closing[0].message.contains("could not copy it"), "{:?}", captured.closing);
}

#[test]
fn a_log_that_grows_while_the_cut_stands_is_reported() {
    let place = Place::new();
    let script =
        "PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, x); INSERT INTO t VALUES (1, NULL);";
    let path = place.database("a.db", script);
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("PRAGMA synchronous = OFF").unwrap();
    let cut = source(&path).open(&options()).unwrap();
    for _ in 0..5 {
        writer.execute_batch("UPDATE t SET x = randomblob(8000000); PRAGMA wal_checkpoint(PASSIVE)").unwrap();
    }
    cut.check().unwrap();
    let findings = cut.close().unwrap();
    assert_eq!((findings.len(), findings[0].severity), (1, Severity::Warning));
    assert!(findings[0].message.contains("write-ahead log grew by"), "{findings:?}");
    writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    assert_eq!(place.path("a.db-wal").metadata().unwrap().len(), 0, "nothing stands in its way any more");
}

#[test]
fn another_cut_of_this_process_frees_no_lock() {
    let place = Place::new();
    let path = place.database("a.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1);");
    let first = source(&path).open(&options()).unwrap();
    capture(&path);
    // A lock of this process does not keep this process out: another one has to try.
    let other = std::process::Command::new("sqlite3").arg(&path).arg("INSERT INTO t VALUES (2)").output();
    match other {
        Ok(output) => assert!(!output.status.success(), "a writer got in while the first cut stood"),
        Err(_) => not_run("another_cut_of_this_process_frees_no_lock", "the sqlite3 shell"),
    }
    assert_eq!(read_class(&*first, 0, &first.classes()[0].schema).len(), 1);
}

#[test]
fn a_large_table_is_read_in_parts() {
    let place = Place::new();
    let script = "CREATE TABLE t(id INTEGER PRIMARY KEY, x BLOB); CREATE TABLE shadowed(rowid, oid, _rowid_);
        WITH RECURSIVE n(i) AS (SELECT -1500 UNION ALL SELECT i + 1 FROM n LIMIT 6000) INSERT INTO t SELECT i * 7, zeroblob(9000) FROM n;
        INSERT INTO t VALUES (9223372036854775807, NULL), (-9223372036854775808, NULL); INSERT INTO shadowed VALUES (1, 2, 3);";
    let path = place.database("a.db", script);
    let cut = source(&path).open(&options()).unwrap();
    let parts: Vec<_> = cut.classes().iter().map(|class| class.parts).collect();
    assert!(parts[0] == 1 && parts[1] > 1, "{parts:?}");
    let captured = capture_cut(cut);
    let mut keys: Vec<_> = captured.rows["t"].iter().map(|row| row.key.clone()).collect();
    keys.dedup();
    assert_eq!(keys.len(), 6002, "each row once");
}

#[test]
fn a_rollback_journal_holds_writers_up_and_the_cut_says_so() {
    let place = Place::new();
    let path = place.database("a.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1);");
    let cut = source(&path).open(&options()).unwrap();
    let writer = Connection::open(&path).unwrap();
    writer.busy_timeout(Duration::ZERO).unwrap();
    assert!(writer.execute_batch("INSERT INTO t VALUES (2)").is_err());
    let findings = cut.close().unwrap();
    assert!(findings[0].message.contains("could not commit"), "{findings:?}");
    writer.execute_batch("INSERT INTO t VALUES (2)").unwrap();
}
