//! What a person should know about a SQLite source before relying on its snapshots.
//!
//! Owns the judgement of what a capture can't hold. Anything that a restore would lack without a word must be found
//! here.

use std::path::Path;

use strongroom_core::record::{ClassSchema, KeySpec};

use super::catalog::{Catalog, Kind, Object, module_of, option};
use super::location::beside;
use super::schema::ROW_NUMBER_TYPE;
use crate::source::{CutClass, Finding, Severity};

/// Modules that keep all they hold in shadow tables of the same file.
const MODULES_WITH_SHADOWS: &[&str] = &["fts3", "fts4", "fts5", "rtree", "rtree_i32", "geopoly"];

/// Modules that hold nothing of their own.
const MODULES_WITHOUT_CONTENT: &[&str] = &["fts3tokenize", "fts4aux", "fts5vocab", "dbstat"];

fn finding(severity: Severity, subject: impl Into<String>, message: impl Into<String>) -> Finding {
    Finding { severity, subject: subject.into(), message: message.into() }
}

/// What the choice of a class's key means.
pub(super) fn of_key(schema: &ClassSchema, unusable: Option<&str>) -> Option<Finding> {
    let keyless = schema.is_keyless().then_some("so records of the class can't be found or restored one by one");
    let message = match (unusable, keyless) {
        (None, None) => return None,
        (None, Some(then)) => format!("the table has no key, {then}"),
        (Some(why), None) => format!("{why}; a unique index is taken as its key"),
        (Some(why), Some(then)) => format!("{why}, {then}"),
    };
    Some(finding(Severity::Info, &schema.name, message))
}

/// What the catalog holds that a capture can't, or can only in part.
pub(super) fn of_catalog(catalog: &Catalog, classes: &[CutClass]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if catalog.has_statistics {
        let message = "the planner's statistics are not captured; a restore makes them again";
        findings.push(finding(Severity::Info, "sqlite_stat", message));
    }
    for table in catalog.of(Kind::VirtualTable) {
        let (module, arguments) = module_of(&table.sql);
        if MODULES_WITHOUT_CONTENT.contains(&module.as_str()) {
            continue;
        }
        if !MODULES_WITH_SHADOWS.contains(&module.as_str()) {
            let message = format!("what the module {module} keeps outside the tables of this file is not captured");
            findings.push(finding(Severity::Incomplete, &table.name, message));
        }
        findings.extend(of_external_content(table, &arguments, classes));
    }
    findings
}

/// A search index over what is no table of this file, or over a table whose columns have taken all names of the row
/// number, may not fit after a restore.
fn of_external_content(index: &Object, arguments: &str, classes: &[CutClass]) -> Option<Finding> {
    let content = option(arguments, "content").filter(|name| !name.is_empty())?;
    let class = classes.iter().find(|class| class.schema.name.eq_ignore_ascii_case(&content));
    if class.is_some_and(|class| keeps_row_numbers(&class.schema)) {
        return None;
    }
    let message = format!(
        "the index refers to rows of {content} by numbers that may not be kept: after a restore, run INSERT INTO \
         {}({}) VALUES ('rebuild')",
        index.name, index.name
    );
    Some(finding(Severity::Warning, &index.name, message))
}

/// Whether row numbers are a column of the class: taken along, or as a key of one column that is declared INTEGER.
fn keeps_row_numbers(schema: &ClassSchema) -> bool {
    let is_declared = || match &schema.key {
        KeySpec::Columns(ids) if ids.len() == 1 => ids
            .iter()
            .filter_map(|id| schema.column(*id))
            .all(|column| column.source_type.eq_ignore_ascii_case("INTEGER")),
        _ => false,
    };
    schema.columns.iter().any(|column| column.source_type == ROW_NUMBER_TYPE) || is_declared()
}

/// What reading leaves beside the file: a shared-memory file that belongs to somebody else than the database shuts its
/// application out.
pub(super) fn of_files(path: &Path) -> Option<Finding> {
    use std::os::unix::fs::MetadataExt;
    let shared = beside(path, "-shm");
    let (database, memory) = (path.metadata().ok()?, shared.metadata().ok()?);
    (database.uid() != memory.uid()).then(|| {
        let message = "the -shm file belongs to another user than the database: run the agent as the database's owner, \
            or the application may not be able to write";
        finding(Severity::Warning, path.display().to_string(), message)
    })
}
