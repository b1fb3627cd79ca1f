//! Operators: the people who may act, and in which role.
//!
//! Owns who is one, and that somebody who can operate is always left. What a role may do is decided by policy, before a
//! command is proposed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::command::{Audited, Command, Effect};
use super::context::Context;
use super::counters::Counter;
use super::outcome::{Answer, Effected, Fault, Refusal, Thing, require};
use super::request::Actor;
use super::tables::tables;
use super::text::{Name, Subject};

/// Most operators, auditors included.
pub const OPERATORS_MAX: u64 = 1_024;

tables! {
    /// Operators by name.
    Operators = OPERATORS: Name => OperatorRow;
    /// Whose identity it is.
    OperatorIdentities = OPERATOR_IDENTITIES: Subject => Name;
}

/// What an operator may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OperatorRole {
    /// Changes the installation.
    Operator,
    /// Reads all of it, and changes nothing.
    Auditor,
}

/// An operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorRow {
    /// The identity in the certificate.
    pub subject: Subject,
    /// The roles, at least one.
    pub roles: BTreeSet<OperatorRole>,
    /// Accrued time at which the operator was added.
    pub added_ms: u64,
}

/// Adds an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddOperator {
    /// The name.
    pub name: Name,
    /// The identity in the certificate.
    pub subject: Subject,
    /// The roles, at least one.
    pub roles: BTreeSet<OperatorRole>,
}

/// Changes an operator's roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetOperatorRoles {
    /// The name.
    pub name: Name,
    /// The roles, at least one.
    pub roles: BTreeSet<OperatorRole>,
}

/// Removes an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveOperator {
    /// The name.
    pub name: Name,
}

impl Effect for AddOperator {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("operator.add", &self.name))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        cx.need_none::<Operators>(&self.name, Thing::Operator)?;
        require(cx.change.get::<OperatorIdentities>(&self.subject)?.is_none(), Refusal::IdentityTaken)?;
        require(!self.roles.is_empty(), Refusal::NoRole)?;
        require(cx.count(Counter::Operators)? < OPERATORS_MAX, Refusal::TooMany(Thing::Operator))?;
        cx.count_up(Counter::Operators)?;
        change_charge(cx, false, self.roles.contains(&OperatorRole::Operator))?;
        cx.put::<OperatorIdentities>(&self.subject, &self.name)?;
        let row = OperatorRow { subject: self.subject.clone(), roles: self.roles.clone(), added_ms: cx.now_ms };
        cx.put::<Operators>(&self.name, &row)?;
        Ok(Answer::Applied)
    }
}

impl Effect for SetOperatorRoles {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("operator.change", &self.name))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.need::<Operators>(&self.name, Thing::Operator)?;
        require(!self.roles.is_empty(), Refusal::NoRole)?;
        let was_in_charge = row.roles.contains(&OperatorRole::Operator);
        change_charge(cx, was_in_charge, self.roles.contains(&OperatorRole::Operator))?;
        cx.put::<Operators>(&self.name, &OperatorRow { roles: self.roles.clone(), ..row })?;
        Ok(Answer::Applied)
    }
}

impl Effect for RemoveOperator {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("operator.remove", &self.name))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let row = cx.need::<Operators>(&self.name, Thing::Operator)?;
        change_charge(cx, row.roles.contains(&OperatorRole::Operator), false)?;
        cx.count_down(Counter::Operators)?;
        cx.change.remove::<OperatorIdentities>(&row.subject);
        cx.change.remove::<Operators>(&self.name);
        Ok(Answer::Applied)
    }
}

/// Whether whoever asked may still act, if it is an operator: between the leader's decision and this entry its role may
/// have been taken away. Policy is not asked again, since members need not run the same program; what is checked is that
/// an operator of this identity is registered and can operate, unless nobody can yet. A session may be opened by all.
pub(in crate::state) fn may_still_act(cx: &Context<'_>, command: &Command) -> Result<bool, Fault> {
    if matches!(command, Command::OpenSession(_)) { Ok(true) } else { can_operate(cx, cx.actor) }
}

/// Whether what an operator asked for still has somebody behind it who can operate; others than operators always have.
pub(in crate::state) fn can_operate(cx: &Context<'_>, actor: &Actor) -> Result<bool, Fault> {
    let Actor::Identity(subject) = actor else { return Ok(true) };
    if !is_operator(subject) {
        return Ok(true);
    }
    if cx.count(Counter::OperatorsInCharge)? == 0 {
        return Ok(true);
    }
    let Some(name) = cx.change.get::<OperatorIdentities>(subject)? else { return Ok(false) };
    let row = cx.change.get::<Operators>(&name)?;
    Ok(row.is_some_and(|row| row.roles.contains(&OperatorRole::Operator)))
}

/// Whether the identity is an operator's: `spiffe://DOMAIN/REGION/operator/ID`.
fn is_operator(subject: &Subject) -> bool {
    subject.as_str().rsplit('/').nth(1) == Some("operator")
}

/// Keeps count of those who can operate.
fn change_charge(cx: &mut Context<'_>, was: bool, is: bool) -> Result<(), Fault> {
    match (was, is) {
        (false, true) => {
            cx.count_up(Counter::OperatorsInCharge)?;
        }
        (true, false) => {
            require(cx.count(Counter::OperatorsInCharge)? > 1, Refusal::LastOperator)?;
            cx.count_down(Counter::OperatorsInCharge)?;
        }
        _ => {}
    }
    Ok(())
}
