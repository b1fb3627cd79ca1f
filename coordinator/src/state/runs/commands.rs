//! What starts, reports and ends runs.
//!
//! Owns the commands and their effects over the tables of the module above. All of them compare before they set, so that
//! the scheduler needs no session: the same command again finds the run where it put it.

use serde::{Deserialize, Serialize};
use strongroom_core::id::{HostGroup, RunId, SnapshotId};

use super::{
    DurableRun, HostGroupRow, HostGroups, RunCause, RunOutcome, RunPlan, RunRow, RunState, Runs, ScheduleRow,
    ScheduleSeen, Schedules, admit, require_due, schedule_of,
};
use crate::state::command::{Audited, Effect, Retry};
use crate::state::context::Context;
use crate::state::counters::Counter;
use crate::state::outcome::{Answer, Effected, Fault, Refusal, Thing, require};
use crate::state::snapshots::Snapshots;

/// Lets a run wait for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRun {
    /// The run.
    pub run: RunId,
    /// What it is an attempt at.
    pub plan: RunPlan,
}

/// Starts a run, one that waits or a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartRun {
    /// The run.
    pub run: RunId,
    /// What it is an attempt at.
    pub plan: RunPlan,
    /// What the planner saw.
    pub seen: ScheduleSeen,
}

/// Says how far a run is. Numbers only grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRun {
    /// The run.
    pub run: RunId,
    /// Bytes read so far.
    pub bytes: u64,
    /// Records read so far.
    pub records: u64,
}

/// Ends a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishRun {
    /// The run.
    pub run: RunId,
    /// How it ended.
    pub outcome: RunOutcome,
}

/// Says how many runs of a host group may be under way at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetHostGroupCap {
    /// The host group.
    pub host_group: HostGroup,
    /// The number, at least 1.
    pub cap: u16,
}

impl Effect for QueueRun {
    fn audited(&self) -> Option<Audited> {
        // What the scheduler lets wait is no privilege; what somebody asks for is.
        match self.plan.cause {
            RunCause::Schedule | RunCause::Retry => None,
            RunCause::Manual => Some(Audited::new("run.request", &self.run)),
            RunCause::Forced => Some(Audited::new("run.force", &self.run)),
        }
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        cx.need_none::<Runs>(&self.run, Thing::Run)?;
        let mut schedule = schedule_of(cx, &self.plan.source)?;
        let host_group = require_due(cx, &self.plan, &schedule)?;
        require(schedule.queued.is_none(), Refusal::Busy)?;
        let row = admit(cx, self.run, self.plan, host_group, &mut schedule)?;
        schedule.queued = Some(self.run);
        cx.count_up(Counter::RunsQueued)?;
        cx.put::<Runs>(&self.run, &row)?;
        cx.put::<Schedules>(&self.plan.source, &schedule)?;
        Ok(Answer::Applied)
    }
}

impl Effect for StartRun {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("run.start", &self.run))
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let mut schedule = schedule_of(cx, &self.plan.source)?;
        require(schedule.seen.running.is_none(), Refusal::Busy)?;
        require(schedule.seen == self.seen, Refusal::PlanStale)?;
        let host_group = require_due(cx, &self.plan, &schedule)?;
        let mut group = cx.change.get::<HostGroups>(&host_group)?.unwrap_or_default();
        let is_forced = self.plan.cause == RunCause::Forced;
        require(is_forced || group.running < group.cap, Refusal::HostGroupFull)?;
        let mut row = match cx.change.get::<Runs>(&self.run)? {
            Some(row) => {
                require(self.plan.is_turn_of(&row.plan) && row.state == RunState::Queued, Refusal::Exists(Thing::Run))?;
                cx.count_down(Counter::RunsQueued)?;
                schedule.queued = None;
                row
            }
            None => admit(cx, self.run, self.plan, host_group, &mut schedule)?,
        };
        row.plan = self.plan;
        row.state = RunState::Started;
        row.host_group = host_group;
        row.started_ms = Some(cx.now_ms);
        group.running = group.running.saturating_add(1);
        schedule.seen.running = Some(self.run);
        if !self.plan.cause.is_by_hand() {
            schedule.seen.period = Some(self.plan.period);
            schedule.seen.attempt = self.plan.attempt;
        }
        cx.count_up(Counter::RunsRunning)?;
        cx.put::<HostGroups>(&host_group, &group)?;
        cx.put::<Runs>(&self.run, &row)?;
        cx.put::<Schedules>(&self.plan.source, &schedule)?;
        Ok(Answer::Applied)
    }
}

impl Effect for ReportRun {
    fn audited(&self) -> Option<Audited> {
        None
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let mut row = cx.need::<Runs>(&self.run, Thing::Run)?;
        require(row.is_running(), Refusal::Changed(Thing::Run))?;
        row.bytes = row.bytes.max(self.bytes);
        row.records = row.records.max(self.records);
        cx.put::<Runs>(&self.run, &row)?;
        Ok(Answer::Applied)
    }
}

impl Effect for FinishRun {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("run.finish", &self.run))
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let mut row = cx.need::<Runs>(&self.run, Thing::Run)?;
        if let RunState::Finished(before) = row.state {
            // Said again, it is as it was said.
            require(is_same(before, self.outcome), Refusal::Changed(Thing::Run))?;
            return Ok(Answer::Applied);
        }
        let mut schedule = schedule_of(cx, &row.source)?;
        let outcome = match row.state {
            RunState::Queued => {
                let is_no_success = matches!(self.outcome, RunOutcome::Failed { .. } | RunOutcome::Abandoned);
                require(is_no_success, Refusal::Changed(Thing::Run))?;
                schedule.queued = None;
                cx.count_down(Counter::RunsQueued)?;
                self.outcome
            }
            RunState::Started | RunState::Finished(_) => {
                let outcome = noted(cx, &row, self.outcome)?;
                let mut group = cx.change.get::<HostGroups>(&row.host_group)?.unwrap_or_default();
                group.running = group.running.saturating_sub(1);
                cx.put::<HostGroups>(&row.host_group, &group)?;
                schedule.seen.running = None;
                settle(cx, &row.plan, outcome, &mut schedule)?;
                cx.count_down(Counter::RunsRunning)?;
                outcome
            }
        };
        row.state = RunState::Finished(outcome);
        row.finished_ms = Some(cx.now_ms);
        cx.put::<Runs>(&self.run, &row)?;
        cx.put::<Schedules>(&row.source, &schedule)?;
        Ok(Answer::Applied)
    }
}

/// Whether two ends are the same, whatever had become of the snapshot when each was said.
fn is_same(before: RunOutcome, now: RunOutcome) -> bool {
    brought(before).map_or(before == now, |snapshot| brought(now) == Some(snapshot))
}

const fn brought(outcome: RunOutcome) -> Option<SnapshotId> {
    match outcome {
        RunOutcome::Succeeded { snapshot } | RunOutcome::Durable { snapshot } => Some(snapshot),
        RunOutcome::Failed { .. } | RunOutcome::Abandoned => None,
    }
}

/// The end as the state knows it: what brought a snapshot is a success if that is protected, and durable until then.
fn noted(cx: &Context<'_>, run: &RunRow, outcome: RunOutcome) -> Result<RunOutcome, Fault> {
    let Some(snapshot) = brought(outcome) else { return Ok(outcome) };
    let row = cx.need::<Snapshots>(&snapshot, Thing::Snapshot)?;
    require(row.source == run.source, Refusal::Missing(Thing::Snapshot))?;
    require(row.facts.is_complete, Refusal::Incomplete)?;
    let is_protected = row.protected_ms.is_some();
    Ok(if is_protected { RunOutcome::Succeeded { snapshot } } else { RunOutcome::Durable { snapshot } })
}

/// Notes in the schedule how a run that was under way ended.
fn settle(cx: &mut Context<'_>, plan: &RunPlan, outcome: RunOutcome, schedule: &mut ScheduleRow) -> Result<(), Fault> {
    let period = (!plan.cause.is_by_hand()).then_some(plan.period);
    match outcome {
        RunOutcome::Succeeded { .. } => {
            cx.count_up(Counter::RunsSucceeded)?;
            schedule.succeeded_ms = Some(cx.now_ms);
            schedule.failures = 0;
            schedule.succeeded_period = schedule.succeeded_period.max(period);
        }
        RunOutcome::Durable { snapshot } => schedule.durable = Some(DurableRun { snapshot, period }),
        RunOutcome::Failed { .. } | RunOutcome::Abandoned => {
            cx.count_up(Counter::RunsFailed)?;
            schedule.failures = schedule.failures.saturating_add(1);
        }
    }
    Ok(())
}

impl Effect for SetHostGroupCap {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("host-group.cap", &self.host_group))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let cap = self.cap.max(1);
        let group = cx.change.get::<HostGroups>(&self.host_group)?.unwrap_or_default();
        cx.put::<HostGroups>(&self.host_group, &HostGroupRow { cap, ..group })?;
        Ok(Answer::Applied)
    }
}
