//! Making a database empty again that was empty before a load into it was given up.
//!
//! The mark goes last: a database that could not be emptied stays marked.

use strongroom_core::error::Code;

use crate::postgres::endpoint::Endpoint;
use crate::postgres::marker;
use crate::postgres::names::quoted;
use crate::postgres::session::Session;
use crate::source::SourceError;

use super::prepare::session_at;

/// Statements that drop everything that a load may have made, in an order in which they work.
const DROPS: &str = "SELECT sql FROM (
        SELECT 1 AS place, format('DROP EVENT TRIGGER %I', evtname) AS sql FROM pg_event_trigger
        UNION ALL SELECT 2, format('DROP PUBLICATION %I', pubname) FROM pg_publication
        UNION ALL SELECT 3, format('SELECT lo_unlink(%s)', oid) FROM pg_largeobject_metadata
        UNION ALL SELECT 4, format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace
            WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', '{marker}')
        UNION ALL SELECT 5, format('DROP EXTENSION IF EXISTS %I CASCADE', extname) FROM pg_extension WHERE extname <> 'plpgsql'
        UNION ALL SELECT 6, format('DROP FOREIGN DATA WRAPPER IF EXISTS %I CASCADE', fdwname) FROM pg_foreign_data_wrapper) AS all_drops
    ORDER BY place, sql";

/// The schema that every new database has, as the server's versions make it.
const PUBLIC: &str = "CREATE SCHEMA public; COMMENT ON SCHEMA public IS 'standard public schema';";

/// Empties the database and takes its mark away.
pub(super) fn clear(target: &Endpoint) -> Result<(), SourceError> {
    let mut session = session_at(target)?;
    if marker::read(&mut session)?.is_none() {
        let message = "the database does not have the mark of a restore: nothing was dropped";
        return Err(SourceError::engine(Code::TargetFailed, target.to_string(), message));
    }
    let rows = session.rows(&DROPS.replace("{marker}", marker::SCHEMA), &[])?;
    let drops = rows.iter().map(|row| session.cell(row, 0)).collect::<Result<Vec<String>, _>>()?;
    for sql in &drops {
        session.batch(sql)?;
    }
    session.batch(PUBLIC)?;
    session.batch(public_rights(&session))?;
    let name = quoted(target.database());
    // Only an owner could set it.
    let _ = session.try_batch(&format!("ALTER DATABASE {name} RESET default_transaction_read_only"));
    session.batch(&format!("DROP SCHEMA {} CASCADE", marker::SCHEMA))
}

const fn public_rights(session: &Session) -> &'static str {
    if session.version() >= 15 {
        "ALTER SCHEMA public OWNER TO pg_database_owner; GRANT USAGE ON SCHEMA public TO PUBLIC"
    } else {
        "GRANT ALL ON SCHEMA public TO PUBLIC"
    }
}
