//! Who asks, as far as policies look at it.
//!
//! Owns the way from a certificate and the rows to the few facts that count. The name in a certificate says what its
//! holder is; what an operator may be is said by the registry alone.

use std::collections::BTreeSet;

use strongroom_platform::tls::{PeerIdentity, Role};

use crate::state::certificates::Denial;
use crate::state::counters::{Counter, count};
use crate::state::operators::OperatorRole;
use crate::state::text::Subject;
use crate::state::{Rows, Unreadable, query};

/// What somebody is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallerKind {
    /// A person; without roles if it is not registered.
    Operator(BTreeSet<OperatorRole>),
    /// A member of the group.
    Member,
    /// An agent.
    Agent,
    /// A depot.
    Depot,
    /// Nobody who may ask for anything.
    Nobody,
}

/// Somebody who asks, and the circumstances.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    /// What it is.
    pub kind: CallerKind,
    /// Nobody who can operate is registered yet.
    pub is_founding: bool,
    /// Its identity is on the deny-list.
    pub is_denied: bool,
}

impl Caller {
    /// Whoever is at the other end of a connection, as these rows know it.
    pub fn of(rows: &Rows, peer: &PeerIdentity) -> Result<Self, Unreadable> {
        let is_founding = count(rows, Counter::OperatorsInCharge)? == 0;
        let Ok(subject) = Subject::new(&peer.id.to_string()) else {
            return Ok(Self { kind: CallerKind::Nobody, is_founding, is_denied: false });
        };
        let kind = match peer.id.role {
            Role::Operator => {
                let registered = query::operator_of(rows, &subject)?;
                CallerKind::Operator(registered.map(|(_, row)| row.roles).unwrap_or_default())
            }
            Role::Coordinator => CallerKind::Member,
            Role::Agent => CallerKind::Agent,
            Role::Depot => CallerKind::Depot,
            Role::Issuer => CallerKind::Nobody,
        };
        let is_denied = query::denied_since(rows, &Denial::Identity(subject))?.is_some();
        Ok(Self { kind, is_founding, is_denied })
    }
}

impl Caller {
    /// A member of the group, by the name that its connection has proven.
    pub fn member(rows: &Rows, subject: &Subject) -> Result<Self, Unreadable> {
        let is_founding = count(rows, Counter::OperatorsInCharge)? == 0;
        let is_denied = query::denied_since(rows, &Denial::Identity(subject.clone()))?.is_some();
        Ok(Self { kind: CallerKind::Member, is_founding, is_denied })
    }
}

impl CallerKind {
    /// The type that the schema gives it.
    pub(super) const fn entity(&self) -> Option<&'static str> {
        match self {
            Self::Operator(_) => Some("Operator"),
            Self::Member => Some("Member"),
            Self::Agent => Some("Agent"),
            Self::Depot => Some("Depot"),
            Self::Nobody => None,
        }
    }

    /// The roles that the registry gives it.
    pub(super) fn roles(&self) -> Vec<OperatorRole> {
        match self {
            Self::Operator(roles) => roles.iter().copied().collect(),
            _ => Vec::new(),
        }
    }
}

/// The word for a role, in policies and in the API.
pub const fn role_name(role: OperatorRole) -> &'static str {
    match role {
        OperatorRole::Operator => "operator",
        OperatorRole::Auditor => "auditor",
    }
}
