//! By what a transaction is known again, and what became of it.
//!
//! Its number alone says little: physical standbys and clones count on from the same number, and may be reached by the
//! same name after a failover. So the server, the timeline and the database stand beside it.
//!
//! Only a number that this very server has given to it is conclusive. Of one that may still be at work it is never said
//! that it is gone.

use strongroom_core::error::Code;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::live::{Fate, TransactionMark};
use crate::postgres::session::Session;
use crate::source::SourceError;

/// Who may not ask for the server's id is known by the rest. The check comes before the call, not beside it: a call
/// that is never made is refused, too.
const MAY_ASK: &str = "SELECT has_function_privilege('pg_control_system()', 'EXECUTE'), pg_is_in_recovery()";

const SERVER: &str = "SELECT system_identifier::text FROM pg_control_system()";

/// The timeline of what is written now: the control file's is that of the last checkpoint.
const TIMELINE: &str = "SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)";

const DATABASE: &str = "SELECT oid::text FROM pg_database WHERE datname = current_database()";

/// Where a session is.
struct Place {
    /// The server's id; empty where the login may not ask.
    server: String,
    database: String,
    timeline: String,
}

impl Place {
    fn read(session: &mut Session) -> Result<Self, SourceError> {
        let row = session.one(MAY_ASK, &[])?;
        let (may_ask, is_standby): (bool, bool) = (session.cell(&row, 0)?, session.cell(&row, 1)?);
        let server = if may_ask { text(session, SERVER)? } else { String::new() };
        if is_standby {
            let message = "the server is a standby, which knows only what has reached it";
            return Err(SourceError::engine(Code::TargetFailed, "PostgreSQL", message));
        }
        Ok(Self { server, database: text(session, DATABASE)?, timeline: text(session, TIMELINE)? })
    }
}

/// The mark of a session's transaction.
pub(super) fn mark(session: &mut Session) -> Result<TransactionMark, SourceError> {
    let place = Place::read(session)?;
    let number = text(session, "SELECT pg_current_xact_id()::text")?;
    Ok(TransactionMark([place.server, place.timeline, place.database, number].join("/")))
}

/// What became of a transaction.
pub(super) fn fate(session: &mut Session, mark: &TransactionMark) -> Result<Fate, SourceError> {
    let [server, timeline, database, number] = mark.0.split('/').collect::<Vec<_>>()[..] else {
        return Ok(Fate::Unknown);
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Fate::Unknown);
    }
    let here = Place::read(session)?;
    let is_other_server = here.server != server && !here.server.is_empty() && !server.is_empty();
    if is_other_server || here.database != database {
        return Ok(Fate::Unknown);
    }
    let status = status(session, number)?;
    let is_same = here.server == server && here.timeline == timeline;
    Ok(match status.as_deref() {
        Some("in progress") => Fate::Running,
        Some("committed") if is_same => Fate::Committed,
        Some("aborted") if is_same => Fate::Gone,
        _ => Fate::Unknown,
    })
}

/// What the server says of a number; nothing if it has forgotten it, or never gave it to a transaction.
///
/// A number may be given and running although it is past the newest one that has ended, up to which snapshots reach.
/// One that was never given is refused, which alone tells it from those.
fn status(session: &mut Session, number: &str) -> Result<Option<String>, SourceError> {
    session.batch("SAVEPOINT fate")?;
    match session.try_batch(&format!("SELECT pg_xact_status('{number}'::xid8)")) {
        Ok(()) => session.batch("RELEASE fate")?,
        Err(refusal) if refusal.state == Some(SqlState::INVALID_PARAMETER_VALUE) => {
            session.batch("ROLLBACK TO fate")?;
            return Ok(None);
        }
        Err(refusal) => return Err(refusal.error),
    }
    let row = session.one("SELECT pg_xact_status($1::text::xid8)", &[(&number, Type::TEXT)])?;
    session.cell(&row, 0)
}

fn text(session: &mut Session, sql: &str) -> Result<String, SourceError> {
    let row = session.one(sql, &[])?;
    session.cell(&row, 0)
}
