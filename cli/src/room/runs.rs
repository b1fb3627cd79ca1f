//! Runs of this process, as the group sees them: begun before anything is read, ended when the heads are committed.
//!
//! ```text
//!   begin ── abandon what a dead process left ── start ── open an upload ── commit what the depot has already
//!     │         nobody has the member while the source is read and the depot filled
//!   end ──── commit heads ── close the upload ── finish          or: fail
//! ```
//!
//! Owns this order. The caller holds the source's lock, so a run that the group believes to be under way is that of a
//! process which is gone. What a killed run left durable in the depot is committed by the next one.

use strongroom_coordinator::state::Command;
use strongroom_coordinator::state::query;
use strongroom_coordinator::state::runs::commands::{FinishRun, StartRun};
use strongroom_coordinator::state::runs::{RunCause, RunOutcome, RunPlan, ScheduleSeen};
use strongroom_core::entropy::random_array;
use strongroom_core::error::Code;
use strongroom_core::id::{RunId, SnapshotId, SourceId};

use super::Room;
use super::group::{Group, unread};
use super::heads::{Agreement, Upload};
use crate::failure::{Attempt as _, Failure};

/// A run that the group knows to be under way.
pub(crate) struct OpenRun {
    run: RunId,
    upload: Upload,
    /// What is wrong with the source's earlier snapshots, and keeps none from being taken.
    pub(crate) fault: Option<Failure>,
}

impl Room {
    /// Begins a run of a source.
    pub(crate) fn begin_run(&self, source: SourceId, name: &str) -> Result<OpenRun, Failure> {
        let what = || format!("can't begin a run of {name}");
        let mut group = self.group()?;
        let schedule = query::schedule(group.rows(), &source).attempt(unread)?.unwrap_or_default();
        let mut before: Vec<Command> = Vec::new();
        if let Some(run) = schedule.seen.running {
            before.push(FinishRun { run, outcome: RunOutcome::Abandoned }.into());
        }
        let run = RunId(random_array(self.entropy()).attempt(what)?);
        let plan = RunPlan { source, period: 0, attempt: 1, cause: RunCause::Manual };
        before.push(StartRun { run, plan, seen: ScheduleSeen { running: None, ..schedule.seen } }.into());
        let upload = group.open_upload(source, Some(run), before)?;
        let fault = catch_up(&mut group, &upload, source, name).err();
        Ok(OpenRun { run, upload, fault })
    }

    /// Ends a run of a source that brought a snapshot, which the depot has by now; says whether it is protected.
    pub(crate) fn end_run(
        &self,
        open: &OpenRun,
        source: SourceId,
        name: &str,
        snapshot: SnapshotId,
    ) -> Result<bool, Failure> {
        let mut group = self.group()?;
        group.commit_heads(&open.upload)?;
        let row = query::snapshot(group.rows(), &snapshot).attempt(unread)?;
        // A snapshot that lacks something counts as a snapshot, and its run as no success.
        let outcome = match row {
            Some(row) if row.facts.is_complete => RunOutcome::Succeeded { snapshot },
            Some(_) => RunOutcome::Failed { code: Code::Incomplete.number() },
            None => RunOutcome::Failed { code: Code::ChainGap.number() },
        };
        let finish = FinishRun { run: open.run, outcome };
        group.submit(vec![open.upload.closing(), finish.into()], || format!("can't commit snapshot {snapshot}"))?;
        if row.is_some() || open.fault.is_some() {
            return group.is_protected(snapshot);
        }
        Err(match group.agreement(source)? {
            Agreement::Gap(gap) => gap.told(name),
            _ => Failure::new(Code::Damaged, format!("the depot does not hold the manifest of snapshot {snapshot}")),
        })
    }

    /// Ends a run that failed.
    pub(crate) fn fail_run(&self, open: &OpenRun, code: Code) -> Result<(), Failure> {
        let finish = FinishRun { run: open.run, outcome: RunOutcome::Failed { code: code.number() } };
        self.group()?.submit(vec![open.upload.closing(), finish.into()], || "can't end the run")?;
        Ok(())
    }
}

/// Commits what the depot holds of a source and the group lacks, as far as that goes.
fn catch_up(group: &mut Group<'_>, upload: &Upload, source: SourceId, name: &str) -> Result<(), Failure> {
    let mut agreement = group.agreement(source)?;
    if agreement == Agreement::DepotAhead {
        group.commit_heads(upload)?;
        agreement = group.agreement(source)?;
    }
    match agreement {
        Agreement::Same | Agreement::DepotAhead => Ok(()),
        Agreement::DepotLacks(snapshot) => Err(lost(name, snapshot)),
        Agreement::Gap(gap) => Err(gap.told(name)),
    }
}

/// A snapshot that the group has committed and the depot does not hold.
pub(crate) fn lost(name: &str, snapshot: SnapshotId) -> Failure {
    let what = format!("snapshot {snapshot} of {name} was committed, and the depot does not hold its manifest");
    Failure::new(Code::SnapshotLost, what)
}
