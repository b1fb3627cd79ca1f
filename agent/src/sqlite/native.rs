//! The native blobs: what restores the parts of a database that records do not hold.
//!
//! ```text
//! ddl-before    tables                            SQL
//! ddl-after     indexes, views, triggers;         SQL
//!               then virtual tables
//! sequences     the rows of sqlite_sequence       SQL, if there is such a table
//! pragmas       settings of the file              JSON
//! fingerprint   all objects and settings          JSON
//! ```
//!
//! SQL blobs can be given to any SQLite as they are. Each object stands behind a comment line that says what it is and
//! how many bytes long, so that a target can take them one by one and name what it could not take.
//!
//! A virtual table is restored by writing its definition into the schema, never by CREATE VIRTUAL TABLE: its shadow
//! tables come back as the tables that they are, whether or not its module is at hand.

use std::fmt::Write as _;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use strongroom_core::error::Code;

use super::catalog::{Catalog, Kind, Object};
use super::connect::{pragma_number, pragma_word};
use super::quote;
use crate::fingerprint::{Fingerprint, FingerprintError};
use crate::source::{NativeBlob, SourceError};

/// Settings that lie in the file itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pragmas {
    /// The application's own number.
    pub application_id: i64,
    /// The application's own version of its schema.
    pub user_version: i64,
    /// `UTF-8`, `UTF-16le` or `UTF-16be`.
    pub encoding: String,
    /// Bytes a page.
    pub page_size: i64,
    /// 0 none, 1 full, 2 incremental.
    pub auto_vacuum: i64,
    /// `wal`, or `delete` for any kind of rollback journal.
    pub journal_mode: String,
    /// Whether the planner had statistics, which are made again and not restored.
    pub analyzed: bool,
}

impl Pragmas {
    /// Reads the settings.
    pub(super) fn read(connection: &Connection, catalog: &Catalog) -> rusqlite::Result<Self> {
        Ok(Self {
            application_id: pragma_number(connection, "application_id")?,
            user_version: pragma_number(connection, "user_version")?,
            encoding: pragma_word(connection, "encoding")?,
            page_size: pragma_number(connection, "page_size")?,
            auto_vacuum: pragma_number(connection, "auto_vacuum")?,
            journal_mode: pragma_word(connection, "journal_mode")?,
            analyzed: catalog.has_statistics,
        })
    }

    /// Reads the blob `pragmas`.
    pub fn from_blob(content: &[u8]) -> Result<Self, SourceError> {
        serde_json::from_slice(content).map_err(|error| damaged("pragmas", error))
    }

    /// The settings that a restored database has too, by name.
    fn lasting(&self) -> [(&'static str, String); 5] {
        [
            ("application_id", self.application_id.to_string()),
            ("user_version", self.user_version.to_string()),
            ("encoding", self.encoding.clone()),
            ("page_size", self.page_size.to_string()),
            ("auto_vacuum", self.auto_vacuum.to_string()),
        ]
    }
}

/// One object of a DDL blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DdlObject {
    /// `table`, `index`, `view`, `trigger` or `virtual table`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The statement, or statements, that make it.
    pub sql: String,
}

/// The comment line before an object.
#[derive(Serialize, Deserialize)]
struct Heading {
    kind: String,
    name: String,
    bytes: usize,
}

const HEADING: &str = "-- strongroom ";
const TERMINATOR: &str = "\n;\n";

/// All blobs of a cut.
pub(super) fn blobs(
    connection: &Connection,
    catalog: &Catalog,
    pragmas: &Pragmas,
) -> Result<Vec<NativeBlob>, SourceError> {
    let blob = |role: &str, content: Vec<u8>| NativeBlob { role: role.into(), content };
    let json = serde_json::to_vec(pragmas).map_err(|error| damaged("pragmas", error))?;
    let fingerprint = fingerprint(catalog, pragmas).to_blob().map_err(unwritable)?;
    let mut blobs = vec![
        blob("pragmas", json),
        blob("ddl-before", ddl_before(catalog).into_bytes()),
        blob("ddl-after", ddl_after(catalog).into_bytes()),
        blob("fingerprint", fingerprint),
    ];
    if catalog.has_sequences {
        let sql = sequences(connection).map_err(|error| super::connect::failed("sqlite_sequence", error))?;
        blobs.push(blob("sequences", sql.into_bytes()));
    }
    Ok(blobs)
}

/// The catalog in comparable form.
pub(super) fn fingerprint(catalog: &Catalog, pragmas: &Pragmas) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    for object in &catalog.objects {
        fingerprint.put(object.kind.word(), &object.name, object.sql.as_str());
    }
    for (name, value) in pragmas.lasting() {
        fingerprint.put("setting", name, value);
    }
    fingerprint
}

fn ddl_before(catalog: &Catalog) -> String {
    let mut out = String::new();
    catalog.of(Kind::Table).for_each(|table| put(&mut out, table, &table.sql));
    out
}

fn ddl_after(catalog: &Catalog) -> String {
    let mut out = String::new();
    for object in &catalog.objects {
        if matches!(object.kind, Kind::Index | Kind::View | Kind::Trigger) {
            put(&mut out, object, &object.sql);
        }
    }
    for object in catalog.of(Kind::VirtualTable) {
        let values = [&object.name, &object.name].map(|name| quote::text(name)).join(", ");
        let sql = format!(
            "PRAGMA writable_schema = ON;\n\
             INSERT INTO sqlite_schema(type, name, tbl_name, rootpage, sql) VALUES ('table', {values}, 0, {});\n\
             PRAGMA writable_schema = OFF",
            quote::text(&object.sql)
        );
        put(&mut out, object, &sql);
    }
    out
}

fn put(out: &mut String, object: &Object, sql: &str) {
    let heading = Heading { kind: object.kind.word().into(), name: object.name.clone(), bytes: sql.len() };
    let heading = serde_json::to_string(&heading).unwrap_or_default();
    // Writing to a string can't fail. The terminator has a line of its own: the statement may end in a comment.
    let _ = write!(out, "{HEADING}{heading}\n{sql}{TERMINATOR}");
}

/// Reads a DDL blob back into its objects.
pub fn parse_ddl(content: &[u8]) -> Result<Vec<DdlObject>, SourceError> {
    let malformed = || SourceError::engine(Code::Damaged, "ddl", "the blob does not follow its format");
    let mut rest = std::str::from_utf8(content).map_err(|_| malformed())?;
    let mut objects = Vec::new();
    while !rest.is_empty() {
        let (line, tail) = rest.strip_prefix(HEADING).and_then(|rest| rest.split_once('\n')).ok_or_else(malformed)?;
        let heading: Heading = serde_json::from_str(line).map_err(|error| damaged("ddl", error))?;
        let (sql, tail) = tail.split_at_checked(heading.bytes).ok_or_else(malformed)?;
        rest = tail.strip_prefix(TERMINATOR).ok_or_else(malformed)?;
        objects.push(DdlObject { kind: heading.kind, name: heading.name, sql: sql.into() });
    }
    Ok(objects)
}

fn sequences(connection: &Connection) -> rusqlite::Result<String> {
    let mut statement =
        connection.prepare("SELECT quote(name), quote(seq) FROM main.sqlite_sequence ORDER BY name, seq")?;
    let mut rows = statement.query([])?;
    let mut out = String::from("DELETE FROM sqlite_sequence;\n");
    while let Some(row) = rows.next()? {
        let (name, seq): (String, String) = (row.get(0)?, row.get(1)?);
        let _ = writeln!(out, "INSERT INTO sqlite_sequence(name, seq) VALUES ({name}, {seq});");
    }
    Ok(out)
}

fn damaged(subject: &str, error: serde_json::Error) -> SourceError {
    SourceError::Engine {
        code: Code::Damaged,
        subject: subject.into(),
        message: "the blob does not follow its format".into(),
        source: Some(Box::new(error)),
    }
}

fn unwritable(error: FingerprintError) -> SourceError {
    SourceError::Engine {
        code: Code::Internal,
        subject: "fingerprint".into(),
        message: "it can't be written down".into(),
        source: Some(Box::new(error)),
    }
}
