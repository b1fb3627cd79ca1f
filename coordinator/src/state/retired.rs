//! Sources that are protected no more.
//!
//! ```text
//!   source ──RetireSource──► tombstone      its name is free; its heads, packs and runs stay
//! ```
//!
//! Owns the tombstones. A retired source takes no run, upload or contract, since it is none of the sources any more, and
//! its id is never used again. What was committed for it stays restorable, and its heads can still be checked.

use serde::{Deserialize, Serialize};
use strongroom_core::id::SourceId;

use super::command::{Audited, Effect, ROWS_WRITTEN_MAX};
use super::context::Context;
use super::contracts::{Contracts, JURISDICTION_ROWS_MAX};
use super::counters::Counter;
use super::outcome::{Answer, Effected, Fault, Refusal, Thing, require};
use super::runs::{RunOutcome, RunRow, RunState, Runs, Schedules};
use super::sources::{SourceFacts, SourceNames, Sources};
use super::tables::tables;
use super::uploads;

tables! {
    /// Sources that were retired.
    RetiredSources = RETIRED_SOURCES: SourceId => RetiredRow;
}

/// A source that is protected no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiredRow {
    /// What was known of it. Another source may bear its name by now.
    pub facts: SourceFacts,
    /// Accrued time at which it was registered.
    pub created_ms: u64,
    /// Accrued time at which it was retired.
    pub retired_ms: u64,
}

/// Retires a source, unless a run of it is under way. A run that waits is called off, and a live upload is fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetireSource {
    /// The source.
    pub source: SourceId,
}

impl Effect for RetireSource {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("source.retire", &self.source))
    }

    fn rows_written_max(&self) -> usize {
        ROWS_WRITTEN_MAX + JURISDICTION_ROWS_MAX
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        require(cx.change.get::<RetiredSources>(&self.source)?.is_none(), Refusal::Retired(Thing::Source))?;
        let row = cx.need::<Sources>(&self.source, Thing::Source)?;
        call_off(cx, self.source)?;
        uploads::fence(cx, self.source)?;
        row.terms.release(cx)?;
        cx.release_agent(row.facts.agent)?;
        cx.count_down(Counter::Sources)?;
        if row.is_paused {
            cx.count_down(Counter::SourcesPaused)?;
        }
        cx.change.remove::<SourceNames>(&row.facts.name);
        cx.change.remove::<Contracts>(&self.source);
        cx.change.remove::<Sources>(&self.source);
        let retired = RetiredRow { facts: row.facts, created_ms: row.created_ms, retired_ms: cx.now_ms };
        cx.put::<RetiredSources>(&self.source, &retired)?;
        Ok(Answer::Applied)
    }
}

/// Refuses if a run of the source is under way, and ends one that waits.
fn call_off(cx: &mut Context<'_>, source: SourceId) -> Result<(), Fault> {
    let Some(mut schedule) = cx.change.get::<Schedules>(&source)? else { return Ok(()) };
    require(schedule.seen.running.is_none(), Refusal::Busy)?;
    if let Some(run) = schedule.queued.take() {
        if let Some(row) = cx.change.get::<Runs>(&run)? {
            let state = RunState::Finished(RunOutcome::Abandoned);
            cx.put::<Runs>(&run, &RunRow { state, finished_ms: Some(cx.now_ms), ..row })?;
        }
        cx.count_down(Counter::RunsQueued)?;
        cx.put::<Schedules>(&source, &schedule)?;
    }
    Ok(())
}
