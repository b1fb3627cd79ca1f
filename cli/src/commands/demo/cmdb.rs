//! The sample CMDB in either engine: made, used for a day, and damaged.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use strongroom_agent::sample::{
    self, SampleCounts, SampleError, SampleSize, apply_day, create_sqlite, postgres_damage, postgres_day, postgres_sql,
};

use super::cluster::Cluster;
use super::{SEED, check_counts, number};
use crate::app::App;
use crate::failure::{Attempt as _, Coded, Failure};

impl Coded for SampleError {
    fn stable_code(&self) -> strongroom_core::error::Code {
        self.code()
    }
}

/// A CMDB that the demonstration may do anything to.
pub(super) trait Cmdb {
    /// What it is, in a few words.
    fn describe(&self) -> String;

    /// How Strongroom finds it.
    fn url(&self) -> String;

    /// Makes it.
    fn make(&mut self) -> Result<SampleCounts, Failure>;

    /// Bytes that the database takes.
    fn bytes(&self) -> Result<u64, Failure>;

    /// Lets a day go by, on which some items change. Says how many.
    fn day(&mut self, items: u64) -> Result<u64, Failure>;

    /// Destroys a part of it. Says what, in a sentence.
    fn damage(&mut self) -> Result<String, Failure>;
}

/// The sample in SQLite.
pub(super) struct SqliteCmdb {
    path: PathBuf,
}

impl SqliteCmdb {
    /// A file in a folder, which is not there yet.
    pub(super) fn new(folder: &Path) -> Self {
        Self { path: folder.join("cmdb.db") }
    }

    fn connect(&self) -> Result<Connection, Failure> {
        Connection::open(&self.path).map_err(SampleError::from).attempt(|| "can't open the sample CMDB")
    }
}

impl Cmdb for SqliteCmdb {
    fn describe(&self) -> String {
        "A CMDB in SQLite".to_owned()
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }

    fn make(&mut self) -> Result<SampleCounts, Failure> {
        check_counts(create_sqlite(&self.path, SampleSize::DEMO, SEED).attempt(|| "can't make the sample CMDB")?)
    }

    fn bytes(&self) -> Result<u64, Failure> {
        Ok(self.path.metadata().attempt(|| "can't look at the sample CMDB")?.len())
    }

    fn day(&mut self, items: u64) -> Result<u64, Failure> {
        apply_day(&self.connect()?, SEED, items).attempt(|| "the day could not go by")
    }

    fn damage(&mut self) -> Result<String, Failure> {
        let damage = sample::damage(&self.connect()?, SEED).attempt(|| "the accident did not happen")?;
        Ok(format!(
            "Somebody deletes the site {} with {} items and {} relations, and a script scrambles {} devices elsewhere.",
            damage.site,
            number(damage.items_deleted),
            number(damage.relations_deleted),
            number(damage.devices_scrambled)
        ))
    }
}

/// The sample in a PostgreSQL server of its own.
pub(super) struct PostgresCmdb {
    cluster: Cluster,
}

impl PostgresCmdb {
    /// Starts a server whose files lie in a folder.
    pub(super) fn start(folder: &Path, app: &App) -> Result<Self, Failure> {
        Ok(Self { cluster: Cluster::start(folder, app)? })
    }
}

impl Cmdb for PostgresCmdb {
    fn describe(&self) -> String {
        format!("A CMDB in PostgreSQL {}, in a server of its own", self.cluster.version())
    }

    fn url(&self) -> String {
        self.cluster.url("cmdb")
    }

    fn make(&mut self) -> Result<SampleCounts, Failure> {
        self.cluster.run("postgres", |give| give("CREATE DATABASE cmdb"))?;
        let mut counts = SampleCounts::default();
        self.cluster.run("cmdb", |give| {
            give("BEGIN")?;
            counts = postgres_sql(SampleSize::DEMO, SEED, &mut *give)?;
            give("COMMIT")?;
            give("VACUUM ANALYZE")
        })?;
        check_counts(counts)
    }

    fn bytes(&self) -> Result<u64, Failure> {
        self.cluster.number("cmdb", "SELECT pg_database_size('cmdb')")
    }

    fn day(&mut self, items: u64) -> Result<u64, Failure> {
        let statements = postgres_day(SampleSize::DEMO, SEED, 1, items);
        self.cluster.run("cmdb", |give| {
            give("BEGIN")?;
            statements.iter().try_for_each(|statement| give(statement))?;
            give("COMMIT")
        })?;
        Ok(statements.len() as u64)
    }

    fn damage(&mut self) -> Result<String, Failure> {
        let statements = postgres_damage(SampleSize::DEMO, SEED);
        self.cluster.run("cmdb", |give| statements.iter().try_for_each(|statement| give(statement)))?;
        Ok("Somebody deletes a site with everything below it, and a script scrambles devices elsewhere.".to_owned())
    }
}
