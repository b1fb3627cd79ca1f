//! Sources: what is protected, by whom, and what was promised for it.
//!
//! Owns the registry of sources and their contracts' terms. A source here is an id, an operator's word for it and
//! numbers: where it is reached, as whom, and what its classes are called stays with the agent. The home domain never
//! changes, since it says whose keys seal the packs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use strongroom_core::id::{AgentId, DomainId, HostGroup, SourceId};
use strongroom_core::manifest::ClassTags;

use super::bytes::{ContractBytes, PublicKey};
use super::command::{Audited, Effect, ROWS_WRITTEN_MAX};
use super::context::Context;
use super::counters::Counter;
use super::outcome::{Answer, Effected, Fault, Refusal, Thing, require};
use super::tables::tables;
use super::text::{JurisdictionName, Name};
use super::uploads;

/// Most copies that a contract asks for.
pub const COPIES_MAX: u8 = 8;
/// Most jurisdictions that a contract names; larger sets are groups.
pub const CONTRACT_JURISDICTIONS_MAX: usize = 64;
/// Most sources of one installation.
pub const SOURCES_MAX: u64 = 65_536;

tables! {
    /// Sources.
    Sources = SOURCES: SourceId => SourceRow;
    /// Which source a name is taken by.
    SourceNames = SOURCE_NAMES: Name => SourceId;
    /// The whole contract of each source.
    Contracts = CONTRACTS: SourceId => ContractBytes;
}

/// The kind of system that a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Engine {
    /// PostgreSQL.
    PostgreSql,
    /// `MySQL`.
    MySql,
    /// `MariaDB`.
    MariaDb,
    /// SQLite.
    Sqlite,
    /// Microsoft SQL Server.
    SqlServer,
    /// Oracle Database.
    Oracle,
    /// `MongoDB`.
    MongoDb,
    /// A tree of files.
    Files,
    /// A service that is read through its own interface.
    Service,
}

/// What was promised for a source, so far as the state judges by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractTerms {
    /// Longest time in seconds by which a snapshot may lag behind the source.
    pub rpo_s: u32,
    /// Copies without which a snapshot is not protected.
    pub copies: u8,
    /// Regions over which the copies must be spread.
    pub regions: u8,
    /// Where copies may lie: nowhere else.
    pub jurisdictions: BTreeSet<JurisdictionName>,
}

/// What is known of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFacts {
    /// An operator's word for it.
    pub name: Name,
    /// What kind of system it is.
    pub engine: Engine,
    /// Whose keys seal it.
    pub domain: DomainId,
    /// The agent that protects it.
    pub agent: AgentId,
    /// The database host that it shares with others.
    pub host_group: HostGroup,
    /// The key that its heads are signed with.
    pub signer: PublicKey,
    /// What policy may know of its content.
    pub tags: ClassTags,
}

/// A source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRow {
    /// What is known of it.
    pub facts: SourceFacts,
    /// What was promised for it.
    pub terms: ContractTerms,
    /// How often the terms changed; packs judged under an older number are judged anew.
    pub terms_version: u32,
    /// Whether no run may start.
    pub is_paused: bool,
    /// Accrued time at which it was registered.
    pub created_ms: u64,
}

/// Registers a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterSource {
    /// The source.
    pub source: SourceId,
    /// What is known of it.
    pub facts: SourceFacts,
    /// What is promised for it, as the state judges it.
    pub terms: ContractTerms,
    /// The whole contract, as the planner reads it.
    pub contract: ContractBytes,
}

/// Changes what is known of a source. Another agent fences the uploads of the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSource {
    /// The source.
    pub source: SourceId,
    /// What is known now.
    pub facts: SourceFacts,
}

/// Promises something else for a source. Snapshots that are protected stay so; later ones are held to the new terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetContract {
    /// The source.
    pub source: SourceId,
    /// What is promised now, as the state judges it.
    pub terms: ContractTerms,
    /// The whole contract, as the planner reads it.
    pub contract: ContractBytes,
}

/// Stops runs from starting, or lets them start again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseSource {
    /// The source.
    pub source: SourceId,
    /// Whether no run may start.
    pub is_paused: bool,
}

impl Effect for RegisterSource {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("source.register", &self.source))
    }

    fn rows_written_max(&self) -> usize {
        ROWS_WRITTEN_MAX + 2 * CONTRACT_JURISDICTIONS_MAX
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        cx.need_none::<Sources>(&self.source, Thing::Source)?;
        cx.need_none::<SourceNames>(&self.facts.name, Thing::Source)?;
        require(cx.count(Counter::Sources)? < SOURCES_MAX, Refusal::TooMany(Thing::Source))?;
        refer_to_terms(cx, &self.terms)?;
        cx.refer_to_agent(self.facts.agent)?;
        cx.count_up(Counter::Sources)?;
        cx.put::<SourceNames>(&self.facts.name, &self.source)?;
        cx.put::<Contracts>(&self.source, &self.contract)?;
        let (facts, terms) = (self.facts.clone(), self.terms.clone());
        let row = SourceRow { facts, terms, terms_version: 0, is_paused: false, created_ms: cx.now_ms };
        cx.put::<Sources>(&self.source, &row)?;
        Ok(Answer::Applied)
    }
}

impl Effect for ChangeSource {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("source.change", &self.source))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.need::<Sources>(&self.source, Thing::Source)?;
        require(row.facts.domain == self.facts.domain, Refusal::DomainFixed)?;
        if row.facts.name != self.facts.name {
            cx.need_none::<SourceNames>(&self.facts.name, Thing::Source)?;
            cx.change.remove::<SourceNames>(&row.facts.name);
            cx.put::<SourceNames>(&self.facts.name, &self.source)?;
        }
        if row.facts.agent != self.facts.agent {
            cx.refer_to_agent(self.facts.agent)?;
            cx.release_agent(row.facts.agent)?;
            uploads::fence(cx, self.source)?;
        }
        cx.put::<Sources>(&self.source, &SourceRow { facts: self.facts.clone(), ..row })?;
        Ok(Answer::Applied)
    }
}

impl Effect for SetContract {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("contract.set", &self.source))
    }

    fn rows_written_max(&self) -> usize {
        ROWS_WRITTEN_MAX + 2 * CONTRACT_JURISDICTIONS_MAX
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.need::<Sources>(&self.source, Thing::Source)?;
        refer_to_terms(cx, &self.terms)?;
        for name in &row.terms.jurisdictions {
            cx.release_jurisdiction(name)?;
        }
        cx.put::<Contracts>(&self.source, &self.contract)?;
        let terms_version = row.terms_version.saturating_add(1);
        cx.put::<Sources>(&self.source, &SourceRow { terms: self.terms.clone(), terms_version, ..row })?;
        Ok(Answer::Applied)
    }
}

impl Effect for PauseSource {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new(if self.is_paused { "source.pause" } else { "source.resume" }, &self.source))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.need::<Sources>(&self.source, Thing::Source)?;
        match (row.is_paused, self.is_paused) {
            (false, true) => drop(cx.count_up(Counter::SourcesPaused)?),
            (true, false) => cx.count_down(Counter::SourcesPaused)?,
            _ => {}
        }
        cx.put::<Sources>(&self.source, &SourceRow { is_paused: self.is_paused, ..row })?;
        Ok(Answer::Applied)
    }
}

/// Checks terms and notes the jurisdictions that they name, all of which must be there.
fn refer_to_terms(cx: &mut Context<'_>, terms: &ContractTerms) -> Result<(), Fault> {
    require(terms.rpo_s > 0, Refusal::BadContract)?;
    require((1..=COPIES_MAX).contains(&terms.copies), Refusal::BadContract)?;
    require((1..=terms.copies).contains(&terms.regions), Refusal::BadContract)?;
    require((1..=CONTRACT_JURISDICTIONS_MAX).contains(&terms.jurisdictions.len()), Refusal::BadContract)?;
    for name in &terms.jurisdictions {
        cx.refer_to_jurisdiction(name)?;
    }
    Ok(())
}
