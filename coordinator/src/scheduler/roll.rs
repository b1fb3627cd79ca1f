//! The sources as the leader has read them.
//!
//! Owns what a reign remembers of rows, page by page: a turn reads a bounded number of sources, and those that were
//! touched since are read again out of turn. Before the first round is over nothing is planned, since runs under way that
//! were not read yet would not count against the caps.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use strongroom_core::id::{AgentId, RunId, SourceId};

use crate::state::planning::{PlannedSource, SourceViews, WithoutTerms};

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
    /// Sources whose contract can't be planned here.
    left_alone: BTreeMap<SourceId, LeftAlone>,
}

/// A source whose contract can't be planned here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LeftAlone {
    agent: AgentId,
    running: Option<RunId>,
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

    /// Leaves a source alone that can't be planned: nothing is started, and what is under way goes on for as long as its
    /// agent is there.
    pub fn leave_alone(&mut self, it: &WithoutTerms) {
        self.sources.remove(&it.source);
        self.stale.remove(&it.source);
        self.left_alone.insert(it.source, LeftAlone { agent: it.agent, running: it.running });
    }

    /// Whether a run belongs to a source that is left alone.
    pub(super) fn is_left_alone(&self, run: &RunId) -> bool {
        self.left_alone.values().any(|it| it.running == Some(*run))
    }

    /// All runs that are under way, each with its source and the agent that has it.
    pub(super) fn under_way(&self) -> impl Iterator<Item = (SourceId, AgentId, RunId)> {
        let planned = self.sources.values().filter_map(|it| Some((it.view.source, it.agent, it.running?.0)));
        let left_alone = self.left_alone.iter().filter_map(|(source, it)| Some((*source, it.agent, it.running?)));
        planned.chain(left_alone)
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
