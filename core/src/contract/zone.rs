//! Time zones by name. The rules behind a name are data that the caller passes in.
//!
//! `UTC` and fixed offsets need no data. A name goes to the database as it is, and databases are folders: a name that
//! could leave the folder is refused before.

use std::fmt;
use std::str::FromStr;

use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

/// The longest name in use has 32 characters.
const NAME_BYTES_MAX: usize = 64;

/// Fixed offsets in use lie between -12:00 and +14:00.
const OFFSET_MINUTES_MAX: i32 = 14 * 60;

/// The name of a time zone: `UTC`, a fixed offset such as `+02:00`, or a name of the IANA database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ZoneName(String);

/// Text that names no time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time zone: write UTC, an offset such as +02:00, or a name such as Europe/Berlin")]
pub struct NotAZone;

impl ZoneName {
    /// Universal time.
    pub fn utc() -> Self {
        Self("UTC".to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The rules of the zone, if they are known.
    pub(super) fn resolve(&self, zones: &TimeZoneDatabase) -> Option<TimeZone> {
        if self.0 == "UTC" {
            return Some(TimeZone::UTC);
        }
        match offset_minutes(&self.0) {
            Some(minutes) => Some(Offset::from_seconds(minutes * 60).ok()?.to_time_zone()),
            None => zones.get(&self.0).ok(),
        }
    }
}

/// The minutes of `+HH:MM` or `-HH:MM`.
fn offset_minutes(text: &str) -> Option<i32> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, text.strip_prefix('+')?),
        b'-' => (-1, text.strip_prefix('-')?),
        _ => return None,
    };
    let minutes = i32::from(rest.parse::<super::TimeOfDay>().ok()?.minutes());
    (minutes <= OFFSET_MINUTES_MAX).then_some(sign * minutes)
}

fn is_name(text: &str) -> bool {
    let is_part = |part: &str| {
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+');
        part.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && part.bytes().all(is_fine)
    };
    text.len() <= NAME_BYTES_MAX && text.split('/').all(is_part)
}

impl FromStr for ZoneName {
    type Err = NotAZone;

    fn from_str(text: &str) -> Result<Self, NotAZone> {
        let is_fine = offset_minutes(text).is_some() || is_name(text);
        if is_fine { Ok(Self(text.to_owned())) } else { Err(NotAZone) }
    }
}

impl TryFrom<String> for ZoneName {
    type Error = NotAZone;

    fn try_from(text: String) -> Result<Self, NotAZone> {
        text.parse()
    }
}

impl From<ZoneName> for String {
    fn from(name: ZoneName) -> Self {
        name.0
    }
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_and_offsets_need_no_data() {
        let none = TimeZoneDatabase::none();
        let seconds = |name: &str| {
            let zone = name.parse::<ZoneName>().unwrap().resolve(&none)?;
            Some(zone.to_offset(jiff::Timestamp::UNIX_EPOCH).seconds())
        };
        assert_eq!(seconds("UTC"), Some(0));
        assert_eq!(seconds("+05:30"), Some(19_800));
        assert_eq!(seconds("-12:00"), Some(-43_200));
        assert_eq!(seconds("Europe/Berlin"), None);
    }

    #[test]
    fn names_that_could_leave_the_folder_are_refused() {
        let long = "a".repeat(65);
        for text in ["", "/etc/passwd", "../x", "Europe/../x", "a//b", "Europe/", "+15:00", "+1", "-", "a b", &long] {
            assert_eq!(text.parse::<ZoneName>(), Err(NotAZone), "{text}");
        }
        for text in ["America/Argentina/Buenos_Aires", "Etc/GMT+5", "America/Port-au-Prince", "EST5EDT"] {
            assert!(text.parse::<ZoneName>().is_ok(), "{text}");
        }
    }
}
