//! PostgreSQL as the target of a whole restore.
//!
//! An empty database is loaded where it is, under a mark that says so. Anything else is loaded into a staging database
//! of its own and swapped in by renames, both in one transaction: at every moment the target's name leads to what was
//! there before or to what was restored and verified. What was there before is kept under another name.
//!
//! ```text
//!   plan ─► begin: staging database · mark · roles · before-data DDL
//!             └► load: COPY a class at a time; indexes follow beside it
//!                  └► after_data: keys, foreign keys, triggers … · sequences · views · ANALYZE
//!                       └► as_source ─► verdict ─► publish: unmark, swap     or     abandon: drop
//! ```
//!
//! A crash leaves the target's name as it was; an empty database that was loaded directly stays marked, and a staging
//! database stays under its own name. The next plan names both.

mod after;
mod binary;
mod clear;
mod ddl;
mod lexer;
pub(super) mod line;
mod load;
mod numeric;
mod place;
mod plan;
mod pool;
mod prepare;
mod publish;
mod step;
mod table;

use crate::source::{Finding, SourceError};
use crate::target::{Load, LoadPlan, Target};

use super::endpoint::Endpoint;
use super::options::PostgresOptions;
pub use ddl::{Entry as DdlEntry, entries as ddl_entries};
use place::Occupancy;

/// A PostgreSQL database, there or not yet, that can take a whole restore.
#[derive(Clone, Debug)]
pub struct PostgresTarget {
    endpoint: Endpoint,
    options: PostgresOptions,
}

impl PostgresTarget {
    /// The database behind a URL. Nothing is connected yet.
    pub fn new(url: &str, options: PostgresOptions) -> Result<Self, SourceError> {
        let endpoint = Endpoint::parse(url, options.password.as_deref())?;
        Ok(Self { endpoint, options })
    }
}

impl Target for PostgresTarget {
    fn plan(&self, plan: &LoadPlan<'_>) -> Result<Vec<Finding>, SourceError> {
        let occupancy = Occupancy::of(&self.endpoint)?;
        plan::check(&self.endpoint, &occupancy, plan)
    }

    fn begin(&self, plan: &LoadPlan<'_>) -> Result<Box<dyn Load>, SourceError> {
        let occupancy = Occupancy::of(&self.endpoint)?;
        plan::check(&self.endpoint, &occupancy, plan)?;
        let load = prepare::begin(&self.endpoint, &self.options, &occupancy, plan)?;
        Ok(Box::new(load))
    }
}
