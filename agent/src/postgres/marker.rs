//! The mark on a database that is being restored, so that nobody takes it for whole.
//!
//! The mark is a schema that no application has, made before anything else and dropped after everything else. Whoever
//! lists the database sees it; captures refuse it, and restores know what they find.

use strongroom_core::error::Code;
use tokio_postgres::types::Type;

use crate::source::SourceError;

use super::endpoint::Endpoint;
use super::session::Session;

/// The schema that marks a database under restore.
pub(crate) const SCHEMA: &str = "strongroom_restore_in_progress";

/// The remark of the mark, if the database has it: whose restore it is.
pub(crate) fn read(session: &mut Session) -> Result<Option<String>, SourceError> {
    let sql = "SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace WHERE nspname = $1";
    let rows = session.rows(sql, &[(&SCHEMA, Type::TEXT)])?;
    rows.first().map(|row| session.cell(row, 0)).transpose()
}

/// Refuses to capture a marked database.
pub(crate) fn refuse(session: &mut Session, endpoint: &Endpoint) -> Result<(), SourceError> {
    let Some(remark) = read(session)? else { return Ok(()) };
    let message = format!(
        "the database is being restored, or its restore was broken off ({remark}): it is not whole. If no restore runs, \
         restore it again, or drop the schema {SCHEMA} to take it as it is"
    );
    Err(SourceError::engine(Code::Busy, endpoint.to_string(), message))
}
