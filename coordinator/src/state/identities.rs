//! Whose name a certificate bears, and whether that is somebody who belongs to the installation.
//!
//! Owns the way from a SPIFFE id to the row of whom it names. An id names a row by its last part, and the row must name
//! the same id: so that nobody is taken for another whose number he bears in another place or role.

use strongroom_core::id::{AgentId, DepotId};

use super::agents::{AgentState, Agents};
use super::context::Context;
use super::depots::Depots;
use super::members::{MemberState, Members};
use super::operators::OperatorIdentities;
use super::outcome::{Fault, Refusal, Thing};
use super::rows::{Change, Rows, Table, Unreadable};
use super::text::Subject;
use super::tokens::JoinRole;
use crate::id::MemberId;

/// Whom a name names.
enum Named {
    Agent(AgentId),
    Depot(DepotId),
    Member(MemberId),
    Operator,
}

/// What bears a name, as far as the name says it; nothing for what can't join.
pub(in crate::state) fn role(subject: &Subject) -> Option<JoinRole> {
    named(subject).map(|named| match named {
        Named::Agent(_) => JoinRole::Agent,
        Named::Depot(_) => JoinRole::Depot,
        Named::Member(_) => JoinRole::Member,
        Named::Operator => JoinRole::Operator,
    })
}

/// Rows that are looked up one at a time: those that are, or those that an entry leaves.
pub(in crate::state) trait Lookup {
    /// The row of a key.
    fn row<T: Table>(&self, key: &T::Key) -> Result<Option<T::Value>, Unreadable>;
}

impl Lookup for Rows {
    fn row<T: Table>(&self, key: &T::Key) -> Result<Option<T::Value>, Unreadable> {
        self.get::<T>(key)
    }
}

impl Lookup for Change<'_> {
    fn row<T: Table>(&self, key: &T::Key) -> Result<Option<T::Value>, Unreadable> {
        self.get::<T>(key)
    }
}

/// Why nobody of this name belongs to the installation: it is nobody's, or that of somebody who left.
pub(in crate::state) fn absence(rows: &impl Lookup, subject: &Subject) -> Result<Option<Refusal>, Unreadable> {
    let missing = |thing| Some(Refusal::Missing(thing));
    let found = match named(subject) {
        None => Some(Refusal::Malformed),
        Some(Named::Agent(agent)) => match rows.row::<Agents>(&agent)? {
            Some(row) if row.subject != *subject => missing(Thing::Agent),
            Some(row) if row.state == AgentState::Retired => Some(Refusal::Retired(Thing::Agent)),
            Some(_) => None,
            None => missing(Thing::Agent),
        },
        Some(Named::Depot(depot)) => match rows.row::<Depots>(&depot)? {
            Some(row) if row.subject == *subject => None,
            _ => missing(Thing::Depot),
        },
        Some(Named::Member(member)) => match rows.row::<Members>(&member)? {
            Some(row) if row.state == MemberState::Removed => Some(Refusal::Retired(Thing::Member)),
            Some(_) => None,
            None => missing(Thing::Member),
        },
        Some(Named::Operator) => match rows.row::<OperatorIdentities>(subject)? {
            Some(_) => None,
            None => missing(Thing::Operator),
        },
    };
    Ok(found)
}

/// Refuses a name that is nobody's, or that of somebody who left.
pub(in crate::state) fn require_registered(cx: &Context<'_>, subject: &Subject) -> Result<(), Fault> {
    absence(&cx.change, subject)?.map_or(Ok(()), |refusal| Err(refusal.into()))
}

/// Reads `spiffe://DOMAIN/REGION/ROLE/ID`, the id being 32 hexadecimal digits.
fn named(subject: &Subject) -> Option<Named> {
    let mut parts = subject.as_str().strip_prefix("spiffe://")?.split('/');
    let (_, _, role, id) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let mut bytes = [0; 16];
    hex::decode_to_slice(id, &mut bytes).ok()?;
    if parts.next().is_some() {
        return None;
    }
    match role {
        "agent" => Some(Named::Agent(AgentId(bytes))),
        "depot" => Some(Named::Depot(DepotId(bytes))),
        "coordinator" => MemberId::of_subject(bytes).map(Named::Member),
        "operator" => Some(Named::Operator),
        _ => None,
    }
}
