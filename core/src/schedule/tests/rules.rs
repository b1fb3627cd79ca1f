//! One rule a test, on clocks that go evenly.

use serde_json::json;

use super::*;
use crate::schedule::{
    Debt, Missed, Overrun, QueueReason, Queued, Refusal, RunRequest, STARVING_MS, StartReason, WAKE_MS_MAX, backoff_ms,
};

#[test]
fn a_source_that_was_never_run_starts_at_once_and_owes_since_it_was_registered() {
    let view = fresh(1, &contract());
    let plan = plan_one(&view, noon());
    assert_eq!(plan.start.len(), 1);
    assert_eq!((plan.start[0].reason, plan.start[0].attempt), (StartReason::First, 1));
    let debt =
        Debt { source: view.source, rpo_debt_s: 500 * 3600 - 14_400, rpo_s: 14_400, failures: 0, is_unprotected: true };
    assert_eq!(plan.debts, [debt]);
}

#[test]
fn a_source_runs_when_its_slot_comes_and_not_before() {
    let view = served(1, &contract(), "2027-06-02T11:00:00Z");
    let before = jumped(noon(), -1);
    assert_eq!(start_of(&view, before), None);
    assert_eq!(plan_one(&view, before).next_wake_ms, 1);
    let start = start_of(&view, noon()).unwrap();
    assert_eq!((start.period, start.reason), (period("2027-06-02T12:00:00Z"), StartReason::Slot));
    assert_eq!(start.due, noon().wall);
    let served = served(1, &contract(), "2027-06-02T12:00:00Z");
    assert_eq!(start_of(&served, later(noon(), HOUR_MS - 1)), None);
    assert_eq!(plan_one(&served, noon()).next_wake_ms, WAKE_MS_MAX);
}

#[test]
fn after_downtime_there_is_one_run_and_a_count_of_the_missed() {
    let mut view = served(1, &contract(), "2027-06-02T02:00:00Z");
    let plan = plan_one(&view, noon());
    assert_eq!(plan.start[0].reason, StartReason::CatchUp);
    let (first, latest) = (period("2027-06-02T03:00:00Z"), period("2027-06-02T11:00:00Z"));
    assert_eq!(plan.missed, [Missed { source: view.source, first, latest, count: 9 }]);
    assert!(run_now(&mut view, true, noon()).is_some());
    let after = plan_one(&view, later(noon(), 60_000));
    assert!(after.start.is_empty() && after.missed.is_empty() && after.debts.is_empty());
}

#[test]
fn a_period_is_attempted_so_often_and_the_next_starts_fresh() {
    let contract = contract_with(&json!({"retries": {"attempts_max": 3, "backoff_base_s": 60, "backoff_max_s": 100}}));
    let mut view = served(1, &contract, "2027-06-02T11:00:00Z");
    let mut starts = Vec::new();
    for minute in 0..90 {
        let now = later(noon(), minute * 60_000);
        starts.extend(run_now(&mut view, false, now).map(|start| (minute, start.attempt, start.reason)));
    }
    let of_noon: Vec<_> = starts.iter().filter(|(minute, _, _)| *minute < 60).collect();
    assert_eq!(of_noon.len(), 3);
    assert!(of_noon.iter().map(|(_, attempt, _)| *attempt).eq(1..=3));
    let next = starts.iter().find(|(minute, _, _)| *minute >= 60).unwrap();
    assert_eq!(*next, (60, 1, StartReason::Slot));
}

#[test]
fn back_off_doubles_up_to_its_cap_and_is_never_less_than_half() {
    let retries = json!({"retries": {"attempts_max": 20, "backoff_base_s": 10, "backoff_max_s": 100}});
    let view = fresh(1, &contract_with(&retries));
    for attempt in 1..=20 {
        let whole_ms = (10_000 << (attempt - 1)).min(100_000);
        let ms = backoff_ms(&view.terms, view.source, Period(7), attempt);
        assert!((whole_ms / 2..=whole_ms).contains(&ms), "{attempt}: {ms}");
        assert_eq!(ms, backoff_ms(&view.terms, view.source, Period(7), attempt));
    }
    let _ = backoff_ms(&view.terms, view.source, Period(u64::MAX), u32::MAX);
}

#[test]
fn a_failure_just_before_a_slot_holds_the_slot_back_too() {
    let mut view = served(1, &contract(), "2027-06-02T10:00:00Z");
    assert!(run_now(&mut view, false, jumped(noon(), -1000)).is_some());
    let soon = Now { accrued: noon().accrued.after(1000), ..noon() };
    assert_eq!(start_of(&view, soon), None);
    let start = start_of(&view, later(soon, 60_000)).unwrap();
    assert_eq!((start.period, start.attempt), (period("2027-06-02T12:00:00Z"), 1));
}

#[test]
fn what_the_catalogue_holds_back_stays_back() {
    let mut view = served(1, &contract(), "2027-06-02T11:00:00Z");
    view.not_before = Some(noon().accrued.after(5000));
    let plan = plan_one(&view, noon());
    assert!(plan.start.is_empty());
    assert_eq!(plan.next_wake_ms, 5000);
    assert!(start_of(&view, later(noon(), 5000)).is_some());
}

#[test]
fn jitter_spreads_sources_and_is_the_same_for_everybody() {
    let contract = contract_with(&json!({"jitter_s": 1800}));
    let first_start = |id: u8| {
        let view = served(id, &contract, "2027-06-02T11:00:00Z");
        (0..3600).find(|second| start_of(&view, later(noon(), second * 1000)).is_some()).unwrap()
    };
    let starts: Vec<u64> = (1..=12).map(first_start).collect();
    assert!(starts.iter().all(|start| *start <= 1800));
    assert!(starts.iter().max().unwrap() - starts.iter().min().unwrap() > 600, "{starts:?}");
    assert_eq!(first_start(1), starts[0]);
}

#[test]
fn a_source_that_is_behind_does_not_wait_for_jitter() {
    let contract = contract_with(&json!({"jitter_s": 3599}));
    let view = served(1, &contract, "2027-06-02T10:00:00Z");
    assert!(start_of(&view, noon()).is_some());
}

#[test]
fn windows_and_blackouts_hold_a_run_until_they_let_it() {
    let windows = json!({"rpo_s": 90_000, "windows": [{"from": "14:00", "to": "13:00"}]});
    let view = served(1, &contract_with(&windows), "2027-06-02T11:00:00Z");
    assert!(start_of(&view, noon()).is_some());
    assert_eq!(start_of(&view, later(noon(), HOUR_MS)), None);
    assert!(start_of(&view, later(noon(), 2 * HOUR_MS)).is_some());
    let once = json!({"blackouts": [{"once": {"from": "2027-06-02T12:00:00Z", "until": "2027-06-02T12:30:00Z"}}]});
    let view = served(1, &contract_with(&once), "2027-06-02T11:00:00Z");
    assert_eq!(start_of(&view, noon()), None);
    assert_eq!(start_of(&view, later(noon(), HOUR_MS / 2 - 1)), None);
    assert!(start_of(&view, later(noon(), HOUR_MS / 2)).is_some());
}

#[test]
fn a_run_by_hand_needs_no_slot_and_no_window_but_no_blackout_either() {
    let changes = json!({
        "rpo_s": 90_000,
        "windows": [{"from": "20:00", "to": "10:00"}],
        "blackouts": [{"weekly": {"from": "13:00", "to": "14:00"}}]
    });
    let mut view = served(1, &contract_with(&changes), "2027-06-02T09:00:00Z");
    view.request = Some(RunRequest { is_forced: false });
    let start = start_of(&view, noon()).unwrap();
    assert_eq!((start.reason, start.period), (StartReason::Manual, period("2027-06-02T12:00:00Z")));
    let one = later(noon(), HOUR_MS);
    let until = Some(WallTime(second("2027-06-02T14:00:00Z") * 1_000_000));
    assert_eq!(plan_one(&view, one).refused[0].refusal, Refusal::Blackout { until });
    view.request = Some(RunRequest { is_forced: true });
    assert!(start_of(&view, one).is_some());
    view.standing = Standing::Paused;
    assert!(start_of(&view, one).is_some());
    view.standing = Standing::Disabled;
    assert_eq!(plan_one(&view, one).refused[0].refusal, Refusal::Disabled);
    view.standing = Standing::Active;
    begin(&mut view, start, noon());
    view.request = Some(RunRequest { is_forced: true });
    let plan = plan_one(&view, one);
    assert_eq!(plan.refused[0].refusal, Refusal::AlreadyRunning);
    assert!(plan.start.is_empty());
}

#[test]
fn two_runs_by_hand_in_one_minute_have_two_periods() {
    let mut view = served(1, &contract(), "2027-06-02T12:00:00Z");
    let mut periods = Vec::new();
    for _ in 0..3 {
        view.request = Some(RunRequest { is_forced: false });
        periods.push(run_now(&mut view, true, noon()).unwrap().period);
    }
    assert!(periods.is_sorted_by(|a, b| a < b));
    assert!(start_of(&view, later(noon(), HOUR_MS)).is_some());
}

#[test]
fn paused_and_disabled_sources_wait_and_only_the_paused_owe() {
    let mut view = served(1, &contract(), "2027-06-01T12:00:00Z");
    view.standing = Standing::Paused;
    let plan = plan_one(&view, noon());
    assert!(plan.start.is_empty() && plan.missed.is_empty());
    assert_eq!(plan.debts[0].rpo_debt_s, 20 * 3600);
    view.standing = Standing::Disabled;
    assert!(plan_one(&view, noon()).debts.is_empty());
}

#[test]
fn caps_bind_by_cluster_and_by_host_group_and_force_goes_before_both() {
    let mut views: Vec<SourceView> = (1..=4).map(|id| served(id, &contract(), "2027-06-02T11:00:00Z")).collect();
    views[3].host_group = HostGroup([1; 16]);
    let planned = plan(noon(), views.iter(), &caps(9, 1));
    let started: Vec<SourceId> = planned.start.iter().map(|start| start.source).collect();
    assert_eq!(started, [views[0].source, views[3].source]);
    let queued = |at: usize, position, because| Queued { source: views[at].source, position, because };
    let full = QueueReason::HostGroupFull;
    assert_eq!(planned.queue, [queued(1, 1, full), queued(2, 2, full)]);
    let planned = plan(noon(), views.iter(), &caps(1, 9));
    assert_eq!(planned.start.len(), 1);
    assert!(planned.queue.iter().all(|queued| queued.because == QueueReason::ClusterFull));
    let mut more = caps(9, 0);
    more.host_groups.insert(HostGroup([0; 16]), 2);
    assert_eq!(plan(noon(), views.iter(), &more).start.len(), 2);
    views[2].request = Some(RunRequest { is_forced: true });
    let planned = plan(noon(), views.iter(), &caps(0, 0));
    assert_eq!((planned.start.len(), planned.start[0].source), (1, views[2].source));
}

/// The order in which sources are let in.
fn order(views: &[SourceView]) -> Vec<u8> {
    let planned = plan(noon(), views.iter().rev(), &caps(9, 9));
    planned.start.iter().map(|start| start.source.0[0]).collect()
}

#[test]
fn the_highest_debt_in_proportion_goes_first_then_priority_then_the_longest_wait() {
    let short = contract_with(&json!({"rpo_s": 3600}));
    let long = contract_with(&json!({"rpo_s": 36_000}));
    let high = contract_with(&json!({"priority": 90}));
    let views = [
        served(1, &contract(), "2027-06-02T11:00:00Z"),
        served(2, &contract(), "2027-06-02T11:00:00Z"),
        served(3, &contract(), "2027-06-02T10:00:00Z"),
        served(4, &high, "2027-06-02T11:00:00Z"),
        served(5, &long, "2027-06-02T00:00:00Z"),
        served(6, &short, "2027-06-02T10:00:00Z"),
    ];
    assert_eq!(order(&views), [6, 5, 4, 3, 1, 2]);
}

#[test]
fn a_source_that_only_fails_does_not_go_before_those_that_can_succeed() {
    let failing = |id: u8| {
        let mut view = served(id, &contract(), "2027-06-02T10:00:00Z");
        view.last_success = None;
        let run = view.last_run.as_mut().unwrap();
        run.state = RunState::Failed { ended: run.started.after(60_000) };
        view
    };
    assert_eq!(order(&[failing(1), served(2, &contract(), "2027-06-02T04:00:00Z")]), [2, 1]);
    let planned = plan(noon(), [failing(1)].iter(), &caps(9, 9));
    assert_eq!(planned.debts[0].rpo_debt_s, 500 * 3600 - 14_400);
}

#[test]
fn a_starving_source_goes_before_everything() {
    let patient = contract_with(&json!({"rpo_s": 600_000, "priority": 0}));
    let mut starving = served(1, &patient, "2027-06-02T12:00:00Z");
    let run = starving.last_run.as_mut().unwrap();
    run.started = AccruedMs(noon().accrued.0 - 600_000_000 - STARVING_MS - 1);
    run.period = Period(1);
    let mut asked = served(2, &contract(), "2027-06-02T11:00:00Z");
    asked.request = Some(RunRequest { is_forced: false });
    let indebted = served(3, &contract(), "2027-06-01T20:00:00Z");
    assert_eq!(order(&[indebted, asked, starving]), [1, 2, 3]);
}

#[test]
fn a_run_that_takes_too_long_is_told_and_left_alone() {
    let contract = contract_with(&json!({"run_minutes_max": 30}));
    let mut view = served(1, &contract, "2027-06-02T11:00:00Z");
    let start = start_of(&view, noon()).unwrap();
    begin(&mut view, start, noon());
    let plan = plan_one(&view, later(noon(), 30 * 60_000 - 500));
    assert!(plan.overruns.is_empty());
    assert_eq!(plan.next_wake_ms, 501);
    let plan = plan_one(&view, later(noon(), 45 * 60_000));
    let overrun = Overrun { source: view.source, period: start.period, attempt: 1, over_s: 15 * 60 };
    assert_eq!(plan.overruns, [overrun]);
    assert!(plan.start.is_empty());
}

#[test]
fn debts_are_listed_by_their_share_of_the_promise() {
    let long = contract_with(&json!({"rpo_s": 86_400}));
    let views = [
        served(1, &long, "2027-05-31T12:00:00Z"),
        served(2, &contract(), "2027-06-02T04:00:00Z"),
        served(3, &contract(), "2027-06-02T02:00:00Z"),
        served(4, &contract(), "2027-06-02T08:00:00Z"),
    ];
    let debts = plan(noon(), views.iter(), &caps(0, 0)).debts;
    let listed: Vec<(u8, u64)> = debts.iter().map(|debt| (debt.source.0[0], debt.rpo_debt_s)).collect();
    assert_eq!(listed, [(3, 6 * 3600), (1, 86_400), (2, 4 * 3600)]);
}

#[test]
fn of_two_views_of_one_source_only_one_starts() {
    let view = fresh(1, &contract());
    assert_eq!(plan(noon(), [&view, &view].into_iter(), &caps(9, 9)).start.len(), 1);
}
