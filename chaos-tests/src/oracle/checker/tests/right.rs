//! Histories that look wrong, and that a correct object can have.

use super::{Tale, add, append, claim, holds, list, on, read, set, write};
use crate::oracle::spec::{
    AppendList, Claim, ClaimAction, ClaimAnswer, Claimant, Counter, CounterAction, CounterAnswer, Keyed, ListAction,
    ListAnswer, ObjectKey, Register, RegisterAnswer,
};

const WRITTEN: RegisterAnswer = RegisterAnswer::Written;

#[test]
fn nothing_at_all_is_right() {
    Tale::of(Register).must_be_right();
}

#[test]
fn a_lost_write_may_take_effect_late() {
    let mut tale = Tale::of(Register);
    let lost = tale.asks(1, write(1));
    tale.gives_up(lost);
    tale.asks_and_is_told(1, write(2), WRITTEN);
    tale.asks_and_is_told(2, read(), holds(2));
    tale.asks_and_is_told(2, read(), holds(1));
    tale.must_be_right();
}

#[test]
fn a_lost_write_may_never_take_effect() {
    let mut tale = Tale::of(Register);
    tale.asks_and_is_told(1, write(1), WRITTEN);
    let lost = tale.asks(1, write(2));
    tale.gives_up(lost);
    tale.asks_and_is_told(2, read(), holds(1));
    tale.must_be_right();
}

#[test]
fn equal_lost_writes_may_take_effect_one_after_another() {
    let mut tale = Tale::of(Register);
    for client in 1..=2 {
        let lost = tale.asks(client, write(1));
        tale.gives_up(lost);
    }
    tale.asks_and_is_told(3, read(), holds(1));
    tale.asks_and_is_told(3, write(2), WRITTEN);
    tale.asks_and_is_told(3, read(), holds(1));
    tale.must_be_right();
}

#[test]
fn overlapping_reads_may_see_old_and_new() {
    let mut tale = Tale::of(Register);
    tale.asks_and_is_told(1, write(1), WRITTEN);
    let slow = tale.asks(1, write(2));
    let (one, other) = (tale.asks(2, read()), tale.asks(3, read()));
    tale.is_told(one, holds(2));
    tale.is_told(other, holds(1));
    tale.is_told(slow, WRITTEN);
    tale.must_be_right();
}

#[test]
fn a_write_may_be_seen_before_its_answer() {
    let mut tale = Tale::of(Register);
    let slow = tale.asks(1, write(1));
    tale.asks_and_is_told(2, read(), holds(1));
    tale.is_told(slow, WRITTEN);
    tale.must_be_right();
}

#[test]
fn overlapping_writes_may_take_effect_against_the_order_of_their_answers() {
    let mut tale = Tale::of(Register);
    let (first, second) = (tale.asks(1, write(1)), tale.asks(2, write(2)));
    tale.is_told(first, WRITTEN);
    tale.is_told(second, WRITTEN);
    tale.asks_and_is_told(3, read(), holds(1));
    tale.must_be_right();
}

#[test]
fn a_comparison_may_succeed_on_a_lost_write() {
    let mut tale = Tale::of(Register);
    let lost = tale.asks(1, write(1));
    tale.gives_up(lost);
    tale.asks_and_is_told(2, set(1, 2), RegisterAnswer::Set);
    tale.asks_and_is_told(2, set(1, 3), RegisterAnswer::Differs);
    tale.must_be_right();
}

#[test]
fn a_lost_comparison_may_have_succeeded_or_failed() {
    for seen in [1, 2] {
        let mut tale = Tale::of(Register);
        tale.asks_and_is_told(1, write(1), WRITTEN);
        let lost = tale.asks(1, set(1, 2));
        tale.gives_up(lost);
        tale.asks_and_is_told(2, read(), holds(seen));
        tale.must_be_right();
    }
}

#[test]
fn a_lost_addition_may_count_between_two_reads() {
    let mut tale = Tale::of(Counter);
    let lost = tale.asks(1, add(5));
    tale.gives_up(lost);
    tale.asks_and_is_told(2, on(CounterAction::Read), CounterAnswer::Sum(0));
    tale.asks_and_is_told(2, on(CounterAction::Read), CounterAnswer::Sum(5));
    tale.must_be_right();
}

#[test]
fn appends_in_flight_may_take_either_order() {
    for order in [[1, 2], [2, 1]] {
        let mut tale = Tale::of(AppendList);
        let (first, second) = (tale.asks(1, append(1)), tale.asks(2, append(2)));
        tale.is_told(first, ListAnswer::Appended);
        tale.is_told(second, ListAnswer::Appended);
        tale.asks_and_is_told(3, on(ListAction::Read), list(&order));
        tale.must_be_right();
    }
}

#[test]
fn a_lost_claim_may_have_won() {
    let mut tale = Tale::of(Claim);
    let lost = tale.asks(1, claim(1));
    tale.gives_up(lost);
    tale.asks_and_is_told(2, on(ClaimAction::ReadOwner), ClaimAnswer::Owner(None));
    tale.asks_and_is_told(2, claim(2), ClaimAnswer::Taken(Claimant(1)));
    tale.must_be_right();
}

#[test]
fn keys_do_not_know_each_other() {
    let mut tale = Tale::of(Register);
    tale.asks_and_is_told(1, write(1), WRITTEN);
    tale.asks_and_is_told(1, Keyed { key: ObjectKey::new("b"), ..read() }, RegisterAnswer::Holds(None));
    tale.must_be_right();
}
