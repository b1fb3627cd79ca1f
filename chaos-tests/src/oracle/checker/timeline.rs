//! Draws operations over time.
//!
//! Owns the text that a person reads when a history is wrong: one line an operation, one column an event, plain ASCII,
//! bounded in both directions whatever the history holds.
//!
//! ```text
//!   client 1  |-|             write 1 (0 to 3 us)
//!   client 2      |--------?  write 2 (4 us, no answer)
//!   client 1        |-|       read: 2 (5 to 6 us)
//!   client 1            |-|   read: 1 (7 to 9 us) <- no order explains this answer
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::call::Call;
use crate::oracle::history::Outcome;
use crate::oracle::spec::Spec;

/// Lines at most: what a person compares at a glance, and bars of 120 columns at most.
const LINES_MAX: usize = 30;

/// Characters of one operation's words at most.
const WORDS_CHARS_MAX: usize = 100;

/// Draws the operations, which stand in the order of their invocations; of too many, the last ones.
pub(super) fn draw<S: Spec>(spec: &S, calls: &[Call<'_, S::Input, S::Output>]) -> String {
    let hidden = calls.len().saturating_sub(LINES_MAX);
    let shown = calls.get(hidden..).unwrap_or_default();
    let columns = columns(shown);
    let width = 2 * columns.len();
    let last_answer = shown.iter().filter_map(|call| call.answer).map(|answer| answer.order).max();
    let clients = shown.iter().map(|call| call.operation.client.0.to_string().len()).max().unwrap_or(0);
    let mut text = String::new();
    if hidden > 0 {
        // Writing into a string can't fail.
        let _ = writeln!(text, "  {hidden} earlier operations are not shown");
    }
    for call in shown {
        let words = words(spec, call);
        let order = call.answer.map(|answer| answer.order);
        let mark = if order.is_some() && order == last_answer { " <- no order explains this answer" } else { "" };
        let bar = bar(&columns, call, width);
        let client = call.operation.client.0;
        let _ = writeln!(text, "  client {client:>clients$}  {bar:<width$}  {words}{mark}");
    }
    text
}

/// The column of each event.
fn columns<I, O>(shown: &[Call<'_, I, O>]) -> BTreeMap<usize, usize> {
    let calls = shown.iter().map(Call::invoked);
    let mut orders: Vec<usize> =
        calls.chain(shown.iter().filter_map(|call| call.answer).map(|answer| answer.order)).collect();
    orders.sort_unstable();
    orders.into_iter().enumerate().map(|(at, order)| (order, 2 * at)).collect()
}

fn bar<I, O>(columns: &BTreeMap<usize, usize>, call: &Call<'_, I, O>, width: usize) -> String {
    let start = columns.get(&call.invoked()).copied().unwrap_or(0);
    let answer = call.answer.and_then(|answer| columns.get(&answer.order)).copied();
    let (end, mark) = answer.map_or((width.saturating_sub(1), '?'), |column| (column, '|'));
    let dashes = end.saturating_sub(start).saturating_sub(1);
    format!("{:start$}|{:-<dashes$}{mark}", "", "")
}

fn words<S: Spec>(spec: &S, call: &Call<'_, S::Input, S::Output>) -> String {
    let described = spec.describe(call.input(), call.output());
    let mut words: String = described
        .chars()
        .take(WORDS_CHARS_MAX)
        .map(|letter| if letter == ' ' || letter.is_ascii_graphic() { letter } else { '?' })
        .collect();
    if described.chars().nth(WORDS_CHARS_MAX).is_some() {
        words.push_str("...");
    }
    let from = call.operation.invoked.at.0;
    let _ = match (&call.operation.outcome, call.answer) {
        (Outcome::Answered { when, .. }, Some(_)) => write!(words, " ({from} to {} us)", when.at.0),
        _ => write!(words, " ({from} us, no answer)"),
    };
    words
}
