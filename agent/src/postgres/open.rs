//! Opening a cut: locks first, then one exported snapshot that every lane shares.
//!
//! A table that is emptied or rewritten after a snapshot was taken, but before the snapshot's owner first touches it,
//! looks empty in that snapshot, without an error. So every table is locked against changes of its shape before the
//! snapshot is taken, and the catalog is read again inside the snapshot: only if both listings agree do locks, snapshot
//! and plan speak of the same tables.
//!
//! ```text
//!   list (own short transaction) ──► BEGIN, LOCK … ACCESS SHARE ──► export snapshot ──► list again inside
//!        ▲                                │ waits too long                                 │ differs
//!        └──────── roll back, pause ◄─────┴────────────────────────────────────────────────┘
//!                                                                             agrees │
//!                                                     lanes: SET TRANSACTION SNAPSHOT ◄┘
//! ```
//!
//! Nothing is written to the server, and no lock is waited for without bound.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use strongroom_core::error::Code;
use tokio_postgres::error::SqlState;

use crate::source::SourceError;

use super::catalog::{Table, list_tables};
use super::endpoint::Endpoint;
use super::failure::Side;
use super::marker;
use super::names::{class_name, qualified};
use super::options::{OpenStep, PostgresOptions};
use super::session::Session;

/// How often a changed catalog is accepted as a reason to start again.
const CHANGED_RETRIES: u32 = 2;

/// The pause before the second attempt at the locks; it doubles with each further one.
const LOCK_PAUSE: Duration = Duration::from_millis(200);

/// Tables named in one `LOCK` statement.
const LOCK_TABLES: usize = 500;

/// `READ ONLY` and `REPEATABLE READ`: one snapshot for all statements, and nothing can be written.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A cut's transaction, before lanes join it.
pub(crate) struct Opened {
    /// Holds the locks and the snapshot.
    pub(crate) leader: Session,
    /// The snapshot's name, for lanes and tools.
    pub(crate) snapshot: String,
    /// The tables, as locked and as in the snapshot.
    pub(crate) tables: Vec<Table>,
    /// Guesses of row counts by table.
    pub(crate) estimates: BTreeMap<u32, u64>,
}

enum Attempt {
    Done(Box<Opened>),
    Locked(SourceError),
    Changed(String),
}

/// Locks, takes the snapshot, and lists what it holds.
pub(crate) fn open_snapshot(
    endpoint: &Endpoint,
    options: &PostgresOptions,
    accept_marked: bool,
) -> Result<Opened, SourceError> {
    let (mut locked, mut changed) = (0, 0);
    loop {
        match attempt(endpoint, options, accept_marked)? {
            Attempt::Done(opened) => return Ok(*opened),
            Attempt::Locked(error) => {
                locked += 1;
                if locked >= options.lock_attempts.max(1) {
                    return Err(error);
                }
                pause(LOCK_PAUSE * 2_u32.saturating_pow(locked - 1));
            }
            Attempt::Changed(what) => {
                changed += 1;
                if changed > CHANGED_RETRIES {
                    let message =
                        format!("tables changed between planning and reading, {changed} times in a row: {what}");
                    return Err(SourceError::engine(Code::SourceChanged, endpoint.to_string(), message));
                }
            }
        }
    }
}

/// Opens a connection that reads the snapshot. It waits for a lock no longer than `lock_wait`.
pub(crate) fn join_snapshot(endpoint: &Endpoint, snapshot: &str, lock_wait: Duration) -> Result<Session, SourceError> {
    let mut lane = Session::open(endpoint, Side::Source)?;
    lane.batch(&format!("SET lock_timeout TO {}; {BEGIN}", lock_wait.as_millis()))?;
    lane.batch(&format!("SET TRANSACTION SNAPSHOT {}", super::names::literal(snapshot)))?;
    Ok(lane)
}

fn attempt(endpoint: &Endpoint, options: &PostgresOptions, accept_marked: bool) -> Result<Attempt, SourceError> {
    let tell = |step| options.observer.as_ref().into_iter().for_each(|observer| observer(step));
    let mut leader = Session::open(endpoint, Side::Source)?;
    leader.batch(&format!("SET lock_timeout TO {}", options.lock_wait.as_millis()))?;
    let (planned, _) = list_tables(&mut leader)?;
    if !accept_marked {
        marker::refuse(&mut leader, endpoint)?;
    }
    refuse_unreadable(endpoint, &planned)?;
    tell(OpenStep::Listed);
    leader.batch(BEGIN)?;
    for tables in lockable(&planned).chunks(LOCK_TABLES) {
        let names: Vec<String> =
            tables.iter().map(|table| format!("ONLY {}", qualified(&table.schema, &table.name))).collect();
        let locked = leader.try_batch(&format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", ")));
        match locked.map_err(|refusal| (refusal.state, refusal.error)) {
            Ok(()) => {}
            Err((Some(SqlState::LOCK_NOT_AVAILABLE | SqlState::T_R_DEADLOCK_DETECTED), _)) => {
                return Ok(Attempt::Locked(could_not_lock(endpoint)));
            }
            Err((Some(SqlState::UNDEFINED_TABLE | SqlState::INVALID_SCHEMA_NAME), error)) => {
                return Ok(Attempt::Changed(error.to_string()));
            }
            Err((_, error)) => return Err(error),
        }
    }
    tell(OpenStep::Locked);
    let row = leader.one("SELECT pg_export_snapshot()", &[])?;
    let snapshot = leader.cell(&row, 0)?;
    tell(OpenStep::Exported);
    let (tables, estimates) = list_tables(&mut leader)?;
    if tables != planned {
        return Ok(Attempt::Changed(difference(&planned, &tables)));
    }
    Ok(Attempt::Done(Box::new(Opened { leader, snapshot, tables, estimates })))
}

fn lockable(tables: &[Table]) -> Vec<&Table> {
    tables.iter().filter(|table| table.is_captured()).collect()
}

fn could_not_lock(endpoint: &Endpoint) -> SourceError {
    let message = "the tables could not be locked for reading: somebody changes them, and did not end in time";
    SourceError::engine(Code::SourceLocked, endpoint.to_string(), message)
}

/// Refuses tables that the login may not read, or of which it would see some rows only.
fn refuse_unreadable(endpoint: &Endpoint, tables: &[Table]) -> Result<(), SourceError> {
    let named = |is_bad: &dyn Fn(&&&Table) -> bool| {
        let tables = lockable(tables);
        let names: Vec<String> =
            tables.iter().filter(is_bad).map(|table| class_name(&table.schema, &table.name)).collect();
        names
    };
    let refuse = |names: &[String], message: &str| {
        let shown = names.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = names.len().saturating_sub(10);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        Err(SourceError::engine(Code::SourcePrivilege, endpoint.to_string(), format!("{message}: {shown}{rest}")))
    };
    let unreadable = named(&|table| !table.is_readable);
    if !unreadable.is_empty() {
        return refuse(&unreadable, "the login may not read all tables (grant it pg_read_all_data, or SELECT on each)");
    }
    let hidden = named(&|table| table.hides_rows);
    if !hidden.is_empty() {
        return refuse(&hidden, "row security would hide rows from the login (ALTER ROLE … BYPASSRLS)");
    }
    Ok(())
}

/// One table that differs between two listings, in words.
fn difference(planned: &[Table], found: &[Table]) -> String {
    let name = |table: &Table| class_name(&table.schema, &table.name);
    let known: BTreeMap<String, &Table> = planned.iter().map(|table| (name(table), table)).collect();
    for table in found {
        match known.get(&name(table)) {
            None => return format!("{} is new", name(table)),
            Some(before) if before.columns != table.columns => return format!("{} was altered", name(table)),
            Some(before) if *before != table => return format!("{} was replaced, emptied or rewritten", name(table)),
            Some(_) => {}
        }
    }
    let gone = planned.iter().find(|table| !found.iter().any(|other| name(other) == name(table)));
    gone.map_or_else(|| "the order of tables".into(), |table| format!("{} is gone", name(table)))
}

/// Lets time pass: nothing is there to be waited for but other people's transactions.
fn pause(time: Duration) {
    let (_keep, never) = sync_channel::<()>(0);
    let _ = never.recv_timeout(time);
}
