//! Names of classes and columns as rules write them: short names, and patterns with stars.
//!
//! Owns how a rule's name meets a source's. Never guesses: a short name that fits several classes fits none.

/// Whether a text fits a pattern in which each `*` stands for any text.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// What the one `*` of a pattern stands for in a text that fits; nothing if the pattern has none.
pub(super) fn star<'t>(pattern: &str, text: &'t str) -> Option<&'t str> {
    let (before, after) = pattern.split_once('*')?;
    text.strip_prefix(before)?.strip_suffix(after)
}

/// The name of a class without its schema.
pub(super) fn short(class: &str) -> &str {
    class.rsplit_once('.').map_or(class, |(_, short)| short)
}

/// Whether a class is meant by a pattern, with or without its schema.
pub(super) fn class_fits(pattern: &str, class: &str) -> bool {
    fits(pattern, class) || fits(pattern, short(class))
}

/// The position of the class that a name means, with or without its schema.
pub(super) fn resolve<'c>(name: &str, mut classes: impl Iterator<Item = &'c str> + Clone) -> Option<usize> {
    if let Some(at) = classes.clone().position(|class| class == name) {
        return Some(at);
    }
    let is_short = |class: &str| short(class) == name;
    let first = classes.clone().position(is_short)?;
    classes.by_ref().take(first + 1).for_each(drop);
    (!classes.any(is_short)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, fit) in [
            ("*", "", true),
            ("a*", "a", true),
            ("*_history", "ci_history", true),
            ("*_history", "ci_history_old", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
            ("abc", "abc", true),
            ("abc", "abcd", false),
        ] {
            assert_eq!(fits(pattern, text), fit, "{pattern} {text}");
        }
        assert_eq!(star("*_id", "tenant_id"), Some("tenant"));
        assert_eq!(star("id", "id"), None);
        assert!(class_fits("dcim_*", "public.dcim_cable") && class_fits("public.*", "public.dcim_cable"));
    }

    #[test]
    fn a_short_name_means_a_class_only_where_it_is_unique() {
        let classes = ["a.x", "b.x", "b.y", "z"];
        let found = |name| resolve(name, classes.into_iter());
        assert_eq!(
            [found("a.x"), found("x"), found("y"), found("z"), found("q")],
            [Some(0), None, Some(2), Some(3), None]
        );
    }
}
