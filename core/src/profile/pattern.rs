//! Names of classes in profiles: plain ones, and patterns in which `*` stands for any text.

use std::cmp::Reverse;

/// Whether a name in a profile is a pattern.
pub fn is_pattern(name: &str) -> bool {
    name.contains('*')
}

/// Schema and table of a class name; the schema is empty where the source has none. Dots within quotes part nothing.
pub(super) fn split(class: &str) -> (&str, &str) {
    let mut in_quotes = false;
    let mut dot = None;
    for (at, byte) in class.bytes().enumerate() {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b'.' if !in_quotes => dot = Some(at),
            _ => {}
        }
    }
    dot.and_then(|at| Some((class.get(..at)?, class.get(at + 1..)?))).unwrap_or(("", class))
}

/// The name of a class without its schema.
pub fn unqualified(class: &str) -> &str {
    split(class).1
}

/// Whether a text fits a pattern.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = text.get(at + part.len()..).unwrap_or_default();
    }
    text.ends_with(tail)
}

/// How specific a name or pattern is: greater is more so. Names come before patterns, then more characters before
/// fewer, then fewer stars; what is equal in all that goes by the alphabet, so that the order is total.
pub(super) fn specificity(pattern: &str) -> (bool, usize, Reverse<usize>, Reverse<&str>) {
    let stars = pattern.bytes().filter(|byte| *byte == b'*').count();
    (stars == 0, pattern.len() - stars, Reverse(stars), Reverse(pattern))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, fit) in [
            ("dcim_device", "dcim_device", true),
            ("dcim_device", "dcim_devices", false),
            ("dcim_*", "dcim_", true),
            ("dcim_*", "xdcim_a", false),
            ("*_session", "django_session", true),
            ("extras_*_tags", "extras_configcontext_tags", true),
            ("extras_*_tags", "extras_tags", false),
            ("a*b*c", "abbc", true),
            ("a*bc", "abcbc", true),
            ("a*b*b", "ab", false),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern, text), fit, "{pattern} {text}");
        }
    }

    #[test]
    fn names_beat_patterns_and_long_patterns_short_ones() {
        let mut patterns = ["*", "dcim_*", "dcim_device*", "dcim_device", "*_devices*", "a*"];
        patterns.sort_by(|a, b| specificity(b).cmp(&specificity(a)));
        assert_eq!(patterns, ["dcim_device", "dcim_device*", "*_devices*", "dcim_*", "a*", "*"]);
    }

    #[test]
    fn dots_within_quotes_part_nothing() {
        for (class, schema, table) in [
            ("public.dcim_device", "public", "dcim_device"),
            ("device", "", "device"),
            ("s.\"a.b\"", "s", "\"a.b\""),
            ("\"x.y\".t", "\"x.y\"", "t"),
            ("s.\"a\"\".b\"", "s", "\"a\"\".b\""),
        ] {
            assert_eq!(split(class), (schema, table), "{class}");
        }
    }
}
