//! What `source inspect` shows of a database, without capturing anything: what is there, and what would stand in the
//! way of a capture.
//!
//! Nothing is locked, and nothing is refused: what a capture would refuse is told as findings.

use serde::{Deserialize, Serialize};
use strongroom_core::record::KeySpec;

use crate::source::{CaptureOptions, Finding, Severity, SourceError};

use super::blobs::find_pg_dump;
use super::catalog::{Table, list_tables, table_facts};
use super::classes::plan_table;
use super::facts;
use super::failure::Side;
use super::marker;
use super::session::Session;
use super::source::{PostgresSource, table_findings};

/// Of the login and the server.
const LOGIN: &str = "SELECT current_user::text, r.rolsuper, r.rolbypassrls OR r.rolsuper, pg_is_in_recovery(),
        pg_database_size(current_database()),
        (SELECT coalesce(array_agg(extname || ' ' || extversion ORDER BY extname), '{}') FROM pg_extension)
    FROM pg_roles r WHERE r.rolname = current_user";

/// Products by tables that only they have together.
const PRODUCTS: [(&str, &[&str]); 7] = [
    ("nautobot", &["dcim_device", "extras_relationshipassociation"]),
    ("netbox", &["dcim_device", "extras_customfield", "dcim_cabletermination"]),
    ("cmdbuild", &["Class", "Map", "LookUp"]),
    ("openmetadata", &["entity_relationship", "table_entity"]),
    ("datahub", &["metadata_aspect_v2"]),
    ("zabbix", &["hosts", "hstgrp", "items"]),
    ("ckan", &["package", "package_extra", "resource"]),
];

/// A database as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresInspection {
    /// `postgresql`.
    pub engine: String,
    /// Its version as it states it.
    pub engine_version: String,
    /// The name of the database.
    pub database: String,
    /// Its size.
    pub bytes: u64,
    /// The product that its tables look like, if one is known by them.
    pub product: Option<String>,
    /// `primary` or `standby`.
    pub role: String,
    /// The login, and whether it is a superuser or may read past row security.
    pub login: InspectedLogin,
    /// Encoding, collation and the like.
    pub settings: std::collections::BTreeMap<String, String>,
    /// Extensions with their versions.
    pub extensions: Vec<String>,
    /// Version of the `pg_dump` that a capture would use; nothing if there is none that suits.
    pub pg_dump: Option<i32>,
    /// Tables in which row security hides rows from the login.
    pub hidden: Vec<String>,
    /// Tables that the login may not read.
    pub unreadable: Vec<String>,
    /// What would be captured, and what not.
    pub classes: Vec<InspectedClass>,
    /// What a person should know.
    pub findings: Vec<Finding>,
}

/// Who logs in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectedLogin {
    /// The role.
    pub name: String,
    /// Whether it is a superuser.
    pub is_superuser: bool,
    /// Whether row security does not bind it.
    pub bypasses_row_security: bool,
}

/// One class of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectedClass {
    /// The class.
    pub name: String,
    /// Rows, as the server's statistics guess.
    pub records_estimate: u64,
    /// Bytes with what is stored out of line, without indexes.
    pub bytes_estimate: u64,
    /// The columns that identify a row; none if nothing does.
    pub key: Vec<String>,
    /// The classes that it refers to.
    pub references: Vec<String>,
    /// Why it would not be captured, if so.
    pub skipped: Option<String>,
}

impl PostgresSource {
    /// Looks at the database.
    pub fn inspect(&self) -> Result<PostgresInspection, SourceError> {
        let mut session = Session::open(self.endpoint(), Side::Source)?;
        session.batch(&format!(
            "SET lock_timeout TO {}; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            self.options().lock_wait.as_millis()
        ))?;
        let facts = facts::read(&mut session, self.endpoint())?;
        let row = session.one(LOGIN, &[])?;
        let is_standby: bool = session.cell(&row, 3)?;
        let mut inspection = PostgresInspection {
            engine: facts.engine,
            engine_version: facts.engine_version,
            database: facts.database,
            bytes: session.cell::<i64>(&row, 4)?.cast_unsigned(),
            product: None,
            role: if is_standby { "standby" } else { "primary" }.to_owned(),
            login: InspectedLogin {
                name: session.cell(&row, 0)?,
                is_superuser: session.cell(&row, 1)?,
                bypasses_row_security: session.cell(&row, 2)?,
            },
            settings: facts.settings,
            extensions: session.cell(&row, 5)?,
            pg_dump: None,
            hidden: Vec::new(),
            unreadable: Vec::new(),
            classes: Vec::new(),
            findings: facts::object_findings(&mut session)?,
        };
        self.look_at_tables(&mut session, &mut inspection)?;
        self.look_at_tools(&mut session, &mut inspection)?;
        Ok(inspection)
    }

    fn look_at_tables(&self, session: &mut Session, inspection: &mut PostgresInspection) -> Result<(), SourceError> {
        let (tables, estimates) = list_tables(session)?;
        inspection.product = product_of(&tables).map(str::to_owned);
        let readable: Vec<Table> = tables.iter().filter(|table| table.is_readable).cloned().collect();
        let known = table_facts(session, &readable)?;
        let (version, part_bytes) = (session.version(), self.options().part_bytes);
        for table in &tables {
            let facts = known.get(&table.oid).cloned().unwrap_or_default();
            let estimate = estimates.get(&table.oid).copied().unwrap_or_default();
            let class = plan_table(table, &facts, estimate, part_bytes, version, &CaptureOptions::default()).class;
            let schema = &class.schema;
            let name = |id| schema.column(id).map(|column| column.name.clone());
            let key = match &schema.key {
                KeySpec::Columns(ids) => ids.iter().filter_map(|id| name(*id)).collect(),
                KeySpec::Keyless => Vec::new(),
            };
            if table.is_captured() && !table.is_readable {
                inspection.unreadable.push(schema.name.clone());
            }
            if table.is_captured() && table.hides_rows {
                inspection.hidden.push(schema.name.clone());
            }
            inspection.findings.extend(table_findings(table));
            inspection.classes.push(InspectedClass {
                name: schema.name.clone(),
                records_estimate: class.records_estimate,
                bytes_estimate: class.bytes_estimate,
                key,
                references: schema.references.iter().map(|reference| reference.class.clone()).collect(),
                skipped: class.skipped.clone(),
            });
        }
        Ok(())
    }

    fn look_at_tools(&self, session: &mut Session, inspection: &mut PostgresInspection) -> Result<(), SourceError> {
        let subject = self.endpoint().to_string();
        let mut warn = |message: String| {
            let severity = Severity::Warning;
            inspection.findings.push(Finding { severity, subject: subject.clone(), message });
        };
        match find_pg_dump(self.options().pg_dump.as_deref(), session.version()) {
            Ok(tool) => inspection.pg_dump = Some(tool.version),
            Err(error) => warn(error.to_string()),
        }
        if !inspection.unreadable.is_empty() {
            warn("a capture would be refused: the login may not read all tables (grant it pg_read_all_data)".into());
        }
        if !inspection.hidden.is_empty() {
            warn("a capture would be refused: row security hides rows from the login (ALTER ROLE … BYPASSRLS)".into());
        }
        if let Some(remark) = marker::read(session)? {
            warn(format!(
                "a capture would be refused: the database is being restored, or was left half restored ({remark})"
            ));
        }
        Ok(())
    }
}

fn product_of(tables: &[Table]) -> Option<&'static str> {
    let has = |name: &&str| tables.iter().any(|table| table.name == **name);
    PRODUCTS.iter().find(|(_, names)| names.iter().all(has)).map(|(product, _)| *product)
}
