//! Which classes a partial restore may write, and what a person should know of their columns.

use strongroom_core::record::{ClassSchema, ColumnId, KeySpec};

use super::columns::common_columns;
use super::plan::PlannedClass;
use crate::live::LiveClass;
use crate::source::{Finding, Severity};

/// Classes in which applications note how far their database was migrated: never a record's own state.
const BOOKKEEPING: [&str; 6] = [
    "django_migrations",
    "alembic_version",
    "flyway_schema_history",
    "schema_migrations",
    "DATABASECHANGELOG",
    "databasechangelog",
];

/// A class as the target has it, beside the snapshot's; or why it can't be restored into.
pub(super) fn planned_class(
    snapshot: &ClassSchema,
    live: Option<&LiveClass>,
    is_whole: bool,
) -> Result<(PlannedClass, Vec<Finding>), String> {
    let simple = snapshot.name.rsplit('.').next().unwrap_or_default();
    if BOOKKEEPING.contains(&simple) {
        return Err("it notes how far the database was migrated, which no partial restore changes".to_owned());
    }
    let KeySpec::Columns(keys) = &snapshot.key else {
        return Err("it has no key, so its records can't be told apart".to_owned());
    };
    let live = live.ok_or_else(|| "the target has no such table".to_owned())?;
    if let Some(why) = &live.unwritable {
        return Err(why.clone());
    }
    let is_key = |columns: &[ColumnId]| columns.len() == keys.len() && keys.iter().all(|key| columns.contains(key));
    if !live.uniques.iter().any(|unique| is_key(&unique.columns)) {
        let names: Vec<&str> = keys.iter().filter_map(|id| snapshot.column(*id)).map(|c| c.name.as_str()).collect();
        return Err(format!("its records have the key {}, which is no unique key of the target", names.join(", ")));
    }
    let mut live = live.clone();
    live.schema.key.clone_from(&snapshot.key);
    let common = common_columns(&live, snapshot);
    let findings = column_findings(snapshot, &live, &common);
    Ok((PlannedClass { live, common, is_whole }, findings))
}

fn column_findings(snapshot: &ClassSchema, live: &LiveClass, common: &[ColumnId]) -> Vec<Finding> {
    let note = |severity, message| Finding { severity, subject: snapshot.name.clone(), message };
    let mut findings = Vec::new();
    let more: Vec<&str> =
        live.schema.columns.iter().filter(|c| !common.contains(&c.id)).map(|c| c.name.as_str()).collect();
    if !more.is_empty() {
        let message = format!(
            "the target has columns that the snapshot lacks: new records get its defaults for {}",
            more.join(", ")
        );
        findings.push(note(Severity::Info, message));
    }
    let less: Vec<&str> =
        snapshot.columns.iter().filter(|c| !common.contains(&c.id)).map(|c| c.name.as_str()).collect();
    if !less.is_empty() {
        let message = format!("the target lacks columns that the snapshot has: {}", less.join(", "));
        findings.push(note(Severity::Warning, message));
    }
    for column in &snapshot.columns {
        if let Some(other) = live.schema.column(column.id).filter(|other| other.source_type != column.source_type) {
            let message = format!(
                "{} is {} in the snapshot and {} in the target",
                other.name, column.source_type, other.source_type
            );
            findings.push(note(Severity::Info, message));
        }
    }
    findings
}
