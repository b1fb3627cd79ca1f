//! A CMDB to try Strongroom on: sites, racks, devices, interfaces, applications, services, owners, the relations between
//! them, and the history of their changes.
//!
//! Everything is a function of a seed and a size. The same rows are written into SQLite, or given as SQL for PostgreSQL,
//! so that both can be compared. The data has the traits that make a CMDB hard to back up: generic references that no
//! database checks, JSON attributes, triggers that write history, names that are not ASCII.
//!
//! ```text
//!  site ◄── rack ◄── device ◄── interface          relation (class, id) ──kind──► (class, id)
//!                      ▲  │
//!        application ◄─┴── service                 history  ◄── triggers on every change
//!  owner ◄── device, application
//! ```
//!
//! It is no part of protecting anything: nothing else in this package may rest on it.

mod damage;
mod day;
mod draw;
mod items;
mod links;
mod postgres;
mod rows;
mod sqlite;
mod words;

use strongroom_core::error::Code;

pub use damage::{Damage, damage, postgres_damage};
pub use day::{apply_day, postgres_day};
pub use postgres::postgres_sql;
pub use rows::SampleSize;
pub use sqlite::create_sqlite;

/// How much a sample holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SampleCounts {
    /// Configuration items of all classes.
    pub items: u64,
    /// Relations between them.
    pub relations: u64,
    /// Entries of their history.
    pub history: u64,
}

/// A sample that could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// SQLite refused.
    #[error("the sample database could not be written")]
    Sqlite(#[source] rusqlite::Error),
    /// There is no site left that could be lost.
    #[error("the sample database has no site")]
    NoSite,
}

impl From<rusqlite::Error> for SampleError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl SampleError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Sqlite(_) => Code::TargetFailed,
            Self::NoSite => Code::NotFound,
        }
    }
}
