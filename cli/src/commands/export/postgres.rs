//! A dump for `psql`: definitions, `COPY` blocks, then what stands on rows, sequences, and large objects.
//!
//! Roles are not made, as `pg_dump` does not make them: the head names those that must be there.

use std::io::Write;

use serde::Deserialize;
use strongroom_agent::postgres::parse_class_name;
use strongroom_agent::view::{FieldValue, field_values};

use super::{Class, ExportError, View, Written, blob, copy, for_each_record, header, needed_blob, quoted};

/// The class that holds large objects.
const LARGE_OBJECTS: &str = "pg_catalog.pg_largeobject";

#[derive(Deserialize)]
struct Sequence {
    schema: String,
    name: String,
    last_value: i64,
    is_called: bool,
}

#[derive(Deserialize)]
struct MaterialisedView {
    schema: String,
    name: String,
    populated: bool,
}

#[derive(Deserialize)]
struct Role {
    name: String,
}

/// Writes a snapshot, or the rows of one class.
pub(super) fn write(
    view: &View<'_>,
    classes: &[Class<'_>],
    whole: bool,
    out: &mut dyn Write,
) -> Result<Written, ExportError> {
    header(view, whole, out)?;
    if whole {
        let roles: Vec<Role> = list(view, "roles")?;
        let names: Vec<String> = roles.iter().map(|role| role.name.replace(['\n', '\r'], " ")).collect();
        writeln!(out, "-- Roles that must be there: {}", names.join(", "))?;
        writeln!(out, "SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;")?;
        out.write_all(&needed_blob(view, "ddl-before")?)?;
    }
    let mut written = Written::default();
    for class in classes {
        written.records += if class.name() == LARGE_OBJECTS { large_objects(class, out)? } else { rows(class, out)? };
        written.classes += 1;
    }
    if whole {
        out.write_all(&needed_blob(view, "ddl-after")?)?;
        for sequence in list::<Sequence>(view, "sequences")? {
            let name = literal(&format!("{}.{}", quoted(&sequence.schema), quoted(&sequence.name)));
            writeln!(out, "SELECT pg_catalog.setval({name}, {}, {});", sequence.last_value, sequence.is_called)?;
        }
        for view in list::<MaterialisedView>(view, "matviews")?.iter().filter(|view| view.populated) {
            writeln!(out, "REFRESH MATERIALIZED VIEW {}.{};", quoted(&view.schema), quoted(&view.name))?;
        }
    }
    Ok(written)
}

fn rows(class: &Class<'_>, out: &mut dyn Write) -> Result<u64, ExportError> {
    let (schema, table) = parse_class_name(class.name()).unwrap_or_else(|| ("public".into(), class.name().into()));
    let columns: Vec<String> = class.schema().columns.iter().map(|column| quoted(&column.name)).collect();
    let list = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
    writeln!(out, "\nCOPY {}.{}{list} FROM stdin;", quoted(&schema), quoted(&table))?;
    let records = for_each_record(class, |record, large| {
        let fields = field_values(class.schema(), record, large).map_err(strongroom_agent::view::ViewError::from)?;
        for (at, (_, value)) in fields.iter().enumerate() {
            if at > 0 {
                out.write_all(b"\t")?;
            }
            copy::put_field(out, value)?;
        }
        Ok(out.write_all(b"\n")?)
    })?;
    writeln!(out, "\\.")?;
    Ok(records)
}

fn large_objects(class: &Class<'_>, out: &mut dyn Write) -> Result<u64, ExportError> {
    writeln!(out)?;
    for_each_record(class, |record, large| {
        let fields = field_values(class.schema(), record, large).map_err(strongroom_agent::view::ViewError::from)?;
        let [(_, FieldValue::Text(id)), (_, FieldValue::Text(data))] = fields.as_slice() else {
            return Err(ExportError::NoBlob { role: "large object in the form that is known" });
        };
        Ok(writeln!(out, "SELECT pg_catalog.lo_from_bytea({}, {});", literal(id), literal(data))?)
    })
}

/// A blob that is a JSON list; empty where the snapshot has none.
fn list<T: serde::de::DeserializeOwned>(view: &View<'_>, role: &'static str) -> Result<Vec<T>, ExportError> {
    let Some(content) = blob(view, role)? else { return Ok(Vec::new()) };
    serde_json::from_slice(&content).map_err(|error| ExportError::Blob { role, source: Box::new(error) })
}

/// A string that means itself where `standard_conforming_strings` is on.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
