//! Histories of full length, judged in few steps.
//!
//! Bounds are about twice what is measured. A step of a search takes about a microsecond without optimisation.

use super::world::{Dice, Object, PlainList, Shape, record, run, spoil};
use crate::oracle::checker::{Steps, Verdict, check};
use crate::oracle::spec::{AppendList, Claim, Counter, Register, Spec};

const ONE_KEY: Shape = Shape { clients: 10, operations: 2_000, in_flight_max: 6, keys: 1, lost_percent: 0 };
const ONE_KEY_WITH_LOSSES: Shape = Shape { lost_percent: 1, ..ONE_KEY };
const SEEDS: u64 = 5;

/// The most steps that histories of this shape take, all of which are right.
fn steps_max<W, S>(world: &W, spec: &S, shape: Shape) -> u64
where
    W: Object,
    S: Spec<Key = W::Key, Input = W::Input, Output = W::Output>,
{
    let steps = |seed| {
        let history = record::<W>(&run(world, shape, &mut Dice::from_seed(seed)));
        match check(spec, &history, Steps::PER_KEY) {
            Verdict::Linearizable { steps } => steps.0,
            verdict => panic!("seed {seed}: {verdict}"),
        }
    };
    let most = (0..SEEDS).map(steps).max().unwrap();
    println!("{shape:?}: {most} steps");
    most
}

#[test]
fn two_thousand_operations_on_one_register_take_few_steps() {
    assert!(steps_max(&Register, &Register, ONE_KEY) < 40_000);
    assert!(steps_max(&Register, &Register, ONE_KEY_WITH_LOSSES) < 130_000);
}

#[test]
fn two_thousand_operations_on_one_counter_take_few_steps() {
    assert!(steps_max(&Counter, &Counter, ONE_KEY) < 60_000);
    assert!(steps_max(&Counter, &Counter, ONE_KEY_WITH_LOSSES) < 160_000);
}

#[test]
fn two_thousand_operations_on_one_list_take_few_steps() {
    assert!(steps_max(&PlainList, &AppendList, ONE_KEY) < 30_000);
    assert!(steps_max(&PlainList, &AppendList, ONE_KEY_WITH_LOSSES) < 60_000);
}

#[test]
fn two_thousand_claims_on_one_name_take_few_steps() {
    assert!(steps_max(&Claim, &Claim, ONE_KEY) < 5_000);
    assert!(steps_max(&Claim, &Claim, ONE_KEY_WITH_LOSSES) < 5_000);
}

#[test]
fn a_hundred_thousand_operations_under_a_thousand_keys_take_few_steps() {
    let shape = Shape { clients: 10, operations: 100_000, in_flight_max: 6, keys: 1_000, lost_percent: 0 };
    let history = record::<Register>(&run(&Register, shape, &mut Dice::from_seed(0)));
    let verdict = check(&Register, &history, Steps::PER_KEY);
    assert!(matches!(verdict, Verdict::Linearizable { steps } if steps.0 < 200_000), "{verdict}");
}

#[test]
fn a_wrong_answer_in_a_long_history_is_found_and_shrinks() {
    for seed in 0..SEEDS {
        let mut dice = Dice::from_seed(seed);
        let mut reports = run(&Counter, ONE_KEY, &mut dice);
        (0..20).for_each(|_| spoil(&Counter, &mut reports, &mut dice));
        let verdict = check(&Counter, &record::<Counter>(&reports), Steps::PER_KEY);
        let Verdict::Violation { operations, timeline, .. } = verdict else { panic!("seed {seed}: {verdict}") };
        println!("seed {seed}: {operations} operations\n{timeline}");
        assert!(operations < 640, "seed {seed}: {operations} operations\n{timeline}");
    }
}
