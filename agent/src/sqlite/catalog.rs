//! The schema of a database, as `sqlite_schema` holds it.
//!
//! Owns the reading of the catalog and the division of its objects: tables that store rows, virtual tables, and what is
//! built upon them. It reads the stored statements and never prepares them, so that a database whose modules,
//! functions or collations are not at hand can still be read.

use std::collections::BTreeMap;

use rusqlite::Connection;

/// What an object of the schema is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A table that stores rows.
    Table,
    /// A table whose rows a module makes up.
    VirtualTable,
    /// An index that was declared on its own.
    Index,
    /// A view.
    View,
    /// A trigger.
    Trigger,
}

impl Kind {
    /// The kind's word in blobs and fingerprints.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::VirtualTable => "virtual table",
            Self::Index => "index",
            Self::View => "view",
            Self::Trigger => "trigger",
        }
    }
}

/// One object that somebody declared.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// The statement that made it.
    pub(super) sql: String,
    /// Whether the table is WITHOUT ROWID.
    pub(super) without_rowid: bool,
}

/// All objects, in the order of their making, and which of SQLite's own tables there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Catalog {
    pub(super) objects: Vec<Object>,
    pub(super) has_sequences: bool,
    pub(super) has_statistics: bool,
}

impl Catalog {
    /// Reads the catalog within the transaction that is open.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let without_rowid = tables_without_rowid(connection)?;
        let mut catalog = Self::default();
        let mut statement =
            connection.prepare("SELECT type, name, rootpage, sql FROM main.sqlite_schema ORDER BY rowid")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (kind, name): (String, String) = (row.get(0)?, row.get(1)?);
            if is_internal(&name) {
                catalog.has_sequences |= name == "sqlite_sequence";
                catalog.has_statistics |= name.starts_with("sqlite_stat");
                continue;
            }
            let kind = match kind.as_str() {
                "table" if row.get::<_, Option<i64>>(2)?.unwrap_or(0) == 0 => Kind::VirtualTable,
                "table" => Kind::Table,
                "index" => Kind::Index,
                "view" => Kind::View,
                _ => Kind::Trigger,
            };
            let without_rowid = without_rowid.get(&name).copied().unwrap_or(false);
            catalog.objects.push(Object { kind, name, sql: row.get(3)?, without_rowid });
        }
        Ok(catalog)
    }

    /// The objects of one kind.
    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(move |object| object.kind == kind)
    }

    /// Whether a search index of another table's making knows the rows of this one by their numbers.
    pub(super) fn is_counted_on(&self, table: &Object) -> bool {
        let content = |index: &Object| option(&module_of(&index.sql).1, "content");
        self.of(Kind::VirtualTable).filter_map(content).any(|name| name.eq_ignore_ascii_case(&table.name))
    }

    /// The table that stores rows under this name, in whatever case.
    pub(super) fn table(&self, name: &str) -> Option<&Object> {
        self.of(Kind::Table).find(|table| table.name.eq_ignore_ascii_case(name))
    }
}

/// Whether the name is one that SQLite keeps for itself.
fn is_internal(name: &str) -> bool {
    name.get(..7).is_some_and(|head| head.eq_ignore_ascii_case("sqlite_"))
}

fn tables_without_rowid(connection: &Connection) -> rusqlite::Result<BTreeMap<String, bool>> {
    let mut statement = connection.prepare("PRAGMA main.table_list")?;
    let rows = statement.query_map([], |row| Ok((row.get("name")?, row.get("wr")?)))?;
    rows.collect()
}

/// The module behind a virtual table and its arguments, from the stored statement: the word after USING.
pub(super) fn module_of(sql: &str) -> (String, String) {
    let mut words = sql.char_indices().filter(|(at, _)| {
        sql.get(*at..at + 5).is_some_and(|word| word.eq_ignore_ascii_case("using"))
            && sql.get(..*at).is_some_and(|before| before.ends_with(char::is_whitespace))
            && sql.get(at + 5..).is_some_and(|after| after.starts_with(char::is_whitespace))
    });
    let rest = words.next_back().and_then(|(at, _)| sql.get(at + 5..)).unwrap_or_default().trim_start();
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let (module, arguments) = rest.split_at_checked(end).unwrap_or((rest, ""));
    (module.to_ascii_lowercase(), arguments.trim().to_owned())
}

/// The value of `name=value` among a module's arguments, without its quotes.
pub(super) fn option(arguments: &str, name: &str) -> Option<String> {
    let inner = arguments.trim_start_matches('(').trim_end_matches(')');
    inner.split(',').find_map(|argument| {
        let (left, right) = argument.split_once('=')?;
        let value = right.trim().trim_matches(['\'', '"', '`', '[', ']']);
        left.trim().eq_ignore_ascii_case(name).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_found_whatever_its_quotes() {
        assert_eq!(option("(body, content='doc', tokenize=porter)", "content").as_deref(), Some("doc"));
        assert_eq!(option("(body, Content = \"a b\")", "content").as_deref(), Some("a b"));
        assert_eq!(option("(content, body)", "content"), None);
    }

    #[test]
    fn the_module_is_the_word_after_using() {
        let sql = "CREATE VIRTUAL TABLE \"a using b\" USING FTS5(body, content='doc')";
        assert_eq!(module_of(sql), ("fts5".into(), "(body, content='doc')".into()));
        assert_eq!(module_of("CREATE VIRTUAL TABLE x using rtree"), ("rtree".into(), String::new()));
    }

    #[test]
    fn only_names_of_sqlite_itself_are_internal() {
        assert!(is_internal("sqlite_stat1") && is_internal("SQLITE_sequence"));
        assert!(!is_internal("sqlite") && !is_internal("my_sqlite_x"));
    }
}
