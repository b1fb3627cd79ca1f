//! What the scheduler sees coming, as those who ask for it are told.
//!
//! Owns the words for it. All of it is the memory of the leader that planned last, and none of it is a row: another leader
//! comes to the same some seconds after it has taken over. Where no scheduler runs there is no outlook, and the answer
//! says so by having no time.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use strongroom_core::id::SourceId;
use strongroom_core::schedule::{Because, Now, QueueReason, SourceView, StartReason, explain};
use strongroom_platform::clock::MonotonicTime;
use strongroom_proto::common::v1::Failure;
use strongroom_proto::operators::v1 as wire;
use tokio::sync::watch;

use super::listings::{limit, source_of};
use crate::scheduler::{Forecast, Outlook};
use crate::server::agents::AgentLinks;
use crate::server::failure::rejected;
use crate::state::Rows;

/// What a member's scheduler tells of itself.
#[derive(Clone)]
pub struct Foresight {
    outlook: watch::Receiver<Arc<Outlook>>,
    forecast: watch::Receiver<Arc<Forecast>>,
    heard: Arc<dyn Fn() -> Heard + Send + Sync>,
}

/// Milliseconds since each agent with a stream was last heard of, by its id.
type Heard = Vec<(String, u64)>;

impl Default for Foresight {
    /// That of a member without a scheduler.
    fn default() -> Self {
        let (outlook, forecast) = (watch::channel(Arc::default()).1, watch::channel(Arc::default()).1);
        Self { outlook, forecast, heard: Arc::new(Vec::new) }
    }
}

impl Foresight {
    /// That of a member whose scheduler says these things, and to which agents keep streams.
    pub fn new(
        outlook: watch::Receiver<Arc<Outlook>>,
        forecast: watch::Receiver<Arc<Forecast>>,
        links: Arc<AgentLinks>,
        now: impl Fn() -> MonotonicTime + Send + Sync + 'static,
    ) -> Self {
        let heard = move || {
            let attending = links.heard_ago(now());
            attending.into_iter().map(|(agent, ago_ms)| (agent.to_string(), ago_ms)).collect()
        };
        Self { outlook, forecast, heard: Arc::new(heard) }
    }

    /// What was planned last.
    pub fn outlook(&self) -> Arc<Outlook> {
        Arc::clone(&self.outlook.borrow())
    }

    /// A page of it.
    pub(super) fn page(&self, asked: &Asked, now_ms: u64) -> wire::Outlook {
        let (outlook, forecast) = (self.outlook(), Arc::clone(&self.forecast.borrow()));
        let Some(now) = forecast.now else { return wire::Outlook { now_ms, ..wire::Outlook::default() } };
        let (views, next) = asked.views(&forecast);
        let told = Told::of(&outlook);
        let mut sources: Vec<_> = views.iter().map(|view| told.source(view, now)).collect();
        if asked.is_first() {
            sources.extend(outlook.unplannable.iter().map(|source| wire::SourceOutlook {
                source: source.to_string(),
                because: "unplannable".to_owned(),
                ..wire::SourceOutlook::default()
            }));
        }
        let heard = if asked.is_first() { (self.heard)() } else { Vec::new() };
        let agents = heard.into_iter().map(|(agent, heard_ago_ms)| wire::AgentHeard { agent, heard_ago_ms }).collect();
        wire::Outlook { now_ms, now_wall_us: now.wall.0, as_of_ms: now.accrued.0, sources, next, agents }
    }
}

/// Which sources are asked for.
pub(super) enum Asked {
    One(SourceId),
    Page { after: Option<SourceId>, limit: usize },
}

/// What a request asks for.
pub(super) fn asked(rows: &Rows, request: &wire::GetOutlookRequest) -> Result<Asked, Failure> {
    if !request.source.is_empty() {
        return source_of(rows, &request.source).map(Asked::One);
    }
    let malformed = || rejected("malformed", "no page of the outlook ends there");
    let after = match request.after.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| malformed())?),
    };
    Ok(Asked::Page { after, limit: limit(request.limit) })
}

impl Asked {
    const fn is_first(&self) -> bool {
        matches!(self, Self::Page { after: None, .. })
    }

    /// The sources, and where the next page begins.
    fn views<'a>(&self, forecast: &'a Forecast) -> (Vec<&'a SourceView>, String) {
        match self {
            Self::One(source) => (forecast.views.get(source).into_iter().collect(), String::new()),
            Self::Page { after, limit } => {
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                let views: Vec<_> =
                    forecast.views.range((from, Bound::Unbounded)).map(|(_, view)| view).take(*limit).collect();
                let last = views.last().filter(|_| views.len() == *limit);
                let next = last.map(|view| view.source.to_string()).unwrap_or_default();
                (views, next)
            }
        }
    }
}

/// A plan by its sources.
struct Told<'a> {
    outlook: &'a Outlook,
    queue: BTreeMap<SourceId, (u32, QueueReason)>,
    over: BTreeMap<SourceId, u64>,
}

impl<'a> Told<'a> {
    fn of(outlook: &'a Outlook) -> Self {
        let queue = outlook.plan.queue.iter().map(|it| (it.source, (it.position, it.because))).collect();
        let over = outlook.plan.overruns.iter().map(|it| (it.source, it.over_s)).collect();
        Self { outlook, queue, over }
    }

    fn source(&self, view: &SourceView, now: Now) -> wire::SourceOutlook {
        let explained = explain(view, now);
        let queued = self.queue.get(&view.source);
        let is_unattended = self.outlook.unattended.contains(&view.source);
        let because = match (queued, is_unattended) {
            (_, true) if !matches!(explained.because, Because::Running | Because::Disabled | Because::Paused) => {
                "unattended"
            }
            (Some((_, QueueReason::ClusterFull)), _) => "cluster-full",
            (Some((_, QueueReason::HostGroupFull)), _) => "host-group-full",
            (None, _) => because_word(explained.because),
        };
        wire::SourceOutlook {
            source: view.source.to_string(),
            because: because.to_owned(),
            next_start_wall_us: if is_unattended { 0 } else { explained.next_start.map_or(0, |start| start.0) },
            rpo_debt_s: explained.debt.map_or(0, |debt| debt.rpo_debt_s),
            missed: explained.missed_count,
            position: queued.map_or(0, |(position, _)| *position),
            over_s: self.over.get(&view.source).copied().unwrap_or_default(),
        }
    }
}

/// The word for the reason for which a source runs or does not.
const fn because_word(because: Because) -> &'static str {
    match because {
        Because::Ready(StartReason::First) => "ready-first",
        Because::Ready(StartReason::Slot) => "ready",
        Because::Ready(StartReason::CatchUp) => "ready-behind",
        Because::Ready(StartReason::Retry) => "ready-retry",
        Because::Ready(StartReason::Manual) => "ready-by-hand",
        Because::Refused(_) => "refused",
        Because::Running => "running",
        Because::Disabled => "disabled",
        Because::Paused => "paused",
        Because::NotDue => "not-due",
        Because::BackOff => "back-off",
        Because::OutsideWindows => "outside-windows",
        Because::Blackout => "blackout",
    }
}
