//! Watches: first what is, then what changes.
//!
//! Owns streams that look at this member every half second, and whenever its standing changes, and tell what is new. They
//! tell what this member knows, which may be behind the leader, and never go back. Each look is decided upon anew: whoever
//! may not read any more, by policy, roles or deny-list, hears so and nothing else. The number of watches is bounded, and
//! each holds one answer at most.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use strongroom_core::id::{RunId, SourceId};
use strongroom_platform::tls::PeerIdentity;
use strongroom_proto::common::v1::Failure;
use strongroom_proto::operators::v1::{DenialsSeen, RunsSeen, Standing as StandingMessage};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::access::permit;
use super::listings::{PAGE_ROWS_MAX, source_of};
use super::{members, rows};
use crate::member::Member;
use crate::raft::Standing;
use crate::server::engine::{Engine, EngineError};
use crate::server::failure::unreadable;
use crate::state::query;
use crate::state::runs::{RUNS_KEPT, RunRow};

/// Watches at once: some for each person, console and depot of a large installation.
const WATCHES_MAX: usize = 256;
/// How often the rows are looked at: a denial has a minute to be heard of.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a watch answers with.
pub(super) type Follow<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The watches that are open.
#[derive(Clone)]
pub(super) struct Watches(Arc<Semaphore>);

impl Default for Watches {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(WATCHES_MAX)))
    }
}

/// What is new since the last look; nothing if all is as it was.
trait Look: Send + 'static {
    /// What it tells.
    type Seen: Send + 'static;

    /// Looks at the member.
    fn look(&mut self, member: &Member) -> Result<Option<Self::Seen>, Failure>;
}

impl Watches {
    /// Follows the deny-list from a version on.
    pub(super) fn denials(
        &self,
        engine: Engine,
        peer: PeerIdentity,
        after_version: u64,
    ) -> Result<Follow<DenialsSeen>, Status> {
        self.follow(engine, peer, "denial.watch", Denials { after_version, is_started: false })
    }

    /// Follows the runs of a source.
    pub(super) fn runs(&self, engine: Engine, peer: PeerIdentity, source: String) -> Result<Follow<RunsSeen>, Status> {
        self.follow(engine, peer, "run.watch", Runs { name: source, source: None, known: BTreeMap::new() })
    }

    /// Follows what the member is.
    pub(super) fn standing(&self, engine: Engine, peer: PeerIdentity) -> Result<Follow<StandingMessage>, Status> {
        self.follow(engine, peer, "status.show", Standings(None))
    }

    fn follow<L: Look>(
        &self,
        engine: Engine,
        peer: PeerIdentity,
        action: &'static str,
        look: L,
    ) -> Result<Follow<L::Seen>, Status> {
        let permit = Arc::clone(&self.0).try_acquire_owned();
        let permit = permit.map_err(|_| Status::resource_exhausted("too many watches are open"))?;
        let (told, stream) = mpsc::channel(1);
        tokio::spawn(tell(engine, peer, action, look, told, permit));
        Ok(Box::pin(ReceiverStream::new(stream)))
    }
}

async fn tell<L: Look>(
    engine: Engine,
    peer: PeerIdentity,
    action: &'static str,
    mut look: L,
    told: mpsc::Sender<Result<L::Seen, Status>>,
    _permit: OwnedSemaphorePermit,
) {
    let mut interval = tokio::time::interval(LOOK_EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut standing = engine.watch();
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            Ok(()) = standing.changed() => {}
            () = told.closed() => return,
        }
        let peer = peer.clone();
        let looked = engine.inspect(move |member| {
            let seen = permit(member.machine().rows(), &peer, action).and_then(|()| look.look(member));
            (look, seen)
        });
        let seen = match looked.await {
            Ok((again, seen)) => {
                look = again;
                seen
            }
            // The look went with the order that was not taken. Whoever watches asks anew, from what it knows.
            Err(EngineError::Overloaded) => {
                drop(told.send(Err(Status::unavailable("the member has too much to do"))).await);
                return;
            }
            Err(EngineError::Ended) => return,
        };
        let told_it = match seen {
            Ok(None) => Ok(()),
            Ok(Some(seen)) => told.send(Ok(seen)).await,
            Err(failure) => {
                drop(told.send(Err(status(&failure))).await);
                return;
            }
        };
        if told_it.is_err() {
            return;
        }
    }
}

fn status(failure: &Failure) -> Status {
    match failure.code.as_str() {
        "forbidden" => Status::permission_denied(&failure.message),
        "missing" => Status::not_found(&failure.message),
        _ => Status::unavailable(&failure.message),
    }
}

/// What was told last.
struct Standings(Option<Standing>);

impl Look for Standings {
    type Seen = StandingMessage;

    fn look(&mut self, member: &Member) -> Result<Option<StandingMessage>, Failure> {
        let now = member.standing();
        let is_new = self.0.replace(now) != Some(now);
        Ok(is_new.then(|| members::standing(now)))
    }
}

struct Denials {
    after_version: u64,
    is_started: bool,
}

impl Look for Denials {
    type Seen = DenialsSeen;

    fn look(&mut self, member: &Member) -> Result<Option<DenialsSeen>, Failure> {
        let rows = member.machine().rows();
        let page =
            query::denials(rows, Some(&self.after_version), PAGE_ROWS_MAX).map_err(|error| unreadable(&error))?;
        if page.rows.is_empty() && self.is_started {
            return Ok(None);
        }
        self.is_started = true;
        self.after_version = page.rows.last().map_or(self.after_version, |(version, _)| *version);
        let denials = page.rows.iter().map(|(version, denial)| rows::denial(*version, denial)).collect();
        Ok(Some(DenialsSeen { denials, version: self.after_version }))
    }
}

struct Runs {
    name: String,
    source: Option<SourceId>,
    known: BTreeMap<RunId, RunRow>,
}

impl Look for Runs {
    type Seen = RunsSeen;

    fn look(&mut self, member: &Member) -> Result<Option<RunsSeen>, Failure> {
        let rows = member.machine().rows();
        let is_first = self.source.is_none();
        let source = match self.source {
            Some(source) => source,
            None => source_of(rows, &self.name)?,
        };
        self.source = Some(source);
        let kept = usize::try_from(RUNS_KEPT).unwrap_or(PAGE_ROWS_MAX);
        let page = query::runs(rows, source, None, kept).map_err(|error| unreadable(&error))?;
        let now: BTreeMap<RunId, RunRow> = page.rows.iter().copied().collect();
        let changed = page.rows.iter().filter(|(run, row)| self.known.get(run) != Some(row));
        let runs: Vec<_> = changed.map(|(run, row)| rows::run(run, row)).collect();
        self.known = now;
        Ok((is_first || !runs.is_empty()).then_some(RunsSeen { runs }))
    }
}
