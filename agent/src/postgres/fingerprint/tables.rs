//! Fingerprint queries: schemas, relations, columns, constraints, indexes, sequences and statistics.

use super::Kind;

pub(super) const KINDS: &[Kind] = &[
    (
        "schema",
        "SELECT quote_ident(n.nspname), jsonb_build_object('owner', pg_get_userbyid(n.nspowner),
            'grants', {acl:n.nspacl:n:n.nspowner})::text
        FROM pg_namespace n WHERE {user} AND {free:pg_namespace:n.oid}",
    ),
    ("relation", RELATIONS),
    ("column", COLUMNS),
    ("constraint", CONSTRAINTS),
    (
        "index",
        "SELECT format('%I.%I', n.nspname, c.relname), jsonb_strip_nulls(jsonb_build_object(
            'definition', pg_get_indexdef(i.indexrelid), 'valid', i.indisvalid, 'clustered', i.indisclustered,
            'replica_identity', i.indisreplident,
            'statistics', (SELECT jsonb_object_agg(a.attnum, a.attstattarget) FROM pg_attribute a
                WHERE a.attrelid = c.oid AND a.attstattarget >= 0),
            'parent', (SELECT h.inhparent::regclass::text FROM pg_inherits h WHERE h.inhrelid = c.oid)))::text
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {user} AND t.relpersistence <> 't' AND t.relkind <> 't' AND {free:pg_class:i.indrelid}",
    ),
    (
        "sequence",
        "SELECT format('%I.%I', n.nspname, c.relname), jsonb_strip_nulls(jsonb_build_object(
            'type', format_type(s.seqtypid, NULL), 'start', s.seqstart, 'increment', s.seqincrement,
            'minimum', s.seqmin, 'maximum', s.seqmax, 'cache', s.seqcache, 'cycle', s.seqcycle,
            'owned_by', (SELECT format('%s.%I', d.refobjid::regclass, a.attname) FROM pg_depend d
                JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass
                    AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0)))::text
        FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {user} AND c.relpersistence <> 't' AND {free:pg_class:c.oid}",
    ),
    (
        "statistics",
        "SELECT format('%I.%I', n.nspname, s.stxname), jsonb_strip_nulls(jsonb_build_object(
            'definition', pg_get_statisticsobjdef(s.oid), 'owner', pg_get_userbyid(s.stxowner),
            'target', nullif(s.stxstattarget, -1)))::text
        FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
        WHERE {user} AND {free:pg_statistic_ext:s.oid}",
    ),
];

/// Tables, views, sequences and composite types. Options are sorted, since their order means nothing.
const RELATIONS: &str = "SELECT format('%I.%I', n.nspname, c.relname), jsonb_strip_nulls(jsonb_build_object(
        'kind', c.relkind, 'persistence', c.relpersistence, 'owner', pg_get_userbyid(c.relowner),
        'grants', CASE c.relkind WHEN 'S' THEN {acl:c.relacl:s:c.relowner} WHEN 'c' THEN NULL ELSE {acl:c.relacl:r:c.relowner} END,
        'options', (SELECT jsonb_agg(o ORDER BY o) FROM unnest(c.reloptions) AS o),
        'toast_options', (SELECT jsonb_agg(o ORDER BY o) FROM pg_class t, unnest(t.reloptions) AS o WHERE t.oid = c.reltoastrelid),
        'row_security', nullif(c.relrowsecurity, false), 'force_row_security', nullif(c.relforcerowsecurity, false),
        'replica_identity', nullif(c.relreplident, CASE WHEN c.relkind IN ('r', 'p', 'm') THEN 'd' ELSE 'n' END),
        'access_method', CASE WHEN c.relkind IN ('r', 'm') THEN (SELECT m.amname FROM pg_am m WHERE m.oid = c.relam) END,
        'tablespace', (SELECT s.spcname FROM pg_tablespace s WHERE s.oid = c.reltablespace),
        'partition_key', CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
        'partition_bound', pg_get_expr(c.relpartbound, c.oid),
        'inherits', (SELECT jsonb_agg(h.inhparent::regclass::text ORDER BY h.inhseqno) FROM pg_inherits h WHERE h.inhrelid = c.oid),
        'of_type', CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END,
        'query', CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
        'populated', CASE WHEN c.relkind = 'm' THEN c.relispopulated END,
        'server', (SELECT jsonb_build_object('name', s.srvname, 'options', f.ftoptions) FROM pg_foreign_table f
            JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid)))::text
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND c.relpersistence <> 't' AND {user} AND {free:pg_class:c.oid}";

/// Columns by their place among those that are left. Where partitions got their columns from is not kept by a dump.
const COLUMNS: &str = "SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname), jsonb_strip_nulls(jsonb_build_object(
        'place', row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum),
        'type', format_type(a.atttypid, a.atttypmod), 'not_null', nullif(a.attnotnull, false),
        'default', pg_get_expr(d.adbin, d.adrelid),
        'identity', nullif(a.attidentity, ''), 'generated', nullif(a.attgenerated, ''),
        'collation', CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
        'storage', nullif(a.attstorage, t.typstorage), 'compression', nullif({since:14:a.attcompression}::text, ''),
        'statistics', nullif(a.attstattarget, -1), 'options', a.attoptions, 'foreign_options', a.attfdwoptions,
        'grants', CASE WHEN a.attacl IS NOT NULL THEN {acl:a.attacl:c:c.relowner} END,
        'inherited', CASE WHEN NOT c.relispartition AND a.attinhcount > 0 THEN a.attinhcount END,
        'local', CASE WHEN NOT c.relispartition AND NOT a.attislocal THEN false END))::text
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND c.relpersistence <> 't' AND a.attnum > 0 AND NOT a.attisdropped
        AND {user} AND {free:pg_class:c.oid}";

/// Constraints of tables and domains; foreign keys that the server derives for partitions are not listed.
const CONSTRAINTS: &str = "SELECT format('%I on %s', k.conname,
            CASE WHEN k.conrelid <> 0 THEN k.conrelid::regclass::text ELSE k.contypid::regtype::text END),
        jsonb_strip_nulls(jsonb_build_object('definition', pg_get_constraintdef(k.oid),
            'inherited', CASE WHEN NOT coalesce(c.relispartition, false) AND k.coninhcount > 0 THEN k.coninhcount END,
            'local', CASE WHEN NOT coalesce(c.relispartition, false) AND NOT k.conislocal THEN false END))::text
    FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace LEFT JOIN pg_class c ON c.oid = k.conrelid
    WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND NOT (k.contype = 'f' AND k.conparentid <> 0) AND {user}
        AND {free:pg_class:k.conrelid} AND {free:pg_type:k.contypid} AND coalesce(c.relpersistence, 'p') <> 't'";
