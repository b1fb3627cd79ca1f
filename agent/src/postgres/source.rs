//! The source: what is asked of it, and how a cut comes to be.

use std::sync::Mutex;

use crate::source::{CaptureOptions, Cut, CutFacts, Finding, Severity, Source, SourceError};

use super::catalog::{Table, table_facts};
use super::classes::{PlannedClass, plan_large_objects, plan_table};
use super::cut::PostgresCut;
use super::endpoint::Endpoint;
use super::facts;
use super::health;
use super::names::class_name;
use super::open::{Opened, join_snapshot, open_snapshot};
use super::options::{OpenStep, PostgresOptions};

/// A PostgreSQL database that is protected.
#[derive(Clone, Debug)]
pub struct PostgresSource {
    endpoint: Endpoint,
    options: PostgresOptions,
    is_under_restore: bool,
}

impl PostgresSource {
    /// The database behind a URL. Nothing is connected yet.
    pub fn new(url: &str, options: PostgresOptions) -> Result<Self, SourceError> {
        let endpoint = Endpoint::parse(url, options.password.as_deref())?;
        Ok(Self { endpoint, options, is_under_restore: false })
    }

    /// The database that a restore has just loaded and still marks.
    pub(crate) const fn under_restore(endpoint: Endpoint, options: PostgresOptions) -> Self {
        Self { endpoint, options, is_under_restore: true }
    }

    /// Where the database is.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The options.
    pub const fn options(&self) -> &PostgresOptions {
        &self.options
    }
}

impl Source for PostgresSource {
    fn open(&self, options: &CaptureOptions) -> Result<Box<dyn Cut>, SourceError> {
        let mut opened = open_snapshot(&self.endpoint, &self.options, self.is_under_restore)?;
        let mut lanes = Vec::new();
        for _ in 0..options.readers.max(1) {
            lanes.push(join_snapshot(&self.endpoint, &opened.snapshot, self.options.others_wait_max)?);
        }
        if let Some(observer) = &self.options.observer {
            observer(OpenStep::Joined);
        }
        let facts = self.facts(&mut opened)?;
        let planned = self.plan(&mut opened, options)?;
        let (classes, statements) = PostgresCut::divide(planned);
        let pids = lanes.iter().chain([&opened.leader]).map(super::session::Session::pid).collect();
        let version = opened.leader.version();
        Ok(Box::new(PostgresCut {
            endpoint: self.endpoint.clone(),
            options: self.options.clone(),
            leader: Mutex::new(opened.leader),
            lanes: lanes.into_iter().map(Mutex::new).collect(),
            pids,
            snapshot: opened.snapshot,
            facts,
            classes,
            statements,
            records_only: options.records_only,
            under_restore: self.is_under_restore,
            version,
        }))
    }
}

impl PostgresSource {
    fn plan(&self, opened: &mut Opened, options: &CaptureOptions) -> Result<Vec<PlannedClass>, SourceError> {
        let facts = table_facts(&mut opened.leader, &opened.tables)?;
        let version = opened.leader.version();
        let mut planned = Vec::new();
        for table in &opened.tables {
            let known = facts.get(&table.oid).cloned().unwrap_or_default();
            let estimate = opened.estimates.get(&table.oid).copied().unwrap_or_default();
            planned.push(plan_table(table, &known, estimate, self.options.part_bytes, version, options));
        }
        let row = opened.leader.one("SELECT count(*) FROM pg_largeobject_metadata", &[])?;
        let large_objects: i64 = opened.leader.cell(&row, 0)?;
        if large_objects > 0 {
            planned.push(plan_large_objects(large_objects.cast_unsigned(), options));
        }
        planned.sort_by(|a, b| a.class.schema.name.cmp(&b.class.schema.name));
        Ok(planned)
    }

    fn facts(&self, opened: &mut Opened) -> Result<CutFacts, SourceError> {
        let mut facts = facts::read(&mut opened.leader, &self.endpoint)?;
        facts.findings.extend(opened.tables.iter().flat_map(table_findings));
        facts.findings.extend(facts::object_findings(&mut opened.leader)?);
        if !self.is_under_restore {
            facts.findings.extend(health::findings(&mut opened.leader, self.options.long_transaction)?);
        }
        Ok(facts)
    }
}

pub(super) fn table_findings(table: &Table) -> Vec<Finding> {
    let note =
        |severity, message: String| Finding { severity, subject: class_name(&table.schema, &table.name), message };
    let mut findings = Vec::new();
    if table.is_foreign {
        findings.push(note(
            Severity::Info,
            "is a foreign table: its rows are in another system and are not captured".into(),
        ));
    } else if let (Some(extension), None) = (&table.extension, &table.filter) {
        findings.push(note(Severity::Info, format!("belongs to the extension {extension}: its rows are not captured")));
    }
    if table.is_unlogged {
        findings.push(note(
            Severity::Info,
            "is unlogged: its rows are captured, but a crash of the server empties it".into(),
        ));
    }
    findings
}
