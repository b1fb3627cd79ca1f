//! `coordinator init`: a trust domain, a group of one member, and its first operator.
//!
//! Owns the order. Keys and certificates come first, then the member; then the member runs for a moment, alone and
//! without a socket, to agree with itself on what the group begins with. `config.toml` is written last: a folder without
//! it was never finished, serves nobody, and is emptied to begin again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use strongroom_core::id::ClientSession;
use strongroom_platform::rng::random_array;
use strongroom_platform::tls::{
    HotIdentity, Identity, Issuer, PendingIdentity, Region, Role, RootAuthority, SpiffeId, SubjectId, TrustDomain,
};

use super::home::{self, Home};
use super::transport::Transport;
use super::{DaemonError, Machine, Settings};
use crate::id::MemberId;
use crate::member::{Answer, Founding, Member, MemberIdentity};
use crate::raft::Role as Part;
use crate::server::certifier::note_of;
use crate::server::engine::subject_of;
use crate::server::pause::pause;
use crate::server::peers::Links;
use crate::server::{Engine, EngineError};
use crate::state::members::{MemberDetails, PutMember};
use crate::state::operators::{AddOperator, OperatorRole};
use crate::state::places::{PutJurisdiction, PutRegion, PutSite};
use crate::state::session::OpenSession;
use crate::state::text::{Address, CountryCode, JurisdictionName, Name, Subject};
use crate::state::{Actor, Command, Decision, Outcome, Request, Sequence, Stamp};

/// The length of a tick while the member is alone: it elects itself within a fifth of a second.
const TICK: Duration = Duration::from_millis(10);
/// How long the group of one may take to agree on what it begins with.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a group begins with.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// The organisation within which names mean something.
    pub trust_domain: String,
    /// A country's code, or the name of a group of countries.
    pub jurisdiction: String,
    /// The countries of that group; for a country, none but itself.
    pub countries: Vec<String>,
    /// The first operator's name.
    pub operator: String,
    /// The member's names and addresses.
    pub settings: Settings,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Founded {
    /// The group and its member.
    pub identity: MemberIdentity,
    /// Who the first operator is.
    pub operator: SpiffeId,
}

/// What was said, checked before anything is written.
struct Checked {
    trust_domain: TrustDomain,
    region: Region,
    region_name: Name,
    jurisdiction: PutJurisdiction,
    operator: Name,
    details: MemberDetails,
}

/// Makes a group of one member in an empty folder.
pub async fn found(path: &Path, beginning: &Beginning, machine: &Machine) -> Result<Founded, DaemonError> {
    let checked = check(beginning)?;
    let home = Home::create(path)?;
    home.require_empty()?;
    let now = machine.clock.wall();
    let root = RootAuthority::found(&checked.trust_domain, now, machine.entropy.as_ref());
    let root = root.map_err(DaemonError::Authority)?;
    let disk = home.data()?;
    let config = beginning.settings.timing.member();
    let identity = Member::create(&disk, Founding::Group, &config, machine.entropy.as_ref());
    let identity = identity.map_err(DaemonError::Open)?;
    let name = |role, subject| SpiffeId {
        trust_domain: checked.trust_domain.clone(),
        region: checked.region.clone(),
        role,
        subject: SubjectId(subject),
    };
    let issuer = issuer(&root, name(Role::Issuer, subject_of(identity.member)), machine)?;
    let own = leaf(&issuer, name(Role::Coordinator, subject_of(identity.member)), machine)?;
    let subject = random_array(machine.entropy.as_ref()).map_err(DaemonError::Entropy)?;
    let operator = leaf(&issuer, name(Role::Operator, subject), machine)?;
    home.write(home::ROOT_KEY, &[&root.certificate_pem(), root.key_pem().as_str()].concat())?;
    for (folder, identity) in [(home::OWN, &own), (home::OPERATOR, &operator)] {
        home.write_roots(folder, &root.certificate_pem())?;
        home.write_identity(folder, identity)?;
    }
    home.write_issuer(&issuer)?;
    let founded = Founded { identity, operator: operator.id().clone() };
    let commands = commands(&checked, identity.member, [&own, &operator])?;
    let transport = Transport::new(Arc::new(HotIdentity::new(own)), home.roots(home::OWN)?, Arc::clone(&machine.clock));
    let member = Member::open(&disk, config, machine.entropy.as_ref()).map_err(DaemonError::Open)?;
    let links = Links::new(identity.member, transport.to_members()?, disk, tokio::runtime::Handle::current());
    agree(member, links, commands, machine).await?;
    home.write_settings(&beginning.settings)?;
    Ok(founded)
}

fn check(beginning: &Beginning) -> Result<Checked, DaemonError> {
    let settings = &beginning.settings;
    let word = |option: &'static str, text: &str| {
        Name::new(text).map_err(|error| DaemonError::Option { option, what: error.to_string() })
    };
    let address = |option: &'static str, text: &str| {
        Address::new(text).map_err(|error| DaemonError::Option { option, what: error.to_string() })
    };
    let spiffe = |option: &'static str| move |source| DaemonError::Name { option, source };
    let region_name = word("--region", &settings.region)?;
    let jurisdiction = JurisdictionName::new(&beginning.jurisdiction);
    let jurisdiction =
        jurisdiction.map_err(|error| DaemonError::Option { option: "--jurisdiction", what: error.to_string() })?;
    let country = |code: &String| CountryCode::new(code);
    let codes = match jurisdiction.country() {
        Some(country) if beginning.countries.is_empty() => Ok([country].into()),
        Some(_) => {
            let what = "a country covers itself, and nothing else".to_owned();
            return Err(DaemonError::Option { option: "--countries", what });
        }
        None => beginning.countries.iter().map(country).collect(),
    };
    let codes = codes.map_err(|error| DaemonError::Option { option: "--countries", what: error.to_string() })?;
    let peer_address = address("--advertise", &settings.advertise)?;
    Ok(Checked {
        trust_domain: beginning.trust_domain.parse().map_err(spiffe("--trust-domain"))?,
        region: settings.region.parse().map_err(spiffe("--region"))?,
        region_name: region_name.clone(),
        jurisdiction: PutJurisdiction { name: jurisdiction, codes },
        operator: word("--operator", &beginning.operator)?,
        details: MemberDetails {
            name: word("--name", &settings.name)?,
            region: region_name,
            api_address: peer_address.clone(),
            peer_address,
        },
    })
}

pub(super) fn issuer(root: &RootAuthority, id: SpiffeId, machine: &Machine) -> Result<Issuer, DaemonError> {
    let pending = PendingIdentity::new(id).map_err(DaemonError::Request)?;
    let request = pending.request().check(pending.id()).map_err(DaemonError::Request)?;
    let certificate = root.sign_issuer(&request, machine.clock.wall(), machine.entropy.as_ref());
    let certificate = certificate.map_err(DaemonError::Authority)?;
    pending.into_issuer(&certificate).map_err(DaemonError::Authority)
}

pub(super) fn leaf(issuer: &Issuer, id: SpiffeId, machine: &Machine) -> Result<Identity, DaemonError> {
    let pending = PendingIdentity::new(id).map_err(DaemonError::Request)?;
    let request = pending.request().check(pending.id()).map_err(DaemonError::Request)?;
    let ttl = request.id().role.certificate_ttl();
    let chain = issuer.issue(&request, ttl, machine.clock.wall(), machine.entropy.as_ref());
    let path = std::path::PathBuf::from(home::OWN);
    let chain = chain.map_err(DaemonError::Authority)?;
    pending.into_identity(chain).map_err(|source| DaemonError::Identity { path, source })
}

/// What the group of one agrees on first.
fn commands(checked: &Checked, member: MemberId, certified: [&Identity; 2]) -> Result<Vec<Command>, DaemonError> {
    let [_, operator] = certified;
    let subject = Subject::new(&operator.id().to_string());
    let subject = subject.map_err(|_| DaemonError::Senseless { what: "the operator's name is too long" })?;
    let roles = [OperatorRole::Operator].into();
    let mut commands: Vec<Command> = vec![
        checked.jurisdiction.clone().into(),
        PutRegion { name: checked.region_name.clone(), jurisdiction: checked.jurisdiction.name.clone() }.into(),
        // Agents and depots join at a site; the first has the region's name.
        PutSite { name: checked.region_name.clone(), region: checked.region_name.clone() }.into(),
        PutMember { member, details: checked.details.clone() }.into(),
    ];
    for identity in certified {
        let note = note_of(identity.chain(), None);
        commands.push(note.ok_or(DaemonError::Senseless { what: "a certificate can't be noted" })?.into());
    }
    commands.push(AddOperator { name: checked.operator.clone(), subject, roles }.into());
    Ok(commands)
}

/// Runs the member alone until it has agreed on the commands.
pub(super) async fn agree(
    member: Member,
    links: Links,
    commands: Vec<Command>,
    machine: &Machine,
) -> Result<(), DaemonError> {
    let session = ClientSession(random_array(machine.entropy.as_ref()).map_err(DaemonError::Entropy)?);
    let (engine, thread) = Engine::start(member, Arc::new(links), Arc::clone(&machine.clock), TICK);
    let agreed = tokio::time::timeout(PATIENCE, async {
        tokio::select! {
            agreed = ask_all(&engine, session, commands) => agreed,
            () = beat(&engine) => Err(DaemonError::Defect),
        }
    });
    let agreed = agreed.await;
    engine.stop().await;
    let ended = tokio::task::spawn_blocking(|| thread.join()).await;
    match ended {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => return Err(DaemonError::Member(error)),
        _ => return Err(DaemonError::Defect),
    }
    agreed.map_err(|_| DaemonError::NoAnswer { last: "the member does not lead its own group".to_owned() })?
}

async fn ask_all(engine: &Engine, session: ClientSession, commands: Vec<Command>) -> Result<(), DaemonError> {
    drop(engine.watch().wait_for(|standing| standing.role == Part::Leader).await);
    ask(engine, None, OpenSession { session }.into()).await?;
    for (command, number) in commands.into_iter().zip(1..) {
        ask(engine, Some((session, Sequence(number))), command).await?;
    }
    Ok(())
}

async fn ask(engine: &Engine, session: Option<(ClientSession, Sequence)>, command: Command) -> Result<(), DaemonError> {
    let request = Request {
        session,
        acknowledged_below: session.map_or(Sequence(0), |(_, sequence)| sequence),
        actor: Actor::System,
        decision: Decision::default(),
        stamp: Stamp::default(),
        command,
    };
    loop {
        match engine.submit(request.clone()).await {
            Ok(Answer::Applied { outcome: Outcome::Done(_), .. }) => return Ok(()),
            Ok(Answer::Applied { outcome: Outcome::Rejected(refusal), .. }) => {
                return Err(DaemonError::Rejected(refusal));
            }
            Ok(_) | Err(EngineError::Overloaded) => pause(TICK).await,
            Err(EngineError::Ended) => return Err(DaemonError::Defect),
        }
    }
}

/// Lets the member's time pass, until it has ended.
async fn beat(engine: &Engine) {
    while engine.wake().is_ok() {
        pause(TICK).await;
    }
}

/// The members that a settings file may list, of those that are known.
pub(super) fn known(members: &[(MemberId, String)]) -> BTreeMap<String, String> {
    members.iter().map(|(id, address)| (id.to_string(), address.clone())).collect()
}
