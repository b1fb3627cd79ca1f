//! The thread that has the member.
//!
//! Owns the queue in front of it and the people who wait behind tickets. Orders that came while a turn was under way are
//! taken together, so that they share a write. When the member ends, everybody who waits is told that nothing is known.
//!
//! **A panic ends the member**, on this thread or on the worker's, with an error that whoever waits for the thread sees:
//! what it holds in memory may be half of something, and what it has on its disk is whole. Nothing goes on without it.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use prost::Message as _;
use strongroom_core::time::WallTime;
use strongroom_platform::clock::{Clock, MonotonicTime};
use strongroom_proto::peers::v1::Envelope;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::peers::Links;
use crate::id::{MemberId, Position};
use crate::member::{Answer, CopyJob, Event, FlushJob, Member, MemberError, Outbox, SnapshotJob, Ticket};
use crate::raft::{Change, Standing};
use crate::state::{Outcome, Request, Rows, Stamp};
pub use tally::Tally;
use tally::family;

/// Orders that may wait; more are refused at the door.
const ORDERS_MAX: usize = 16 * 1024;
/// Bytes of other members' envelopes that may wait; their streams stand still meanwhile.
const ENVELOPE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Orders that one turn takes together.
const BATCH_MAX: usize = 1_024;
/// Jobs that may wait for the worker: there is one flush and one copy at a time.
const JOBS_MAX: usize = 4;

/// Looks at the rows on the member's thread; it must be quick.
type Look = Box<dyn FnOnce(Result<&Rows, Answer>) + Send>;
/// Looks at the member on its thread; it must be quick.
type Inspect = Box<dyn FnOnce(&Member) + Send>;

/// Makes a request out of what the member knows at the moment, or none; it must be quick.
type Prepare = Box<dyn FnOnce(&Member) -> Option<Request> + Send>;

enum Order {
    Event(Event),
    Prepared {
        prepare: Prepare,
        reply: oneshot::Sender<Answer>,
    },
    /// What another member says, and the room that it takes in the queue.
    Envelope(Envelope, OwnedSemaphorePermit),
    Submit {
        request: Request,
        reply: oneshot::Sender<Answer>,
    },
    Change {
        change: Change,
        request: Option<Request>,
        reply: oneshot::Sender<Answer>,
    },
    Look(Look),
    Copy(oneshot::Sender<Result<String, Answer>>),
    Inspect(Inspect),
    /// The worker did not come to the end of a job.
    JobLost,
    /// A look at the clock, for a thread that would otherwise sleep through its ticks.
    Wake,
    /// The thread is to end.
    Stop,
}

/// Why the engine does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Too many orders wait. None of this one was done.
    #[error("the member has too much to do")]
    Overloaded,
    /// The member has ended; what became of the order is not known.
    #[error("the member has ended")]
    Ended,
}

/// A handle to the member's thread.
#[derive(Clone)]
pub struct Engine {
    orders: mpsc::Sender<Order>,
    envelope_bytes: Arc<Semaphore>,
    standing: watch::Receiver<Standing>,
    tally: Arc<Tally>,
}

impl Engine {
    /// Starts the thread.
    pub fn start(
        member: Member,
        links: Arc<Links>,
        clock: Arc<dyn Clock>,
        tick: Duration,
    ) -> (Self, JoinHandle<Result<(), MemberError>>) {
        let (orders, queue) = mpsc::channel(ORDERS_MAX);
        let (announce, standing) = watch::channel(member.standing());
        let (jobs, work) = crossbeam_channel::bounded::<Job>(JOBS_MAX);
        let back = orders.downgrade();
        let worker = std::thread::spawn(move || {
            for job in work {
                let order = unless_it_panics(|| Ok(Order::Event(job.run()))).unwrap_or(Order::JobLost);
                // If the engine is gone, nobody needs what came of the job.
                let Some(back) = back.upgrade() else { return };
                drop(back.blocking_send(order));
            }
        });
        let next_tick = clock.monotonic();
        let tally = Arc::new(Tally::new(next_tick));
        let desk = Desk {
            clock,
            links,
            announce,
            jobs,
            waiting: BTreeMap::new(),
            next: 0,
            tick,
            next_tick,
            is_alone: false,
            tally: Arc::clone(&tally),
        };
        let thread = std::thread::spawn(move || {
            let ended = unless_it_panics(|| desk.serve(member, queue));
            // The folder may be opened again only when nobody writes into it any more.
            worker.join().ok();
            ended
        });
        (Self { orders, envelope_bytes: Arc::new(Semaphore::new(ENVELOPE_BYTES_MAX)), standing, tally }, thread)
    }

    /// What the member is, as of its last word.
    pub fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    /// Follows what the member is.
    pub fn watch(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Orders that wait for the thread.
    pub fn queued(&self) -> usize {
        self.orders.max_capacity() - self.orders.capacity()
    }

    /// What was counted since this process opened the member.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Lets the member take an event. Under overload it is dropped, which the protocol bears.
    pub fn event(&self, event: Event) -> Result<(), EngineError> {
        self.order(Order::Event(event))
    }

    /// Lets the member take an event that must not be lost.
    pub async fn tell(&self, event: Event) -> Result<(), EngineError> {
        self.orders.send(Order::Event(event)).await.map_err(|_| EngineError::Ended)
    }

    /// Lets the thread look at its clock. A thread with too much to do does so anyway.
    pub fn wake(&self) -> Result<(), EngineError> {
        match self.order(Order::Wake) {
            Err(EngineError::Overloaded) | Ok(()) => Ok(()),
            ended => ended,
        }
    }

    /// Ends the thread. Whoever waits is not answered any more.
    pub async fn stop(&self) {
        drop(self.orders.send(Order::Stop).await);
    }

    /// Waits until the member can take an envelope: what comes over a connection waits there.
    pub async fn envelope(&self, envelope: Envelope) -> Result<(), EngineError> {
        let bytes = envelope.encoded_len().min(ENVELOPE_BYTES_MAX);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.envelope_bytes).acquire_many_owned(bytes).await;
        let room = room.map_err(|_| EngineError::Ended)?;
        self.orders.send(Order::Envelope(envelope, room)).await.map_err(|_| EngineError::Ended)
    }

    /// Asks for a command.
    pub async fn submit(&self, request: Request) -> Result<Answer, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Submit { request, reply })?;
        answer.await.map_err(|_| EngineError::Ended)
    }

    /// Asks for a command that is made from what the member knows when its turn comes, with nothing between; or the
    /// reason for which none is made.
    pub async fn submit_prepared<E: Send + 'static>(
        &self,
        prepare: impl FnOnce(&Member) -> Result<Request, E> + Send + 'static,
    ) -> Result<Result<Answer, E>, EngineError> {
        let (reply, answer) = oneshot::channel();
        let (refuse, refused) = oneshot::channel();
        let prepare = move |member: &Member| prepare(member).map_err(|reason| drop(refuse.send(reason))).ok();
        self.order(Order::Prepared { prepare: Box::new(prepare), reply })?;
        match answer.await {
            Ok(answer) => Ok(Ok(answer)),
            Err(_) => refused.await.map(Err).map_err(|_| EngineError::Ended),
        }
    }

    /// Asks for a change of the members.
    pub async fn change(&self, change: Change, request: Option<Request>) -> Result<Answer, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Change { change, request, reply })?;
        answer.await.map_err(|_| EngineError::Ended)
    }

    /// Reads what the state is after all that was acknowledged before.
    pub async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Rows) -> T + Send + 'static,
    ) -> Result<Result<T, Answer>, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Look(Box::new(move |rows| drop(reply.send(rows.map(look))))))?;
        answer.await.map_err(|_| EngineError::Ended)
    }

    /// Copies the state as of its last flush, and gives the file in the member's folder. Whoever asked removes it.
    pub async fn copy(&self) -> Result<Result<String, Answer>, EngineError> {
        let (reply, copied) = oneshot::channel();
        self.order(Order::Copy(reply))?;
        copied.await.map_err(|_| EngineError::Ended)
    }

    /// Looks at this member, whatever the others know.
    pub async fn inspect<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Member) -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Inspect(Box::new(move |member| drop(reply.send(look(member))))))?;
        answer.await.map_err(|_| EngineError::Ended)
    }

    fn order(&self, order: Order) -> Result<(), EngineError> {
        self.orders.try_send(order).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => EngineError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => EngineError::Ended,
        })
    }
}

enum Job {
    Flush(FlushJob),
    Copy(CopyJob),
}

impl Job {
    fn run(self) -> Event {
        match self {
            Self::Flush(job) => job.run(),
            Self::Copy(job) => job.run(),
        }
    }
}

/// What the thread has besides the member.
struct Desk {
    clock: Arc<dyn Clock>,
    links: Arc<Links>,
    announce: watch::Sender<Standing>,
    jobs: crossbeam_channel::Sender<Job>,
    waiting: BTreeMap<Ticket, Waiting>,
    next: u64,
    tick: Duration,
    next_tick: MonotonicTime,
    /// A job was not taken: the worker is gone.
    is_alone: bool,
    tally: Arc<Tally>,
}

/// Does something, and makes an error of a panic. What was touched must not be used any more.
fn unless_it_panics<T>(act: impl FnOnce() -> Result<T, MemberError>) -> Result<T, MemberError> {
    std::panic::catch_unwind(AssertUnwindSafe(act)).unwrap_or(Err(MemberError::Panicked))
}

/// Somebody who waits.
enum Waiting {
    /// For what became of a command of this family.
    Answer(oneshot::Sender<Answer>, &'static str),
    Rows(Look),
    Copy(oneshot::Sender<Result<String, Answer>>),
}

impl Desk {
    fn serve(mut self, mut member: Member, mut queue: mpsc::Receiver<Order>) -> Result<(), MemberError> {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            let taken = queue.blocking_recv_many(&mut batch, BATCH_MAX);
            if taken == 0 {
                return Ok(());
            }
            for order in batch.drain(..) {
                if matches!(order, Order::Stop) {
                    return Ok(());
                }
                self.take(order, &mut member)?;
            }
            self.pass_time(&mut member)?;
            member.turn(&mut self)?;
            if self.is_alone {
                return Err(MemberError::WorkerGone);
            }
        }
    }

    /// Lets a tick pass when one is due. Those that were missed are not made up for: the member stood still.
    fn pass_time(&mut self, member: &mut Member) -> Result<(), MemberError> {
        let now = self.clock.monotonic();
        if now < self.next_tick {
            return Ok(());
        }
        self.next_tick = now.plus(self.tick);
        member.take(Event::Tick, self)
    }

    fn take(&mut self, order: Order, member: &mut Member) -> Result<(), MemberError> {
        match order {
            Order::Event(event) => {
                if matches!(event, Event::Flushed { result: Ok(()), .. }) {
                    self.tally.flushed(self.clock.monotonic());
                }
                member.take(event, self)
            }
            Order::Prepared { prepare, reply } => match prepare(member) {
                Some(request) => self.take(Order::Submit { request, reply }, member),
                None => Ok(()),
            },
            Order::Envelope(envelope, _room) => member.take(Event::Envelope(envelope), self),
            Order::Submit { mut request, reply } => {
                request.stamp = self.stamp();
                let ticket = self.wait(Waiting::Answer(reply, family(request.command.action())));
                member.take(Event::Submit { ticket, request }, self)
            }
            Order::Change { change, mut request, reply } => {
                if let Some(request) = &mut request {
                    request.stamp = self.stamp();
                }
                let ticket = self.wait(Waiting::Answer(reply, "member"));
                member.take(Event::Change { ticket, change, request }, self)
            }
            Order::Look(look) => {
                let ticket = self.wait(Waiting::Rows(look));
                member.take(Event::Read { ticket }, self)
            }
            Order::Copy(reply) => {
                let ticket = self.wait(Waiting::Copy(reply));
                member.take(Event::Copy { ticket }, self)
            }
            Order::Inspect(look) => {
                look(member);
                Ok(())
            }
            Order::JobLost => Err(MemberError::Panicked),
            Order::Wake | Order::Stop => Ok(()),
        }
    }

    fn wait(&mut self, waiting: Waiting) -> Ticket {
        self.next += 1;
        let ticket = Ticket(self.next);
        self.waiting.insert(ticket, waiting);
        ticket
    }

    /// The readings of this machine's clocks.
    fn stamp(&self) -> Stamp {
        let WallTime(micros) = self.clock.wall();
        Stamp { accrued_ms: self.clock.monotonic().nanos() / 1_000_000, wall: WallTime(micros) }
    }
}

impl Outbox for Desk {
    fn send(&mut self, envelope: Envelope) {
        self.links.send(envelope);
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer) {
        match self.waiting.remove(&ticket) {
            Some(Waiting::Answer(reply, family)) => {
                self.tally.answered(family, &answer);
                drop(reply.send(answer));
            }
            Some(Waiting::Rows(look)) => look(Err(answer)),
            Some(Waiting::Copy(reply)) => drop(reply.send(Err(answer))),
            None => {}
        }
    }

    fn read_ready(&mut self, ticket: Ticket, rows: &Rows) {
        if let Some(Waiting::Rows(look)) = self.waiting.remove(&ticket) {
            look(Ok(rows));
        }
    }

    fn flush(&mut self, job: FlushJob) {
        self.is_alone |= self.jobs.send(Job::Flush(job)).is_err();
    }

    fn copy(&mut self, job: CopyJob) {
        self.is_alone |= self.jobs.send(Job::Copy(job)).is_err();
    }

    fn copy_ready(&mut self, ticket: Ticket, path: String) {
        if let Some(Waiting::Copy(reply)) = self.waiting.remove(&ticket) {
            drop(reply.send(Ok(path)));
        }
    }

    fn send_snapshot(&mut self, job: SnapshotJob) {
        self.links.send_snapshot(job);
    }

    fn standing(&mut self, standing: Standing) {
        tracing::info!(?standing, "this member's standing");
        self.announce.send(standing).ok();
    }

    fn applied(&mut self, _at: Position, _outcome: &Outcome) {}
}

/// Says how a member is named in the certificates of its connections.
pub fn subject_of(member: MemberId) -> [u8; 16] {
    let mut subject = [0; 16];
    let (_, number) = subject.split_at_mut(8);
    number.copy_from_slice(&member.number().to_be_bytes());
    subject
}

/// The member that a certificate's subject names, if it names one.
pub fn member_of(subject: [u8; 16]) -> Option<MemberId> {
    MemberId::of_subject(subject)
}

mod tally;
#[cfg(test)]
mod tests;
