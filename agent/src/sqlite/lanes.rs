//! The connections of one cut, all of which see the same state.
//!
//! SQLite has no way to hand a read transaction on that every build of it offers, so it is proven instead that nothing
//! was committed between the first transaction's beginning and the last one's:
//!
//! ```text
//!  WAL                data_version on lane 0 ─► others BEGIN, read ─► lane 0 BEGIN, data_version: unchanged?
//!                       ▲                                                              │ no: again
//!                       └──────────────────────────────────────────────────────────────┘
//!  rollback journal   lane 0 BEGIN, read: nobody can commit any more ─► others BEGIN, read
//! ```
//!
//! A database that is written to without a pause is read by one lane alone, in turns, which is always right.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

/// Attempts to begin side by side, before one lane has to do.
const ATTEMPTS: usize = 16;

/// Connections of one cut at most: each has a cache of its own.
const LANES_MAX: usize = 8;

/// Open read transactions over one state.
pub(super) struct Lanes {
    connections: Vec<Mutex<Connection>>,
}

impl Lanes {
    /// Begins reading on `first`, and on as many other connections as are wanted and can be proven to see the same.
    pub(super) fn begin(
        first: Connection,
        wanted: usize,
        is_wal: bool,
        open: impl Fn() -> rusqlite::Result<Connection>,
    ) -> rusqlite::Result<Self> {
        let others = if is_wal {
            begin_in_wal(&first, wanted, &open)?
        } else {
            begin_reading(&first)?;
            // A writer that waits for the others to leave lets nobody else in.
            let open_now = || open().and_then(|other| other.busy_timeout(Duration::ZERO).map(|()| other));
            let other = || open_now().and_then(|other| begin_reading(&other).map(|()| other)).ok();
            extra(wanted).map_while(|_| other()).collect()
        };
        Ok(Self { connections: std::iter::once(first).chain(others).map(Mutex::new).collect() })
    }

    /// How many lanes can read side by side.
    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Works on a lane's connection. Lanes beyond those that there are take turns.
    pub(super) fn with<T>(&self, lane: usize, work: impl FnOnce(&Connection) -> T) -> Option<T> {
        let connection = self.connections.get(lane % self.len().max(1))?;
        // A thread that panicked while it read has left a statement unfinished, and nothing worse.
        Some(work(&connection.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Ends all transactions. Each connection is closed, whatever another one answers.
    pub(super) fn close(self) -> rusqlite::Result<()> {
        let end = |connection: Mutex<Connection>| {
            let connection = connection.into_inner().unwrap_or_else(PoisonError::into_inner);
            connection.execute_batch("COMMIT")?;
            connection.close().map_err(|(_, error)| error)
        };
        self.connections.into_iter().map(end).fold(Ok(()), Result::and)
    }
}

fn extra(wanted: usize) -> std::ops::Range<usize> {
    1..wanted.min(LANES_MAX)
}

fn begin_in_wal(
    first: &Connection,
    wanted: usize,
    open: &impl Fn() -> rusqlite::Result<Connection>,
) -> rusqlite::Result<Vec<Connection>> {
    // A connection that can't be had is one lane less, and no reason to fail.
    let others: Vec<Connection> = extra(wanted).map_while(|_| open().ok()).collect();
    for _ in 0..ATTEMPTS {
        let before = data_version(first)?;
        let began = others.iter().try_for_each(begin_reading);
        begin_reading(first)?;
        if began.is_ok() && data_version(first)? == before {
            return Ok(others);
        }
        end_all(others.iter().chain([first]));
        if began.is_err() {
            break;
        }
    }
    begin_reading(first)?;
    Ok(Vec::new())
}

/// BEGIN alone takes no snapshot: the first read does.
fn begin_reading(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN")?;
    connection.query_row("SELECT count(*) FROM main.sqlite_schema", [], |_| Ok(()))
}

fn end_all<'a>(connections: impl Iterator<Item = &'a Connection>) {
    for connection in connections.filter(|connection| !connection.is_autocommit()) {
        // A read transaction has nothing to undo; if it can't be ended, the next BEGIN says so.
        let _ = connection.execute_batch("ROLLBACK");
    }
}

/// A number that changes when another connection commits.
fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA main.data_version", [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn lanes_see_one_state_while_a_writer_commits_without_a_pause() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.db");
        let writer = Connection::open(&path).unwrap();
        writer
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE t(n); INSERT INTO t VALUES (0)",
            )
            .unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    writer.execute_batch("UPDATE t SET n = n + 1").unwrap();
                }
            });
            for _ in 0..200 {
                let lanes =
                    Lanes::begin(Connection::open(&path).unwrap(), 4, true, || Connection::open(&path)).unwrap();
                let read = |lane| {
                    let number = |it: &Connection| it.query_row("SELECT n FROM t", [], |row| row.get::<_, i64>(0));
                    lanes.with(lane, number).unwrap().unwrap()
                };
                let seen: Vec<i64> = (0..lanes.len()).map(read).collect();
                assert!(seen.iter().all(|n| *n == seen[0]), "{seen:?}");
                lanes.close().unwrap();
            }
            stop.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn a_quiet_database_is_read_by_all_lanes() {
        let place = tempfile::tempdir().unwrap();
        for mode in ["WAL", "DELETE"] {
            let path = place.path().join(mode);
            let script = format!("PRAGMA journal_mode = {mode}; CREATE TABLE t(n)");
            Connection::open(&path).unwrap().execute_batch(&script).unwrap();
            let open = || Connection::open(&path);
            assert_eq!(Lanes::begin(open().unwrap(), 3, mode == "WAL", open).unwrap().len(), 3, "{mode}");
        }
    }
}
