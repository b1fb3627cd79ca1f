//! `coordinator recover`: the first folder of a new epoch, out of what is left of the old one.
//!
//! Owns the order. Everything that can be refused is checked against the old state before anything is written; then the
//! member is made, then its keys, with the root's at hand; then it runs for a moment, alone and without a socket, to have
//! its certificates noted. `config.toml` is written last: a folder without it was never finished, and is emptied to begin
//! again. The old state is only read.
//!
//! The operator who may ask the new group first is one that the old state knows: the same name, with a new certificate.
//! Members of the old epoch are no part of the new one and never will be. They join again from empty folders.

use std::path::Path;
use std::sync::Arc;

use strongroom_platform::tls::{HotIdentity, Region, Role, RootAuthority, SpiffeId, SubjectId};

use super::found::{agree, issuer, leaf};
use super::home::{self, Home};
use super::transport::Transport;
use super::{DaemonError, Machine, Settings};
use crate::member::{Heritage, Member, MemberIdentity, RefoundError};
use crate::server::certifier::note_of;
use crate::server::engine::subject_of;
use crate::server::peers::Links;
use crate::state::certificates::Denial;
use crate::state::members::MemberDetails;
use crate::state::operators::{OperatorRole, OperatorRow};
use crate::state::rows::RawRows;
use crate::state::text::{Address, Name};
use crate::state::{Command, Rows, Unreadable, query};

/// What was said of the first member of a new epoch, checked against the old state.
pub struct Successor {
    root: RootAuthority,
    settings: Settings,
    details: MemberDetails,
    operator: SpiffeId,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The group and its member.
    pub identity: MemberIdentity,
    /// The operator whose identity lies in the folder.
    pub operator: SpiffeId,
}

impl Successor {
    /// Checks what the new member is to be called, who may operate the group, and that the root is that of the old one.
    /// Without a name, the operator is the only one that there is. `root_pem` is the root's certificate and key.
    pub fn check(rows: &Rows, settings: Settings, operator: Option<&str>, root_pem: &str) -> Result<Self, DaemonError> {
        let root = RootAuthority::from_pem(root_pem, root_pem).map_err(DaemonError::Authority)?;
        let details = details(&settings)?;
        if query::region(rows, &details.region).map_err(unreadable)?.is_none() {
            return Err(option("--region", format!("the state knows no region {}", details.region)));
        }
        let (name, row) = operator_of(rows, operator)?;
        let named = row.subject.as_str().parse();
        let operator: SpiffeId = named.map_err(|source| DaemonError::Name { option: "--operator", source })?;
        if operator.trust_domain != *root.trust_domain() {
            let what = format!("it is the root of {}, and {name} belongs to another trust domain", root.trust_domain());
            return Err(option("--root-key", what));
        }
        if query::denied_since(rows, &Denial::Identity(row.subject)).map_err(unreadable)?.is_some() {
            return Err(option("--operator", format!("{name} is on the deny-list")));
        }
        Ok(Self { root, settings, details, operator })
    }

    /// The certificate of the root that was given, in PEM.
    pub fn root_certificate(&self) -> String {
        self.root.certificate_pem()
    }

    /// The operator who will be able to ask the new group.
    pub const fn operator(&self) -> &SpiffeId {
        &self.operator
    }

    /// Makes the first member of the new epoch in an empty folder, from the rows of the old state.
    pub async fn begin<E>(
        self,
        path: &Path,
        heritage: &Heritage,
        pages: impl Iterator<Item = Result<RawRows, E>>,
        machine: &Machine,
    ) -> Result<Recovered, DaemonError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let Self { root, settings, details, operator } = self;
        let home = Home::create(path)?;
        home.require_empty()?;
        let region: Region =
            settings.region.parse().map_err(|source| DaemonError::Name { option: "--region", source })?;
        let (disk, config, entropy) = (home.data()?, settings.timing.member(), machine.entropy.as_ref());
        let wall = machine.clock.wall();
        let founded = Member::refound(&disk, heritage, pages, Some(details), wall, &config, entropy);
        let identity = founded.map_err(DaemonError::Refound)?;
        let name = |role| SpiffeId {
            trust_domain: root.trust_domain().clone(),
            region: region.clone(),
            role,
            subject: SubjectId(subject_of(identity.member)),
        };
        let issuer = issuer(&root, name(Role::Issuer), machine)?;
        let own = leaf(&issuer, name(Role::Coordinator), machine)?;
        let operator = leaf(&issuer, operator, machine)?;
        for (folder, identity) in [(home::OWN, &own), (home::OPERATOR, &operator)] {
            home.write_roots(folder, &root.certificate_pem())?;
            home.write_identity(folder, identity)?;
        }
        home.write_issuer(&issuer)?;
        let notes: Option<Vec<Command>> =
            [&own, &operator].iter().map(|it| note_of(it.chain(), None).map(Command::from)).collect();
        let notes = notes.ok_or(DaemonError::Senseless { what: "a certificate can't be noted" })?;
        let recovered = Recovered { identity, operator: operator.id().clone() };
        let roots = home.roots(home::OWN)?;
        let transport = Transport::new(Arc::new(HotIdentity::new(own)), roots, Arc::clone(&machine.clock));
        let member = Member::open(&disk, config, entropy).map_err(DaemonError::Open)?;
        let links = Links::new(identity.member, transport.to_members()?, disk, tokio::runtime::Handle::current());
        agree(member, links, notes, machine).await?;
        home.write_settings(&settings)?;
        Ok(recovered)
    }
}

fn details(settings: &Settings) -> Result<MemberDetails, DaemonError> {
    let word = |named: &'static str, text: &str| Name::new(text).map_err(|error| option(named, error.to_string()));
    let peer_address = Address::new(&settings.advertise);
    let peer_address = peer_address.map_err(|error| option("--advertise", error.to_string()))?;
    Ok(MemberDetails {
        name: word("--name", &settings.name)?,
        region: word("--region", &settings.region)?,
        api_address: peer_address.clone(),
        peer_address,
    })
}

/// The operator of a name, or the only one; it must be able to operate.
fn operator_of(rows: &Rows, wanted: Option<&str>) -> Result<(Name, OperatorRow), DaemonError> {
    let is_able = |row: &OperatorRow| row.roles.contains(&OperatorRole::Operator);
    if let Some(wanted) = wanted {
        let name = Name::new(wanted).map_err(|error| option("--operator", error.to_string()))?;
        let row = query::operator(rows, &name).map_err(unreadable)?.filter(is_able);
        let row = row.ok_or_else(|| option("--operator", format!("{name} is nobody who can operate the group")))?;
        return Ok((name, row));
    }
    let page = query::operators(rows, None, query::PAGE_ROWS_MAX).map_err(unreadable)?;
    let mut able: Vec<(Name, OperatorRow)> = page.rows.into_iter().filter(|(_, row)| is_able(row)).collect();
    if page.has_more || able.len() > 1 {
        let names = able.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(option("--operator", format!("one of {names} is to be named")));
    }
    able.pop().ok_or_else(|| option("--operator", "the state knows nobody who can operate the group".to_owned()))
}

fn option(option: &'static str, what: String) -> DaemonError {
    DaemonError::Option { option, what }
}

fn unreadable(error: Unreadable) -> DaemonError {
    DaemonError::Refound(RefoundError::Rows(Box::new(error)))
}
