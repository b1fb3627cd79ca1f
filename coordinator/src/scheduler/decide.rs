//! One decision: from sources, agents and time to commands and orders.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_core::error::Code;
use strongroom_core::id::{AgentId, HostGroup, RunId, SourceId};
use strongroom_core::schedule::{Caps, Now, Plan, RunRequest, SourceView, StartReason, StartRun as Planned, plan};
use strongroom_core::time::AccruedMs;

use super::presence::{Attendance, Presence};
use super::roll::Roll;
use crate::id::ClusterId;
use crate::state::Command;
use crate::state::planning::PlannedSource;
use crate::state::runs::commands::{FinishRun, StartRun};
use crate::state::runs::{RunCause, RunOutcome, RunPlan};

/// Commands of one decision; what does not fit comes with the next.
const COMMANDS_MAX: usize = 64;

/// How long a source is put off whose agent is not there. It is looked at again before that is over.
const PUT_OFF_MS: u64 = 1_000;

/// What a plan was made of, for those who ask why a source does not run.
#[derive(Clone, Debug, Default)]
pub struct Forecast {
    /// The time of the plan; none before the first.
    pub now: Option<Now>,
    /// The sources as they were planned.
    pub views: BTreeMap<SourceId, SourceView>,
}

/// The scheduler of one reign.
#[derive(Debug)]
pub struct Scheduler {
    cluster: ClusterId,
    /// What was read of the sources.
    pub roll: Roll,
    presence: Presence,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decided {
    /// What to propose, each with the source that it touches.
    pub commands: Vec<(SourceId, Command)>,
    /// What to tell agents that have a stream.
    pub orders: Vec<(AgentId, Order)>,
    /// What is to be known.
    pub outlook: Outlook,
}

/// What an agent is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// To take a run.
    Start(RunOrder),
    /// To stop one.
    CallOff(RunId),
}

/// A run to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOrder {
    /// The run.
    pub run: RunId,
    /// What it is an attempt at.
    pub plan: RunPlan,
    /// Accrued time of its start, by which an agent tells the newer of two runs of a source.
    pub fence: u64,
}

/// What the leader sees coming.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Accrued time of the turn; zero while this member does not lead, or has not read all sources yet.
    pub as_of: AccruedMs,
    /// The plan.
    pub plan: Plan,
    /// Sources whose agent is not there.
    pub unattended: BTreeSet<SourceId>,
    /// Sources whose contract can't be planned with this host's zone data.
    pub unplannable: BTreeSet<SourceId>,
}

impl Scheduler {
    /// The scheduler of a reign that begins now.
    pub fn new(cluster: ClusterId, now: Now) -> Self {
        Self { cluster, roll: Roll::default(), presence: Presence::new(now.accrued) }
    }

    /// Decides. Nothing, as long as some source was not read yet.
    pub fn decide(&mut self, now: Now, attendance: &Attendance, caps: &Caps) -> Decided {
        self.presence.note(now.accrued, attendance);
        if !self.roll.is_whole() {
            return Decided::default();
        }
        let unattended = self.put_off(now, attendance);
        let caps = self.caps(caps);
        let plan = plan(now, self.roll.sources().map(|it| &it.view), &caps);
        let mut commands = self.lost(now);
        commands.extend(plan.refused.iter().filter_map(|it| self.refuse(&it.source)));
        commands.extend(plan.start.iter().filter_map(|it| self.start(it)));
        commands.truncate(COMMANDS_MAX);
        // A source that is to be read again may have changed since: nobody is told of it before.
        let orders = if self.roll.is_fresh() { self.orders(attendance) } else { Vec::new() };
        Decided {
            commands,
            orders,
            outlook: Outlook { as_of: now.accrued, plan, unattended, unplannable: self.roll.unplannable() },
        }
    }

    /// What the last plan was made of.
    pub fn forecast(&self, now: Now) -> Forecast {
        let views = self.roll.sources().map(|it| (it.view.source, it.view.clone())).collect();
        Forecast { now: self.roll.is_whole().then_some(now), views }
    }

    /// Holds back what nobody is there for, and lets the rest be asked for.
    fn put_off(&mut self, now: Now, attendance: &Attendance) -> BTreeSet<SourceId> {
        let mut unattended = BTreeSet::new();
        for planned in self.roll.sources_mut() {
            let is_there =
                attendance.contains_key(&planned.agent) && self.presence.is_there(&planned.agent, now.accrued);
            planned.view.not_before = (!is_there).then(|| now.accrued.after(PUT_OFF_MS));
            let asked = planned.asked.filter(|_| is_there && planned.running.is_none());
            planned.view.request = asked.map(|(_, plan)| RunRequest { is_forced: plan.cause == RunCause::Forced });
            if !is_there {
                unattended.insert(planned.view.source);
            }
        }
        unattended
    }

    /// The caps, with those that host groups have of their own.
    fn caps(&self, caps: &Caps) -> Caps {
        let own = self.roll.sources().filter_map(|it| Some((it.view.host_group, u32::from(it.host_group_cap?))));
        let host_groups: BTreeMap<HostGroup, u32> = own.collect();
        Caps { host_groups, ..caps.clone() }
    }

    /// Calls off the runs of agents that are lost, those of sources that can't be planned too.
    fn lost(&self, now: Now) -> Vec<(SourceId, Command)> {
        let lost = self.roll.under_way().filter(|(_, agent, _)| self.presence.is_lost(agent, now.accrued));
        let finish = |run| FinishRun { run, outcome: RunOutcome::Abandoned };
        lost.map(|(source, _, run)| (source, finish(run).into())).take(COMMANDS_MAX).collect()
    }

    /// Ends a run by hand that can't be.
    fn refuse(&self, source: &SourceId) -> Option<(SourceId, Command)> {
        let (run, _) = self.roll.get(source)?.asked?;
        let outcome = RunOutcome::Failed { code: Code::RunRefused.number() };
        Some((*source, FinishRun { run, outcome }.into()))
    }

    fn start(&self, planned: &Planned) -> Option<(SourceId, Command)> {
        let source = self.roll.get(&planned.source)?;
        let cause = match planned.reason {
            StartReason::First | StartReason::Slot | StartReason::CatchUp => RunCause::Schedule,
            StartReason::Retry => RunCause::Retry,
            StartReason::Manual => source.asked?.1.cause,
        };
        let run = match planned.reason {
            StartReason::Manual => source.asked?.0,
            _ => run_id(self.cluster, source),
        };
        let plan = RunPlan { source: planned.source, period: planned.period.0, attempt: planned.attempt, cause };
        Some((planned.source, StartRun { run, plan, seen: source.seen }.into()))
    }

    /// What agents do not know yet: runs of theirs that are under way, and runs that are not, or are another's.
    fn orders(&self, attendance: &Attendance) -> Vec<(AgentId, Order)> {
        let mut under_way: BTreeMap<AgentId, BTreeMap<RunId, RunOrder>> = BTreeMap::new();
        for source in self.roll.sources() {
            if let Some((run, row)) = &source.running {
                let order = RunOrder { run: *run, plan: row.plan, fence: row.started_ms.unwrap_or_default() };
                under_way.entry(source.agent).or_default().insert(*run, order);
            }
        }
        let mut orders = Vec::new();
        for (agent, attending) in attendance {
            let own = under_way.remove(agent).unwrap_or_default();
            let is_over = |run: &&RunId| !own.contains_key(run) && !self.roll.is_left_alone(run);
            let over = attending.holds.iter().filter(is_over).filter(|run| !attending.called_off.contains(run));
            orders.extend(over.map(|run| (*agent, Order::CallOff(*run))));
            let new = own.into_iter().filter(|(run, _)| !attending.holds.contains(run));
            orders.extend(new.map(|(_, order)| (*agent, Order::Start(order))));
        }
        orders
    }
}

/// The id of a source's next run: a function of the source and of how many it had, so that a start which is proposed
/// again is the same start.
fn run_id(cluster: ClusterId, source: &PlannedSource) -> RunId {
    let mut hasher = blake3::Hasher::new_derive_key("strongroom 2026-11-22 run of a source");
    hasher.update(&cluster.0);
    hasher.update(source.view.source.as_bytes());
    hasher.update(&source.runs.to_be_bytes());
    let mut id = [0; RunId::LEN];
    hasher.finalize_xof().fill(&mut id);
    RunId(id)
}
