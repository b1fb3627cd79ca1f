//! How a PostgreSQL source behaves towards the server it reads.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A step of opening a cut, in the order in which they come. A repeated attempt starts again with the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OpenStep {
    /// The tables are listed, and nothing is locked yet.
    Listed,
    /// Every table is locked against changes of its shape.
    Locked,
    /// The snapshot is taken.
    Exported,
    /// The lanes read the same snapshot.
    Joined,
}

/// Is told of the steps of opening, for progress and for tests that act in between.
pub type Observer = Arc<dyn Fn(OpenStep) + Send + Sync>;

/// Options of a source.
#[derive(Clone)]
pub struct PostgresOptions {
    /// The password, if it does not stand in the URL.
    pub password: Option<String>,
    /// The `pg_dump` to use. Without it, one that suits the server is looked for.
    pub pg_dump: Option<PathBuf>,
    /// How long others may queue behind the capture's locks before it gives up. Only changes of a table's shape queue
    /// there, but everything that comes after them queues too: an application stands still for as long.
    pub others_wait_max: Duration,
    /// How long one attempt to lock all tables may wait.
    pub lock_wait: Duration,
    /// Attempts to lock all tables, with growing pauses between them.
    pub lock_attempts: u32,
    /// Tables are read in parts of about this size, so that lanes end at about the same time.
    pub part_bytes: u64,
    /// How long a transaction of others may be open without a word.
    pub long_transaction: Duration,
    /// Who is told of the steps of opening.
    pub observer: Option<Observer>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            password: None,
            pg_dump: None,
            others_wait_max: Duration::from_secs(10),
            lock_wait: Duration::from_secs(5),
            lock_attempts: 4,
            part_bytes: 32 << 20,
            long_transaction: Duration::from_hours(1),
            observer: None,
        }
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("pg_dump", &self.pg_dump)
            .field("others_wait_max", &self.others_wait_max)
            .field("lock_wait", &self.lock_wait)
            .field("lock_attempts", &self.lock_attempts)
            .field("part_bytes", &self.part_bytes)
            .field("long_transaction", &self.long_transaction)
            .finish_non_exhaustive()
    }
}
