//! Makes a violation small enough to be read.
//!
//! Owns two ways of leaving something out, neither of which can make a correct history wrong: to cut the end off, for
//! what was answered later is in flight at the cut; and to drop operations that change nothing. A write is never
//! dropped: without it, what was read after it would come from nowhere.
//!
//! Each attempt is a search, and all of them together have a budget of steps. When it is spent, the smallest history
//! that is known to be wrong is the result.

use super::Calls;
use super::call::Call;
use super::search::{Found, search};
use crate::oracle::spec::Spec;

/// Shrinks the operations of one key that no order explains.
pub(super) fn shrink<'a, S: Spec>(spec: &S, key: &S::Key, calls: Calls<'a, S>, steps_max: u64) -> Calls<'a, S> {
    let mut judge = Judge { spec, key, steps_left: steps_max };
    let calls = cut(&mut judge, calls);
    drop_reads(&mut judge, calls)
}

/// Says what is still wrong, as long as there are steps.
struct Judge<'s, S: Spec> {
    spec: &'s S,
    key: &'s S::Key,
    steps_left: u64,
}

impl<S: Spec> Judge<'_, S> {
    fn is_wrong(&mut self, calls: &Calls<'_, S>) -> bool {
        let searched = search(self.spec, self.key, calls, self.steps_left);
        self.steps_left = self.steps_left.saturating_sub(searched.steps);
        searched.found == Found::NoOrder
    }
}

/// Cuts after the first answer that can't be explained. Every longer history is wrong too, so halving finds it.
fn cut<'a, S: Spec>(judge: &mut Judge<'_, S>, calls: Calls<'a, S>) -> Calls<'a, S> {
    let mut answers: Vec<usize> = calls.iter().filter_map(|call| call.answer).map(|answer| answer.order).collect();
    answers.sort_unstable();
    let (mut right, mut wrong) = (0, answers.len());
    let mut least = calls;
    while right + 1 < wrong {
        let middle = usize::midpoint(right, wrong);
        let cut_at = middle.checked_sub(1).and_then(|at| answers.get(at)).copied().unwrap_or(0);
        let shorter: Calls<'a, S> = least.iter().filter_map(|call| call.as_of(cut_at)).collect();
        if judge.is_wrong(&shorter) {
            (least, wrong) = (shorter, middle);
        } else {
            right = middle;
        }
    }
    // The last answer may stand before the end all the same, when nothing shorter is wrong.
    let cut_at = wrong.checked_sub(1).and_then(|at| answers.get(at)).copied().unwrap_or(0);
    least.iter().filter_map(|call| call.as_of(cut_at)).collect()
}

/// Drops operations that change nothing, in runs of half of them first, then in ever shorter ones.
fn drop_reads<'a, S: Spec>(judge: &mut Judge<'_, S>, calls: Calls<'a, S>) -> Calls<'a, S> {
    let spec = judge.spec;
    let is_read = |call: &Call<'a, S::Input, S::Output>| spec.is_read(call.input(), call.output());
    let mut least: Calls<'a, S> = calls.into_iter().filter(|call| call.answer.is_some() || !is_read(call)).collect();
    let mut run = least.len().div_ceil(2);
    while run > 0 {
        // From the end, so that reads before the run keep their numbers.
        let mut end = least.iter().filter(|call| is_read(call)).count();
        while end > 0 {
            let start = end.saturating_sub(run);
            let mut number = 0;
            let mut fewer = least.clone();
            fewer.retain(|call| {
                let is_dropped = is_read(call) && (start..end).contains(&number);
                number += usize::from(is_read(call));
                !is_dropped
            });
            if judge.is_wrong(&fewer) {
                least = fewer;
            }
            end = start;
        }
        run /= 2;
    }
    least
}
