//! The load itself: rows by `COPY`, one class a lane at a time, while indexes of finished classes are built beside it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use strongroom_core::codec::{Reader, unzigzag};
use strongroom_core::error::Code;
use strongroom_core::record::{CellKind, Cells, ClassSchema};
use tokio_postgres::types::Type;

use crate::postgres::blobs::model::{Database, LargeObject, MaterialisedView, SequenceState};
use crate::postgres::classes::LARGE_OBJECT_CLASS;
use crate::postgres::endpoint::Endpoint;
use crate::postgres::names::{class_name, parse_class_name, qualified};
use crate::postgres::options::PostgresOptions;
use crate::postgres::session::Session;
use crate::postgres::source::PostgresSource;
use crate::source::{Finding, Source, SourceError};
use crate::target::{FeedRecord, Load, RecordFeed};

use super::ddl::Entry;
use super::place::Place;
use super::pool::{Pool, Task};
use super::step::Step;
use super::table::{TargetTable, load_table};
use super::{after, publish};

/// What remains to be done once all rows are in.
pub(super) struct Rest {
    pub(super) steps: Vec<(Step, Entry)>,
    pub(super) sequences: Vec<SequenceState>,
    pub(super) views: Vec<MaterialisedView>,
    pub(super) large_objects: Vec<LargeObject>,
    pub(super) classes: Vec<String>,
    pub(super) database: Database,
}

/// A load under way.
pub(super) struct PostgresLoad {
    pub(super) target: Endpoint,
    pub(super) at: Endpoint,
    pub(super) place: Place,
    pub(super) options: PostgresOptions,
    pub(super) main: Mutex<Session>,
    pub(super) lanes: Vec<Mutex<Session>>,
    pub(super) pool: Pool,
    pub(super) tables: BTreeMap<String, TargetTable>,
    pub(super) rest: Rest,
    pub(super) findings: Vec<Finding>,
}

impl Load for PostgresLoad {
    fn load(&self, lane: usize, class: &ClassSchema, feed: &mut RecordFeed<'_>) -> Result<u64, SourceError> {
        let lane = self.lanes.get(lane).ok_or_else(|| self.wrong("there is no such lane"))?;
        let mut session = lane.lock().unwrap_or_else(PoisonError::into_inner);
        if class.name == LARGE_OBJECT_CLASS {
            return load_large_objects(&mut session, feed);
        }
        let table = self.tables.get(&class.name);
        let table = table.ok_or_else(|| self.wrong(&format!("the table of class {} is missing", class.name)))?;
        let loaded = load_table(&mut session, class, table, feed).map_err(|error| error.about(&class.name))?;
        drop(session);
        self.build_beside(&class.name);
        Ok(loaded)
    }

    fn after_data(&self) -> Result<Vec<Finding>, SourceError> {
        let mut main = self.main.lock().unwrap_or_else(PoisonError::into_inner);
        let mut findings = self.findings.clone();
        after::finish(self, &mut main, &mut findings)?;
        Ok(findings)
    }

    fn as_source(&self) -> Result<Box<dyn Source>, SourceError> {
        Ok(Box::new(PostgresSource::under_restore(self.at.clone(), self.options.clone())))
    }

    fn publish(self: Box<Self>) -> Result<Vec<Finding>, SourceError> {
        publish::publish(*self)
    }

    fn abandon(self: Box<Self>) -> Result<(), SourceError> {
        publish::abandon(*self)
    }
}

impl PostgresLoad {
    /// Queues keys and plain indexes of a class whose rows are in. What depends on other tables waits for all rows.
    fn build_beside(&self, class: &str) {
        let own = self.rest.steps.iter().filter(|(step, _)| step.class().as_deref() == Some(class));
        for (step, entry) in own {
            if let Some(task) = step.task(entry).filter(|_| step.is_early()) {
                self.pool.submit(task);
            }
        }
        self.pool.submit(analyze(class));
    }

    pub(super) fn wrong(&self, what: &str) -> SourceError {
        SourceError::engine(Code::TargetFailed, self.at.to_string(), what)
    }
}

/// Gathers statistics, so that the restored database plans well from the first query.
pub(super) fn analyze(class: &str) -> Task {
    let (schema, table) = parse_class_name(class).unwrap_or_default();
    Task {
        table: class.to_owned(),
        is_shared: false,
        subject: class.to_owned(),
        sql: format!("ANALYZE {}", qualified(&schema, &table)),
    }
}

impl Step {
    /// The class of the step's table.
    pub(super) fn class(&self) -> Option<String> {
        let (Self::Index { table, .. } | Self::Key { table } | Self::ForeignKey { table, .. }) = self else {
            return None;
        };
        parse_class_name(table).map(|(schema, table)| class_name(&schema, &table))
    }

    /// Whether it can run as soon as its own table is loaded.
    pub(super) const fn is_early(&self) -> bool {
        matches!(self, Self::Key { .. } | Self::Index { is_plain: true, .. })
    }

    /// The step as a task for the pool, if it is a key or an index.
    pub(super) fn task(&self, entry: &Entry) -> Option<Task> {
        let is_shared = match self {
            Self::Index { is_shared, .. } => *is_shared,
            Self::Key { .. } => false,
            _ => return None,
        };
        let sql = format!("{} {}", entry.settings.join(" "), entry.body);
        Some(Task { table: self.class()?, is_shared, subject: entry.subject(), sql })
    }
}

fn load_large_objects(session: &mut Session, feed: &mut RecordFeed<'_>) -> Result<u64, SourceError> {
    session.batch("BEGIN")?;
    let sent = feed(&mut |record| {
        let (id, data) = large_object(record)?;
        session.rows("SELECT lo_from_bytea($1, $2)", &[(&id, Type::OID), (&data, Type::BYTEA)])?;
        Ok(())
    })?;
    session.batch("COMMIT")?;
    Ok(sent)
}

/// Number and content in a record of the class of large objects.
fn large_object<'a>(record: &FeedRecord<'a>) -> Result<(u32, &'a [u8]), SourceError> {
    let malformed = || SourceError::engine(Code::Damaged, LARGE_OBJECT_CLASS, "a record does not follow its schema");
    let cells: Vec<_> = Cells::new(record.record).collect::<Result<_, _>>().map_err(|_| malformed())?;
    let [id, data] = cells.as_slice() else { return Err(malformed()) };
    let number = Reader::new(id.bytes, "number of a large object").varint().map_err(|_| malformed())?;
    let content = match data.kind {
        CellKind::Canonical => data.bytes,
        CellKind::Blob => record.large.first().ok_or_else(malformed)?,
        CellKind::Text | CellKind::TextBlob => return Err(malformed()),
    };
    Ok((u32::try_from(unzigzag(number)).map_err(|_| malformed())?, content))
}
