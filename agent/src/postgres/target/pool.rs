//! Connections that build indexes, check foreign keys and gather statistics while rows are still being loaded.
//!
//! Tasks name their table and whether they bear others of the table beside them; a task runs when nothing that it could
//! wait for runs, and never overtakes an earlier one of its table that it does not bear. So no two connections wait for
//! each other inside the server. The first failure stops what has not begun.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::postgres::session::Session;
use crate::source::SourceError;

/// One statement, or several that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Task {
    /// The table whose lock it takes.
    pub(super) table: String,
    /// Whether others of the same kind may run beside it.
    pub(super) is_shared: bool,
    /// What it makes, for messages.
    pub(super) subject: String,
    /// The statements.
    pub(super) sql: String,
}

impl Task {
    fn bears(&self, other: &Self) -> bool {
        self.table != other.table || (self.is_shared && other.is_shared)
    }
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Task>,
    running: Vec<Task>,
    failed: Option<SourceError>,
    is_closed: bool,
}

impl State {
    /// Takes the first task that may run now.
    fn next(&mut self) -> Option<Task> {
        let may_run = |at: &usize| {
            let Some(task) = self.waiting.get(*at) else { return false };
            self.waiting.iter().take(*at).chain(&self.running).all(|other| task.bears(other))
        };
        let at = (0..self.waiting.len()).find(may_run)?;
        let task = self.waiting.remove(at)?;
        self.running.push(task.clone());
        Some(task)
    }

    fn ended(&mut self, task: &Task) {
        if let Some(at) = self.running.iter().position(|running| running == task) {
            self.running.swap_remove(at);
        }
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connections and their queue.
pub(super) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    pids: Vec<i32>,
}

impl Pool {
    /// A pool over these connections, each with a thread of its own.
    pub(super) fn new(sessions: Vec<Session>) -> Self {
        let shared = Arc::new(Shared::default());
        let pids = sessions.iter().map(Session::pid).collect();
        let threads = sessions
            .into_iter()
            .map(|session| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || work(&shared, session))
            })
            .collect();
        Self { shared, threads, pids }
    }

    /// The server's processes that serve the pool.
    pub(super) fn pids(&self) -> &[i32] {
        &self.pids
    }

    /// Queues a task.
    pub(super) fn submit(&self, task: Task) {
        self.shared.state().waiting.push_back(task);
        self.shared.changed.notify_all();
    }

    /// Waits until everything that was queued is done, or something failed.
    pub(super) fn wait(&self) -> Result<(), SourceError> {
        let state = self.shared.state();
        let is_busy =
            |state: &mut State| state.failed.is_none() && !(state.waiting.is_empty() && state.running.is_empty());
        let mut state = self.shared.changed.wait_while(state, is_busy).unwrap_or_else(PoisonError::into_inner);
        state.failed.take().map_or(Ok(()), Err)
    }

    /// Drops what has not begun, waits for what has, and ends the connections.
    pub(super) fn close(&mut self) {
        let mut state = self.shared.state();
        state.is_closed = true;
        state.waiting.clear();
        drop(state);
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that broke off has nothing more to say: its task's failure is the load's.
            let _ = thread.join();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

fn work(shared: &Shared, mut session: Session) {
    loop {
        let mut state = shared.state();
        let task = loop {
            if let Some(task) = state.next() {
                break task;
            }
            if state.is_closed {
                return;
            }
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        drop(state);
        let done = session.batch(&task.sql).map_err(|error| error.about(&task.subject));
        let mut state = shared.state();
        state.ended(&task);
        if let Err(error) = done {
            state.waiting.clear();
            state.failed.get_or_insert(error);
        }
        drop(state);
        shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(table: &str, is_shared: bool, sql: &str) -> Task {
        Task { table: table.into(), is_shared, subject: String::new(), sql: sql.into() }
    }

    #[test]
    fn tasks_of_one_table_wait_for_each_other_unless_both_are_shared() {
        let mut state = State::default();
        for (table, is_shared, name) in
            [("a", false, "key"), ("a", true, "i1"), ("a", true, "i2"), ("a", false, "stats"), ("b", true, "i3")]
        {
            state.waiting.push_back(task(table, is_shared, name));
        }
        let key = state.next().unwrap();
        assert_eq!(key.sql, "key");
        assert_eq!(state.next().unwrap().sql, "i3", "another table does not wait");
        assert_eq!(state.next(), None);
        state.ended(&key);
        let (first, second) = (state.next().unwrap(), state.next().unwrap());
        assert_eq!((first.sql.as_str(), second.sql.as_str()), ("i1", "i2"));
        state.ended(&first);
        assert_eq!(state.next(), None, "one index is still built");
        state.ended(&second);
        assert_eq!(state.next().unwrap().sql, "stats");
    }
}
