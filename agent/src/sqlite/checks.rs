//! What SQLite itself has to say about a restored database.
//!
//! Owns the checks and the making of planner statistics. It changes no row; what it finds may well have been so in the
//! source, so it finds and does not judge.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::native::Pragmas;
use crate::source::{Finding, Severity};

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
    note("foreign_key_check", foreign_keys(connection));
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

fn foreign_keys(connection: &Connection) -> rusqlite::Result<Vec<Finding>> {
    let mut statement = connection.prepare("PRAGMA main.foreign_key_check")?;
    let mut rows = statement.query([])?;
    let mut dangling: BTreeMap<(String, String), u64> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        *dangling.entry((row.get("table")?, row.get("parent")?)).or_default() += 1;
    }
    let found = |((table, parent), count): ((String, String), u64)| {
        warning(&table, format!("{count} rows refer to rows of {parent} that are not there"))
    };
    Ok(dangling.into_iter().map(found).collect())
}

fn warning(subject: &str, message: String) -> Finding {
    Finding { severity: Severity::Warning, subject: subject.into(), message }
}
