//! The order in which members of a neighbourhood come back: parents before children.
//!
//! ```text
//!  strongly connected components (Tarjan), found parents first
//!       one member      ──► as it is
//!       several members ──► a circle: ordered by the references that can't be empty; what then leads to a member that
//!                           comes later is late
//! ```

use std::collections::HashMap;

use super::closure::Uniques;
use super::neighbour::Member;
use super::resolved::{RecordName, Resolved, Target};

/// Puts members in order, and notes circles and late references.
pub(super) fn order(members: &mut Vec<Member>, known: &HashMap<RecordName, usize>, uniques: &Uniques) {
    let leads = |reference: &Resolved| match &reference.target {
        Target::Record(name) => known.get(name).copied(),
        target @ Target::Unique { .. } => known.get(uniques.get(target)?.as_ref()?).copied(),
        Target::NoClass { .. } | Target::Half => None,
    };
    let edges: Vec<Vec<usize>> =
        members.iter().map(|member| member.references.iter().filter_map(leads).collect()).collect();
    let is_firm = |reference: &&Resolved| reference.owner || !reference.optional;
    let firm = |at: &usize| -> Vec<usize> {
        members
            .get(*at)
            .map(|member| member.references.iter().filter(is_firm).filter_map(leads).collect())
            .unwrap_or_default()
    };
    let mut places = vec![0; members.len()];
    let mut circles = vec![None; members.len()];
    let (mut next, mut circle) = (0, 0);
    for component in components(&edges) {
        let number = (component.len() > 1).then_some(circle);
        circle += u32::from(number.is_some());
        for at in within(component, firm) {
            if let (Some(place), Some(of)) = (places.get_mut(at), circles.get_mut(at)) {
                (*place, *of) = (next, number);
                next += 1;
            }
        }
    }
    for (at, member) in members.iter_mut().enumerate() {
        let own = places.get(at).copied().unwrap_or_default();
        let is_late = |to: usize| places.get(to).is_some_and(|place| *place > own);
        let late = |(_, reference): &(usize, &Resolved)| leads(reference).is_some_and(is_late);
        member.late = member.references.iter().enumerate().filter(late).map(|(number, _)| number).collect();
        member.circle = circles.get(at).copied().flatten();
    }
    let mut placed: Vec<(usize, Member)> = places.into_iter().zip(std::mem::take(members)).collect();
    placed.sort_by_key(|(place, _)| *place);
    members.extend(placed.into_iter().map(|(_, member)| member));
}

/// The members of a circle, ordered by the references that can't be empty.
fn within(mut circle: Vec<usize>, firm: impl Fn(&usize) -> Vec<usize>) -> Vec<usize> {
    circle.sort_unstable();
    let own = |to: usize| circle.binary_search(&to).ok();
    let edges: Vec<Vec<usize>> = circle.iter().map(|at| firm(at).into_iter().filter_map(own).collect()).collect();
    components(&edges).into_iter().flatten().filter_map(|at| circle.get(at).copied()).collect()
}

/// What is known of a vertex that was come to.
#[derive(Clone, Copy)]
struct Seen {
    number: usize,
    low: usize,
    on_stack: bool,
}

/// The strongly connected components of a graph, each after those that it leads to. Without recursion: a chain of
/// records may be long.
pub(super) fn components(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut walk = Tarjan { edges, seen: vec![None; edges.len()], stack: Vec::new(), count: 0, found: Vec::new() };
    for start in 0..edges.len() {
        if walk.seen.get(start).is_some_and(Option::is_none) {
            walk.from(start);
        }
    }
    walk.found
}

struct Tarjan<'e> {
    edges: &'e [Vec<usize>],
    seen: Vec<Option<Seen>>,
    stack: Vec<usize>,
    count: usize,
    found: Vec<Vec<usize>>,
}

impl Tarjan<'_> {
    fn from(&mut self, start: usize) {
        // Vertices under way, each with the number of edges that were followed.
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        self.come_to(start);
        while let Some((at, followed)) = path.last_mut() {
            let (at, next) = (*at, self.edges.get(*at).and_then(|edges| edges.get(*followed)).copied());
            *followed += 1;
            let Some(to) = next else {
                path.pop();
                self.leave(at, path.last().map(|(parent, _)| *parent));
                continue;
            };
            match self.seen.get(to).copied().flatten() {
                None => {
                    self.come_to(to);
                    path.push((to, 0));
                }
                Some(seen) if seen.on_stack => self.lower(at, seen.number),
                Some(_) => {}
            }
        }
    }

    fn come_to(&mut self, at: usize) {
        if let Some(seen) = self.seen.get_mut(at) {
            *seen = Some(Seen { number: self.count, low: self.count, on_stack: true });
        }
        self.count += 1;
        self.stack.push(at);
    }

    fn lower(&mut self, at: usize, low: usize) {
        if let Some(Some(seen)) = self.seen.get_mut(at) {
            seen.low = seen.low.min(low);
        }
    }

    /// Ends a vertex; if it is the first of its component, that is complete.
    fn leave(&mut self, at: usize, parent: Option<usize>) {
        let Some(seen) = self.seen.get(at).copied().flatten() else { return };
        if let Some(parent) = parent {
            self.lower(parent, seen.low);
        }
        if seen.low != seen.number {
            return;
        }
        let mut component = Vec::new();
        while let Some(top) = self.stack.pop() {
            if let Some(Some(seen)) = self.seen.get_mut(top) {
                seen.on_stack = false;
            }
            component.push(top);
            if top == at {
                break;
            }
        }
        self.found.push(component);
    }
}
