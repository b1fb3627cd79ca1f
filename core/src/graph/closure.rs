//! The closure of a neighbourhood: from the records that were asked for to all that they need, step by step.
//!
//! Breadth first, so that each record is found by the shortest way and a bound cuts what is farthest. The order comes
//! last, once all members are known.

use std::collections::{HashMap, VecDeque};

use super::incoming::Incoming;
use super::neighbour::{Bounds, Member, Neighbourhood, NeighbourhoodError, Reason, Records};
use super::order::order;
use super::plan::ReferenceGraph;
use super::resolved::{RecordName, Resolved, Target};

/// Finds the neighbourhood of some records. Each of them must be there.
pub fn neighbourhood<R: Records>(
    graph: &ReferenceGraph,
    roots: &[RecordName],
    records: &mut R,
    bounds: &Bounds,
) -> Result<Neighbourhood, NeighbourhoodError<R::Error>> {
    let mut search = Search {
        graph,
        records,
        bounds,
        known: HashMap::new(),
        waiting: VecDeque::new(),
        uniques: HashMap::new(),
        found: Neighbourhood::default(),
    };
    for root in roots {
        if !search.known.contains_key(root) && !search.take(root, &Reason::Asked, 0)? {
            return Err(NeighbourhoodError::NotThere(root.clone()));
        }
    }
    while let Some(at) = search.waiting.pop_front() {
        search.follow(at)?;
    }
    let Search { mut found, known, uniques, .. } = search;
    order(&mut found.members, &known, &uniques);
    Ok(found)
}

/// Targets by unique columns, and the keys that they turned out to have.
pub(super) type Uniques = HashMap<Target, Option<RecordName>>;

struct Search<'s, R> {
    graph: &'s ReferenceGraph,
    records: &'s mut R,
    bounds: &'s Bounds,
    known: HashMap<RecordName, usize>,
    waiting: VecDeque<usize>,
    uniques: Uniques,
    found: Neighbourhood,
}

impl<R: Records> Search<'_, R> {
    /// Makes a record a member. Says false if it is not there.
    fn take(&mut self, name: &RecordName, reason: &Reason, depth: u32) -> Result<bool, NeighbourhoodError<R::Error>> {
        let Some((record, large)) = self.records.record(name).map_err(NeighbourhoodError::Read)? else {
            return Ok(false);
        };
        let references = self.graph.references(&name.class, &record, &large)?;
        let at = self.found.members.len();
        self.found.members.push(Member {
            name: name.clone(),
            record,
            large,
            reason: reason.clone(),
            depth,
            references,
            late: Vec::new(),
            circle: None,
        });
        self.known.insert(name.clone(), at);
        self.waiting.push_back(at);
        Ok(true)
    }

    /// Follows the references of a member, and takes in what belongs to it or refers to it.
    fn follow(&mut self, at: usize) -> Result<(), NeighbourhoodError<R::Error>> {
        let Some(member) = self.found.members.get(at) else { return Ok(()) };
        let (name, depth, references) = (member.name.clone(), member.depth, member.references.clone());
        for reference in references {
            self.need(&name, depth, reference)?;
        }
        let Some(member) = self.found.members.get(at) else { return Ok(()) };
        let is_asked = member.reason == Reason::Asked;
        let owns = self.bounds.with_owned && (is_asked || matches!(member.reason, Reason::Owned { .. }));
        let shown = self.bounds.with_referring && is_asked;
        if owns || shown {
            let mut incoming = self.graph.incoming(&name.class, &member.record)?;
            incoming.retain(|incoming| shown || incoming.owner);
            // What belongs to the record comes in for that reason, whatever else refers to it.
            incoming.sort_by_key(|incoming| !(incoming.owner && owns));
            for incoming in incoming {
                self.take_referring(&name, depth, owns, &incoming)?;
            }
        }
        Ok(())
    }

    fn need(&mut self, by: &RecordName, depth: u32, reference: Resolved) -> Result<(), NeighbourhoodError<R::Error>> {
        let target = match &reference.target {
            Target::Record(target) => Some(target.clone()),
            Target::Unique { .. } => self.unique(&reference.target)?,
            Target::NoClass { .. } | Target::Half => None,
        };
        let Some(target) = target else {
            self.found.missing.push((by.clone(), reference));
            return Ok(());
        };
        if self.known.contains_key(&target) {
            return Ok(());
        }
        if depth >= self.bounds.depth_max || self.found.members.len() >= self.bounds.records_max {
            self.found.cut.push((by.clone(), reference));
            return Ok(());
        }
        let reason = Reason::Needed { by: by.clone(), reference: reference.name.clone() };
        if !self.take(&target, &reason, depth + 1)? {
            self.found.missing.push((by.clone(), reference));
        }
        Ok(())
    }

    fn unique(&mut self, target: &Target) -> Result<Option<RecordName>, NeighbourhoodError<R::Error>> {
        let Target::Unique { class, values } = target else { return Ok(None) };
        if let Some(known) = self.uniques.get(target) {
            return Ok(known.clone());
        }
        let key = self.records.unique(class, values).map_err(NeighbourhoodError::Read)?;
        let name = key.map(|key| RecordName { class: class.clone(), key });
        self.uniques.insert(target.clone(), name.clone());
        Ok(name)
    }

    fn take_referring(
        &mut self,
        to: &RecordName,
        depth: u32,
        owns: bool,
        incoming: &Incoming,
    ) -> Result<(), NeighbourhoodError<R::Error>> {
        let room = self.bounds.records_max.saturating_sub(self.found.members.len());
        if depth >= self.bounds.depth_max {
            self.found.more = true;
            return Ok(());
        }
        // One more than there is room for tells whether there are more; those that are members already take no room.
        let at_most = room.saturating_add(1).saturating_add(self.found.members.len());
        let keys = self.records.referring(&incoming.class, &incoming.values, at_most);
        for key in keys.map_err(NeighbourhoodError::Read)? {
            let name = RecordName { class: incoming.class.clone(), key };
            if self.known.contains_key(&name) {
                continue;
            }
            if self.found.members.len() >= self.bounds.records_max {
                self.found.more = true;
                break;
            }
            let (to, reference) = (to.clone(), incoming.reference.clone());
            let reason = if incoming.owner && owns {
                Reason::Owned { by: to, reference }
            } else {
                Reason::Refers { to, reference }
            };
            self.take(&name, &reason, depth + 1)?;
        }
        Ok(())
    }
}
