//! What a restore would do and why it would be refused, told before anything is written.

use std::collections::BTreeSet;

use strongroom_core::error::Code;
use tokio_postgres::types::Type;

use crate::postgres::blobs;
use crate::postgres::blobs::model::{Database, Extension, Role};
use crate::postgres::endpoint::Endpoint;
use crate::postgres::failure::Side;
use crate::postgres::session::Session;
use crate::source::{Finding, Severity, SourceError};
use crate::target::LoadPlan;

use super::place::{Occupancy, Place, left_over, maintenance};

/// Of the login: whether it is a superuser, may make roles, may make databases.
const RIGHTS: &str =
    "SELECT rolsuper, rolsuper OR rolcreaterole, rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user";

/// Of the database: encoding and locale, to be compared with the snapshot's.
const LOCALE: &str =
    "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = current_database()";

/// Checks a restore. Findings tell what it does; an error refuses it.
pub(super) fn check(
    endpoint: &Endpoint,
    occupancy: &Occupancy,
    plan: &LoadPlan<'_>,
) -> Result<Vec<Finding>, SourceError> {
    let mut findings = Vec::new();
    let mut check = Check { endpoint, findings: &mut findings };
    if plan.facts.engine != "postgresql" {
        return Err(
            check.refusal(Code::TargetFailed, format!("the snapshot is of {}, not of PostgreSQL", plan.facts.engine))
        );
    }
    check.place(occupancy, plan)?;
    let mut session = match Place::of(endpoint, occupancy, plan.token) {
        Place::Direct => Session::open(endpoint, Side::Target)?,
        Place::Staging { .. } => maintenance(endpoint)?,
    };
    check.version(&session, plan);
    let database: Database = blobs::parse(plan.blobs, "database")?;
    if *occupancy == Occupancy::Empty {
        check.locale(&mut session, &database)?;
    }
    check.roles(&mut session, &database, plan, *occupancy == Occupancy::Empty)?;
    check.extensions(&mut session, plan)?;
    Ok(findings)
}

struct Check<'a> {
    endpoint: &'a Endpoint,
    findings: &'a mut Vec<Finding>,
}

impl Check<'_> {
    fn note(&mut self, severity: Severity, message: String) {
        self.findings.push(Finding { severity, subject: self.endpoint.to_string(), message });
    }

    fn refusal(&self, code: Code, message: String) -> SourceError {
        SourceError::engine(code, self.endpoint.to_string(), message)
    }

    fn place(&mut self, occupancy: &Occupancy, plan: &LoadPlan<'_>) -> Result<(), SourceError> {
        let name = self.endpoint.database();
        match occupancy {
            Occupancy::Marked(remark) if !plan.over => {
                let message = format!(
                    "an earlier restore left it half loaded ({remark}); --over loads it anew and keeps this state beside it"
                );
                return Err(self.refusal(Code::TargetNotEmpty, message));
            }
            Occupancy::Occupied(objects) if !plan.over => {
                let message = format!("it is not empty: it has {}", objects.join(", "));
                return Err(self.refusal(Code::TargetNotEmpty, message));
            }
            _ => {}
        }
        match Place::of(self.endpoint, occupancy, plan.token) {
            Place::Direct => self.note(
                Severity::Info,
                format!("loads into the empty database {name}, which is marked and read-only until the verdict"),
            ),
            Place::Staging { name: staging, kept: None } => {
                self.note(Severity::Info, format!("creates the database {name}, as {staging} until the verdict"));
            }
            Place::Staging { name: staging, kept: Some(kept) } => {
                self.note(
                    Severity::Info,
                    format!("loads into {staging}, and gives it the name {name} after the verdict"),
                );
                self.note(
                    Severity::Warning,
                    format!("ends all connections to {name} then, and keeps what is there now as {kept}"),
                );
            }
        }
        Ok(())
    }

    fn version(&mut self, session: &Session, plan: &LoadPlan<'_>) {
        let number = plan.facts.settings.get("server_version_num").and_then(|text| text.parse::<i32>().ok());
        let source = number.map_or(0, |number| number / 10_000);
        if source > session.version() {
            let message = format!(
                "the snapshot is of PostgreSQL {source} and the target is {}: an older server may refuse definitions",
                session.version()
            );
            self.note(Severity::Warning, message);
        }
    }

    fn locale(&mut self, session: &mut Session, database: &Database) -> Result<(), SourceError> {
        let row = session.one(LOCALE, &[])?;
        let (encoding, collate, ctype): (String, String, String) =
            (session.cell(&row, 0)?, session.cell(&row, 1)?, session.cell(&row, 2)?);
        if encoding != database.encoding {
            let message = format!(
                "its encoding is {encoding}, the snapshot's {}: drop the empty database, and the restore creates it as it must be",
                database.encoding
            );
            return Err(self.refusal(Code::TargetFailed, message));
        }
        if collate != database.collate || ctype != database.ctype {
            let message = format!(
                "its locale is {collate}, the snapshot's {}: text sorts differently; drop the empty database to have it created anew",
                database.collate
            );
            self.note(Severity::Warning, message);
        }
        Ok(())
    }

    fn roles(
        &mut self,
        session: &mut Session,
        database: &Database,
        plan: &LoadPlan<'_>,
        is_direct: bool,
    ) -> Result<(), SourceError> {
        let row = session.one(RIGHTS, &[])?;
        let rights: [bool; 3] = [session.cell(&row, 0)?, session.cell(&row, 1)?, session.cell(&row, 2)?];
        let [is_superuser, makes_roles, makes_databases] = rights;
        if !is_direct && !makes_databases {
            return Err(self
                .refusal(Code::SourcePrivilege, "the login may not create databases (ALTER ROLE … CREATEDB)".into()));
        }
        let missing = missing_roles(session, database, plan)?;
        if !missing.is_empty() && !makes_roles {
            let message = format!("the login may not create the roles that the server lacks: {}", missing.join(", "));
            return Err(self.refusal(Code::SourcePrivilege, message));
        }
        for role in missing {
            self.note(
                Severity::Warning,
                format!("creates the role {role} without login: set its attributes and password"),
            );
        }
        if !is_superuser {
            self.note(
                Severity::Warning,
                "the login is no superuser: what it may not give to others stays refused".into(),
            );
        }
        if !is_direct {
            for name in left_over(session, self.endpoint)? {
                self.note(
                    Severity::Warning,
                    format!("the database {name} was left over by an earlier restore: drop it"),
                );
            }
        }
        Ok(())
    }

    fn extensions(&mut self, session: &mut Session, plan: &LoadPlan<'_>) -> Result<(), SourceError> {
        let wanted: Vec<Extension> = blobs::parse(plan.blobs, "extensions")?;
        let mut available = BTreeSet::new();
        for row in session.rows("SELECT name::text, version FROM pg_available_extension_versions", &[])? {
            available.insert((session.cell::<String>(&row, 0)?, session.cell::<String>(&row, 1)?));
        }
        let is_there = |name: &str| available.iter().any(|(known, _)| known == name);
        let missing: Vec<&str> = wanted.iter().map(|one| one.name.as_str()).filter(|name| !is_there(name)).collect();
        if !missing.is_empty() {
            let message = format!("the server lacks extensions that the snapshot needs: {}", missing.join(", "));
            return Err(self.refusal(Code::TargetFailed, message));
        }
        for one in wanted.iter().filter(|one| !available.contains(&(one.name.clone(), one.version.clone()))) {
            let message = format!(
                "the extension {} is not there in version {}: the server's default is taken",
                one.name, one.version
            );
            self.note(Severity::Warning, message);
        }
        Ok(())
    }
}

/// Roles that the snapshot names and the server lacks.
pub(super) fn missing_roles(
    session: &mut Session,
    database: &Database,
    plan: &LoadPlan<'_>,
) -> Result<Vec<String>, SourceError> {
    let roles: Vec<Role> = blobs::parse(plan.blobs, "roles")?;
    let mut names: BTreeSet<String> = roles.into_iter().map(|role| role.name).collect();
    names.insert(database.owner.clone());
    let names: Vec<String> = names.into_iter().filter(|name| !name.starts_with("pg_")).collect();
    let sql = "SELECT r.name FROM unnest($1::text[]) AS r (name) WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r.name)";
    let rows = session.rows(sql, &[(&names, Type::TEXT_ARRAY)])?;
    rows.iter().map(|row| session.cell(row, 0)).collect()
}
