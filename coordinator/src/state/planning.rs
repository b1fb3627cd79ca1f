//! What the planner of runs is told of each source, out of rows.
//!
//! Owns the way from rows to [`SourceView`]s and nothing else: it decides nothing and changes no row. Checked terms rest on
//! zone data, which members need not have in common, so they are no rows: whoever plans keeps them in a [`TermsCache`],
//! and is told for which sources it has none.
//!
//! Rows know less than a view can say. No row disables a source, forces a run by hand or puts off an attempt. None has
//! the accrued time of a cut either: the start of its run stands for it, which is not later, so that no debt is told too
//! small. Where rows tell of no run, the opening of the upload does, or the commit, and the debt may be told too small
//! by the time that the capture took.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_core::contract::{Period, Terms};
use strongroom_core::id::SourceId;
use strongroom_core::schedule::{LastRun, LastSuccess, RunRequest, RunState as Ended, SourceView, Standing};
use strongroom_core::time::AccruedMs;

use super::query::{self, PAGE_ROWS_MAX};
use super::rows::{Rows, Unreadable};
use super::runs::{RUNS_KEPT, RunCause, RunOutcome, RunRow, RunState, Runs, ScheduleRow, Schedules};
use super::snapshots::SnapshotRow;
use super::sources::SourceRow;
use super::uploads::Uploads;

/// Newest snapshots among which the newest protected one is looked for. A source that has none among so many is in need
/// of help, and is shown to owe since its registration.
pub const SNAPSHOTS_SEARCHED_MAX: usize = 256;

/// Snapshots that are read at once: mostly the newest or the one before is protected.
const SNAPSHOTS_AT_ONCE: usize = 4;

/// Terms of sources, each for one version of its contract. As large as there are sources.
#[derive(Debug, Default)]
pub struct TermsCache(BTreeMap<SourceId, (u32, Arc<Terms>)>);

impl TermsCache {
    /// Keeps the terms of a source as of a version of its contract.
    pub fn keep(&mut self, source: SourceId, terms_version: u32, terms: Arc<Terms>) {
        self.0.insert(source, (terms_version, terms));
    }

    /// The terms of a source, if they are of this version.
    pub fn get(&self, source: &SourceId, terms_version: u32) -> Option<&Arc<Terms>> {
        self.0.get(source).filter(|(kept, _)| *kept == terms_version).map(|(_, terms)| terms)
    }
}

/// Some sources as the planner sees them.
#[derive(Clone, Debug, Default)]
pub struct SourceViews {
    /// Those whose terms are known.
    pub views: Vec<SourceView>,
    /// Those whose terms the cache does not have, each with the version of its contract.
    pub without_terms: Vec<(SourceId, u32)>,
    /// The last source looked at, if there may be more after it.
    pub more_after: Option<SourceId>,
}

/// Views of at most `limit` sources after one.
pub fn source_views(
    rows: &Rows,
    cache: &TermsCache,
    after: Option<&SourceId>,
    limit: usize,
) -> Result<SourceViews, Unreadable> {
    let page = query::sources(rows, after, limit.min(PAGE_ROWS_MAX))?;
    let last = page.rows.last().map(|(source, _)| *source);
    let mut found = SourceViews { more_after: last.filter(|_| page.has_more), ..SourceViews::default() };
    for (source, row) in page.rows {
        match cache.get(&source, row.terms_version) {
            Some(terms) => found.views.push(view(rows, source, &row, Arc::clone(terms))?),
            None => found.without_terms.push((source, row.terms_version)),
        }
    }
    Ok(found)
}

fn view(rows: &Rows, source: SourceId, row: &SourceRow, terms: Arc<Terms>) -> Result<SourceView, Unreadable> {
    let schedule = rows.get::<Schedules>(&source)?.unwrap_or_default();
    Ok(SourceView {
        source,
        host_group: row.facts.host_group,
        terms,
        standing: if row.is_paused { Standing::Paused } else { Standing::Active },
        registered: AccruedMs(row.created_ms),
        last_success: last_success(rows, source)?,
        last_run: last_run(rows, source)?,
        failures: schedule.failures,
        not_before: None,
        request: request(rows, &schedule)?,
    })
}

/// The newest snapshot that is protected and complete.
fn last_success(rows: &Rows, source: SourceId) -> Result<Option<LastSuccess>, Unreadable> {
    let mut after = None;
    for _ in 0..SNAPSHOTS_SEARCHED_MAX / SNAPSHOTS_AT_ONCE {
        let page = query::snapshots(rows, source, after, SNAPSHOTS_AT_ONCE)?;
        let is_success = |row: &SnapshotRow| row.protected_ms.is_some() && row.facts.is_complete;
        if let Some((_, row)) = page.rows.iter().find(|(_, row)| is_success(row)) {
            let cut_wall = row.facts.interval.map_or(row.committed_wall, |(earliest, _)| earliest);
            return Ok(Some(LastSuccess { cut: AccruedMs(cut_ms(rows, row)?), cut_wall }));
        }
        match page.rows.last() {
            Some((_, last)) if page.has_more => after = Some(last.facts.sequence),
            _ => break,
        }
    }
    Ok(None)
}

/// Accrued time that is not later than a snapshot's cut, as far as rows still tell: the start of its run; else the
/// opening of its upload; else its commit.
fn cut_ms(rows: &Rows, snapshot: &SnapshotRow) -> Result<u64, Unreadable> {
    let Some(upload) = rows.get::<Uploads>(&(snapshot.source, snapshot.epoch))? else {
        return Ok(snapshot.committed_ms);
    };
    let run = upload.run.map(|run| rows.get::<Runs>(&run)).transpose()?.flatten();
    Ok(run.and_then(|run| run.started_ms).unwrap_or(upload.opened_ms))
}

/// The newest run that was started. One that was called off while it waited was none.
fn last_run(rows: &Rows, source: SourceId) -> Result<Option<LastRun>, Unreadable> {
    let kept = usize::try_from(RUNS_KEPT).unwrap_or(PAGE_ROWS_MAX);
    let runs = query::runs(rows, source, None, kept)?.rows;
    Ok(runs.iter().find_map(|(_, row)| started(row)))
}

fn started(row: &RunRow) -> Option<LastRun> {
    let started = AccruedMs(row.started_ms?);
    let ended = AccruedMs(row.finished_ms.unwrap_or(started.0));
    let state = match row.state {
        RunState::Queued | RunState::Started => Ended::Running,
        RunState::Finished(RunOutcome::Succeeded { .. }) => Ended::Succeeded,
        RunState::Finished(RunOutcome::Failed { .. } | RunOutcome::Abandoned) => Ended::Failed { ended },
    };
    Some(LastRun { period: Period(row.plan.period), attempt: row.plan.attempt, started, state })
}

/// The run by hand that waits.
fn request(rows: &Rows, schedule: &ScheduleRow) -> Result<Option<RunRequest>, Unreadable> {
    let queued = schedule.queued.map(|run| rows.get::<Runs>(&run)).transpose()?.flatten();
    let by_hand = queued.filter(|run| run.plan.cause == RunCause::Manual);
    Ok(by_hand.map(|_| RunRequest { is_forced: false }))
}
