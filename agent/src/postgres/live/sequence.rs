//! Sequences behind the columns of new rows: they are moved past the rows' values, and only ever forward.
//!
//! `setval` knows no "at least". A short way is gone by `nextval`, which never goes back whoever else counts meanwhile;
//! a long one by `setval`, since nobody counts that far between the look at the sequence and the setting of it.

use strongroom_core::codec::Reader;
use strongroom_core::record::{CellKind, Codec, ColumnId};
use tokio_postgres::types::Type;

use crate::live::LiveClass;
use crate::partial::row::Row;
use crate::postgres::names::{literal, parse_class_name};
use crate::postgres::session::Session;
use crate::source::{Finding, Severity, SourceError};

/// Numbers that are counted one by one.
const COUNTED_MAX: i64 = 1000;

const SEQUENCES: &str = "SELECT DISTINCT a.attname, s.oid::regclass::text, q.seqincrement,
        has_sequence_privilege(s.oid, 'SELECT') AND has_sequence_privilege(s.oid, 'UPDATE')
    FROM pg_attribute a
    JOIN pg_class t ON t.oid = a.attrelid AND t.relname = $2
    JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = $1
    JOIN LATERAL (
        SELECT d.objid AS oid FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.refobjsubid = a.attnum
            AND d.deptype IN ('a', 'i')
        UNION SELECT d.refobjid FROM pg_attrdef f JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass
            AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
            WHERE f.adrelid = t.oid AND f.adnum = a.attnum) x ON true
    JOIN pg_class s ON s.oid = x.oid AND s.relkind = 'S'
    JOIN pg_sequence q ON q.seqrelid = s.oid
    ORDER BY 1, 2";

/// Moves the sequences of a class past the values of some rows.
pub(super) fn advance(session: &mut Session, class: &LiveClass, rows: &[&Row]) -> Result<Vec<Finding>, SourceError> {
    let (schema, table) = parse_class_name(&class.schema.name).unwrap_or_default();
    let mut findings = Vec::new();
    for row in session.rows(SEQUENCES, &[(&schema, Type::TEXT), (&table, Type::TEXT)])? {
        let (column, sequence): (String, String) = (session.cell(&row, 0)?, session.cell(&row, 1)?);
        let (step, may): (i64, bool) = (session.cell(&row, 2)?, session.cell(&row, 3)?);
        let Some(column) = class.schema.column_named(&column).filter(|column| column.codec == Codec::Integer) else {
            continue;
        };
        let Some(most) = rows.iter().filter_map(|row| number(row, column.id)).max() else { continue };
        if !may || step < 1 {
            let message = format!("its sequence {sequence} is not looked after: see that it is past {most}");
            findings.push(Finding { severity: Severity::Warning, subject: class.schema.name.clone(), message });
            continue;
        }
        if move_past(session, &sequence, step, most)? {
            let message = format!("its sequence {sequence} was moved forward to {most}");
            findings.push(Finding { severity: Severity::Info, subject: class.schema.name.clone(), message });
        }
    }
    Ok(findings)
}

fn move_past(session: &mut Session, sequence: &str, step: i64, most: i64) -> Result<bool, SourceError> {
    let row = session.one(&format!("SELECT last_value, is_called FROM {sequence}"), &[])?;
    let (last, is_called): (i64, bool) = (session.cell(&row, 0)?, session.cell(&row, 1)?);
    if last > most || (last == most && is_called) {
        return Ok(false);
    }
    let gap = most.saturating_sub(last);
    let steps = gap / step + i64::from(gap % step != 0) + i64::from(!is_called);
    let name = literal(sequence);
    if steps <= COUNTED_MAX {
        session.batch(&format!("SELECT nextval({name}) FROM generate_series(1, {steps})"))?;
    } else {
        session.batch(&format!("SELECT setval({name}, {most})"))?;
    }
    Ok(true)
}

fn number(row: &Row, column: ColumnId) -> Option<i64> {
    let value = row.value(column).filter(|value| value.kind == CellKind::Canonical)?;
    Reader::new(&value.bytes, "integer").varint().ok().map(strongroom_core::codec::unzigzag)
}
