//! The first certificate of an agent, a depot or an operator, out of a token.
//!
//! Owns the order: the root is believed because the token pins it; the key is made here and put aside; the token is spent
//! with a request for the name that the group says, or that is minted here; identity and root are written, and nothing is
//! ever written over an identity. What broke off is run again in the same folder with the same token.

use std::path::Path;

use strongroom_platform::tls::{Identity, JoinToken, Role, SpiffeId, SubjectId};
use strongroom_proto::enrolment::v1::enrol_request::Joins;
use strongroom_proto::enrolment::v1::{Description, JoiningAgent, JoiningDepot, JoiningOperator};

use super::desk::Desk;
use super::home::Home;
use super::join::senseless_name;
use super::{DaemonError, Machine};

/// How somebody enrols.
pub struct Enrolling {
    /// What was carried here.
    pub token: JoinToken,
    /// Members that may be asked.
    pub endpoints: Vec<String>,
    /// Who it is.
    pub newcomer: Newcomer,
}

/// Who enrols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Newcomer {
    /// An agent.
    Agent {
        /// Its name.
        name: String,
    },
    /// A depot.
    Depot {
        /// Its name.
        name: String,
        /// Where agents reach it.
        address: String,
        /// Bytes that it may hold.
        capacity_bytes: u64,
        /// The key that its receipts are signed with.
        key: Vec<u8>,
    },
    /// An operator, under the name and with the roles that were registered.
    Operator,
}

impl Newcomer {
    const fn role(&self) -> Role {
        match self {
            Self::Agent { .. } => Role::Agent,
            Self::Depot { .. } => Role::Depot,
            Self::Operator => Role::Operator,
        }
    }

    fn joins(self, SubjectId(number): SubjectId) -> Joins {
        let number = number.to_vec();
        match self {
            Self::Agent { name } => Joins::Agent(JoiningAgent { agent: number, name }),
            Self::Depot { name, address, capacity_bytes, key } => {
                Joins::Depot(JoiningDepot { depot: number, name, address, capacity_bytes, key })
            }
            Self::Operator => Joins::Operator(JoiningOperator {}),
        }
    }
}

/// Makes an identity in a folder that has none.
pub async fn enrol(path: &Path, enrolling: Enrolling, machine: &Machine) -> Result<Identity, DaemonError> {
    let Enrolling { token, endpoints, newcomer } = enrolling;
    let home = Home::create(path)?;
    if home.has_identity("")? {
        return Err(DaemonError::IdentityExists { path: path.to_owned() });
    }
    let desk = Desk::new(&token, endpoints, machine)?;
    let description = desk.describe().await?;
    let id = name_of(&home, &description, newcomer.role(), machine)?;
    let pending = home.pending("", id)?;
    let joins = newcomer.joins(pending.id().subject);
    let chain = desk.enrol(pending.request().as_der(), joins).await?;
    let own = pending.into_identity(chain);
    let own = own.map_err(|source| DaemonError::Identity { path: path.to_owned(), source })?;
    home.write_roots("", &desk.roots()?.to_pem())?;
    home.write_identity("", &own)?;
    home.forget_pending("")?;
    Ok(own)
}

/// The name that is asked for: the one that is registered, the one of an attempt that broke off, or a new one.
fn name_of(home: &Home, description: &Description, role: Role, machine: &Machine) -> Result<SpiffeId, DaemonError> {
    if !description.identity.is_empty() {
        let id: SpiffeId = description.identity.parse().map_err(senseless_name)?;
        let other = DaemonError::Senseless { what: "the token is for somebody in another role" };
        return if id.role == role { Ok(id) } else { Err(other) };
    }
    let trust_domain = description.trust_domain.parse().map_err(senseless_name)?;
    let region = description.region.parse().map_err(senseless_name)?;
    let before = home.pending_name("")?.filter(|id| id.role == role && id.region == region);
    if let Some(before) = before.filter(|id| id.trust_domain == trust_domain) {
        return Ok(before);
    }
    let subject = SubjectId::mint(machine.entropy.as_ref()).map_err(DaemonError::Entropy)?;
    Ok(SpiffeId { trust_domain, region, role, subject })
}
