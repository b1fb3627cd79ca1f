//! Errors: facts that a caller can act on, printed once.

use super::source::{Finding, SourceFile, numbered};

/// Errors into which anything fits.
pub(crate) fn catch_alls(files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = files.iter().flat_map(|file| file.production_lines().map(move |line| (file, line)));
    for (file, (number, line)) in lines {
        let is_conversion = ["From<&str>", "From<String>", "From<&'static str>"]
            .iter()
            .any(|from| line.starts_with(&format!("impl {from} for ")) && line.contains("Error"));
        if line.contains(concat!("Other(", "String)")) || is_conversion {
            let remedy = "name the fact: a variant whose fields hold ids, paths and sizes, not a sentence";
            findings.push(file.finding(number, remedy));
        }
    }
    findings
}

/// Messages that repeat the error below them, and sources that are passed off as the error itself.
pub(crate) fn displayed_sources(files: &[SourceFile]) -> Vec<Finding> {
    files.iter().flat_map(|file| messages(file).filter_map(|message| judge(file, &message))).collect()
}

/// One `#[error(…)]`: its line, what is between the brackets, and the item that it stands on.
struct Message<'a> {
    line: usize,
    format: &'a str,
    item: &'a str,
}

fn messages(file: &SourceFile) -> impl Iterator<Item = Message<'_>> {
    let marker = concat!("#[", "error(");
    let is_message = move |line: &str| line.trim_start().starts_with(marker);
    let mut offset = 0;
    let starts = numbered(&file.text).filter_map(move |(number, line)| {
        let start = offset;
        offset += line.len() + 1;
        is_message(line).then_some((number, start))
    });
    starts.filter_map(move |(line, start)| {
        let (_, rest) = file.text.get(start..)?.split_once(marker)?;
        let (format, rest) = rest.split_once(")]")?;
        let end = [rest.find(marker), rest.find("\n}")].into_iter().flatten().min().unwrap_or(rest.len());
        Some(Message { line, format, item: rest.get(..end)? })
    })
}

fn judge(file: &SourceFile, message: &Message<'_>) -> Option<Finding> {
    if message.format.trim() == "transparent" {
        return None;
    }
    let has_source = message.item.contains("#[source]") || message.item.contains("#[from]");
    let prints_source = ["{source}", "{source:", "{}\", source"].iter().any(|it| message.format.contains(it));
    if prints_source || (has_source && prints_first_field_that_is_source(message)) {
        return Some(file.finding(message.line, "leave the source out of the message; the chain printer adds it"));
    }
    let is_from = message.item.contains("#[from]");
    is_from.then(|| file.finding(message.line, "`#[from]` only with `transparent`; else say what was being done"))
}

fn prints_first_field_that_is_source(message: &Message<'_>) -> bool {
    let (format, item) = (message.format, message.item);
    let first_field = item.split_once('(').map_or("", |(_, fields)| fields.trim_start());
    format.contains("{0") && (first_field.starts_with("#[source]") || first_field.starts_with("#[from]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::tests::{places, sample};

    #[test]
    fn an_error_into_which_anything_fits_is_found() {
        let text = concat!(
            "enum E {\n    Other(",
            "String),\n}\nimpl From<&str> for ReadError {\nimpl From<&str> for Key {\n"
        );
        assert_eq!(places(&catch_alls(&[sample("core/src/a.rs", text)])), ["core/src/a.rs:2", "core/src/a.rs:4"]);
    }

    fn judged(variant: &str) -> usize {
        let text = format!("enum E {{\n    {variant}\n    #[error(\"fine\")]\n    Fine,\n}}\n");
        displayed_sources(&[sample("core/src/a.rs", &text)]).len()
    }

    #[test]
    fn a_message_that_prints_its_source_is_found() {
        assert_eq!(judged("#[error(\"cannot read: {source}\")]\n    A { source: io::Error },"), 1);
        assert_eq!(judged("#[error(\"cannot read: {source:?}\")]\n    A { source: io::Error },"), 1);
        assert_eq!(judged("#[error(\"cannot read: {0}\")]\n    A(#[source] io::Error),"), 1);
        assert_eq!(
            judged(
                "#[error(\n        \"cannot read {path}: {}\", source\n    )]\n    A { path: P, source: io::Error },"
            ),
            1
        );
        assert_eq!(judged("#[error(\"cannot read\")]\n    A(#[from] io::Error),"), 1);
    }

    #[test]
    fn a_message_of_its_own_is_fine() {
        assert_eq!(judged("#[error(\"cannot read {path}\")]\n    A { path: P, source: io::Error },"), 0);
        assert_eq!(judged("#[error(\"cannot read {0}\")]\n    A(P, #[source] io::Error),"), 0);
        assert_eq!(judged("#[error(\"{0} is no key\")]\n    A(Text),"), 0);
        assert_eq!(judged("#[error(\"{source_id} is not known\")]\n    A { source_id: Id },"), 0);
        assert_eq!(judged("#[error(transparent)]\n    A(#[from] io::Error),"), 0);
    }
}
