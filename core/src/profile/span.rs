//! Spans of time as profiles write them: a whole number and a unit.

use std::fmt;

use serde::{Deserialize, Serialize};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Units by their letters, the longest first, in seconds.
const UNITS: [(&str, i64); 4] = [("w", 7 * 86_400), ("d", 86_400), ("h", 3_600), ("m", 60)];

/// Longer spans than a hundred years mean nothing here, and keep the arithmetic far from its ends.
const SECONDS_MAX: i64 = 100 * 366 * 86_400;

/// A span of time: `90d`, `12h`, `30m`, `2w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    seconds: i64,
}

/// A text that is no span of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no span of time: give a whole number and w, d, h or m, for example 90d")]
pub struct NoSpan {
    text: String,
}

impl Span {
    /// The span in microseconds.
    pub const fn micros(self) -> i64 {
        self.seconds * MICROS_PER_SECOND
    }
}

impl TryFrom<String> for Span {
    type Error = NoSpan;

    fn try_from(text: String) -> Result<Self, NoSpan> {
        let parsed = UNITS.iter().find_map(|(letter, unit)| {
            let number = text.strip_suffix(letter).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))?;
            number.parse::<i64>().ok()?.checked_mul(*unit)
        });
        match parsed {
            Some(seconds) if seconds > 0 && seconds <= SECONDS_MAX => Ok(Self { seconds }),
            _ => Err(NoSpan { text }),
        }
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    /// In the largest unit that gives a whole number below which people still count; weeks are shown as days.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days_and_below = UNITS.iter().skip(1);
        let fitting = days_and_below.into_iter().find(|(_, unit)| self.seconds % unit == 0);
        match fitting {
            Some((letter, unit)) => write!(f, "{}{letter}", self.seconds / unit),
            None => write!(f, "{}m", self.seconds / 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        for (text, shown) in [("90d", "90d"), ("2w", "14d"), ("36h", "36h"), ("48h", "2d"), ("5m", "5m")] {
            assert_eq!(Span::try_from(text.to_owned()).unwrap().to_string(), shown);
        }
        assert_eq!(Span::try_from("1h".to_owned()).unwrap().micros(), 3_600_000_000);
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in ["", "d", "0d", "-1d", "1.5d", "90", "90 d", "99999999999999999999d", "200000d", "+3d", "3s"] {
            assert!(Span::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
