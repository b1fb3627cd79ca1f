//! A checker that can be seen to be right: it tries every order of every choice of lost operations.
//!
//! It shares nothing with the real one: no partition by keys, no list, no memo, no shortcut, and no state that knows the
//! future. So it is good for a handful of operations.

use std::collections::BTreeMap;

use crate::oracle::spec::Spec;
use crate::oracle::{Operation, Outcome};

/// Whether some order explains all answers.
pub(super) fn is_linearizable<S: Spec>(spec: &S, operations: &[Operation<S::Input, S::Output>]) -> bool {
    arrange(spec, operations, &mut Vec::new())
}

/// Tries every way to go on from `order`.
fn arrange<S: Spec>(spec: &S, operations: &[Operation<S::Input, S::Output>], order: &mut Vec<usize>) -> bool {
    let is_whole = (0..operations.len()).all(|at| answered(&operations[at]).is_none() || order.contains(&at));
    if is_whole && keeps_time(operations, order) && explains(spec, operations, order) {
        return true;
    }
    (0..operations.len()).any(|at| {
        if order.contains(&at) {
            return false;
        }
        order.push(at);
        let is_found = arrange(spec, operations, order);
        order.pop();
        is_found
    })
}

/// Whether nothing stands before what was answered before it was invoked.
fn keeps_time<I, O>(operations: &[Operation<I, O>], order: &[usize]) -> bool {
    order.iter().enumerate().all(|(place, earlier)| {
        let invoked = operations[*earlier].invoked.order;
        order[place..].iter().all(|later| answered(&operations[*later]).is_none_or(|answer| answer > invoked))
    })
}

/// Whether the objects answer so in this order, in one of the ways that lost operations leave open.
fn explains<S: Spec>(spec: &S, operations: &[Operation<S::Input, S::Output>], order: &[usize]) -> bool {
    let mut worlds: Vec<BTreeMap<S::Key, S::State>> = vec![BTreeMap::new()];
    for at in order {
        let operation = &operations[*at];
        let key = spec.key(&operation.input);
        let mut next = Vec::new();
        for world in &worlds {
            let state = world.get(&key).cloned().unwrap_or_else(|| spec.initial(&key, &[]));
            let states = match &operation.outcome {
                Outcome::Answered { output, .. } => spec.step(&state, &operation.input, output).into_iter().collect(),
                Outcome::Indeterminate => spec.step_unseen(&state, &operation.input),
            };
            for state in states {
                let mut world = world.clone();
                world.insert(key.clone(), state);
                next.push(world);
            }
        }
        worlds = next;
    }
    !worlds.is_empty()
}

fn answered<I, O>(operation: &Operation<I, O>) -> Option<usize> {
    match &operation.outcome {
        Outcome::Answered { when, .. } => Some(when.order),
        Outcome::Indeterminate => None,
    }
}
