//! Wall clocks that are set, wrong, or out of their minds. Accrued time goes on evenly under all of them.

use serde_json::json;

use super::*;
use crate::schedule::StartReason;

const DAY_MS: i64 = 86_400_000;

/// Every day at two in the morning.
fn nightly() -> Contract {
    contract_with(&json!({"rpo_s": 90_000, "cadence": {"calendar": {"at": ["02:00"]}}}))
}

/// Runs a source for some time, minute by minute, and tells the hours after which it started.
fn starts_within(view: &mut SourceView, from: Now, hours: u64) -> Vec<u64> {
    let minutes = (0..hours * 60).filter(|minute| run_now(view, true, later(from, minute * 60_000)).is_some());
    minutes.map(|minute| minute / 60).collect()
}

#[test]
fn years_ahead_are_one_run_and_a_count() {
    let mut view = served(1, &nightly(), "2027-06-02T02:00:00Z");
    let ahead = jumped(noon(), 3650 * DAY_MS);
    let plan = plan_one(&view, ahead);
    assert_eq!((plan.start.len(), plan.missed[0].count), (1, 3649));
    assert_eq!(plan.start[0].reason, StartReason::CatchUp);
    assert_eq!(starts_within(&mut view, ahead, 72), [0, 14, 38, 62]);
}

#[test]
fn a_clock_that_was_years_ahead_and_is_put_right_stops_no_source() {
    let mut view = served(1, &nightly(), "2027-06-02T02:00:00Z");
    assert!(run_now(&mut view, true, jumped(noon(), 3650 * DAY_MS)).is_some());
    let far = view.last_run.unwrap().period;
    assert_eq!(starts_within(&mut view, noon(), 96), [14, 38, 62, 86]);
    assert_eq!(view.last_run.unwrap().period, Period(far.0 + 4));
}

#[test]
fn a_clock_that_goes_back_over_a_slot_does_not_bring_it_again() {
    for back_minutes in [1, 30, 59, 61, 600, 1439] {
        let mut view = served(1, &nightly(), "2027-06-01T02:00:00Z");
        let two = jumped(noon(), -10 * 3_600_000);
        assert!(run_now(&mut view, true, two).is_some());
        let back = jumped(two, -back_minutes * 60_000);
        let starts = starts_within(&mut view, back, 24 + 24);
        let first = u64::try_from(back_minutes).unwrap().div_ceil(60) + 23;
        assert_eq!(starts.len(), usize::from(first < 48), "{back_minutes}: {starts:?}");
    }
}

#[test]
fn hourly_runs_go_on_hourly_after_a_clock_went_back_by_hours() {
    let mut view = served(1, &contract(), "2027-06-02T11:00:00Z");
    assert!(run_now(&mut view, true, noon()).is_some());
    let starts = starts_within(&mut view, jumped(noon(), -5 * 3_600_000 - 600_000), 12);
    assert!(starts.len() >= 11, "{starts:?}");
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] <= 2), "{starts:?}");
}

#[test]
fn a_slot_that_a_clock_went_back_before_waits_for_half_the_cadence() {
    let mut view = served(1, &contract(), "2027-06-02T11:00:00Z");
    assert!(run_now(&mut view, true, noon()).is_some());
    let back = jumped(noon(), -61 * 60_000);
    assert_eq!(start_of(&view, later(back, 2 * 60_000)), None);
    assert_eq!(start_of(&view, later(back, 30 * 60_000 - 1000)), None);
    assert!(start_of(&view, later(back, 30 * 60_000)).is_some());
    let said = crate::schedule::explain(&view, later(back, 2 * 60_000)).next_start;
    assert_eq!(said, Some(later(back, 30 * 60_000).wall));
}

#[test]
fn a_clock_that_swings_by_days_does_not_run_a_source_over_and_over() {
    let mut view = served(1, &nightly(), "2027-06-02T02:00:00Z");
    let mut starts = 0;
    for minute in 0..600 {
        let swing = if minute % 2 == 0 { 3 * DAY_MS } else { -3 * DAY_MS };
        starts += usize::from(run_now(&mut view, true, jumped(later(noon(), minute * 60_000), swing)).is_some());
    }
    assert_eq!(starts, 1);
}

#[test]
fn debt_and_back_off_do_not_look_at_the_wall_clock() {
    let mut view = served(1, &contract(), "2027-06-02T04:00:00Z");
    let debt = |view: &SourceView, now| plan_one(view, now).debts[0].rpo_debt_s;
    assert_eq!(debt(&view, noon()), 4 * 3600);
    for ms in [-3650 * DAY_MS, -DAY_MS, DAY_MS, 3650 * DAY_MS] {
        assert_eq!(debt(&view, jumped(noon(), ms)), 4 * 3600);
    }
    assert!(run_now(&mut view, false, noon()).is_some());
    assert_eq!(start_of(&view, jumped(noon(), 3650 * DAY_MS)), None);
    assert!(start_of(&view, Now { accrued: noon().accrued.after(60_000), ..noon() }).is_some());
}

#[test]
fn no_time_and_no_number_makes_planning_panic() {
    let times = [i64::MIN, -1, 0, 1, i64::MAX / 2, i64::MAX];
    let numbers = [0, 1, u64::MAX / 2, u64::MAX];
    for (wall, accrued) in times.iter().flat_map(|wall| numbers.iter().map(move |accrued| (*wall, *accrued))) {
        let now = Now { accrued: AccruedMs(accrued), wall: WallTime(wall) };
        for (number, contract) in numbers.iter().flat_map(|number| [(*number, contract()), (*number, nightly())]) {
            for state in [RunState::Running, RunState::Succeeded, RunState::Failed { ended: AccruedMs(number) }] {
                let last_run = LastRun { period: Period(number), attempt: u32::MAX, started: AccruedMs(number), state };
                let not_before = Some(AccruedMs(number));
                let view = SourceView { last_run: Some(last_run), not_before, ..fresh(1, &contract) };
                let plan = plan_one(&view, now);
                assert!(plan.start.iter().all(|start| start.period >= last_run.period));
                let _ = crate::schedule::explain(&view, now);
            }
        }
    }
}
