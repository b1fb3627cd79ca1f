//! From contracts to runs and their ends, over the agents' own streams.

use serde_json::json;
use strongroom_coordinator::state::runs::{RunOutcome, RunState};

use super::script::{Agent, Fate};
use super::world::{World, contract};

const LONG_S: u64 = 1_200;

async fn one_source(keys: &serde_json::Value) -> World {
    let mut world = World::new().await;
    world.register(1, 1, 1, &contract(keys)).await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contract_leads_to_runs_whose_snapshots_are_protected() {
    let world = one_source(&json!({})).await;
    let agent = Agent::follow(&world, 1, 1, Fate::Succeeds, &[]).await;
    world.pass(LONG_S).await;
    let are_all_noted = async || agent.told.borrow().noted.len() == world.runs(1).await.len();
    world.until(async || world.outcomes(1).await.len() >= 4 && are_all_noted().await).await;
    let runs = world.runs(1).await;
    let is_success = |outcome: &RunOutcome| matches!(outcome, RunOutcome::Succeeded { .. });
    assert!(world.outcomes(1).await.iter().all(is_success), "{runs:?}");
    assert_eq!(runs[0].bytes, 10, "its progress was noted");
    assert!(world.outlook().plan.debts.is_empty() && world.outlook().unattended.is_empty());
    // The newest run may be under way to the agent still.
    let told = agent.told.borrow().starts.clone();
    let distinct: std::collections::BTreeSet<_> = told.iter().collect();
    assert_eq!(distinct.len(), told.len(), "each is told once");
    assert!(told.len() >= 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_retried_with_back_off_and_debt_grows_and_falls() {
    let world = one_source(&json!({})).await;
    let agent = Agent::follow(&world, 1, 1, Fate::Fails, &[]).await;
    world.until(async || world.starts(1).await.len() >= 3).await;
    let starts = world.starts(1).await;
    assert!(starts[1] - starts[0] >= 10_000 && starts[2] - starts[1] >= 20_000, "{starts:?}");
    world.until(async || !world.outlook().plan.debts.is_empty()).await;
    let debt = world.outlook().plan.debts[0].rpo_debt_s;
    world.pass(40).await;
    assert!(world.outlook().plan.debts[0].rpo_debt_s > debt, "it grows");
    agent.fate.send_replace(Fate::Succeeds);
    world.until(async || world.outlook().plan.debts.is_empty()).await;
    assert!(matches!(world.outcomes(1).await.last(), Some(RunOutcome::Succeeded { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_group_has_one_run_at_once_and_another_has_its_own() {
    let mut world = one_source(&json!({})).await;
    world.register(2, 1, 1, &contract(&json!({}))).await;
    world.register(3, 1, 2, &contract(&json!({}))).await;
    let _agent = Agent::follow(&world, 1, 1, Fate::Hangs, &[]).await;
    world.pass(120).await;
    let running = [world.starts(1).await.len() + world.starts(2).await.len(), world.starts(3).await.len()];
    assert_eq!((running, world.outlook().plan.queue.len()), ([1, 1], 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_start_in_their_windows_alone() {
    let world = one_source(&json!({"rpo_s": 90_000, "windows": [{"from": "12:10", "to": "12:20"}]})).await;
    let _agent = Agent::follow(&world, 1, 1, Fate::Succeeds, &[]).await;
    world.pass(560).await;
    assert!(world.starts(1).await.is_empty(), "no window is open before ten past");
    world.pass(700).await;
    let runs = world.starts(1).await.len();
    assert!((2..=3).contains(&runs), "{runs}");
    world.pass(600).await;
    assert_eq!(world.starts(1).await.len(), runs, "the window is closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_agent_vanishes_is_called_off_and_done_again() {
    let world = one_source(&json!({})).await;
    let agent = Agent::follow(&world, 1, 1, Fate::Hangs, &[]).await;
    world.until(async || !agent.told.borrow().starts.is_empty()).await;
    let first = agent.told.borrow().starts[0].clone();
    agent.vanish().await;
    world.pass(100).await;
    assert!(world.outcomes(1).await.is_empty(), "it may come back in time");
    world.until(async || world.outcomes(1).await == [RunOutcome::Abandoned]).await;
    let agent = Agent::follow(&world, 1, 2, Fate::Succeeds, std::slice::from_ref(&first)).await;
    world.until(async || world.outcomes(1).await.len() >= 2).await;
    assert!(matches!(world.outcomes(1).await[1], RunOutcome::Succeeded { .. }));
    assert_eq!(agent.told.borrow().called_off, [first], "nobody waits for what it has");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_the_group_does_not_take_is_told_as_that() {
    let mut world = one_source(&json!({})).await;
    world.register(2, 1, 2, &contract(&json!({"cadence": {"every": {"minutes": 600}}, "rpo_s": 90_000}))).await;
    let agent = Agent::follow(&world, 1, 1, Fate::Lies, &[]).await;
    world.until(async || !agent.told.borrow().refused.is_empty()).await;
    let (run, is_over) = agent.told.borrow().refused[0].clone();
    assert!(!is_over, "it is to end in another way");
    assert!(!agent.told.borrow().noted.contains(&run));
    assert!(world.outcomes(1).await.is_empty(), "the run goes on");
    world.pass(30).await;
    assert_eq!(agent.told.borrow().starts.iter().filter(|it| **it == run).count(), 1, "it is not told anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_stops_and_comes_back_starts_nothing_twice() {
    let mut world = one_source(&json!({})).await;
    let agent = Agent::follow(&world, 1, 1, Fate::Hangs, &[]).await;
    world.until(async || !agent.told.borrow().starts.is_empty()).await;
    let run = agent.told.borrow().starts[0].clone();
    agent.vanish().await;
    world.stop().await;
    world.open().await;
    let agent = Agent::follow(&world, 1, 1, Fate::Hangs, std::slice::from_ref(&run)).await;
    world.pass(60).await;
    let runs = world.runs(1).await;
    assert_eq!((runs.len(), runs[0].state), (1, RunState::Started), "it goes on");
    assert!(agent.told.borrow().starts.is_empty() && agent.told.borrow().called_off.is_empty());
    agent.vanish().await;
    let agent = Agent::follow(&world, 1, 2, Fate::Succeeds, &[]).await;
    world.until(async || !world.outcomes(1).await.is_empty()).await;
    assert_eq!(agent.told.borrow().starts.first(), Some(&run), "an agent that lost it is told again");
    assert!(matches!(world.outcomes(1).await[0], RunOutcome::Succeeded { .. }));
}
