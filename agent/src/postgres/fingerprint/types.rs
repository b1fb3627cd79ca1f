//! Fingerprint queries: types, collations, operators, casts and text search.

use super::Kind;

pub(super) const KINDS: &[Kind] = &[
    (
        "type",
        "SELECT format('%I.%I', n.nspname, t.typname), jsonb_strip_nulls(jsonb_build_object(
            'kind', t.typtype, 'owner', pg_get_userbyid(t.typowner), 'grants', {acl:t.typacl:T:t.typowner},
            'base', CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
            'not_null', nullif(t.typnotnull, false), 'default', t.typdefault,
            'collation', CASE WHEN t.typtype = 'd' AND t.typcollation <> 0 THEN t.typcollation::regcollation::text END,
            'labels', (SELECT jsonb_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
            'range', (SELECT jsonb_build_object('of', format_type(r.rngsubtype, NULL), 'canonical', r.rngcanonical::text,
                'difference', r.rngsubdiff::text, 'class', (SELECT o.opcname FROM pg_opclass o WHERE o.oid = r.rngsubopc),
                'multirange', {since:14:r.rngmultitypid}::regtype::text) FROM pg_range r WHERE r.rngtypid = t.oid),
            'input', CASE WHEN t.typtype = 'b' THEN t.typinput::text END,
            'output', CASE WHEN t.typtype = 'b' THEN t.typoutput::text END))::text
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
        WHERE {user} AND t.typtype IN ('b', 'c', 'd', 'e', 'p', 'r') AND (t.typrelid = 0 OR c.relkind = 'c')
            AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid) AND {free:pg_type:t.oid}",
    ),
    (
        "collation",
        "SELECT format('%I.%I', n.nspname, c.collname), jsonb_strip_nulls(to_jsonb(c)
            - ARRAY['oid', 'collname', 'collnamespace', 'collowner']
            || jsonb_build_object('owner', pg_get_userbyid(c.collowner)))::text
        FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE {user} AND {free:pg_collation:c.oid}",
    ),
    (
        "operator",
        "SELECT o.oid::regoperator::text, jsonb_strip_nulls(jsonb_build_object('owner', pg_get_userbyid(o.oprowner),
            'function', o.oprcode::regprocedure::text, 'merges', o.oprcanmerge, 'hashes', o.oprcanhash,
            'commutator', CASE WHEN o.oprcom <> 0 THEN o.oprcom::regoperator::text END,
            'negator', CASE WHEN o.oprnegate <> 0 THEN o.oprnegate::regoperator::text END,
            'restrict', o.oprrest::text, 'join', o.oprjoin::text))::text
        FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
        WHERE {user} AND o.oprcode <> 0 AND {free:pg_operator:o.oid}",
    ),
    (
        "operator class",
        "SELECT format('%I.%I using %I', n.nspname, o.opcname, m.amname), jsonb_build_object(
            'owner', pg_get_userbyid(o.opcowner), 'type', format_type(o.opcintype, NULL), 'default', o.opcdefault,
            'operators', (SELECT jsonb_agg(format('%s %s', a.amopstrategy, a.amopopr::regoperator) ORDER BY a.amopstrategy,
                a.amopopr::regoperator::text) FROM pg_amop a WHERE a.amopfamily = o.opcfamily),
            'functions', (SELECT jsonb_agg(format('%s %s', a.amprocnum, a.amproc::regprocedure) ORDER BY a.amprocnum,
                a.amproc::regprocedure::text) FROM pg_amproc a WHERE a.amprocfamily = o.opcfamily))::text
        FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace JOIN pg_am m ON m.oid = o.opcmethod
        WHERE {user} AND {free:pg_opclass:o.oid}",
    ),
    (
        "cast",
        "SELECT format('%s as %s', format_type(c.castsource, NULL), format_type(c.casttarget, NULL)),
            jsonb_build_object('function', CASE WHEN c.castfunc <> 0 THEN c.castfunc::regprocedure::text END,
                'context', c.castcontext, 'method', c.castmethod)::text
        FROM pg_cast c WHERE c.oid >= 16384 AND {free:pg_cast:c.oid}",
    ),
    (
        "text search configuration",
        "SELECT format('%I.%I', n.nspname, c.cfgname), jsonb_build_object('owner', pg_get_userbyid(c.cfgowner),
            'parser', (SELECT p.prsname FROM pg_ts_parser p WHERE p.oid = c.cfgparser),
            'map', (SELECT jsonb_agg(format('%s %s %s', m.maptokentype, m.mapseqno, m.mapdict::regdictionary)
                ORDER BY m.maptokentype, m.mapseqno) FROM pg_ts_config_map m WHERE m.mapcfg = c.oid))::text
        FROM pg_ts_config c JOIN pg_namespace n ON n.oid = c.cfgnamespace WHERE {user} AND {free:pg_ts_config:c.oid}",
    ),
    (
        "text search dictionary",
        "SELECT format('%I.%I', n.nspname, d.dictname), jsonb_build_object('owner', pg_get_userbyid(d.dictowner),
            'template', (SELECT t.tmplname FROM pg_ts_template t WHERE t.oid = d.dicttemplate), 'options', d.dictinitoption)::text
        FROM pg_ts_dict d JOIN pg_namespace n ON n.oid = d.dictnamespace WHERE {user} AND {free:pg_ts_dict:d.oid}",
    ),
];
