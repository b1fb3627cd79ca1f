//! Join tokens: how an agent, a depot or a member gets in, once.
//!
//! ```text
//!   MintToken ─► open ─┬─► spent: exactly one enrolment wins
//!                      ├─► revoked
//!                      └─ (expires in accrued time)
//! ```
//!
//! Owns tokens as hashes of their secrets, bound to a role and a place. The secret itself is never in a command. A token
//! that was spent or revoked stays as a record of who let whom in.

use serde::{Deserialize, Serialize};
use strongroom_core::id::TokenId;

use super::agents::NewAgent;
use super::command::{Audited, Effect};
use super::context::Context;
use super::counters::Counter;
use super::depots::NewDepot;
use super::members::{MemberDetails, PutMember};
use super::outcome::{Answer, Effected, Refusal, Thing, require};
use super::places::{Regions, Sites};
use super::request::Actor;
use super::tables::tables;
use super::text::Name;
use crate::id::MemberId;

/// Longest life of a token in accrued time: an hour, since it is minted when the host stands ready.
pub const TOKEN_LIFE_MS_MAX: u64 = 60 * 60 * 1_000;
/// Most tokens that can be spent at once.
pub const TOKENS_OPEN_MAX: u64 = 4_096;

tables! {
    /// Join tokens, the spent and revoked ones too.
    Tokens = TOKENS: TokenId => TokenRow;
}

/// SHA-256 of a token's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretHash(pub [u8; 32]);

/// What a token lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinRole {
    /// An agent.
    Agent,
    /// A depot.
    Depot,
    /// A member of the group.
    Member,
}

/// For whom a token is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenTerms {
    /// What it lets in.
    pub role: JoinRole,
    /// The region that it is for.
    pub region: Name,
    /// The site that it is for; agents and depots need one.
    pub site: Option<Name>,
    /// The name that whoever joins must bear, if that is known.
    pub name_hint: Option<Name>,
    /// Accrued time from which on it is worth nothing.
    pub expires_ms: u64,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// For whom it is.
    pub terms: TokenTerms,
    /// The hash of its secret.
    pub secret_hash: SecretHash,
    /// Who minted it.
    pub minted_by: Actor,
    /// Whether it can be spent.
    pub state: TokenState,
}

/// Whether a token can be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenState {
    /// It can, until it expires.
    Open,
    /// It was, by the entry at this place in the log.
    Spent {
        /// The place.
        log_index: u64,
    },
    /// Somebody took it back.
    Revoked,
}

/// Mints a token. The secret was drawn by the caller and stays with whoever is to join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MintToken {
    /// The token.
    pub token: TokenId,
    /// The hash of its secret.
    pub secret_hash: SecretHash,
    /// For whom it is.
    pub terms: TokenTerms,
}

/// Takes an open token back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeToken {
    /// The token.
    pub token: TokenId,
}

/// Spends a token and registers who joins, in one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendToken {
    /// The token.
    pub token: TokenId,
    /// The hash of the secret that was presented.
    pub secret_hash: SecretHash,
    /// Who joins.
    pub enrolment: Enrolment,
}

/// Who joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Enrolment {
    /// An agent.
    Agent(NewAgent),
    /// A depot.
    Depot(NewDepot),
    /// A member; it becomes part of the group by a change of the configuration.
    Member {
        /// The member.
        member: MemberId,
        /// Where it is and listens.
        details: MemberDetails,
    },
}

impl Enrolment {
    const fn role(&self) -> JoinRole {
        match self {
            Self::Agent(_) => JoinRole::Agent,
            Self::Depot(_) => JoinRole::Depot,
            Self::Member { .. } => JoinRole::Member,
        }
    }

    const fn name(&self) -> &Name {
        match self {
            Self::Agent(agent) => &agent.name,
            Self::Depot(depot) => &depot.name,
            Self::Member { details, .. } => &details.name,
        }
    }
}

impl Effect for MintToken {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("token.mint", &self.token))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        cx.need_none::<Tokens>(&self.token, Thing::Token)?;
        cx.need::<Regions>(&self.terms.region, Thing::Region)?;
        match &self.terms.site {
            Some(site) => {
                let site = cx.need::<Sites>(site, Thing::Site)?;
                require(site.region == self.terms.region, Refusal::TokenMismatch)?;
            }
            None => require(self.terms.role == JoinRole::Member, Refusal::Missing(Thing::Site))?,
        }
        require(self.terms.expires_ms > cx.now_ms, Refusal::TokenExpired)?;
        require(self.terms.expires_ms - cx.now_ms <= TOKEN_LIFE_MS_MAX, Refusal::TooLong)?;
        require(cx.count(Counter::TokensOpen)? < TOKENS_OPEN_MAX, Refusal::TooMany(Thing::Token))?;
        cx.count_up(Counter::TokensOpen)?;
        let (terms, minted_by) = (self.terms.clone(), cx.actor.clone());
        let row = TokenRow { terms, secret_hash: self.secret_hash, minted_by, state: TokenState::Open };
        cx.put::<Tokens>(&self.token, &row)?;
        Ok(Answer::Applied)
    }
}

impl Effect for RevokeToken {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("token.revoke", &self.token))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.need::<Tokens>(&self.token, Thing::Token)?;
        require(row.state == TokenState::Open, Refusal::TokenClosed)?;
        cx.count_down(Counter::TokensOpen)?;
        cx.put::<Tokens>(&self.token, &TokenRow { state: TokenState::Revoked, ..row })?;
        Ok(Answer::Applied)
    }
}

impl Effect for SpendToken {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("token.spend", &self.token))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.need::<Tokens>(&self.token, Thing::Token)?;
        require(row.secret_hash == self.secret_hash, Refusal::TokenMismatch)?;
        require(row.state == TokenState::Open, Refusal::TokenClosed)?;
        require(row.terms.expires_ms > cx.now_ms, Refusal::TokenExpired)?;
        require(row.terms.role == self.enrolment.role(), Refusal::TokenMismatch)?;
        let has_name = row.terms.name_hint.as_ref().is_none_or(|hint| hint == self.enrolment.name());
        require(has_name, Refusal::TokenMismatch)?;
        let site = || row.terms.site.clone().ok_or(Refusal::Missing(Thing::Site));
        match &self.enrolment {
            Enrolment::Agent(agent) => agent.register(cx, site()?)?,
            Enrolment::Depot(depot) => depot.register(cx, site()?)?,
            Enrolment::Member { member, details } => {
                require(details.region == row.terms.region, Refusal::TokenMismatch)?;
                PutMember { member: *member, details: details.clone() }.register(cx)?;
            }
        }
        cx.count_down(Counter::TokensOpen)?;
        let state = TokenState::Spent { log_index: cx.at.index.0 };
        cx.put::<Tokens>(&self.token, &TokenRow { state, ..row })?;
        Ok(Answer::Applied)
    }
}
