//! The order in which members of a neighbourhood come back: parents before children.
//!
//! ```text
//!  strongly connected components (Tarjan), found parents first
//!       one member      ──► as it is
//!       several members ──► a circle, broken where columns may be empty; what leads to a member that comes later is
//!                           late
//! ```

use std::collections::{BTreeSet, HashMap};

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
    let firm = |at: usize| -> Vec<usize> {
        members
            .get(at)
            .map(|member| member.references.iter().filter(is_firm).filter_map(leads).collect())
            .unwrap_or_default()
    };
    let mut places = vec![0; members.len()];
    let mut circles = vec![None; members.len()];
    let (mut next, mut circle) = (0, 0);
    for component in components(&edges) {
        let number = (component.len() > 1).then_some(circle);
        circle += u32::from(number.is_some());
        for at in within(component, &edges, firm) {
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
    let mut ordered: Vec<(usize, Member)> = places.into_iter().zip(std::mem::take(members)).collect();
    ordered.sort_by_key(|(place, _)| *place);
    members.extend(ordered.into_iter().map(|(_, member)| member));
}

/// The members of a circle: next is always one whose references lead to few that are not placed yet, those that can't
/// be empty counting first. So a circle is broken where columns may be empty, and in as few places as that takes.
fn within(mut circle: Vec<usize>, edges: &[Vec<usize>], firm: impl Fn(usize) -> Vec<usize>) -> Vec<usize> {
    circle.sort_unstable();
    let own = |to: usize| circle.binary_search(&to).ok();
    let mut waits: Vec<(usize, usize)> = vec![(0, 0); circle.len()];
    let mut waited_by: Vec<Vec<(usize, bool)>> = vec![Vec::new(); circle.len()];
    for (at, member) in circle.iter().enumerate() {
        let firm: Vec<usize> = firm(*member).into_iter().filter_map(own).collect();
        let all = edges.get(*member).into_iter().flatten().copied().filter_map(own);
        for to in all.filter(|to| *to != at) {
            let is_firm = firm.contains(&to);
            if let (Some(waits), Some(of)) = (waits.get_mut(at), waited_by.get_mut(to)) {
                waits.0 += usize::from(is_firm);
                waits.1 += usize::from(!is_firm);
                of.push((at, is_firm));
            }
        }
    }
    let mut ready: BTreeSet<((usize, usize), usize)> =
        waits.iter().enumerate().map(|(at, waits)| (*waits, at)).collect();
    let mut order = Vec::with_capacity(circle.len());
    while let Some((_, at)) = ready.pop_first() {
        order.extend(circle.get(at));
        for (by, is_firm) in waited_by.get(at).into_iter().flatten() {
            let Some(waits) = waits.get_mut(*by) else { continue };
            // One that is placed already is not ready any more, and stays so.
            if ready.remove(&(*waits, *by)) {
                waits.0 -= usize::from(*is_firm);
                waits.1 -= usize::from(!is_firm);
                ready.insert((*waits, *by));
            }
        }
    }
    order
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
