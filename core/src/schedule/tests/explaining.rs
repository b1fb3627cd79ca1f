//! What is explained is what then happens.

use proptest::prelude::*;
use serde_json::json;

use super::world::Dice;
use super::*;
use crate::schedule::{Because, Refusal, RunRequest, explain};

#[test]
fn each_state_has_its_reason() {
    let night = json!({"rpo_s": 90_000, "windows": [{"from": "20:00", "to": "10:00"}]});
    let mut view = served(1, &contract_with(&night), "2027-06-02T11:00:00Z");
    let because = |view: &SourceView| explain(view, noon()).because;
    assert_eq!(because(&view), Because::OutsideWindows);
    let evening = WallTime(second("2027-06-02T20:00:00Z") * 1_000_000);
    assert_eq!(explain(&view, noon()).next_start, Some(evening));
    view.request = Some(RunRequest { is_forced: false });
    assert!(matches!(because(&view), Because::Ready(_)));
    assert_eq!(explain(&view, noon()).next_start, Some(noon().wall));
    view.standing = Standing::Disabled;
    assert_eq!(because(&view), Because::Refused(Refusal::Disabled));
    view.request = None;
    assert_eq!(because(&view), Because::Disabled);
    view.standing = Standing::Paused;
    assert_eq!((because(&view), explain(&view, noon()).next_start), (Because::Paused, None));
    let mut view = served(1, &contract(), "2027-06-02T12:00:00Z");
    assert_eq!(because(&view), Because::NotDue);
    let blackout = json!({"blackouts": [{"weekly": {"from": "12:00", "to": "13:00"}}]});
    assert_eq!(because(&served(1, &contract_with(&blackout), "2027-06-02T11:00:00Z")), Because::Blackout);
    view.last_run.as_mut().unwrap().state = RunState::Failed { ended: noon().accrued };
    assert_eq!(because(&view), Because::BackOff);
    view.last_run.as_mut().unwrap().state = RunState::Running;
    assert_eq!(because(&view), Because::Running);
    let late = explain(&served(1, &contract(), "2027-06-02T02:00:00Z"), noon());
    assert_eq!((late.missed_count, late.debt.unwrap().rpo_debt_s), (9, 6 * 3600));
}

#[test]
fn reasons_are_sentences() {
    let refused = Because::Refused(Refusal::AlreadyRunning).to_string();
    assert_eq!(refused, "refused: a run of the source is under way; ask again when it has ended");
    assert_eq!(Because::OutsideWindows.to_string(), "it is due, and no window is open");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_source_starts_when_it_was_said_to(seed: u64) {
        let mut dice = Dice::new(seed);
        let mut view = dice.view(1);
        let now = later(noon(), dice.below(14 * 24 * HOUR_MS));
        if dice.below(4) > 0 {
            let ago_ms = dice.below(80 * HOUR_MS);
            let started = AccruedMs(now.accrued.0 - ago_ms);
            let ended = started.after(dice.below(ago_ms + 1));
            let state = if dice.below(2) == 0 { RunState::Succeeded } else { RunState::Failed { ended } };
            let minute = (now.wall.0 / 1000 - i64::try_from(ago_ms).unwrap()).div_euclid(60_000);
            let attempt = 1 + u32::try_from(dice.below(4)).unwrap();
            let period = Period(u64::try_from(minute).unwrap());
            view.last_run = Some(LastRun { period, attempt, started, state });
        }
        let said = explain(&view, now).next_start.unwrap();
        let wait_ms = u64::try_from((said.0 - now.wall.0).max(0)).unwrap().div_ceil(1000);
        for at_ms in (0..wait_ms).step_by(61_000).filter(|at_ms| at_ms + 1000 < wait_ms).chain(wait_ms.checked_sub(1001)) {
            prop_assert_eq!(start_of(&view, later(now, at_ms)), None, "{} ms before {} ms", wait_ms - at_ms, wait_ms);
        }
        prop_assert!(start_of(&view, later(now, wait_ms)).is_some(), "after {wait_ms} ms");
    }
}
