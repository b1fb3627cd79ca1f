//! What the planner is told, and what it makes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZoneDatabase;
use strongroom_core::contract::Period;
use strongroom_core::id::{AgentId, HostGroup, UploadId};
use strongroom_core::schedule::{
    Caps, LastRun, LastSuccess, Now, RunRequest, RunState as Ended, SourceView, Standing, StartReason,
    plan as plan_runs,
};
use strongroom_core::time::{AccruedMs, WallTime};

use super::world::{World, commit, packs, plan, promise, receipt, register, run_id, snapshot_id, source_id};
use crate::state::planning::{SourceViews, TermsCache, WithoutTerms, source_views};
use crate::state::query;
use crate::state::runs::commands::{FinishRun, QueueRun, StartRun};
use crate::state::runs::{RunCause, RunOutcome, RunPlan, Schedules};
use crate::state::snapshots::CommitSnapshot;
use crate::state::sources::{DisableSource, PauseSource, SetContract};
use crate::state::uploads::OpenUpload;

/// What the cache has no terms for, checked without zone data and kept.
fn fill(world: &World, cache: &mut TermsCache, found: &SourceViews) {
    for WithoutTerms { source, terms_version, .. } in &found.without_terms {
        let document = query::contract(world.machine.rows(), source).unwrap().unwrap();
        let terms = document.contract().validate(&TimeZoneDatabase::none()).unwrap();
        cache.keep(*source, *terms_version, Arc::new(terms));
    }
}

fn view(world: &World, source: u8) -> SourceView {
    let mut cache = TermsCache::default();
    let unknown = source_views(world.machine.rows(), &cache, None, 10).unwrap();
    fill(world, &mut cache, &unknown);
    let found = source_views(world.machine.rows(), &cache, None, 10).unwrap();
    found.sources.into_iter().map(|it| it.view).find(|view| view.source == source_id(source)).unwrap()
}

fn start(world: &mut World, run: u8, plan: RunPlan) {
    let rows = world.machine.rows();
    let seen = rows.get::<Schedules>(&plan.source).unwrap().unwrap_or_default().seen;
    world.done(StartRun { run: run_id(run), plan, seen });
}

fn failed(run: u8) -> FinishRun {
    FinishRun { run: run_id(run), outcome: RunOutcome::Failed { code: 30 } }
}

/// Opens an upload that is part of a run of source 1.
fn upload(world: &mut World, upload: u8, run: u8) {
    let (source, agent) = (source_id(1), AgentId([1; 16]));
    world.done(OpenUpload { upload: UploadId([upload; 16]), source, agent, run: Some(run_id(run)) });
}

#[test]
fn a_source_that_was_never_run_owes_since_its_registration() {
    let world = World::installed();
    let view = view(&world, 1);
    assert_eq!((view.registered, view.host_group), (AccruedMs(1_000), HostGroup([1; 16])));
    assert_eq!((view.last_success, view.last_run, view.failures, view.request), (None, None, 0, None));
    assert_eq!((view.standing, view.terms.contract().rpo_s), (Standing::Active, 14_400));
}

#[test]
fn a_run_whose_row_was_pushed_out_is_remembered_by_its_period() {
    let mut world = World::installed();
    start(&mut world, 1, plan(1, 5, 3));
    world.done(failed(1));
    let by_hand = RunPlan { cause: RunCause::Manual, ..plan(1, 0, 1) };
    for run in 2..70 {
        world.done(QueueRun { run: run_id(run), plan: by_hand });
        world.done(FinishRun { run: run_id(run), outcome: RunOutcome::Abandoned });
    }
    assert_eq!(query::run(world.machine.rows(), &run_id(1)).unwrap(), None);
    let last = view(&world, 1).last_run.expect("it is no source that was never run");
    assert_eq!((last.period, last.attempt), (Period(5), 3));
    assert!(matches!(last.state, Ended::Failed { .. }));
}

#[test]
fn terms_are_asked_for_until_they_are_those_of_the_contract() {
    let mut world = World::installed();
    world.done(register(2));
    let mut cache = TermsCache::default();
    let first = source_views(world.machine.rows(), &cache, None, 1).unwrap();
    let without = |source, terms_version| {
        [WithoutTerms { source: source_id(source), agent: AgentId([1; 16]), terms_version, running: None }]
    };
    assert_eq!((first.without_terms.as_slice(), first.more_after), (without(1, 0).as_slice(), Some(source_id(1))));
    fill(&world, &mut cache, &first);
    let found = source_views(world.machine.rows(), &cache, None, 10).unwrap();
    assert_eq!((found.sources.len(), found.without_terms.as_slice()), (1, without(2, 0).as_slice()));
    assert_eq!(found.more_after, None);
    world.done(SetContract { source: source_id(1), contract: promise(1, 1, &["de"]) });
    let found = source_views(world.machine.rows(), &cache, None, 1).unwrap();
    assert_eq!((found.sources.len(), found.without_terms), (0, without(1, 1).to_vec()));
}

#[test]
fn the_newest_run_is_told_by_what_became_of_it() {
    let mut world = World::installed();
    world.pass(60_000);
    start(&mut world, 1, plan(1, 5, 1));
    let run = LastRun { period: Period(5), attempt: 1, started: AccruedMs(61_000), state: Ended::Running };
    assert_eq!(view(&world, 1).last_run, Some(run));
    world.pass(60_000);
    world.done(failed(1));
    world.done(QueueRun { run: run_id(2), plan: plan(1, 5, 2) });
    let told = view(&world, 1);
    assert_eq!(told.last_run, Some(LastRun { state: Ended::Failed { ended: AccruedMs(121_000) }, ..run }));
    assert_eq!((told.failures, told.request), (1, None), "a run that waits was not started, and nobody asked for it");
}

#[test]
fn a_run_by_hand_that_waits_is_a_request() {
    let mut world = World::installed();
    world.done(PauseSource { source: source_id(1), is_paused: true });
    world.done(QueueRun { run: run_id(1), plan: RunPlan { cause: RunCause::Manual, ..plan(1, 0, 1) } });
    let view = view(&world, 1);
    assert_eq!((view.standing, view.request), (Standing::Paused, Some(RunRequest { is_forced: false })));
}

#[test]
fn the_newest_snapshot_that_is_protected_and_complete_is_the_success() {
    let mut world = World::installed();
    world.pass(60_000);
    start(&mut world, 1, plan(1, 5, 1));
    world.pass(60_000);
    upload(&mut world, 1, 1);
    world.pass(60_000);
    world.done(receipt(1, 1, 1, &[1, 2]));
    world.done(receipt(1, 1, 2, &[1, 2]));
    world.done(CommitSnapshot { cut_age_ms: 90_000, ..commit(1, 1, 1, 1, packs(&[1], &[])) });
    let success = Some(LastSuccess { cut: AccruedMs(91_000), cut_wall: WallTime(1) });
    assert_eq!(view(&world, 1).last_success, success, "its cut is as old as its agent said");
    world.done(FinishRun { run: run_id(1), outcome: RunOutcome::Succeeded { snapshot: snapshot_id(1, 1) } });
    assert_eq!(view(&world, 1).last_run.unwrap().state, Ended::Succeeded);
    start(&mut world, 2, plan(1, 6, 1));
    upload(&mut world, 2, 2);
    let mut incomplete = commit(1, 2, 2, 2, packs(&[2], &[]));
    incomplete.facts.is_complete = false;
    world.done(incomplete);
    for sequence in 3..10 {
        let added = if sequence == 3 { packs(&[3], &[]) } else { packs(&[], &[]) };
        world.done(commit(1, 2, 2, sequence, added));
    }
    assert_eq!(view(&world, 1).last_success, success, "later ones are incomplete, or wait for copies");
}

#[test]
fn the_planner_starts_what_the_rows_say_is_due() {
    let mut world = World::installed();
    let caps = Caps { runs_max: 4, host_group_runs_max: 1, host_groups: BTreeMap::new() };
    let wall = WallTime(1_700_000_000_000_000);
    let planned = |world: &World| {
        let now = Now { accrued: AccruedMs(world.now_ms), wall };
        plan_runs(now, [view(world, 1)].iter(), &caps).start
    };
    let first = planned(&world);
    assert_eq!(
        first.iter().map(|run| (run.source, run.reason)).collect::<Vec<_>>(),
        [(source_id(1), StartReason::First)]
    );
    start(&mut world, 1, RunPlan { period: first[0].period.0, ..plan(1, 0, first[0].attempt) });
    assert_eq!(planned(&world), []);
    world.done(failed(1));
    world.pass(60_000);
    let again = planned(&world);
    assert_eq!((again[0].period, again[0].attempt, again[0].reason), (first[0].period, 2, StartReason::Retry));
}

#[test]
fn a_run_that_ended_durable_has_failed_until_its_snapshot_is_protected() {
    let mut world = World::installed();
    start(&mut world, 1, plan(1, 5, 1));
    upload(&mut world, 1, 1);
    world.done(commit(1, 1, 1, 1, packs(&[1], &[])));
    world.done(FinishRun { run: run_id(1), outcome: RunOutcome::Succeeded { snapshot: snapshot_id(1, 1) } });
    let ended = AccruedMs(world.now_ms);
    assert_eq!(view(&world, 1).last_run.unwrap().state, Ended::Failed { ended });
    world.done(receipt(1, 1, 1, &[1]));
    world.done(receipt(1, 1, 2, &[1]));
    assert_eq!(view(&world, 1).last_run.unwrap().state, Ended::Succeeded);
}

#[test]
fn a_disabled_source_and_a_forced_run_are_told() {
    let mut world = World::installed();
    world.done(QueueRun { run: run_id(1), plan: RunPlan { cause: RunCause::Forced, ..plan(1, 0, 1) } });
    assert_eq!(view(&world, 1).request, Some(RunRequest { is_forced: true }));
    world.done(DisableSource { source: source_id(1), is_disabled: true });
    assert_eq!(view(&world, 1).standing, Standing::Disabled);
}
