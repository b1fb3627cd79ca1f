//! Sequences behind the columns of new rows: they are moved past the rows' values, and only ever forward.
//!
//! `setval` knows no "at least", and what it overtakes between a look and the setting is lost. So a way that can be
//! counted is gone by `nextval`, which never goes back whoever else counts meanwhile. A longer one is gone by `setval`
//! under a lock against all counting, which only the sequence's owner can take; without it nothing is moved, and told.

use strongroom_core::codec::Reader;
use strongroom_core::record::{CellKind, Codec, ColumnId};
use tokio_postgres::types::Type;

use crate::live::LiveClass;
use crate::partial::row::Row;
use crate::postgres::names::{literal, parse_class_name};
use crate::postgres::session::Session;
use crate::source::{Finding, Severity, SourceError};

/// Numbers that are counted one by one, which takes a server the part of a second.
const COUNTED_MAX: i64 = 1_000_000;

const SEQUENCES: &str = "SELECT DISTINCT a.attname, s.oid::regclass::text, q.seqincrement,
        has_sequence_privilege(s.oid, 'SELECT') AND has_sequence_privilege(s.oid, 'UPDATE'), q.seqmax,
        pg_has_role(s.relowner, 'USAGE')
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

/// A sequence behind a column.
struct Sequence {
    name: String,
    step: i64,
    max: i64,
    may_move: bool,
    is_owned: bool,
}

/// Moves the sequences of a class past the values of some rows.
pub(super) fn advance(session: &mut Session, class: &LiveClass, rows: &[&Row]) -> Result<Vec<Finding>, SourceError> {
    let (schema, table) = parse_class_name(&class.schema.name).unwrap_or_default();
    let mut findings = Vec::new();
    for row in session.rows(SEQUENCES, &[(&schema, Type::TEXT), (&table, Type::TEXT)])? {
        let column: String = session.cell(&row, 0)?;
        let sequence = Sequence {
            name: session.cell(&row, 1)?,
            step: session.cell(&row, 2)?,
            may_move: session.cell(&row, 3)?,
            max: session.cell(&row, 4)?,
            is_owned: session.cell(&row, 5)?,
        };
        let Some(column) = class.schema.column_named(&column).filter(|column| column.codec == Codec::Integer) else {
            continue;
        };
        let Some(most) = rows.iter().filter_map(|row| number(row, column.id)).max() else { continue };
        let name = &sequence.name;
        let told = match move_past(session, &sequence, most)? {
            Moved::Not => continue,
            Moved::Forward => (Severity::Info, format!("its sequence {name} was moved forward to {most}")),
            Moved::Never => {
                (Severity::Warning, format!("its sequence {name} is not looked after: see that it is past {most}"))
            }
        };
        let (severity, message) = told;
        findings.push(Finding { severity, subject: class.schema.name.clone(), message });
    }
    Ok(findings)
}

/// What was done with a sequence.
enum Moved {
    /// It is past the value already.
    Not,
    /// It is past it now.
    Forward,
    /// It may not be: nothing here can move it without a risk.
    Never,
}

fn move_past(session: &mut Session, sequence: &Sequence, most: i64) -> Result<Moved, SourceError> {
    let Sequence { name, step, max, may_move, is_owned } = sequence;
    // The last step must not lead past the end, where some sequences begin again.
    if !may_move || *step < 1 || most > max.saturating_sub(*step) {
        return Ok(Moved::Never);
    }
    let steps = steps_to(session, name, *step, most)?;
    if steps == 0 {
        return Ok(Moved::Not);
    }
    let quoted = literal(name);
    if steps <= COUNTED_MAX {
        session.batch(&format!("SELECT count(nextval({quoted})) FROM generate_series(1, {steps})"))?;
        return Ok(Moved::Forward);
    }
    if !is_owned {
        return Ok(Moved::Never);
    }
    // It changes nothing, and until the transaction ends nobody counts.
    session.batch(&format!("ALTER SEQUENCE {name} INCREMENT BY {step}"))?;
    if steps_to(session, name, *step, most)? == 0 {
        return Ok(Moved::Not);
    }
    session.batch(&format!("SELECT setval({quoted}, {most})"))?;
    Ok(Moved::Forward)
}

/// How often a sequence must be counted on until it is past a value.
fn steps_to(session: &mut Session, name: &str, step: i64, most: i64) -> Result<i64, SourceError> {
    let row = session.one(&format!("SELECT last_value, is_called FROM {name}"), &[])?;
    let (last, is_called): (i64, bool) = (session.cell(&row, 0)?, session.cell(&row, 1)?);
    if last > most || (last == most && is_called) {
        return Ok(0);
    }
    let gap = most.saturating_sub(last);
    Ok((gap / step).saturating_add(i64::from(gap % step != 0)).saturating_add(i64::from(!is_called)))
}

fn number(row: &Row, column: ColumnId) -> Option<i64> {
    let value = row.value(column).filter(|value| value.kind == CellKind::Canonical)?;
    Reader::new(&value.bytes, "integer").varint().ok().map(strongroom_core::codec::unzigzag)
}
