//! Sources that are retired: what ends with them, and what stays.

use strongroom_core::id::{AgentId, DomainId};

use super::world::{
    World, commit, open_upload, packs, plan, promise, receipt, register, run_id, snapshot_id, source_id, source_name,
};
use crate::state::agents::RetireAgent;
use crate::state::counters::Counter;
use crate::state::retired::RetireSource;
use crate::state::runs::commands::{FinishRun, QueueRun, StartRun};
use crate::state::runs::{RunOutcome, RunState, ScheduleSeen};
use crate::state::sources::{ChangeSource, PauseSource, SetContract};
use crate::state::{Answer, Refusal, Thing, query};

const RETIRE: RetireSource = RetireSource { source: source_id(1) };

#[test]
fn a_source_with_a_run_under_way_is_not_retired() {
    let mut world = World::installed();
    world.done(StartRun { run: run_id(1), plan: plan(1, 1, 1), seen: ScheduleSeen::default() });
    assert_eq!(world.refused(RETIRE), Refusal::Busy);
    world.done(FinishRun { run: run_id(1), outcome: RunOutcome::Abandoned });
    world.done(RETIRE);
}

#[test]
fn a_run_that_waits_is_called_off_with_its_source() {
    let mut world = World::installed();
    world.done(QueueRun { run: run_id(1), plan: plan(1, 1, 1) });
    world.done(RETIRE);
    let run = query::run(world.machine.rows(), &run_id(1)).unwrap().unwrap();
    assert_eq!(run.state, RunState::Finished(RunOutcome::Abandoned));
    assert_eq!(world.count(Counter::RunsQueued), 0);
}

#[test]
fn a_retired_source_takes_nothing_more_and_its_name_is_free() {
    let mut world = World::installed();
    let epoch = world.upload(1, 1);
    world.done(PauseSource { source: source_id(1), is_paused: true });
    world.done(RETIRE);
    assert_eq!(world.refused(RETIRE), Refusal::Retired(Thing::Source));
    assert_eq!(world.refused(register(1)), Refusal::Retired(Thing::Source));
    let missing = Refusal::Missing(Thing::Source);
    assert_eq!(world.refused(commit(1, 1, epoch, 1, packs(&[1], &[]))), missing);
    assert_eq!(world.refused(receipt(1, epoch, 1, &[1])), missing);
    assert_eq!(world.refused(open_upload(1, 2)), missing);
    assert_eq!(world.refused(QueueRun { run: run_id(2), plan: plan(1, 1, 1) }), missing);
    assert_eq!(world.refused(ChangeSource { source: source_id(1), facts: register(1).facts }), missing);
    assert_eq!(world.refused(SetContract { source: source_id(1), contract: promise(1, 1, &["de"]) }), missing);
    let counters = [Counter::Sources, Counter::SourcesPaused, Counter::UploadsLive].map(|each| world.count(each));
    assert_eq!(counters, [0, 0, 0]);
    let mut heir = register(2);
    heir.facts.name = source_name("source-1");
    world.done(heir);
}

#[test]
fn what_a_retired_source_brought_stays() {
    let mut world = World::installed();
    let epoch = world.upload(1, 1);
    for depot in [1, 2] {
        world.done(receipt(1, epoch, depot, &[1]));
    }
    assert_eq!(world.done(commit(1, 1, epoch, 1, packs(&[1], &[]))), Answer::Protected(true));
    world.done(RETIRE);
    let rows = world.machine.rows();
    assert_eq!(query::head(rows, &source_id(1)).unwrap().map(|head| head.snapshot), Some(snapshot_id(1, 1)));
    assert_eq!(query::live_packs(rows, source_id(1), None, 10).unwrap().rows.len(), 1);
    assert!(query::source(rows, &source_id(1)).unwrap().is_none());
    let tombstone = query::retired_source(rows, &source_id(1)).unwrap().unwrap();
    assert_eq!((tombstone.facts.domain, tombstone.facts.name), (DomainId([1; 16]), source_name("source-1")));
}

#[test]
fn an_agent_is_free_to_go_once_its_sources_are_retired() {
    let mut world = World::installed();
    world.done(RETIRE);
    world.done(RetireAgent { agent: AgentId([1; 16]) });
}
