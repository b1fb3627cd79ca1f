//! Depots: where each lies, and whether it is trusted with copies.
//!
//! ```text
//!   joins ─► active ◄──► draining
//!              │  ▲         │
//!              ▼  │         ▼
//!              lost ◄───────┘     back from lost: a new generation, whose receipts start from nothing
//! ```
//!
//! Owns the rule that copies in a lost depot do not count, nor the earlier ones of a depot that came back: it is
//! reconciled, not trusted.

use serde::{Deserialize, Serialize};
use strongroom_core::id::DepotId;

use super::bytes::PublicKey;
use super::certificates::{Denial, refuse_denied};
use super::command::{Audited, Effect};
use super::context::Context;
use super::counters::Counter;
use super::outcome::{Answer, Effected, Fault, Refusal, Thing, require};
use super::tables::tables;
use super::text::{Address, Name, Subject};

tables! {
    /// Depots.
    Depots = DEPOTS: DepotId => DepotRow;
    /// Which depot bears a name.
    DepotNames = DEPOT_NAMES: Name => DepotId;
}

/// A depot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepotRow {
    /// Its name.
    pub name: Name,
    /// Where it lies.
    pub site: Name,
    /// Its identity.
    pub subject: Subject,
    /// Whether it is trusted with copies.
    pub state: DepotState,
    /// How often it was lost. Receipts of an earlier generation do not count.
    pub generation: u32,
    /// What it can be found by and holds.
    pub facts: DepotFacts,
}

/// What a depot says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepotFacts {
    /// Bytes that it may hold.
    pub capacity_bytes: u64,
    /// The key that its receipts are signed with.
    pub key: PublicKey,
    /// Where agents reach it.
    pub address: Address,
}

/// Whether a depot is trusted with copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DepotState {
    /// It takes packs.
    Active,
    /// What it holds counts; it gets nothing new and is being emptied.
    Draining,
    /// What it holds does not count.
    Lost,
}

/// A depot that joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDepot {
    /// The depot.
    pub depot: DepotId,
    /// Its name.
    pub name: Name,
    /// Its identity.
    pub subject: Subject,
    /// What it says of itself.
    pub facts: DepotFacts,
}

/// Moves a depot from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetDepotState {
    /// The depot.
    pub depot: DepotId,
    /// The state that the caller saw.
    pub from: DepotState,
    /// The state that it is to have.
    pub to: DepotState,
}

/// Changes what a depot says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeDepot {
    /// The depot.
    pub depot: DepotId,
    /// What it says now.
    pub facts: DepotFacts,
}

impl NewDepot {
    /// Registers the depot at the site of its token.
    pub(in crate::state) fn register(&self, cx: &mut Context<'_>, site: Name) -> Result<(), Fault> {
        cx.need_none::<Depots>(&self.depot, Thing::Depot)?;
        cx.need_none::<DepotNames>(&self.name, Thing::Depot)?;
        refuse_denied(cx, &Denial::Identity(self.subject.clone()))?;
        cx.refer_to_site(&site)?;
        cx.put::<DepotNames>(&self.name, &self.depot)?;
        cx.count_up(Counter::DepotsActive)?;
        let row = DepotRow {
            name: self.name.clone(),
            site,
            subject: self.subject.clone(),
            state: DepotState::Active,
            generation: 0,
            facts: self.facts.clone(),
        };
        cx.put::<Depots>(&self.depot, &row)
    }
}

impl Effect for SetDepotState {
    fn audited(&self) -> Option<Audited> {
        let action = match self.to {
            DepotState::Active => "depot.activate",
            DepotState::Draining => "depot.drain",
            DepotState::Lost => "depot.lose",
        };
        Some(Audited::new(action, &self.depot))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.need::<Depots>(&self.depot, Thing::Depot)?;
        require(row.state == self.from, Refusal::Changed(Thing::Depot))?;
        let is_back_to_drain = self.from == DepotState::Lost && self.to == DepotState::Draining;
        require(!is_back_to_drain, Refusal::DepotLost)?;
        if self.from == self.to {
            return Ok(Answer::Applied);
        }
        cx.count_down(counter(self.from))?;
        cx.count_up(counter(self.to))?;
        let is_lost = self.to == DepotState::Lost;
        if is_lost {
            cx.count_up(Counter::PlacementVersion)?;
        }
        let generation = row.generation.saturating_add(u32::from(is_lost));
        cx.put::<Depots>(&self.depot, &DepotRow { state: self.to, generation, ..row })?;
        Ok(Answer::Applied)
    }
}

impl Effect for ChangeDepot {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("depot.change", &self.depot))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.need::<Depots>(&self.depot, Thing::Depot)?;
        cx.put::<Depots>(&self.depot, &DepotRow { facts: self.facts.clone(), ..row })?;
        Ok(Answer::Applied)
    }
}

const fn counter(state: DepotState) -> Counter {
    match state {
        DepotState::Active => Counter::DepotsActive,
        DepotState::Draining => Counter::DepotsDraining,
        DepotState::Lost => Counter::DepotsLost,
    }
}
