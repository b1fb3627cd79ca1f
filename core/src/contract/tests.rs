//! Contracts read, checked and laid over calendars.

mod calendars;
mod validation;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::{Contract, Terms};

pub(crate) use calendars::is_in;

/// A contract that keeps all rules: hourly, at any time.
pub(crate) fn contract() -> Contract {
    let text = r#"{
        "rpo_s": 14400, "rto_s": 7200, "retention": {"daily": 7}, "jurisdictions": ["DE", "eea"],
        "copies": 2, "regions": 2, "cadence": {"every": {"minutes": 60}}
    }"#;
    serde_json::from_str(text).unwrap()
}

/// The terms of a contract that needs no zone data.
pub(crate) fn terms(contract: &Contract) -> Terms {
    contract.validate(&TimeZoneDatabase::none()).unwrap()
}

/// Zones with rules of every kind, none of which needs data: Berlin, New York, Lord Howe with half an hour, and two
/// that stand still.
pub(crate) fn zones() -> Vec<TimeZone> {
    let rules =
        ["CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "UTC0"];
    let zones = rules.iter().map(|rule| TimeZone::posix(rule).unwrap());
    zones.chain([jiff::tz::offset(5).to_time_zone()]).collect()
}

/// Seconds since 1970 of an RFC 3339 time.
pub(crate) fn second(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}
