//! Names: SQL quoting, and the names of classes.
//!
//! A class is called `schema.table`, each part as it is. A part that holds a dot or a double quote, or that is empty, is
//! written as SQL would quote it, so that a class name leads to one table only: table `a.b` in schema `s` is the class
//! `s."a.b"`, while `s.Device` and names with spaces or newlines stay plain.

/// An identifier, quoted so that it always means itself.
pub(crate) fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A qualified name, each part quoted.
pub(crate) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}

/// A string literal that means itself under any setting of `standard_conforming_strings`.
pub(crate) fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

/// The name of the class that holds a table's rows.
pub fn class_name(schema: &str, table: &str) -> String {
    let part = |name: &str| match name {
        "" => "\"\"".to_owned(),
        _ if name.contains(['.', '"']) => quoted(name),
        _ => name.to_owned(),
    };
    format!("{}.{}", part(schema), part(table))
}

/// Schema and table of a class name, or nothing if it is not one.
pub fn parse_class_name(class: &str) -> Option<(String, String)> {
    let (schema, rest) = take_part(class)?;
    let (table, rest) = take_part(rest.strip_prefix('.')?)?;
    rest.is_empty().then_some((schema, table))
}

/// The parts of a name as SQL quotes it, or nothing if it is none.
pub(crate) fn parse_parts(name: &str) -> Option<Vec<String>> {
    let (first, mut rest) = take_part(name)?;
    let mut parts = vec![first];
    while !rest.is_empty() {
        let (part, after) = take_part(rest.strip_prefix('.')?)?;
        parts.push(part);
        rest = after;
    }
    Some(parts)
}

fn take_part(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find('.').unwrap_or(text.len());
        let (part, rest) = text.split_at(end);
        return (!part.is_empty() && !part.contains('"')).then(|| (part.to_owned(), rest));
    };
    let mut part = String::new();
    loop {
        let (head, tail) = rest.split_once('"')?;
        part.push_str(head);
        match tail.strip_prefix('"') {
            Some(more) => {
                part.push('"');
                rest = more;
            }
            None => return Some((part, tail)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_name_leads_back_to_its_table() {
        for (schema, table, class) in [
            ("public", "ci", "public.ci"),
            ("public", "Device List", "public.Device List"),
            ("a.b", "c", "\"a.b\".c"),
            ("a", "b.c", "a.\"b.c\""),
            ("a", "say \"hi\"", "a.\"say \"\"hi\"\"\""),
            ("a", "two\nlines", "a.two\nlines"),
            ("a", ".", "a.\".\""),
        ] {
            assert_eq!(class_name(schema, table), class);
            assert_eq!(parse_class_name(class), Some((schema.to_owned(), table.to_owned())), "{class}");
        }
    }

    #[test]
    fn what_is_no_class_name_is_refused() {
        for text in ["", "ci", "a.b.c", ".b", "a.", "\"a.b", "a\"b.c", "a.\"b\"c"] {
            assert_eq!(parse_class_name(text), None, "{text}");
        }
    }

    #[test]
    fn literals_survive_quotes_and_backslashes() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\b'"), "E'a\\\\b'''");
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
