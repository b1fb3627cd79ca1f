//! The checker against the naive one, on small histories by the thousand.

use super::naive;
use super::world::{Coin, Dice, Object, PlainList, Shape, record, run, spoil};
use crate::oracle::checker::call::Call;
use crate::oracle::checker::shrink::shrink;
use crate::oracle::checker::{Steps, Verdict, check, parts};
use crate::oracle::spec::{AppendList, Claim, Counter, Register, Spec};
use crate::oracle::{Operation, Outcome};

type OperationOf<S> = Operation<<S as Spec>::Input, <S as Spec>::Output>;

const SEEDS: u64 = 1_500;

/// A world that the naive checker can bear.
fn small_shape(dice: &mut Dice) -> Shape {
    Shape {
        clients: 2 + dice.index(3),
        operations: 2 + dice.index(5),
        in_flight_max: 4,
        keys: 1 + dice.index(2),
        lost_percent: dice.below(40),
    }
}

/// Compares verdicts on histories of a world, as they are and spoilt; both verdicts have to be common among the spoilt ones.
fn agrees_with_the_naive_one<W, S>(world: &W, spec: &S)
where
    W: Object,
    S: Spec<Key = W::Key, Input = W::Input, Output = W::Output>,
{
    let (mut right, mut wrong) = (0_u64, 0_u64);
    for seed in 0..SEEDS {
        let mut dice = Dice::from_seed(seed);
        let mut reports = run(world, small_shape(&mut dice), &mut dice);
        let verdict = check(spec, &record::<W>(&reports), Steps::PER_KEY);
        assert!(verdict.is_linearizable(), "seed {seed}: {verdict}");
        for spoilt in 1..=3 {
            spoil(world, &mut reports, &mut dice);
            let history = record::<W>(&reports);
            let verdict = check(spec, &history, Steps::PER_KEY);
            let is_right = naive::is_linearizable(world, history.operations());
            let is_agreed = match &verdict {
                Verdict::Linearizable { .. } => is_right,
                Verdict::Violation { key, .. } => {
                    let least = shrunk(spec, key, history.operations());
                    assert!(!naive::is_linearizable(world, &least), "seed {seed}: shrunk until right, {verdict}");
                    !is_right
                }
                Verdict::Unknown { .. } => false,
            };
            assert!(is_agreed, "seed {seed}, spoilt {spoilt} times: naive says {is_right}, but {verdict}");
            if is_right { right += 1 } else { wrong += 1 }
        }
    }
    println!("seeds 0 to {}: {right} right, {wrong} wrong", SEEDS - 1);
    assert!(right > SEEDS / 2 && wrong > SEEDS / 4, "{right} right, {wrong} wrong");
}

/// The operations that are left of a wrong history, as they stood at its end.
fn shrunk<S>(spec: &S, key: &S::Key, operations: &[OperationOf<S>]) -> Vec<OperationOf<S>>
where
    S: Spec<Input: Clone, Output: Clone>,
{
    let calls = parts(spec, operations).remove(key).unwrap();
    let least = shrink(spec, key, calls, Steps::PER_KEY.0);
    let as_left = |call: &Call<'_, S::Input, S::Output>| Operation {
        outcome: if call.answer.is_some() { call.operation.outcome.clone() } else { Outcome::Indeterminate },
        ..call.operation.clone()
    };
    least.iter().map(as_left).collect()
}

#[test]
fn registers_are_judged_like_the_naive_checker_does() {
    agrees_with_the_naive_one(&Register, &Register);
}

#[test]
fn counters_are_judged_like_the_naive_checker_does() {
    agrees_with_the_naive_one(&Counter, &Counter);
}

#[test]
fn lists_are_judged_like_the_naive_checker_does() {
    agrees_with_the_naive_one(&PlainList, &AppendList);
}

#[test]
fn claims_are_judged_like_the_naive_checker_does() {
    agrees_with_the_naive_one(&Claim, &Claim);
}

#[test]
fn lost_operations_with_several_outcomes_are_judged_like_the_naive_checker_does() {
    agrees_with_the_naive_one(&Coin, &Coin);
}
