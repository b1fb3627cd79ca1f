//! The scheduler over the real state machine, with agents that come and go: days in milliseconds.

mod world;

use proptest::prelude::*;
use serde_json::json;
use strongroom_core::id::{AgentId, SourceId};

use super::*;
use crate::state::runs::commands::QueueRun;
use crate::state::runs::{RunCause, RunOutcome, RunPlan, RunState};
use crate::state::sources::{DisableSource, PauseSource};
use world::{Fate, World, contract, run_id, source_id};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// Hourly, and two hours of changes may be lost.
fn hourly() -> serde_json::Value {
    contract(&json!({"rpo_s": 7200, "cadence": {"every": {"minutes": 60}}}))
}

fn one_source() -> World {
    let mut world = World::new(1);
    world.register(1, 1, &hourly());
    world
}

fn by_hand(source: u8, cause: RunCause) -> QueueRun {
    QueueRun { run: run_id(200), plan: RunPlan { source: source_id(source), period: 0, attempt: 1, cause } }
}

#[test]
fn a_contract_leads_to_runs_and_debt_grows_and_falls() {
    let mut world = one_source();
    world.live(3 * HOUR_MS + 10 * MINUTE_MS);
    assert_eq!(world.outcomes(1).len(), 4, "the first at once, then one each hour");
    assert!(world.outlook.plan.debts.is_empty());
    world.fate = Fate::Fails;
    world.live(5 * HOUR_MS);
    let debt = world.outlook.plan.debts[0].rpo_debt_s;
    assert!((2 * 3600..4 * 3600).contains(&debt), "{debt}");
    world.fate = Fate::Succeeds;
    world.live(2 * HOUR_MS);
    assert!(world.outlook.plan.debts.is_empty());
}

#[test]
fn a_failure_is_retried_with_back_off_and_not_for_ever() {
    let mut world = one_source();
    world.fate = Fate::Fails;
    world.live(50 * MINUTE_MS);
    let starts = world.starts(1);
    assert_eq!(starts.len(), 3, "three attempts of one period");
    assert!(starts[1] - starts[0] >= 30_000 && starts[2] - starts[1] >= 60_000, "{starts:?}");
}

#[test]
fn a_source_whose_agent_is_away_waits_and_is_told() {
    let mut world = one_source();
    world.leave(1);
    world.live(HOUR_MS);
    assert!(world.starts(1).is_empty());
    assert_eq!(world.outlook.unattended.iter().copied().collect::<Vec<_>>(), [source_id(1)]);
    world.come(1);
    world.live(MINUTE_MS);
    assert_eq!(world.starts(1).len(), 1);
}

#[test]
fn a_run_whose_agent_vanishes_is_called_off_and_done_again() {
    let mut world = one_source();
    world.fate = Fate::Hangs;
    world.live(MINUTE_MS);
    world.leave(1);
    world.live(AGENT_LOST_MS - MINUTE_MS);
    assert!(world.outcomes(1).is_empty(), "an agent may be back in time");
    world.live(2 * MINUTE_MS);
    assert_eq!(world.outcomes(1), [RunOutcome::Abandoned]);
    world.fate = Fate::Succeeds;
    world.come(1);
    world.live(10 * MINUTE_MS);
    assert!(matches!(world.outcomes(1)[..], [RunOutcome::Abandoned, RunOutcome::Succeeded { .. }]));
    assert_eq!(world.called_off, [(AgentId([1; 16]), world.runs(1)[0])], "it is told once that nobody waits");
}

#[test]
fn a_run_by_hand_waits_for_the_run_before_it_and_is_then_done() {
    let mut world = one_source();
    world.live(MINUTE_MS / 2);
    world.done(by_hand(1, RunCause::Manual));
    world.live(20 * MINUTE_MS);
    let runs = world.runs(1);
    assert_eq!((runs.len(), runs.contains(&run_id(200))), (2, true));
    world.live(3 * HOUR_MS);
    assert_eq!(world.runs(1).len(), 5, "slots count on after it");
}

#[test]
fn a_run_by_hand_that_can_not_be_ends_without_a_start() {
    let mut world = one_source();
    world.live(20 * MINUTE_MS);
    world.done(by_hand(1, RunCause::Manual));
    world.done(DisableSource { source: source_id(1), is_disabled: true });
    world.live(MINUTE_MS);
    let row = world.run(run_id(200));
    assert_eq!((row.state, row.started_ms), (RunState::Finished(RunOutcome::Failed { code: 73 }), None));
}

#[test]
fn force_goes_before_caps_and_pauses() {
    let mut world = World::new(1);
    world.register(1, 1, &hourly());
    world.register(2, 1, &hourly());
    world.fate = Fate::Hangs;
    world.live(MINUTE_MS);
    assert_eq!((world.starts(1).len(), world.starts(2).len()), (1, 0), "one run of a host group");
    assert_eq!(world.outlook.plan.queue.len(), 1);
    world.done(PauseSource { source: source_id(2), is_paused: true });
    world.done(by_hand(2, RunCause::Forced));
    world.live(MINUTE_MS);
    assert_eq!(world.starts(2).len(), 1);
}

#[test]
fn another_leader_starts_nothing_twice_and_calls_nothing_off() {
    let mut world = one_source();
    world.fate = Fate::Hangs;
    world.live(MINUTE_MS);
    world.reign();
    world.live(10 * MINUTE_MS);
    assert_eq!((world.starts(1).len(), world.given.len()), (1, 1));
    assert!(world.outcomes(1).is_empty() && world.called_off.is_empty());
}

#[test]
fn a_run_of_an_agent_that_came_anew_is_told_again() {
    let mut world = one_source();
    world.fate = Fate::Hangs;
    world.live(MINUTE_MS);
    world.forget(1);
    world.live(MINUTE_MS);
    assert_eq!(world.given.len(), 2);
    assert_eq!(world.given[0], world.given[1]);
}

#[test]
fn a_run_of_a_source_that_can_not_be_planned_is_called_off_when_its_agent_is_lost() {
    let mut world = one_source();
    world.fate = Fate::Hangs;
    world.live(MINUTE_MS);
    world.forget_zones(1);
    world.live(10 * MINUTE_MS);
    assert!(world.outcomes(1).is_empty() && world.called_off.is_empty(), "its agent is there, and it goes on");
    world.leave(1);
    world.live(AGENT_LOST_MS + MINUTE_MS);
    assert_eq!(world.outcomes(1), [RunOutcome::Abandoned]);
    assert_eq!(world.starts(1).len(), 1, "and none is started");
}

#[test]
fn nothing_is_decided_before_each_source_was_read() {
    let world = one_source();
    let mut scheduler = world.scheduler();
    let decided = scheduler.decide(world.now(), &world.attendance(), &world.caps);
    assert_eq!(decided, Decided::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn whatever_happens_runs_are_not_doubled_and_all_heals(seed: u64) {
        let mut world = World::new(seed);
        let sources = 2 + world.dice(4);
        for source in 1..=sources {
            let (agent, minutes) = (1 + world.dice(2), [15, 60, 240][usize::from(world.dice(3))]);
            let keys = json!({"rpo_s": minutes * 120, "cadence": {"every": {"minutes": minutes}}});
            world.register(source, agent, &contract(&keys));
        }
        for _ in 0..80 {
            world.disturb();
            let ms = u64::from(world.dice(10) + 1) * MINUTE_MS;
            world.live(ms);
        }
        world.heal();
        world.live(9 * HOUR_MS);
        prop_assert!(world.outlook.plan.debts.is_empty(), "{:?}", world.outlook.plan.debts);
        prop_assert!(world.outlook.unattended.is_empty());
        let owing = |source: &SourceId| world.last_outcome(source).is_none_or(|it| !matches!(it, RunOutcome::Succeeded { .. }));
        prop_assert!(!(1..=sources).map(source_id).any(|source| owing(&source)));
    }
}
