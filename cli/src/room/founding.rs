//! What a room's group is founded with: one jurisdiction, one region, one site, one agent, one depot, one operator.
//!
//! Owns the words for them, which are all `local`, and the contract that a source gets unless somebody says otherwise:
//! one copy, within the room's jurisdiction, and a snapshot a day. No schedule runs in a one-process room; the contract
//! says what counts as protected.

use std::collections::BTreeSet;

use serde_json::json;
use strongroom_coordinator::id::MemberId;
use strongroom_coordinator::state::agents::NewAgent;
use strongroom_coordinator::state::bytes::PublicKey;
use strongroom_coordinator::state::contracts::ContractDocument;
use strongroom_coordinator::state::depots::{DepotFacts, NewDepot};
use strongroom_coordinator::state::members::{MemberDetails, PutMember};
use strongroom_coordinator::state::operators::{AddOperator, OperatorRole};
use strongroom_coordinator::state::places::{PutJurisdiction, PutRegion, PutSite};
use strongroom_coordinator::state::sources::{Engine, RegisterSource, SourceFacts};
use strongroom_coordinator::state::text::{Address, CountryCode, JurisdictionName, Name, SourceName, Subject};
use strongroom_coordinator::state::tokens::{
    Enrolment, JoinRole, KeyDigest, MintToken, SecretHash, SpendToken, TokenTerms,
};
use strongroom_coordinator::state::{Actor, Command};
use strongroom_core::digest::Profile;
use strongroom_core::entropy::{Entropy, random_array};
use strongroom_core::error::Code;
use strongroom_core::id::{HostGroup, SourceId, TokenId};
use strongroom_core::manifest::ClassTags;
use strongroom_core::merkle::labelled_hash;
use strongroom_core::seal::VerifyingKey;
use strongroom_platform::tls::SpiffeId;

use super::settings::Settings;
use crate::failure::{Attempt as _, Failure};

/// The name of the one site, region, agent, depot and operator, and the trust domain of their identities.
const LOCAL: &str = "local";
/// What the group `local` covers: the code that ISO 3166-1 leaves to its users, which is no country's.
const NOWHERE: &str = "ZZ";
/// Where parts listen that share a process.
const NO_ADDRESS: &str = "local:0";
/// Tokens are spent in the frame that mints them.
const TOKEN_LIFE_MS: u64 = 60_000;

/// What a group is founded with, in the order in which one thing needs another.
pub(super) fn founding(
    settings: &Settings,
    member: MemberId,
    depot_key: &VerifyingKey,
    now_ms: u64,
    entropy: &dyn Entropy,
) -> Result<Vec<Command>, Failure> {
    let local = || form(Name::new(LOCAL));
    let jurisdiction = jurisdiction(settings)?;
    let code = jurisdiction.country().map_or_else(|| form(CountryCode::new(NOWHERE)), Ok)?;
    let address = form(Address::new(NO_ADDRESS))?;
    let details =
        MemberDetails { name: local()?, region: local()?, peer_address: address.clone(), api_address: address.clone() };
    let agent = NewAgent {
        agent: settings.parts.agent,
        name: local()?,
        subject: subject("agent", settings.parts.agent.as_bytes())?,
    };
    let depot = NewDepot {
        depot: settings.parts.depot,
        name: local()?,
        subject: subject("depot", settings.parts.depot.as_bytes())?,
        facts: DepotFacts { capacity_bytes: u64::MAX, key: form(PublicKey::new(depot_key.as_bytes()))?, address },
    };
    let roles = BTreeSet::from([OperatorRole::Operator, OperatorRole::Auditor]);
    let mut commands: Vec<Command> = vec![
        PutJurisdiction { name: jurisdiction.clone(), codes: BTreeSet::from([code]) }.into(),
        PutRegion { name: local()?, jurisdiction }.into(),
        PutSite { name: local()?, region: local()? }.into(),
        PutMember { member, details }.into(),
    ];
    for (role, enrolment) in [(JoinRole::Agent, Enrolment::Agent(agent)), (JoinRole::Depot, Enrolment::Depot(depot))] {
        let what = || "can't make a join token";
        let token = TokenId(random_array(entropy).attempt(what)?);
        // Nobody carries this secret anywhere: the token is spent by whoever minted it.
        let secret: [u8; 32] = random_array(entropy).attempt(what)?;
        let secret_hash = SecretHash(labelled_hash(Profile::Fips, "join token", &secret));
        let expires_ms = now_ms.saturating_add(TOKEN_LIFE_MS);
        let (region, site) = (local()?, Some(local()?));
        let terms = TokenTerms { role, region, site, name_hint: Some(local()?), renews: None, expires_ms };
        commands.push(MintToken { token, secret_hash, terms }.into());
        // A room has no connections, and so no certificates and no keys of them.
        commands.push(SpendToken { token, secret_hash, key: KeyDigest([0; 32]), enrolment }.into());
    }
    let operator = AddOperator { name: local()?, subject: subject("operator", settings.domain.as_bytes())?, roles };
    commands.push(operator.into());
    Ok(commands)
}

/// The registration of a source under the room's default contract.
pub(crate) fn registration(
    settings: &Settings,
    source: SourceId,
    name: SourceName,
    engine: Engine,
    signer: &VerifyingKey,
) -> Result<RegisterSource, Failure> {
    let facts = SourceFacts {
        name,
        engine,
        domain: settings.domain,
        agent: settings.parts.agent,
        // Whoever takes a backup by hand knows the load: sources of one room do not wait for each other.
        host_group: HostGroup(source.0),
        signer: form(PublicKey::new(signer.as_bytes()))?,
        tags: ClassTags::default(),
    };
    Ok(RegisterSource { source, facts, contract: contract(settings)? })
}

/// A snapshot a day, one copy, in the room's jurisdiction.
fn contract(settings: &Settings) -> Result<ContractDocument, Failure> {
    let terms = json!({
        "rpo_s": 86_400, "rto_s": 86_400, "retention": { "daily": 30, "weekly": 12, "monthly": 12 },
        "jurisdictions": [settings.jurisdiction], "copies": 1, "regions": 1,
        "cadence": { "every": { "minutes": 1_440 } },
    });
    let what = || format!("the room's contract can't name the jurisdiction {}", settings.jurisdiction);
    let contract = serde_json::from_value(terms).attempt(what)?;
    ContractDocument::new(contract).map_err(|error| Failure::because(Code::Internal, what(), error))
}

/// Who asks the group in this process: whoever may use the room.
pub(super) fn operator(settings: &Settings) -> Result<Actor, Failure> {
    Ok(Actor::Identity(subject("operator", settings.domain.as_bytes())?))
}

/// The same, as whoever is at the other end of a connection within this process.
pub(super) fn owner(settings: &Settings) -> Result<SpiffeId, Failure> {
    form(subject("operator", settings.domain.as_bytes())?.as_str().parse())
}

/// Whether an operator of the room is its owner, whom it can't do without.
pub(crate) fn is_owner(name: &str) -> bool {
    name == LOCAL
}

/// The jurisdiction as contracts and the group name it.
pub(super) fn jurisdiction(settings: &Settings) -> Result<JurisdictionName, Failure> {
    JurisdictionName::new(&settings.jurisdiction).map_err(|error| {
        let what = format!("{} is no jurisdiction that a contract can name", settings.jurisdiction);
        Failure::because(Code::Usage, what, error).advise("Give a country's two letters (ISO 3166), or `local`.")
    })
}

fn subject(role: &str, id: &[u8; 16]) -> Result<Subject, Failure> {
    form(Subject::new(&format!("spiffe://{LOCAL}/{LOCAL}/{role}/{}", hex::encode(id))))
}

/// Words that this module chose itself are of the form that they need.
fn form<T, E: std::error::Error + Send + Sync + 'static>(made: Result<T, E>) -> Result<T, Failure> {
    made.map_err(|error| Failure::because(Code::Internal, "the room's group can't be founded", error))
}
