//! What a cut holds, and what it must not.

use std::time::Duration;

use rusqlite::Connection;
use strongroom_agent::source::{CaptureOptions, Severity, Source};
use strongroom_core::error::Code;
use strongroom_core::record::KeySpec;

use crate::harness::{Place, capture, capture_cut, capture_source, options, read_class, source, values};
use crate::not_run::not_run;
use crate::restore::assert_equal;

fn key_columns(schema: &strongroom_core::record::ClassSchema) -> Option<Vec<&str>> {
    let KeySpec::Columns(ids) = &schema.key else { return None };
    Some(ids.iter().map(|id| schema.column(*id).unwrap().name.as_str()).collect())
}

#[test]
fn every_storage_class_is_kept_in_columns_of_every_affinity() {
    let place = Place::new();
    let script = "CREATE TABLE t(id INTEGER PRIMARY KEY, i INTEGER, n NUMERIC, r REAL, x TEXT, b BLOB, a);
        INSERT INTO t VALUES (1, 1, 1, 1, 1, 1, 1), (2, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5),
        (3, 'x', 'x', 'x', 'x', 'x', 'x'), (4, x'00ff', x'00ff', x'00ff', x'00ff', x'00ff', x'00ff'),
        (5, NULL, NULL, NULL, NULL, NULL, NULL), (6, '1', '1', '1', '1', '1', '1'),
        (7, -9223372036854775808, 9e999, -9e999, '', x'', -0.0);";
    let path = place.database("a.db", script);
    let expected = Connection::open(&path).unwrap();
    let captured = capture(&path);
    let schema = captured.schema("t");
    let sql = "SELECT typeof(i), typeof(n), typeof(r), typeof(x), typeof(b), typeof(a) FROM t ORDER BY id";
    let mut statement = expected.prepare(sql).unwrap();
    let types: Vec<Vec<String>> =
        statement.query_map([], |row| (0..6).map(|at| row.get(at)).collect()).unwrap().map(Result::unwrap).collect();
    for (row, types) in captured.rows["t"].iter().zip(types) {
        let found = values(schema, row);
        for (column, kind) in ["i", "n", "r", "x", "b", "a"].into_iter().zip(types) {
            let tag = found.get(column).map_or("null", |value| match value.as_bytes()[0] {
                b'i' => "integer",
                b'r' => "real",
                b't' => "text",
                _ => "blob",
            });
            assert_eq!(tag, kind, "column {column} of {found:?}");
        }
    }
    let last = values(schema, &captured.rows["t"][6]);
    assert_eq!(last["i"], "i -9223372036854775808");
    assert_eq!(last["n"], format!("r {:016x}", f64::INFINITY.to_bits()));
    assert_eq!((last["x"].as_str(), last["b"].as_str()), ("t ", "b "));
    assert_eq!(last["a"], format!("r {:016x}", (-0.0_f64).to_bits()));
}

#[test]
fn keys_are_what_identifies_rows_without_null() {
    let place = Place::new();
    let script = "CREATE TABLE number(id INTEGER PRIMARY KEY, x);
        CREATE TABLE descending(id INTEGER PRIMARY KEY DESC, x);
        CREATE TABLE words(b TEXT, a TEXT, x, PRIMARY KEY (a, b)) WITHOUT ROWID;
        CREATE TABLE folded(name TEXT COLLATE NOCASE PRIMARY KEY);
        CREATE TABLE holes(name TEXT PRIMARY KEY, serial TEXT NOT NULL);
        CREATE TABLE saved(name TEXT PRIMARY KEY, serial TEXT NOT NULL UNIQUE);
        CREATE TABLE partly(a TEXT NOT NULL, b TEXT); CREATE UNIQUE INDEX partly_a ON partly(a) WHERE b IS NOT NULL;
        CREATE TABLE computed(a TEXT NOT NULL, b TEXT NOT NULL); CREATE UNIQUE INDEX computed_a ON computed(lower(a));
        CREATE TABLE strict(id INT PRIMARY KEY, x ANY) STRICT;
        INSERT INTO words VALUES ('1', 'b', 0), ('2', 'a', 0);
        INSERT INTO folded VALUES ('Ab'); INSERT INTO holes VALUES (NULL, 'a'), (NULL, 'a');
        INSERT INTO saved VALUES (NULL, 'a'), (NULL, 'b');";
    let captured = capture(&place.database("a.db", script));
    let key = |class| key_columns(captured.schema(class));
    assert_eq!(key("number"), Some(vec!["id"]));
    assert_eq!(key("descending"), Some(vec!["id"]));
    assert_eq!(key("words"), Some(vec!["a", "b"]));
    assert_eq!(key("folded"), Some(vec!["name"]));
    assert_eq!(key("holes"), None);
    assert_eq!(key("saved"), Some(vec!["serial"]));
    assert_eq!(key("partly"), None);
    assert_eq!(key("computed"), None);
    assert_eq!(key("strict"), Some(vec!["id"]));
    assert_eq!(captured.rows["holes"].len(), 2);
    assert!(!captured.schema("words").column_named("a").unwrap().nullable);
    assert!(captured.findings().any(|finding| finding.subject == "holes" && finding.severity == Severity::Info));
}

#[test]
fn a_primary_key_without_null_serves_although_null_is_allowed() {
    let place = Place::new();
    let script = "CREATE TABLE t(a TEXT, b INT, PRIMARY KEY (a, b)); INSERT INTO t VALUES ('x', 1), ('x', 2);";
    let captured = capture(&place.database("a.db", script));
    assert_eq!(key_columns(captured.schema("t")), Some(vec!["a", "b"]));
    assert_ne!(captured.rows["t"][0].key, captured.rows["t"][1].key);
}

#[test]
fn names_may_hold_anything() {
    let place = Place::new();
    let name = "a \"b\".c'd\ne; --";
    let quoted = format!("\"{}\"", name.replace('"', "\"\""));
    let script =
        format!("CREATE TABLE {quoted}({quoted} TEXT PRIMARY KEY NOT NULL); INSERT INTO {quoted} VALUES ('x');");
    let captured = capture(&place.database("a?mode=memory#.db", &script));
    assert_eq!(values(captured.schema(name), &captured.rows[name][0])[name], "t x");
}

#[test]
fn generated_columns_are_left_to_the_target() {
    let place = Place::new();
    let script = "CREATE TABLE t(id INTEGER PRIMARY KEY, v AS (id + 1), s INT AS (id * 2) STORED, z TEXT);
        INSERT INTO t(id, z) VALUES (1, 'last');";
    let captured = capture(&place.database("a.db", script));
    let names: Vec<_> = captured.schema("t").columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["id", "z"]);
    assert_eq!(values(captured.schema("t"), &captured.rows["t"][0])["z"], "t last");
}

#[test]
fn text_is_captured_byte_by_byte_even_where_it_is_no_text() {
    let place = Place::new();
    let script = "CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT);
        INSERT INTO t VALUES (1, CAST(x'ff00fe61' AS TEXT)), (2, CAST(x'6100' AS TEXT));";
    let captured = capture(&place.database("a.db", script));
    let shown = |at: usize| values(captured.schema("t"), &captured.rows["t"][at])["x"].clone();
    assert_eq!(shown(0), r"t \xff\x00\xfea");
    assert_eq!(shown(1), r"t a\x00");
}

#[test]
fn utf16_text_is_captured_without_loss() {
    for (encoding, lone) in [("UTF-16le", "x'3dd84100'"), ("UTF-16be", "x'd83d0041'")] {
        let place = Place::new();
        let script = format!(
            "PRAGMA encoding = '{encoding}'; CREATE TABLE t(x TEXT PRIMARY KEY NOT NULL, b BLOB);
            INSERT INTO t VALUES ('Zürich 🦀', x'00d8'), (CAST({lone} AS TEXT), NULL);"
        );
        let captured = capture(&place.database("a.db", &script));
        let found: Vec<_> = captured.rows["t"].iter().map(|row| values(captured.schema("t"), row)).collect();
        assert_eq!(found[0]["x"], format!("t {}", "Zürich 🦀".as_bytes().escape_ascii()));
        assert_eq!(found[0]["b"], r"b \x00\xd8");
        assert_eq!(found[1]["x"], r"t \xed\xa0\xbdA", "{encoding}");
    }
}

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

#[test]
fn a_source_that_cannot_be_read_is_refused_with_its_code() {
    let place = Place::new();
    let code = |name: &str| source(&place.path(name)).open(&options()).err().unwrap().code();
    assert_eq!(code("missing.db"), Code::SourceUnreachable);
    std::fs::create_dir(place.path("folder")).unwrap();
    assert_eq!(code("folder"), Code::SourceUnreachable);
    std::fs::write(place.path("text"), "no database, but long enough to be taken for one ".repeat(20)).unwrap();
    assert_eq!(code("text"), Code::SourceFailed);
    let held = place.database("held.db", "CREATE TABLE t(x);");
    let writer = Connection::open(&held).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let impatient = source(&held).with_busy_wait(Duration::ZERO);
    assert_eq!(impatient.open(&options()).err().unwrap().code(), Code::SourceLocked);
}

#[test]
fn a_wal_database_without_room_for_its_shared_memory_is_refused() {
    let place = Place::new();
    let path = place.database("a.db", "PRAGMA journal_mode = WAL; CREATE TABLE t(a);");
    // Whoever runs the tests may be allowed to write anywhere, so the name leads nowhere.
    std::os::unix::fs::symlink(place.path("missing/file"), place.path("a.db-shm")).unwrap();
    let error = source(&path).open(&options()).err().unwrap();
    assert_eq!(error.code(), Code::SourcePrivilege);
    assert!(error.to_string().contains("-shm"), "{error}");
}

#[test]
fn a_database_left_in_the_middle_of_a_write_is_never_read_as_it_lies() {
    let place = Place::new();
    let script =
        "PRAGMA page_size = 512; CREATE TABLE t(a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
        LIMIT 2000) INSERT INTO t SELECT printf('%0100d', i) FROM n;";
    let writer = Connection::open(place.database("a.db", script)).unwrap();
    writer.execute_batch("PRAGMA cache_size = 4; BEGIN; UPDATE t SET a = 'half'").unwrap();
    for name in ["a.db", "a.db-journal"] {
        std::fs::copy(place.path(name), place.path(&name.replace("a.db", "killed.db"))).unwrap();
    }
    let error = source(&place.path("killed.db")).open(&options()).err().unwrap();
    assert_eq!(error.code(), Code::SourcePrivilege, "{error}");
    assert!(place.path("killed.db-journal").exists(), "it is left to the application");
}

#[test]
fn an_empty_database_has_no_classes() {
    let place = Place::new();
    std::fs::write(place.path("empty.db"), "").unwrap();
    assert!(capture(&place.path("empty.db")).schemas.is_empty());
}

#[test]
fn references_name_class_and_columns_in_their_own_spelling() {
    let place = Place::new();
    let script = "CREATE TABLE Site(Id INTEGER PRIMARY KEY); CREATE TABLE Rack(Site INT, No INT, PRIMARY KEY(Site, No));
        CREATE TABLE device(id INTEGER PRIMARY KEY, s INT REFERENCES site, rs INT, rn INT, gone INT REFERENCES nowhere(x),
            FOREIGN KEY (RS, RN) REFERENCES RACK(site, no));";
    let captured = capture(&place.database("a.db", script));
    let shown: Vec<_> = captured
        .schema("device")
        .references
        .iter()
        .map(|r| (r.columns.iter().map(|id| id.0).collect::<Vec<_>>(), r.class.as_str(), r.target_columns.join(",")))
        .collect();
    let expected =
        [(vec![2], "Site", "Id".into()), (vec![5], "nowhere", "x".into()), (vec![3, 4], "Rack", "Site,No".to_owned())];
    assert_eq!(shown, expected);
}

#[test]
fn column_ids_are_kept_when_columns_come_and_go() {
    let place = Place::new();
    let path = place.database("a.db", "CREATE TABLE t(a TEXT, b TEXT, c TEXT); INSERT INTO t VALUES ('a', 'b', 'c');");
    let first = capture(&path);
    Connection::open(&path)
        .unwrap()
        .execute_batch("ALTER TABLE t DROP COLUMN a; ALTER TABLE t ADD COLUMN d TEXT")
        .unwrap();
    let earlier = first.schemas.iter().map(|schema| (schema.name.clone(), schema.clone())).collect();
    let cut = source(&path).open(&CaptureOptions { earlier, ..options() }).unwrap();
    let schema = &cut.classes()[0].schema;
    let ids: Vec<_> = schema.columns.iter().map(|column| (column.name.as_str(), column.id.0)).collect();
    assert_eq!(ids, [("b", 2), ("c", 3), ("d", 4)]);
    let row = &read_class(&*cut, 0, schema)[0];
    assert_eq!(values(schema, row)["c"], "t c");
}

#[test]
fn an_unknown_module_makes_the_capture_incomplete() {
    let place = Place::new();
    let script = "CREATE TABLE x_data(id INTEGER PRIMARY KEY, v); INSERT INTO x_data VALUES (1, 'kept');
        PRAGMA writable_schema = ON;
        INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 0, 'CREATE VIRTUAL TABLE x USING unheard_of(a, b)');";
    let captured = capture(&place.database("a.db", script));
    assert_eq!(captured.rows["x_data"].len(), 1);
    let finding = captured.findings().find(|finding| finding.subject == "x").unwrap();
    assert_eq!(finding.severity, Severity::Incomplete);
    assert!(captured.text("ddl-after").contains("unheard_of"));
}

#[test]
fn inspection_counts_and_captures_nothing() {
    let place = Place::new();
    let script = "CREATE TABLE site(id INTEGER PRIMARY KEY); CREATE TABLE link(site INT REFERENCES site, x);
        CREATE VIEW v AS SELECT 1; INSERT INTO site VALUES (1), (2);";
    let inspection = source(&place.database("a.db", script)).inspect().unwrap();
    let shown: Vec<_> = inspection
        .classes
        .iter()
        .map(|c| (c.name.as_str(), c.records, c.key.join(","), c.references.join(",")))
        .collect();
    assert_eq!(shown, [("link", 0, String::new(), "site".into()), ("site", 2, "id".into(), String::new())]);
    assert_eq!((inspection.objects["table"], inspection.objects["view"]), (2, 1));
    assert_eq!((inspection.settings["journal_mode"].as_str(), inspection.bytes), ("delete", 3 * 4096));
}
