//! Facts of a cut: versions, the position in the server's own order, and the settings that a restore must meet.

use std::collections::BTreeMap;

use crate::source::{CutFacts, Finding, Severity, SourceError};

use super::endpoint::Endpoint;
use super::session::Session;

/// Settings of the database itself. ICU's column was renamed in version 17, and collation versions came with 15, so
/// the row is read as JSON.
const DATABASE: &str = "SELECT to_jsonb(d)::text, pg_encoding_to_char(d.encoding), current_setting('server_version'),
        current_setting('server_version_num'), current_setting('wal_level')
    FROM pg_database d WHERE d.datname = current_database()";

const POSITION: &str =
    "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text,
        pg_current_snapshot()::text, clock_timestamp()::text, pg_is_in_recovery()::text";

const CONTROL: &str = "SELECT (SELECT system_identifier::text FROM pg_control_system()),
        (SELECT timeline_id::text FROM pg_control_checkpoint())
    WHERE has_function_privilege('pg_control_system()', 'EXECUTE')
        AND has_function_privilege('pg_control_checkpoint()', 'EXECUTE')";

/// Things beside tables that a capture leaves out, with the reason.
const LEFT_OUT: &str =
    "SELECT 'subscription ' || s.subname, 'subscriptions are not captured: a restored copy must not pull changes'
    FROM pg_stat_subscription s WHERE s.relid IS NULL";

/// The facts of the leader's cut.
pub(crate) fn read(leader: &mut Session, endpoint: &Endpoint) -> Result<CutFacts, SourceError> {
    let row = leader.one(DATABASE, &[])?;
    let database: String = leader.cell(&row, 0)?;
    let database: BTreeMap<String, serde_json::Value> = serde_json::from_str(&database).unwrap_or_default();
    let mut settings = BTreeMap::new();
    for (setting, names) in [
        ("collate", &["datcollate"][..]),
        ("ctype", &["datctype"]),
        ("locale_provider", &["datlocprovider"]),
        ("locale", &["datlocale", "daticulocale"]),
        ("icu_rules", &["daticurules"]),
        ("collation_version", &["datcollversion"]),
    ] {
        if let Some(value) = names.iter().find_map(|name| database.get(*name)?.as_str()) {
            settings.insert(setting.to_owned(), value.to_owned());
        }
    }
    for (at, name) in [(1, "encoding"), (3, "server_version_num"), (4, "wal_level")] {
        settings.insert(name.to_owned(), leader.cell(&row, at)?);
    }
    Ok(CutFacts {
        engine: "postgresql".into(),
        engine_version: leader.cell(&row, 2)?,
        database: endpoint.database().to_owned(),
        position: position(leader)?,
        settings,
        findings: Vec::new(),
    })
}

fn position(leader: &mut Session) -> Result<BTreeMap<String, String>, SourceError> {
    let mut position = BTreeMap::new();
    let row = leader.one(POSITION, &[])?;
    for (at, name) in [(0, "lsn"), (1, "snapshot"), (2, "server_time"), (3, "in_recovery")] {
        if let Some(value) = leader.cell::<Option<String>>(&row, at)? {
            position.insert(name.to_owned(), value);
        }
    }
    if let Some(row) = leader.rows(CONTROL, &[])?.first() {
        position.insert("system_identifier".into(), leader.cell(row, 0)?);
        position.insert("timeline".into(), leader.cell(row, 1)?);
    }
    Ok(position)
}

/// Findings on what a capture leaves out.
pub(crate) fn object_findings(leader: &mut Session) -> Result<Vec<Finding>, SourceError> {
    let rows = leader.rows(LEFT_OUT, &[])?;
    let finding =
        |row| Ok(Finding { severity: Severity::Info, subject: leader.cell(row, 0)?, message: leader.cell(row, 1)? });
    rows.iter().map(finding).collect()
}
