//! Sources: what is protected, by whom, and what was promised for it.
//!
//! Owns the registry of sources and the commands that change it; what a contract is says the module `contracts`. A source
//! here is an id, an operator's word for it and numbers: where it is reached, as whom, and what its classes are called
//! stays with the agent. The home domain never changes, since it says whose keys seal the packs.

use serde::{Deserialize, Serialize};
use strongroom_core::id::{AgentId, DomainId, HostGroup, SourceId};
use strongroom_core::manifest::ClassTags;

use super::bytes::PublicKey;
use super::command::{Audited, Effect, ROWS_WRITTEN_MAX};
use super::context::Context;
use super::contracts::{ContractDocument, ContractTerms, Contracts, JURISDICTION_ROWS_MAX};
use super::counters::Counter;
use super::outcome::{Answer, Effected, Refusal, Thing, require};
use super::retired::RetiredSources;
use super::tables::tables;
use super::text::SourceName;
use super::uploads;

/// Most sources of one installation.
pub const SOURCES_MAX: u64 = 65_536;

tables! {
    /// Sources.
    Sources = SOURCES: SourceId => SourceRow;
    /// Which source a name is taken by.
    SourceNames = SOURCE_NAMES: SourceName => SourceId;
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

/// What is known of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFacts {
    /// An operator's word for it.
    pub name: SourceName,
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
    /// What was promised for it, out of its contract.
    pub terms: ContractTerms,
    /// How often the terms changed; packs judged under an older number are judged anew.
    pub terms_version: u32,
    /// Whether no run may start.
    pub is_paused: bool,
    /// Accrued time at which it was registered.
    pub created_ms: u64,
    /// Whether no run may start, not even by hand, and nothing is owed.
    pub is_disabled: bool,
}

/// Registers a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterSource {
    /// The source.
    pub source: SourceId,
    /// What is known of it.
    pub facts: SourceFacts,
    /// What is promised for it.
    pub contract: ContractDocument,
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
    /// What is promised now.
    pub contract: ContractDocument,
}

/// Stops runs from starting, or lets them start again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseSource {
    /// The source.
    pub source: SourceId,
    /// Whether no run may start.
    pub is_paused: bool,
}

/// Takes a source out of service, or back into it. What is under way goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisableSource {
    /// The source.
    pub source: SourceId,
    /// Whether no run may start, not even by hand.
    pub is_disabled: bool,
}

impl Effect for RegisterSource {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("source.register", &self.source))
    }

    fn rows_written_max(&self) -> usize {
        ROWS_WRITTEN_MAX + JURISDICTION_ROWS_MAX
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        cx.need_none::<Sources>(&self.source, Thing::Source)?;
        require(cx.change.get::<RetiredSources>(&self.source)?.is_none(), Refusal::Retired(Thing::Source))?;
        cx.need_none::<SourceNames>(&self.facts.name, Thing::Source)?;
        require(cx.count(Counter::Sources)? < SOURCES_MAX, Refusal::TooMany(Thing::Source))?;
        let terms = ContractTerms::of(&self.contract)?;
        terms.refer(cx)?;
        cx.refer_to_agent(self.facts.agent)?;
        cx.count_up(Counter::Sources)?;
        cx.put::<SourceNames>(&self.facts.name, &self.source)?;
        cx.put::<Contracts>(&self.source, &self.contract)?;
        let facts = self.facts.clone();
        let row =
            SourceRow { facts, terms, terms_version: 0, is_paused: false, created_ms: cx.now_ms, is_disabled: false };
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
        ROWS_WRITTEN_MAX + JURISDICTION_ROWS_MAX
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.need::<Sources>(&self.source, Thing::Source)?;
        let terms = ContractTerms::of(&self.contract)?;
        terms.refer(cx)?;
        row.terms.release(cx)?;
        cx.put::<Contracts>(&self.source, &self.contract)?;
        let terms_version = row.terms_version.saturating_add(1);
        cx.put::<Sources>(&self.source, &SourceRow { terms, terms_version, ..row })?;
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

impl Effect for DisableSource {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new(if self.is_disabled { "source.disable" } else { "source.enable" }, &self.source))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.need::<Sources>(&self.source, Thing::Source)?;
        cx.put::<Sources>(&self.source, &SourceRow { is_disabled: self.is_disabled, ..row })?;
        Ok(Answer::Applied)
    }
}
