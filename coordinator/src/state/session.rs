//! Client sessions: a retried request takes effect once.
//!
//! ```text
//!   acknowledged below          now asked for
//!        │ outcomes remembered  │
//!   ─────▼──────────────────────▼──────────────────► sequence
//!   forgotten    at most 1,024       refused: full
//! ```
//!
//! Owns sessions, their outcomes, and when both are forgotten (Ongaro, "Consensus: Bridging Theory and Practice", 2014,
//! §6.3). A session that was idle for a week of accrued time is as if it had never been; its client must take earlier
//! requests without an answer as unknown. Rejections are remembered like successes.

use serde::{Deserialize, Serialize};
use strongroom_core::id::ClientSession;
use strongroom_platform::mutant::{self, Mutant};

use super::command::{Audited, Effect, Retry};
use super::context::Context;
use super::counters::Counter;
use super::outcome::{Answer, Effected, Fault, Outcome, Refusal, require};
use super::request::Sequence;
use super::rows::{Rows, Unreadable};
use super::tables::tables;

/// Most outcomes that a session remembers: as far as a client may run ahead of what it acknowledged.
pub const OUTCOMES_MAX: u64 = 1_024;
/// Most sessions open at once: some per process of a large installation.
pub const SESSIONS_MAX: u64 = 65_536;
/// Whole days of accrued time for which an idle session is kept.
pub const IDLE_DAYS_MAX: u64 = 7;
/// Sessions that one entry forgets at most, each with its outcomes.
const SWEPT_PER_ENTRY_MAX: usize = 2;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

tables! {
    /// Open sessions.
    ClientSessions = CLIENT_SESSIONS: ClientSession => SessionRow;
    /// Open sessions by the day on which they were last used.
    ClientSessionDays = CLIENT_SESSION_DAYS: (u64, ClientSession) => ();
    /// Remembered outcomes.
    ClientOutcomes = CLIENT_OUTCOMES: (ClientSession, u64) => Outcome;
}

/// A session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// The day of accrued time on which it was last used.
    pub last_day: u64,
    /// Outcomes below are forgotten.
    pub acknowledged_below: Sequence,
}

/// Opens a session under an id that the client drew at random. Opening it again changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSession {
    /// The id.
    pub session: ClientSession,
}

impl Effect for OpenSession {
    fn audited(&self) -> Option<Audited> {
        None
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let today = cx.now_ms / DAY_MS;
        match cx.change.get::<ClientSessions>(&self.session)? {
            Some(row) if !is_idle(row.last_day, today) => return Ok(Answer::Applied),
            // Expired and not yet swept: its outcomes must not come back to life.
            Some(row) => forget(cx, self.session, row.last_day)?,
            None => {}
        }
        require(cx.count(Counter::ClientSessions)? < SESSIONS_MAX, Refusal::SessionsFull)?;
        cx.count_up(Counter::ClientSessions)?;
        cx.put::<ClientSessionDays>(&(today, self.session), &())?;
        let row = SessionRow { last_day: today, acknowledged_below: Sequence::default() };
        cx.put::<ClientSessions>(&self.session, &row)?;
        Ok(Answer::Applied)
    }
}

/// The newest request of a session whose outcome is remembered at an accrued time; nothing if the session is not open.
pub fn newest_outcome(rows: &Rows, session: ClientSession, now_ms: u64) -> Result<Option<Sequence>, Unreadable> {
    let row = rows.get::<ClientSessions>(&session)?.filter(|row| !is_idle(row.last_day, now_ms / DAY_MS));
    let Some(row) = row else { return Ok(None) };
    let most = usize::try_from(OUTCOMES_MAX).unwrap_or(usize::MAX);
    let outcomes = rows.list::<ClientOutcomes>(session.as_bytes(), None, most)?;
    let newest = outcomes.last().map(|((_, sequence), _)| Sequence(*sequence));
    Ok(Some(newest.unwrap_or(row.acknowledged_below)))
}

/// What is known of a request before it is applied.
pub(in crate::state) enum Admission {
    /// It is new; once applied, its outcome is to be remembered in this row.
    New(SessionRow),
    /// It took effect before.
    Before(Outcome),
    /// Its session can't take it; nothing is remembered.
    Refused(Refusal),
}

/// Whether a request of a session is new.
pub(in crate::state) fn admit(
    cx: &Context<'_>,
    session: ClientSession,
    sequence: Sequence,
    acknowledged_below: Sequence,
) -> Result<Admission, Fault> {
    let row = cx.change.get::<ClientSessions>(&session)?;
    let Some(row) = row.filter(|row| !is_idle(row.last_day, cx.now_ms / DAY_MS)) else {
        return Ok(Admission::Refused(Refusal::NoSession));
    };
    if mutant::is_active(Mutant::RetriesRepeated) {
        return Ok(Admission::New(row));
    }
    if sequence < row.acknowledged_below || sequence < acknowledged_below {
        return Ok(Admission::Refused(Refusal::AlreadyAcknowledged));
    }
    if let Some(outcome) = cx.change.get::<ClientOutcomes>(&(session, sequence.0))? {
        return Ok(Admission::Before(outcome));
    }
    let first = row.acknowledged_below.max(acknowledged_below);
    if sequence.0.saturating_sub(first.0) >= OUTCOMES_MAX {
        return Ok(Admission::Refused(Refusal::SessionFull));
    }
    Ok(Admission::New(row))
}

/// Remembers the outcome of a new request, and forgets those that the client acknowledged.
pub(in crate::state) fn remember(
    cx: &mut Context<'_>,
    (session, sequence): (ClientSession, Sequence),
    acknowledged_below: Sequence,
    row: SessionRow,
    outcome: &Outcome,
) -> Result<(), Fault> {
    let today = cx.now_ms / DAY_MS;
    cx.put::<ClientOutcomes>(&(session, sequence.0), outcome)?;
    // No outcome lies further above the old bound than a session may remember.
    let until = acknowledged_below.0.min(row.acknowledged_below.0.saturating_add(OUTCOMES_MAX));
    for forgotten in row.acknowledged_below.0..until {
        cx.change.remove::<ClientOutcomes>(&(session, forgotten));
    }
    let new = SessionRow { last_day: today, acknowledged_below: row.acknowledged_below.max(acknowledged_below) };
    if new.last_day != row.last_day {
        cx.change.remove::<ClientSessionDays>(&(row.last_day, session));
        cx.put::<ClientSessionDays>(&(today, session), &())?;
    }
    if new != row {
        cx.put::<ClientSessions>(&session, &new)?;
    }
    Ok(())
}

/// Forgets a few sessions that were idle for too long. Once none is left, nothing is looked at until the next day.
pub(in crate::state) fn sweep(cx: &mut Context<'_>) -> Result<(), Fault> {
    let today = cx.now_ms / DAY_MS;
    if cx.count(Counter::SessionsSweptDay)? >= today {
        return Ok(());
    }
    let oldest = cx.change.list_before::<ClientSessionDays>(&[], None, SWEPT_PER_ENTRY_MAX)?;
    let is_done = oldest.len() < SWEPT_PER_ENTRY_MAX || oldest.iter().any(|((day, _), ())| !is_idle(*day, today));
    for ((day, session), ()) in oldest {
        // This entry may have opened or used the session anew.
        let row = cx.change.get::<ClientSessions>(&session)?;
        if is_idle(day, today) && row.is_some_and(|row| row.last_day == day) {
            forget(cx, session, day)?;
        }
    }
    if is_done {
        cx.set_count(Counter::SessionsSweptDay, today)?;
    }
    Ok(())
}

const fn is_idle(last_day: u64, today: u64) -> bool {
    today.saturating_sub(last_day) > IDLE_DAYS_MAX
}

fn forget(cx: &mut Context<'_>, session: ClientSession, day: u64) -> Result<(), Fault> {
    let most = usize::try_from(OUTCOMES_MAX).unwrap_or(usize::MAX);
    for (key, _) in cx.change.list_before::<ClientOutcomes>(session.as_bytes(), None, most)? {
        cx.change.remove::<ClientOutcomes>(&key);
    }
    cx.change.remove::<ClientSessionDays>(&(day, session));
    cx.change.remove::<ClientSessions>(&session);
    cx.count_down(Counter::ClientSessions)?;
    Ok(())
}
