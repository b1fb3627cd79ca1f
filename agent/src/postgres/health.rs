//! The server's health as its catalog tells it, before any row is read: what a restore would stumble over, and what
//! makes this a bad moment.
//!
//! It asks the catalog and the statistics views alone, so it costs milliseconds and takes no lock. What other users do
//! is seen only as far as the login may see it.

use std::time::Duration;

use tokio_postgres::types::Type;

use crate::source::{Finding, Severity, SourceError};

use super::session::Session;

/// Findings of a kind that are told one by one.
const TOLD_MAX: i64 = 20;

/// Subject and sentence of what is worth a warning. The parameter is the age in seconds from which a transaction is
/// told; it counts back from the beginning of the leader's own, which is older than those of its lanes.
const WARNINGS: &str = "
    SELECT * FROM (
        SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname),
            CASE WHEN i.indisunique
                THEN 'is an invalid unique index: equal values may be there, and would fail a restore; find them and '
                    || 'build it again'
                ELSE 'is an invalid index, left by a build that broke off: build it again or drop it' END
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT i.indisvalid AND c.relkind = 'i'
        ORDER BY 1 LIMIT $2) AS indexes
    UNION ALL SELECT * FROM (
        SELECT coalesce(nullif(r.conrelid, 0)::regclass::text || ', ', '') || quote_ident(r.conname),
            'is a constraint that is NOT VALID: rows may break it; check them with VALIDATE CONSTRAINT'
        FROM pg_constraint r WHERE NOT r.convalidated
        ORDER BY 1 LIMIT $2) AS constraints
    UNION ALL SELECT * FROM (
        SELECT 'server process ' || a.pid,
            'has a transaction open since ' || date_trunc('second', a.xact_start)
                || ': what it has written is not in the snapshot, and vacuum waits for it'
        FROM pg_stat_activity a
        WHERE a.backend_type = 'client backend' AND a.datname = current_database() AND a.pid <> pg_backend_pid()
            AND a.xact_start < now() - make_interval(secs => $1)
        ORDER BY a.xact_start LIMIT $2) AS transactions
    UNION ALL SELECT * FROM (
        SELECT 'prepared transaction ' || p.gid,
            'is open since ' || date_trunc('second', p.prepared)
                || ': what it has written is not in the snapshot, and its locks stay until it is ended'
        FROM pg_prepared_xacts p
        WHERE p.database = current_database() AND p.prepared < now() - make_interval(secs => $1)
        ORDER BY p.prepared LIMIT $2) AS prepared
    UNION ALL
        SELECT 'the server', 'is a standby whose replay is paused: the snapshot has nothing that came later'
        WHERE CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END";

/// Subject and sentence of what is worth knowing.
const NOTES: &str = "
    SELECT 'the server', 'is a standby: the snapshot has what it has replayed, up to '
            || coalesce(date_trunc('second', pg_last_xact_replay_timestamp())::text, 'a time that it does not know')
            || ', and a conflict with replay can end the capture'
    WHERE pg_is_in_recovery()";

/// What there is to say.
pub(super) fn findings(leader: &mut Session, long_transaction: Duration) -> Result<Vec<Finding>, SourceError> {
    let seconds = long_transaction.as_secs_f64();
    let mut findings = Vec::new();
    for row in leader.rows(WARNINGS, &[(&seconds, Type::FLOAT8), (&TOLD_MAX, Type::INT8)])? {
        let (subject, message) = (leader.cell(&row, 0)?, leader.cell(&row, 1)?);
        findings.push(Finding { severity: Severity::Warning, subject, message });
    }
    for row in leader.rows(NOTES, &[])? {
        let (subject, message) = (leader.cell(&row, 0)?, leader.cell(&row, 1)?);
        findings.push(Finding { severity: Severity::Info, subject, message });
    }
    Ok(findings)
}
