//! The end of a load: under the target's name, or away.
//!
//! Both renames of a swap stand in one transaction, so the name never leads nowhere. The first rename locks the old
//! database against new connections and then waits for the old ones, which a second connection ends meanwhile: an
//! application that connects again at once can't keep the swap from happening.

use std::sync::PoisonError;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::postgres::endpoint::Endpoint;
use crate::postgres::failure::Side;
use crate::postgres::marker;
use crate::postgres::names::{literal, quoted};
use crate::postgres::session::Session;
use crate::source::{Finding, Severity, SourceError};

use super::clear;
use super::load::PostgresLoad;
use super::place::{Place, maintenance};

/// Between two rounds of ending connections.
const END_PAUSE: Duration = Duration::from_millis(50);

/// How often a swap is tried; the server itself waits five seconds for connections to end, each time.
const SWAP_ATTEMPTS: u32 = 3;

/// Ends the connections to databases, but for our own.
const END: &str = "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
    WHERE a.datname = ANY ($1) AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'";

/// Unmarks the place and puts it under the target's name.
pub(super) fn publish(mut load: PostgresLoad) -> Result<Vec<Finding>, SourceError> {
    unmark(&mut load)?;
    let PostgresLoad { target, place, rest, pool, lanes, main, .. } = load;
    drop((pool, lanes, main));
    let limit = rest.database.connection_limit;
    match place {
        // The target is whole and in use from here on: what is left to do does not make it less.
        Place::Direct => {
            let session = Session::open(&target, Side::Target);
            let limited = session.and_then(|mut session| limit_connections(&mut session, target.database(), limit));
            Ok(limited.err().map(|error| unlimited(&target, limit, &error)).into_iter().collect())
        }
        Place::Staging { name, kept } => {
            let mut session = maintenance(&target)?;
            limit_connections(&mut session, &name, limit)?;
            swap(&mut session, &target, &name, kept.as_deref())?;
            Ok(kept.map(|kept| told(&target, &kept)).into_iter().collect())
        }
    }
}

/// Drops the mark and the read-only default in one transaction.
fn unmark(load: &mut PostgresLoad) -> Result<(), SourceError> {
    let name = quoted(load.at.database());
    let everybody = load.rest.database.settings.iter().find(|setting| setting.role.is_none());
    let own = everybody
        .and_then(|setting| setting.settings.iter().find_map(|one| one.strip_prefix("default_transaction_read_only=")));
    let read_only = match own {
        Some(value) => format!("ALTER DATABASE {name} SET default_transaction_read_only TO {}", literal(value)),
        None => format!("ALTER DATABASE {name} RESET default_transaction_read_only"),
    };
    let main = load.main.get_mut().unwrap_or_else(PoisonError::into_inner);
    let drop_mark = format!("DROP SCHEMA {} RESTRICT", marker::SCHEMA);
    match main.try_batch(&format!("BEGIN; {drop_mark}; {read_only}; COMMIT")) {
        Ok(()) => Ok(()),
        // Who does not own the database could not make it read-only either.
        Err(refusal) if refusal.state == Some(SqlState::INSUFFICIENT_PRIVILEGE) => {
            main.batch("ROLLBACK")?;
            main.batch(&drop_mark)
        }
        Err(refusal) => Err(refusal.error),
    }
}

fn limit_connections(session: &mut Session, name: &str, limit: i32) -> Result<(), SourceError> {
    if limit < 0 {
        return Ok(());
    }
    session.batch(&format!("ALTER DATABASE {} CONNECTION LIMIT {limit}", quoted(name)))
}

fn unlimited(target: &Endpoint, limit: i32, error: &SourceError) -> Finding {
    let message = format!("the limit of {limit} connections could not be set: {error}");
    Finding { severity: Severity::Warning, subject: target.to_string(), message }
}

fn told(target: &Endpoint, kept: &str) -> Finding {
    let message = format!("what was there before is kept as {kept}: drop it when it is no longer needed");
    Finding { severity: Severity::Info, subject: target.to_string(), message }
}

fn swap(session: &mut Session, target: &Endpoint, staging: &str, kept: Option<&str>) -> Result<(), SourceError> {
    let name = target.database();
    let away = kept.map(|kept| format!("ALTER DATABASE {} RENAME TO {};", quoted(name), quoted(kept)));
    let sql = format!(
        "BEGIN; {} ALTER DATABASE {} RENAME TO {}; COMMIT",
        away.unwrap_or_default(),
        quoted(staging),
        quoted(name)
    );
    let mut ender = maintenance(target)?;
    let names = vec![name.to_owned(), staging.to_owned()];
    let mut attempts = 0;
    loop {
        let (done, is_done) = sync_channel::<()>(0);
        let swapped = thread::scope(|scope| {
            let (ender, names) = (&mut ender, &names);
            scope.spawn(move || end_connections(ender, names, &is_done));
            let swapped = session.try_batch(&sql);
            drop(done);
            swapped
        });
        attempts += 1;
        match swapped {
            Ok(()) => return Ok(()),
            Err(refusal) if refusal.state == Some(SqlState::OBJECT_IN_USE) && attempts < SWAP_ATTEMPTS => {
                session.batch("ROLLBACK")?;
            }
            // The answer to the COMMIT was lost; whether it took effect the names tell.
            Err(refusal) if session.is_broken() => {
                return if is_gone(target, staging)? { Ok(()) } else { Err(refusal.error) };
            }
            Err(refusal) => return Err(refusal.error),
        }
    }
}

/// Whether no database has the name any more.
fn is_gone(target: &Endpoint, name: &str) -> Result<bool, SourceError> {
    let found = maintenance(target)?.rows("SELECT 1 FROM pg_database WHERE datname = $1", &[(&name, Type::TEXT)])?;
    Ok(found.is_empty())
}

/// Ends connections again and again until the swap is done. Some may belong to roles that the login may not end: then
/// the swap fails and says that the database is in use.
fn end_connections(ender: &mut Session, names: &Vec<String>, is_done: &std::sync::mpsc::Receiver<()>) {
    while is_done.recv_timeout(END_PAUSE) == Err(RecvTimeoutError::Timeout) {
        if ender.rows(END, &[(names, Type::TEXT_ARRAY)]).is_err() && ender.is_broken() {
            return;
        }
    }
}

/// Removes the place. The target's name leads to what was there before.
pub(super) fn abandon(load: PostgresLoad) -> Result<(), SourceError> {
    let mut load = load;
    let main = load.main.get_mut().unwrap_or_else(PoisonError::into_inner);
    // What still runs in the pool would be waited for; the server ends it sooner.
    let pids = load.pool.pids().to_vec();
    let _ = main.rows("SELECT pg_terminate_backend(p) FROM unnest($1::int4[]) AS p", &[(&pids, Type::INT4_ARRAY)]);
    let PostgresLoad { target, place, pool, lanes, main, .. } = load;
    drop((pool, lanes, main));
    remove(&target, &place)
}

/// Removes a place that nobody of ours is connected to any more.
pub(super) fn remove(target: &Endpoint, place: &Place) -> Result<(), SourceError> {
    match place {
        Place::Staging { name, .. } => {
            maintenance(target)?.batch(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name)))
        }
        Place::Direct => clear::clear(target),
    }
}
