//! The contract of a source: what was promised for it, and when its runs may start.
//!
//! ```text
//!   Contract ──validate(zones)──► Terms ──► crate::schedule
//!   as written, hostile           checked, zones resolved
//! ```
//!
//! Owns the shape of a contract as configuration and the replicated state carry it, and the check that makes [`Terms`]
//! of it. The planner takes nothing but terms, so it never meets an unchecked number, an empty week or an unknown zone.
//! A contract holds no clock and no zone data: the data are passed in, and without them UTC and fixed offsets work.
//! Nothing here survives a crash by itself; the catalogue stores contracts, and terms are made anew from them.

mod bounds;
mod calendar;
mod check;
mod error;
mod jurisdiction;
mod openings;
mod rhythm;
mod terms;
mod week;
mod zone;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use bounds::{COPIES_MAX, JURISDICTIONS_MAX};
pub use calendar::{Blackout, Cadence, Calendar, Every, Span, Window};
pub use error::ContractError;
pub use jurisdiction::{Jurisdiction, NotAJurisdiction};
pub(crate) use openings::Opening;
pub use rhythm::Period;
pub(crate) use rhythm::wall_seconds;
pub use terms::Terms;
pub use week::{NotATime, TimeOfDay, Weekday};
pub use zone::{NotAZone, ZoneName};

/// What was promised for one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// Recovery point objective: the most seconds of changes that a disaster may cost.
    pub rpo_s: u64,
    /// Recovery time objective: the most seconds that a restore may take.
    pub rto_s: u64,
    /// What is kept, and for how long.
    pub retention: Retention,
    /// Where copies may lie. Nowhere else, whatever fails.
    pub jurisdictions: BTreeSet<Jurisdiction>,
    /// Copies of each pack.
    pub copies: u8,
    /// Regions over which the copies are spread.
    pub regions: u8,
    /// How often a run is due.
    pub cadence: Cadence,
    /// When runs may start; always, if there are none.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// When no run may start.
    #[serde(default)]
    pub blackouts: Vec<Blackout>,
    /// Minutes that a run may take. A longer one is a finding, and goes on.
    #[serde(default = "bounds::run_minutes_default")]
    pub run_minutes_max: u32,
    /// Seconds over which the starts of different sources are spread after a slot.
    #[serde(default)]
    pub jitter_s: u32,
    /// Who goes first among sources in equal debt: 0 to 100, the higher the earlier.
    #[serde(default = "bounds::priority_default")]
    pub priority: u8,
    /// What happens after a failure.
    #[serde(default)]
    pub retries: Retries,
}

/// How many snapshots are kept: the newest of so many days, weeks, months and years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Days.
    pub daily: u32,
    /// Weeks.
    pub weekly: u32,
    /// Months.
    pub monthly: u32,
    /// Years.
    pub yearly: u32,
    /// Days for which every snapshot is kept, whatever the counts say.
    pub days_min: u32,
}

/// How often one period is attempted, and how long the waits between are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retries {
    /// Starts of one period at most, the first included.
    pub attempts_max: u32,
    /// Seconds of back-off after the first failure; each further failure doubles it.
    pub backoff_base_s: u32,
    /// Seconds of back-off at most.
    pub backoff_max_s: u32,
}

impl Default for Retries {
    /// Three attempts, a minute and then two apart.
    fn default() -> Self {
        Self { attempts_max: 3, backoff_base_s: 60, backoff_max_s: 3600 }
    }
}
