//! What a person gets to read of a violation.

use super::{Tale, holds, on, read, write};
use crate::oracle::checker::Verdict;
use crate::oracle::spec::{AppendList, Keyed, ListAction, ListAnswer, ObjectKey, Register, RegisterAnswer, Value};

const WRITTEN: RegisterAnswer = RegisterAnswer::Written;

#[test]
fn a_violation_is_drawn_without_what_has_nothing_to_do_with_it() {
    let mut tale = Tale::of(Register);
    let elsewhere = |input: Keyed<_>| Keyed { key: ObjectKey::new("b"), ..input };
    tale.asks_and_is_told(1, elsewhere(write(9)), WRITTEN);
    tale.asks_and_is_told(1, read(), RegisterAnswer::Holds(None));
    tale.asks_and_is_told(1, write(1), WRITTEN);
    let lost = tale.asks(12, write(2));
    tale.gives_up(lost);
    let slow = tale.asks(1, read());
    tale.asks_and_is_told(3, read(), holds(2));
    tale.is_told(slow, holds(1));
    tale.asks_and_is_told(3, read(), holds(1));
    tale.asks_and_is_told(3, write(3), WRITTEN);
    let drawn = [
        "a: no order explains 4 operations",
        "  client  1  |-|             write 1 (5 to 6 us)",
        "  client 12      |--------?  write 2 (7 us, no answer)",
        "  client  3        |-|       read: 2 (10 to 11 us)",
        "  client  3            |-|   read: 1 (13 to 14 us) <- no order explains this answer",
    ];
    let text = tale.verdict().to_string();
    assert_eq!(text.lines().collect::<Vec<_>>(), drawn, "{text}");
}

#[test]
fn a_drawing_is_bounded() {
    let mut tale = Tale::of(AppendList);
    for value in 0..100 {
        tale.asks_and_is_told(1, on(ListAction::Append(Value(value))), ListAnswer::Appended);
    }
    let values = (0..100).rev().map(Value).collect();
    tale.asks_and_is_told(2, on(ListAction::Read), ListAnswer::Holds(values));
    let Verdict::Violation { operations, timeline, .. } = tale.verdict() else { panic!("the list is backwards") };
    assert_eq!(operations, 101);
    assert_eq!(timeline.lines().count(), 31, "{timeline}");
    assert!(timeline.starts_with("  71 earlier operations are not shown\n"), "{timeline}");
    assert!(timeline.lines().all(|line| line.len() < 320), "{timeline}");
}
