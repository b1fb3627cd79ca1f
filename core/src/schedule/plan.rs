//! The plan: all sources judged, put in order, and let in as far as caps allow.

use std::collections::BTreeMap;

use super::caps::{Caps, Load, QueueReason};
use super::due::{DueRun, missed};
use super::judge::{Judgement, Refusal, StartReason, judge, next_start, wall};
use super::turn::Turn;
use super::view::{Now, SourceView, Standing};
use crate::contract::Period;
use crate::id::SourceId;
use crate::time::WallTime;

/// The longest time that a plan holds. A wall clock may be set at any moment, and nobody says so.
pub const WAKE_MS_MAX: u64 = 60_000;

/// What is to be done, and what is to be known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Runs to start, in order.
    pub start: Vec<StartRun>,
    /// Sources that could start and must wait for others, in the order of their turns.
    pub queue: Vec<Queued>,
    /// Runs by hand that can't be.
    pub refused: Vec<Refused>,
    /// Sources with periods that passed without a run. Said until the next run starts; what is counted is counted then.
    pub missed: Vec<Missed>,
    /// Sources whose newest cut is older than promised, the highest debt in proportion to the RPO first.
    pub debts: Vec<Debt>,
    /// Runs that take longer than they may.
    pub overruns: Vec<Overrun>,
    /// Milliseconds after which the plan is to be made again, if nothing happens before: 1 to [`WAKE_MS_MAX`].
    pub next_wake_ms: u64,
}

/// A run to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartRun {
    /// The source.
    pub source: SourceId,
    /// The period that it is for.
    pub period: Period,
    /// Which start of this period it is, from 1.
    pub attempt: u32,
    /// Since when it has been due.
    pub due: WallTime,
    /// Why it starts.
    pub reason: StartReason,
}

/// A source that waits for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The source.
    pub source: SourceId,
    /// Its place, from 1.
    pub position: u32,
    /// What it waits for.
    pub because: QueueReason,
}

/// A run by hand that can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The source.
    pub source: SourceId,
    /// Why.
    pub refusal: Refusal,
}

/// Periods without a run. They are not run later: the next run stands for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The source.
    pub source: SourceId,
    /// The first of them.
    pub first: Period,
    /// The latest of them.
    pub latest: Period,
    /// How many there are.
    pub count: u64,
}

/// What a source owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Debt {
    /// The source.
    pub source: SourceId,
    /// Seconds by which the newest cut is older than the RPO allows.
    pub rpo_debt_s: u64,
    /// The promise.
    pub rpo_s: u64,
    /// Failures since the last success.
    pub failures: u32,
    /// Whether there has never been a success; the debt then counts from the registration.
    pub is_unprotected: bool,
}

/// A run that takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun {
    /// The source.
    pub source: SourceId,
    /// The run's period.
    pub period: Period,
    /// The run's attempt.
    pub attempt: u32,
    /// Seconds beyond `run_minutes_max`.
    pub over_s: u64,
}

/// Plans. The order of `sources` makes no difference; of two views of one source the later counts.
///
/// The caller writes the starts into the log before it carries them out, and plans again with views that show them.
pub fn plan<'a>(now: Now, sources: impl Iterator<Item = &'a SourceView>, caps: &Caps) -> Plan {
    let views: BTreeMap<SourceId, &SourceView> = sources.map(|view| (view.source, view)).collect();
    let mut plan = Plan { next_wake_ms: WAKE_MS_MAX, ..Plan::default() };
    let mut ready = Vec::new();
    for view in views.values().copied() {
        plan.report(view, &now);
        match judge(view, &now) {
            Judgement::Ready(due) => ready.push((Turn::new(view, due.reason, &now), view, due)),
            Judgement::Refused(refusal) => plan.refused.push(Refused { source: view.source, refusal }),
            Judgement::Waits(_) => plan.wake_for(view, &now),
        }
    }
    ready.sort_by_key(|(turn, _, _)| *turn);
    plan.admit(Load::new(caps, views.values().copied()), ready.into_iter().map(|(_, view, due)| (view, due)));
    plan.debts.sort_by(|a, b| {
        let share = |a: &Debt, b: &Debt| u128::from(a.rpo_debt_s) * u128::from(b.rpo_s);
        share(b, a).cmp(&share(a, b)).then(a.source.cmp(&b.source))
    });
    plan
}

/// What a source owes now, if it owes anything.
pub(super) fn debt(view: &SourceView, now: &Now) -> Option<Debt> {
    let rpo_debt_s = view.age_ms(now).saturating_sub(view.terms.rpo_ms()) / 1000;
    (rpo_debt_s > 0 && view.standing != Standing::Disabled).then(|| Debt {
        source: view.source,
        rpo_debt_s,
        rpo_s: view.terms.contract().rpo_s,
        failures: view.failures,
        is_unprotected: view.last_success.is_none(),
    })
}

impl Plan {
    /// What is to be known of a source, whether it runs or not.
    fn report(&mut self, view: &SourceView, now: &Now) {
        self.debts.extend(debt(view, now));
        if let Some(run) = view.running() {
            let most_ms = u64::from(view.terms.contract().run_minutes_max) * 60_000;
            let run_ms = now.accrued.since(run.started);
            if run_ms > most_ms {
                let (period, attempt, over_s) = (run.period, run.attempt, (run_ms - most_ms) / 1000);
                self.overruns.push(Overrun { source: view.source, period, attempt, over_s });
            } else {
                self.wake_in(most_ms - run_ms + 1);
            }
        } else if view.standing == Standing::Active {
            let missed = missed(view, now);
            self.missed.extend(missed.map(|(first, latest, count)| Missed {
                source: view.source,
                first,
                latest,
                count,
            }));
        }
    }

    fn admit<'a>(&mut self, mut load: Load<'_>, ready: impl Iterator<Item = (&'a SourceView, DueRun)>) {
        for (view, DueRun { period, attempt, due, reason }) in ready {
            let (source, is_forced) = (view.source, view.request.is_some_and(|request| request.is_forced));
            match load.obstacle(view.host_group).filter(|_| !is_forced) {
                None => {
                    load.add(view.host_group);
                    self.start.push(StartRun { source, period, attempt, due: wall(due), reason });
                }
                Some(because) => {
                    let position = u32::try_from(self.queue.len()).map_or(u32::MAX, |ahead| ahead.saturating_add(1));
                    self.queue.push(Queued { source, position, because });
                }
            }
        }
    }

    fn wake_for(&mut self, view: &SourceView, now: &Now) {
        if view.running().is_some() {
            return;
        }
        if let Some(start) = next_start(view, now) {
            let wait_ms = wall(start).0.saturating_sub(now.wall.0).max(0).cast_unsigned().div_ceil(1000);
            self.wake_in(wait_ms);
        }
    }

    fn wake_in(&mut self, ms: u64) {
        self.next_wake_ms = self.next_wake_ms.min(ms.max(1));
    }
}
