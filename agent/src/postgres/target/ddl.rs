//! Reading a dump of definitions: its entries, without running a client that understands psql's commands.
//!
//! `pg_dump` writes a comment before each object that names it and its type, and `SET` lines where objects need another
//! tablespace or access method. Only these three are looked for, and only where a statement may begin: strings, quoted
//! names, dollar quotes and comments are walked over. Everything else is the server's to parse.
//!
//! ```text
//!   SET default_tablespace = '';            ─┐ holds for what follows
//!   --                                       │
//!   -- Name: ci; Type: TABLE; Schema: …      ├─ one entry
//!   --                                       │
//!   CREATE TABLE … ; ALTER TABLE … ;        ─┘
//! ```

use super::lexer::Lexer;

/// One object of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The object's name, for messages.
    pub name: String,
    /// Its type, as `pg_dump` calls it: `TABLE`, `INDEX`, `FK CONSTRAINT`, …
    pub kind: String,
    /// Tablespace and access method that hold for it, as `SET` statements.
    pub settings: Vec<String>,
    /// Its statements.
    pub body: String,
}

impl Entry {
    /// What it is and what it is called, for messages.
    pub(super) fn subject(&self) -> String {
        format!("{} {}", self.kind.to_lowercase(), self.name)
    }
}

/// Settings that a dump changes between entries. The others stand once at its head, and sessions pin them.
const KEPT_SETTINGS: [&str; 2] = ["SET default_tablespace ", "SET default_table_access_method "];

/// The entries of a dump, in order.
pub fn entries(dump: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut settings: Vec<String> = Vec::new();
    let mut lexer = Lexer::new(dump);
    while !lexer.is_at_end() {
        if let Some((name, kind, len)) = header(lexer.rest()) {
            entries.push(Entry { name, kind, settings: settings.clone(), body: String::new() });
            lexer.skip(len);
            continue;
        }
        let line = first_line(lexer.rest());
        if line.starts_with('\\') {
            lexer.skip(line.len());
        } else if line.starts_with("SET ") {
            if let Some(name) = KEPT_SETTINGS.iter().find(|name| line.starts_with(**name)) {
                settings.retain(|kept| !kept.starts_with(name));
                settings.push(line.trim_end().to_owned());
            }
            lexer.skip(line.len());
        } else {
            let statement = lexer.statement();
            let is_remark = statement.trim().is_empty() || statement.starts_with("--");
            if let Some(entry) = entries.last_mut().filter(|_| !is_remark) {
                entry.body.push_str(statement);
            }
        }
    }
    entries.retain(|entry| !entry.body.is_empty());
    entries
}

fn first_line(text: &str) -> &str {
    text.find('\n').and_then(|end| text.get(..=end)).unwrap_or(text)
}

/// Name, type and length of the comment that begins an entry.
fn header(text: &str) -> Option<(String, String, usize)> {
    let rest = text.strip_prefix("--\n-- Name: ")?;
    let line = first_line(rest);
    let after = rest.get(line.len()..)?.strip_prefix("--\n")?;
    let (name, tail) = line.rsplit_once("; Type: ")?;
    let (kind, _) = tail.split_once(';')?;
    Some((name.to_owned(), kind.to_owned(), text.len() - after.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = r#"--
-- PostgreSQL database dump
--

\restrict abc

SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: odd; Type: TABLE; Schema: public; Owner: o
--

CREATE TABLE public.odd (
    a text DEFAULT ';
--
-- Name: no; Type: TABLE; Schema: -; Owner: -
--
',
    "b;""c" text
);


ALTER TABLE public.odd OWNER TO o;

SET default_tablespace = fast;

--
-- Name: f(); Type: FUNCTION; Schema: public; Owner: o
--

CREATE FUNCTION public.f() RETURNS text
    LANGUAGE plpgsql
    SET x TO 'y'
    AS $_$
begin -- it's
SET a = 1;
end; $_$;


\unrestrict abc
"#;

    #[test]
    fn entries_are_told_apart_only_where_a_statement_begins() {
        let found = entries(DUMP);
        let heads: Vec<_> = found.iter().map(|e| (e.name.as_str(), e.kind.as_str(), e.settings.join(" "))).collect();
        assert_eq!(
            heads,
            [
                ("odd", "TABLE", "SET default_tablespace = ''; SET default_table_access_method = heap;".to_owned()),
                (
                    "f()",
                    "FUNCTION",
                    "SET default_table_access_method = heap; SET default_tablespace = fast;".to_owned()
                ),
            ]
        );
        assert!(found[0].body.trim().starts_with("CREATE TABLE") && found[0].body.trim().ends_with("OWNER TO o;"));
        assert!(found[1].body.contains("SET a = 1;") && !found[1].body.contains("restrict"));
    }
}
