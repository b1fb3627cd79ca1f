//! Join tokens: how an agent, a depot, a member or an operator gets in, once.
//!
//! ```text
//!   MintToken ─► open ─┬─► spent: exactly one enrolment wins ──(the same key again)──► the same outcome, a few times
//!                      ├─► revoked
//!                      └─ (expires in accrued time)
//! ```
//!
//! Owns tokens as hashes of their secrets, bound to a role and a place. The secret itself is never in a command. A token
//! that was spent or revoked stays as a record of who let whom in.
//!
//! A token never gives somebody a name that is another's. It lets in whoever is new; or, where it says so, one that is
//! registered and has lost its key or rested for too long, whose certificates up to then are denied by the same entry.
//! Operators are always registered before: their roles come from there, and never from whoever holds the token.
//!
//! Spending needs no session: whoever heard no answer asks again with the same key, until the token expires.

use serde::{Deserialize, Serialize};
use strongroom_core::id::TokenId;

use super::agents::NewAgent;
use super::command::{Audited, Effect, ROWS_WRITTEN_MAX, Retry};
use super::context::Context;
use super::counters::Counter;
use super::denials::{Denial, refuse_denied};
use super::depots::NewDepot;
use super::holders::{CERTIFICATES_PER_DAY_MAX, turn_over, turned_over_at};
use super::identities;
use super::members::{MemberDetails, join};
use super::operators::{Operators, can_operate};
use super::outcome::{Answer, Effected, Fault, Refusal, Thing, require};
use super::places::{Regions, Sites};
use super::request::Actor;
use super::tables::tables;
use super::text::{Name, Subject};
use crate::id::MemberId;

/// Longest life of a token in accrued time: an hour, since it is minted when the host stands ready.
pub const TOKEN_LIFE_MS_MAX: u64 = 60 * 60 * 1_000;
/// Most tokens that can be spent at once.
pub const TOKENS_OPEN_MAX: u64 = 4_096;
/// How often one key may spend the same token: each time, a certificate may have been lost on its way.
pub const SPENT_TIMES_MAX: u8 = 8;

tables! {
    /// Join tokens, the spent and revoked ones too.
    Tokens = TOKENS: TokenId => TokenRow;
}

/// SHA-256 of a token's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretHash(pub [u8; 32]);

/// SHA-256 of the public key that somebody joins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDigest(pub [u8; 32]);

/// BLAKE3 over the key and the id with which a token was spent: what a retry is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BearerDigest([u8; 32]);

/// What a token lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinRole {
    /// An agent.
    Agent,
    /// A depot.
    Depot,
    /// A member of the group.
    Member,
    /// An operator.
    Operator,
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
    /// The name that whoever joins must bear, if that is known; operators' always is.
    pub name_hint: Option<Name>,
    /// The agent or depot that comes back with another key; nothing for one that is new.
    pub renews: Option<Subject>,
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
        /// With which key, and as whom.
        by: BearerDigest,
        /// How often.
        times: u8,
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
    /// The key that the certificate is for.
    pub key: KeyDigest,
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
    /// An operator, as it was registered.
    Operator {
        /// The name.
        name: Name,
        /// The identity in the certificate.
        subject: Subject,
    },
}

impl Enrolment {
    const fn role(&self) -> JoinRole {
        match self {
            Self::Agent(_) => JoinRole::Agent,
            Self::Depot(_) => JoinRole::Depot,
            Self::Member { .. } => JoinRole::Member,
            Self::Operator { .. } => JoinRole::Operator,
        }
    }

    const fn name(&self) -> &Name {
        match self {
            Self::Agent(agent) => &agent.name,
            Self::Depot(depot) => &depot.name,
            Self::Member { details, .. } => &details.name,
            Self::Operator { name, .. } => name,
        }
    }

    /// The identity that is certified; members' are made of their ids.
    const fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Agent(agent) => Some(&agent.subject),
            Self::Depot(depot) => Some(&depot.subject),
            Self::Operator { subject, .. } => Some(subject),
            Self::Member { .. } => None,
        }
    }

    /// As whom it joins, in bytes that no two of them share.
    fn identity(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Agent(agent) => (0, agent.subject.as_str().into()),
            Self::Depot(depot) => (1, depot.subject.as_str().into()),
            Self::Member { member, .. } => (2, member.number().to_be_bytes().into()),
            Self::Operator { subject, .. } => (3, subject.as_str().into()),
        }
    }

    /// Registers who is new, or lets back in who is known.
    fn enter(&self, cx: &mut Context<'_>, terms: &TokenTerms) -> Result<(), Fault> {
        let site = || terms.site.clone().ok_or(Refusal::Missing(Thing::Site));
        match (self, &terms.renews) {
            (Self::Agent(agent), None) => agent.register(cx, site()?),
            (Self::Depot(depot), None) => depot.register(cx, site()?),
            (Self::Agent(agent), Some(known)) => {
                let row = cx.active_agent(agent.agent)?;
                require(agent.subject == *known && row.subject == *known, Refusal::TokenMismatch)?;
                turn_over(cx, known)
            }
            (Self::Depot(depot), Some(known)) => {
                let row = cx.need::<super::depots::Depots>(&depot.depot, Thing::Depot)?;
                require(depot.subject == *known && row.subject == *known, Refusal::TokenMismatch)?;
                turn_over(cx, known)
            }
            (Self::Member { member, details }, _) => {
                require(details.region == terms.region, Refusal::TokenMismatch)?;
                join(cx, *member, details)
            }
            (Self::Operator { name, subject }, _) => {
                let row = cx.need::<Operators>(name, Thing::Operator)?;
                require(row.subject == *subject, Refusal::TokenMismatch)?;
                turn_over(cx, subject)
            }
        }
    }
}

impl SpendToken {
    /// What a retry is known by.
    pub fn bearer(&self) -> BearerDigest {
        let (role, identity) = self.enrolment.identity();
        let mut hasher = blake3::Hasher::new_derive_key("strongroom v1 bearer of a join token");
        hasher.update(&self.key.0).update(&[role]).update(&identity);
        BearerDigest(*hasher.finalize().as_bytes())
    }
}

/// Whether what a token is to let in can come.
fn check_terms(cx: &Context<'_>, terms: &TokenTerms) -> Result<(), Fault> {
    cx.need::<Regions>(&terms.region, Thing::Region)?;
    match (&terms.site, terms.role) {
        (Some(site), _) => {
            let site = cx.need::<Sites>(site, Thing::Site)?;
            require(site.region == terms.region, Refusal::TokenMismatch)?;
        }
        (None, JoinRole::Agent | JoinRole::Depot) => return Err(Refusal::Missing(Thing::Site).into()),
        (None, JoinRole::Member | JoinRole::Operator) => {}
    }
    if terms.role == JoinRole::Operator {
        let name = terms.name_hint.as_ref().ok_or(Refusal::Missing(Thing::Operator))?;
        cx.need::<Operators>(name, Thing::Operator)?;
    }
    if let Some(known) = &terms.renews {
        let is_host = matches!(terms.role, JoinRole::Agent | JoinRole::Depot);
        require(is_host && identities::role(known) == Some(terms.role), Refusal::TokenMismatch)?;
        identities::require_registered(cx, known)?;
    }
    Ok(())
}

impl Effect for MintToken {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("token.mint", &self.token))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        cx.need_none::<Tokens>(&self.token, Thing::Token)?;
        check_terms(cx, &self.terms)?;
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

    fn retry(&self) -> Retry {
        // The token remembers who spent it, and says the same again.
        Retry::ByNature
    }

    fn rows_written_max(&self) -> usize {
        // Each certificate that is denied has three rows of the deny-list.
        ROWS_WRITTEN_MAX + 3 * CERTIFICATES_PER_DAY_MAX
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.need::<Tokens>(&self.token, Thing::Token)?;
        require(row.secret_hash == self.secret_hash, Refusal::TokenMismatch)?;
        let bearer = self.bearer();
        let (log_index, times) = match row.state {
            TokenState::Open => (cx.at.index.0, 0),
            TokenState::Spent { log_index, by, times } if by == bearer && times < SPENT_TIMES_MAX => (log_index, times),
            TokenState::Spent { .. } | TokenState::Revoked => return Err(Refusal::TokenClosed.into()),
        };
        require(row.terms.expires_ms > cx.now_ms, Refusal::TokenExpired)?;
        if times == 0 {
            // A token is worth no more than whoever minted it.
            require(can_operate(cx, &row.minted_by)?, Refusal::TokenClosed)?;
            if let Actor::Identity(minter) = &row.minted_by {
                refuse_denied(cx, &Denial::Identity(minter.clone()))?;
            }
            require(row.terms.role == self.enrolment.role(), Refusal::TokenMismatch)?;
            let has_name = row.terms.name_hint.as_ref().is_none_or(|hint| hint == self.enrolment.name());
            require(has_name, Refusal::TokenMismatch)?;
            self.enrolment.enter(cx, &row.terms)?;
            cx.count_down(Counter::TokensOpen)?;
        } else if let Some(subject) = self.enrolment.subject() {
            // Whoever came back by another token meanwhile has shut out whoever came by this one.
            require(turned_over_at(cx, subject)? <= log_index, Refusal::TokenClosed)?;
        }
        let state = TokenState::Spent { log_index, by: bearer, times: times + 1 };
        cx.put::<Tokens>(&self.token, &TokenRow { state, ..row })?;
        Ok(Answer::Applied)
    }
}
