//! Fingerprint queries: policies, grants, comments, publications, foreign servers, large objects and the database.

use super::Kind;

pub(super) const KINDS: &[Kind] = &[
    (
        "policy",
        "SELECT format('%I on %s', p.polname, p.polrelid::regclass), jsonb_build_object('command', p.polcmd,
            'permissive', p.polpermissive, 'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid),
            'roles', (SELECT jsonb_agg(r.name ORDER BY r.name) FROM (SELECT CASE o WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(o)) END
                AS name FROM unnest(p.polroles) AS o) AS r))::text
        FROM pg_policy p WHERE {free:pg_class:p.polrelid}",
    ),
    (
        "default grants",
        "SELECT format('by %I in %s on %s', pg_get_userbyid(d.defaclrole), coalesce(quote_ident(n.nspname), 'every schema'), d.defaclobjtype),
            (SELECT jsonb_agg(g.line ORDER BY g.line) FROM (SELECT concat_ws(' ',
                CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, a.privilege_type, a.is_grantable) AS line
                FROM aclexplode(d.defaclacl) AS a) AS g)::text
        FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace",
    ),
    (
        "comment",
        "SELECT i.type || ' ' || i.identity, d.description
        FROM pg_description d CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) AS i
        WHERE (d.objoid >= 16384 OR i.identity = 'public') AND coalesce(i.schema, '') !~ '^pg_'
            AND i.identity NOT LIKE 'strongroom\\_restore\\_%'
            AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = d.classoid AND x.objid = d.objoid AND x.deptype = 'e')",
    ),
    (
        "security label",
        "SELECT concat_ws(' ', l.provider, i.type, i.identity), l.label
        FROM pg_seclabel l CROSS JOIN LATERAL pg_identify_object(l.classoid, l.objoid, l.objsubid) AS i",
    ),
    (
        "publication",
        "SELECT quote_ident(p.pubname), (jsonb_strip_nulls(to_jsonb(p)) - ARRAY['oid', 'pubname', 'pubowner']
            || jsonb_build_object('owner', pg_get_userbyid(p.pubowner),
                'tables', (SELECT jsonb_agg(jsonb_build_object('name', r.prrelid::regclass::text,
                    'where', pg_get_expr({since:15:r.prqual}, r.prrelid), 'columns', {since:15:r.prattrs}::text) ORDER BY r.prrelid::regclass::text)
                    FROM pg_publication_rel r WHERE r.prpubid = p.oid)))::text
        FROM pg_publication p",
    ),
    (
        "foreign data wrapper",
        "SELECT quote_ident(f.fdwname), jsonb_strip_nulls(jsonb_build_object('owner', pg_get_userbyid(f.fdwowner), 'options', f.fdwoptions,
            'grants', {acl:f.fdwacl:F:f.fdwowner}))::text
        FROM pg_foreign_data_wrapper f WHERE {free:pg_foreign_data_wrapper:f.oid}",
    ),
    (
        "foreign server",
        "SELECT quote_ident(s.srvname), jsonb_strip_nulls(jsonb_build_object('owner', pg_get_userbyid(s.srvowner), 'type', s.srvtype,
            'version', s.srvversion, 'options', s.srvoptions, 'grants', {acl:s.srvacl:S:s.srvowner},
            'wrapper', (SELECT f.fdwname FROM pg_foreign_data_wrapper f WHERE f.oid = s.srvfdw)))::text
        FROM pg_foreign_server s WHERE {free:pg_foreign_server:s.oid}",
    ),
    (
        "user mapping",
        "SELECT format('%I at %I', u.usename, u.srvname),
            (SELECT jsonb_agg(split_part(o, '=', 1) ORDER BY o) FROM unnest(u.umoptions) AS o)::text
        FROM pg_user_mappings u",
    ),
    (
        "large object",
        "SELECT m.oid::text, jsonb_build_object('owner', pg_get_userbyid(m.lomowner), 'grants', {acl:m.lomacl:L:m.lomowner})::text
        FROM pg_largeobject_metadata m",
    ),
    (
        "database",
        "SELECT 'itself', jsonb_strip_nulls(jsonb_build_object('grants', {acl:d.datacl:d:d.datdba},
            'comment', shobj_description(d.oid, 'pg_database'), 'encoding', pg_encoding_to_char(d.encoding),
            'settings', (SELECT jsonb_agg(s.line ORDER BY s.line) FROM (
                SELECT concat_ws(' ', CASE WHEN r.setrole <> 0 THEN quote_ident(pg_get_userbyid(r.setrole)) END, c) AS line
                FROM pg_db_role_setting r, unnest(r.setconfig) AS c WHERE r.setdatabase = d.oid
                    AND c <> 'default_transaction_read_only=on') AS s)))::text
        FROM pg_database d WHERE d.datname = current_database()",
    ),
];
