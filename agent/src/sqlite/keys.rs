//! Which columns identify the rows of a table.
//!
//! A key must be unique under bytes, without NULL, and of bounded length. Collations do not matter: what is unique when
//! cases are folded is unique as it stands. SQLite does not enforce NOT NULL on most primary keys, so whether a declared
//! key serves is asked of the rows themselves, within the cut. Row numbers never serve: VACUUM changes them.

use rusqlite::Connection;
use strongroom_core::limits::KEY_BYTES_MAX;
use strongroom_core::record::KeySpec;

use super::catalog::Object;
use super::connect::pragma_rows;
use super::quote;
use super::schema::{TableColumn, id_of};

/// Bytes that the columns of a key may have together, as SQLite counts them: escaping and UTF-8 may double both.
const KEY_OCTETS_MAX: usize = KEY_BYTES_MAX / 4;

/// The key of a table.
pub(super) struct ChosenKey {
    pub(super) key: KeySpec,
    /// The key is the row number, declared as INTEGER PRIMARY KEY.
    pub(super) row_number: bool,
    /// Why a declared primary key does not serve.
    pub(super) unusable: Option<&'static str>,
}

/// Chooses the key of a table.
pub(super) fn choose(connection: &Connection, table: &Object, columns: &[TableColumn]) -> rusqlite::Result<ChosenKey> {
    let indexes = unique_indexes(connection, table)?;
    let mut primary: Vec<&TableColumn> = columns.iter().filter(|column| column.key_place > 0).collect();
    primary.sort_by_key(|column| column.key_place);
    if is_row_number(table, &primary, &indexes) {
        return Ok(ChosenKey { key: spec(&primary), row_number: true, unusable: None });
    }
    let mut unusable = None;
    if !primary.is_empty() {
        if serves(connection, table, &primary)? {
            return Ok(ChosenKey { key: spec(&primary), row_number: false, unusable: None });
        }
        unusable = Some("rows have NULL in the declared primary key, or values too long for a key");
    }
    for index in indexes.iter().filter(|index| index.origin != "pk") {
        let members: Option<Vec<&TableColumn>> =
            index.columns.iter().map(|cid| columns.iter().find(|column| Some(column.cid) == *cid)).collect();
        let Some(members) = members else { continue };
        let fit = members.iter().all(|column| column.not_null && !column.generated);
        if fit && serves(connection, table, &members)? {
            return Ok(ChosenKey { key: spec(&members), row_number: false, unusable });
        }
    }
    Ok(ChosenKey { key: KeySpec::Keyless, row_number: false, unusable })
}

fn spec(columns: &[&TableColumn]) -> KeySpec {
    KeySpec::Columns(columns.iter().map(|column| id_of(column)).collect())
}

/// `x INTEGER PRIMARY KEY` is another name for the row number, and then has no index of its own.
fn is_row_number(table: &Object, primary: &[&TableColumn], indexes: &[UniqueIndex]) -> bool {
    let [only] = primary else { return false };
    !table.without_rowid
        && only.declared.eq_ignore_ascii_case("INTEGER")
        && indexes.iter().all(|index| index.origin != "pk")
}

/// Whether no row has NULL in these columns, or more bytes than a key may have.
fn serves(connection: &Connection, table: &Object, columns: &[&TableColumn]) -> rusqlite::Result<bool> {
    let names: Vec<String> = columns.iter().map(|column| quote::name(&column.name)).collect();
    let nulls = names.iter().map(|name| format!("{name} IS NULL")).collect::<Vec<_>>().join(" OR ");
    let octets = names.iter().map(|name| format!("octet_length({name})")).collect::<Vec<_>>().join(" + ");
    let sql = format!(
        "SELECT NOT EXISTS (SELECT 1 FROM main.{} WHERE {nulls} OR {octets} > {KEY_OCTETS_MAX})",
        quote::name(&table.name)
    );
    connection.query_row(&sql, [], |row| row.get(0))
}

pub(super) struct UniqueIndex {
    pub(super) name: String,
    origin: String,
    /// Members by number; nothing for an expression or the row number.
    pub(super) columns: Vec<Option<i64>>,
}

/// Unique indexes over all rows, those with the fewest columns first.
pub(super) fn unique_indexes(connection: &Connection, table: &Object) -> rusqlite::Result<Vec<UniqueIndex>> {
    let listed = pragma_rows(connection, "index_list", &table.name, |row| {
        let whole = row.get::<_, bool>("unique")? && !row.get::<_, bool>("partial")?;
        Ok(whole.then_some(UniqueIndex { name: row.get("name")?, origin: row.get("origin")?, columns: Vec::new() }))
    })?;
    let mut indexes: Vec<UniqueIndex> = listed.into_iter().flatten().collect();
    for index in &mut indexes {
        let members = pragma_rows(connection, "index_xinfo", &index.name, |row| {
            let cid: i64 = row.get("cid")?;
            Ok(row.get::<_, bool>("key")?.then_some((cid >= 0).then_some(cid)))
        })?;
        index.columns = members.into_iter().flatten().collect();
    }
    indexes.sort_by(|a, b| (a.columns.len(), &a.name).cmp(&(b.columns.len(), &b.name)));
    Ok(indexes)
}
