//! A dump for the `sqlite3` shell: settings, tables, `INSERT`s, then indexes, views and triggers.

use std::fmt::Write as _;
use std::io::Write;

use strongroom_agent::sqlite::{Pragmas, parse_ddl};
use strongroom_agent::view::ViewError;
use strongroom_core::codec::Malformed;
use strongroom_core::record::{Cells, ClassSchema, DynamicValue};

use super::{Class, ExportError, View, Written, blob, for_each_record, header, needed_blob, quoted};

/// Writes a snapshot, or the rows of one class.
pub(super) fn write(
    view: &View<'_>,
    classes: &[Class<'_>],
    whole: bool,
    out: &mut dyn Write,
) -> Result<Written, ExportError> {
    header(view, whole, out)?;
    if whole {
        let unusable = |source| ExportError::Blob { role: "pragmas", source: Box::new(source) };
        let pragmas = Pragmas::from_blob(&needed_blob(view, "pragmas")?).map_err(unusable)?;
        writeln!(out, "PRAGMA encoding = '{}';", pragmas.encoding.replace('\'', "''"))?;
        writeln!(out, "PRAGMA page_size = {};\nPRAGMA auto_vacuum = {};", pragmas.page_size, pragmas.auto_vacuum)?;
        writeln!(
            out,
            "PRAGMA application_id = {};\nPRAGMA user_version = {};",
            pragmas.application_id, pragmas.user_version
        )?;
    }
    writeln!(out, "PRAGMA foreign_keys = OFF;\nBEGIN;")?;
    if whole {
        definitions(view, "ddl-before", out)?;
    }
    let mut written = Written::default();
    for class in classes {
        written.records += rows(class, out)?;
        written.classes += 1;
    }
    if whole {
        if let Some(sequences) = blob(view, "sequences")? {
            out.write_all(&sequences)?;
        }
        definitions(view, "ddl-after", out)?;
    }
    writeln!(out, "COMMIT;")?;
    Ok(written)
}

fn definitions(view: &View<'_>, role: &'static str, out: &mut dyn Write) -> Result<(), ExportError> {
    let unusable = |source| ExportError::Blob { role, source: Box::new(source) };
    for object in parse_ddl(&needed_blob(view, role)?).map_err(unusable)? {
        // The end of the statement has a line of its own: the statement may end in a comment.
        writeln!(out, "{}\n;", object.sql)?;
    }
    Ok(())
}

fn rows(class: &Class<'_>, out: &mut dyn Write) -> Result<u64, ExportError> {
    let columns: Vec<String> = class.schema().columns.iter().map(|column| quoted(&column.name)).collect();
    let insert = format!("INSERT INTO {} ({}) VALUES (", quoted(class.name()), columns.join(", "));
    let mut line = String::new();
    for_each_record(class, |record, large| {
        line.clear();
        line.push_str(&insert);
        put_values(&mut line, class.schema(), record, large).map_err(ViewError::from)?;
        line.push_str(");\n");
        Ok(out.write_all(line.as_bytes())?)
    })
}

/// Appends a record's values in the order of the columns, each in its own storage class.
fn put_values(line: &mut String, schema: &ClassSchema, record: &[u8], large: &[Vec<u8>]) -> Result<(), Malformed> {
    let mut cells = Cells::new(record);
    let mut large = large.iter();
    let mut next = cells.next_cell()?;
    for (at, column) in schema.columns.iter().enumerate() {
        if at > 0 {
            line.push_str(", ");
        }
        let Some(cell) = next.filter(|cell| cell.column == column.id) else {
            line.push_str("NULL");
            continue;
        };
        let bytes = match cell.blob()? {
            Some(_) => large.next().ok_or(Malformed::new("large value"))?,
            None => cell.bytes,
        };
        put_value(line, DynamicValue::decode(bytes)?);
        next = cells.next_cell()?;
    }
    Ok(())
}

fn put_value(out: &mut String, value: DynamicValue<'_>) {
    // Writing to a string can't fail.
    let _ = match value {
        DynamicValue::Integer(number) => write!(out, "{number}"),
        DynamicValue::Real(number) if number.is_infinite() => {
            write!(out, "{}9e999", if number < 0.0 { "-" } else { "" })
        }
        DynamicValue::Real(number) => write!(out, "{number:?}"),
        DynamicValue::Blob(bytes) => write!(out, "X'{}'", hex::encode(bytes)),
        DynamicValue::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => write!(out, "'{}'", text.replace('\'', "''")),
            _ => write!(out, "CAST(X'{}' AS TEXT)", hex::encode(bytes)),
        },
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_storage_class_is_written_so_that_it_comes_back() {
        let mut out = String::new();
        for value in [
            DynamicValue::Integer(i64::MIN),
            DynamicValue::Real(1e16),
            DynamicValue::Real(f64::NEG_INFINITY),
            DynamicValue::Text(b"it's"),
            DynamicValue::Text(b"\xff"),
            DynamicValue::Blob(b"\x00\x01"),
        ] {
            put_value(&mut out, value);
            out.push('|');
        }
        assert_eq!(out, "-9223372036854775808|1e16|-9e999|'it''s'|CAST(X'ff' AS TEXT)|X'0001'|");
    }
}
