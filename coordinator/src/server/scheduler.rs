//! The scheduler as it goes on: once a second, while this member leads.
//!
//! Owns the way around [`crate::scheduler`]: it reads a bounded number of sources, checks contracts beside the member's
//! thread, lets the core decide, proposes, and tells agents. Every turn begins with a read that a majority has confirmed,
//! so a member that was deposed and does not know decides nothing. It keeps nothing over a reign; and a read or a proposal
//! that has to wait ends none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZoneDatabase;
use strongroom_core::contract::Terms;
use strongroom_core::id::SourceId;
use strongroom_core::schedule::{Caps, Now};
use strongroom_core::time::AccruedMs;
use strongroom_platform::clock::Clock;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::agents::AgentLinks;
use super::asking::of_the_group;
use super::engine::{Engine, EngineError};
use crate::id::Term;
use crate::member::Answer;
use crate::raft::Role;
use crate::scheduler::{Forecast, GroupTime, Outlook, PAGE_SOURCES, Scheduler};
use crate::state::contracts::ContractDocument;
use crate::state::passing::PassTime;
use crate::state::planning::{TermsCache, WithoutTerms, source_views, sources_named};
use crate::state::runs::HOST_GROUP_CAP_DEFAULT;
use crate::state::{Command, Outcome, Rows, Unreadable, query};

/// How often the scheduler has its turn.
const TURN: Duration = Duration::from_secs(1);
/// Pages of sources that one turn reads, until all were read once.
const PAGES_MAX: usize = 4;
/// Pages of sources that were touched that one turn reads: those whose contract is new are read twice.
const STALE_PAGES_MAX: usize = 4;
/// Runs of all sources at once: above this, the coordinator's own log and the depots are what runs wait for.
const RUNS_MAX: u32 = 256;

/// The scheduler's loop.
pub struct SchedulerLoop {
    engine: Engine,
    links: Arc<AgentLinks>,
    clock: Arc<dyn Clock>,
    zones: TimeZoneDatabase,
    caps: Caps,
    terms: Arc<TermsCache>,
    /// Contracts that this host's zone data do not bear out, each with its version.
    unfit: BTreeMap<SourceId, u32>,
    reign: Option<Reign>,
    outlook: watch::Sender<Arc<Outlook>>,
    forecast: watch::Sender<Arc<Forecast>>,
}

/// What is remembered while this member leads.
struct Reign {
    term: Term,
    scheduler: Scheduler,
    time: GroupTime,
}

/// Why a turn is not taken.
enum Missed {
    /// This member does not lead, or has too much to do.
    NotNow,
    /// The member has ended.
    Ended,
}

impl From<EngineError> for Missed {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Overloaded => Self::NotNow,
            EngineError::Ended => Self::Ended,
        }
    }
}

impl SchedulerLoop {
    /// The loop of a member, with the zone data of this host.
    pub fn new(engine: Engine, links: Arc<AgentLinks>, clock: Arc<dyn Clock>) -> Self {
        let host_group_runs_max = u32::from(HOST_GROUP_CAP_DEFAULT);
        Self {
            engine,
            links,
            clock,
            zones: jiff::tz::db().clone(),
            caps: Caps { runs_max: RUNS_MAX, host_group_runs_max, host_groups: BTreeMap::new() },
            terms: Arc::default(),
            unfit: BTreeMap::new(),
            reign: None,
            outlook: watch::Sender::default(),
            forecast: watch::Sender::default(),
        }
    }

    /// Follows what is seen coming.
    pub fn outlook(&self) -> watch::Receiver<Arc<Outlook>> {
        self.outlook.subscribe()
    }

    /// Follows what plans are made of.
    pub fn forecast(&self) -> watch::Receiver<Arc<Forecast>> {
        self.forecast.subscribe()
    }

    /// Takes its turn once a second by the member's clock, and when an agent has ended a run, until the member ends. The
    /// clock is looked at once a beat.
    pub async fn keep(mut self, beat: Duration) {
        let mut interval = tokio::time::interval(beat);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut next = self.clock.monotonic();
        loop {
            interval.tick().await;
            let now = self.clock.monotonic();
            if now < next && !self.links.has_touched() {
                continue;
            }
            next = now.plus(TURN);
            if !self.turn().await {
                return;
            }
        }
    }

    /// One turn. False once the member has ended.
    async fn turn(&mut self) -> bool {
        match self.take().await {
            Ok(()) => true,
            Err(Missed::NotNow) => {
                // To wait is no loss: only another term, or another leader, ends a reign.
                if self.engine.standing().role != Role::Leader {
                    self.reign = None;
                    self.forecast.send_if_modified(|forecast| {
                        let is_other = forecast.now.is_some();
                        *forecast = Arc::default();
                        is_other
                    });
                    self.outlook.send_if_modified(|outlook| {
                        let is_other = **outlook != Outlook::default();
                        *outlook = Arc::default();
                        is_other
                    });
                }
                true
            }
            Err(Missed::Ended) => false,
        }
    }

    async fn take(&mut self) -> Result<(), Missed> {
        let standing = self.engine.standing();
        if standing.role != Role::Leader {
            return Err(Missed::NotNow);
        }
        let mut reign = match self.reign.take().filter(|reign| reign.term == standing.term) {
            Some(reign) => reign,
            None => self.begin(standing.term).await?,
        };
        let taken = self.rule(&mut reign).await;
        self.reign = Some(reign);
        taken
    }

    async fn rule(&mut self, reign: &mut Reign) -> Result<(), Missed> {
        // Who is here is asked before rows are read: a run that ended in between is then still known as the agent's.
        let (attendance, touched) = self.links.look(self.clock.monotonic());
        for source in touched {
            reign.scheduler.roll.touch(source);
        }
        self.refresh(&mut reign.scheduler).await?;
        let stamp = self.engine.inspect(|member| member.machine().stamp()).await?;
        let monotonic = self.clock.monotonic();
        let accrued = reign.time.read(AccruedMs(stamp.accrued_ms), monotonic);
        let now = Now { accrued, wall: self.clock.wall() };
        let decided = reign.scheduler.decide(now, &attendance, &self.caps);
        self.links.tell(&decided.orders);
        self.forecast.send_replace(Arc::new(reign.scheduler.forecast(now)));
        if decided.commands.is_empty() && reign.time.is_quiet(monotonic) {
            self.engine.submit(of_the_group(PassTime.into())).await?;
        }
        self.propose(&mut reign.scheduler, decided.commands).await;
        self.outlook.send_replace(Arc::new(decided.outlook));
        Ok(())
    }

    async fn begin(&self, term: Term) -> Result<Reign, Missed> {
        // A read of this reign: whatever was agreed on before is part of the rows from here on.
        self.read(|_| Ok(())).await?;
        let (cluster, stamp) =
            self.engine.inspect(|member| (member.identity().cluster, member.machine().stamp())).await?;
        let accrued = AccruedMs(stamp.accrued_ms);
        let now = Now { accrued, wall: self.clock.wall() };
        let time = GroupTime::new(accrued, self.clock.monotonic());
        Ok(Reign { term, scheduler: Scheduler::new(cluster, now), time })
    }

    /// Reads the next pages and what was touched, and checks the contracts that are new.
    async fn refresh(&mut self, scheduler: &mut Scheduler) -> Result<(), Missed> {
        for _ in 0..PAGES_MAX {
            let (after, terms) = (scheduler.roll.after(), Arc::clone(&self.terms));
            let mut page = self.read(move |rows| source_views(rows, &terms, after.as_ref(), PAGE_SOURCES)).await?;
            let unknown = std::mem::take(&mut page.without_terms);
            scheduler.roll.take_page(page);
            self.learn(scheduler, unknown).await?;
            if scheduler.roll.is_whole() {
                break;
            }
        }
        for _ in 0..STALE_PAGES_MAX {
            let (stale, terms) = (scheduler.roll.take_stale(), Arc::clone(&self.terms));
            if stale.is_empty() {
                break;
            }
            let named = stale.clone();
            let mut found = match self.read(move |rows| sources_named(rows, &terms, &named)).await {
                Ok(found) => found,
                Err(missed) => {
                    for source in stale {
                        scheduler.roll.touch(source);
                    }
                    return Err(missed);
                }
            };
            let unknown = std::mem::take(&mut found.without_terms);
            scheduler.roll.replace(&stale, found.sources);
            self.learn(scheduler, unknown).await?;
        }
        Ok(())
    }

    /// Makes terms of contracts that are new; those that can't be planned here are left alone.
    async fn learn(&mut self, scheduler: &mut Scheduler, unknown: Vec<WithoutTerms>) -> Result<(), Missed> {
        let is_unfit = |it: &WithoutTerms| self.unfit.get(&it.source) == Some(&it.terms_version);
        let (unfit, new): (Vec<_>, Vec<_>) = unknown.into_iter().partition(is_unfit);
        for it in &unfit {
            scheduler.roll.leave_alone(it);
        }
        // Until its contract is checked, nobody is told that a run of the source is over.
        for it in &new {
            scheduler.roll.touch(it.source);
        }
        if new.is_empty() {
            return Ok(());
        }
        let documents = self.read(move |rows| documents(rows, new)).await?;
        let zones = self.zones.clone();
        let checked =
            tokio::task::spawn_blocking(move || check(documents, &zones)).await.map_err(|_| Missed::NotNow)?;
        let cache = Arc::make_mut(&mut self.terms);
        for (it, terms) in checked {
            if let Some(terms) = terms {
                self.unfit.remove(&it.source);
                cache.keep(it.source, it.terms_version, Arc::new(terms));
                scheduler.roll.touch(it.source);
            } else {
                self.unfit.insert(it.source, it.terms_version);
                scheduler.roll.leave_alone(&it);
            }
        }
        Ok(())
    }

    /// Proposes, and has what was touched read again. What became of a proposal is seen in the rows.
    async fn propose(&self, scheduler: &mut Scheduler, commands: Vec<(SourceId, Command)>) {
        let mut asked = JoinSet::new();
        for (source, command) in commands {
            scheduler.roll.touch(source);
            let engine = self.engine.clone();
            asked.spawn(async move { (source, engine.submit(of_the_group(command)).await) });
        }
        while let Some(answered) = asked.join_next().await {
            if let Ok((source, Ok(Answer::Applied { outcome: Outcome::Rejected(refusal), .. }))) = answered {
                tracing::info!(%source, code = refusal.code(), "a plan was overtaken");
            }
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Rows) -> Result<T, Unreadable> + Send + 'static,
    ) -> Result<T, Missed> {
        // The member ends by itself over a row that it can't read.
        self.engine.read(look).await?.map_err(|_| Missed::NotNow)?.map_err(|_| Missed::NotNow)
    }
}

/// The contracts of sources, each with the version that it is of.
fn documents(rows: &Rows, sources: Vec<WithoutTerms>) -> Result<Vec<(WithoutTerms, ContractDocument)>, Unreadable> {
    let mut found = Vec::new();
    for it in sources {
        let row = query::source(rows, &it.source)?;
        let document = query::contract(rows, &it.source)?;
        if let (Some(row), Some(document)) = (row, document) {
            found.push((WithoutTerms { terms_version: row.terms_version, ..it }, document));
        }
    }
    Ok(found)
}

fn check(
    documents: Vec<(WithoutTerms, ContractDocument)>,
    zones: &TimeZoneDatabase,
) -> Vec<(WithoutTerms, Option<Terms>)> {
    let terms = |it: WithoutTerms, document: &ContractDocument| match document.contract().validate(zones) {
        Ok(terms) => (it, Some(terms)),
        Err(error) => {
            tracing::error!(source = %it.source, %error, "a contract can't be planned with this host's zone data");
            (it, None)
        }
    };
    documents.into_iter().map(|(it, document)| terms(it, &document)).collect()
}

#[cfg(test)]
mod tests;
