//! What the marks of one digest say together, and whether that is as it should be.

use super::merge::Merge;
use super::{Mark, Say};
use crate::capture::SpillError;

/// What is wrong with the marks of one digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::integrity) enum Suspicion {
    /// It is wanted and not there.
    Missing,
    /// It is an edge more than once.
    Twice,
    /// It has fewer ends than it needs.
    FewEnds,
}

/// A digest whose marks are not as they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::integrity) struct Suspect {
    /// The digest.
    pub(in crate::integrity) digest: u64,
    /// What is wrong.
    pub(in crate::integrity) suspicion: Suspicion,
    /// The classes whose records say so.
    pub(in crate::integrity) classes: Vec<usize>,
}

/// Marks by their digests, in order.
pub(in crate::integrity) struct Groups {
    merge: Merge,
    next: Option<Mark>,
}

impl Groups {
    pub(super) const fn new(merge: Merge) -> Self {
        Self { merge, next: None }
    }

    /// The next digest whose marks are not as they should be.
    pub(in crate::integrity) fn next_suspect(&mut self) -> Result<Option<Suspect>, SpillError> {
        loop {
            let first = match self.next.take() {
                Some(mark) => mark,
                None => match self.merge.next_mark()? {
                    Some(mark) => mark,
                    None => return Ok(None),
                },
            };
            let mut group = Group::default();
            let (mut last, mut mark) = (None, first);
            loop {
                if last != Some(mark) {
                    group.add(Say::unpack(mark.say));
                    last = Some(mark);
                }
                match self.merge.next_mark()? {
                    Some(next) if next.digest == first.digest => mark = next,
                    next => {
                        self.next = next;
                        break;
                    }
                }
            }
            if let Some(suspicion) = group.suspicion() {
                return Ok(Some(Suspect { digest: first.digest, suspicion, classes: group.classes }));
            }
        }
    }
}

/// What the marks of one digest say together.
#[derive(Default)]
struct Group {
    here: bool,
    wanted: bool,
    edges: u64,
    ends: u32,
    least: u32,
    classes: Vec<usize>,
}

impl Group {
    fn add(&mut self, say: Say) {
        match say {
            Say::Here => self.here = true,
            Say::Wanted { class } => {
                self.wanted = true;
                self.add_class(class);
            }
            Say::Edge { class, .. } => {
                self.edges += 1;
                self.add_class(class);
            }
            Say::Needs { class, least } => {
                self.least = self.least.max(least);
                self.add_class(class);
            }
            Say::End { .. } => self.ends = self.ends.saturating_add(1),
        }
    }

    fn add_class(&mut self, class: usize) {
        if !self.classes.contains(&class) {
            self.classes.push(class);
        }
    }

    const fn suspicion(&self) -> Option<Suspicion> {
        if self.wanted && !self.here {
            Some(Suspicion::Missing)
        } else if self.edges > 1 {
            Some(Suspicion::Twice)
        } else if self.ends < self.least {
            Some(Suspicion::FewEnds)
        } else {
            None
        }
    }
}
