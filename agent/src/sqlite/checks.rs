//! What SQLite itself has to say about a restored database.
//!
//! Owns the checks and the making of planner statistics. It changes no row; what it finds may well have been so in the
//! source, so it finds and does not judge. References are checked table by table: one that declares a reference which
//! SQLite can't follow, as to a column that is not unique, keeps nobody from checking the others.

use rusqlite::{Connection, OpenFlags, Row};

use super::connect::open;
use super::location::SqliteLocation;
use super::native::Pragmas;
use super::staging::load_failed;
use crate::source::{Finding, Severity, SourceError};

/// Rows of an index that the making of statistics looks at: enough for the planner, and quick on a large database.
const ANALYSIS_LIMIT: u32 = 1000;

/// Problems that the integrity check lists at most.
const PROBLEMS_MAX: u32 = 100;

/// Runs all checks, and makes statistics if the source had some.
pub(super) fn run(connection: &Connection, pragmas: &Pragmas) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut note = |subject: &str, outcome: rusqlite::Result<Vec<Finding>>| match outcome {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(warning(subject, format!("it could not be done: {error}"))),
    };
    note("integrity_check", integrity(connection));
    note("foreign_key_check", broken(connection).map(|broken| broken.findings));
    if pragmas.analyzed {
        let sql = format!("PRAGMA analysis_limit = {ANALYSIS_LIMIT}; ANALYZE main;");
        note("analyze", connection.execute_batch(&sql).map(|()| Vec::new()));
    }
    findings
}

fn integrity(connection: &Connection) -> rusqlite::Result<Vec<Finding>> {
    // Rows that break a CHECK are listed only while checks are on.
    connection.execute_batch("PRAGMA ignore_check_constraints = OFF")?;
    let mut statement = connection.prepare(&format!("PRAGMA main.integrity_check({PROBLEMS_MAX})"))?;
    let lines: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").map(|line| warning("integrity_check", line)).collect())
}

/// References of a database that lead nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokenReferences {
    /// How many there are, in the tables that could be checked.
    pub count: u64,
    /// The tables with broken references, and those that could not be checked.
    pub findings: Vec<Finding>,
}

/// Counts the references of a database that lead nowhere.
pub fn broken_references(location: &SqliteLocation) -> Result<BrokenReferences, SourceError> {
    let checked = open(location.path(), OpenFlags::SQLITE_OPEN_READ_ONLY)
        .and_then(|connection| broken(&connection))
        .map_err(|error| load_failed("foreign_key_check", error))?;
    Ok(checked)
}

fn broken(connection: &Connection) -> rusqlite::Result<BrokenReferences> {
    let mut broken = BrokenReferences::default();
    for table in referring_tables(connection)? {
        match broken_of(connection, &table) {
            Ok(parents) => broken.findings.extend(parents.into_iter().map(|(parent, count)| {
                broken.count += count;
                warning(&table, format!("{count} rows refer to rows of {parent} that are not there"))
            })),
            Err(error) => {
                broken.findings.push(warning(&table, format!("its references can't be checked: {error}")));
            }
        }
    }
    Ok(broken)
}

fn referring_tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT DISTINCT t.name FROM main.sqlite_schema t, pragma_foreign_key_list(t.name, 'main')
        WHERE t.type = 'table' ORDER BY t.name";
    connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

fn broken_of(connection: &Connection, table: &str) -> rusqlite::Result<Vec<(String, u64)>> {
    let sql = "SELECT parent, count(*) FROM pragma_foreign_key_check(?1, 'main') GROUP BY parent ORDER BY parent";
    let counted = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()));
    connection.prepare(sql)?.query_map([table], counted)?.collect()
}

fn warning(subject: &str, message: String) -> Finding {
    Finding { severity: Severity::Warning, subject: subject.into(), message }
}
