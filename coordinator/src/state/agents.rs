//! Agents: where each runs, and what it last said of itself.
//!
//! Owns the registry. What an agent reports is for people and for finding a host that was rolled back; no rule of safety
//! rests on it. A retired agent stays as a tombstone, and its id is never used again.

use serde::{Deserialize, Serialize};
use strongroom_core::id::AgentId;

use super::certificates::{Denial, refuse_denied};
use super::command::{Audited, Effect, Retry};
use super::context::Context;
use super::counters::Counter;
use super::outcome::{Answer, Effected, Fault, Refusal, Thing, require};
use super::tables::tables;
use super::text::{Name, ProgramVersion, Subject};

tables! {
    /// Agents, the retired ones too.
    Agents = AGENTS: AgentId => AgentRow;
    /// Which agent bears a name; those that were retired bear none.
    AgentNames = AGENT_NAMES: Name => AgentId;
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRow {
    /// Its name.
    pub name: Name,
    /// Where it runs.
    pub site: Name,
    /// Its identity.
    pub subject: Subject,
    /// Whether it is part of the installation.
    pub state: AgentState,
    /// Sources that it protects.
    pub sources: u32,
    /// What it last said of itself.
    pub report: Option<AgentReport>,
}

/// Whether an agent is part of the installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentState {
    /// It is.
    Active,
    /// It was.
    Retired,
}

/// What an agent says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentReport {
    /// The version of its program.
    pub version: ProgramVersion,
    /// The number of its boot.
    pub boot: u64,
    /// Accrued time of the report.
    pub at_ms: u64,
}

/// An agent that joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAgent {
    /// The agent.
    pub agent: AgentId,
    /// Its name.
    pub name: Name,
    /// Its identity.
    pub subject: Subject,
}

/// An agent says what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportAgent {
    /// The agent.
    pub agent: AgentId,
    /// The version of its program.
    pub version: ProgramVersion,
    /// The number of its boot.
    pub boot: u64,
}

/// Takes out an agent that protects no source any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetireAgent {
    /// The agent.
    pub agent: AgentId,
}

impl NewAgent {
    /// Registers the agent at the site of its token.
    pub(in crate::state) fn register(&self, cx: &mut Context<'_>, site: Name) -> Result<(), Fault> {
        cx.need_none::<Agents>(&self.agent, Thing::Agent)?;
        cx.need_none::<AgentNames>(&self.name, Thing::Agent)?;
        refuse_denied(cx, &Denial::Identity(self.subject.clone()))?;
        cx.refer_to_site(&site)?;
        cx.put::<AgentNames>(&self.name, &self.agent)?;
        cx.count_up(Counter::Agents)?;
        let row = AgentRow {
            name: self.name.clone(),
            site,
            subject: self.subject.clone(),
            state: AgentState::Active,
            sources: 0,
            report: None,
        };
        cx.put::<Agents>(&self.agent, &row)
    }
}

impl Effect for ReportAgent {
    fn audited(&self) -> Option<Audited> {
        None
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.active_agent(self.agent)?;
        let newest = row.report.as_ref().map_or(0, |report| report.boot);
        require(self.boot >= newest, Refusal::StaleBoot(newest))?;
        let report = AgentReport { version: self.version.clone(), boot: self.boot, at_ms: cx.now_ms };
        cx.put::<Agents>(&self.agent, &AgentRow { report: Some(report), ..row })?;
        Ok(Answer::Applied)
    }
}

impl Effect for RetireAgent {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("agent.retire", &self.agent))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.active_agent(self.agent)?;
        require(row.sources == 0, Refusal::Referenced(Thing::Agent))?;
        cx.release_site(&row.site)?;
        cx.count_down(Counter::Agents)?;
        cx.change.remove::<AgentNames>(&row.name);
        cx.put::<Agents>(&self.agent, &AgentRow { state: AgentState::Retired, ..row })?;
        Ok(Answer::Applied)
    }
}

impl Context<'_> {
    /// An agent that is part of the installation.
    pub(in crate::state) fn active_agent(&self, agent: AgentId) -> Result<AgentRow, Fault> {
        let row = self.need::<Agents>(&agent, Thing::Agent)?;
        require(row.state == AgentState::Active, Refusal::Retired(Thing::Agent))?;
        Ok(row)
    }

    /// Notes that an agent protects one source more.
    pub(in crate::state) fn refer_to_agent(&mut self, agent: AgentId) -> Result<(), Fault> {
        let row = self.active_agent(agent)?;
        let sources = row.sources.saturating_add(1);
        self.put::<Agents>(&agent, &AgentRow { sources, ..row })
    }

    /// Notes that an agent protects one source less.
    pub(in crate::state) fn release_agent(&mut self, agent: AgentId) -> Result<(), Fault> {
        let row = self.need::<Agents>(&agent, Thing::Agent)?;
        let sources = row.sources.saturating_sub(1);
        self.put::<Agents>(&agent, &AgentRow { sources, ..row })
    }
}
