//! Columns and values of one class beside those of another: of the snapshot and the target, of a reference and what it
//! leads to.

use strongroom_core::record::{CellKind, ClassSchema, Codec, ColumnId};

use super::row::Value;
use crate::live::LiveClass;

/// The ids of columns by their names; those that are not there are left out.
pub(super) fn target_columns(schema: &ClassSchema, names: &[String]) -> Vec<ColumnId> {
    names.iter().filter_map(|name| schema.column_named(name)).map(|column| column.id).collect()
}

/// Values of one class's columns in the forms that another class's columns have.
pub(super) fn convert_all(
    values: &[Value],
    from: &ClassSchema,
    from_columns: &[ColumnId],
    to: &ClassSchema,
    to_columns: &[ColumnId],
) -> Vec<Value> {
    let codec = |schema: &ClassSchema, column: &ColumnId| schema.column(*column).map_or(Codec::Text, |c| c.codec);
    let pairs = values.iter().zip(from_columns.iter().zip(to_columns));
    pairs.map(|(value, (one, other))| convert(value, codec(from, one), codec(to, other))).collect()
}

fn convert(value: &Value, from: Codec, to: Codec) -> Value {
    if from == to {
        return value.clone();
    }
    let mut text = Vec::new();
    if value.kind == CellKind::Text || from.decode(&value.bytes, &mut text).is_err() {
        text.clone_from(&value.bytes);
    }
    let mut typed = Vec::new();
    if to.encode(&text, &mut typed) {
        Value { kind: CellKind::Canonical, bytes: typed }
    } else {
        Value { kind: CellKind::Text, bytes: text }
    }
}

/// The columns that both sides of a class have.
pub(super) fn common_columns(live: &LiveClass, snapshot: &ClassSchema) -> Vec<ColumnId> {
    live.schema.columns.iter().map(|column| column.id).filter(|id| snapshot.column(*id).is_some()).collect()
}
