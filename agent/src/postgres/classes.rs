//! From tables to classes: schemas, keys, references, and the parts in which a class is read.

use std::collections::BTreeMap;

use strongroom_core::record::{ClassSchema, Codec, Column, ColumnId, KeySpec, Reference};

use crate::source::{CaptureOptions, CutClass};

use super::catalog::{Table, TableFacts};
use super::names::{class_name, qualified, quoted};

/// The class of the large objects.
pub(crate) const LARGE_OBJECT_CLASS: &str = "pg_catalog.pg_largeobject";

/// The first version that reads a range of row positions without reading the whole table.
const RANGE_SCAN_VERSION: i32 = 14;

/// Parts of one class: enough to balance lanes, and few enough to plan and report.
const PARTS_MAX: u64 = 4096;

/// A class of a cut, and the statements that read its parts.
#[derive(Clone, Debug)]
pub(crate) struct PlannedClass {
    pub(crate) class: CutClass,
    pub(crate) statements: Vec<String>,
}

/// The class of a table.
pub(crate) fn plan_table(
    table: &Table,
    facts: &TableFacts,
    estimate: u64,
    part_bytes: u64,
    version: i32,
    options: &CaptureOptions,
) -> PlannedClass {
    let name = class_name(&table.schema, &table.name);
    let schema = with_earlier_ids(schema_of(table, facts, &name), options);
    let skipped = (!table.is_captured()).then(|| skip_reason(table));
    let statements = if skipped.is_some() {
        vec![String::new()]
    } else {
        part_statements(table, &schema, facts, part_bytes, version)
    };
    let class =
        CutClass { schema, parts: statements.len(), records_estimate: estimate, bytes_estimate: facts.bytes, skipped };
    PlannedClass { class, statements }
}

/// The class of the large objects.
pub(crate) fn plan_large_objects(count: u64, options: &CaptureOptions) -> PlannedClass {
    let column = |id, name: &str, source_type: &str, codec| Column {
        id: ColumnId(id),
        name: name.into(),
        source_type: source_type.into(),
        codec,
        nullable: false,
        source_ordinal: id,
    };
    let schema = ClassSchema {
        name: LARGE_OBJECT_CLASS.into(),
        columns: vec![column(1, "loid", "oid", Codec::Integer), column(2, "data", "bytea", Codec::HexBytes)],
        key: KeySpec::Columns(vec![ColumnId(1)]),
        references: Vec::new(),
        dropped_id_max: 0,
    };
    let class = CutClass {
        schema: with_earlier_ids(schema, options),
        parts: 1,
        records_estimate: count,
        bytes_estimate: 0,
        skipped: None,
    };
    let statement = "COPY (SELECT oid, lo_get(oid) FROM pg_catalog.pg_largeobject_metadata) TO STDOUT";
    PlannedClass { class, statements: vec![statement.into()] }
}

fn skip_reason(table: &Table) -> String {
    match &table.extension {
        Some(extension) => format!("the rows belong to the extension {extension}, which brings them itself"),
        None => "a foreign table: its rows are in another system".to_owned(),
    }
}

fn with_earlier_ids(mut schema: ClassSchema, options: &CaptureOptions) -> ClassSchema {
    if let Some(earlier) = options.earlier.get(&schema.name) {
        schema.adopt_ids(earlier);
    }
    schema
}

fn schema_of(table: &Table, facts: &TableFacts, name: &str) -> ClassSchema {
    let kept = table.columns.iter().filter(|column| !column.is_generated);
    let columns: Vec<Column> = (1..)
        .zip(kept)
        .map(|(id, column)| Column {
            id: ColumnId(id),
            name: column.name.clone(),
            source_type: column.type_text.clone(),
            codec: codec_of(column.base_type),
            nullable: !column.is_not_null,
            source_ordinal: u32::try_from(column.number).unwrap_or_default(),
        })
        .collect();
    let ids: BTreeMap<i16, ColumnId> =
        columns.iter().filter_map(|column| Some((i16::try_from(column.source_ordinal).ok()?, column.id))).collect();
    let all_ids = |numbers: &[i16]| numbers.iter().map(|number| ids.get(number).copied()).collect::<Option<Vec<_>>>();
    let is_required = |id: &ColumnId| columns.iter().any(|column| column.id == *id && !column.nullable);
    let key = facts
        .keys
        .iter()
        .filter_map(|numbers| all_ids(numbers))
        .find(|ids| ids.iter().all(is_required))
        .map_or(KeySpec::Keyless, KeySpec::Columns);
    let references = facts
        .foreign_keys
        .iter()
        .filter_map(|key| {
            Some(Reference {
                name: key.name.clone(),
                columns: all_ids(&key.columns)?,
                class: class_name(&key.schema, &key.table),
                target_columns: key.target_columns.clone(),
            })
        })
        .collect();
    ClassSchema { name: name.to_owned(), columns, key, references, dropped_id_max: 0 }
}

/// The codec of a base type, by its fixed number in the catalogs.
const fn codec_of(base_type: u32) -> Codec {
    match base_type {
        20 | 21 | 23 => Codec::Integer,
        2950 => Codec::Uuid,
        1114 => Codec::Timestamp,
        1184 => Codec::TimestampZone,
        1082 => Codec::Date,
        17 => Codec::HexBytes,
        _ => Codec::Text,
    }
}

/// One statement a part. `ONLY` leaves out the rows of inheriting tables, which are classes of their own.
fn part_statements(
    table: &Table,
    schema: &ClassSchema,
    facts: &TableFacts,
    part_bytes: u64,
    version: i32,
) -> Vec<String> {
    let columns: Vec<String> = schema.columns.iter().map(|column| quoted(&column.name)).collect();
    let select = format!("SELECT {} FROM ONLY {}", columns.join(", "), qualified(&table.schema, &table.name));
    if let Some(filter) = &table.filter {
        return vec![format!("COPY ({select} {filter}) TO STDOUT")];
    }
    let parts = facts.bytes.div_ceil(part_bytes.max(1)).min(facts.blocks).clamp(1, PARTS_MAX);
    if parts == 1 || version < RANGE_SCAN_VERSION {
        return vec![format!("COPY ({select}) TO STDOUT")];
    }
    let border = |part: u64| facts.blocks * part / parts;
    (0..parts)
        .map(|part| {
            let from = format!("ctid >= '({},0)'", border(part));
            let to = if part + 1 < parts { format!(" AND ctid < '({},0)'", border(part + 1)) } else { String::new() };
            format!("COPY ({select} WHERE {from}{to}) TO STDOUT")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::catalog::TableColumn;

    fn table(columns: &[(&str, u32, bool, bool)]) -> Table {
        let columns =
            (1_i16..).zip(columns).map(|(number, (name, base_type, is_not_null, is_generated))| TableColumn {
                number,
                name: (*name).into(),
                type_text: "some type".into(),
                base_type: *base_type,
                is_not_null: *is_not_null,
                is_generated: *is_generated,
            });
        Table {
            oid: 1,
            schema: "public".into(),
            name: "Device".into(),
            is_foreign: false,
            is_unlogged: false,
            file: Some(1),
            is_readable: true,
            hides_rows: false,
            extension: None,
            filter: None,
            columns: columns.collect(),
        }
    }

    fn plan(table: &Table, facts: &TableFacts, version: i32) -> PlannedClass {
        plan_table(table, facts, 0, 100, version, &CaptureOptions::default())
    }

    #[test]
    fn a_key_needs_columns_that_are_never_null_and_not_generated() {
        let table = table(&[("sum", 23, true, true), ("name", 25, false, false), ("id", 2950, true, false)]);
        let facts = TableFacts { keys: vec![vec![1], vec![2], vec![2, 3], vec![3]], ..TableFacts::default() };
        let planned = plan(&table, &facts, 15);
        assert_eq!(planned.class.schema.key, KeySpec::Columns(vec![ColumnId(2)]));
        assert_eq!(planned.class.schema.columns[1].codec, Codec::Uuid);
        assert_eq!(planned.statements, ["COPY (SELECT \"name\", \"id\" FROM ONLY \"public\".\"Device\") TO STDOUT"]);
    }

    #[test]
    fn parts_cover_every_block_once() {
        let table = table(&[("id", 23, true, false)]);
        let facts = TableFacts { bytes: 250, blocks: 10, ..TableFacts::default() };
        let planned = plan(&table, &facts, 15);
        let conditions: Vec<_> = planned.statements.iter().map(|sql| sql.split("WHERE ").nth(1).unwrap()).collect();
        assert_eq!(
            conditions,
            [
                "ctid >= '(0,0)' AND ctid < '(3,0)') TO STDOUT",
                "ctid >= '(3,0)' AND ctid < '(6,0)') TO STDOUT",
                "ctid >= '(6,0)') TO STDOUT"
            ]
        );
        assert_eq!(plan(&table, &facts, 13).statements.len(), 1);
    }
}
