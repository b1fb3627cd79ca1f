//! The beginning of a load: the place, its mark, the roles, and everything that must stand before data.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use strongroom_core::error::Code;

use crate::postgres::blobs;
use crate::postgres::blobs::model::{Database, Extension};
use crate::postgres::endpoint::Endpoint;
use crate::postgres::failure::Side;
use crate::postgres::marker;
use crate::postgres::names::{class_name, literal, quoted};
use crate::postgres::options::PostgresOptions;
use crate::postgres::session::Session;
use crate::source::{Finding, Severity, SourceError};
use crate::target::LoadPlan;

use super::ddl::{Entry, entries};
use super::load::{PostgresLoad, Rest};
use super::place::{Occupancy, Place, create_statement, maintenance};
use super::plan::missing_roles;
use super::pool::Pool;
use super::publish::remove;
use super::step::step_of;
use super::table::TargetTable;

/// Settings of all sessions that load. Durability comes with the verdict: a crash before it discards the place anyway.
const SETTINGS: &str = "SET default_transaction_read_only TO off; SET synchronous_commit TO off; SET lock_timeout TO 0;\
    SET check_function_bodies TO off; SET maintenance_work_mem TO '256MB'; SET max_parallel_maintenance_workers TO 1";

/// Triggers stay silent, where the login may say so: rows are restored as they were, effects included.
const SILENT: &str = "SET session_replication_role TO replica";

/// Entries that are made in one transaction: few enough for the server's table of locks.
const ENTRIES_AT_ONCE: usize = 100;

/// Tables with their columns, whether an extension brought them, and how the server receives the columns' types; for
/// a domain, those of the type below it.
const TABLES: &str = "WITH RECURSIVE base (domain, oid) AS (
        SELECT oid, oid FROM pg_type
        UNION ALL SELECT b.domain, t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.oid WHERE t.typtype = 'd')
    SELECT n.nspname, c.relname, EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass
            AND x.objid = c.oid AND x.deptype = 'e'), a.attname, t.typreceive::text
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN base b ON b.domain = a.atttypid
    LEFT JOIN pg_type t ON t.oid = b.oid
    WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND (a.attname IS NULL OR t.typtype <> 'd')";

/// A session at the place that is loaded.
pub(super) fn session_at(place: &Endpoint) -> Result<Session, SourceError> {
    let mut session = Session::open(place, Side::Target)?;
    session.batch(SETTINGS)?;
    // A login without the right goes on with triggers that do not exist yet.
    let _ = session.try_batch(SILENT);
    Ok(session)
}

/// Makes the place and loads what must stand before data. On failure the place is removed again.
pub(super) fn begin(
    target: &Endpoint,
    options: &PostgresOptions,
    occupancy: &Occupancy,
    plan: &LoadPlan<'_>,
) -> Result<PostgresLoad, SourceError> {
    let place = Place::of(target, occupancy, plan.token);
    let database: Database = blobs::parse(plan.blobs, "database")?;
    make_place(target, &place, &database, plan)?;
    fill(target, options, &place, database, plan).inspect_err(|_| {
        // The first failure tells more than that of the clean-up, which the next plan finds.
        let _ = remove(target, &place);
    })
}

fn make_place(target: &Endpoint, place: &Place, database: &Database, plan: &LoadPlan<'_>) -> Result<(), SourceError> {
    let mut session = match place {
        Place::Direct => Session::open(target, Side::Target)?,
        Place::Staging { .. } => maintenance(target)?,
    };
    for role in missing_roles(&mut session, database, plan)? {
        session.batch(&format!("CREATE ROLE {} NOLOGIN", quoted(&role)))?;
    }
    if let Place::Staging { name, .. } = place {
        let version = session.version();
        session.batch(&create_statement(name, database, version))?;
    }
    Ok(())
}

fn fill(
    target: &Endpoint,
    options: &PostgresOptions,
    place: &Place,
    database: Database,
    plan: &LoadPlan<'_>,
) -> Result<PostgresLoad, SourceError> {
    let at = place.endpoint(target);
    let mut main = session_at(&at)?;
    let remark = format!("restore {} of {}", plan.token, plan.facts.database);
    main.batch(&format!("CREATE SCHEMA {0}; COMMENT ON SCHEMA {0} IS {1}", marker::SCHEMA, literal(&remark)))?;
    if *place == Place::Direct {
        // Only an owner may; without it the mark alone warns.
        let _ = main
            .try_batch(&format!("ALTER DATABASE {} SET default_transaction_read_only TO on", quoted(at.database())));
    }
    if !database.schemas.iter().any(|schema| schema == "public") {
        main.batch("DROP SCHEMA IF EXISTS public RESTRICT")?;
    }
    let mut findings = Vec::new();
    let mut before = entries(text_of(plan, "ddl-before")?);
    let mut after = entries(text_of(plan, "ddl-after")?);
    keep_known_tablespaces(&mut main, before.iter_mut().chain(&mut after), &mut findings)?;
    pin_extensions(&mut main, &mut before, plan)?;
    for some in before.chunks(ENTRIES_AT_ONCE) {
        run_together(&mut main, some)?;
    }
    let tables = tables_of(&mut main)?;
    let lanes: Vec<_> = (0..plan.loaders.max(1)).map(|_| session_at(&at).map(Mutex::new)).collect::<Result<_, _>>()?;
    let builders: Vec<_> = (0..plan.loaders.max(1)).map(|_| session_at(&at)).collect::<Result<_, _>>()?;
    let rest = Rest {
        steps: after.into_iter().map(|entry| (step_of(&entry), entry)).collect(),
        sequences: blobs::parse(plan.blobs, "sequences")?,
        views: blobs::parse(plan.blobs, "matviews")?,
        large_objects: blobs::parse(plan.blobs, "large-objects")?,
        classes: plan.classes.iter().map(|class| class.name.clone()).collect(),
        database,
    };
    Ok(PostgresLoad {
        target: target.clone(),
        at,
        place: place.clone(),
        options: options.clone(),
        main: Mutex::new(main),
        lanes,
        pool: Pool::new(builders),
        tables,
        rest,
        findings,
    })
}

fn text_of<'a>(plan: &LoadPlan<'a>, role: &str) -> Result<&'a str, SourceError> {
    let content = blobs::find(plan.blobs, role)?;
    std::str::from_utf8(content).map_err(|error| SourceError::Engine {
        code: Code::SourceUnsupported,
        subject: role.into(),
        message:
            "the definitions hold text in no known encoding, which can't be sent to a server: export them and load \
                  them with psql"
                .into(),
        source: Some(Box::new(error)),
    })
}

fn run_together(main: &mut Session, some: &[Entry]) -> Result<(), SourceError> {
    main.batch("BEGIN")?;
    for entry in some {
        main.batch(&format!("{} {}", entry.settings.join(" "), entry.body))
            .map_err(|error| error.about(&entry.subject()))?;
    }
    main.batch("COMMIT")
}

/// Objects of a tablespace that the server lacks go to the default one.
fn keep_known_tablespaces<'e>(
    main: &mut Session,
    entries: impl Iterator<Item = &'e mut Entry>,
    findings: &mut Vec<Finding>,
) -> Result<(), SourceError> {
    let mut known = BTreeSet::from(["SET default_tablespace = '';".to_owned()]);
    for row in main.rows("SELECT quote_ident(spcname) FROM pg_tablespace", &[])? {
        known.insert(format!("SET default_tablespace = {};", main.cell::<String>(&row, 0)?));
    }
    for entry in entries {
        for setting in &mut entry.settings {
            if setting.starts_with("SET default_tablespace ") && !known.contains(setting) {
                findings.push(Finding {
                    severity: Severity::Warning,
                    subject: entry.name.clone(),
                    message: format!("goes to the default tablespace, since the server lacks its own ({setting})"),
                });
                "SET default_tablespace = '';".clone_into(setting);
            }
        }
    }
    Ok(())
}

/// Extensions are made in the version of the snapshot, where the server has it.
fn pin_extensions(main: &mut Session, before: &mut [Entry], plan: &LoadPlan<'_>) -> Result<(), SourceError> {
    let wanted: Vec<Extension> = blobs::parse(plan.blobs, "extensions")?;
    let mut available = BTreeSet::new();
    for row in main.rows("SELECT name::text, version FROM pg_available_extension_versions", &[])? {
        available.insert((main.cell::<String>(&row, 0)?, main.cell::<String>(&row, 1)?));
    }
    for entry in before.iter_mut().filter(|entry| entry.kind == "EXTENSION") {
        let pinned = wanted.iter().find(|one| one.name == entry.name);
        let pinned = pinned.filter(|one| available.contains(&(one.name.clone(), one.version.clone())));
        if let (Some(pinned), Some(body)) = (pinned, entry.body.trim_end().strip_suffix(';')) {
            entry.body = format!("{body} VERSION {};", literal(&pinned.version));
        }
    }
    Ok(())
}

/// Tables that rows go into, by class.
fn tables_of(main: &mut Session) -> Result<BTreeMap<String, TargetTable>, SourceError> {
    let mut tables: BTreeMap<String, TargetTable> = BTreeMap::new();
    for row in main.rows(TABLES, &[])? {
        let (schema, name): (String, String) = (main.cell(&row, 0)?, main.cell(&row, 1)?);
        let table = tables.entry(class_name(&schema, &name)).or_default();
        table.is_brought = main.cell(&row, 2)?;
        if let Some(column) = main.cell::<Option<String>>(&row, 3)? {
            table.receive.insert(column, main.cell(&row, 4)?);
        }
    }
    Ok(tables)
}
