//! Fingerprint queries: functions, triggers, rules, event triggers, languages and extensions.

use super::Kind;

pub(super) const KINDS: &[Kind] = &[
    (
        "function",
        "SELECT format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
            jsonb_strip_nulls(jsonb_build_object('owner', pg_get_userbyid(p.proowner), 'grants', {acl:p.proacl:f:p.proowner},
                'definition', CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END,
                'aggregate', (SELECT jsonb_build_object('kind', a.aggkind, 'step', a.aggtransfn::text, 'final', a.aggfinalfn::text,
                    'combine', a.aggcombinefn::text, 'state', format_type(a.aggtranstype, NULL), 'initial', a.agginitval,
                    'result', pg_get_function_result(p.oid), 'parallel', p.proparallel,
                    'sort', CASE WHEN a.aggsortop <> 0 THEN a.aggsortop::regoperator::text END,
                    'moving_step', a.aggmtransfn::text, 'moving_initial', a.aggminitval)
                    FROM pg_aggregate a WHERE a.aggfnoid = p.oid)))::text
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {user} AND {free:pg_proc:p.oid}",
    ),
    (
        "trigger",
        "SELECT format('%I on %s', t.tgname, t.tgrelid::regclass),
            jsonb_build_object('definition', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled)::text
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT t.tgisinternal AND {user} AND c.relpersistence <> 't' AND {free:pg_class:c.oid} AND {free:pg_trigger:t.oid}",
    ),
    (
        "rule",
        "SELECT format('%I on %s', r.rulename, r.ev_class::regclass),
            jsonb_build_object('definition', pg_get_ruledef(r.oid), 'enabled', r.ev_enabled)::text
        FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT (r.rulename = '_RETURN' AND c.relkind IN ('v', 'm')) AND {user} AND c.relpersistence <> 't'
            AND {free:pg_class:c.oid}",
    ),
    (
        "event trigger",
        "SELECT quote_ident(e.evtname), jsonb_build_object('event', e.evtevent, 'owner', pg_get_userbyid(e.evtowner),
            'function', e.evtfoid::regprocedure::text, 'enabled', e.evtenabled, 'tags', e.evttags)::text
        FROM pg_event_trigger e WHERE {free:pg_event_trigger:e.oid}",
    ),
    (
        "language",
        "SELECT quote_ident(l.lanname), jsonb_build_object('trusted', l.lanpltrusted, 'grants', {acl:l.lanacl:l:l.lanowner})::text
        FROM pg_language l WHERE l.lanispl AND {free:pg_language:l.oid}",
    ),
    (
        "extension",
        "SELECT quote_ident(e.extname), jsonb_build_object('version', e.extversion, 'schema', n.nspname)::text
        FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace",
    ),
];
