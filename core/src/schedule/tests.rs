//! The planner's rules one by one, on clocks that misbehave, and over weeks of everything at once.

mod clocks;
mod explaining;
mod rules;
mod simulation;
mod world;

use std::sync::Arc;

use super::{Caps, HostGroup, LastRun, LastSuccess, Now, Plan, RunState, SourceView, Standing, StartRun, plan};
use crate::contract::tests::{contract, second, terms};
use crate::contract::{Contract, Period};
use crate::id::SourceId;
use crate::time::{AccruedMs, WallTime};

const HOUR_MS: u64 = 3_600_000;

/// A Wednesday at noon, when 1,000 hours have accrued.
fn noon() -> Now {
    Now { accrued: AccruedMs(1000 * HOUR_MS), wall: WallTime(second("2027-06-02T12:00:00Z") * 1_000_000) }
}

/// Both measures of time go on together.
fn later(now: Now, ms: u64) -> Now {
    Now { accrued: now.accrued.after(ms), ..jumped(now, i64::try_from(ms).unwrap()) }
}

/// The wall clock alone is set.
fn jumped(now: Now, ms: i64) -> Now {
    Now { wall: WallTime(now.wall.0 + ms * 1000), ..now }
}

fn caps(runs_max: u32, host_group_runs_max: u32) -> Caps {
    Caps { runs_max, host_group_runs_max, host_groups: [].into() }
}

/// A source that was registered 500 hours ago and never run.
fn fresh(id: u8, contract: &Contract) -> SourceView {
    SourceView {
        source: SourceId([id; 16]),
        host_group: HostGroup([0; 16]),
        terms: Arc::new(terms(contract)),
        standing: Standing::Active,
        registered: AccruedMs(500 * HOUR_MS),
        last_success: None,
        last_run: None,
        failures: 0,
        not_before: None,
        request: None,
    }
}

fn period(text: &str) -> Period {
    Period::of_second(second(text))
}

/// A source whose last run, of the given slot, started at its time and succeeded, as seen from `noon`.
fn served(id: u8, contract: &Contract, slot: &str) -> SourceView {
    let ago_ms = u64::try_from(noon().wall.0 / 1000 - second(slot) * 1000).unwrap();
    let started = AccruedMs(noon().accrued.0 - ago_ms);
    SourceView {
        last_success: Some(LastSuccess { cut: started, cut_wall: WallTime(second(slot) * 1_000_000) }),
        last_run: Some(LastRun { period: period(slot), attempt: 1, started, state: RunState::Succeeded }),
        ..fresh(id, contract)
    }
}

/// Plans for one source with room for all.
fn plan_one(view: &SourceView, now: Now) -> Plan {
    plan(now, [view].into_iter(), &caps(9, 9))
}

fn start_of(view: &SourceView, now: Now) -> Option<StartRun> {
    plan_one(view, now).start.first().copied()
}

/// Records a start as the catalogue would.
fn begin(view: &mut SourceView, start: StartRun, now: Now) {
    let StartRun { period, attempt, .. } = start;
    view.last_run = Some(LastRun { period, attempt, started: now.accrued, state: RunState::Running });
    view.request = None;
}

/// Records the end of the run under way.
fn end(view: &mut SourceView, is_success: bool, now: Now) {
    let run = view.last_run.as_mut().unwrap();
    if is_success {
        run.state = RunState::Succeeded;
        view.last_success = Some(LastSuccess { cut: run.started, cut_wall: now.wall });
        view.failures = 0;
    } else {
        run.state = RunState::Failed { ended: now.accrued };
        view.failures += 1;
    }
}

/// Starts what is due and ends it at once.
fn run_now(view: &mut SourceView, is_success: bool, now: Now) -> Option<StartRun> {
    let start = start_of(view, now)?;
    begin(view, start, now);
    end(view, is_success, now);
    Some(start)
}

/// A contract from the sample, with some keys set.
fn contract_with(changes: &serde_json::Value) -> Contract {
    let mut value = serde_json::to_value(contract()).unwrap();
    for (key, change) in changes.as_object().unwrap() {
        value[key] = change.clone();
    }
    serde_json::from_value(value).unwrap()
}
