//! The rows of the sample, one after another, parents before children.
//!
//! Ids are given from 1 without gaps, so that any row can refer to any other without looking it up.

use super::draw::Draw;
use super::items::Plan;

/// How large the sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleSize {
    /// Sites; each has racks, and these have devices.
    pub sites: u32,
    /// Racks a site.
    pub racks_per_site: u32,
    /// Devices a rack; each has three interfaces and some nine relations.
    pub devices_per_rack: u32,
}

impl SampleSize {
    /// What `demo` uses: some 56,000 items, 110,000 relations and 60,000 entries of history.
    pub const DEMO: Self = Self { sites: 40, racks_per_site: 25, devices_per_rack: 12 };

    /// A few thousand rows, for tests.
    pub const SMALL: Self = Self { sites: 3, racks_per_site: 4, devices_per_rack: 5 };
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Int(i64),
    Real(f64),
    Flag(bool),
    Text(String),
    Null,
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// A table of the sample.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [&'static str],
}

pub(super) const OWNER: Table = Table { name: "owner", columns: &["id", "name", "email", "team"] };
pub(super) const SITE: Table =
    Table { name: "site", columns: &["id", "code", "name", "country", "latitude", "longitude", "opened"] };
pub(super) const RACK: Table = Table { name: "rack", columns: &["id", "site_id", "name", "units"] };
pub(super) const DEVICE: Table = Table {
    name: "device",
    columns: &[
        "id",
        "uuid",
        "name",
        "role",
        "model",
        "serial",
        "rack_id",
        "position",
        "status",
        "owner_id",
        "attributes",
        "updated_at",
    ],
};
pub(super) const INTERFACE: Table = Table {
    name: "interface",
    columns: &["id", "device_id", "name", "mac", "address", "speed_mbps", "enabled", "updated_at"],
};
pub(super) const APPLICATION: Table =
    Table { name: "application", columns: &["id", "name", "criticality", "owner_id", "attributes", "updated_at"] };
pub(super) const SERVICE: Table =
    Table { name: "service", columns: &["id", "application_id", "device_id", "name", "port", "status", "updated_at"] };
pub(super) const RELATION: Table =
    Table { name: "relation", columns: &["from_class", "from_id", "kind", "to_class", "to_id", "since"] };
pub(super) const HISTORY: Table =
    Table { name: "history", columns: &["id", "at", "class", "object_id", "actor", "change"] };

/// Takes in one row.
pub(super) type Take<'a, E> = dyn FnMut(&'static Table, &[Value]) -> Result<(), E> + 'a;

/// Gives all rows.
pub(super) fn generate<E>(size: SampleSize, seed: u64, take: &mut Take<'_, E>) -> Result<(), E> {
    let plan = Plan::new(size);
    // Each class draws from its own numbers, so that a change of one leaves the others as they are.
    let draw = |class: u64| Draw::new(seed.wrapping_mul(31).wrapping_add(class));
    plan.owners(&mut draw(1), take)?;
    plan.sites(&mut draw(2), take)?;
    plan.racks(&mut draw(3), take)?;
    plan.devices(&mut draw(4), take)?;
    plan.interfaces(&mut draw(5), take)?;
    plan.applications(&mut draw(6), take)?;
    plan.services(&mut draw(7), take)?;
    plan.relations(&mut draw(8), take)?;
    plan.history(&mut draw(9), take)
}

/// Days of history that the sample has when it is made.
pub(super) const DAYS: u64 = 180;

/// A moment within the days of the sample.
pub(super) fn moment(draw: &mut Draw) -> String {
    stamp(draw.below(DAYS * 24 * 60))
}

/// The moment so many minutes after the first of the sample, 2026-01-01, in a calendar whose months have 28 days.
pub(super) fn stamp(minutes: u64) -> String {
    let (days, minute) = (minutes / 1440, minutes % 1440);
    let (year, month, day) = (2026 + days / 336, days / 28 % 12 + 1, days % 28 + 1);
    format!("{year}-{month:02}-{day:02}T{:02}:{:02}:00Z", minute / 60, minute % 60)
}
