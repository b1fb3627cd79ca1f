//! The book of runs: a state machine without a clock or a socket.
//!
//! ```text
//!            StartRun               ended                 EndNoted
//!   unknown ─────────► at work ────────────► ended ──────────────► forgotten
//!                         │ CallOffRun         ▲
//!                         └──────► stopping ───┘
//!
//!   a new process finds "at work" or "stopping"  ─► ended: lost
//! ```
//!
//! Owns what is known of each run. Effects are carried out in their order: what is to be kept is durable before what
//! follows it happens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strongroom_core::error::Code;
use strongroom_core::id::{RunId, SnapshotId, SourceId};

/// Runs that a book may hold: more than one host has sources. What comes beyond is refused.
pub const RUNS_MAX: usize = 1_024;

/// A run to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOrder {
    /// The run.
    pub run: RunId,
    /// The source.
    pub source: SourceId,
    /// The period of its schedule.
    pub period: u64,
    /// Which start of the period it is, from 1.
    pub attempt: u32,
    /// Why it is ordered.
    pub cause: RunCause,
}

/// Why a run is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunCause {
    /// Its period has come.
    Schedule,
    /// An earlier attempt of the period failed.
    Retry,
    /// Somebody asked for it.
    Manual,
    /// Somebody asked for it, whatever blackouts and caps say.
    Forced,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunEnd {
    /// It committed a complete snapshot.
    Snapshot(SnapshotId),
    /// It failed: the number of the stable code behind `SR`.
    Failed(u16),
    /// It was called off.
    CalledOff,
}

/// What the leader says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// To take a run.
    Start(RunOrder),
    /// To stop one.
    CallOff(RunId),
    /// That an end is in the log.
    EndNoted(RunId),
}

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// To make the book durable. If that fails, nothing that follows may happen.
    Keep,
    /// To begin a run.
    Begin(RunOrder),
    /// To stop one. It ends as soon as it can.
    Stop(RunId),
    /// To say hello: the runs that this agent knows of.
    Hello(Vec<RunId>),
    /// To say how a run ended.
    Ended(RunId, RunEnd),
}

/// The book.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    runs: BTreeMap<RunId, Entry>,
    #[serde(skip)]
    is_connected: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Entry {
    AtWork,
    Stopping,
    Ended(RunEnd),
}

impl Book {
    /// The book of a new process: what the one before had at work is lost.
    #[must_use]
    pub fn after_restart(mut self) -> Self {
        self.is_connected = false;
        for entry in self.runs.values_mut().filter(|entry| !matches!(entry, Entry::Ended(_))) {
            *entry = Entry::Ended(RunEnd::Failed(Code::RunLost.number()));
        }
        self
    }

    /// Whether a run is under way.
    pub fn is_at_work(&self, run: &RunId) -> bool {
        matches!(self.runs.get(run), Some(Entry::AtWork | Entry::Stopping))
    }

    /// A stream to a leader stands.
    pub fn connected(&mut self) -> Vec<Effect> {
        self.is_connected = true;
        let ends = self.runs.iter().filter_map(|(run, entry)| match entry {
            Entry::Ended(end) => Some(Effect::Ended(*run, *end)),
            Entry::AtWork | Entry::Stopping => None,
        });
        std::iter::once(Effect::Hello(self.runs.keys().copied().collect())).chain(ends).collect()
    }

    /// The stream is gone.
    pub const fn disconnected(&mut self) {
        self.is_connected = false;
    }

    /// The leader said something.
    pub fn heard(&mut self, said: Said) -> Vec<Effect> {
        match said {
            Said::Start(order) => self.start(order),
            Said::CallOff(run) => match self.runs.get_mut(&run) {
                Some(entry @ Entry::AtWork) => {
                    *entry = Entry::Stopping;
                    vec![Effect::Stop(run)]
                }
                Some(Entry::Stopping) => Vec::new(),
                Some(Entry::Ended(end)) => vec![Effect::Ended(run, *end)],
                None => vec![Effect::Ended(run, RunEnd::CalledOff)],
            },
            Said::EndNoted(run) => match self.runs.get(&run) {
                Some(Entry::Ended(_)) => {
                    self.runs.remove(&run);
                    vec![Effect::Keep]
                }
                // The leader gave the run up before this agent did: its end will be said, and noted, in its turn.
                _ => Vec::new(),
            },
        }
    }

    fn start(&mut self, order: RunOrder) -> Vec<Effect> {
        let run = order.run;
        match self.runs.get(&run) {
            Some(Entry::Ended(end)) => vec![Effect::Ended(run, *end)],
            Some(Entry::AtWork | Entry::Stopping) => Vec::new(),
            None if self.runs.len() >= RUNS_MAX => vec![Effect::Ended(run, RunEnd::Failed(Code::Busy.number()))],
            None => {
                self.runs.insert(run, Entry::AtWork);
                vec![Effect::Keep, Effect::Begin(order)]
            }
        }
    }

    /// A run has ended.
    pub fn ended(&mut self, run: RunId, end: RunEnd) -> Vec<Effect> {
        let is_stopping = match self.runs.get(&run) {
            Some(Entry::AtWork) => false,
            Some(Entry::Stopping) => true,
            Some(Entry::Ended(_)) | None => return Vec::new(),
        };
        let end = match end {
            RunEnd::Failed(_) if is_stopping => RunEnd::CalledOff,
            end => end,
        };
        self.runs.insert(run, Entry::Ended(end));
        let said = self.is_connected.then_some(Effect::Ended(run, end));
        std::iter::once(Effect::Keep).chain(said).collect()
    }
}
