//! How cadences, windows and blackouts are written. What they come to on a given day is the business of the modules
//! `rhythm` and `openings`.
//!
//! The variants of an enum are named by their key (`{"every": {…}}`), so that the same types serve formats that describe
//! themselves and formats that do not.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{TimeOfDay, Weekday, ZoneName};
use crate::time::WallTime;

/// How often a run is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cadence {
    /// At equal distances.
    Every(Every),
    /// At times of the day.
    Calendar(Calendar),
}

/// Slots at equal distances, counted from the start of 1970 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Every {
    /// Minutes from one slot to the next.
    pub minutes: u32,
}

/// Slots at times of the day, as the clocks of one zone show them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// The times.
    pub at: BTreeSet<TimeOfDay>,
    /// The days on which they count; every day, if left out.
    #[serde(default = "every_day")]
    pub weekdays: BTreeSet<Weekday>,
    /// Whose clocks are meant; UTC, if left out.
    #[serde(default = "ZoneName::utc")]
    pub zone: ZoneName,
}

/// A stretch of the day that comes back each week. It is on whenever the clocks of its zone show a time within it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The days on which it begins; every day, if left out.
    #[serde(default = "every_day")]
    pub weekdays: BTreeSet<Weekday>,
    /// When it begins.
    pub from: TimeOfDay,
    /// When it is over: on the next day, if that is earlier than `from`. This minute is no part of it.
    pub to: TimeOfDay,
    /// Whose clocks are meant; UTC, if left out.
    #[serde(default = "ZoneName::utc")]
    pub zone: ZoneName,
}

/// A time in which no run may start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Blackout {
    /// Comes back each week.
    Weekly(Window),
    /// Comes once.
    Once(Span),
}

/// From one instant to another, the second being no part of it; both written as RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// When it begins.
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    pub from: WallTime,
    /// When it is over.
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    pub until: WallTime,
}

fn every_day() -> BTreeSet<Weekday> {
    Weekday::ALL.into()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn write_time<S: Serializer>(time: &WallTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<WallTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    if !is_rfc_3339(&text) {
        return Err(serde::de::Error::custom("not a time: write it as 2027-12-31T12:00:00+01:00"));
    }
    let stamp: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
    Ok(WallTime(stamp.as_microsecond()))
}

/// Whether a text has the form of RFC 3339 and nothing beyond it. What the library also takes, such as the name of a
/// zone in brackets, is refused: members read contracts that others wrote, and must come to the same whatever version
/// of the library and of the zone data each has.
fn is_rfc_3339(text: &str) -> bool {
    const DATE_AND_TIME: &[u8] = b"0000-00-00T00:00:00";
    let fits = |form: &[u8], bytes: &[u8]| {
        let same = |(form, byte): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { form == byte };
        form.len() == bytes.len() && form.iter().zip(bytes).all(same)
    };
    let Some((start, rest)) = text.as_bytes().split_at_checked(DATE_AND_TIME.len()) else { return false };
    let offset = match rest {
        [b'.', digits @ ..] => {
            let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if (1..=9).contains(&count) { digits.get(count..).unwrap_or_default() } else { return false }
        }
        _ => rest,
    };
    fits(DATE_AND_TIME, start) && (offset == b"Z" || fits(b"+00:00", offset) || fits(b"-00:00", offset))
}

#[cfg(test)]
mod tests {
    use super::is_rfc_3339;

    #[test]
    fn a_time_is_that_of_rfc_3339_and_nothing_else() {
        for text in ["2027-12-31T12:00:00+01:00", "2028-01-02T00:00:00Z", "2028-01-02T00:00:00.123456789-08:00"] {
            assert!(is_rfc_3339(text), "{text}");
        }
        let named = "2027-12-31T12:00:00+01:00[Europe/Berlin]";
        let others = ["", "2027-12-31", "2027-12-31T12:00:00", "2027-12-31 12:00:00Z", "2027-12-31T12:00:00z"];
        let odd = ["2027-12-31T12:00Z", "2027-12-31T12:00:00.Z", "2027-12-31T12:00:00+01", "+002027-12-31T12:00:00Z"];
        for text in others.iter().chain(&odd).chain([&named]) {
            assert!(!is_rfc_3339(text), "{text}");
        }
    }
}
