//! What starts, reports and ends runs.
//!
//! Owns the commands and their effects over the tables of the module above. All of them compare before they set, so that
//! the scheduler needs no session: the same command again finds the run where it put it.

use serde::{Deserialize, Serialize};
use strongroom_core::id::{HostGroup, RunId};

use super::{
    HostGroupRow, HostGroups, RunCause, RunOutcome, RunPlan, RunState, Runs, ScheduleRow, ScheduleSeen, Schedules,
    admit, require_due,
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
        (self.plan.cause == RunCause::Manual).then(|| Audited::new("run.request", &self.run))
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        cx.need_none::<Runs>(&self.run, Thing::Run)?;
        let mut schedule = cx.change.get::<Schedules>(&self.plan.source)?.unwrap_or_default();
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
        let mut schedule = cx.change.get::<Schedules>(&self.plan.source)?.unwrap_or_default();
        require(schedule.seen.running.is_none(), Refusal::Busy)?;
        require(schedule.seen == self.seen, Refusal::PlanStale)?;
        let host_group = require_due(cx, &self.plan, &schedule)?;
        let mut group = cx.change.get::<HostGroups>(&host_group)?.unwrap_or_default();
        require(group.running < group.cap, Refusal::HostGroupFull)?;
        let mut row = match cx.change.get::<Runs>(&self.run)? {
            Some(row) => {
                require(row.plan == self.plan && row.state == RunState::Queued, Refusal::Exists(Thing::Run))?;
                cx.count_down(Counter::RunsQueued)?;
                schedule.queued = None;
                row
            }
            None => admit(cx, self.run, self.plan, host_group, &mut schedule)?,
        };
        row.state = RunState::Started;
        row.host_group = host_group;
        row.started_ms = Some(cx.now_ms);
        group.running = group.running.saturating_add(1);
        schedule.seen.running = Some(self.run);
        if self.plan.cause != RunCause::Manual {
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
        let mut schedule = cx.change.get::<Schedules>(&row.source)?.unwrap_or_default();
        match row.state {
            // Said again, it is as it was said.
            RunState::Finished(outcome) if outcome == self.outcome => return Ok(Answer::Applied),
            RunState::Finished(_) => return Err(Refusal::Changed(Thing::Run).into()),
            RunState::Queued => {
                require(self.outcome == RunOutcome::Abandoned, Refusal::Changed(Thing::Run))?;
                schedule.queued = None;
                cx.count_down(Counter::RunsQueued)?;
            }
            RunState::Started => {
                if let RunOutcome::Succeeded { snapshot } = self.outcome {
                    let snapshot = cx.need::<Snapshots>(&snapshot, Thing::Snapshot)?;
                    require(snapshot.source == row.source, Refusal::Missing(Thing::Snapshot))?;
                }
                let mut group = cx.change.get::<HostGroups>(&row.host_group)?.unwrap_or_default();
                group.running = group.running.saturating_sub(1);
                cx.put::<HostGroups>(&row.host_group, &group)?;
                schedule.seen.running = None;
                settle(cx, &row.plan, self.outcome, &mut schedule)?;
                cx.count_down(Counter::RunsRunning)?;
            }
        }
        row.state = RunState::Finished(self.outcome);
        row.finished_ms = Some(cx.now_ms);
        cx.put::<Runs>(&self.run, &row)?;
        cx.put::<Schedules>(&row.source, &schedule)?;
        Ok(Answer::Applied)
    }
}

/// Notes in the schedule how a run that was under way ended.
fn settle(cx: &mut Context<'_>, plan: &RunPlan, outcome: RunOutcome, schedule: &mut ScheduleRow) -> Result<(), Fault> {
    if let RunOutcome::Succeeded { .. } = outcome {
        cx.count_up(Counter::RunsSucceeded)?;
        schedule.succeeded_ms = Some(cx.now_ms);
        schedule.failures = 0;
        if plan.cause != RunCause::Manual {
            schedule.succeeded_period = Some(plan.period);
        }
    } else {
        cx.count_up(Counter::RunsFailed)?;
        schedule.failures = schedule.failures.saturating_add(1);
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
