//! The texts of an event: each kind a type, bounded, and without characters that could hide what a line says.

use std::fmt;

use serde::Serialize;

pub(super) const ACTOR_BYTES_MAX: usize = 256;
pub(super) const ACTION_BYTES_MAX: usize = 64;
pub(super) const OBJECT_BYTES_MAX: usize = 256;
pub(super) const RESULT_BYTES_MAX: usize = 16;

/// Text that an event does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {what} of an audit event: {rule}, of at most {bytes_max} bytes")]
pub struct TextRefused {
    what: &'static str,
    rule: &'static str,
    bytes_max: usize,
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $max:expr, $is_allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes a text that may stand here.
            pub fn new(text: &str) -> Result<Self, TextRefused> {
                let is_allowed: fn(&str) -> bool = $is_allowed;
                if text.len() <= $max && is_allowed(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(TextRefused { what: $what, rule: $rule, bytes_max: $max })
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(
    /// Who asked: a SPIFFE id.
    Actor,
    "an actor",
    "a text without controls of line or direction, not empty",
    ACTOR_BYTES_MAX,
    |text| !text.is_empty() && is_plain(text)
);
text!(
    /// What was asked for: `noun.verb`.
    ActionName,
    "an action",
    "words of a-z, 0-9, _ and -, joined by dots",
    ACTION_BYTES_MAX,
    |text| text.contains('.') && text.split('.').all(is_word)
);
text!(
    /// What it was asked of, by id or by a name above the level of sources' contents; empty for the whole installation.
    ObjectName,
    "an object",
    "a text without controls of line or direction",
    OBJECT_BYTES_MAX,
    is_plain
);
text!(
    /// What became of it: a code such as `SR0013`, or empty if it was done.
    ResultCode,
    "a result",
    "a text without controls of line or direction",
    RESULT_BYTES_MAX,
    is_plain
);

/// Nothing that breaks a line or turns the direction of what follows, so that an event looks like what it is.
fn is_plain(text: &str) -> bool {
    let turns =
        |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !text.contains(|c: char| c.is_control() || turns(c))
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}
