//! The streams that agents keep open to this member.
//!
//! Owns one bounded queue to each agent, when it was last heard of, and which runs it has. A newer stream of the same
//! agent replaces the older one, whose stream ends. An agent that does not read its orders loses its stream, and finds
//! them again on the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use strongroom_core::id::{AgentId, RunId, SourceId};
use strongroom_platform::clock::MonotonicTime;
use strongroom_proto::agents::v1::to_agent::Message;
use strongroom_proto::agents::v1::{CallOffRun, Cause, StartRun, ToAgent};
use tokio::sync::mpsc;
use tonic::Status;

use crate::scheduler::{Attendance, Attending, Order};
use crate::state::runs::RunCause;

/// Orders that may wait for one agent to read them.
const ORDERS_MAX: usize = 256;

/// What goes to an agent.
pub(super) type Orders = mpsc::Receiver<Result<ToAgent, Status>>;

/// All streams.
#[derive(Default)]
pub struct AgentLinks(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    next: u64,
    links: BTreeMap<AgentId, Link>,
    touched: BTreeSet<SourceId>,
}

struct Link {
    number: u64,
    queue: mpsc::Sender<Result<ToAgent, Status>>,
    heard: MonotonicTime,
    attending: Attending,
}

/// A stream of an agent, as long as it is the newest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LinkKey {
    agent: AgentId,
    number: u64,
}

impl AgentLinks {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a new stream, which says which runs the agent has.
    pub(super) fn attach(&self, agent: AgentId, holds: BTreeSet<RunId>, now: MonotonicTime) -> (LinkKey, Orders) {
        let (queue, orders) = mpsc::channel(ORDERS_MAX);
        let mut inner = self.inner();
        inner.next += 1;
        let number = inner.next;
        let attending = Attending { holds, ..Attending::default() };
        inner.links.insert(agent, Link { number, queue, heard: now, attending });
        (LinkKey { agent, number }, orders)
    }

    /// Notes a sign of life. False if the stream was replaced, or is to end.
    pub(super) fn heard(&self, key: LinkKey, now: MonotonicTime) -> bool {
        self.with(key, |link| link.heard = now).is_some()
    }

    /// Says something to an agent. False if it can't be said.
    pub(super) fn say(&self, key: LinkKey, message: Message) -> bool {
        self.with(key, |link| link.say(message)).unwrap_or(false)
    }

    /// Notes that a run of a source has ended, before anybody says so to the agent.
    pub(super) fn ended(&self, key: LinkKey, run: &RunId, source: Option<SourceId>) {
        let mut inner = self.inner();
        inner.touched.extend(source);
        if let Some(link) = inner.links.get_mut(&key.agent).filter(|link| link.number == key.number) {
            link.attending.holds.remove(run);
            link.attending.called_off.remove(run);
        }
    }

    /// Ends a stream, unless it was replaced.
    pub(super) fn detach(&self, key: LinkKey) {
        let mut inner = self.inner();
        if inner.links.get(&key.agent).is_some_and(|link| link.number == key.number) {
            inner.links.remove(&key.agent);
        }
    }

    /// Which agents are here, and which sources were touched since this was last asked.
    pub(crate) fn look(&self, now: MonotonicTime) -> (Attendance, BTreeSet<SourceId>) {
        let mut inner = self.inner();
        let touched = std::mem::take(&mut inner.touched);
        let attending = |link: &Link| {
            let heard_ago_ms = u64::try_from(now.since(link.heard).as_millis()).unwrap_or(u64::MAX);
            Attending { heard_ago_ms, ..link.attending.clone() }
        };
        (inner.links.iter().map(|(agent, link)| (*agent, attending(link))).collect(), touched)
    }

    /// Milliseconds since each agent that has a stream was last heard of.
    pub(crate) fn heard_ago(&self, now: MonotonicTime) -> BTreeMap<AgentId, u64> {
        let ago_ms = |link: &Link| u64::try_from(now.since(link.heard).as_millis()).unwrap_or(u64::MAX);
        self.inner().links.iter().map(|(agent, link)| (*agent, ago_ms(link))).collect()
    }

    /// Whether sources were touched since that was last asked.
    pub(crate) fn has_touched(&self) -> bool {
        !self.inner().touched.is_empty()
    }

    /// Tells agents what they are to do.
    pub(crate) fn tell(&self, orders: &[(AgentId, Order)]) {
        let mut inner = self.inner();
        for (agent, order) in orders {
            let told = inner.links.get_mut(agent).map(|link| link.tell(*order));
            if told == Some(false) {
                tracing::warn!(%agent, "an agent does not read its orders; its stream ends");
                inner.links.remove(agent);
            }
        }
    }

    fn with<T>(&self, key: LinkKey, act: impl FnOnce(&mut Link) -> T) -> Option<T> {
        self.inner().links.get_mut(&key.agent).filter(|link| link.number == key.number).map(act)
    }
}

impl Link {
    fn say(&self, message: Message) -> bool {
        self.queue.try_send(Ok(ToAgent { message: Some(message) })).is_ok()
    }

    fn tell(&mut self, order: Order) -> bool {
        match order {
            Order::Start(order) => {
                let (run, plan) = (order.run, order.plan);
                self.attending.holds.insert(run);
                let cause = match plan.cause {
                    RunCause::Schedule => Cause::Schedule,
                    RunCause::Retry => Cause::Retry,
                    RunCause::Manual => Cause::Manual,
                    RunCause::Forced => Cause::Forced,
                };
                self.say(Message::Start(StartRun {
                    run: run.0.to_vec(),
                    source: plan.source.0.to_vec(),
                    period: plan.period,
                    attempt: plan.attempt,
                    cause: cause.into(),
                    fence: order.fence,
                }))
            }
            Order::CallOff(run) => {
                self.attending.called_off.insert(run);
                self.say(Message::CallOff(CallOffRun { run: run.0.to_vec() }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: AgentId = AgentId([1; 16]);
    const RUN: RunId = RunId([2; 16]);

    #[test]
    fn a_newer_stream_replaces_the_older_one() {
        let links = AgentLinks::default();
        let (old, mut first) = links.attach(AGENT, BTreeSet::new(), MonotonicTime::ORIGIN);
        let (new, _second) = links.attach(AGENT, BTreeSet::from([RUN]), MonotonicTime::ORIGIN);
        assert!(first.try_recv().is_err() && first.is_closed());
        assert!(!links.heard(old, MonotonicTime::ORIGIN) && links.heard(new, MonotonicTime::ORIGIN));
        links.detach(old);
        let (attendance, _) = links.look(MonotonicTime::from_nanos(7_000_000));
        assert_eq!((attendance[&AGENT].heard_ago_ms, attendance[&AGENT].holds.len()), (7, 1));
    }

    #[test]
    fn an_agent_that_does_not_read_loses_its_stream() {
        let links = AgentLinks::default();
        let (key, _orders) = links.attach(AGENT, BTreeSet::new(), MonotonicTime::ORIGIN);
        for number in 0..=u16::try_from(ORDERS_MAX).unwrap() {
            let mut run = RUN;
            run.0[..2].copy_from_slice(&number.to_be_bytes());
            links.tell(&[(AGENT, Order::CallOff(run))]);
        }
        assert!(!links.heard(key, MonotonicTime::ORIGIN));
    }

    #[test]
    fn an_end_is_no_run_that_the_agent_has_and_touches_its_source() {
        let links = AgentLinks::default();
        let (key, _orders) = links.attach(AGENT, BTreeSet::from([RUN]), MonotonicTime::ORIGIN);
        links.ended(key, &RUN, Some(SourceId([3; 16])));
        let (attendance, touched) = links.look(MonotonicTime::ORIGIN);
        assert!(attendance[&AGENT].holds.is_empty());
        assert_eq!(touched, BTreeSet::from([SourceId([3; 16])]));
        assert!(links.look(MonotonicTime::ORIGIN).1.is_empty(), "it is told once");
    }
}
