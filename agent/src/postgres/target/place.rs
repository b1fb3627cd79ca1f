//! Where a restore is loaded: what is under the target's name now, and the names of what stands beside it.

use strongroom_core::error::Code;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::postgres::blobs::model::Database;
use crate::postgres::driver::Refusal;
use crate::postgres::endpoint::Endpoint;
use crate::postgres::failure::Side;
use crate::postgres::marker;
use crate::postgres::names::{literal, quoted};
use crate::postgres::session::Session;
use crate::source::SourceError;

/// Databases from which others are made, in the order of trying.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

/// The server's limit on names.
const NAME_BYTES_MAX: usize = 63;

/// Objects that somebody made, beside those of extensions: an empty database has none.
const OBJECTS: &str = "SELECT o.name FROM (
        SELECT format('table or view %I.%I', n.nspname, c.relname) AS name, 'pg_class'::regclass AS class, c.oid
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' AND c.relkind NOT IN ('i', 'I')
                AND c.oid >= 16384
        UNION ALL SELECT 'function ' || p.oid::regprocedure, 'pg_proc'::regclass, p.oid FROM pg_proc p WHERE p.oid >= 16384
        UNION ALL SELECT 'type ' || t.oid::regtype, 'pg_type'::regclass, t.oid FROM pg_type t WHERE t.oid >= 16384 AND t.typrelid = 0
        UNION ALL SELECT 'schema ' || quote_ident(n.nspname), 'pg_namespace'::regclass, n.oid
            FROM pg_namespace n WHERE n.oid >= 16384 AND n.nspname !~ '^pg_' AND n.nspname <> 'public'
        UNION ALL SELECT 'large object ' || m.oid, 'pg_largeobject'::regclass, m.oid FROM pg_largeobject_metadata m
        UNION ALL SELECT 'event trigger ' || e.evtname, 'pg_event_trigger'::regclass, e.oid FROM pg_event_trigger e
        UNION ALL SELECT 'publication ' || p.pubname, 'pg_publication'::regclass, p.oid FROM pg_publication p
        UNION ALL SELECT 'foreign server ' || s.srvname, 'pg_foreign_server'::regclass, s.oid FROM pg_foreign_server s) AS o
    WHERE NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = o.class AND x.objid = o.oid AND x.deptype = 'e')
    ORDER BY 1 LIMIT 4";

/// What is under the target's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Occupancy {
    /// No such database.
    Missing,
    /// A database without anything in it.
    Empty,
    /// A database that a restore has left half loaded, with that restore's remark.
    Marked(String),
    /// A database in use, with some of its objects.
    Occupied(Vec<String>),
}

impl Occupancy {
    /// Looks at the target. Nothing is written.
    pub(super) fn of(endpoint: &Endpoint) -> Result<Self, SourceError> {
        let mut session = match Session::try_open(endpoint, Side::Target) {
            Ok(session) => session,
            Err(Refusal { state: Some(SqlState::INVALID_CATALOG_NAME), .. }) => return Ok(Self::Missing),
            Err(refusal) => return Err(refusal.error),
        };
        if let Some(remark) = marker::read(&mut session)? {
            return Ok(Self::Marked(remark));
        }
        let rows = session.rows(OBJECTS, &[])?;
        let names = rows.iter().map(|row| session.cell(row, 0)).collect::<Result<Vec<String>, _>>()?;
        Ok(if names.is_empty() { Self::Empty } else { Self::Occupied(names) })
    }
}

/// The place that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The target itself, which was empty.
    Direct,
    /// A database of its own, to be swapped with what is under the target's name, if anything is.
    Staging {
        /// Its name.
        name: String,
        /// The name under which what was there before is kept.
        kept: Option<String>,
    },
}

impl Place {
    /// The place for a target in this state.
    pub(super) fn of(endpoint: &Endpoint, occupancy: &Occupancy, token: &str) -> Self {
        let name = beside(endpoint.database(), "strongroom", token);
        let kept = || Some(beside(endpoint.database(), "before", token));
        match occupancy {
            Occupancy::Empty => Self::Direct,
            Occupancy::Missing => Self::Staging { name, kept: None },
            Occupancy::Marked(_) | Occupancy::Occupied(_) => Self::Staging { name, kept: kept() },
        }
    }

    /// Where it is.
    pub(super) fn endpoint(&self, target: &Endpoint) -> Endpoint {
        match self {
            Self::Direct => target.clone(),
            Self::Staging { name, .. } => target.with_database(name),
        }
    }
}

/// `NAME_word_TOKEN`, the name shortened where the server's limit asks for it.
fn beside(name: &str, word: &str, token: &str) -> String {
    let tail = format!("_{word}_{token}");
    let room = NAME_BYTES_MAX.saturating_sub(tail.len());
    let cut = (0..=room.min(name.len())).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
    format!("{}{tail}", name.get(..cut).unwrap_or_default())
}

/// A session from which databases are made, renamed and dropped.
pub(super) fn maintenance(endpoint: &Endpoint) -> Result<Session, SourceError> {
    let mut last = None;
    for name in MAINTENANCE.into_iter().filter(|name| *name != endpoint.database()) {
        match Session::open(&endpoint.with_database(name), Side::Target) {
            Ok(mut session) => {
                session.batch("SET default_transaction_read_only TO off")?;
                return Ok(session);
            }
            Err(error) => last = Some(error),
        }
    }
    let none =
        || SourceError::engine(Code::SourceUnreachable, endpoint.to_string(), "no maintenance database can be reached");
    Err(last.unwrap_or_else(none))
}

/// Databases that earlier restores of this target left behind.
pub(super) fn left_over(session: &mut Session, endpoint: &Endpoint) -> Result<Vec<String>, SourceError> {
    let sql = "SELECT datname FROM pg_database WHERE starts_with(datname, $1) ORDER BY datname";
    let prefix = beside(endpoint.database(), "strongroom", "");
    let rows = session.rows(sql, &[(&prefix, Type::TEXT)])?;
    rows.iter().map(|row| session.cell(row, 0)).collect()
}

/// The statement that makes a database like the snapshot's.
pub(super) fn create_statement(name: &str, like: &Database, version: i32) -> String {
    let provider = match (like.provider.as_str(), &like.locale) {
        _ if version < 15 => String::new(),
        ("i", Some(locale)) => {
            let rules = like.icu_rules.as_ref().filter(|_| version >= 16);
            let rules = rules.map(|rules| format!(" ICU_RULES {}", literal(rules))).unwrap_or_default();
            format!(" LOCALE_PROVIDER icu ICU_LOCALE {}{rules}", literal(locale))
        }
        ("b", Some(locale)) => format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {}", literal(locale)),
        _ => " LOCALE_PROVIDER libc".to_owned(),
    };
    format!(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {} OWNER {}{provider}",
        quoted(name),
        literal(&like.encoding),
        literal(&like.collate),
        literal(&like.ctype),
        quoted(&like.owner)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beside_the_target_fit_the_server() {
        assert_eq!(beside("cmdb", "before", "ab12"), "cmdb_before_ab12");
        let long = beside(&"ä".repeat(40), "strongroom", "ab12");
        assert!(long.len() <= NAME_BYTES_MAX && long.ends_with("_strongroom_ab12"));
    }

    #[test]
    fn a_database_is_made_with_the_locale_of_the_snapshot() {
        let mut like: Database = serde_json::from_value(serde_json::json!({
            "name": "a", "owner": "o'x", "encoding": "UTF8", "collate": "C", "ctype": "C", "provider": "c",
            "connection_limit": -1
        }))
        .unwrap();
        assert!(create_statement("b", &like, 13).ends_with("OWNER \"o'x\""));
        assert!(create_statement("b", &like, 15).ends_with("LOCALE_PROVIDER libc"));
        (like.provider, like.locale) = ("i".into(), Some("de-AT".into()));
        assert!(create_statement("b", &like, 15).ends_with("LOCALE_PROVIDER icu ICU_LOCALE 'de-AT'"));
    }
}
