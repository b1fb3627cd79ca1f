//! The text of a profile: TOML. A text that is none says at which line and key.

use serde::Deserialize as _;
use strongroom_core::error::Code;
use strongroom_core::profile::{Profile, ProfileFault};
use toml::de::{DeTable, DeValue};

/// A profile is some thousand lines; what is longer is none.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// A text that is no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// It is longer than any profile.
    #[error("{origin} has {bytes} bytes, more than any profile")]
    TooLong {
        /// Where the text is from.
        origin: String,
        /// Its length.
        bytes: usize,
    },
    /// A line can't be read, or has a key or value that means nothing.
    #[error("{origin}, line {line}{}: {message}", at_key(key))]
    Text {
        /// Where the text is from.
        origin: String,
        /// The line, from 1.
        line: usize,
        /// The key; empty where the line has none.
        key: String,
        /// What is wrong.
        message: String,
    },
}

fn at_key(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!(", key {key}") }
}

impl ProfileError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        Code::Usage
    }
}

/// Reads and checks the text of a profile. `origin` names it in errors.
pub fn parse_profile(text: &str, origin: &str) -> Result<Profile, ProfileError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ProfileError::TooLong { origin: origin.to_owned(), bytes: text.len() });
    }
    let wrong = |error: &toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        let (line, key) = (line_of(text, at), key_at(text, at));
        ProfileError::Text { origin: origin.to_owned(), line, key, message: error.message().to_owned() }
    };
    let deserializer = toml::Deserializer::parse(text).map_err(|error| wrong(&error))?;
    let profile = Profile::deserialize(deserializer).map_err(|error| wrong(&error))?;
    profile.check().map_err(|ProfileFault { key, message }| {
        let (origin, line) = (origin.to_owned(), line_of(text, place_of(text, &key)));
        ProfileError::Text { origin, line, key: key.join("."), message }
    })?;
    Ok(profile)
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// The key whose name or value is at a place in the text.
fn key_at(text: &str, at: usize) -> String {
    let (table, _) = DeTable::parse_recoverable(text);
    let mut path = Vec::new();
    find_place(table.get_ref(), at, &mut path);
    path.join(".")
}

fn find_place(table: &DeTable<'_>, at: usize, path: &mut Vec<String>) -> bool {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        let within = match value.get_ref() {
            DeValue::Table(inner) => find_place(inner, at, path),
            DeValue::Array(items) => items.iter().any(|item| match item.get_ref() {
                DeValue::Table(inner) => find_place(inner, at, path),
                _ => false,
            }),
            _ => false,
        };
        if within || key.span().contains(&at) || value.span().contains(&at) {
            return true;
        }
        path.pop();
    }
    false
}

/// Where a key stands, or as much of the way to it as is there.
fn place_of(text: &str, key: &[String]) -> usize {
    let (table, _) = DeTable::parse_recoverable(text);
    let (mut table, mut place) = (table.get_ref(), 0);
    for part in key {
        let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == part.as_str()) else { break };
        place = name.span().start;
        let DeValue::Table(inner) = value.get_ref() else { break };
        table = inner;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name = \"x\"\nproduct = \"X\"\n\n[classes.device]\ntier = 1\n";

    fn said(text: &str) -> String {
        parse_profile(text, "x.toml").unwrap_err().to_string()
    }

    #[test]
    fn errors_name_line_and_key() {
        assert!(parse_profile(GOOD, "x.toml").is_ok());
        for (wrong, line, part) in [
            (GOOD.replace("tier = 1", "teir = 1"), "x.toml, line 5, key classes.device.teir: ", "unknown field `teir`"),
            (GOOD.replace("tier = 1", "tier = 4"), "x.toml, line 5, key classes.device.tier: ", "no tier 4"),
            (GOOD.replace("tier = 1", "tier = \"1\""), "x.toml, line 5, key classes.device.tier: ", "invalid type"),
            (GOOD.replace("tier = 1", "tier = "), "x.toml, line 5", ""),
            (GOOD.replace("tier = 1", "role = \"odd\""), "x.toml, line 5, key classes.device.role: ", "odd"),
            (GOOD.replace("tier = 1", "role = \"derived\""), "x.toml, line 5, key classes.device.role: ", "rebuild"),
            (GOOD.replace("\"x\"", "\"X Y\""), "x.toml, line 1, key name: ", "no name of a profile"),
            (GOOD.replace("product", "prodcut"), "x.toml, line 2, key prodcut: ", "unknown field"),
            (format!("{GOOD}[[integrations]]\nname = \"a\"\n"), "x.toml, line 6", "missing field"),
        ] {
            let said = said(&wrong);
            assert!(said.starts_with(line) && said.contains(part) && !said.contains('\n'), "{said}");
        }
    }

    #[test]
    fn what_is_far_too_long_is_not_read() {
        assert!(said(&"#".repeat(TEXT_BYTES_MAX + 1)).contains("more than any profile"));
    }
}
