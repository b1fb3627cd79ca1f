//! `state/room.toml`: what a room is. Written once, when the room is made.
//!
//! It pins the public key that backups seal to, so that a depot can't put another in its place.

use serde::{Deserialize, Serialize};
use strongroom_core::codec::Hex;
use strongroom_core::digest::Profile;
use strongroom_core::error::Code;
use strongroom_core::id::DomainId;
use strongroom_core::seal::{EpochNumber, EpochPublicKey};

use crate::failure::{Attempt as _, Failure};

const VERSION: u32 = 1;

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
}

#[derive(Serialize, Deserialize)]
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
}

#[derive(Serialize, Deserialize)]
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
        };
        toml::to_string(&document)
            .map_err(|error| Failure::because(Code::Internal, "the room's settings can't be written", error))
    }

    /// Reads the file's content.
    pub(crate) fn parse(content: &[u8]) -> Result<Self, Failure> {
        let damaged = |error| Failure::because(Code::Damaged, "the room's settings can't be read", error);
        let text = String::from_utf8_lossy(content);
        let envelope: Envelope = toml::from_str(&text).map_err(damaged)?;
        if envelope.version != VERSION {
            let what = format!("the room is of version {}, which this program does not know", envelope.version);
            return Err(Failure::new(Code::UnknownFormat, what));
        }
        let document: Document = toml::from_str(&text).map_err(damaged)?;
        let epoch = EpochPublicKey::new(document.profile, document.epoch.number, document.epoch.public_key.0);
        Ok(Self {
            site: document.site,
            jurisdiction: document.jurisdiction,
            environment: document.environment,
            domain: document.domain,
            profile: document.profile,
            epoch: epoch.attempt(|| "the room's settings can't be read")?,
            depot: document.depot,
        })
    }
}
