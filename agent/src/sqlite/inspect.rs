//! What `source inspect` shows of a database, without capturing anything.
//!
//! Rows are counted in the same kind of read transaction that a capture uses, so the numbers belong together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strongroom_core::record::{ClassSchema, KeySpec};

use super::connect::failed;
use super::cut::SqliteCut;
use super::location::beside;
use super::quote;
use super::source::SqliteSource;
use crate::source::{CaptureOptions, Cut, Finding, SourceError};

/// A database as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqliteInspection {
    /// `sqlite`.
    pub engine: String,
    /// Version of the library that reads.
    pub engine_version: String,
    /// The path, as it was given.
    pub database: String,
    /// Bytes of the file and of its write-ahead log.
    pub bytes: u64,
    /// Journal mode, encoding, page size, and the application's numbers.
    pub settings: BTreeMap<String, String>,
    /// How many objects of each kind the schema has.
    pub objects: BTreeMap<String, u64>,
    /// What would be captured.
    pub classes: Vec<InspectedClass>,
    /// What a person should know.
    pub findings: Vec<Finding>,
}

/// One class of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectedClass {
    /// The table.
    pub name: String,
    /// Its rows.
    pub records: u64,
    /// The columns that identify a row; none if nothing does.
    pub key: Vec<String>,
    /// The classes that it refers to.
    pub references: Vec<String>,
}

impl SqliteSource {
    /// Looks at the database.
    pub fn inspect(&self) -> Result<SqliteInspection, SourceError> {
        let cut = self.open_cut(&CaptureOptions::default())?;
        let mut objects = BTreeMap::new();
        for object in &cut.catalog.objects {
            *objects.entry(object.kind.word().to_owned()).or_insert(0) += 1;
        }
        let classes: Result<Vec<_>, _> = cut.classes().iter().map(|class| inspect_class(&cut, &class.schema)).collect();
        let (classes, bytes, facts) = (classes?, self.bytes()?, cut.facts().clone());
        let mut findings = facts.findings;
        findings.extend(Box::new(cut).close()?);
        Ok(SqliteInspection {
            engine: facts.engine,
            engine_version: facts.engine_version,
            database: facts.database,
            bytes,
            settings: facts.settings,
            objects,
            classes,
            findings,
        })
    }

    /// Bytes of the file and of its log, where there is one.
    fn bytes(&self) -> Result<u64, SourceError> {
        let Some(path) = self.location().resolve()? else { return Ok(0) };
        let length = |path: std::path::PathBuf| path.metadata().map_or(0, |metadata| metadata.len());
        Ok(length(beside(&path, "-wal")) + length(path))
    }
}

fn inspect_class(cut: &SqliteCut, schema: &ClassSchema) -> Result<InspectedClass, SourceError> {
    let sql = format!("SELECT count(*) FROM main.{}", quote::name(&schema.name));
    let records: i64 = cut
        .with(|connection| connection.query_row(&sql, [], |row| row.get(0)))
        .map_err(|error| failed(&schema.name, error))?;
    let key = match &schema.key {
        KeySpec::Columns(ids) => {
            ids.iter().filter_map(|id| schema.column(*id)).map(|column| column.name.clone()).collect()
        }
        KeySpec::Keyless => Vec::new(),
    };
    let references = schema.references.iter().map(|reference| reference.class.clone()).collect();
    Ok(InspectedClass { name: schema.name.clone(), records: records.unsigned_abs(), key, references })
}
