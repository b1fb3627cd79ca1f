//! Numbers that are kept as rows change, so that no status is ever counted by a scan.
//!
//! Owns the list of counters. A counter's number in the list is its key; the list only grows at its end.

use super::context::Context;
use super::rows::{Key, Rows, Unreadable};
use super::tables::tables;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Counter { $($(#[$doc])* $name,)* }

        impl Counter {
            /// All counters in the order of their keys.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

counters! {
    /// Client sessions that are open.
    ClientSessions,
    /// The day of accrued time up to which idle sessions were looked for.
    SessionsSweptDay,
    /// Events in the audit log.
    AuditEvents,
    /// Members that are not removed.
    Members,
    /// Join tokens that can still be spent.
    TokensOpen,
    /// Certificates issued.
    Certificates,
    /// The newest version of the deny-list.
    DenyVersion,
    /// Depots that take packs.
    DepotsActive,
    /// Depots that are being emptied.
    DepotsDraining,
    /// Depots that count as lost.
    DepotsLost,
    /// Agents that are not retired.
    Agents,
    /// Sources.
    Sources,
    /// Sources that are paused.
    SourcesPaused,
    /// Runs that wait.
    RunsQueued,
    /// Runs under way.
    RunsRunning,
    /// Runs that ever succeeded.
    RunsSucceeded,
    /// Runs that ever failed.
    RunsFailed,
    /// Upload sessions that are live.
    UploadsLive,
    /// Snapshots committed.
    Snapshots,
    /// Snapshots that are protected.
    SnapshotsProtected,
    /// How often it changed which depots are lawful or trusted; packs judged under an older number are judged anew.
    PlacementVersion,
    /// Operators, auditors included.
    Operators,
    /// Those who can operate.
    OperatorsInCharge,
    /// Entries of the deny-list.
    Denials,
    /// Entries that have left the deny-list.
    DenialsEnded,
    /// The day of accrued time up to which the deny-list was looked through.
    DenialsSweptDay,
    /// Callers and actions whose denied requests are counted.
    RefusalsKept,
    /// The window of accrued time up to which counts of denied requests were told.
    RefusalsSweptWindow,
}

impl Key for Counter {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let [number] = bytes else { return None };
        Self::ALL.get(usize::from(*number)).copied()
    }
}

tables! {
    /// Counters.
    Counters = COUNTERS: Counter => u64;
}

/// The number of a counter.
pub fn count(rows: &Rows, counter: Counter) -> Result<u64, Unreadable> {
    Ok(rows.get::<Counters>(&counter)?.unwrap_or_default())
}

impl Context<'_> {
    /// The number of a counter.
    pub(in crate::state) fn count(&self, counter: Counter) -> Result<u64, Unreadable> {
        Ok(self.change.get::<Counters>(&counter)?.unwrap_or_default())
    }

    /// Sets a counter.
    pub(in crate::state) fn set_count(&mut self, counter: Counter, number: u64) -> Result<(), Unreadable> {
        self.change.put::<Counters>(&counter, &number)
    }

    /// Counts one more, and gives the new number.
    pub(in crate::state) fn count_up(&mut self, counter: Counter) -> Result<u64, Unreadable> {
        let number = self.count(counter)?.saturating_add(1);
        self.set_count(counter, number)?;
        Ok(number)
    }

    /// Counts one less.
    pub(in crate::state) fn count_down(&mut self, counter: Counter) -> Result<(), Unreadable> {
        let number = self.count(counter)?.saturating_sub(1);
        self.set_count(counter, number)
    }
}
