//! From a table to the schema of its class: columns, key and declared references.
//!
//! All values are held with their storage class, whatever type a column declares: SQLite allows any value anywhere.
//! Generated columns are not captured, since the target computes them again. Row numbers are captured where a search
//! index knows the table's rows by them.

use rusqlite::Connection;
use strongroom_core::record::{ClassSchema, Codec, Column, ColumnId, KeySpec, Reference};

use super::catalog::{Catalog, Object};
use super::connect::pragma_rows;
use super::keys::{self, ChosenKey};

/// A column, as `PRAGMA table_xinfo` describes it.
#[derive(Clone, Debug)]
pub(super) struct TableColumn {
    pub(super) cid: i64,
    pub(super) name: String,
    pub(super) declared: String,
    pub(super) not_null: bool,
    /// Place in the declared primary key, from 1; 0 outside it.
    pub(super) key_place: i64,
    /// Computed from other columns.
    pub(super) generated: bool,
}

impl TableColumn {
    /// All columns of a table, generated ones included.
    pub(super) fn read(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Self>> {
        let columns = pragma_rows(connection, "table_xinfo", table, |row| {
            let hidden: i64 = row.get("hidden")?;
            let column = Self {
                cid: row.get("cid")?,
                name: row.get("name")?,
                declared: row.get("type")?,
                not_null: row.get("notnull")?,
                key_place: row.get("pk")?,
                generated: hidden == 2 || hidden == 3,
            };
            Ok((hidden != 1).then_some(column))
        })?;
        Ok(columns.into_iter().flatten().collect())
    }
}

/// The type under which row numbers stand among the columns.
pub(super) const ROW_NUMBER_TYPE: &str = "rowid";

/// The name by which a statement can speak of a table's row number: a column may have taken any of them.
pub(super) fn row_number_name(table: &Object, columns: &[TableColumn]) -> Option<&'static str> {
    let is_free = |name: &&&str| !columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    ["rowid", "_rowid_", "oid"].iter().find(is_free).copied().filter(|_| !table.without_rowid)
}

/// What is known of a table.
pub(super) struct TableSchema {
    pub(super) schema: ClassSchema,
    /// Its columns as SQLite lists them.
    pub(super) columns: Vec<TableColumn>,
    /// Why a declared key does not serve.
    pub(super) unusable_key: Option<&'static str>,
}

/// The schema of a table's class.
pub(super) fn read(connection: &Connection, catalog: &Catalog, table: &Object) -> rusqlite::Result<TableSchema> {
    let columns = TableColumn::read(connection, &table.name)?;
    let ChosenKey { mut key, row_number, unusable } = keys::choose(connection, table, &columns)?;
    let mut described: Vec<Column> = columns
        .iter()
        .filter(|column| !column.generated)
        .map(|column| Column {
            id: id_of(column),
            name: column.name.clone(),
            source_type: column.declared.clone(),
            codec: Codec::Dynamic,
            nullable: !(column.not_null || column.key_place > 0 && (table.without_rowid || row_number)),
            source_ordinal: id_of(column).0,
        })
        .collect();
    if let Some(name) = row_number_name(table, &columns).filter(|_| !row_number && catalog.is_counted_on(table)) {
        let id = ColumnId(columns.iter().map(|column| id_of(column).0).max().unwrap_or(0) + 1);
        if key == KeySpec::Keyless {
            key = KeySpec::Columns(vec![id]);
        }
        described.push(row_number_column(id, name));
    }
    let references = references(connection, catalog, table, &columns)?;
    let schema = ClassSchema { name: table.name.clone(), columns: described, key, references, dropped_id_max: 0 };
    Ok(TableSchema { schema, columns, unusable_key: unusable })
}

/// The row number as a column, for tables whose rows something else knows by it.
fn row_number_column(id: ColumnId, name: &str) -> Column {
    Column {
        id,
        name: name.into(),
        source_type: ROW_NUMBER_TYPE.into(),
        codec: Codec::Dynamic,
        nullable: false,
        source_ordinal: 0,
    }
}

/// The id of a column in a class that has no earlier snapshot.
pub(super) fn id_of(column: &TableColumn) -> ColumnId {
    ColumnId(u32::try_from(column.cid + 1).unwrap_or(u32::MAX))
}

/// Gives the columns the ids of the preceding snapshot.
///
/// SQLite renumbers the columns behind one that is dropped, so a number alone does not tell a renamed column from its
/// neighbour: names are matched first, and only what is left is matched by its number.
pub(super) fn adopt_ids(schema: &mut ClassSchema, earlier: &ClassSchema) {
    let mut aligned = earlier.clone();
    let claimed: Vec<u32> = schema
        .columns
        .iter()
        .filter(|column| earlier.column_named(&column.name).is_some())
        .map(|column| column.source_ordinal)
        .collect();
    for old in &mut aligned.columns {
        if let Some(same) = schema.column_named(&old.name) {
            old.source_ordinal = same.source_ordinal;
        } else if claimed.contains(&old.source_ordinal) {
            old.source_ordinal = u32::MAX;
        }
    }
    schema.adopt_ids(&aligned);
}

/// The declared foreign keys. Those over generated columns stand in the DDL alone.
pub(super) fn references(
    connection: &Connection,
    catalog: &Catalog,
    table: &Object,
    columns: &[TableColumn],
) -> rusqlite::Result<Vec<Reference>> {
    let parts: Vec<ForeignKeyPart> = pragma_rows(connection, "foreign_key_list", &table.name, |row| {
        Ok(ForeignKeyPart { id: row.get("id")?, table: row.get("table")?, from: row.get("from")?, to: row.get("to")? })
    })?;
    let mut ids: Vec<i64> = parts.iter().map(|part| part.id).collect();
    // SQLite lists the last declared one first.
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids.dedup();
    let mut references = Vec::new();
    for (at, id) in ids.into_iter().enumerate() {
        let own: Vec<&ForeignKeyPart> = parts.iter().filter(|part| part.id == id).collect();
        let from: Option<Vec<ColumnId>> = own.iter().map(|part| column_id(columns, &part.from)).collect();
        let (Some(from), Some(first)) = (from, own.first()) else { continue };
        let (class, target_columns) = target(connection, catalog, &first.table, &own)?;
        references.push(Reference { name: format!("foreign key {}", at + 1), columns: from, class, target_columns });
    }
    Ok(references)
}

struct ForeignKeyPart {
    id: i64,
    table: String,
    from: String,
    to: Option<String>,
}

fn column_id(columns: &[TableColumn], name: &str) -> Option<ColumnId> {
    let column = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))?;
    (!column.generated).then(|| id_of(column))
}

/// The class referred to and its columns, by their own spelling; without named columns it is the primary key.
fn target(
    connection: &Connection,
    catalog: &Catalog,
    table: &str,
    parts: &[&ForeignKeyPart],
) -> rusqlite::Result<(String, Vec<String>)> {
    let Some(parent) = catalog.table(table) else {
        return Ok((table.to_owned(), parts.iter().filter_map(|part| part.to.clone()).collect()));
    };
    let mut columns = TableColumn::read(connection, &parent.name)?;
    let named: Vec<String> = parts
        .iter()
        .filter_map(|part| part.to.as_deref())
        .map(|to| columns.iter().find(|column| column.name.eq_ignore_ascii_case(to)).map_or(to, |column| &column.name))
        .map(str::to_owned)
        .collect();
    if !named.is_empty() {
        return Ok((parent.name.clone(), named));
    }
    columns.retain(|column| column.key_place > 0);
    columns.sort_by_key(|column| column.key_place);
    Ok((parent.name.clone(), columns.into_iter().map(|column| column.name).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(names: &[&str]) -> ClassSchema {
        let column = |(at, name): (u32, &&str)| Column {
            id: ColumnId(at),
            name: (*name).into(),
            source_type: "TEXT".into(),
            codec: Codec::Dynamic,
            nullable: true,
            source_ordinal: at,
        };
        let columns = (1..).zip(names).map(column).collect();
        ClassSchema { name: "t".into(), columns, key: KeySpec::Keyless, references: Vec::new(), dropped_id_max: 0 }
    }

    fn ids(schema: &ClassSchema) -> Vec<(&str, u32)> {
        schema.columns.iter().map(|column| (column.name.as_str(), column.id.0)).collect()
    }

    #[test]
    fn dropping_a_column_moves_no_other_columns_id() {
        let mut now = schema(&["b", "c"]);
        adopt_ids(&mut now, &schema(&["a", "b", "c"]));
        assert_eq!(ids(&now), [("b", 2), ("c", 3)]);
    }

    #[test]
    fn a_renamed_column_keeps_its_id_and_a_new_one_gets_its_own() {
        let mut now = schema(&["a", "z", "c", "new"]);
        adopt_ids(&mut now, &schema(&["a", "b", "c"]));
        assert_eq!(ids(&now), [("a", 1), ("z", 2), ("c", 3), ("new", 4)]);
    }
}
