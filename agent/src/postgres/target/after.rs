//! After the rows: what is left of indexes, keys and constraints, then triggers and policies, then what the dump does
//! not hold: sequences, large objects' owners, the database's own settings, and the views that hold rows.
//!
//! Event triggers come last, so that they see nothing of this.

use crate::postgres::blobs::model::{Database, Grant, LargeObject, MaterialisedView, SequenceState};
use crate::postgres::names::{literal, qualified, quoted};
use crate::postgres::session::Session;
use crate::source::{Finding, Severity, SourceError};

use super::ddl::Entry;
use super::load::{PostgresLoad, analyze};
use super::pool::Task;
use super::step::Step;

/// Sequences set with one message.
const SEQUENCES_AT_ONCE: usize = 500;

/// Settings that are lists of names: their stored form is quoted as names, not as text.
const NAME_LISTS: [&str; 5] = [
    "search_path",
    "temp_tablespaces",
    "local_preload_libraries",
    "session_preload_libraries",
    "shared_preload_libraries",
];

/// Brings the load to its end, short of the verdict.
pub(super) fn finish(load: &PostgresLoad, main: &mut Session, findings: &mut Vec<Finding>) -> Result<(), SourceError> {
    late_indexes(load);
    load.pool.wait()?;
    run(main, load, |step| matches!(step, Step::Attach))?;
    foreign_keys(load, main)?;
    set_sequences(main, &load.rest.sequences)?;
    describe_large_objects(main, &load.rest.large_objects)?;
    load.pool.wait()?;
    run(main, load, |step| matches!(step, Step::Other))?;
    refresh(main, &load.rest.views)?;
    describe_database(main, load, findings);
    run(main, load, |step| matches!(step, Step::EventTrigger))
}

/// Indexes over expressions may read other tables through functions, and tables without rows of their own are no class.
fn late_indexes(load: &PostgresLoad) {
    let mut again = Vec::new();
    for (step, entry) in &load.rest.steps {
        let Some(task) = step.task(entry) else { continue };
        let is_class = load.rest.classes.contains(&task.table);
        if is_class && step.is_early() {
            continue;
        }
        if is_class && !again.contains(&task.table) {
            again.push(task.table.clone());
        }
        load.pool.submit(task);
    }
    for class in &again {
        load.pool.submit(analyze(class));
    }
}

fn run(main: &mut Session, load: &PostgresLoad, is_meant: impl Fn(&Step) -> bool) -> Result<(), SourceError> {
    for (_, entry) in load.rest.steps.iter().filter(|(step, _)| is_meant(step)) {
        run_entry(main, entry)?;
    }
    Ok(())
}

fn run_entry(main: &mut Session, entry: &Entry) -> Result<(), SourceError> {
    main.batch(&format!("{} {}", entry.settings.join(" "), entry.body)).map_err(|error| error.about(&entry.subject()))
}

/// Adds foreign keys unchecked, which takes no time, and checks them side by side, one a table. Those that the server
/// does not add so are added as they are.
fn foreign_keys(load: &PostgresLoad, main: &mut Session) -> Result<(), SourceError> {
    for (step, entry) in &load.rest.steps {
        let Step::ForeignKey { in_two, .. } = step else { continue };
        let check = in_two.as_ref().filter(|(add, _)| main.try_batch(add).is_ok());
        match (check, step.class()) {
            (Some((_, check)), Some(table)) => {
                load.pool.submit(Task { table, is_shared: false, subject: entry.subject(), sql: check.clone() });
            }
            _ => run_entry(main, entry)?,
        }
    }
    Ok(())
}

fn set_sequences(main: &mut Session, states: &[SequenceState]) -> Result<(), SourceError> {
    for some in states.chunks(SEQUENCES_AT_ONCE) {
        let calls: Vec<String> = some
            .iter()
            .map(|one| {
                let name = literal(&qualified(&one.schema, &one.name));
                format!("setval({name}::regclass, {}, {})", one.last_value, one.is_called)
            })
            .collect();
        main.batch(&format!("SELECT {}", calls.join(", ")))?;
    }
    Ok(())
}

fn describe_large_objects(main: &mut Session, objects: &[LargeObject]) -> Result<(), SourceError> {
    for one in objects {
        let object = format!("LARGE OBJECT {}", one.id);
        let mut sql = format!("ALTER {object} OWNER TO {};", quoted(&one.owner));
        if let Some(grants) = &one.grants {
            let revoke = format!("REVOKE ALL ON {object} FROM {};", quoted(&one.owner));
            sql = [sql, revoke, grant_statements(&object, grants)].concat();
        }
        if let Some(comment) = &one.comment {
            sql = [sql, format!("COMMENT ON {object} IS {};", literal(comment))].concat();
        }
        main.batch(&sql).map_err(|error| error.about(&object))?;
    }
    Ok(())
}

fn grant_statements(object: &str, grants: &[Grant]) -> String {
    let statement = |grant: &Grant| {
        let grantee = grant.grantee.as_ref().map_or_else(|| "PUBLIC".to_owned(), |name| quoted(name));
        let option = if grant.grantable { " WITH GRANT OPTION" } else { "" };
        format!("GRANT {} ON {object} TO {grantee}{option};", grant.privilege)
    };
    grants.iter().map(statement).collect()
}

/// Refreshes the views that held rows. One may read another: what finds another empty is tried again after it.
fn refresh(main: &mut Session, views: &[MaterialisedView]) -> Result<(), SourceError> {
    let mut waiting: Vec<&MaterialisedView> = views.iter().filter(|view| view.populated).collect();
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut last = None;
        waiting.retain(|view| {
            let name = qualified(&view.schema, &view.name);
            let failed = main.batch(&format!("REFRESH MATERIALIZED VIEW {name}")).err();
            let is_left = failed.is_some();
            last = failed.map(|error| error.about(&name)).or(last.take());
            is_left
        });
        if let (Some(error), true) = (last, waiting.len() == before) {
            return Err(error);
        }
    }
    Ok(())
}

/// Settings, grants and comment of the database itself. A login that may not give them is told so, and the verdict
/// names what differs.
fn describe_database(main: &mut Session, load: &PostgresLoad, findings: &mut Vec<Finding>) {
    for sql in database_statements(load.at.database(), &load.rest.database) {
        if let Err(error) = main.batch(&sql) {
            let message = format!("could not be given what the snapshot says of it: {error}");
            findings.push(Finding { severity: Severity::Warning, subject: load.at.to_string(), message });
        }
    }
}

fn database_statements(name: &str, database: &Database) -> Vec<String> {
    let object = format!("DATABASE {}", quoted(name));
    let mut all = Vec::new();
    for setting in &database.settings {
        let whose = match &setting.role {
            Some(role) => format!("ALTER ROLE {} IN {object}", quoted(role)),
            None => format!("ALTER {object}"),
        };
        let assignments = setting.settings.iter().filter_map(|setting| setting.split_once('='));
        // Set when the load ends, by the same switch that marks it now.
        let assignments =
            assignments.filter(|(key, _)| *key != "default_transaction_read_only" || setting.role.is_some());
        all.extend(
            assignments.map(|(key, value)| format!("{whose} SET {} TO {}", quoted(key), setting_value(key, value))),
        );
    }
    if let Some(grants) = &database.grants {
        let revoke = format!("REVOKE ALL ON {object} FROM PUBLIC, {};", quoted(&database.owner));
        all.push(format!("{revoke}{}", grant_statements(&object, grants)));
    }
    if let Some(comment) = &database.comment {
        all.push(format!("COMMENT ON {object} IS {}", literal(comment)));
    }
    all
}

fn setting_value(key: &str, value: &str) -> String {
    if !NAME_LISTS.contains(&key) {
        return literal(value);
    }
    let mut names = vec![String::new()];
    let mut is_quoted = false;
    for c in value.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => names.push(String::new()),
            c if c.is_whitespace() && !is_quoted => {}
            c => names.last_mut().into_iter().for_each(|name| name.push(c)),
        }
    }
    names.iter().map(|name| literal(name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_names_are_given_back_name_by_name() {
        assert_eq!(setting_value("search_path", "\"$user\", public"), "'$user', 'public'");
        assert_eq!(setting_value("search_path", "\"a, b\",c"), "'a, b', 'c'");
        assert_eq!(setting_value("work_mem", "64MB"), "'64MB'");
    }
}
