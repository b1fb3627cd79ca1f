//! Reads that must see all that was acknowledged before them.
//!
//! Owns their way: they wait, are asked about together (one question to the others for all that wait), and are served
//! once the state stands where the answer says. A question that was asked in another term is forgotten, whatever comes
//! of it: leadership may have changed hands in between. The crate drops questions without a word, so they also end with
//! time.

use std::collections::BTreeMap;

use strongroom_platform::mutant::{self, Mutant};

use super::event::{Answer, Outbox, Ticket};
use crate::id::{LogIndex, MemberId, Term};
use crate::raft::{Group, Role, Unproposed};
use crate::state::Machine;

/// Questions that may be open at once; more wait for the next.
const QUESTIONS_MAX: usize = 16;

/// Reads on their way.
#[derive(Default)]
pub(super) struct Reads {
    waiting: Vec<Ticket>,
    waiting_ticks: u32,
    asked: BTreeMap<u64, Question>,
    answered: Vec<(LogIndex, Vec<Ticket>)>,
    counter: u64,
}

struct Question {
    term: Term,
    ticks: u32,
    tickets: Vec<Ticket>,
}

impl Reads {
    /// A read comes in.
    pub(super) fn wait(&mut self, ticket: Ticket) {
        self.waiting.push(ticket);
    }

    /// Whether reads wait that could be asked about.
    fn has_waiting(&self) -> bool {
        !self.waiting.is_empty() && self.asked.len() < QUESTIONS_MAX
    }

    /// Asks about all that wait, if the member may; says whether it did.
    pub(super) fn ask(&mut self, group: &mut Group, boot: u64, out: &mut dyn Outbox) -> bool {
        if !self.has_waiting() {
            return false;
        }
        if mutant::is_active(Mutant::ReadsUnasked) && group.standing().role == Role::Leader {
            self.answered.push((group.standing().committed, std::mem::take(&mut self.waiting)));
            return true;
        }
        self.counter += 1;
        let token = [boot.to_be_bytes(), self.counter.to_be_bytes()].concat();
        match group.read(token) {
            Ok(()) => {
                let tickets = std::mem::take(&mut self.waiting);
                self.waiting_ticks = 0;
                self.asked.insert(self.counter, Question { term: group.standing().term, ticks: 0, tickets });
                return true;
            }
            Err(Unproposed::NotLeader { leader }) => self.give_up(leader, out),
            // A new leader that has not agreed on anything in its term yet: they wait until it has.
            Err(Unproposed::Busy) => {}
        }
        false
    }

    /// An answer came: reads of this question see all up to `index`.
    pub(super) fn answered(&mut self, token: &[u8], index: LogIndex) {
        let counter = token.last_chunk().map(|bytes| u64::from_be_bytes(*bytes));
        let question = counter.and_then(|counter| self.asked.remove(&counter));
        self.answered.extend(question.map(|question| (index, question.tickets)));
    }

    /// Serves the reads whose place the state has reached.
    pub(super) fn serve(&mut self, machine: &Machine, out: &mut dyn Outbox) {
        let applied = machine.position().index;
        for (_, tickets) in self.answered.extract_if(.., |(index, _)| *index <= applied) {
            for ticket in tickets {
                out.read_ready(ticket, machine.rows());
            }
        }
    }

    /// Drops the questions of other terms and roles.
    pub(super) fn keep_to(&mut self, role: Role, term: Term, out: &mut dyn Outbox) {
        for (_, question) in self.asked.extract_if(.., |_, question| role != Role::Leader || question.term != term) {
            refuse(question.tickets, &Answer::NotLeader { leader: None }, out);
        }
    }

    /// Ends everything that waits: another member leads.
    pub(super) fn give_up(&mut self, leader: Option<MemberId>, out: &mut dyn Outbox) {
        let asked = std::mem::take(&mut self.asked).into_values().flat_map(|question| question.tickets);
        let answered = std::mem::take(&mut self.answered).into_iter().flat_map(|(_, tickets)| tickets);
        let all = std::mem::take(&mut self.waiting).into_iter().chain(asked).chain(answered);
        refuse(all.collect(), &Answer::NotLeader { leader }, out);
    }

    /// Lets a tick pass, and ends what has waited for too long.
    pub(super) fn tick(&mut self, ticks_max: u32, out: &mut dyn Outbox) {
        self.waiting_ticks = if self.waiting.is_empty() { 0 } else { self.waiting_ticks + 1 };
        if self.waiting_ticks > ticks_max {
            self.waiting_ticks = 0;
            refuse(std::mem::take(&mut self.waiting), &Answer::Busy, out);
        }
        for question in self.asked.values_mut() {
            question.ticks += 1;
        }
        for (_, question) in self.asked.extract_if(.., |_, question| question.ticks > ticks_max) {
            refuse(question.tickets, &Answer::Busy, out);
        }
    }
}

fn refuse(tickets: Vec<Ticket>, answer: &Answer, out: &mut dyn Outbox) {
    for ticket in tickets {
        out.answer(ticket, answer.clone());
    }
}
