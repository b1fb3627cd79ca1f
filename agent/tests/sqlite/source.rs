//! What a cut holds, and what it must not.

use std::time::Duration;

use rusqlite::Connection;
use strongroom_agent::source::{CaptureOptions, Severity, Source};
use strongroom_core::error::Code;
use strongroom_core::record::KeySpec;

use crate::harness::{Place, capture, options, read_class, source, values};

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
