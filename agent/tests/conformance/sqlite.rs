//! SQLite under test, in either kind of journal.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use strongroom_agent::source::Source;
use strongroom_agent::sqlite::{SqliteLocation, SqliteSource, SqliteTarget};
use strongroom_agent::target::Target;
use strongroom_platform::clock::SystemClock;

use crate::fixture::{FILLED, Fixture, TableFixture};

/// A database in a folder of its own.
pub(crate) struct Sqlite {
    folder: tempfile::TempDir,
}

pub(crate) fn with_wal(_: &str, check: impl Fn(&Sqlite)) {
    check(&Sqlite::new(true));
}

pub(crate) fn with_rollback_journal(_: &str, check: impl Fn(&Sqlite)) {
    check(&Sqlite::new(false));
}

impl Sqlite {
    fn new(is_wal: bool) -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap() };
        if is_wal {
            this.run("PRAGMA journal_mode = WAL;");
        } else {
            std::fs::write(this.path(), "").unwrap();
        }
        this
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("source.db")
    }

    fn restored(&self) -> PathBuf {
        self.folder.path().join("restored.db")
    }

    fn connect(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection.busy_timeout(Duration::ZERO).unwrap();
        connection.execute_batch("PRAGMA synchronous = OFF").unwrap();
        connection
    }
}

impl Fixture for Sqlite {
    fn source(&self) -> Box<dyn Source> {
        let source = SqliteSource::new(SqliteLocation::new(self.path()), Arc::new(SystemClock));
        Box::new(source.with_part_bytes(32 * 1024).with_copies_in(self.folder.path().join("spool")))
    }

    fn fill(&self) {
        self.run(&format!(
            "CREATE TABLE device (id INTEGER PRIMARY KEY, name TEXT, note TEXT);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {FILLED})
             INSERT INTO device SELECT i * 3, 'device ' || i, CASE i % 3 WHEN 0 THEN NULL ELSE hex(i * 7919) END FROM n;"
        ));
    }

    fn filled(&self) -> String {
        "device".into()
    }

    fn make_odd_things(&self) {
        self.run(
            "PRAGMA user_version = 7; PRAGMA application_id = 77;
             CREATE TABLE odd (id INTEGER PRIMARY KEY AUTOINCREMENT, i INTEGER, r REAL, x TEXT, b BLOB, a, g AS (a || x));
             INSERT INTO odd (i, r, x, b, a) VALUES (1, 1, 1, 1, 1), (1.5, -0.0, CAST(x'00ff00' AS TEXT), x'', 9e999),
                 ('x', 'x', x'ff', 'x', -9223372036854775808), (NULL, NULL, NULL, NULL, NULL);
             DELETE FROM odd WHERE id = 4;
             CREATE TABLE few (k TEXT COLLATE NOCASE PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID; INSERT INTO few VALUES ('b', 1), ('A', '1');
             CREATE TABLE child (id INTEGER PRIMARY KEY, odd INT REFERENCES odd DEFERRABLE INITIALLY DEFERRED); INSERT INTO child VALUES (1, 1);
             CREATE VIRTUAL TABLE doc USING fts5(body); INSERT INTO doc VALUES ('rack row'), ('site');
             CREATE VIRTUAL TABLE area USING rtree(id, a, b); INSERT INTO area VALUES (1, 0, 1);
             CREATE INDEX odd_x ON odd (x DESC) WHERE x IS NOT NULL; CREATE UNIQUE INDEX odd_e ON odd (coalesce(i, id));
             CREATE VIEW shown AS SELECT x FROM odd; CREATE TABLE empty (a PRIMARY KEY);
             CREATE TRIGGER logged AFTER INSERT ON few BEGIN DELETE FROM empty; END;",
        );
    }

    fn touch(&self) {
        self.run("UPDATE device SET note = 'touched' WHERE id = 300;");
    }

    fn target(&self) -> Box<dyn Target> {
        Box::new(SqliteTarget::new(SqliteLocation::new(self.restored()), Arc::new(SystemClock)))
    }

    fn plain(&self) -> Vec<String> {
        plain(&self.path())
    }

    fn plain_of_target(&self) -> Vec<String> {
        plain(&self.restored())
    }

    fn trace_of_writes(&self) -> String {
        // Not through SQLite: opening a log may tidy it up.
        let length =
            |suffix: &str| self.folder.path().join(format!("source.db{suffix}")).metadata().map_or(0, |it| it.len());
        let bytes = std::fs::read(self.path()).unwrap();
        let sum = bytes.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        format!("{} {sum} {} {}", bytes.len(), length("-wal"), length("-journal"))
    }

    fn is_free(&self) -> bool {
        self.try_now("CREATE TABLE locked (a)") && self.try_now("DROP TABLE locked; VACUUM")
    }
}

impl TableFixture for Sqlite {
    fn run(&self, sql: &str) {
        self.connect().execute_batch(sql).unwrap();
    }

    fn try_now(&self, sql: &str) -> bool {
        self.connect().execute_batch(sql).is_ok()
    }

    fn class(&self, table: &str) -> String {
        table.into()
    }

    fn bytes(&self, value: &[u8]) -> (&'static str, String) {
        ("BLOB", format!("x'{}'", crate::fixture::hex(value)))
    }
}

/// Settings, definitions and every stored value with its storage class.
fn plain(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut lines = Vec::new();
    for pragma in ["application_id", "user_version", "page_size", "encoding", "auto_vacuum", "journal_mode"] {
        lines.push(format!("{pragma} {:?}", values(&connection, &format!("PRAGMA {pragma}"))));
    }
    lines.extend(values(&connection, "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"));
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name";
    let mut statement = connection.prepare(tables).unwrap();
    let names: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for name in names {
        let mut rows = values(&connection, &format!("SELECT * FROM \"{}\"", name.replace('"', "\"\"")));
        rows.sort();
        lines.extend(rows.into_iter().map(|row| format!("{name}: {row}")));
    }
    lines
}

fn values(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let shown = |value: ValueRef<'_>| match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(value) => format!("i{value}"),
        ValueRef::Real(value) => format!("r{:016x}", value.to_bits()),
        ValueRef::Text(bytes) => format!("t{}", bytes.escape_ascii()),
        ValueRef::Blob(bytes) => format!("b{}", bytes.escape_ascii()),
    };
    let row = |row: &rusqlite::Row<'_>| {
        let cells = (0..columns).map(|at| row.get_ref(at).map(shown)).collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(cells.join(" "))
    };
    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
}
