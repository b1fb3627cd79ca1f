//! JSON Lines: one object a record.

use std::io::Write;

use serde::Serialize;

use super::{Class, ExportError, Written, for_each_record};
use crate::commands::shapes::{Fields, key_of};

#[derive(Serialize)]
struct Line<'a> {
    class: &'a str,
    key: Option<String>,
    fields: Fields,
}

/// Writes the records of classes.
pub(super) fn write(classes: &[Class<'_>], out: &mut dyn Write) -> Result<Written, ExportError> {
    let mut written = Written::default();
    for class in classes {
        let schema = class.schema();
        written.records += for_each_record(class, |record, large| {
            let line =
                Line { class: class.name(), key: key_of(schema, record)?, fields: Fields::new(schema, record, large)? };
            serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
            Ok(out.write_all(b"\n")?)
        })?;
        written.classes += 1;
    }
    Ok(written)
}
