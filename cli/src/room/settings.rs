//! `state/room.toml`: what a room is. Written once, when the room is made, and once more when it is brought to a later
//! version.
//!
//! ```text
//!   version 1    a catalog of sources in one file, and no group
//!   version 2    a group of one member; the ids of the room's agent and depot
//! ```
//!
//! It pins the public key that backups seal to, so that a depot can't put another in its place.

use serde::{Deserialize, Serialize};
use strongroom_core::codec::Hex;
use strongroom_core::digest::Profile;
use strongroom_core::entropy::{Entropy, random_array};
use strongroom_core::error::Code;
use strongroom_core::id::{AgentId, DepotId, DomainId};
use strongroom_core::seal::{EpochNumber, EpochPublicKey};
use strongroom_platform::disk::Disk;

use super::paths;
use crate::failure::{Attempt as _, Failure};

/// The version that is written.
const VERSION: u32 = 2;
/// The version before there was a group.
const FIRST: u32 = 1;
/// The file has a few hundred bytes.
const SETTINGS_BYTES_MAX: u64 = 64 * 1024;

/// What a room is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The name of the one site.
    pub(crate) site: String,
    /// Where the data may lie.
    pub(crate) jurisdiction: String,
    /// Production, test, and so on.
    pub(crate) environment: String,
    /// The home domain of all its sources.
    pub(crate) domain: DomainId,
    /// The algorithms in use.
    pub(crate) profile: Profile,
    /// The key that packs are sealed to.
    pub(crate) epoch: EpochPublicKey,
    /// The URL of the depot, if it lies in an object store.
    pub(crate) depot: Option<String>,
    /// What the group knows the room's parts by.
    pub(crate) parts: Parts,
}

/// The ids of a room's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parts {
    /// The agent.
    pub(crate) agent: AgentId,
    /// The depot.
    pub(crate) depot: DepotId,
}

impl Parts {
    /// New ids.
    pub(super) fn mint(entropy: &dyn Entropy) -> Result<Self, Failure> {
        let what = || "can't make ids for the room's parts";
        let agent = AgentId(random_array(entropy).attempt(what)?);
        Ok(Self { agent, depot: DepotId(random_array(entropy).attempt(what)?) })
    }
}

/// Settings as they were found.
pub(super) enum Found {
    /// Of the present version.
    Current(Settings),
    /// Of the first version.
    First(FirstSettings),
}

/// Settings of the first version, which lack the parts.
pub(super) struct FirstSettings(Document);

impl FirstSettings {
    /// The settings with ids for the parts.
    pub(super) fn with(&self, parts: Parts) -> Result<Settings, Failure> {
        Settings::of(&self.0, parts)
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Document {
    version: u32,
    site: String,
    jurisdiction: String,
    environment: String,
    domain: DomainId,
    profile: Profile,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    depot: Option<String>,
    epoch: Epoch,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parts: Option<Parts>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Epoch {
    number: EpochNumber,
    public_key: Hex,
}

#[derive(Deserialize)]
struct Envelope {
    version: u32,
}

impl Settings {
    /// The file's content.
    pub(crate) fn to_toml(&self) -> Result<String, Failure> {
        let document = Document {
            version: VERSION,
            site: self.site.clone(),
            jurisdiction: self.jurisdiction.clone(),
            environment: self.environment.clone(),
            domain: self.domain,
            profile: self.profile,
            depot: self.depot.clone(),
            epoch: Epoch { number: self.epoch.epoch(), public_key: Hex(self.epoch.as_bytes().to_vec()) },
            parts: Some(self.parts),
        };
        toml::to_string(&document)
            .map_err(|error| Failure::because(Code::Internal, "the room's settings can't be written", error))
    }

    /// Reads the file.
    pub(super) fn read(disk: &dyn Disk) -> Result<Found, Failure> {
        Self::parse(&disk.read(paths::SETTINGS, SETTINGS_BYTES_MAX).attempt(|| "can't read the room's settings")?)
    }

    /// Reads the file's content.
    fn parse(content: &[u8]) -> Result<Found, Failure> {
        let damaged = |error| Failure::because(Code::Damaged, "the room's settings can't be read", error);
        let text = String::from_utf8_lossy(content);
        let envelope: Envelope = toml::from_str(&text).map_err(damaged)?;
        if ![FIRST, VERSION].contains(&envelope.version) {
            let what = format!("the room is of version {}, which this program does not know", envelope.version);
            return Err(Failure::new(Code::UnknownFormat, what));
        }
        let document: Document = toml::from_str(&text).map_err(damaged)?;
        match document.parts {
            Some(parts) if envelope.version == VERSION => Ok(Found::Current(Self::of(&document, parts)?)),
            None if envelope.version == FIRST => Ok(Found::First(FirstSettings(document))),
            _ => Err(Failure::new(Code::Damaged, "the room's settings are not those of their version")),
        }
    }

    fn of(document: &Document, parts: Parts) -> Result<Self, Failure> {
        let Document { site, jurisdiction, environment, domain, profile, depot, epoch, .. } = document.clone();
        let epoch = EpochPublicKey::new(profile, epoch.number, epoch.public_key.0);
        let epoch = epoch.attempt(|| "the room's settings can't be read")?;
        Ok(Self { site, jurisdiction, environment, domain, profile, epoch, depot, parts })
    }
}
