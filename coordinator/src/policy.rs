//! Who may ask for what.
//!
//! ```text
//!   certificate + rows ──► Caller ──┐
//!                                   ├──► Cedar ──► Decision: verdict and hash of the policies ──► the log entry
//!   command or reading ──► action ──┘
//! ```
//!
//! Owns the policies (Cedar, files beside this one), their hash, and the question that is put to them. Nothing is allowed
//! that no policy permits, and whatever forbids wins. A question that can't be put, such as one about an action that the
//! schema does not know, is answered with no. Policies that can't be read allow nothing.
//!
//! It decides on the leader, from the leader's rows, before a command is proposed. What may have changed until the
//! command takes effect is checked again there, in plain terms ([`crate::state`]): whether the operator is still one.
//!
//! Answers are remembered: a caller is known by its kind, its roles and two circumstances, so there are few questions.

mod caller;

use std::collections::{BTreeMap, HashSet};
use std::sync::{LazyLock, Mutex, PoisonError};

use cedar_policy::{
    Authorizer, Context, Decision as Answered, Entities, Entity, EntityUid, PolicySet, Request, Schema, ValidationMode,
    Validator,
};
use strongroom_core::id::PolicyHash;

pub use caller::{Caller, CallerKind, role_name};

use crate::state::{Decision, Verdict};

const SCHEMA: &str = include_str!("policy/strongroom.cedarschema");

/// The policies in the order in which they are hashed.
const POLICIES: [(&str, &str); 4] = [
    ("agents.cedar", include_str!("policy/agents.cedar")),
    ("denied.cedar", include_str!("policy/denied.cedar")),
    ("members.cedar", include_str!("policy/members.cedar")),
    ("operators.cedar", include_str!("policy/operators.cedar")),
];

/// Policies that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The schema is none.
    #[error("the schema of the policies can't be read")]
    Schema(#[source] Box<cedar_policy::CedarSchemaError>),
    /// A text holds no policies.
    #[error("the policies can't be read")]
    Policies(#[source] Box<cedar_policy::ParseErrors>),
    /// A policy speaks of what the schema does not know.
    #[error("the policies do not fit their schema: {findings}")]
    Unfit {
        /// What does not fit.
        findings: String,
    },
    /// The circumstances of the schema are not ours.
    #[error("the entities of the policies can't be made")]
    Entities(#[source] Box<cedar_policy::entities_errors::EntitiesError>),
}

impl From<Box<cedar_policy::CedarSchemaError>> for PolicyError {
    fn from(error: Box<cedar_policy::CedarSchemaError>) -> Self {
        Self::Schema(error)
    }
}

impl From<Box<cedar_policy::ParseErrors>> for PolicyError {
    fn from(error: Box<cedar_policy::ParseErrors>) -> Self {
        Self::Policies(error)
    }
}

impl From<Box<cedar_policy::entities_errors::EntitiesError>> for PolicyError {
    fn from(error: Box<cedar_policy::entities_errors::EntitiesError>) -> Self {
        Self::Entities(error)
    }
}

/// A set of policies that was checked against its schema.
pub struct Policy {
    schema: Schema,
    set: PolicySet,
    hash: PolicyHash,
    answers: Mutex<BTreeMap<(Caller, &'static str), Verdict>>,
}

/// The policies of this program; none if they can't be read, which a test rules out.
static SHIPPED: LazyLock<Option<Policy>> = LazyLock::new(|| match Policy::load() {
    Ok(policy) => Some(policy),
    Err(error) => {
        tracing::error!(%error, "the policies can't be used; everything is denied");
        None
    }
});

/// What the policies of this program say.
pub fn decide(caller: &Caller, action: &'static str) -> Decision {
    SHIPPED
        .as_ref()
        .map_or(Decision { verdict: Verdict::Denied, policy_hash: PolicyHash([0; PolicyHash::LEN]) }, |policy| {
            policy.decide(caller, action)
        })
}

impl Policy {
    /// The policies of this program, checked against their schema.
    pub fn load() -> Result<Self, PolicyError> {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(Box::new)?;
        let text: String = POLICIES.iter().map(|(_, text)| *text).collect();
        let set: PolicySet = text.parse().map_err(Box::new)?;
        let checked = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
        if !checked.validation_passed() {
            let findings = checked.validation_errors().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            return Err(PolicyError::Unfit { findings });
        }
        Ok(Self { schema, set, hash: hash(), answers: Mutex::default() })
    }

    /// The hash of schema and policies.
    pub const fn hash(&self) -> PolicyHash {
        self.hash
    }

    /// Whether a caller may do something.
    pub fn decide(&self, caller: &Caller, action: &'static str) -> Decision {
        let question = (caller.clone(), action);
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = *answers.entry(question).or_insert_with_key(|(caller, action)| self.ask(caller, action));
        Decision { verdict, policy_hash: self.hash }
    }

    fn ask(&self, caller: &Caller, action: &str) -> Verdict {
        let allowed = self.put(caller, action).map(|answer| answer == Answered::Allow);
        if allowed == Some(true) { Verdict::Allowed } else { Verdict::Denied }
    }

    /// The answer of the policies; none if the question can't be put.
    fn put(&self, caller: &Caller, action: &str) -> Option<Answered> {
        let principal = uid(caller.kind.entity()?, "caller")?;
        let resource = uid("Installation", "this")?;
        let circumstances = serde_json::json!({ "founding": caller.is_founding, "denied": caller.is_denied });
        let action = uid("Action", action)?;
        let context = Context::from_json_value(circumstances, Some((&self.schema, &action))).ok()?;
        let roles: HashSet<EntityUid> =
            caller.kind.roles().iter().filter_map(|role| uid("Role", role_name(*role))).collect();
        let entities = roles.iter().map(|role| Entity::new_no_attrs(role.clone(), HashSet::new()));
        let caller = Entity::new_no_attrs(principal.clone(), roles.clone());
        let entities = Entities::from_entities(entities.chain([caller]), Some(&self.schema)).ok()?;
        let request = Request::new(principal, action, resource, context, Some(&self.schema)).ok()?;
        Some(Authorizer::new().is_authorized(&request, &self.set, &entities).decision())
    }

    /// The actions of the schema, without the groups that policies speak of.
    #[cfg(test)]
    fn actions(&self) -> impl Iterator<Item = &str> {
        let named = self.schema.actions().map(|uid| uid.id().unescaped());
        named.filter(|name| name.contains('.'))
    }
}

fn uid(kind: &str, id: &str) -> Option<EntityUid> {
    Some(EntityUid::from_type_name_and_id(kind.parse().ok()?, cedar_policy::EntityId::new(id)))
}

/// BLAKE3 over schema and policies: of each text its name and itself, both with their length before them.
fn hash() -> PolicyHash {
    let mut hasher = blake3::Hasher::new();
    for (name, text) in [("strongroom.cedarschema", SCHEMA)].iter().chain(&POLICIES) {
        for part in [name.as_bytes(), text.as_bytes()] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
    }
    PolicyHash(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests;
