//! What the planner is told: the time, and what the catalogue knows of each source.

use std::sync::Arc;

use crate::contract::{Period, Terms, wall_seconds};
use crate::id::SourceId;
use crate::time::{AccruedMs, WallTime};

pub use crate::id::HostGroup;

/// The time, by both measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For durations.
    pub accrued: AccruedMs,
    /// For calendars.
    pub wall: WallTime,
}

impl Now {
    /// Seconds since 1970 by the wall clock.
    pub(super) fn second(&self) -> i64 {
        wall_seconds(self.wall)
    }

    /// The second of the wall clock, as it goes now, in which an earlier accrued time lies.
    pub(super) fn on_this_clock(&self, earlier: AccruedMs) -> i64 {
        let ago_us = micros(self.accrued.since(earlier));
        wall_seconds(WallTime(self.wall.0.saturating_sub(ago_us)))
    }

    /// The first whole second of the wall clock after so many milliseconds.
    pub(super) fn second_after(&self, ms: u64) -> i64 {
        let wall_us = self.wall.0.saturating_add(micros(ms)).saturating_add(999_999);
        wall_seconds(WallTime(wall_us))
    }
}

fn micros(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1000)
}

/// One source as the catalogue knows it.
#[derive(Clone, Debug)]
pub struct SourceView {
    /// The source.
    pub source: SourceId,
    /// The host or cluster of hosts whose load it shares.
    pub host_group: HostGroup,
    /// What was promised.
    pub terms: Arc<Terms>,
    /// Whether it is to be run at all.
    pub standing: Standing,
    /// When it was registered. A source without a success owes from here.
    pub registered: AccruedMs,
    /// The newest protected, complete snapshot.
    pub last_success: Option<LastSuccess>,
    /// The newest run, by hand or not.
    pub last_run: Option<LastRun>,
    /// Failures since the last success.
    pub failures: u32,
    /// No attempt before, whatever the reason: the agent asked for a pause, or is not there.
    pub not_before: Option<AccruedMs>,
    /// Somebody wants a run now.
    pub request: Option<RunRequest>,
}

/// Whether a source is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// By its contract.
    Active,
    /// Only by hand.
    Paused,
    /// Not at all.
    Disabled,
}

/// A success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSuccess {
    /// When its cut was taken.
    pub cut: AccruedMs,
    /// The same by the wall clock, for people.
    pub cut_wall: WallTime,
}

/// A run that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastRun {
    /// Its period.
    pub period: Period,
    /// Which start of this period it is, from 1.
    pub attempt: u32,
    /// When it started.
    pub started: AccruedMs,
    /// What became of it.
    pub state: RunState,
}

/// What became of a run. One that ended incomplete has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Under way, or not known to have ended.
    Running,
    /// Ended with a protected, complete snapshot.
    Succeeded,
    /// Ended with less.
    Failed {
        /// When.
        ended: AccruedMs,
    },
}

/// A run by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunRequest {
    /// Whether it goes before caps and blackouts.
    pub is_forced: bool,
}

impl SourceView {
    /// The run that is under way.
    pub(super) fn running(&self) -> Option<&LastRun> {
        self.last_run.as_ref().filter(|run| run.state == RunState::Running)
    }

    /// Milliseconds since the newest cut, or since there could have been one.
    pub(super) fn age_ms(&self, now: &Now) -> u64 {
        now.accrued.since(self.last_success.map_or(self.registered, |success| success.cut))
    }

    /// Milliseconds since the last start, or since there could have been one.
    pub(super) fn idle_ms(&self, now: &Now) -> u64 {
        now.accrued.since(self.last_run.map_or(self.registered, |run| run.started.max(self.registered)))
    }
}
