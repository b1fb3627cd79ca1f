//! The sources as the leader has read them.
//!
//! Owns what a reign remembers of rows, page by page: a turn reads a bounded number of sources, and those that were
//! touched since are read again out of turn. Before the first round is over nothing is planned, since runs under way that
//! were not read yet would not count against the caps.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use strongroom_core::id::{RunId, SourceId};

use crate::state::planning::{PlannedSource, SourceViews};

/// Sources that one page reads. With some thirty rows each, a page keeps the member's thread for a few milliseconds.
pub(crate) const PAGE_SOURCES: usize = 256;

/// All sources that were read.
#[derive(Debug, Default)]
pub struct Roll {
    sources: BTreeMap<SourceId, PlannedSource>,
    /// Where the next page begins.
    after: Option<SourceId>,
    is_whole: bool,
    stale: BTreeSet<SourceId>,
    /// Sources whose contract can't be planned here, with their runs under way.
    left_alone: BTreeMap<SourceId, Option<RunId>>,
}

impl Roll {
    /// Where the next page begins.
    pub const fn after(&self) -> Option<SourceId> {
        self.after
    }

    /// Whether each source was read at least once.
    pub const fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The sources.
    pub fn sources(&self) -> impl Iterator<Item = &PlannedSource> {
        self.sources.values()
    }

    pub(super) fn sources_mut(&mut self) -> impl Iterator<Item = &mut PlannedSource> {
        self.sources.values_mut()
    }

    pub(super) fn get(&self, source: &SourceId) -> Option<&PlannedSource> {
        self.sources.get(source)
    }

    /// Whether no source waits to be read again.
    pub fn is_fresh(&self) -> bool {
        self.stale.is_empty()
    }

    /// Leaves a source alone that can't be planned: nothing is started, and what is under way is not called off.
    pub fn leave_alone(&mut self, source: SourceId, running: Option<RunId>) {
        self.sources.remove(&source);
        self.left_alone.insert(source, running);
    }

    /// Whether a run belongs to a source that is left alone.
    pub(super) fn is_left_alone(&self, run: &RunId) -> bool {
        self.left_alone.values().any(|running| *running == Some(*run))
    }

    /// Sources that are left alone.
    pub(super) fn unplannable(&self) -> BTreeSet<SourceId> {
        self.left_alone.keys().copied().collect()
    }

    /// Says that a source has changed, and is to be read again.
    pub fn touch(&mut self, source: SourceId) {
        self.stale.insert(source);
    }

    /// Sources to read again, a page of them.
    pub fn take_stale(&mut self) -> Vec<SourceId> {
        let taken: Vec<SourceId> = self.stale.iter().take(PAGE_SOURCES).copied().collect();
        for source in &taken {
            self.stale.remove(source);
        }
        taken
    }

    /// Takes sources as they are now. Those that are not among them are gone, or can't be planned yet.
    pub fn replace(&mut self, read: &[SourceId], found: Vec<PlannedSource>) {
        for source in read {
            self.sources.remove(source);
            self.left_alone.remove(source);
        }
        self.sources.extend(found.into_iter().map(|planned| (planned.view.source, planned)));
    }

    /// Takes a page. Sources that it should have had, and does not, are gone or can't be planned.
    pub fn take_page(&mut self, page: SourceViews) {
        let from = self.after.map_or(Bound::Unbounded, Bound::Excluded);
        let to = page.more_after.map_or(Bound::Unbounded, Bound::Included);
        self.sources.extract_if((from, to), |_, _| true).for_each(drop);
        self.left_alone.extract_if((from, to), |_, _| true).for_each(drop);
        self.sources.extend(page.sources.into_iter().map(|planned| (planned.view.source, planned)));
        self.is_whole |= page.more_after.is_none();
        self.after = page.more_after;
    }
}
