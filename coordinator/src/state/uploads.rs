//! Upload sessions and the fencing epochs of sources.
//!
//! ```text
//!   OpenUpload ─► live, epoch e ─┬─► closed
//!                                └─► fenced by e' > e: a newer upload, another agent, or FenceUpload
//! ```
//!
//! Owns the counter that only grows, one per source, and the rule that only the live session of a source commits, under
//! its own epoch. A writer that was paused and wakes up finds itself fenced by an entry of the log, never by a clock.

use serde::{Deserialize, Serialize};
use strongroom_core::id::{AgentId, RunId, SourceId, UploadId};

use super::command::{Audited, Effect, Retry};
use super::context::Context;
use super::counters::Counter;
use super::outcome::{Answer, Effected, Fault, Refusal, Thing, require};
use super::runs::Runs;
use super::sources::Sources;
use super::tables::tables;

/// Newest sessions that are kept for each source.
pub const UPLOADS_KEPT: u64 = 16;

tables! {
    /// The newest epoch of each source.
    Epochs = EPOCHS: SourceId => EpochRow;
    /// Upload sessions by source and epoch.
    Uploads = UPLOADS: (SourceId, u64) => UploadRow;
}

/// The newest epoch of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRow {
    /// The epoch; 0 before the first session.
    pub epoch: u64,
    /// The session that may commit under it.
    pub live: Option<UploadId>,
}

/// An upload session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRow {
    /// The session.
    pub upload: UploadId,
    /// The agent that writes.
    pub agent: AgentId,
    /// The run that it is a part of.
    pub run: Option<RunId>,
    /// Accrued time at which it was opened.
    pub opened_ms: u64,
    /// Whether it may commit.
    pub state: UploadState,
}

/// Whether a session may commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UploadState {
    /// It may.
    Live,
    /// It is done.
    Closed,
    /// It may not, since this epoch began.
    Fenced {
        /// The epoch.
        by: u64,
    },
}

/// Opens a session, and fences the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenUpload {
    /// The session.
    pub upload: UploadId,
    /// The source.
    pub source: SourceId,
    /// The agent that writes; it must be the source's.
    pub agent: AgentId,
    /// The run that it is a part of, which must be under way.
    pub run: Option<RunId>,
}

/// Closes a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseUpload {
    /// The source.
    pub source: SourceId,
    /// The session.
    pub upload: UploadId,
    /// Its epoch.
    pub epoch: u64,
}

/// Fences whatever session of a source is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceUpload {
    /// The source.
    pub source: SourceId,
    /// The epoch that the caller saw.
    pub epoch: u64,
}

impl Effect for OpenUpload {
    fn audited(&self) -> Option<Audited> {
        None
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let source = cx.need::<Sources>(&self.source, Thing::Source)?;
        require(source.facts.agent == self.agent, Refusal::Changed(Thing::Source))?;
        cx.active_agent(self.agent)?;
        if let Some(run) = &self.run {
            let row = cx.need::<Runs>(run, Thing::Run)?;
            require(row.source == self.source && row.is_running(), Refusal::Changed(Thing::Run))?;
        }
        let epoch = fence(cx, self.source)?;
        cx.count_up(Counter::UploadsLive)?;
        cx.put::<Epochs>(&self.source, &EpochRow { epoch, live: Some(self.upload) })?;
        let row = UploadRow {
            upload: self.upload,
            agent: self.agent,
            run: self.run,
            opened_ms: cx.now_ms,
            state: UploadState::Live,
        };
        cx.put::<Uploads>(&(self.source, epoch), &row)?;
        Ok(Answer::Epoch(epoch))
    }
}

impl Effect for CloseUpload {
    fn audited(&self) -> Option<Audited> {
        None
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        require_live(cx, self.source, self.upload, self.epoch)?;
        end(cx, self.source, self.epoch, UploadState::Closed)?;
        cx.put::<Epochs>(&self.source, &EpochRow { epoch: self.epoch, live: None })?;
        Ok(Answer::Applied)
    }
}

impl Effect for FenceUpload {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("upload.fence", &self.source))
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        cx.need::<Sources>(&self.source, Thing::Source)?;
        let newest = cx.change.get::<Epochs>(&self.source)?.unwrap_or_default();
        require(newest.epoch == self.epoch, Refusal::Fenced(newest.epoch))?;
        Ok(Answer::Epoch(fence(cx, self.source)?))
    }
}

/// Begins a new epoch without a session, and gives it. Touches at most four rows.
pub(in crate::state) fn fence(cx: &mut Context<'_>, source: SourceId) -> Result<u64, Fault> {
    let old = cx.change.get::<Epochs>(&source)?.unwrap_or_default();
    let epoch = old.epoch.saturating_add(1);
    if old.live.is_some() {
        end(cx, source, old.epoch, UploadState::Fenced { by: epoch })?;
    }
    cx.put::<Epochs>(&source, &EpochRow { epoch, live: None })?;
    if let Some(forgotten) = epoch.checked_sub(UPLOADS_KEPT) {
        cx.change.remove::<Uploads>(&(source, forgotten));
    }
    Ok(epoch)
}

/// Refuses any session but the live one of a source under its own epoch.
pub(in crate::state) fn require_live(
    cx: &Context<'_>,
    source: SourceId,
    upload: UploadId,
    epoch: u64,
) -> Result<(), Fault> {
    let newest = cx.need::<Epochs>(&source, Thing::Upload)?;
    require(epoch <= newest.epoch && epoch > 0, Refusal::Missing(Thing::Upload))?;
    require(epoch == newest.epoch, Refusal::Fenced(newest.epoch))?;
    let row = cx.need::<Uploads>(&(source, epoch), Thing::Upload)?;
    require(row.upload == upload, Refusal::Missing(Thing::Upload))?;
    Ok(match row.state {
        UploadState::Live => Ok(()),
        UploadState::Closed => Err(Refusal::UploadClosed),
        UploadState::Fenced { by } => Err(Refusal::Fenced(by)),
    }?)
}

fn end(cx: &mut Context<'_>, source: SourceId, epoch: u64, state: UploadState) -> Result<(), Fault> {
    if let Some(row) = cx.change.get::<Uploads>(&(source, epoch))? {
        cx.put::<Uploads>(&(source, epoch), &UploadRow { state, ..row })?;
        cx.count_down(Counter::UploadsLive)?;
    }
    Ok(())
}
