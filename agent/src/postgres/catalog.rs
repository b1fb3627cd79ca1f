//! What a database holds: its tables with their columns, keys and references, as the system catalogs tell it.
//!
//! The same queries run twice in every capture, once before the locks and once inside the snapshot; two listings are
//! equal exactly if no table was made, dropped, rewritten, emptied or altered in between. All SQL on tables is here.

use std::collections::BTreeMap;

use tokio_postgres::types::{ToSql, Type};

use crate::source::SourceError;

use super::session::Session;

/// Schemas of the server itself, and the one that marks a restore under way.
const OWN_SCHEMAS: &str = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Tables with rows of their own; foreign tables are listed to be named.
const TABLES: &str = "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, pg_relation_filenode(c.oid),
        has_table_privilege(c.oid, 'SELECT'), row_security_active(c.oid), c.reltuples::float8, e.extname,
        (SELECT x.condition FROM unnest(e.extconfig, e.extcondition) AS x (config, condition) WHERE x.config = c.oid)
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
        AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
    LEFT JOIN pg_extension e ON e.oid = d.refobjid
    WHERE c.relkind IN ('r', 'f') AND c.relpersistence <> 't'";

const COLUMNS: &str = "SELECT a.attrelid, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.atttypid,
        a.attnotnull, a.attgenerated <> ''
    FROM pg_attribute a
    WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attrelid, a.attnum";

const DOMAINS: &str = "SELECT oid, typbasetype FROM pg_type WHERE typtype = 'd'";

/// Primary keys first; then unique indexes that hold for every row at any time, the narrowest first.
const KEYS: &str = "SELECT i.indrelid, (i.indkey::int2[])[0:i.indnkeyatts - 1]
    FROM pg_index i
    JOIN pg_class x ON x.oid = i.indexrelid
    WHERE i.indrelid = ANY ($1) AND i.indisunique AND i.indisvalid AND i.indislive
        AND i.indpred IS NULL AND i.indexprs IS NULL AND (i.indisprimary OR i.indimmediate)
    ORDER BY i.indrelid, i.indisprimary DESC, i.indnkeyatts, x.relname";

/// Declared foreign keys. What the server adds for each partition of a referred table is not declared.
const REFERENCES: &str = "SELECT k.conrelid, k.conname, k.conkey, n.nspname, c.relname,
        ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS f (num, place)
            JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = f.num ORDER BY f.place)
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.confrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_constraint p ON p.oid = k.conparentid
    WHERE k.contype = 'f' AND k.conrelid = ANY ($1) AND p.conrelid IS DISTINCT FROM k.conrelid
    ORDER BY k.conrelid, k.conname";

const SIZES: &str = "SELECT t.oid, coalesce(pg_table_size(t.oid), 0),
        coalesce(pg_relation_size(t.oid), 0) / current_setting('block_size')::int8
    FROM unnest($1::oid[]) AS t (oid)";

/// One table, with what must not change while it is captured.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not exclude each other")]
pub(crate) struct Table {
    pub(crate) oid: u32,
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) is_foreign: bool,
    pub(crate) is_unlogged: bool,
    pub(crate) file: Option<u32>,
    pub(crate) is_readable: bool,
    pub(crate) hides_rows: bool,
    pub(crate) extension: Option<String>,
    pub(crate) filter: Option<String>,
    pub(crate) columns: Vec<TableColumn>,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableColumn {
    pub(crate) number: i16,
    pub(crate) name: String,
    pub(crate) type_text: String,
    pub(crate) base_type: u32,
    pub(crate) is_not_null: bool,
    pub(crate) is_generated: bool,
}

/// A foreign key.
#[derive(Clone, Debug)]
pub(crate) struct ForeignKey {
    pub(crate) name: String,
    pub(crate) columns: Vec<i16>,
    pub(crate) schema: String,
    pub(crate) table: String,
    pub(crate) target_columns: Vec<String>,
}

/// What is known of a table beside its shape, read inside the snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct TableFacts {
    pub(crate) keys: Vec<Vec<i16>>,
    pub(crate) foreign_keys: Vec<ForeignKey>,
    pub(crate) bytes: u64,
    pub(crate) blocks: u64,
}

impl Table {
    /// Whether its rows belong to the database, and not to an extension that brings them itself.
    pub(crate) const fn is_captured(&self) -> bool {
        !self.is_foreign && (self.extension.is_none() || self.filter.is_some())
    }
}

/// All tables outside the server's own schemas, in the order of their names, with estimates of their rows.
pub(crate) fn list_tables(session: &mut Session) -> Result<(Vec<Table>, BTreeMap<u32, u64>), SourceError> {
    read_tables(session, &format!("{TABLES} AND {OWN_SCHEMAS} ORDER BY n.nspname, c.relname"), &[])
}

/// The tables with these schemas and names that there are.
pub(crate) fn named_tables(session: &mut Session, names: &[(String, String)]) -> Result<Vec<Table>, SourceError> {
    let (schemas, tables): (Vec<&str>, Vec<&str>) =
        names.iter().map(|(schema, table)| (schema.as_str(), table.as_str())).unzip();
    let sql = format!(
        "{TABLES} AND {OWN_SCHEMAS} AND (n.nspname, c.relname) IN
            (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY n.nspname, c.relname"
    );
    let parameters: [Parameter<'_>; 2] = [(&schemas, Type::TEXT_ARRAY), (&tables, Type::TEXT_ARRAY)];
    read_tables(session, &sql, &parameters).map(|(tables, _)| tables)
}

/// A parameter with its type.
type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

fn read_tables(
    session: &mut Session,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<(Vec<Table>, BTreeMap<u32, u64>), SourceError> {
    let mut estimates = BTreeMap::new();
    let mut tables = Vec::new();
    for row in session.rows(sql, parameters)? {
        let kind: i8 = session.cell(&row, 3)?;
        let persistence: i8 = session.cell(&row, 4)?;
        let oid = session.cell(&row, 0)?;
        let estimate: f64 = session.cell(&row, 8)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate, -1 when unknown")]
        estimates.insert(oid, estimate.max(0.0) as u64);
        tables.push(Table {
            oid,
            schema: session.cell(&row, 1)?,
            name: session.cell(&row, 2)?,
            is_foreign: kind.cast_unsigned() == b'f',
            is_unlogged: persistence.cast_unsigned() == b'u',
            file: session.cell(&row, 5)?,
            is_readable: session.cell(&row, 6)?,
            hides_rows: session.cell(&row, 7)?,
            extension: session.cell(&row, 9)?,
            filter: session.cell(&row, 10)?,
            columns: Vec::new(),
        });
    }
    add_columns(session, &mut tables)?;
    Ok((tables, estimates))
}

fn add_columns(session: &mut Session, tables: &mut [Table]) -> Result<(), SourceError> {
    let mut domains: BTreeMap<u32, u32> = BTreeMap::new();
    for row in session.rows(DOMAINS, &[])? {
        domains.insert(session.cell(&row, 0)?, session.cell(&row, 1)?);
    }
    let mut columns: BTreeMap<u32, Vec<TableColumn>> = BTreeMap::new();
    for row in session.rows(COLUMNS, &[(&oids(tables), Type::OID_ARRAY)])? {
        let mut base_type: u32 = session.cell(&row, 4)?;
        while let Some(base) = domains.get(&base_type) {
            base_type = *base;
        }
        columns.entry(session.cell(&row, 0)?).or_default().push(TableColumn {
            number: session.cell(&row, 1)?,
            name: session.cell(&row, 2)?,
            type_text: session.cell(&row, 3)?,
            base_type,
            is_not_null: session.cell(&row, 5)?,
            is_generated: session.cell(&row, 6)?,
        });
    }
    for table in tables {
        table.columns = columns.remove(&table.oid).unwrap_or_default();
    }
    Ok(())
}

/// Keys, references and sizes of tables.
pub(crate) fn table_facts(session: &mut Session, tables: &[Table]) -> Result<BTreeMap<u32, TableFacts>, SourceError> {
    let oids = oids(tables);
    let mut all: BTreeMap<u32, TableFacts> = oids.iter().map(|oid| (*oid, TableFacts::default())).collect();
    for row in session.rows(KEYS, &[(&oids, Type::OID_ARRAY)])? {
        let facts = all.entry(session.cell(&row, 0)?).or_default();
        facts.keys.push(session.cell(&row, 1)?);
    }
    for row in session.rows(REFERENCES, &[(&oids, Type::OID_ARRAY)])? {
        let facts = all.entry(session.cell(&row, 0)?).or_default();
        facts.foreign_keys.push(ForeignKey {
            name: session.cell(&row, 1)?,
            columns: session.cell(&row, 2)?,
            schema: session.cell(&row, 3)?,
            table: session.cell(&row, 4)?,
            target_columns: session.cell(&row, 5)?,
        });
    }
    for row in session.rows(SIZES, &[(&oids, Type::OID_ARRAY)])? {
        let facts = all.entry(session.cell(&row, 0)?).or_default();
        facts.bytes = session.cell::<i64>(&row, 1)?.cast_unsigned();
        facts.blocks = session.cell::<i64>(&row, 2)?.cast_unsigned();
    }
    Ok(all)
}

fn oids(tables: &[Table]) -> Vec<u32> {
    tables.iter().map(|table| table.oid).collect()
}
