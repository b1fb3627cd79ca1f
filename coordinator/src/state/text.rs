//! Texts that the state may hold: operators' words for places, addresses of our own processes, and identities.
//!
//! Owns their forms, each narrow enough that no sentence, path or column name fits by accident. A text out of form can't
//! be decoded, so a command that holds one is rejected whole.

use std::fmt;

use serde::{Deserialize, Serialize};
use strongroom_core::contract::Jurisdiction;

use super::rows::Key;

/// Text that is not of the form it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {what}: {form}")]
pub struct TextOutOfForm {
    what: &'static str,
    form: &'static str,
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $form:literal, $least:literal..=$most:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Longest form in bytes.
            pub const BYTES_MAX: usize = $most;

            /// The text, if it is of the form.
            pub fn new(text: &str) -> Result<Self, TextOutOfForm> {
                let check: fn(&[u8]) -> bool = $check;
                if ($least..=$most).contains(&text.len()) && check(text.as_bytes()) {
                    Ok(Self(text.into()))
                } else {
                    Err(TextOutOfForm { what: $what, form: $form })
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextOutOfForm;

            fn try_from(text: String) -> Result<Self, TextOutOfForm> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, concat!(stringify!($name), "({:?})"), &self.0)
            }
        }

        impl Key for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.0.as_bytes());
            }

            fn decode(bytes: &[u8]) -> Option<Self> {
                std::str::from_utf8(bytes).ok().and_then(|text| Self::new(text).ok())
            }
        }
    };
}

text!(
    /// An operator's word for a place, a group of jurisdictions or a colleague.
    Name,
    "a name",
    "lower-case letters, digits and hyphens, at most 63 of them",
    1..=63,
    is_name
);
text!(
    /// An operator's word for a source. The word `latest` means another thing where snapshots are chosen.
    SourceName,
    "a source's name",
    "letters a to z of both cases, digits, hyphens, underscores and dots, at most 100 of them, and not `latest`",
    1..=100,
    is_source_name
);
text!(
    /// An ISO 3166-1 alpha-2 code.
    CountryCode,
    "a country's code",
    "two upper-case letters",
    2..=2,
    is_country
);
text!(
    /// A legal territory, of the same form as contracts name it: an assigned country's code in capitals, or an operator's
    /// word for a group of countries in small letters.
    JurisdictionName,
    "a jurisdiction",
    "an assigned country's code in capitals, or a group's name in lower-case letters, digits and hyphens",
    1..=63,
    |text| str::from_utf8(text).is_ok_and(|text| text.parse::<Jurisdiction>().is_ok())
);
text!(
    /// Where one of our own processes listens: host and port.
    Address,
    "an address",
    "host and port in letters, digits, dots, hyphens, colons and brackets, at most 255 of them",
    3..=255,
    |text| text.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(byte))
);
text!(
    /// The identity in a certificate: a SPIFFE id.
    Subject,
    "an identity",
    "a SPIFFE id in lower-case letters, digits, and - . _ : /, at most 255 of them",
    1..=255,
    |text| text.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._:/".contains(byte))
);
text!(
    /// The version of one of our own programs.
    ProgramVersion,
    "a version",
    "digits, lower-case letters, dots, hyphens and plus signs, at most 32 of them",
    1..=32,
    |text| text.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-+".contains(byte))
);

/// The only way from the jurisdictions of contracts to those of the state.
impl TryFrom<&Jurisdiction> for JurisdictionName {
    type Error = TextOutOfForm;

    fn try_from(jurisdiction: &Jurisdiction) -> Result<Self, TextOutOfForm> {
        Self::new(jurisdiction.as_str())
    }
}

impl JurisdictionName {
    /// The country, if it is one rather than a group.
    pub fn country(&self) -> Option<CountryCode> {
        CountryCode::new(self.as_str()).ok()
    }
}

fn is_name(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
}

fn is_source_name(text: &[u8]) -> bool {
    text != b"latest" && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

fn is_country(text: &[u8]) -> bool {
    text.len() == 2 && text.iter().all(u8::is_ascii_uppercase)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        assert_eq!(Name::new("eu-west-1").unwrap().as_str(), "eu-west-1");
        for text in ["", "Berlin", "a b", "a_b", "straße", "a.b", "a/b", &"a".repeat(64)] {
            assert!(Name::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_sources_name_is_a_word_of_an_operator_and_no_selector() {
        for text in ["cmdb", "CMDB_2.old", "it-top", &"a".repeat(100)] {
            assert_eq!(SourceName::new(text).unwrap().as_str(), text);
        }
        for text in ["", "latest", "a b", "straße", "a/b", "a@b", "a:b", &"a".repeat(101)] {
            assert!(SourceName::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_jurisdiction_is_a_country_or_a_group() {
        assert_eq!(JurisdictionName::new("IS").unwrap().country(), CountryCode::new("IS").ok());
        assert_eq!(JurisdictionName::new("is").unwrap().country(), None);
        for text in ["", "Is", "ISL", "EU-1", "a b", "XX", "1a"] {
            assert!(JurisdictionName::new(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn contracts_and_the_state_know_the_same_jurisdictions(text in "[A-Z]{2}|[a-z0-9-]{1,64}|[A-Za-z -]{1,4}") {
            let promised = text.parse::<Jurisdiction>().ok();
            let converted = promised.and_then(|it| JurisdictionName::try_from(&it).ok());
            prop_assert_eq!(converted, JurisdictionName::new(&text).ok());
        }
    }

    #[test]
    fn a_text_out_of_form_is_not_decoded() {
        let bytes = postcard::to_stdvec("Not A Name").unwrap();
        assert!(postcard::from_bytes::<Name>(&bytes).is_err());
        assert_eq!(Name::decode(b"Not"), None);
        assert!(CountryCode::new("de").is_err() && CountryCode::new("DEU").is_err() && CountryCode::new("DE").is_ok());
    }
}
