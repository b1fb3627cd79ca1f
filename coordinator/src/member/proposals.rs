//! Who waits for which entry.
//!
//! Owns the rule that a proposal whose fate is not known is answered "unknown", and never "failed".

use std::collections::BTreeMap;

use strongroom_platform::mutant::{self, Mutant};

use super::event::{Answer, Outbox, Ticket};
use crate::id::{LogIndex, Position, Term};
use crate::raft::Unproposed;
use crate::state::Outcome;

/// Proposals of this member that are not applied yet.
#[derive(Default)]
pub(super) struct Proposals {
    waiting: BTreeMap<LogIndex, Waiting>,
}

/// Somebody who waits for an entry.
struct Waiting {
    term: Term,
    ticket: Ticket,
    ticks: u32,
}

impl Proposals {
    /// Notes what became of a proposal.
    pub(super) fn note(&mut self, proposed: Result<Position, Unproposed>, ticket: Ticket, out: &mut dyn Outbox) {
        match proposed {
            Ok(at) => {
                if let Some(lost) = self.waiting.insert(at.index, Waiting { term: at.term, ticket, ticks: 0 }) {
                    out.answer(lost.ticket, unknown());
                }
            }
            Err(Unproposed::NotLeader { leader }) => out.answer(ticket, Answer::NotLeader { leader }),
            Err(Unproposed::Busy) => out.answer(ticket, Answer::Busy),
        }
    }

    /// An entry was applied: whoever waits for it is answered.
    pub(super) fn applied(&mut self, at: Position, outcome: &Outcome, out: &mut dyn Outbox) {
        let Some(Waiting { term, ticket, .. }) = self.waiting.remove(&at.index) else { return };
        let answer = if term == at.term { Answer::Applied { at, outcome: outcome.clone() } } else { unknown() };
        out.answer(ticket, answer);
    }

    /// Leadership is lost: what was proposed may still come to be agreed on.
    pub(super) fn give_up(&mut self, out: &mut dyn Outbox) {
        for (_, waiting) in std::mem::take(&mut self.waiting) {
            out.answer(waiting.ticket, unknown());
        }
    }

    /// Lets a tick pass, and calls unknown what has waited for too long.
    pub(super) fn tick(&mut self, ticks_max: u32, out: &mut dyn Outbox) {
        for waiting in self.waiting.values_mut() {
            waiting.ticks += 1;
        }
        for (_, waiting) in self.waiting.extract_if(.., |_, waiting| waiting.ticks > ticks_max) {
            out.answer(waiting.ticket, unknown());
        }
    }
}

/// The answer to a proposal whose fate is not known.
fn unknown() -> Answer {
    if mutant::is_active(Mutant::LossTakenForRefusal) { Answer::Busy } else { Answer::Unknown }
}
