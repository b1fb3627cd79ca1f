//! The shape of files: what opens them, how long they are, and which attributes they may not carry.

use super::source::{Finding, SourceFile, numbered};

const MAIN_LINES_MAX: usize = 60;
const MODULE_LINES_MAX: usize = 600;

/// Source files that do not open with a module doc.
pub(crate) fn without_module_doc(files: &[SourceFile]) -> Vec<Finding> {
    let is_open = |file: &&SourceFile| !file.text.starts_with("//!");
    let remedy = "open the file with `//!`: what it owns, what it must never do, its invariants, what survives a crash";
    files.iter().filter(is_open).map(|file| file.finding(1, remedy)).collect()
}

/// `main.rs` files that do more than start the program.
pub(crate) fn long_mains(files: &[SourceFile]) -> Vec<Finding> {
    let mains = files.iter().filter(|file| file.is_named("main.rs"));
    let long = mains.filter(|file| file.text.lines().count() > MAIN_LINES_MAX);
    let remedy =
        format!("keep `main` to parse, build, run and exit code, in {MAIN_LINES_MAX} lines; move the rest out");
    long.map(|file| file.finding(MAIN_LINES_MAX + 1, remedy.clone())).collect()
}

/// `lib.rs` files that are more than a map of their package.
pub(crate) fn libs_with_functions(files: &[SourceFile]) -> Vec<Finding> {
    let libs = files.iter().filter(|file| file.is_named("lib.rs"));
    let lines = libs.flat_map(|file| numbered(&file.text).map(move |line| (file, line)));
    let functions = lines.filter(|(_, (_, line))| {
        let words: Vec<&str> = line.split_whitespace().collect();
        !line.trim_start().starts_with("//") && words.contains(&"fn")
    });
    functions
        .map(|(file, (number, _))| file.finding(number, "move the function to a module; `lib.rs` is a map"))
        .collect()
}

/// Modules that hide their name behind their folder's.
pub(crate) fn mod_files(files: &[SourceFile]) -> Vec<Finding> {
    let hidden = files.iter().filter(|file| file.is_named("mod.rs"));
    hidden.map(|file| file.finding(0, "call it after its folder, beside it: `foo.rs` and `foo/`")).collect()
}

/// Modules so long that there must be a second idea in them.
pub(crate) fn long_modules(files: &[SourceFile]) -> Vec<Finding> {
    let long = files.iter().filter(|file| file.production_lines().count() > MODULE_LINES_MAX);
    let remedy =
        format!("find the second idea and give it a file: more than {MODULE_LINES_MAX} lines before the tests");
    long.map(|file| file.finding(MODULE_LINES_MAX + 1, remedy.clone())).collect()
}

/// Lints that are set or silenced outside the workspace's list, other than by an expectation with its reason.
pub(crate) fn silenced_lints(files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        for (number, line) in numbered(&file.text) {
            let line = line.trim_start();
            if ["#![allow(", "#![warn(", "#![deny(", "#![forbid("].iter().any(|start| line.starts_with(start)) {
                findings.push(file.finding(number, "lints live in `[workspace.lints]`; set it there"));
            } else if line.starts_with("#[allow(") {
                findings
                    .push(file.finding(number, "write `#[expect(…, reason = \"…\")]`: it fails when it is not needed"));
            } else if is_expectation_without_reason(file, number) {
                findings.push(file.finding(number, "say why the lint does not hold here: `reason = \"…\"`"));
            }
        }
    }
    findings
}

fn is_expectation_without_reason(file: &SourceFile, number: usize) -> bool {
    let mut lines = file.text.lines().skip(number - 1).map(str::trim);
    let Some(first) = lines.next().filter(|line| line.starts_with("#[expect(") || line.starts_with("#![expect("))
    else {
        return false;
    };
    let mut attribute = first.to_owned();
    while !attribute.ends_with(")]") {
        let Some(line) = lines.next() else { break };
        attribute.push_str(line);
    }
    !attribute.contains("reason")
}

/// Packages of the workspace that do not take its lints.
pub(crate) fn packages_without_workspace_lints(manifests: &[SourceFile]) -> Vec<Finding> {
    let packages =
        manifests.iter().filter(|file| file.text.contains("[package]") && !file.text.contains("\n[workspace]\n"));
    let bare = packages.filter(|file| !file.text.contains("[lints]\nworkspace = true"));
    bare.map(|file| file.finding(0, "add `[lints]` with `workspace = true`")).collect()
}

/// Tests that sleep, and tests that are not run.
pub(crate) fn sleeping_or_ignored_tests(files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (ignore, sleep) = (concat!("#[", "ignore"), concat!("sleep", "("));
    for file in files {
        for (number, line) in numbered(&file.text) {
            if line.trim_start().starts_with(ignore) {
                findings.push(
                    file.finding(number, "run the test, or remove it; one that lacks something says so at run time"),
                );
            }
            if calls(line, sleep) && !line.trim_start().starts_with("//") {
                findings.push(file.finding(number, "wait for a condition with a deadline instead of sleeping"));
            }
        }
    }
    findings
}

/// Says whether `line` calls a function whose whole name is the one in `call`.
fn calls(line: &str, call: &str) -> bool {
    line.match_indices(call).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|next| next.is_alphanumeric() || next == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::tests::{places, sample};

    #[test]
    fn a_file_without_a_module_doc_is_found() {
        let files = [sample("core/src/a.rs", "use std::io;\n"), sample("core/src/b.rs", "//! Owns b.\n")];
        assert_eq!(places(&without_module_doc(&files)), ["core/src/a.rs:1"]);
    }

    #[test]
    fn a_long_main_is_found() {
        let long = "x\n".repeat(MAIN_LINES_MAX + 1);
        let files = [sample("cli/src/main.rs", &long), sample("cli/src/args.rs", &long)];
        assert_eq!(places(&long_mains(&files)), ["cli/src/main.rs:61"]);
    }

    #[test]
    fn a_function_in_a_lib_is_found() {
        let files = [sample("core/src/lib.rs", "//! A fn here is a word.\npub mod fns;\npub const fn one() {}\n")];
        assert_eq!(places(&libs_with_functions(&files)), ["core/src/lib.rs:3"]);
    }

    #[test]
    fn a_module_called_after_nothing_is_found() {
        assert_eq!(places(&mod_files(&[sample("core/src/tree/mod.rs", "")])), ["core/src/tree/mod.rs:0"]);
    }

    #[test]
    fn a_long_module_is_found_and_long_tests_are_not() {
        let (long, tests) = ("x\n".repeat(601), format!("x\n#[cfg(test)]\n{}", "x\n".repeat(700)));
        let files = [sample("core/src/a.rs", &long), sample("core/src/b.rs", &tests)];
        assert_eq!(places(&long_modules(&files)), ["core/src/a.rs:601"]);
    }

    #[test]
    fn lints_set_in_a_file_are_found() {
        let text = "#![deny(warnings)]\n#[allow(dead_code)]\n#[expect(dead_code)]\n#[expect(\n    dead_code,\n    reason = \"x\"\n)]\n";
        let found = silenced_lints(&[sample("core/src/a.rs", text)]);
        assert_eq!(places(&found), ["core/src/a.rs:1", "core/src/a.rs:2", "core/src/a.rs:3"]);
    }

    #[test]
    fn a_package_without_lints_is_found() {
        let files = [
            sample("a/Cargo.toml", "[package]\n[lints]\nworkspace = true\n"),
            sample("fuzz/Cargo.toml", "[package]\n\n[workspace]\n"),
            sample("b/Cargo.toml", "[package]\n"),
            sample("Cargo.toml", "[workspace]\n"),
        ];
        assert_eq!(places(&packages_without_workspace_lints(&files)), ["b/Cargo.toml:0"]);
    }

    #[test]
    fn tests_that_sleep_or_are_ignored_are_found() {
        let text = concat!("#[", "ignore]\nthread::sleep", "(second);\nSELECT pg_sleep", "(1);\n");
        let found = sleeping_or_ignored_tests(&[sample("core/src/a.rs", text)]);
        assert_eq!(places(&found), ["core/src/a.rs:1", "core/src/a.rs:2"]);
    }
}
