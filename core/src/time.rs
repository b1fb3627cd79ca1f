//! Times as the formats carry them: wall-clock readings in microseconds, and accrued cluster time in milliseconds.
//!
//! Owns the types only. No rule of safety may rest on a wall clock, so this module has no "now" and never will; readings
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

/// Accrued cluster time: milliseconds that the coordinators have counted together since the cluster began.
///
/// It never goes back and does not jump when somebody sets a clock, and it is the only measure of durations that matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccruedMs(pub u64);

impl AccruedMs {
    /// Milliseconds from `earlier` to this; zero if that is not earlier.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The time that many milliseconds later.
    #[must_use]
    pub const fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}
