//! How many runs there may be at once, and who still fits.

use std::collections::BTreeMap;

use super::SourceView;
use crate::id::HostGroup;

/// Runs at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Of all sources.
    pub runs_max: u32,
    /// Of the sources of one host group.
    pub host_group_runs_max: u32,
    /// Of the sources of some host groups, where it is not the same.
    pub host_groups: BTreeMap<HostGroup, u32>,
}

/// Why a source that could start does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueReason {
    /// As many runs as there may be are under way.
    ClusterFull,
    /// As many runs as there may be are under way on its hosts.
    HostGroupFull,
}

/// The runs under way, while a plan adds to them.
pub(super) struct Load<'a> {
    caps: &'a Caps,
    runs: u32,
    groups: BTreeMap<HostGroup, u32>,
}

impl<'a> Load<'a> {
    pub(super) fn new<'v>(caps: &'a Caps, views: impl Iterator<Item = &'v SourceView>) -> Self {
        let mut load = Self { caps, runs: 0, groups: BTreeMap::new() };
        views.filter(|view| view.running().is_some()).for_each(|view| load.add(view.host_group));
        load
    }

    /// Counts one more run, fitting or not.
    pub(super) fn add(&mut self, group: HostGroup) {
        self.runs = self.runs.saturating_add(1);
        let runs = self.groups.entry(group).or_default();
        *runs = runs.saturating_add(1);
    }

    /// Why one more run on these hosts does not fit, if it does not.
    pub(super) fn obstacle(&self, group: HostGroup) -> Option<QueueReason> {
        let cap = self.caps.host_groups.get(&group).copied().unwrap_or(self.caps.host_group_runs_max);
        if self.runs >= self.caps.runs_max {
            return Some(QueueReason::ClusterFull);
        }
        (self.groups.get(&group).copied().unwrap_or(0) >= cap).then_some(QueueReason::HostGroupFull)
    }
}
