//! Histories that no correct object can have: each is what a known kind of bug looks like from outside.

use super::{Tale, add, append, claim, holds, list, on, read, set, write};
use crate::oracle::checker::{Steps, Verdict, check};
use crate::oracle::spec::{
    AppendList, Claim, ClaimAction, ClaimAnswer, Claimant, Counter, CounterAction, CounterAnswer, Keyed, ListAction,
    ListAnswer, ObjectKey, Register, RegisterAnswer,
};

const WRITTEN: RegisterAnswer = RegisterAnswer::Written;

#[test]
fn a_stale_read_is_found() {
    let mut tale = Tale::of(Register);
    tale.asks_and_is_told(1, write(1), WRITTEN);
    tale.asks_and_is_told(1, write(2), WRITTEN);
    tale.asks_and_is_told(2, read(), holds(1));
    tale.must_be_wrong(3);
}

#[test]
fn a_read_that_misses_a_finished_write_is_found() {
    let mut tale = Tale::of(Register);
    tale.asks_and_is_told(1, write(1), WRITTEN);
    tale.asks_and_is_told(2, read(), RegisterAnswer::Holds(None));
    tale.must_be_wrong(2);
}

#[test]
fn a_lost_update_is_found() {
    let mut tale = Tale::of(AppendList);
    let (first, second) = (tale.asks(1, append(1)), tale.asks(2, append(2)));
    tale.is_told(first, ListAnswer::Appended);
    tale.is_told(second, ListAnswer::Appended);
    tale.asks_and_is_told(3, on(ListAction::Read), list(&[2]));
    tale.must_be_wrong(3);
}

#[test]
fn a_duplicate_apply_is_found() {
    let mut tale = Tale::of(AppendList);
    tale.asks_and_is_told(1, append(1), ListAnswer::Appended);
    tale.asks_and_is_told(2, on(ListAction::Read), list(&[1, 1]));
    tale.must_be_wrong(2);
}

#[test]
fn an_addition_that_counts_twice_is_found() {
    let mut tale = Tale::of(Counter);
    let retried = tale.asks(1, add(5));
    tale.gives_up(retried);
    tale.asks_and_is_told(2, on(CounterAction::Read), CounterAnswer::Sum(10));
    tale.must_be_wrong(2);
}

#[test]
fn an_addition_that_does_not_count_is_found() {
    let mut tale = Tale::of(Counter);
    tale.asks_and_is_told(1, add(5), CounterAnswer::Added);
    tale.asks_and_is_told(2, on(CounterAction::Read), CounterAnswer::Sum(0));
    tale.must_be_wrong(2);
}

#[test]
fn a_value_that_was_never_written_is_found() {
    let mut tale = Tale::of(Register);
    tale.asks_and_is_told(1, write(1), WRITTEN);
    tale.asks_and_is_told(2, read(), holds(7));
    tale.must_be_wrong(2);
}

#[test]
fn reads_that_go_back_in_time_are_found() {
    let mut tale = Tale::of(Register);
    tale.asks_and_is_told(1, write(1), WRITTEN);
    let slow = tale.asks(1, write(2));
    tale.asks_and_is_told(2, read(), holds(2));
    tale.asks_and_is_told(3, read(), holds(1));
    tale.is_told(slow, WRITTEN);
    tale.must_be_wrong(4);
}

#[test]
fn a_comparison_that_succeeds_twice_is_found() {
    let mut tale = Tale::of(Register);
    tale.asks_and_is_told(1, write(1), WRITTEN);
    let (first, second) = (tale.asks(1, set(1, 2)), tale.asks(2, set(1, 3)));
    tale.is_told(first, RegisterAnswer::Set);
    tale.is_told(second, RegisterAnswer::Set);
    tale.must_be_wrong(3);
}

#[test]
fn a_comparison_that_fails_without_a_reason_is_found() {
    let mut tale = Tale::of(Register);
    tale.asks_and_is_told(1, write(1), WRITTEN);
    tale.asks_and_is_told(1, set(1, 2), RegisterAnswer::Differs);
    tale.must_be_wrong(2);
}

#[test]
fn two_claims_that_win_are_found() {
    let mut tale = Tale::of(Claim);
    let (first, second) = (tale.asks(1, claim(1)), tale.asks(2, claim(2)));
    tale.is_told(second, ClaimAnswer::Won);
    tale.is_told(first, ClaimAnswer::Won);
    tale.must_be_wrong(2);
}

#[test]
fn an_owner_who_changes_is_found() {
    let mut tale = Tale::of(Claim);
    let _unanswered = tale.asks(1, claim(1));
    let _unanswered = tale.asks(2, claim(2));
    tale.asks_and_is_told(3, on(ClaimAction::ReadOwner), ClaimAnswer::Owner(Some(Claimant(1))));
    tale.asks_and_is_told(3, on(ClaimAction::ReadOwner), ClaimAnswer::Owner(Some(Claimant(2))));
    tale.must_be_wrong(4);
}

#[test]
fn a_claim_that_loses_to_nobody_is_found() {
    let mut tale = Tale::of(Claim);
    tale.asks_and_is_told(1, claim(1), ClaimAnswer::Taken(Claimant(2)));
    tale.must_be_wrong(1);
}

#[test]
fn a_write_that_is_seen_before_its_invocation_is_found() {
    let mut tale = Tale::of(Register);
    tale.asks_and_is_told(2, read(), holds(1));
    tale.asks_and_is_told(1, write(1), WRITTEN);
    // The read alone is wrong: what comes after an answer can't explain it.
    tale.must_be_wrong(1);
}

#[test]
fn a_lost_write_that_is_seen_before_its_invocation_is_found() {
    let mut tale = Tale::of(Register);
    tale.asks_and_is_told(2, read(), holds(1));
    let late = tale.asks(1, write(1));
    tale.gives_up(late);
    tale.must_be_wrong(1);
}

#[test]
fn a_lost_write_that_appears_and_disappears_is_found() {
    let mut tale = Tale::of(Register);
    tale.asks_and_is_told(1, write(1), WRITTEN);
    let lost = tale.asks(1, write(2));
    tale.gives_up(lost);
    tale.asks_and_is_told(2, read(), holds(2));
    tale.asks_and_is_told(2, read(), holds(1));
    tale.must_be_wrong(4);
}

#[test]
fn a_lost_write_that_takes_effect_twice_is_found() {
    let mut tale = Tale::of(Register);
    let lost = tale.asks(1, write(1));
    tale.gives_up(lost);
    tale.asks_and_is_told(2, read(), holds(1));
    tale.asks_and_is_told(2, write(2), WRITTEN);
    tale.asks_and_is_told(2, read(), holds(1));
    tale.must_be_wrong(4);
}

#[test]
fn two_readers_who_see_appends_in_different_orders_are_found() {
    let mut tale = Tale::of(AppendList);
    let _unanswered = tale.asks(1, append(1));
    let _unanswered = tale.asks(2, append(2));
    let (one, other) = (tale.asks(3, on(ListAction::Read)), tale.asks(4, on(ListAction::Read)));
    tale.is_told(one, list(&[1, 2]));
    tale.is_told(other, list(&[2, 1]));
    tale.must_be_wrong(4);
}

#[test]
fn an_answer_of_another_kind_is_found() {
    let mut tale = Tale::of(Register);
    tale.asks_and_is_told(1, read(), WRITTEN);
    tale.must_be_wrong(1);
}

#[test]
fn a_history_that_takes_too_many_steps_is_not_called_right() {
    let mut tale = Tale::of(Register);
    tale.asks_and_is_told(1, write(1), WRITTEN);
    tale.asks_and_is_told(1, write(2), WRITTEN);
    let verdict = check(&Register, &tale.recorder.finish(), Steps(1));
    assert!(matches!(verdict, Verdict::Unknown { steps: Steps(1), .. }), "{verdict}");
    assert!(!verdict.is_linearizable());
}

#[test]
fn a_violation_outweighs_a_key_on_which_the_steps_run_out() {
    let mut tale = Tale::of(Register);
    for value in 0..100 {
        tale.asks_and_is_told(1, write(value), WRITTEN);
    }
    let later = Keyed { key: ObjectKey::new("b"), ..read() };
    tale.asks_and_is_told(1, later, holds(1));
    let verdict = check(&Register, &tale.recorder.finish(), Steps(10));
    assert!(matches!(&verdict, Verdict::Violation { key, .. } if key.to_string() == "b"), "{verdict}");
}

#[test]
fn lost_operations_by_the_dozen_end_within_the_budget() {
    let mut tale = Tale::of(Counter);
    for power in 0..60 {
        let lost = tale.asks(1, add(1 << power));
        tale.gives_up(lost);
    }
    // Sixty different additions have more sums than anybody can try, and none of them is this one.
    tale.asks_and_is_told(2, on(CounterAction::Read), CounterAnswer::Sum(u64::MAX));
    let verdict = check(&Counter, &tale.recorder.finish(), Steps(10_000));
    assert!(matches!(&verdict, Verdict::Unknown { steps, .. } if steps.0 < 20_000), "{verdict}");
}
