//! What the planner of runs is told of each source, out of rows.
//!
//! Owns the way from rows to [`SourceView`]s and nothing else: it decides nothing and changes no row. Checked terms rest on
//! zone data, which members need not have in common, so they are no rows: whoever plans keeps them in a [`TermsCache`],
//! and is told for which sources it has none.
//!
//! Rows put off no attempt: whether an agent is there to take a run is known to the leader alone, which adds it
//! (`scheduler`). A run that ended durable has failed as long as its snapshot waits for copies, so that it is tried
//! again, and has succeeded from then on.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_core::contract::{Period, Terms};
use strongroom_core::id::{AgentId, RunId, SourceId};
use strongroom_core::schedule::{LastRun, LastSuccess, RunRequest, RunState as Ended, SourceView, Standing};
use strongroom_core::time::AccruedMs;

use super::query::{self, PAGE_ROWS_MAX};
use super::rows::{Rows, Unreadable};
use super::runs::{
    HostGroups, RunCause, RunOutcome, RunPlan, RunRow, RunState, Runs, ScheduleRow, ScheduleSeen, Schedules,
    schedule_now,
};
use super::snapshots::{SnapshotRow, Snapshots};
use super::sources::SourceRow;

/// Newest snapshots among which the newest protected one is looked for. A source that has none among so many is in need
/// of help, and is shown to owe since its registration.
pub const SNAPSHOTS_SEARCHED_MAX: usize = 256;

/// Runs that are read at once: mostly the newest was started.
const RUNS_AT_ONCE: usize = 4;

/// Snapshots that are read at once: mostly the newest or the one before is protected.
const SNAPSHOTS_AT_ONCE: usize = 4;

/// Terms of sources, each for one version of its contract. As large as there are sources.
#[derive(Clone, Debug, Default)]
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

/// A source as the planner sees it, and what a start must name.
#[derive(Clone, Debug)]
pub struct PlannedSource {
    /// What the plan is made of.
    pub view: SourceView,
    /// The agent that protects it.
    pub agent: AgentId,
    /// What a start must find unchanged.
    pub seen: ScheduleSeen,
    /// Runs that it ever had.
    pub runs: u64,
    /// The run by hand that waits.
    pub asked: Option<(RunId, RunPlan)>,
    /// The run that is under way.
    pub running: Option<(RunId, RunRow)>,
    /// How many runs its host group may have at once, if somebody said so.
    pub host_group_cap: Option<u16>,
}

/// A source whose terms the cache does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WithoutTerms {
    /// The source.
    pub source: SourceId,
    /// The agent that protects it.
    pub agent: AgentId,
    /// The version of its contract.
    pub terms_version: u32,
    /// The run that is under way.
    pub running: Option<RunId>,
}

/// Some sources as the planner sees them.
#[derive(Clone, Debug, Default)]
pub struct SourceViews {
    /// Those whose terms are known.
    pub sources: Vec<PlannedSource>,
    /// Those whose terms the cache does not have.
    pub without_terms: Vec<WithoutTerms>,
    /// The last source looked at, if there may be more after it.
    pub more_after: Option<SourceId>,
}

/// Some sources by their ids; those that are not there are left out.
pub fn sources_named(rows: &Rows, cache: &TermsCache, sources: &[SourceId]) -> Result<SourceViews, Unreadable> {
    let mut found = SourceViews::default();
    for source in sources {
        if let Some(row) = query::source(rows, source)? {
            found.add(rows, cache, *source, &row)?;
        }
    }
    Ok(found)
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
        found.add(rows, cache, source, &row)?;
    }
    Ok(found)
}

impl SourceViews {
    fn add(&mut self, rows: &Rows, cache: &TermsCache, source: SourceId, row: &SourceRow) -> Result<(), Unreadable> {
        match cache.get(&source, row.terms_version) {
            Some(terms) => self.sources.push(planned(rows, source, row, Arc::clone(terms))?),
            None => self.without_terms.push(without_terms(rows, source, row)?),
        }
        Ok(())
    }
}

fn without_terms(rows: &Rows, source: SourceId, row: &SourceRow) -> Result<WithoutTerms, Unreadable> {
    let running = rows.get::<Schedules>(&source)?.and_then(|schedule| schedule.seen.running);
    Ok(WithoutTerms { source, agent: row.facts.agent, terms_version: row.terms_version, running })
}

fn planned(rows: &Rows, source: SourceId, row: &SourceRow, terms: Arc<Terms>) -> Result<PlannedSource, Unreadable> {
    let schedule = schedule_now(rows, &source)?;
    let standing = match row {
        SourceRow { is_disabled: true, .. } => Standing::Disabled,
        SourceRow { is_paused: true, .. } => Standing::Paused,
        _ => Standing::Active,
    };
    let asked = asked_for(rows, &schedule)?;
    let view = SourceView {
        source,
        host_group: row.facts.host_group,
        terms,
        standing,
        registered: AccruedMs(row.created_ms),
        last_success: last_success(rows, source)?,
        last_run: last_run(rows, source)?.or_else(|| remembered(&schedule, row)),
        failures: schedule.failures,
        not_before: None,
        request: asked.map(|(_, plan)| RunRequest { is_forced: plan.cause == RunCause::Forced }),
    };
    let running = match schedule.seen.running {
        Some(run) => rows.get::<Runs>(&run)?.map(|row| (run, row)),
        None => None,
    };
    let host_group_cap = rows.get::<HostGroups>(&row.facts.host_group)?.map(|group| group.cap);
    let (agent, seen, runs) = (row.facts.agent, schedule.seen, schedule.runs);
    Ok(PlannedSource { view, agent, seen, runs, asked, running, host_group_cap })
}

/// The newest snapshot that is protected and complete.
fn last_success(rows: &Rows, source: SourceId) -> Result<Option<LastSuccess>, Unreadable> {
    let mut after = None;
    for _ in 0..SNAPSHOTS_SEARCHED_MAX / SNAPSHOTS_AT_ONCE {
        let page = query::snapshots(rows, source, after, SNAPSHOTS_AT_ONCE)?;
        let is_success = |row: &SnapshotRow| row.protected_ms.is_some() && row.facts.is_complete;
        if let Some((_, row)) = page.rows.iter().find(|(_, row)| is_success(row)) {
            let cut_wall = row.facts.interval.map_or(row.committed_wall, |(earliest, _)| earliest);
            return Ok(Some(LastSuccess { cut: AccruedMs(row.cut_ms), cut_wall }));
        }
        match page.rows.last() {
            Some((_, last)) if page.has_more => after = Some(last.facts.sequence),
            _ => break,
        }
    }
    Ok(None)
}

/// The newest run that was started. One that was called off while it waited was none.
fn last_run(rows: &Rows, source: SourceId) -> Result<Option<LastRun>, Unreadable> {
    let mut after = None;
    loop {
        let page = query::runs(rows, source, after, RUNS_AT_ONCE)?;
        if let Some(run) = page.rows.iter().find(|(_, row)| row.started_ms.is_some()) {
            return started(rows, &run.1);
        }
        match page.rows.last() {
            Some((_, last)) if page.has_more => after = Some(last.ordinal),
            _ => return Ok(None),
        }
    }
}

/// What is left of the newest run that was started when requests that came to nothing have pushed its row out: enough for
/// its period not to be run anew.
fn remembered(schedule: &ScheduleRow, row: &SourceRow) -> Option<LastRun> {
    let period = schedule.seen.period?;
    let started = AccruedMs(schedule.succeeded_ms.unwrap_or(row.created_ms));
    let is_success = schedule.succeeded_period >= Some(period);
    let state = if is_success { Ended::Succeeded } else { Ended::Failed { ended: started } };
    Some(LastRun { period: Period(period), attempt: schedule.seen.attempt, started, state })
}

fn started(rows: &Rows, row: &RunRow) -> Result<Option<LastRun>, Unreadable> {
    let Some(started) = row.started_ms.map(AccruedMs) else { return Ok(None) };
    let ended = AccruedMs(row.finished_ms.unwrap_or(started.0));
    let state = match row.state {
        RunState::Queued | RunState::Started => Ended::Running,
        RunState::Finished(RunOutcome::Succeeded { .. }) => Ended::Succeeded,
        RunState::Finished(RunOutcome::Durable { snapshot }) => {
            let snapshot = rows.get::<Snapshots>(&snapshot)?;
            let is_protected = snapshot.is_some_and(|row| row.protected_ms.is_some());
            if is_protected { Ended::Succeeded } else { Ended::Failed { ended } }
        }
        RunState::Finished(RunOutcome::Failed { .. } | RunOutcome::Abandoned) => Ended::Failed { ended },
    };
    Ok(Some(LastRun { period: Period(row.plan.period), attempt: row.plan.attempt, started, state }))
}

/// The run by hand that waits.
fn asked_for(rows: &Rows, schedule: &ScheduleRow) -> Result<Option<(RunId, RunPlan)>, Unreadable> {
    let Some(run) = schedule.queued else { return Ok(None) };
    let row = rows.get::<Runs>(&run)?;
    Ok(row.map(|row| (run, row.plan)).filter(|(_, plan)| plan.cause.is_by_hand()))
}
