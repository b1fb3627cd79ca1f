//! The queries behind the JSON blobs.

use serde::de::DeserializeOwned;

use crate::postgres::fingerprint::RawText;
use crate::postgres::marker;
use crate::postgres::names::qualified;
use crate::postgres::session::Session;
use crate::source::SourceError;

use super::model::{Database, Extension, LargeObject, MaterialisedView, Role, SequenceState};
use super::unreadable;

/// Sequences read with one statement.
const SEQUENCES_AT_ONCE: usize = 200;

const SEQUENCES: &str = "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
    ORDER BY n.nspname, c.relname";

/// Roles that own something, are granted something, or have settings here. The server notes most of them itself, but
/// not the one that it was made with.
const ROLES: &str = "WITH here AS (SELECT oid, datdba FROM pg_database WHERE datname = current_database()),
    named (oid) AS (
        SELECT s.refobjid FROM pg_shdepend s, here WHERE s.refclassid = 'pg_authid'::regclass
            AND (s.dbid = here.oid OR s.dbid = 0 AND s.classid = 'pg_database'::regclass AND s.objid = here.oid)
        UNION SELECT datdba FROM here
        UNION SELECT c.relowner FROM pg_class c WHERE c.oid >= 16384
        UNION SELECT p.proowner FROM pg_proc p WHERE p.oid >= 16384
        UNION SELECT t.typowner FROM pg_type t WHERE t.oid >= 16384
        UNION SELECT n.nspowner FROM pg_namespace n WHERE n.oid >= 16384 OR n.nspname = 'public'
        UNION SELECT lomowner FROM pg_largeobject_metadata
        UNION SELECT r.setrole FROM pg_db_role_setting r, here WHERE r.setdatabase = here.oid AND r.setrole <> 0)
    SELECT coalesce(jsonb_agg(jsonb_build_object('name', r.rolname, 'superuser', r.rolsuper, 'inherit', r.rolinherit,
        'create_role', r.rolcreaterole, 'create_database', r.rolcreatedb, 'login', r.rolcanlogin,
        'replication', r.rolreplication, 'bypass_row_security', r.rolbypassrls, 'connection_limit', r.rolconnlimit,
        'member_of', (SELECT coalesce(jsonb_agg(g.rolname ORDER BY g.rolname), '[]') FROM pg_auth_members m
            JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid),
        'comment', shobj_description(r.oid, 'pg_authid')) ORDER BY r.rolname), '[]')::text
    FROM pg_roles r JOIN named ON named.oid = r.oid";

const GRANTS: &str = "(SELECT jsonb_agg(jsonb_build_object('grantee', CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END,
        'privilege', a.privilege_type, 'grantable', a.is_grantable) ORDER BY a.grantee <> 0, pg_get_userbyid(a.grantee), a.privilege_type)
    FROM aclexplode({list}) AS a)";

const DATABASE: &str = "SELECT jsonb_build_object('name', d.datname, 'owner', pg_get_userbyid(d.datdba),
        'encoding', pg_encoding_to_char(d.encoding), 'collate', d.datcollate, 'ctype', d.datctype,
        'provider', coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'),
        'locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'), 'icu_rules', to_jsonb(d) ->> 'daticurules',
        'connection_limit', d.datconnlimit, 'grants', {grants}, 'comment', shobj_description(d.oid, 'pg_database'),
        'settings', (SELECT coalesce(jsonb_agg(jsonb_build_object('role', CASE WHEN r.setrole <> 0 THEN pg_get_userbyid(r.setrole) END,
            'settings', r.setconfig) ORDER BY r.setrole <> 0, pg_get_userbyid(r.setrole)), '[]')
            FROM pg_db_role_setting r WHERE r.setdatabase = d.oid),
        'schemas', (SELECT coalesce(jsonb_agg(n.nspname ORDER BY n.nspname), '[]') FROM pg_namespace n
            WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '{marker}')))::text
    FROM pg_database d WHERE d.datname = current_database()";

const LARGE_OBJECTS: &str =
    "SELECT coalesce(jsonb_agg(jsonb_build_object('id', m.oid::int8, 'owner', pg_get_userbyid(m.lomowner),
        'grants', {grants}, 'comment', obj_description(m.oid, 'pg_largeobject')) ORDER BY m.oid), '[]')::text
    FROM pg_largeobject_metadata m";

const EXTENSIONS: &str = "SELECT coalesce(jsonb_agg(jsonb_build_object('name', extname, 'version', extversion) ORDER BY extname), '[]')::text
    FROM pg_extension";

const MATERIALISED_VIEWS: &str = "SELECT coalesce(jsonb_agg(jsonb_build_object('schema', n.nspname, 'name', c.relname,
        'populated', c.relispopulated) ORDER BY n.nspname, c.relname), '[]')::text
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'm'";

/// The state of every sequence. It is no part of a snapshot: what is read is never behind the rows.
pub(super) fn sequences(leader: &mut Session) -> Result<Vec<SequenceState>, SourceError> {
    let mut names: Vec<(String, String)> = Vec::new();
    for row in leader.rows(SEQUENCES, &[])? {
        names.push((leader.cell(&row, 0)?, leader.cell(&row, 1)?));
    }
    let mut states = Vec::new();
    for some in names.chunks(SEQUENCES_AT_ONCE) {
        let reads: Vec<String> = (0..)
            .zip(some)
            .map(|(at, (schema, name))| format!("SELECT {at}, last_value, is_called FROM {}", qualified(schema, name)))
            .collect();
        let rows = leader.rows(&format!("{} ORDER BY 1", reads.join(" UNION ALL ")), &[])?;
        for (row, (schema, name)) in rows.iter().zip(some) {
            states.push(SequenceState {
                schema: schema.clone(),
                name: name.clone(),
                last_value: leader.cell(row, 1)?,
                is_called: leader.cell(row, 2)?,
            });
        }
    }
    Ok(states)
}

pub(super) fn roles(leader: &mut Session) -> Result<Vec<Role>, SourceError> {
    json(leader, "roles", ROLES)
}

pub(super) fn database(leader: &mut Session) -> Result<Database, SourceError> {
    let grants = GRANTS.replace("{list}", "d.datacl");
    json(leader, "database", &DATABASE.replace("{grants}", &grants).replace("{marker}", marker::SCHEMA))
}

pub(super) fn large_objects(leader: &mut Session) -> Result<Vec<LargeObject>, SourceError> {
    json(leader, "large-objects", &LARGE_OBJECTS.replace("{grants}", &GRANTS.replace("{list}", "m.lomacl")))
}

pub(super) fn extensions(leader: &mut Session) -> Result<Vec<Extension>, SourceError> {
    json(leader, "extensions", EXTENSIONS)
}

pub(super) fn materialised_views(leader: &mut Session) -> Result<Vec<MaterialisedView>, SourceError> {
    json(leader, "matviews", MATERIALISED_VIEWS)
}

fn json<T: DeserializeOwned>(leader: &mut Session, role: &str, sql: &str) -> Result<T, SourceError> {
    let row = leader.one(sql, &[])?;
    let text: RawText = leader.cell(&row, 0)?;
    serde_json::from_str(&text.0).map_err(|error| unreadable(role, error))
}
