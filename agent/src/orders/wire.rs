//! Messages of the stream, to and from the book's own words.
//!
//! Owns the conversion. What can't be read is dropped, and said in the log: an order that is not understood is not taken.

use strongroom_core::id::{RunId, SnapshotId, SourceId};
use strongroom_proto::agents::v1::from_agent::Message as ToLeader;
use strongroom_proto::agents::v1::run_ended::Outcome;
use strongroom_proto::agents::v1::to_agent::Message as FromLeader;
use strongroom_proto::agents::v1::{Alive, CalledOff, Cause, FromAgent, Hello, Progress, RunEnded, StartRun};
use strongroom_proto::common::v1::Failure;

use super::book::{RunCause, RunEnd, RunOrder, Said};

/// What came over the stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    /// The leader knows this agent now, and wants a sign of life every so many milliseconds.
    Welcome(u32),
    /// Something for the book.
    Said(Said),
    /// The stream ends.
    Failure(Failure),
}

/// A message that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the leader's message can't be read")]
pub(super) struct Unread;

pub(super) fn read(message: Option<FromLeader>) -> Result<Heard, Unread> {
    let run = |bytes: &[u8]| bytes.try_into().map(RunId).map_err(|_| Unread);
    Ok(match message.ok_or(Unread)? {
        FromLeader::Welcome(welcome) => Heard::Welcome(welcome.alive_every_ms),
        FromLeader::Start(start) => Heard::Said(Said::Start(order(&start)?)),
        FromLeader::CallOff(it) => Heard::Said(Said::CallOff(run(&it.run)?)),
        FromLeader::EndNoted(it) => Heard::Said(Said::EndNoted(run(&it.run)?)),
        FromLeader::EndRefused(it) => {
            tracing::warn!(run = %run(&it.run)?, code = it.code, "the group does not take a run's end: {}", it.message);
            Heard::Said(Said::EndRefused { run: run(&it.run)?, is_over: it.is_over })
        }
        FromLeader::Failure(failure) => Heard::Failure(failure),
    })
}

fn order(start: &StartRun) -> Result<RunOrder, Unread> {
    let cause = match start.cause() {
        Cause::Schedule => RunCause::Schedule,
        Cause::Retry => RunCause::Retry,
        Cause::Manual => RunCause::Manual,
        Cause::Forced => RunCause::Forced,
        Cause::Unspecified => return Err(Unread),
    };
    let run = RunId(start.run.as_slice().try_into().map_err(|_| Unread)?);
    let source = SourceId(start.source.as_slice().try_into().map_err(|_| Unread)?);
    Ok(RunOrder { run, source, period: start.period, attempt: start.attempt, cause, fence: start.fence })
}

fn message(message: ToLeader) -> FromAgent {
    FromAgent { message: Some(message) }
}

pub(super) fn hello(version: &str, boot: u64, runs: &[RunId]) -> FromAgent {
    let runs = runs.iter().map(|run| run.0.to_vec()).collect();
    message(ToLeader::Hello(Hello { version: version.to_owned(), boot, runs }))
}

pub(super) fn alive() -> FromAgent {
    message(ToLeader::Alive(Alive {}))
}

pub(super) fn progress(run: RunId, bytes: u64, records: u64) -> FromAgent {
    message(ToLeader::Progress(Progress { run: run.0.to_vec(), bytes, records }))
}

pub(super) fn ended(run: RunId, end: RunEnd) -> FromAgent {
    let outcome = match end {
        RunEnd::Snapshot(SnapshotId(id)) => Outcome::Snapshot(id.to_vec()),
        RunEnd::Failed(code) => Outcome::Failed(code.into()),
        RunEnd::CalledOff => Outcome::CalledOff(CalledOff {}),
    };
    message(ToLeader::Ended(RunEnded { run: run.0.to_vec(), outcome: Some(outcome) }))
}
