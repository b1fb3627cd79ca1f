//! What a live SQLite database says of its tables.

use rusqlite::Connection;
use strongroom_core::record::{ClassSchema, ColumnId};

use crate::live::{Checked, Fires, LiveClass, LiveReference, LiveTrigger, Referrer, UniqueKey};
use crate::sqlite::catalog::{Catalog, Kind, Object};
use crate::sqlite::connect::pragma_rows;
use crate::sqlite::keys::unique_indexes;
use crate::sqlite::schema::{self, TableColumn, TableSchema, adopt_ids, references};

/// Describes tables, by the names of their classes.
pub(super) fn describe(
    connection: &Connection,
    classes: &[(&str, Option<&ClassSchema>)],
) -> rusqlite::Result<Vec<Option<LiveClass>>> {
    let catalog = Catalog::read(connection)?;
    let mut described = Vec::with_capacity(classes.len());
    for (name, beside) in classes {
        let table = catalog.of(Kind::Table).find(|table| table.name == *name);
        described.push(table.map(|table| live_class(connection, &catalog, table, *beside)).transpose()?);
    }
    Ok(described)
}

fn live_class(
    connection: &Connection,
    catalog: &Catalog,
    table: &Object,
    beside: Option<&ClassSchema>,
) -> rusqlite::Result<LiveClass> {
    let TableSchema { mut schema, columns, .. } = schema::read(connection, catalog, table)?;
    if let Some(beside) = beside {
        adopt_ids(&mut schema, beside);
    }
    let named = |name: &str| schema.column_named(name).map(|column| column.id);
    let reference = |reference: &strongroom_core::record::Reference| LiveReference {
        name: reference.name.clone(),
        columns: reference.columns.clone(),
        class: reference.class.clone(),
        partitions: Vec::new(),
        target_columns: reference.target_columns.clone(),
        checked: Checked::Never,
    };
    Ok(LiveClass {
        uniques: uniques(connection, table, &columns, &named)?,
        defaults: defaults(connection, table)?.iter().filter_map(|name| named(name)).collect(),
        references: schema.references.iter().map(reference).collect(),
        referrers: referrers(connection, catalog, table, &schema)?,
        triggers: triggers(connection, table)?,
        late_uniques: Vec::new(),
        unwritable: None,
        schema,
    })
}

/// The declared primary key, the row number among them, and unique indexes over columns.
fn uniques(
    connection: &Connection,
    table: &Object,
    columns: &[TableColumn],
    named: &dyn Fn(&str) -> Option<ColumnId>,
) -> rusqlite::Result<Vec<UniqueKey>> {
    let mut primary: Vec<&TableColumn> = columns.iter().filter(|column| column.key_place > 0).collect();
    primary.sort_by_key(|column| column.key_place);
    let mut uniques = Vec::new();
    let mut put = |name: &str, members: Option<Vec<ColumnId>>| {
        if let Some(columns) = members.filter(|members| !members.is_empty())
            && !uniques.iter().any(|known: &UniqueKey| known.columns == columns)
        {
            uniques.push(UniqueKey { name: name.to_owned(), columns });
        }
    };
    put("primary key", primary.iter().map(|column| named(&column.name)).collect());
    for index in unique_indexes(connection, table)? {
        let name = |cid: &Option<i64>| columns.iter().find(|column| Some(column.cid) == *cid);
        put(&index.name, index.columns.iter().map(|cid| named(&name(cid)?.name)).collect());
    }
    Ok(uniques)
}

/// Columns with a default.
fn defaults(connection: &Connection, table: &Object) -> rusqlite::Result<Vec<String>> {
    let found = pragma_rows(connection, "table_xinfo", &table.name, |row| {
        let default: Option<String> = row.get("dflt_value")?;
        Ok(default.map(|_| row.get::<_, String>("name")))
    })?;
    found.into_iter().flatten().collect()
}

/// Foreign keys of all tables that lead to one.
fn referrers(
    connection: &Connection,
    catalog: &Catalog,
    table: &Object,
    schema: &ClassSchema,
) -> rusqlite::Result<Vec<Referrer>> {
    let mut referrers = Vec::new();
    for child in catalog.of(Kind::Table) {
        let columns = TableColumn::read(connection, &child.name)?;
        for reference in references(connection, catalog, child, &columns)? {
            let targets = reference.target_columns.iter().map(|name| schema.column_named(name).map(|column| column.id));
            let Some(target_columns) = targets.collect::<Option<Vec<_>>>().filter(|_| reference.class == table.name)
            else {
                continue;
            };
            let name = |id: &ColumnId| columns.iter().find(|column| schema::id_of(column) == *id);
            let columns = reference.columns.iter().filter_map(name).map(|column| column.name.clone()).collect();
            referrers.push(Referrer { class: child.name.clone(), columns, target_columns });
        }
    }
    Ok(referrers)
}

fn triggers(connection: &Connection, table: &Object) -> rusqlite::Result<Vec<LiveTrigger>> {
    let sql =
        "SELECT name FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE ORDER BY name";
    let mut statement = connection.prepare(sql)?;
    let rows =
        statement.query_map([&table.name], |row| Ok(LiveTrigger { name: row.get(0)?, fires: Fires::Usually }))?;
    rows.collect()
}
