//! Names and texts as SQL takes them. The only place where either enters a statement.

/// A name in double quotes.
pub(super) fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in single quotes.
pub(super) fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Names in double quotes, with commas between.
pub(super) fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn quotes_within_are_doubled() {
        assert_eq!(super::name("a\"b.c"), "\"a\"\"b.c\"");
        assert_eq!(super::text("it's"), "'it''s'");
        assert_eq!(super::names(["a", "b"]), "\"a\", \"b\"");
    }
}
