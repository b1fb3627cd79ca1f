//! One agent's stream, from its hello to its end.
//!
//! ```text
//!   agent          member (leads)
//!     │── Hello ──────►│  registered? its boot not older than the one heard last?
//!     │◄──── Welcome ──│  from here on the scheduler sees it
//!     │◄── StartRun ───│  once on each stream, for each run under way that the agent did not name
//!     │── Progress ───►│  to the log at most every ten seconds a run
//!     │── RunEnded ───►│  to the log
//!     │◄─── EndNoted ──│  or EndRefused, if that is not how the run ended
//!     │◄──── Failure ──│  another leads, or the agent is refused; the stream ends
//! ```
//!
//! Owns what an agent may say over its stream, and the checks of it: an agent ends and reports runs of its own sources,
//! and no others. Nothing that it says is kept but in the log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use strongroom_core::error::Code;
use strongroom_core::id::{AgentId, RunId, SnapshotId, SourceId};
use strongroom_platform::clock::{Clock, MonotonicTime};
use strongroom_platform::tls::PeerIdentity;
use strongroom_proto::agents::v1::from_agent::Message as Said;
use strongroom_proto::agents::v1::run_ended::Outcome as WireOutcome;
use strongroom_proto::agents::v1::to_agent::Message;
use strongroom_proto::agents::v1::{EndNoted, EndRefused, FromAgent, Hello, Progress, RunEnded, Welcome};
use strongroom_proto::common::v1::{Class, Failure};
use tonic::{Status, Streaming};

use super::links::{AgentLinks, LinkKey, Orders};
use super::registered;
use crate::raft::Role;
use crate::scheduler::ALIVE_EVERY_MS;
use crate::server::asking::{ask, fixed, look, plain};
use crate::server::engine::Engine;
use crate::server::failure::{not_leader, rejected};
use crate::state::agents::ReportAgent;
use crate::state::query;
use crate::state::runs::commands::{FinishRun, ReportRun};
use crate::state::runs::{RunOutcome, RunState};
use crate::state::text::ProgramVersion;

/// Runs that an agent may say it has: more than one host has sources.
const HELD_MAX: usize = 4_096;
/// How often the progress of one run goes to the log at most.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// A stream of an agent that was let in.
pub(super) struct Follower {
    engine: Engine,
    links: Arc<AgentLinks>,
    clock: Arc<dyn Clock>,
    peer: PeerIdentity,
    agent: AgentId,
    key: LinkKey,
    reported: BTreeMap<RunId, MonotonicTime>,
}

/// Takes an agent's hello, and lets it in.
pub(super) async fn welcome(
    engine: Engine,
    links: Arc<AgentLinks>,
    clock: Arc<dyn Clock>,
    peer: PeerIdentity,
    hello: Hello,
) -> Result<(Follower, Orders), Failure> {
    let standing = engine.standing();
    if standing.role != Role::Leader {
        return Err(not_leader(&engine, standing.leader).await);
    }
    if hello.runs.len() > HELD_MAX {
        return Err(rejected("malformed", "an agent has no more runs than there are sources on a host"));
    }
    let holds: BTreeSet<RunId> =
        hello.runs.iter().map(|run| Ok(RunId(fixed(run, "a run's id")?))).collect::<Result<_, Failure>>()?;
    let version = ProgramVersion::new(&hello.version).map_err(|error| rejected("malformed", &error.to_string()))?;
    let agent = AgentId(peer.id.subject.0);
    let caller = peer.clone();
    look(&engine, move |rows| Ok(registered(rows, &caller)?.map(|_| ()))).await?;
    let report = ReportAgent { agent, version, boot: hello.boot };
    ask(&engine, plain(report.into(), &peer)?).await?;
    let (key, orders) = links.attach(agent, holds, clock.monotonic());
    links.say(key, Message::Welcome(Welcome { alive_every_ms: ALIVE_EVERY_MS }));
    Ok((Follower { engine, links, clock, peer, agent, key, reported: BTreeMap::new() }, orders))
}

impl Follower {
    /// Takes what the agent says, until it says no more, is replaced, or this member leads no more.
    pub(super) async fn serve(mut self, mut said: Streaming<FromAgent>) {
        if let Err(failure) = self.listen(&mut said).await {
            self.links.say(self.key, Message::Failure(failure));
        }
        self.links.detach(self.key);
    }

    async fn listen(&mut self, said: &mut Streaming<FromAgent>) -> Result<(), Failure> {
        let mut standing = self.engine.watch();
        loop {
            let now = *standing.borrow_and_update();
            if now.role != Role::Leader {
                return Err(not_leader(&self.engine, now.leader).await);
            }
            let message: Result<Option<FromAgent>, Status> = tokio::select! {
                message = said.message() => message,
                changed = standing.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return Ok(()),
                },
            };
            // A stream that broke is one that ended: the agent comes again.
            let Ok(Some(FromAgent { message })) = message else { return Ok(()) };
            if !self.links.heard(self.key, self.clock.monotonic()) {
                return Ok(());
            }
            match message {
                Some(Said::Progress(progress)) => self.progress(&progress).await?,
                Some(Said::Ended(ended)) => self.ended(ended).await?,
                Some(Said::Alive(_)) | None => {}
                Some(Said::Hello(_)) => return Err(rejected("malformed", "a stream begins with one hello")),
            }
        }
    }

    async fn progress(&mut self, progress: &Progress) -> Result<(), Failure> {
        let run = RunId(fixed(&progress.run, "a run's id")?);
        let now = self.clock.monotonic();
        if self.reported.get(&run).is_some_and(|last| now.since(*last) < PROGRESS_EVERY) {
            return Ok(());
        }
        if self.source_of(run).await?.is_none() {
            return Ok(());
        }
        if self.reported.len() >= HELD_MAX {
            self.reported.clear();
        }
        self.reported.insert(run, now);
        let report = ReportRun { run, bytes: progress.bytes, records: progress.records };
        settled(ask(&self.engine, plain(report.into(), &self.peer)?).await.map(|_| ()))
    }

    async fn ended(&mut self, ended: RunEnded) -> Result<(), Failure> {
        let run = RunId(fixed(&ended.run, "a run's id")?);
        let outcome = match ended.outcome {
            Some(WireOutcome::Snapshot(id)) => {
                RunOutcome::Succeeded { snapshot: SnapshotId(fixed(&id, "a snapshot's id")?) }
            }
            Some(WireOutcome::Failed(code)) => RunOutcome::Failed { code: u16::try_from(code).unwrap_or(u16::MAX) },
            Some(WireOutcome::CalledOff(_)) => RunOutcome::Abandoned,
            None => return Err(rejected("malformed", "a run ends in some way")),
        };
        let source = self.source_of(run).await?;
        let told = match source {
            None => refused(run, true, "not-yours", "the run is none of this agent's"),
            Some(_) => self.finish(run, outcome).await?,
        };
        self.reported.remove(&run);
        let is_over = !matches!(&told, Message::EndRefused(it) if !it.is_over);
        if is_over {
            self.links.ended(self.key, &run, source);
        }
        self.links.say(self.key, told);
        Ok(())
    }

    /// Asks for the end of a run, and gives what the agent is to be told of it.
    async fn finish(&self, run: RunId, outcome: RunOutcome) -> Result<Message, Failure> {
        let outcome = self.as_it_is(outcome).await?;
        let finish = FinishRun { run, outcome };
        match ask(&self.engine, plain(finish.into(), &self.peer)?).await {
            Ok(_) => Ok(Message::EndNoted(EndNoted { run: run.0.to_vec() })),
            Err(failure) if failure.class() == Class::Rejected => {
                tracing::info!(%run, code = failure.code, "the end of a run was not taken");
                let row = look(&self.engine, move |rows| Ok(Ok(query::run(rows, &run)?))).await?;
                let is_over = row.is_none_or(|row| matches!(row.state, RunState::Finished(_)));
                Ok(refused(run, is_over, &failure.code, &failure.message))
            }
            Err(failure) => Err(failure),
        }
    }

    /// The source of a run, if it is one of this agent's. Others are none of its business, and not an error: a source may
    /// have got another agent, and a run may have been forgotten.
    async fn source_of(&self, run: RunId) -> Result<Option<SourceId>, Failure> {
        let agent = self.agent;
        look(&self.engine, move |rows| {
            let Some(row) = query::run(rows, &run)? else { return Ok(Ok(None)) };
            let source = query::source(rows, &row.source)?;
            Ok(Ok(source.filter(|source| source.facts.agent == agent).map(|_| row.source)))
        })
        .await
    }

    /// A run that brought an incomplete snapshot has failed, whatever its agent calls it.
    async fn as_it_is(&self, outcome: RunOutcome) -> Result<RunOutcome, Failure> {
        let RunOutcome::Succeeded { snapshot } = outcome else { return Ok(outcome) };
        let row = look(&self.engine, move |rows| Ok(Ok(query::snapshot(rows, &snapshot)?))).await?;
        let is_whole = row.is_some_and(|row| row.facts.is_complete);
        Ok(if is_whole { outcome } else { RunOutcome::Failed { code: Code::Incomplete.number() } })
    }
}

/// The end of a run was not taken as it was said.
fn refused(run: RunId, is_over: bool, code: &str, message: &str) -> Message {
    Message::EndRefused(EndRefused { run: run.0.to_vec(), code: code.to_owned(), message: message.to_owned(), is_over })
}

/// What was decided against is settled: the agent was told of a state that is past, and saying it again changes nothing.
fn settled(asked: Result<(), Failure>) -> Result<(), Failure> {
    match asked {
        Err(failure) if failure.class() == Class::Rejected => {
            tracing::info!(code = failure.code, "what an agent said of a run was not taken");
            Ok(())
        }
        asked => asked,
    }
}
