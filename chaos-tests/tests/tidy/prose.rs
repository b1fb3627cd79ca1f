//! Prose and texts of every kind: finished, true on every machine, and without dead ends.

use std::path::Path;

use super::source::{Finding, SourceFile, numbered};

/// Words that promise to come back; this file must not be found for naming them.
const PROMISES: &[&str] = &[concat!("FIX", "ME"), concat!("TO", "DO"), concat!("XX", "X"), concat!("for", " now")];

/// How paths of a build machine begin.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];

/// Notes to oneself on a branch that others read.
pub(crate) fn unfinished<'a>(files: impl Iterator<Item = &'a SourceFile>) -> Vec<Finding> {
    let remedy = "finish it, or file an issue: the tree says what is true today";
    lines_with(files, remedy, |line| PROMISES.iter().any(|promise| has_word(line, promise)))
}

/// Paths that exist only where the file was written.
pub(crate) fn machine_paths<'a>(files: impl Iterator<Item = &'a SourceFile>) -> Vec<Finding> {
    let remedy = "use a path from the root of the project, or a made-up one";
    lines_with(files, remedy, |line| MACHINE_PATHS.iter().any(|path| begins_a_path(line, path)))
}

/// Links between documents that lead to nothing.
pub(crate) fn broken_links(documents: &[SourceFile], root: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in documents {
        let dir = root.join(&file.path).parent().map(Path::to_path_buf).unwrap_or_default();
        for (number, line) in numbered(&file.text) {
            for target in link_targets(line).filter(|target| !dir.join(target).exists()) {
                findings
                    .push(file.finding(number, format!("`{target}` does not exist; write it, or link to what does")));
            }
        }
    }
    findings
}

fn lines_with<'a>(
    files: impl Iterator<Item = &'a SourceFile>,
    remedy: &str,
    is_found: impl Fn(&str) -> bool,
) -> Vec<Finding> {
    let lines = files.flat_map(|file| numbered(&file.text).map(move |line| (file, line)));
    lines.filter(|(_, (_, line))| is_found(line)).map(|(file, (number, _))| file.finding(number, remedy)).collect()
}

/// Says whether `word` stands in `line` with no letter or digit next to it.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (line.get(..at), line.get(at + word.len()..));
        let is_inside = |next: Option<char>| next.is_some_and(char::is_alphanumeric);
        !is_inside(before.and_then(|text| text.chars().next_back()))
            && !is_inside(after.and_then(|text| text.chars().next()))
    })
}

/// Says whether `line` has an absolute path that begins with `start`; `$HOME/x` and `a/b` are none.
fn begins_a_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        before.is_none_or(|next| !next.is_alphanumeric() && !matches!(next, '.' | '_' | '-' | '}' | '~' | '*' | '/'))
    })
}

/// The files that a line of Markdown links to; addresses and places within the document are left out.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    let files = targets.map(|target| target.split('#').next().unwrap_or(target));
    files.filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::tests::{places, sample};

    #[test]
    fn a_promise_to_come_back_is_found() {
        let text = concat!("// TO", "DO: later\n// good for", " now.\n// MASTO", "DON\n// for nowhere\n");
        assert_eq!(places(&unfinished([sample("a.rs", text)].iter())), ["a.rs:1", "a.rs:2"]);
    }

    #[test]
    fn a_path_of_a_machine_is_found() {
        let text = concat!("see /wo", "rk/main\nframe", "/wo", "rk/x\n(/ho", "me/me)\n$HO", "ME/x\n");
        assert_eq!(places(&machine_paths([sample("a.md", text)].iter())), ["a.md:1", "a.md:3"]);
    }

    #[test]
    fn a_link_to_nothing_is_found() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = "[a](src/lib.rs) [b](none.md#x)\n[c](https://example.org) [d](#here)\n";
        assert_eq!(places(&broken_links(&[sample("a.md", text)], root)), ["a.md:1"]);
    }
}
