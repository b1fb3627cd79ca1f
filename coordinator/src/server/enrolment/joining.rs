//! Who joins, from the wire to the state's own form.
//!
//! Owns the name that follows from a token and from who joins, and the refusal of what a token is not for. An operator,
//! and whoever comes back, gets the name that is registered; all others one with the number that they bring.

use strongroom_core::id::{AgentId, DepotId};
use strongroom_platform::tls::{Role, SpiffeId, SubjectId, TrustDomain};
use strongroom_proto::common::v1::Failure;
use strongroom_proto::enrolment::v1::JoiningDepot;
use strongroom_proto::enrolment::v1::enrol_request::Joins;

use super::super::engine::subject_of;
use super::super::renewal::refused;
use super::Borne;
use crate::id::MemberId;
use crate::state::agents::NewAgent;
use crate::state::bytes::PublicKey;
use crate::state::depots::{DepotFacts, NewDepot};
use crate::state::members::MemberDetails;
use crate::state::text::{Address, Name, Subject};
use crate::state::tokens::{Enrolment, JoinRole};

/// The word for what a token lets in.
pub(super) const fn role_word(role: JoinRole) -> &'static str {
    match role {
        JoinRole::Agent => "agent",
        JoinRole::Depot => "depot",
        JoinRole::Member => "member",
        JoinRole::Operator => "operator",
    }
}

/// The name that whoever joins will bear.
pub(super) fn name_of(joins: &Joins, borne: &Borne, trust_domain: &TrustDomain) -> Result<SpiffeId, Failure> {
    let fixed = |bytes: &[u8]| bytes.try_into().map_err(|_| refused("malformed", "an id has 16 bytes"));
    let (role, subject) = match joins {
        Joins::Member(it) => (Role::Coordinator, Some(subject_of(member_id(&it.member)?))),
        Joins::Agent(it) => (Role::Agent, Some(fixed(&it.agent)?)),
        Joins::Depot(it) => (Role::Depot, Some(fixed(&it.depot)?)),
        Joins::Operator(_) => (Role::Operator, None),
    };
    let mismatch = || refused("token-mismatch", "the token is for something else");
    if let Some(identity) = &borne.identity {
        let id: SpiffeId = identity.as_str().parse().map_err(|_| refused("malformed", "the name is no SPIFFE id"))?;
        let is_meant = id.role == role && subject.is_none_or(|subject| id.subject.0 == subject);
        return if is_meant && id.trust_domain == *trust_domain { Ok(id) } else { Err(mismatch()) };
    }
    let subject = SubjectId(subject.ok_or_else(mismatch)?);
    let region = borne.terms.region.as_str().parse();
    let region = region.map_err(|_| refused("malformed", "the token's region can't stand in a certificate"))?;
    Ok(SpiffeId { trust_domain: trust_domain.clone(), region, role, subject })
}

/// Who joins, if the token is for that.
pub(super) fn enrolment_of(joins: Joins, borne: &Borne, name: &SpiffeId) -> Result<Enrolment, Failure> {
    let subject = Subject::new(&name.to_string());
    let subject = subject.map_err(|error| refused("malformed", &error.to_string()))?;
    Ok(match (joins, borne.terms.role) {
        (Joins::Member(it), JoinRole::Member) => Enrolment::Member {
            member: member_id(&it.member)?,
            details: MemberDetails {
                name: word(&it.name)?,
                region: borne.terms.region.clone(),
                peer_address: address(&it.peer_address)?,
                api_address: address(&it.api_address)?,
            },
        },
        (Joins::Agent(it), JoinRole::Agent) => {
            Enrolment::Agent(NewAgent { agent: AgentId(name.subject.0), name: word(&it.name)?, subject })
        }
        (Joins::Depot(it), JoinRole::Depot) => Enrolment::Depot(depot(&it, name, subject)?),
        (Joins::Operator(_), JoinRole::Operator) => {
            let name = borne.terms.name_hint.clone();
            Enrolment::Operator { name: name.ok_or_else(|| refused("malformed", "the token names nobody"))?, subject }
        }
        _ => return Err(refused("token-mismatch", "the token is for something else")),
    })
}

fn depot(it: &JoiningDepot, name: &SpiffeId, subject: Subject) -> Result<NewDepot, Failure> {
    let key = PublicKey::new(&it.key).map_err(|error| refused("malformed", &error.to_string()))?;
    let facts = DepotFacts { capacity_bytes: it.capacity_bytes, key, address: address(&it.address)? };
    Ok(NewDepot { depot: DepotId(name.subject.0), name: word(&it.name)?, subject, facts })
}

fn word(text: &str) -> Result<Name, Failure> {
    Name::new(text).map_err(|error| refused("malformed", &error.to_string()))
}

fn address(text: &str) -> Result<Address, Failure> {
    Address::new(text).map_err(|error| refused("malformed", &error.to_string()))
}

fn member_id(text: &str) -> Result<MemberId, Failure> {
    text.parse().map_err(|_| refused("malformed", "a member has 16 hexadecimal digits"))
}
