//! Runs: attempts to take a snapshot, as the scheduler starts them and agents report them.
//!
//! ```text
//!   QueueRun ─► queued ──StartRun──► started ──FinishRun──► succeeded · durable · failed · abandoned
//!                  └────────────FinishRun (failed, abandoned)──────────────────────────┘
//! ```
//!
//! Owns five rules: one run of a source at a time; a period that has its success is never started again, nor one before
//! it; no more runs of a host group than it allows, unless one is forced; a plan made on another state than there is
//! starts nothing; and nothing less than a complete and protected snapshot is a success. A run whose snapshot waits for
//! copies ends as durable, so that it holds no place, and counts as a success from when the snapshot is protected on.
//! A run that somebody asked for by hand lies outside of the periods. The newest runs of a source are kept, and always
//! those that are not over.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use strongroom_core::id::{HostGroup, RunId, SnapshotId, SourceId};

use super::context::Context;
use super::counters::Counter;
use super::outcome::{Fault, Refusal, Thing, require};
use super::rows::{Rows, Unreadable};
use super::snapshots::{SnapshotRow, Snapshots};
use super::sources::Sources;
use super::tables::tables;

pub mod commands;

/// Newest runs that are kept for each source.
pub const RUNS_KEPT: u64 = 64;
/// Runs of a host group at once, unless somebody said otherwise: a backup must not weigh on a host twice.
pub const HOST_GROUP_CAP_DEFAULT: u16 = 1;

tables! {
    /// Runs.
    Runs = RUNS: RunId => RunRow;
    /// Runs of a source, the newest first.
    SourceRuns = SOURCE_RUNS: (SourceId, Reverse<u64>) => RunId;
    /// Where each source stands in its periods.
    Schedules = SCHEDULES: SourceId => ScheduleRow;
    /// How many runs each host group has and may have.
    HostGroups = HOST_GROUPS: HostGroup => HostGroupRow;
}

/// What a run is an attempt at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPlan {
    /// The source.
    pub source: SourceId,
    /// The period of its schedule.
    pub period: u64,
    /// Which attempt of the period, from 1.
    pub attempt: u32,
    /// Why.
    pub cause: RunCause,
}

impl RunPlan {
    /// Whether a run that waits with another plan is started by this one. Who asks by hand does not know in which period
    /// the turn will come.
    fn is_turn_of(&self, waiting: &Self) -> bool {
        let is_same_by_hand = self.cause.is_by_hand() && (self.source, self.cause) == (waiting.source, waiting.cause);
        self == waiting || is_same_by_hand
    }
}

/// Why a run is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunCause {
    /// Its period has come.
    Schedule,
    /// An earlier attempt of the period failed.
    Retry,
    /// Somebody asked for it.
    Manual,
    /// Somebody asked for it, whatever blackouts and caps say.
    Forced,
}

impl RunCause {
    /// Whether somebody asked for the run; it then lies outside of the periods.
    pub const fn is_by_hand(self) -> bool {
        matches!(self, Self::Manual | Self::Forced)
    }
}

/// A run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRow {
    /// The source.
    pub source: SourceId,
    /// What it is an attempt at.
    pub plan: RunPlan,
    /// Its place among the runs of the source.
    pub ordinal: u64,
    /// The host group that it counts against.
    pub host_group: HostGroup,
    /// How far it is.
    pub state: RunState,
    /// Accrued time at which it was planned.
    pub queued_ms: u64,
    /// Accrued time at which it was started.
    pub started_ms: Option<u64>,
    /// Accrued time at which it ended.
    pub finished_ms: Option<u64>,
    /// Bytes read so far.
    pub bytes: u64,
    /// Records read so far.
    pub records: u64,
}

impl RunRow {
    /// Whether the run is under way.
    pub const fn is_running(&self) -> bool {
        matches!(self.state, RunState::Started)
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunState {
    /// It waits.
    Queued,
    /// It is under way.
    Started,
    /// It ended.
    Finished(RunOutcome),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunOutcome {
    /// It brought a complete snapshot, which is protected. Of a snapshot that is not protected yet, the state notes
    /// [`Self::Durable`].
    Succeeded {
        /// The snapshot.
        snapshot: SnapshotId,
    },
    /// It failed.
    Failed {
        /// The number of the stable code behind `SR`.
        code: u16,
    },
    /// Nobody goes on with it: it was called off, or its agent is gone.
    Abandoned,
    /// It brought a complete snapshot that waited for copies when the run ended.
    Durable {
        /// The snapshot.
        snapshot: SnapshotId,
    },
}

/// Where a source stands in its periods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleRow {
    /// What a planner sees and a start must find unchanged.
    pub seen: ScheduleSeen,
    /// The run that waits.
    pub queued: Option<RunId>,
    /// The newest period that has its success.
    pub succeeded_period: Option<u64>,
    /// Accrued time of the newest success.
    pub succeeded_ms: Option<u64>,
    /// Failures since then.
    pub failures: u32,
    /// Runs that the source ever had.
    pub runs: u64,
    /// The newest run that ended durable, until its snapshot is protected.
    pub durable: Option<DurableRun>,
}

/// A run whose snapshot waited for copies when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DurableRun {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The period that has its success once the snapshot is protected; none for a run by hand.
    pub period: Option<u64>,
}

impl ScheduleRow {
    /// The schedule with what became of the durable run, given its snapshot as it is now. Says whether that is a success.
    fn credited(&mut self, snapshot: Option<&SnapshotRow>) -> bool {
        let Some(protected_ms) = snapshot.and_then(|row| row.protected_ms) else { return false };
        let Some(durable) = self.durable.take() else { return false };
        self.succeeded_ms = self.succeeded_ms.max(Some(protected_ms));
        self.succeeded_period = self.succeeded_period.max(durable.period);
        self.failures = 0;
        true
    }
}

/// Where a source stands in its periods, a durable run counted if its snapshot has become protected since.
pub fn schedule_now(rows: &Rows, source: &SourceId) -> Result<ScheduleRow, Unreadable> {
    let mut schedule = rows.get::<Schedules>(source)?.unwrap_or_default();
    if let Some(durable) = schedule.durable {
        schedule.credited(rows.get::<Snapshots>(&durable.snapshot)?.as_ref());
    }
    Ok(schedule)
}

/// The same within a command, which also counts the success.
fn schedule_of(cx: &mut Context<'_>, source: &SourceId) -> Result<ScheduleRow, Fault> {
    let mut schedule = cx.change.get::<Schedules>(source)?.unwrap_or_default();
    if let Some(durable) = schedule.durable
        && schedule.credited(cx.change.get::<Snapshots>(&durable.snapshot)?.as_ref())
    {
        cx.count_up(Counter::RunsSucceeded)?;
    }
    Ok(schedule)
}

/// The part of a schedule that a plan rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleSeen {
    /// The newest period for which a run was started.
    pub period: Option<u64>,
    /// The newest attempt of it.
    pub attempt: u32,
    /// The run that is under way.
    pub running: Option<RunId>,
}

/// The runs of a host group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostGroupRow {
    /// Runs that may be under way at once.
    pub cap: u16,
    /// Runs that are.
    pub running: u16,
}

impl Default for HostGroupRow {
    fn default() -> Self {
        Self { cap: HOST_GROUP_CAP_DEFAULT, running: 0 }
    }
}

/// Whether a run of this plan may be queued or started now.
fn require_due(cx: &Context<'_>, plan: &RunPlan, schedule: &ScheduleRow) -> Result<HostGroup, Fault> {
    let source = cx.need::<Sources>(&plan.source, Thing::Source)?;
    require(!source.is_disabled, Refusal::Disabled)?;
    if !plan.cause.is_by_hand() {
        require(!source.is_paused, Refusal::Paused)?;
        require(schedule.succeeded_period.is_none_or(|over| plan.period > over), Refusal::PeriodOver)?;
        require(schedule.seen.period.is_none_or(|newest| plan.period >= newest), Refusal::PeriodOver)?;
        let is_next = schedule.seen.period != Some(plan.period) || plan.attempt > schedule.seen.attempt;
        require(is_next, Refusal::PlanStale)?;
    }
    Ok(source.facts.host_group)
}

/// Adds a run as the newest of its source, and forgets the one that is one too many. A run that waits or is under way is
/// not forgotten, however many are asked for after it: what comes beyond is refused.
fn admit(
    cx: &mut Context<'_>,
    run: RunId,
    plan: RunPlan,
    host_group: HostGroup,
    schedule: &mut ScheduleRow,
) -> Result<RunRow, Fault> {
    let ordinal = schedule.runs;
    if let Some(place) = ordinal.checked_sub(RUNS_KEPT).map(|place| (plan.source, Reverse(place))) {
        if let Some(forgotten) = cx.change.get::<SourceRuns>(&place)? {
            let is_open = [schedule.queued, schedule.seen.running].contains(&Some(forgotten));
            require(!is_open, Refusal::TooMany(Thing::Run))?;
            cx.change.remove::<Runs>(&forgotten);
        }
        cx.change.remove::<SourceRuns>(&place);
    }
    schedule.runs = schedule.runs.saturating_add(1);
    cx.put::<SourceRuns>(&(plan.source, Reverse(ordinal)), &run)?;
    Ok(RunRow {
        source: plan.source,
        plan,
        ordinal,
        host_group,
        state: RunState::Queued,
        queued_ms: cx.now_ms,
        started_ms: None,
        finished_ms: None,
        bytes: 0,
        records: 0,
    })
}
