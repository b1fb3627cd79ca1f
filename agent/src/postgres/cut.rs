//! A cut of a PostgreSQL database: the leader's transaction, the lanes that read beside it, and what they give.
//!
//! The leader holds locks and snapshot from beginning to end; while it stands, no table can change its shape and every
//! lane sees the same rows. A lane that loses its connection fails its part with `SourceLost`: rows are never read
//! again under another snapshot.

use std::sync::{Mutex, MutexGuard, PoisonError};

use strongroom_core::error::Code;
use tokio_postgres::types::Type;

use crate::source::{Cut, CutClass, CutFacts, Finding, NativeBlob, PartRead, RowWriter, SourceError};

use super::blobs;
use super::classes::PlannedClass;
use super::copy::RowParser;
use super::endpoint::Endpoint;
use super::options::PostgresOptions;
use super::session::Session;

/// Who waits for a lock that one of ours is in the way of, and for how long by now.
const WAITING: &str = "SELECT a.pid, extract(epoch FROM clock_timestamp() - {since})::float8,
        coalesce(l.relation::regclass::text, 'an object'), coalesce(nullif(a.application_name, ''), a.usename, '?')
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE NOT l.granted AND pg_blocking_pids(l.pid) && $1::int4[]
    ORDER BY 2 DESC LIMIT 1";

/// A cut under way.
pub(crate) struct PostgresCut {
    pub(crate) endpoint: Endpoint,
    pub(crate) options: PostgresOptions,
    pub(crate) leader: Mutex<Session>,
    pub(crate) lanes: Vec<Mutex<Session>>,
    pub(crate) pids: Vec<i32>,
    pub(crate) snapshot: String,
    pub(crate) facts: CutFacts,
    pub(crate) classes: Vec<CutClass>,
    pub(crate) statements: Vec<Vec<String>>,
    pub(crate) records_only: bool,
    /// Read for a verdict: the definitions are compared by the fingerprint.
    pub(crate) under_restore: bool,
    pub(crate) version: i32,
}

impl PostgresCut {
    /// Divides planned classes into what callers see and what lanes run.
    pub(crate) fn divide(planned: Vec<PlannedClass>) -> (Vec<CutClass>, Vec<Vec<String>>) {
        planned.into_iter().map(|planned| (planned.class, planned.statements)).unzip()
    }

    fn leader(&self) -> MutexGuard<'_, Session> {
        self.leader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wrong(&self, what: &str) -> SourceError {
        SourceError::engine(Code::Internal, self.endpoint.to_string(), format!("the cut has no such {what}"))
    }
}

impl Cut for PostgresCut {
    fn facts(&self) -> &CutFacts {
        &self.facts
    }

    fn classes(&self) -> &[CutClass] {
        &self.classes
    }

    fn read(&self, lane: usize, class: usize, part: usize, rows: &mut RowWriter<'_>) -> Result<PartRead, SourceError> {
        let lane = self.lanes.get(lane).ok_or_else(|| self.wrong("lane"))?;
        let schema = &self.classes.get(class).ok_or_else(|| self.wrong("class"))?.schema;
        let statement =
            self.statements.get(class).and_then(|parts| parts.get(part)).ok_or_else(|| self.wrong("part"))?;
        let mut session = lane.lock().unwrap_or_else(PoisonError::into_inner);
        let mut parser = RowParser::new(&schema.name, schema.columns.len());
        let before = rows.rows();
        let mut bytes = 0;
        let expected = session
            .copy_out(statement, &mut |message| {
                bytes += message.len() as u64;
                parser.feed(message, rows)
            })
            .map_err(|error| error.about(&schema.name))?;
        parser.finish()?;
        Ok(PartRead { captured: rows.rows() - before, expected, bytes })
    }

    fn blobs(&self) -> Result<Vec<NativeBlob>, SourceError> {
        if self.records_only {
            return blobs::catalog_and_sequences(&mut self.leader());
        }
        if self.under_restore {
            return blobs::from_catalog(&mut self.leader());
        }
        blobs::capture(&mut self.leader(), &self.endpoint, &self.options, &self.snapshot)
    }

    fn check(&self) -> Result<(), SourceError> {
        // A leader in use is a leader at work: the next check comes.
        let Ok(mut leader) = self.leader.try_lock() else { return Ok(()) };
        // The list of sessions is cached for the length of a transaction, and the leader's is long.
        leader.batch("SELECT pg_stat_clear_snapshot()")?;
        let since = if self.version >= 14 { "l.waitstart" } else { "a.query_start" };
        let rows = leader.rows(&WAITING.replace("{since}", since), &[(&self.pids, Type::INT4_ARRAY)])?;
        let Some(row) = rows.first() else { return Ok(()) };
        let seconds: Option<f64> = leader.cell(row, 1)?;
        if seconds.unwrap_or_default() < self.options.others_wait_max.as_secs_f64() {
            return Ok(());
        }
        let (pid, object, who): (i32, String, String) =
            (leader.cell(row, 0)?, leader.cell(row, 2)?, leader.cell(row, 3)?);
        let message =
            format!("gave up, because {who} (process {pid}) waits for {object}, and all that comes after it waits too");
        Err(SourceError::engine(Code::SourceLocked, self.endpoint.to_string(), message))
    }

    fn close(self: Box<Self>) -> Result<Vec<Finding>, SourceError> {
        let mut this = *self;
        for lane in &mut this.lanes {
            lane.get_mut().unwrap_or_else(PoisonError::into_inner).close();
        }
        let leader = this.leader.get_mut().unwrap_or_else(PoisonError::into_inner);
        let whole = if leader.is_broken() { Ok(()) } else { leader.batch("ROLLBACK") };
        leader.close();
        whole.map(|()| Vec::new())
    }
}
