//! The stream to the leader, kept open for as long as the agent runs.
//!
//! Owns one connection at a time. It goes to the members in turn, follows the address that one of them names as the
//! leader's, and waits between attempts: twice as long after each failure, up to half a minute, and then between a half
//! and the whole of that. Runs go on meanwhile, and their ends are written down. It decides nothing; the book does.

use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use strongroom_core::entropy::{Entropy, random_array};
use strongroom_core::error::Code;
use strongroom_core::id::RunId;
use strongroom_proto::agents::v1::agents_client::AgentsClient;
use strongroom_proto::agents::v1::{FromAgent, ToAgent};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use super::book::{Book, Effect, RUNS_MAX, RunEnd, RunOrder};
use super::memory::{Memory, OrdersError};
use super::wire::{self, Heard};

/// The shortest and the longest wait before another attempt.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// How long a connection may take.
const DIAL_TIME_MAX: Duration = Duration::from_secs(15);
/// How long a member may take to let this agent in.
const WELCOME_TIME_MAX: Duration = Duration::from_secs(10);
/// How often a sign of life is given at least and at most, whatever the leader asks for.
const ALIVE_EVERY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// Messages that may wait for the network: a hello and the end of each run. Signs of life and progress are dropped beyond
/// it; an end closes the stream, and is said on the next.
const MESSAGES_MAX: usize = 2 * RUNS_MAX;

/// Makes connections to members, and proves both ends.
pub trait Dial: Send + Sync {
    /// Why there is no connection.
    type Error: std::error::Error + Send;

    /// Connects to an address of a member's API.
    fn dial(&self, address: &str) -> impl Future<Output = Result<Channel, Self::Error>> + Send;
}

/// Does what a run is.
pub trait Runner: Send + Sync {
    /// Begins a run, and returns at once. The run ends by [`RunHandle::end`]; a handle that is dropped has failed.
    fn begin(&self, order: RunOrder, handle: RunHandle);
}

/// What a run has of this agent.
pub struct RunHandle {
    progress: watch::Sender<(u64, u64)>,
    stop: watch::Receiver<bool>,
    end: oneshot::Sender<RunEnd>,
}

impl RunHandle {
    /// Says how far the run is: bytes and records read so far.
    pub fn progress(&self, bytes: u64, records: u64) {
        self.progress.send_replace((bytes, records));
    }

    /// Becomes true when the run is called off. It is then to end as soon as it can.
    pub fn stop(&self) -> watch::Receiver<bool> {
        self.stop.clone()
    }

    /// Ends the run.
    pub fn end(self, end: RunEnd) {
        // Nobody is there to hear it only if the agent itself ends.
        self.end.send(end).ok();
    }
}

/// A run under way, as the link sees it.
struct AtWork {
    progress: watch::Receiver<(u64, u64)>,
    stop: watch::Sender<bool>,
}

/// What a follower needs of its host.
pub struct Host<D, R> {
    /// Connections.
    pub dial: D,
    /// What runs do.
    pub runner: R,
    /// For waits that spread.
    pub entropy: Arc<dyn Entropy>,
    /// The version of this program.
    pub version: String,
    /// Addresses of members, at least one.
    pub members: Vec<String>,
}

/// Ticks of this length, the first of them after one.
fn interval(length: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval(length);
    interval.reset();
    interval
}

/// Follows the leader.
pub struct Follower<D, R> {
    host: Arc<Host<D, R>>,
    memory: Memory,
    book: Book,
    at_work: BTreeMap<RunId, AtWork>,
    ends: JoinSet<(RunId, RunEnd)>,
    /// The member that is asked next, and the leader's address, if one named it.
    next: usize,
    leader: Option<String>,
}

/// Why a stream ended.
enum Over {
    /// It broke, or was never let in.
    Lost,
    /// Another member leads: this one, if it is known.
    Elsewhere(Option<String>),
    /// The agent is to stop.
    Stopped,
}

impl<D: Dial, R: Runner> Follower<D, R> {
    /// A follower with the book that its memory holds.
    pub fn new(host: Host<D, R>, memory: Memory, book: Book) -> Self {
        let host = Arc::new(host);
        Self { host, memory, book, at_work: BTreeMap::new(), ends: JoinSet::new(), next: 0, leader: None }
    }

    /// Follows until `stop` becomes true, or what must be kept can't be.
    pub async fn keep(mut self, mut stop: watch::Receiver<bool>) -> Result<(), OrdersError> {
        let mut failures = 0_u32;
        while !*stop.borrow() {
            let (over, was_in) = self.follow(&mut stop).await?;
            self.book.disconnected();
            failures = if was_in { 0 } else { failures.saturating_add(1) };
            // Members that point at each other must not be asked without end.
            let is_shown_the_way = failures <= 1 && matches!(over, Over::Elsewhere(Some(_)));
            self.leader = match over {
                Over::Stopped => break,
                Over::Elsewhere(leader) => leader,
                Over::Lost => None,
            };
            if is_shown_the_way {
                continue;
            }
            self.wait(self.backoff(failures), &mut stop).await?;
        }
        Ok(())
    }

    fn backoff(&self, failures: u32) -> Duration {
        let whole = BACKOFF.0.saturating_mul(1 << failures.min(10)).min(BACKOFF.1);
        // Without randomness all agents wait the same, which is no worse than a slow member.
        let share = random_array::<1>(self.host.entropy.as_ref()).map_or(255, |[byte]| byte);
        whole / 2 + whole / 2 * u32::from(share) / 255
    }

    async fn wait(&mut self, length: Duration, stop: &mut watch::Receiver<bool>) -> Result<(), OrdersError> {
        self.meanwhile(length, stop, None, pending::<()>()).await.map(drop)
    }

    /// Waits for something, and writes down what ends meanwhile. Nothing if it takes too long, if the agent is to stop,
    /// or if an end can't be said to the leader.
    async fn meanwhile<T>(
        &mut self,
        length: Duration,
        stop: &mut watch::Receiver<bool>,
        out: Option<&mpsc::Sender<FromAgent>>,
        awaited: impl Future<Output = T>,
    ) -> Result<Option<T>, OrdersError> {
        let mut awaited = Box::pin(tokio::time::timeout(length, awaited));
        loop {
            tokio::select! {
                came = &mut awaited => return Ok(came.ok()),
                _ = stop.wait_for(|stop| *stop) => return Ok(None),
                Some(ended) = self.ends.join_next() => {
                    if !self.note_end(&ended, out)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn address(&mut self) -> Option<String> {
        if let Some(leader) = &self.leader {
            return Some(leader.clone());
        }
        let count = self.host.members.len().max(1);
        self.next = (self.next + 1) % count;
        self.host.members.get(self.next).cloned()
    }

    /// One stream, from dialling to its end. Says too whether it was let in.
    async fn follow(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(Over, bool), OrdersError> {
        let Some(address) = self.address() else { return Ok((Over::Lost, false)) };
        let host = Arc::clone(&self.host);
        let channel = match self.meanwhile(DIAL_TIME_MAX, stop, None, host.dial.dial(&address)).await? {
            Some(Ok(channel)) => channel,
            Some(Err(error)) => {
                tracing::info!(address, %error, "no connection to the member");
                return Ok((Over::Lost, false));
            }
            None => return Ok((Over::Lost, false)),
        };
        let (out, queue) = mpsc::channel(MESSAGES_MAX);
        let said = self.book.connected();
        if !self.carry_out(said, Some(&out))? {
            return Ok((Over::Lost, false));
        }
        let mut client = AgentsClient::new(channel);
        let opened = client.follow(ReceiverStream::new(queue));
        let Some(Ok(orders)) = self.meanwhile(WELCOME_TIME_MAX, stop, Some(&out), opened).await? else {
            return Ok((Over::Lost, false));
        };
        self.listen(orders.into_inner(), &out, stop).await
    }

    async fn listen(
        &mut self,
        mut orders: Streaming<ToAgent>,
        out: &mpsc::Sender<FromAgent>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(Over, bool), OrdersError> {
        let mut is_in = false;
        let mut life = interval(WELCOME_TIME_MAX);
        loop {
            tokio::select! {
                heard = orders.message() => {
                    let Ok(Some(ToAgent { message })) = heard else { return Ok((Over::Lost, is_in)) };
                    match wire::read(message) {
                        Ok(Heard::Welcome(ms)) => {
                            let asked = Duration::from_millis(ms.into());
                            life = interval(asked.clamp(ALIVE_EVERY.0, ALIVE_EVERY.1));
                            is_in = true;
                        }
                        Ok(Heard::Said(said)) => {
                            let effects = self.book.heard(said);
                            if !self.carry_out(effects, Some(out))? {
                                return Ok((Over::Lost, is_in));
                            }
                        }
                        Ok(Heard::Failure(failure)) => {
                            tracing::info!(code = failure.code, message = failure.message, "the member ends the stream");
                            let leader = (!failure.leader.is_empty()).then_some(failure.leader);
                            return Ok((Over::Elsewhere(leader), is_in));
                        }
                        Err(error) => tracing::warn!(%error, "an order was not taken"),
                    }
                }
                _ = life.tick() => {
                    if !is_in {
                        return Ok((Over::Lost, false));
                    }
                    self.show_life(out);
                }
                Some(ended) = self.ends.join_next() => {
                    if !self.note_end(&ended, Some(out))? {
                        return Ok((Over::Lost, is_in));
                    }
                }
                _ = stop.wait_for(|stop| *stop) => return Ok((Over::Stopped, is_in)),
            }
        }
    }

    /// Gives a sign of life, and says how far runs are.
    fn show_life(&mut self, out: &mpsc::Sender<FromAgent>) {
        out.try_send(wire::alive()).ok();
        for (run, at_work) in &mut self.at_work {
            if at_work.progress.has_changed().unwrap_or(false) {
                let (bytes, records) = *at_work.progress.borrow_and_update();
                out.try_send(wire::progress(*run, bytes, records)).ok();
            }
        }
    }

    /// Writes down that a run has ended, and carries out what follows. False if something could not be said.
    fn note_end(
        &mut self,
        ended: &Result<(RunId, RunEnd), JoinError>,
        out: Option<&mpsc::Sender<FromAgent>>,
    ) -> Result<bool, OrdersError> {
        // The tasks that wait for ends neither panic nor are they ended.
        let Ok((run, end)) = ended else { return Ok(true) };
        self.at_work.remove(run);
        let effects = self.book.ended(*run, *end);
        self.carry_out(effects, out)
    }

    /// Carries effects out. False if something could not be said: the stream must end, and it is said on the next.
    fn carry_out(&mut self, effects: Vec<Effect>, out: Option<&mpsc::Sender<FromAgent>>) -> Result<bool, OrdersError> {
        let say = |message| out.is_some_and(|out| out.try_send(message).is_ok());
        let mut is_said = true;
        for effect in effects {
            match effect {
                Effect::Keep => self.memory.keep(&self.book)?,
                Effect::Begin(order) => self.begin(order),
                Effect::Stop(run) => {
                    if let Some(at_work) = self.at_work.get(&run) {
                        at_work.stop.send_replace(true);
                    }
                }
                Effect::Hello(runs) => {
                    is_said &= say(wire::hello(&self.host.version, self.memory.boot(), &runs));
                }
                Effect::Ended(run, end) => is_said &= say(wire::ended(run, end)),
            }
        }
        Ok(is_said)
    }

    pub(super) fn begin(&mut self, order: RunOrder) {
        let (progress, seen) = watch::channel((0, 0));
        let (stop, is_stopped) = watch::channel(false);
        let (end, ended) = oneshot::channel();
        let run = order.run;
        self.at_work.insert(run, AtWork { progress: seen, stop });
        self.ends.spawn(async move {
            let lost = RunEnd::Failed(Code::RunLost.number());
            (run, ended.await.unwrap_or(lost))
        });
        self.host.runner.begin(order, RunHandle { progress, stop: is_stopped, end });
    }
}
