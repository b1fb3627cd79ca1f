//! What a live target says of its tables: columns, keys, references either way, defaults, triggers, rights.

use std::collections::BTreeMap;

use strongroom_core::record::{ClassSchema, ColumnId};
use tokio_postgres::types::Type;

use crate::live::{Checked, Fires, LiveClass, LiveReference, LiveTrigger, Referrer, UniqueKey};
use crate::postgres::catalog::{Table, TableFacts, named_tables, table_facts};
use crate::postgres::classes::plan_table;
use crate::postgres::names::{class_name, parse_class_name};
use crate::postgres::session::Session;
use crate::source::{CaptureOptions, SourceError};

const DEFERRABLE: &str = "SELECT k.conrelid, k.conname FROM pg_constraint k
    WHERE k.contype = 'f' AND k.condeferrable AND k.conrelid = ANY ($1)";

/// A key that a partitioned table refers by is that of its partitions, which have the rows; the server notes it for
/// them only where the table referred to is not a partition itself.
const REFERRERS: &str = "SELECT DISTINCT k.confrelid, n.nspname, c.relname,
        ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS f (num, place)
            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = f.num ORDER BY f.place), k.confkey
    FROM pg_constraint k
    JOIN pg_class r ON r.oid = k.conrelid
    JOIN LATERAL (SELECT r.oid WHERE r.relkind <> 'p'
        UNION ALL SELECT t.relid::oid FROM pg_partition_tree(r.oid) t WHERE r.relkind = 'p' AND t.isleaf) l ON true
    JOIN pg_class c ON c.oid = l.oid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE k.contype = 'f' AND k.confrelid = ANY ($1)
    ORDER BY 2, 3, 4";

/// The partitions of tables that are referred to.
const PARTITIONS: &str = "SELECT k.conrelid, k.conname, n.nspname, c.relname
    FROM pg_constraint k
    JOIN pg_class r ON r.oid = k.confrelid AND r.relkind = 'p'
    JOIN LATERAL pg_partition_tree(r.oid) t ON t.isleaf
    JOIN pg_class c ON c.oid = t.relid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE k.contype = 'f' AND k.conrelid = ANY ($1)
    ORDER BY n.nspname, c.relname";

const DEFAULTS: &str = "SELECT a.attrelid, a.attnum FROM pg_attribute a
    WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped AND (a.atthasdef OR a.attidentity <> '')";

const TRIGGERS: &str = "SELECT t.tgrelid, t.tgname, t.tgenabled FROM pg_trigger t
    WHERE t.tgrelid = ANY ($1) AND NOT t.tgisinternal AND t.tgenabled <> 'D' ORDER BY t.tgname";

const LATE_UNIQUES: &str = "SELECT k.conrelid, k.conname FROM pg_constraint k
    WHERE k.contype IN ('p', 'u', 'x') AND k.condeferrable AND k.conrelid = ANY ($1) ORDER BY k.conname";

const RIGHTS: &str = "SELECT t.oid FROM unnest($1::oid[]) AS t (oid)
    WHERE NOT (has_table_privilege(t.oid, 'SELECT') AND has_table_privilege(t.oid, 'INSERT')
        AND has_table_privilege(t.oid, 'UPDATE') AND has_table_privilege(t.oid, 'DELETE'))";

/// Describes tables, by the names of their classes.
pub(super) fn describe(
    session: &mut Session,
    classes: &[(&str, Option<&ClassSchema>)],
) -> Result<Vec<Option<LiveClass>>, SourceError> {
    let names: Vec<(String, String)> = classes.iter().filter_map(|(name, _)| parse_class_name(name)).collect();
    let tables = named_tables(session, &names)?;
    let earlier = classes.iter().filter_map(|(name, beside)| Some(((*name).to_owned(), (*beside)?.clone())));
    let options = CaptureOptions { earlier: earlier.collect(), ..CaptureOptions::default() };
    let facts = table_facts(session, &tables)?;
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let more = More::read(session, &oids)?;
    let mut described: BTreeMap<String, LiveClass> = BTreeMap::new();
    for table in tables.iter().filter(|table| table.is_captured()) {
        let known = facts.get(&table.oid).cloned().unwrap_or_default();
        let planned = plan_table(table, &known, 0, u64::MAX, session.version(), &options);
        described
            .insert(class_name(&table.schema, &table.name), live_class(table, &known, planned.class.schema, &more));
    }
    Ok(classes.iter().map(|(name, _)| described.remove(*name)).collect())
}

/// What the capture of a table does not ask.
struct More {
    deferrable: Vec<(u32, String)>,
    referrers: Vec<(u32, String, Vec<String>, Vec<i16>)>,
    /// Names of references, each with a class that has rows of what it refers to.
    partitions: Vec<(u32, (String, String))>,
    defaults: Vec<(u32, i16)>,
    triggers: Vec<(u32, LiveTrigger)>,
    late_uniques: Vec<(u32, String)>,
    unwritable: Vec<u32>,
}

impl More {
    fn read(session: &mut Session, oids: &Vec<u32>) -> Result<Self, SourceError> {
        let mut more = Self {
            deferrable: Vec::new(),
            referrers: Vec::new(),
            partitions: Vec::new(),
            defaults: Vec::new(),
            triggers: Vec::new(),
            late_uniques: Vec::new(),
            unwritable: Vec::new(),
        };
        for row in session.rows(DEFERRABLE, &[(oids, Type::OID_ARRAY)])? {
            more.deferrable.push((session.cell(&row, 0)?, session.cell(&row, 1)?));
        }
        for row in session.rows(REFERRERS, &[(oids, Type::OID_ARRAY)])? {
            let class = class_name(session.cell(&row, 1)?, session.cell(&row, 2)?);
            more.referrers.push((session.cell(&row, 0)?, class, session.cell(&row, 3)?, session.cell(&row, 4)?));
        }
        for row in session.rows(PARTITIONS, &[(oids, Type::OID_ARRAY)])? {
            let class = class_name(session.cell(&row, 2)?, session.cell(&row, 3)?);
            more.partitions.push((session.cell(&row, 0)?, (session.cell(&row, 1)?, class)));
        }
        for row in session.rows(DEFAULTS, &[(oids, Type::OID_ARRAY)])? {
            more.defaults.push((session.cell(&row, 0)?, session.cell(&row, 1)?));
        }
        for row in session.rows(TRIGGERS, &[(oids, Type::OID_ARRAY)])? {
            let enabled: i8 = session.cell(&row, 2)?;
            let fires = match enabled.cast_unsigned() {
                b'A' => Fires::Always,
                b'R' => Fires::Silenced,
                _ => Fires::Usually,
            };
            more.triggers.push((session.cell(&row, 0)?, LiveTrigger { name: session.cell(&row, 1)?, fires }));
        }
        for row in session.rows(LATE_UNIQUES, &[(oids, Type::OID_ARRAY)])? {
            more.late_uniques.push((session.cell(&row, 0)?, session.cell(&row, 1)?));
        }
        for row in session.rows(RIGHTS, &[(oids, Type::OID_ARRAY)])? {
            more.unwritable.push(session.cell(&row, 0)?);
        }
        Ok(more)
    }
}

fn live_class(table: &Table, facts: &TableFacts, schema: ClassSchema, more: &More) -> LiveClass {
    let id = |number: &i16| {
        let ordinal = u32::try_from(*number).ok()?;
        schema.columns.iter().find(|column| column.source_ordinal == ordinal).map(|column| column.id)
    };
    let ids = |numbers: &[i16]| numbers.iter().map(id).collect::<Option<Vec<ColumnId>>>();
    let uniques = facts.keys.iter().filter_map(|numbers| {
        let columns = ids(numbers)?;
        let names: Vec<&str> =
            columns.iter().filter_map(|id| schema.column(*id)).map(|column| column.name.as_str()).collect();
        Some(UniqueKey { name: format!("unique {}", names.join(", ")), columns })
    });
    let reference = |reference: &strongroom_core::record::Reference| LiveReference {
        name: reference.name.clone(),
        columns: reference.columns.clone(),
        class: reference.class.clone(),
        partitions: own(&more.partitions, table)
            .into_iter()
            .filter(|(name, _)| *name == reference.name)
            .map(|(_, class)| class)
            .collect(),
        target_columns: reference.target_columns.clone(),
        checked: if more.deferrable.iter().any(|(oid, name)| *oid == table.oid && *name == reference.name) {
            Checked::AtEnd
        } else {
            Checked::AtOnce
        },
    };
    let referrers = more.referrers.iter().filter(|(oid, ..)| *oid == table.oid);
    let referrers = referrers.filter_map(|(_, class, columns, numbers)| {
        Some(Referrer { class: class.clone(), columns: columns.clone(), target_columns: ids(numbers)? })
    });
    let unwritable = more
        .unwritable
        .contains(&table.oid)
        .then(|| "the login may not read and write it: it needs SELECT, INSERT, UPDATE and DELETE".to_owned());
    LiveClass {
        uniques: uniques.collect(),
        defaults: more.defaults.iter().filter(|(oid, _)| *oid == table.oid).filter_map(|(_, at)| id(at)).collect(),
        references: schema.references.iter().map(reference).collect(),
        referrers: referrers.collect(),
        triggers: own(&more.triggers, table),
        late_uniques: own(&more.late_uniques, table),
        unwritable,
        schema,
    }
}

/// What belongs to a table.
fn own<T: Clone>(all: &[(u32, T)], table: &Table) -> Vec<T> {
    all.iter().filter(|(oid, _)| *oid == table.oid).map(|(_, one)| one.clone()).collect()
}
