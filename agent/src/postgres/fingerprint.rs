//! The catalog fingerprint of a PostgreSQL database: every object that a restore must bring back, by name.
//!
//! Definitions come from the server's own deparsers (`pg_get_…def`) under an empty search path, so that all names in
//! them are qualified, or from catalog columns; no object number, size, statistic or sequence state enters. Grants are
//! expanded, so that a missing list and one that says the default are equal. What belongs to an extension is the
//! extension's and not listed. Secrets of user mappings are masked: only the names of their options count.

mod access;
mod routines;
mod tables;
mod types;

use tokio_postgres::types::FromSql;

use crate::fingerprint::Fingerprint;
use crate::source::SourceError;

use super::marker;
use super::session::Session;

/// A kind of object, and the query that gives name and definition of each.
type Kind = (&'static str, &'static str);

/// Text in whatever bytes the database holds: one in `SQL_ASCII` need not hold UTF-8.
pub(crate) struct RawText(pub(crate) String);

impl<'a> FromSql<'a> for RawText {
    fn from_sql(
        _: &tokio_postgres::types::Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(String::from_utf8_lossy(raw).into_owned()))
    }

    fn accepts(_: &tokio_postgres::types::Type) -> bool {
        true
    }
}

/// Reads the fingerprint in the session's snapshot.
pub(crate) fn read(session: &mut Session) -> Result<Fingerprint, SourceError> {
    let mut fingerprint = Fingerprint::default();
    let version = session.version();
    let kinds = tables::KINDS.iter().chain(types::KINDS).chain(routines::KINDS).chain(access::KINDS);
    for (kind, template) in kinds {
        for row in session.rows(&expand(template, version), &[])? {
            let (name, definition): (RawText, Option<RawText>) = (session.cell(&row, 0)?, session.cell(&row, 1)?);
            fingerprint.put(kind, &name.0, definition.map(|text| text.0).unwrap_or_default());
        }
    }
    Ok(fingerprint)
}

/// Fills in what many queries share. Placeholders are
///
/// - `{user}`: the schema `n` is not one of the server's own,
/// - `{free:CATALOG:OID}`: the object belongs to no extension,
/// - `{acl:LIST:KIND:OWNER}`: the grants as sorted JSON, defaults filled in,
/// - `{since:VERSION:EXPRESSION}`: the expression, or NULL on servers before that version.
fn expand(template: &str, version: i32) -> String {
    let mut sql = String::new();
    let mut rest = template;
    while let Some((plain, tail)) = rest.split_once('{') {
        sql.push_str(plain);
        let Some((inner, after)) = tail.split_once('}') else { break };
        let parts: Vec<&str> = inner.split(':').collect();
        match parts.as_slice() {
            ["user"] => {
                sql.push_str("n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '");
                sql.push_str(marker::SCHEMA);
                sql.push_str("')");
            }
            ["free", catalog, oid] => sql.push_str(&free(catalog, oid)),
            ["acl", list, kind, owner] => sql.push_str(&grants(list, kind, owner)),
            ["since", from, expression] => {
                let is_known = from.parse().is_ok_and(|from: i32| version >= from);
                sql.push_str(if is_known { expression } else { "NULL" });
            }
            _ => sql.push_str(inner),
        }
        rest = after;
    }
    sql.push_str(rest);
    sql
}

/// A condition: the object belongs to no extension.
fn free(catalog: &str, oid: &str) -> String {
    format!(
        "NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = '{catalog}'::regclass AND x.objid = {oid}
            AND x.deptype = 'e')"
    )
}

/// An expression that gives the grants of an object as a sorted JSON list.
fn grants(list: &str, kind: &str, owner: &str) -> String {
    format!(
        "(SELECT jsonb_agg(g.line ORDER BY g.line) FROM (SELECT concat_ws(' ',
            CASE a.grantee WHEN 0 THEN 'PUBLIC' WHEN {owner} THEN '(owner)' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
            a.privilege_type, CASE WHEN a.is_grantable THEN 'WITH GRANT OPTION' END,
            CASE WHEN a.grantor <> {owner} THEN 'BY ' || quote_ident(pg_get_userbyid(a.grantor)) END) AS line
        FROM aclexplode(coalesce({list}, acldefault('{kind}', {owner}))) AS a) AS g)"
    )
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn placeholders_follow_the_version() {
        assert_eq!(expand("SELECT {since:14:a.b}, c", 13), "SELECT NULL, c");
        assert_eq!(expand("SELECT {since:14:a.b}, c", 14), "SELECT a.b, c");
        assert!(expand("{free:pg_class:c.oid}", 15).contains("x.objid = c.oid"));
    }
}
