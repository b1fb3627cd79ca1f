//! The book of runs: a state machine without a clock or a socket.
//!
//! ```text
//!            StartRun               ended                 EndNoted
//!   unknown ──┬──────► at work ────────────► ended ──────────────► forgotten
//!             │           │ CallOffRun         ▲ │ EndRefused         ▲
//!             │           └──────► stopping ───┘ └─ over ─────────────┘
//!             └─► waiting, as long as an older run of the source stops
//!
//!   a new process finds "waiting", "at work" or "stopping"  ─► ended: lost
//! ```
//!
//! Owns what is known of each run, and that no source has two of them at work: after a long partition the leader may have
//! given one up that goes on here. The order's fence says which of the two is the newer; the older is called off, and the
//! newer begins when that has ended. Effects are carried out in their order: what is to be kept is durable before what
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
    /// Of two runs of a source the one with the higher number was started later.
    pub fence: u64,
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
    /// That the group does not take an end.
    EndRefused {
        /// The run.
        run: RunId,
        /// Whether the run is over all the same: it ended in another way, or nobody knows it.
        is_over: bool,
    },
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
    /// It begins when the older run of its source has ended.
    Waiting(RunOrder),
    AtWork {
        source: SourceId,
        fence: u64,
    },
    Stopping {
        source: SourceId,
        fence: u64,
    },
    Ended(RunEnd),
}

impl Entry {
    /// The source and the fence of a run that is not over.
    const fn open(&self) -> Option<(SourceId, u64)> {
        match self {
            Self::Waiting(order) => Some((order.source, order.fence)),
            Self::AtWork { source, fence } | Self::Stopping { source, fence } => Some((*source, *fence)),
            Self::Ended(_) => None,
        }
    }
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
        matches!(self.runs.get(run), Some(Entry::AtWork { .. } | Entry::Stopping { .. }))
    }

    /// A stream to a leader stands.
    pub fn connected(&mut self) -> Vec<Effect> {
        self.is_connected = true;
        let ends = self.runs.iter().filter_map(|(run, entry)| match entry {
            Entry::Ended(end) => Some(Effect::Ended(*run, *end)),
            Entry::Waiting(_) | Entry::AtWork { .. } | Entry::Stopping { .. } => None,
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
            Said::CallOff(run) => self.call_off(run),
            Said::EndNoted(run) | Said::EndRefused { run, is_over: true } => self.forget(run),
            Said::EndRefused { run, is_over: false } => self.end_otherwise(run),
        }
    }

    fn call_off(&mut self, run: RunId) -> Vec<Effect> {
        match self.runs.get(&run).copied() {
            Some(Entry::AtWork { source, fence }) => {
                self.runs.insert(run, Entry::Stopping { source, fence });
                vec![Effect::Stop(run)]
            }
            Some(Entry::Stopping { .. }) => Vec::new(),
            // It was never begun.
            Some(Entry::Waiting(_)) => self.end(run, RunEnd::CalledOff),
            Some(Entry::Ended(end)) => vec![Effect::Ended(run, end)],
            None => vec![Effect::Ended(run, RunEnd::CalledOff)],
        }
    }

    fn forget(&mut self, run: RunId) -> Vec<Effect> {
        match self.runs.get(&run) {
            Some(Entry::Ended(_)) => {
                self.runs.remove(&run);
                vec![Effect::Keep]
            }
            // The leader gave the run up before this agent did: its end will be said, and noted, in its turn.
            _ => Vec::new(),
        }
    }

    /// What the group does not take as a success has failed. An end that is refused even so is said again on the next
    /// stream.
    fn end_otherwise(&mut self, run: RunId) -> Vec<Effect> {
        match self.runs.get(&run) {
            Some(Entry::Ended(RunEnd::Snapshot(_) | RunEnd::CalledOff)) => {
                self.end(run, RunEnd::Failed(Code::GroupRefused.number()))
            }
            _ => Vec::new(),
        }
    }

    fn start(&mut self, order: RunOrder) -> Vec<Effect> {
        let run = order.run;
        match self.runs.get(&run) {
            Some(Entry::Ended(end)) => vec![Effect::Ended(run, *end)],
            Some(_) => Vec::new(),
            None if self.runs.len() >= RUNS_MAX => vec![Effect::Ended(run, RunEnd::Failed(Code::Busy.number()))],
            None => self.take(order),
        }
    }

    /// Takes a run that is new: at once, or when the older one of its source has ended.
    fn take(&mut self, order: RunOrder) -> Vec<Effect> {
        let others: Vec<(RunId, Entry, u64)> = self
            .runs
            .iter()
            .filter_map(|(run, entry)| {
                let (source, fence) = entry.open()?;
                (source == order.source).then_some((*run, *entry, fence))
            })
            .collect();
        if others.iter().any(|(_, _, fence)| *fence > order.fence) {
            // The group has given it up already: what is newer was started after that.
            return vec![Effect::Ended(order.run, RunEnd::CalledOff)];
        }
        let Way { mut effects, waits } = self.make_way(&others);
        let entry =
            if waits { Entry::Waiting(order) } else { Entry::AtWork { source: order.source, fence: order.fence } };
        self.runs.insert(order.run, entry);
        effects.insert(0, Effect::Keep);
        effects.extend((!waits).then_some(Effect::Begin(order)));
        effects
    }

    /// Calls off the older runs of a source. Says what is to be done for it, and whether some of them must stop first.
    fn make_way(&mut self, others: &[(RunId, Entry, u64)]) -> Way {
        let mut way = Way { effects: Vec::new(), waits: false };
        for (run, entry, _) in others {
            match entry {
                Entry::Waiting(_) => {
                    self.runs.insert(*run, Entry::Ended(RunEnd::CalledOff));
                    way.effects.extend(self.is_connected.then_some(Effect::Ended(*run, RunEnd::CalledOff)));
                }
                Entry::AtWork { source, fence } => {
                    self.runs.insert(*run, Entry::Stopping { source: *source, fence: *fence });
                    way.effects.push(Effect::Stop(*run));
                    way.waits = true;
                }
                Entry::Stopping { .. } => way.waits = true,
                Entry::Ended(_) => {}
            }
        }
        way
    }

    /// A run has ended. The newer one of its source, if one waits, begins.
    pub fn ended(&mut self, run: RunId, end: RunEnd) -> Vec<Effect> {
        let (source, is_stopping) = match self.runs.get(&run) {
            Some(Entry::AtWork { source, .. }) => (*source, false),
            Some(Entry::Stopping { source, .. }) => (*source, true),
            Some(Entry::Waiting(_) | Entry::Ended(_)) | None => return Vec::new(),
        };
        let end = match end {
            RunEnd::Failed(_) if is_stopping => RunEnd::CalledOff,
            end => end,
        };
        let mut effects = self.end(run, end);
        let next = self.runs.values().find_map(|entry| match entry {
            Entry::Waiting(order) if order.source == source => Some(*order),
            _ => None,
        });
        if let Some(order) = next {
            self.runs.insert(order.run, Entry::AtWork { source, fence: order.fence });
            effects.push(Effect::Begin(order));
        }
        effects
    }

    fn end(&mut self, run: RunId, end: RunEnd) -> Vec<Effect> {
        self.runs.insert(run, Entry::Ended(end));
        let said = self.is_connected.then_some(Effect::Ended(run, end));
        std::iter::once(Effect::Keep).chain(said).collect()
    }
}

/// What is done before a run begins.
struct Way {
    effects: Vec<Effect>,
    waits: bool,
}
