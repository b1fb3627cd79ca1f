//! Weeks of everything at once: failures, outages, clocks that are set, people who ask and pause. Then all heals, and
//! every source must come back within its promise.

use proptest::prelude::*;
use serde_json::json;

use super::world::{Dice, Fortune, World};
use super::*;
use crate::schedule::{RunRequest, STARVING_MS};

const STEP_MS: u64 = 3 * 60_000;
const DAY_MS: u64 = 24 * HOUR_MS;

fn world(seed: u64) -> World {
    let mut dice = Dice::new(seed);
    let count = 2 + u8::try_from(dice.below(5)).unwrap();
    let views = (1..=count).map(|id| dice.view(id)).collect();
    let runs_max = 1 + u32::try_from(dice.below(3)).unwrap();
    World::new(dice.below(u64::MAX), views, caps(runs_max, 1 + u32::try_from(dice.below(2)).unwrap()))
}

/// Something goes wrong, or somebody does something.
fn disturb(world: &mut World) {
    let dice = &mut world.dice;
    match dice.below(400) {
        0 => world.now = jumped(world.now, dice.below(7_200_000).cast_signed() - 3_600_000),
        1 => world.now = jumped(world.now, dice.below(4 * DAY_MS).cast_signed() - 2 * DAY_MS.cast_signed()),
        2 if dice.is_one_in(8) => world.now = jumped(world.now, 700 * DAY_MS.cast_signed()),
        3 if dice.is_one_in(8) => world.now = jumped(world.now, -700 * DAY_MS.cast_signed()),
        4 => {
            let outage = dice.below(20 * HOUR_MS);
            world.pass(outage);
        }
        5 => world.now = jumped(world.now, dice.below(6 * HOUR_MS).cast_signed()),
        6..14 => {
            let (at, is_forced) = (dice.below(world.views.len() as u64), dice.is_one_in(3));
            world.views[usize::try_from(at).unwrap()].request = Some(RunRequest { is_forced });
        }
        14 => {
            let at = usize::try_from(dice.below(world.views.len() as u64)).unwrap();
            let is_active = world.views[at].standing == Standing::Active;
            world.views[at].standing = if is_active { Standing::Paused } else { Standing::Active };
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_rules_hold_whatever_happens_and_debts_are_paid_when_all_heals(seed: u64) {
        let mut world = world(seed);
        world.fortune = Fortune { failure_one_in: 3, run_minutes_max: 150 };
        for _ in 0..7 * 480 {
            world.pass(STEP_MS);
            disturb(&mut world);
            world.plan();
        }
        world.fortune = Fortune { failure_one_in: 0, run_minutes_max: 20 };
        for view in &mut world.views {
            view.standing = Standing::Active;
            view.request = None;
        }
        let healed = world.now.accrued;
        let patience_ms = |view: &SourceView| 2 * view.terms.rpo_ms() + 3 * DAY_MS;
        let mut owing: Vec<SourceView> = world.views.clone();
        while !owing.is_empty() {
            world.pass(STEP_MS);
            world.plan();
            let after = plan(world.now, world.views.iter(), &world.caps);
            owing.retain(|view| after.debts.iter().any(|debt| debt.source == view.source));
            for view in &owing {
                prop_assert!(world.now.accrued.since(healed) < patience_ms(view), "{} owes for ever", view.source);
            }
        }
    }

    #[test]
    fn no_source_starves_however_much_the_others_owe(seed: u64) {
        let greedy = |dice: &mut Dice| contract_with(&json!({
            "rpo_s": 60, "cadence": {"every": {"minutes": 1}}, "priority": dice.below(101),
            "retries": {"attempts_max": 20, "backoff_base_s": 10, "backoff_max_s": 10}
        }));
        let modest = contract_with(&json!({"rpo_s": 90_000, "cadence": {"every": {"minutes": 1440}}, "priority": 0}));
        let mut dice = Dice::new(seed);
        let mut views: Vec<SourceView> = (1..=6).map(|id| fresh(id, &greedy(&mut dice))).collect();
        views.extend((7..=9).map(|id| fresh(id, &modest)));
        for view in &mut views {
            view.registered = noon().accrued;
        }
        let bounds: Vec<u64> = views
            .iter()
            .map(|view| view.terms.rpo_ms() + STARVING_MS + 10 * 45 * 60_000)
            .collect();
        let mut world = World::new(seed, views, caps(1, 1));
        world.fortune = Fortune { failure_one_in: 1 + seed % 3, run_minutes_max: 45 };
        for _ in 0..9 * 480 {
            world.pass(STEP_MS);
            world.plan();
        }
        for (view, bound) in world.views.iter().zip(bounds) {
            let starts = world.starts.get(&view.source).cloned().unwrap_or_default();
            let times = [&[noon().accrued], starts.as_slice(), &[world.now.accrued]].concat();
            let longest = times.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap();
            prop_assert!(longest <= bound, "{} waited {} hours", view.source, longest / HOUR_MS);
        }
    }
}

#[test]
fn a_simulation_follows_from_its_seed() {
    let run = || {
        let mut world = world(7);
        world.fortune = Fortune { failure_one_in: 3, run_minutes_max: 150 };
        let mut plans = Vec::new();
        for _ in 0..480 {
            world.pass(STEP_MS);
            disturb(&mut world);
            plans.push(world.plan());
        }
        plans
    };
    let plans = run();
    assert_eq!(plans, run());
    assert!(plans.iter().any(|plan| !plan.start.is_empty()));
}
