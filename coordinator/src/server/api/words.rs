//! The words of the API for what the state has as variants, and ids out of bytes and digits.
//!
//! Owns both directions of each word, so that what is listed can be sent back.

use strongroom_core::id::{AgentId, CertificateSerial, DepotId, DomainId, HostGroup, RunId, SourceId, TokenId};

use crate::policy::role_name;
use crate::state::agents::AgentState;
use crate::state::depots::DepotState;
use crate::state::operators::OperatorRole;
use crate::state::runs::{RunCause, RunOutcome, RunState};
use crate::state::sources::Engine;
use crate::state::tokens::{JoinRole, TokenState};

/// An id that is bytes on the wire.
pub(super) trait Id: Sized {
    /// The id of these bytes, if they are as many as it has.
    fn of(bytes: &[u8]) -> Option<Self>;
}

macro_rules! ids {
    ($($name:ident),*) => {
        $(impl Id for $name {
            fn of(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map($name)
            }
        })*
    };
}

ids!(AgentId, CertificateSerial, DepotId, DomainId, HostGroup, RunId, SourceId, TokenId);

macro_rules! words {
    ($($(#[$doc:meta])* $to:ident, $from:ident: $kind:ty { $($variant:path = $word:literal),* $(,)? })*) => {
        $(
            $(#[$doc])*
            pub(super) const fn $to(it: $kind) -> &'static str {
                match it { $($variant { .. } => $word,)* }
            }

            /// What the word stands for.
            pub(super) fn $from(word: &str) -> Option<$kind> {
                match word { $($word => Some($variant),)* _ => None }
            }
        )*
    };
}

words! {
    /// What a token lets in.
    join_role_word, join_role: JoinRole {
        JoinRole::Agent = "agent", JoinRole::Depot = "depot", JoinRole::Member = "member",
        JoinRole::Operator = "operator",
    }
    /// Whether a depot is trusted with copies.
    depot_state_word, depot_state: DepotState {
        DepotState::Active = "active", DepotState::Draining = "draining", DepotState::Lost = "lost",
    }
    /// The kind of system that a source is.
    engine_word, engine: Engine {
        Engine::PostgreSql = "postgresql", Engine::MySql = "mysql", Engine::MariaDb = "mariadb",
        Engine::Sqlite = "sqlite", Engine::SqlServer = "sqlserver", Engine::Oracle = "oracle",
        Engine::MongoDb = "mongodb", Engine::Files = "files", Engine::Service = "service",
    }
}

/// The role of a word.
pub(super) fn role(word: &str) -> Option<OperatorRole> {
    [OperatorRole::Operator, OperatorRole::Auditor].into_iter().find(|role| role_name(*role) == word)
}

/// Whether an agent is part of the installation.
pub(super) const fn agent_state_word(state: AgentState) -> &'static str {
    match state {
        AgentState::Active => "active",
        AgentState::Retired => "retired",
    }
}

/// Whether a token can be spent at some time.
pub(super) const fn token_state_word(state: TokenState, expires_ms: u64, now_ms: u64) -> &'static str {
    match state {
        TokenState::Open if expires_ms <= now_ms => "expired",
        TokenState::Open => "open",
        TokenState::Spent { .. } => "spent",
        TokenState::Revoked => "revoked",
    }
}

/// Why a run was started.
pub(super) const fn cause_word(cause: RunCause) -> &'static str {
    match cause {
        RunCause::Schedule => "schedule",
        RunCause::Retry => "retry",
        RunCause::Manual => "manual",
        RunCause::Forced => "forced",
    }
}

/// How far a run is.
pub(super) const fn run_state_word(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "queued",
        RunState::Started => "started",
        RunState::Finished(RunOutcome::Succeeded { .. }) => "succeeded",
        RunState::Finished(RunOutcome::Durable { .. }) => "durable",
        RunState::Finished(RunOutcome::Failed { .. }) => "failed",
        RunState::Finished(RunOutcome::Abandoned) => "abandoned",
    }
}
