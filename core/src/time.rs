//! Times as the formats carry them: wall-clock readings in microseconds.
//!
//! Owns the type only. No rule of safety may rest on a wall clock, so this module has no "now" and never will; readings
//! come from the caller.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A wall-clock reading: microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallTime(pub i64);

impl WallTime {
    /// RFC 3339 with offset, as every document for programs shows times.
    pub fn to_rfc3339(self) -> String {
        self.to_string()
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(stamp) => write!(f, "{}", stamp.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00")),
            Err(_) => write!(f, "{} µs", self.0),
        }
    }
}
