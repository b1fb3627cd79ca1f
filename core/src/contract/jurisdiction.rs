//! Jurisdictions as text: a country's code in capitals, or the name of a group in small letters.
//!
//! The case tells them apart, so that a group called `is` is never taken for Iceland. Which countries a group stands for
//! is policy's to say.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name of a group, that of a label in DNS.
const GROUP_BYTES_MAX: usize = 63;

/// The codes that ISO 3166-1 assigns, by their first letter.
const COUNTRIES: [&str; 26] = [
    "DEFGILMOQRSTUWXZ",
    "ABDEFGHIJLMNOQRSTVWYZ",
    "ACDFGHIKLMNORUVWXYZ",
    "EJKMOZ",
    "CEGHRST",
    "IJKMOR",
    "ABDEFGHILMNPQRSTUWY",
    "KMNRTU",
    "DELMNOQRST",
    "EMOP",
    "EGHIMNPRWYZ",
    "ABCIKRSTUVY",
    "ACDEFGHKLMNOPQRSTUVWXYZ",
    "ACEFGILOPRUZ",
    "M",
    "AEFGHKLMNRSTWY",
    "A",
    "EOSUW",
    "ABCDEGHIJKLMNORSTVXYZ",
    "CDFGHJKLMNORTVWZ",
    "AGMSYZ",
    "ACEGINU",
    "FS",
    "",
    "ET",
    "AMW",
];

/// A legal territory: an ISO 3166-1 alpha-2 code such as `DE`, or a named group of them such as `eea`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Jurisdiction(String);

/// Text that names no jurisdiction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a jurisdiction: write an assigned ISO 3166-1 code such as DE, or a group's name in small letters such as eea"
)]
pub struct NotAJurisdiction;

impl Jurisdiction {
    /// The code or name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a group of countries rather than one.
    pub fn is_group(&self) -> bool {
        self.0.starts_with(|first: char| first.is_ascii_lowercase())
    }
}

fn is_country(text: &str) -> bool {
    let &[first @ b'A'..=b'Z', second] = text.as_bytes() else { return false };
    COUNTRIES.get(usize::from(first - b'A')).is_some_and(|seconds| seconds.bytes().any(|byte| byte == second))
}

fn is_group(text: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= GROUP_BYTES_MAX
        && text.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && text.bytes().all(is_fine)
        && !text.ends_with('-')
}

impl FromStr for Jurisdiction {
    type Err = NotAJurisdiction;

    fn from_str(text: &str) -> Result<Self, NotAJurisdiction> {
        if is_country(text) || is_group(text) { Ok(Self(text.to_owned())) } else { Err(NotAJurisdiction) }
    }
}

impl TryFrom<String> for Jurisdiction {
    type Error = NotAJurisdiction;

    fn try_from(text: String) -> Result<Self, NotAJurisdiction> {
        text.parse()
    }
}

impl From<Jurisdiction> for String {
    fn from(jurisdiction: Jurisdiction) -> Self {
        jurisdiction.0
    }
}

impl fmt::Display for Jurisdiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_and_groups_are_told_apart_by_case() {
        assert_eq!(COUNTRIES.iter().map(|seconds| seconds.len()).sum::<usize>(), 249);
        for text in ["DE", "CH", "US", "GB", "IS", "ZA", "AX", "SS"] {
            assert!(!text.parse::<Jurisdiction>().unwrap().is_group(), "{text}");
        }
        for text in ["eu", "is", "eea", "local", "five-eyes", "zone3"] {
            assert!(text.parse::<Jurisdiction>().unwrap().is_group(), "{text}");
        }
        for text in ["", "EU", "UK", "XX", "De", "DEU", "D", "-a", "a-", "3a", "eu us", &"a".repeat(64)] {
            assert_eq!(text.parse::<Jurisdiction>(), Err(NotAJurisdiction), "{text}");
        }
    }
}
