//! The files of the source tree, and where a habit was not kept.
//!
//! Owns the walk over the tree. Build output, hidden folders and what version control ignores by name are left out;
//! everything else is read, whatever a package claims about its files.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders that hold no source.
const SKIPPED_DIRS: &[&str] = &["target", "node_modules", "__pycache__"];

/// What files are text that people write, besides Rust, Markdown and manifests.
const TEXT_SUFFIXES: &[&str] = &["toml", "sh", "py", "sql", "yml", "yaml", "json", "proto", "service"];

/// Names of text files without a suffix, and the folders that are hidden and ours all the same.
const TEXT_NAMES: &[&str] = &["justfile", "run"];
const HIDDEN_DIRS: &[&str] = &[".ci", ".config"];

/// A file, with its path from the root of the tree.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl SourceFile {
    /// The lines of the file before its tests begin; none of a file that holds nothing but tests.
    pub(crate) fn production_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test = self.is_test();
        numbered(&self.text).take_while(move |(_, line)| !is_test && line.trim() != "#[cfg(test)]")
    }

    /// Says whether the file holds nothing but tests.
    pub(crate) fn is_test(&self) -> bool {
        self.path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "benches"))
    }

    /// Says whether the file is called `name`.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.path.rsplit('/').next() == Some(name)
    }

    /// A finding at a line of this file, the first being 1; 0 stands for the file as a whole.
    pub(crate) fn finding(&self, line: usize, remedy: impl Into<String>) -> Finding {
        Finding { place: format!("{}:{line}", self.path), remedy: remedy.into() }
    }
}

/// The lines of a text with their numbers, the first being 1.
pub(crate) fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line))
}

/// A place where a habit was not kept, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) place: String,
    pub(crate) remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.place, self.remedy)
    }
}

/// Every text of the source tree, by kind.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) root: PathBuf,
    pub(crate) rust: Vec<SourceFile>,
    pub(crate) documents: Vec<SourceFile>,
    pub(crate) manifests: Vec<SourceFile>,
    others: Vec<SourceFile>,
}

impl Tree {
    /// Reads the tree that this test was built from.
    pub(crate) fn load() -> io::Result<Self> {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut tree = Self { root: package.parent().unwrap_or(package).to_path_buf(), ..Self::default() };
        let root = tree.root.clone();
        tree.walk(&root, "")?;
        Ok(tree)
    }

    /// All files, whatever their kind.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &SourceFile> {
        self.rust.iter().chain(&self.documents).chain(&self.manifests).chain(&self.others)
    }

    fn walk(&mut self, dir: &Path, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            if entry.file_type()?.is_dir() {
                let is_hidden = name.starts_with('.') && !HIDDEN_DIRS.contains(&name.as_str());
                if !is_hidden && !SKIPPED_DIRS.contains(&name.as_str()) {
                    self.walk(&entry.path(), &path)?;
                }
            } else if let Some(kind) = self.kind_of(&name) {
                kind.push(SourceFile { path, text: fs::read_to_string(entry.path())? });
            }
        }
        Ok(())
    }

    fn kind_of(&mut self, name: &str) -> Option<&mut Vec<SourceFile>> {
        let suffix = name.rsplit_once('.').map_or("", |(_, suffix)| suffix);
        match suffix {
            "rs" => Some(&mut self.rust),
            "md" => Some(&mut self.documents),
            _ if name == "Cargo.toml" => Some(&mut self.manifests),
            _ if TEXT_SUFFIXES.contains(&suffix) || TEXT_NAMES.contains(&name) => Some(&mut self.others),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A file as a sample for a habit.
    pub(crate) fn sample(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    /// The places of some findings.
    pub(crate) fn places(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.place.as_str()).collect()
    }

    #[test]
    fn the_walk_finds_this_file_and_no_build_output() {
        let tree = Tree::load().unwrap();
        assert!(tree.rust.iter().any(|file| file.path == "chaos-tests/tests/tidy/source.rs"));
        assert!(tree.manifests.iter().any(|file| file.path == "Cargo.toml"));
        assert!(!tree.texts().any(|file| file.path.starts_with("target/")));
    }

    #[test]
    fn tests_at_the_end_of_a_file_are_not_production() {
        let file = sample("core/src/a.rs", "one\n#[cfg(test)]\nmod tests {}\n");
        assert_eq!(file.production_lines().collect::<Vec<_>>(), [(1, "one")]);
        assert_eq!(sample("core/src/a/tests.rs", "one").production_lines().count(), 0);
    }
}
