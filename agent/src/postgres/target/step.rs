//! What the entries of the after-data section do, and to which table: what may run beside what.
//!
//! | step | lock on its table | beside others of the table |
//! |---|---|---|
//! | plain index | SHARE | yes |
//! | key, index with further statements, check of a foreign key, ANALYZE | stronger | no |
//!
//! What is not recognised runs alone, in the order of the dump.

use super::ddl::Entry;
use super::lexer::Lexer;

/// An entry, with what its place in the order depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// An index. A plain one is over columns only, so that it depends on no other table.
    Index { table: String, is_plain: bool, is_shared: bool },
    /// A primary key, a unique or an exclusion constraint.
    Key { table: String },
    /// A foreign key; with the statements that add it unchecked and check it then, where the server allows that.
    ForeignKey { table: String, in_two: Option<(String, String)> },
    /// A partition's index joins its parent's.
    Attach,
    /// An event trigger, which would see everything that comes after it.
    EventTrigger,
    /// Anything else.
    Other,
}

/// What an entry does.
pub(super) fn step_of(entry: &Entry) -> Step {
    let body = entry.body.trim();
    match entry.kind.as_str() {
        "INDEX" => index(body).unwrap_or(Step::Other),
        "CONSTRAINT" => altered_table(body).map_or(Step::Other, |(table, ..)| Step::Key { table }),
        "FK CONSTRAINT" => foreign_key(body).unwrap_or(Step::Other),
        "INDEX ATTACH" => Step::Attach,
        "EVENT TRIGGER" => Step::EventTrigger,
        _ => Step::Other,
    }
}

fn index(body: &str) -> Option<Step> {
    let mut lexer = Lexer::new(body);
    lexer.take("CREATE").then_some(())?;
    lexer.take("UNIQUE");
    lexer.take("INDEX").then_some(())?;
    lexer.name()?;
    lexer.take("ON").then_some(())?;
    lexer.take("ONLY");
    let table = lexer.name()?.to_owned();
    let rest = lexer.rest();
    let is_single = Lexer::new(body).statement().len() == body.len();
    let is_plain = rest.matches('(').count() == 1 && !rest.to_ascii_uppercase().contains(" WHERE ");
    Some(Step::Index { table, is_plain: is_plain && is_single, is_shared: is_single })
}

/// The table of an `ALTER TABLE`, whether it is altered alone, and what follows its name.
fn altered_table(body: &str) -> Option<(String, bool, Lexer<'_>)> {
    let mut lexer = Lexer::new(body);
    (lexer.take("ALTER") && lexer.take("TABLE")).then_some(())?;
    let is_only = lexer.take("ONLY");
    let table = lexer.name()?.to_owned();
    Some((table, is_only, lexer))
}

fn foreign_key(body: &str) -> Option<Step> {
    let (table, is_only, mut lexer) = altered_table(body)?;
    let constraint = (lexer.take("ADD") && lexer.take("CONSTRAINT")).then(|| lexer.name())??.to_owned();
    let is_single = Lexer::new(body).statement().len() == body.len();
    let statement = body.strip_suffix(';')?.trim_end();
    let in_two = (is_only && is_single && !statement.ends_with("NOT VALID")).then(|| {
        (format!("{statement} NOT VALID;"), format!("ALTER TABLE ONLY {table} VALIDATE CONSTRAINT {constraint};"))
    });
    Some(Step::ForeignKey { table, in_two })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(kind: &str, body: &str) -> Step {
        step_of(&Entry { name: "x".into(), kind: kind.into(), settings: Vec::new(), body: body.into() })
    }

    #[test]
    fn indexes_tell_their_table_and_whether_they_stand_alone() {
        let index = |body: &str| match step("INDEX", body) {
            Step::Index { table, is_plain, is_shared } => (table, is_plain, is_shared),
            other => panic!("{other:?}"),
        };
        let plain = "\nCREATE UNIQUE INDEX \"i ON x\" ON public.\"T t\" USING btree (a, b DESC) INCLUDE";
        assert_eq!(index("CREATE INDEX i ON public.t USING btree (a, b DESC);\n"), ("public.t".into(), true, true));
        assert_eq!(index(&format!("{plain} (c);")), ("public.\"T t\"".into(), false, true));
        assert_eq!(index("CREATE INDEX i ON ONLY s.t USING btree (lower(a));"), ("s.t".into(), false, true));
        assert_eq!(index("CREATE INDEX i ON s.t USING btree (a) WHERE (a > 1);"), ("s.t".into(), false, true));
        let clustered = "CREATE INDEX i ON s.t USING btree (a);\n\nALTER TABLE s.t CLUSTER ON i;";
        assert_eq!(index(clustered), ("s.t".into(), false, false));
        assert_eq!(step("INDEX", "CREATE SOMETHING"), Step::Other);
    }

    #[test]
    fn a_foreign_key_is_added_first_and_checked_later() {
        let body = "ALTER TABLE ONLY public.a\n    ADD CONSTRAINT \"f k\" FOREIGN KEY (x) REFERENCES public.b(id) DEFERRABLE;\n";
        let Step::ForeignKey { table, in_two: Some((add, check)) } = step("FK CONSTRAINT", body) else { panic!() };
        assert_eq!(table, "public.a");
        assert!(add.ends_with("REFERENCES public.b(id) DEFERRABLE NOT VALID;"));
        assert_eq!(check, "ALTER TABLE ONLY public.a VALIDATE CONSTRAINT \"f k\";");
        let partitioned = body.replace("ONLY ", "");
        assert!(matches!(step("FK CONSTRAINT", &partitioned), Step::ForeignKey { in_two: None, .. }));
    }
}
