//! Runs and upload sessions.

use strongroom_core::id::{AgentId, HostGroup};

use super::world::{World, commit, open_upload, packs, plan, receipt, register, run_id, snapshot_id, source_id};
use crate::state::counters::Counter;
use crate::state::runs::commands::{FinishRun, QueueRun, ReportRun, SetHostGroupCap, StartRun};
use crate::state::runs::{
    RUNS_KEPT, RunCause, RunOutcome, RunPlan, RunState, ScheduleRow, ScheduleSeen, Schedules, schedule_now,
};
use crate::state::sources::{ChangeSource, DisableSource, PauseSource};
use crate::state::uploads::{CloseUpload, FenceUpload, OpenUpload};
use crate::state::{Answer, Refusal, Thing, query};

fn seen(world: &World, source: u8) -> ScheduleSeen {
    world.machine.rows().get::<Schedules>(&source_id(source)).unwrap().unwrap_or_default().seen
}

fn start(world: &World, run: u8, plan: RunPlan) -> StartRun {
    StartRun { run: run_id(run), plan, seen: seen(world, plan.source.0[0]) }
}

fn finish(run: u8, outcome: RunOutcome) -> FinishRun {
    FinishRun { run: run_id(run), outcome }
}

const FAILED: RunOutcome = RunOutcome::Failed { code: 30 };

fn succeeded(source: u8, sequence: u64) -> RunOutcome {
    RunOutcome::Succeeded { snapshot: snapshot_id(source, sequence) }
}

/// A world in which snapshot 1 of source 1 is committed.
fn with_durable() -> World {
    let mut world = World::installed();
    let epoch = world.upload(1, 1);
    world.done(commit(1, 1, epoch, 1, packs(&[1], &[])));
    world
}

/// A world in which snapshot 1 of source 1 is protected.
fn with_snapshot() -> World {
    let mut world = with_durable();
    protect(&mut world);
    world
}

fn protect(world: &mut World) {
    world.done(receipt(1, 1, 1, &[1]));
    world.done(receipt(1, 1, 2, &[1]));
}

fn schedule(world: &World) -> ScheduleRow {
    schedule_now(world.machine.rows(), &source_id(1)).unwrap()
}

#[test]
fn one_run_of_a_source_is_under_way() {
    let mut world = World::installed();
    world.done(start(&world, 1, plan(1, 5, 1)));
    assert_eq!(world.refused(start(&world, 2, plan(1, 5, 2))), Refusal::Busy);
    world.done(finish(1, FAILED));
    world.done(start(&world, 2, plan(1, 5, 2)));
}

#[test]
fn a_period_with_a_success_is_never_started_again() {
    let mut world = with_snapshot();
    world.done(start(&world, 1, plan(1, 5, 1)));
    world.done(finish(1, succeeded(1, 1)));
    for period in [4, 5] {
        assert_eq!(world.refused(start(&world, 2, plan(1, period, 9))), Refusal::PeriodOver);
    }
    world.done(start(&world, 2, plan(1, 6, 1)));
    assert_eq!((world.count(Counter::RunsSucceeded), world.count(Counter::RunsRunning)), (1, 1));
}

#[test]
fn a_success_needs_a_snapshot_of_the_source() {
    let mut world = with_snapshot();
    world.done(start(&world, 1, plan(1, 5, 1)));
    assert_eq!(world.refused(finish(1, succeeded(1, 2))), Refusal::Missing(Thing::Snapshot));
    world.done(register(2));
    world.done(SetHostGroupCap { host_group: HostGroup([1; 16]), cap: 2 });
    world.done(start(&world, 2, plan(2, 1, 1)));
    assert_eq!(world.refused(finish(2, succeeded(1, 1))), Refusal::Missing(Thing::Snapshot));
}

#[test]
fn a_run_by_hand_lies_outside_of_the_periods() {
    let mut world = with_snapshot();
    world.done(start(&world, 1, plan(1, 5, 1)));
    world.done(finish(1, succeeded(1, 1)));
    let manual = RunPlan { cause: RunCause::Manual, ..plan(1, 5, 1) };
    world.done(start(&world, 2, manual));
    world.done(finish(2, succeeded(1, 1)));
    assert_eq!(seen(&world, 1).period, Some(5));
}

#[test]
fn a_plan_that_rests_on_another_state_starts_nothing() {
    let mut world = World::installed();
    let planned = start(&world, 1, plan(1, 5, 1));
    world.done(planned);
    world.done(finish(1, FAILED));
    let stale = StartRun { run: run_id(2), plan: plan(1, 5, 2), seen: planned.seen };
    assert_eq!(world.refused(stale), Refusal::PlanStale);
    assert_eq!(world.refused(start(&world, 2, plan(1, 5, 1))), Refusal::PlanStale, "that attempt was made");
}

#[test]
fn a_host_group_has_no_more_runs_than_it_allows() {
    let mut world = World::installed();
    world.done(register(2));
    world.done(start(&world, 1, plan(1, 1, 1)));
    assert_eq!(world.refused(start(&world, 2, plan(2, 1, 1))), Refusal::HostGroupFull);
    world.done(SetHostGroupCap { host_group: HostGroup([1; 16]), cap: 2 });
    world.done(start(&world, 2, plan(2, 1, 1)));
    world.done(finish(1, RunOutcome::Abandoned));
    world.done(start(&world, 3, plan(1, 1, 2)));
}

#[test]
fn a_paused_source_starts_only_by_hand() {
    let mut world = World::installed();
    world.done(PauseSource { source: source_id(1), is_paused: true });
    assert_eq!(world.refused(start(&world, 1, plan(1, 1, 1))), Refusal::Paused);
    world.done(start(&world, 1, RunPlan { cause: RunCause::Manual, ..plan(1, 1, 1) }));
}

#[test]
fn a_queued_run_is_started_or_called_off() {
    let mut world = World::installed();
    world.done(QueueRun { run: run_id(1), plan: plan(1, 1, 1) });
    assert_eq!(world.refused(QueueRun { run: run_id(2), plan: plan(1, 1, 1) }), Refusal::Busy);
    assert_eq!(world.refused(start(&world, 1, plan(1, 2, 1))), Refusal::Exists(Thing::Run));
    world.done(start(&world, 1, plan(1, 1, 1)));
    assert_eq!((world.count(Counter::RunsQueued), world.count(Counter::RunsRunning)), (0, 1));
    world.done(finish(1, FAILED));
    world.done(QueueRun { run: run_id(2), plan: plan(1, 1, 2) });
    assert_eq!(world.refused(finish(2, succeeded(1, 1))), Refusal::Changed(Thing::Run));
    world.done(finish(2, RunOutcome::Abandoned));
    assert_eq!(world.count(Counter::RunsQueued), 0);
    assert_eq!(world.count(Counter::RunsFailed), 1, "what was never started has not failed");
}

#[test]
fn reports_only_grow_and_end_with_the_run() {
    let mut world = World::installed();
    world.done(start(&world, 1, plan(1, 1, 1)));
    world.done(ReportRun { run: run_id(1), bytes: 10, records: 5 });
    world.done(ReportRun { run: run_id(1), bytes: 8, records: 6 });
    let row = query::run(world.machine.rows(), &run_id(1)).unwrap().unwrap();
    assert_eq!((row.bytes, row.records), (10, 6));
    world.done(finish(1, FAILED));
    world.done(finish(1, FAILED));
    let late = ReportRun { run: run_id(1), bytes: 99, records: 99 };
    assert_eq!(world.refused(late), Refusal::Changed(Thing::Run));
    assert_eq!(world.refused(finish(1, RunOutcome::Abandoned)), Refusal::Changed(Thing::Run));
}

#[test]
fn the_newest_runs_of_a_source_are_kept() {
    let mut world = World::installed();
    let kept = u8::try_from(RUNS_KEPT).unwrap();
    for run in 0..kept + 6 {
        world.done(start(&world, run, plan(1, u64::from(run), 1)));
        world.done(finish(run, FAILED));
    }
    let page = query::runs(world.machine.rows(), source_id(1), None, 1_000).unwrap();
    assert_eq!(page.rows.len(), usize::from(kept));
    assert_eq!(page.rows.first().map(|(run, _)| *run), Some(run_id(kept + 5)), "the newest first");
    assert_eq!(query::run(world.machine.rows(), &run_id(5)).unwrap(), None);
}

#[test]
fn no_number_of_requests_pushes_out_the_run_that_is_under_way() {
    let mut world = World::installed();
    let kept = u8::try_from(RUNS_KEPT).unwrap();
    let by_hand = RunPlan { cause: RunCause::Manual, ..plan(1, 0, 1) };
    world.done(start(&world, 1, plan(1, 1, 1)));
    for run in 2..=kept {
        world.done(QueueRun { run: run_id(run), plan: by_hand });
        world.done(finish(run, RunOutcome::Abandoned));
    }
    let beyond = QueueRun { run: run_id(200), plan: by_hand };
    assert_eq!(world.refused(beyond), Refusal::TooMany(Thing::Run));
    assert!(query::run(world.machine.rows(), &run_id(1)).unwrap().unwrap().is_running());
    world.done(finish(1, FAILED));
    world.done(beyond);
    assert_eq!(query::run(world.machine.rows(), &run_id(1)).unwrap(), None, "it is over, and the oldest");
    assert_eq!(query::runs(world.machine.rows(), source_id(1), None, 1_000).unwrap().rows.len(), usize::from(kept));
}

#[test]
fn a_newer_upload_fences_the_older_one() {
    let mut world = World::installed();
    let first = world.upload(1, 1);
    let second = world.upload(1, 2);
    assert!(second > first);
    let late = commit(1, 1, first, 1, packs(&[1], &[]));
    assert_eq!(world.refused(late), Refusal::Fenced(second));
    assert_eq!(
        world.refused(commit(1, 1, second, 1, packs(&[1], &[]))),
        Refusal::Missing(Thing::Upload),
        "the epoch is another upload's"
    );
    world.done(commit(1, 2, second, 1, packs(&[1], &[])));
    assert_eq!(world.count(Counter::UploadsLive), 1);
}

#[test]
fn a_closed_or_fenced_upload_commits_nothing() {
    let mut world = World::installed();
    let epoch = world.upload(1, 1);
    let close = CloseUpload { source: source_id(1), upload: open_upload(1, 1).upload, epoch };
    world.done(close);
    assert_eq!(world.refused(commit(1, 1, epoch, 1, packs(&[], &[]))), Refusal::UploadClosed);
    let epoch = world.upload(1, 2);
    assert_eq!(world.done(FenceUpload { source: source_id(1), epoch }), Answer::Epoch(epoch + 1));
    assert_eq!(world.refused(commit(1, 2, epoch, 1, packs(&[], &[]))), Refusal::Fenced(epoch + 1));
    let stale = FenceUpload { source: source_id(1), epoch };
    assert_eq!(world.refused(stale), Refusal::Fenced(epoch + 1));
    assert_eq!(world.count(Counter::UploadsLive), 0);
}

#[test]
fn another_agent_fences_the_uploads_of_the_one_before() {
    let mut world = World::installed();
    world.join_agent(2, "hamburg");
    let epoch = world.upload(1, 1);
    let mut facts = register(1).facts;
    facts.agent = AgentId([2; 16]);
    world.done(ChangeSource { source: source_id(1), facts });
    assert_eq!(world.refused(commit(1, 1, epoch, 1, packs(&[], &[]))), Refusal::Fenced(epoch + 1));
    assert_eq!(world.refused(open_upload(1, 2)), Refusal::Changed(Thing::Source));
}

#[test]
fn an_upload_names_a_run_that_is_under_way() {
    let mut world = World::installed();
    let with_run = |run| OpenUpload { run: Some(run_id(run)), ..open_upload(1, 1) };
    assert_eq!(world.refused(with_run(1)), Refusal::Missing(Thing::Run));
    world.done(start(&world, 1, plan(1, 1, 1)));
    world.done(with_run(1));
    world.done(finish(1, FAILED));
    assert_eq!(world.refused(with_run(1)), Refusal::Changed(Thing::Run));
}

#[test]
fn a_run_is_no_success_before_its_snapshot_is_protected() {
    let mut world = with_durable();
    world.done(start(&world, 1, plan(1, 5, 1)));
    world.done(finish(1, succeeded(1, 1)));
    let row = query::run(world.machine.rows(), &run_id(1)).unwrap().unwrap();
    assert_eq!(row.state, RunState::Finished(RunOutcome::Durable { snapshot: snapshot_id(1, 1) }));
    assert_eq!((schedule(&world).succeeded_period, world.count(Counter::RunsSucceeded)), (None, 0));
    world.done(finish(1, succeeded(1, 1)));
    protect(&mut world);
    assert_eq!(schedule(&world).succeeded_period, Some(5));
    assert_eq!(world.refused(start(&world, 2, plan(1, 5, 2))), Refusal::PeriodOver);
    world.done(finish(1, succeeded(1, 1)));
    world.done(start(&world, 2, plan(1, 6, 1)));
    assert_eq!(world.count(Counter::RunsSucceeded), 1, "counted once");
}

#[test]
fn a_durable_run_is_tried_again_and_failures_end_with_its_protection() {
    let mut world = with_durable();
    world.done(start(&world, 1, plan(1, 5, 1)));
    world.done(finish(1, FAILED));
    world.done(start(&world, 2, plan(1, 5, 2)));
    world.done(finish(2, succeeded(1, 1)));
    assert_eq!(schedule(&world).failures, 1);
    world.done(start(&world, 3, plan(1, 5, 3)));
    protect(&mut world);
    assert_eq!(schedule(&world).failures, 0);
    world.done(finish(3, FAILED));
    assert_eq!((schedule(&world).failures, schedule(&world).succeeded_period), (1, Some(5)));
}

#[test]
fn an_incomplete_snapshot_is_no_success() {
    let mut world = World::installed();
    let epoch = world.upload(1, 1);
    let mut incomplete = commit(1, 1, epoch, 1, packs(&[], &[]));
    incomplete.facts.is_complete = false;
    world.done(incomplete);
    world.done(start(&world, 1, plan(1, 5, 1)));
    assert_eq!(world.refused(finish(1, succeeded(1, 1))), Refusal::Incomplete);
}

#[test]
fn a_forced_run_goes_before_the_cap_of_its_host_group() {
    let mut world = World::installed();
    world.done(register(2));
    world.done(start(&world, 1, plan(1, 1, 1)));
    let by_hand = |cause| RunPlan { cause, ..plan(2, 1, 1) };
    assert_eq!(world.refused(start(&world, 2, by_hand(RunCause::Manual))), Refusal::HostGroupFull);
    world.done(start(&world, 2, by_hand(RunCause::Forced)));
    assert_eq!(seen(&world, 2).period, None, "it lies outside of the periods");
}

#[test]
fn a_disabled_source_does_not_start_even_by_hand() {
    let mut world = World::installed();
    world.done(DisableSource { source: source_id(1), is_disabled: true });
    for cause in [RunCause::Schedule, RunCause::Manual, RunCause::Forced] {
        assert_eq!(world.refused(start(&world, 1, RunPlan { cause, ..plan(1, 1, 1) })), Refusal::Disabled);
    }
    world.done(DisableSource { source: source_id(1), is_disabled: false });
    world.done(start(&world, 1, plan(1, 1, 1)));
}
