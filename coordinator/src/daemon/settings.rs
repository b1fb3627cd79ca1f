//! `config.toml`: what a member is called, and where it listens.
//!
//! Written by `init` and `join`, and an operator's to change between two starts. An unknown key is an error that names
//! it. Nothing here is secret.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::DaemonError;
use crate::id::MemberId;
use crate::member::MemberConfig;

const VERSION: u32 = 1;

/// What a member is called, and where it listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    version: u32,
    /// The member's name.
    pub name: String,
    /// The failure domain that it stands in.
    pub region: String,
    /// Where it listens to members and clients: an address of this machine and a port.
    pub listen: String,
    /// Where the others reach it: host and port.
    pub advertise: String,
    /// Where it answers for its health, in plain HTTP; nowhere without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// The group's rhythm.
    #[serde(default)]
    pub timing: Timing,
    /// Other members, as they were when this one joined: by id, where they listen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub known: BTreeMap<String, String>,
    /// Addresses that this machine reaches by another one, through a tunnel for instance.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub routes: BTreeMap<String, String>,
}

/// The group's rhythm. All members have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Timing {
    /// Members within a few milliseconds of each other.
    #[default]
    Lan,
    /// Members up to 200 ms apart.
    Wan,
}

impl Timing {
    /// The settings of a member in this rhythm.
    pub const fn member(self) -> MemberConfig {
        match self {
            Self::Lan => MemberConfig::LAN,
            Self::Wan => MemberConfig::WAN,
        }
    }

    /// The length of a tick.
    pub const fn tick(self) -> Duration {
        match self {
            Self::Lan => Duration::from_millis(50),
            Self::Wan => Duration::from_millis(100),
        }
    }
}

impl Settings {
    /// Settings with all that is left to defaults.
    pub fn new(name: &str, region: &str, listen: &str, advertise: &str) -> Self {
        Self {
            version: VERSION,
            name: name.to_owned(),
            region: region.to_owned(),
            listen: listen.to_owned(),
            advertise: advertise.to_owned(),
            health: None,
            timing: Timing::default(),
            known: BTreeMap::new(),
            routes: BTreeMap::new(),
        }
    }

    /// Reads the file's text.
    pub fn parse(text: &str) -> Result<Self, DaemonError> {
        let read: Self = toml::from_str(text).map_err(|error| DaemonError::Settings { what: error.to_string() })?;
        if read.version != VERSION {
            return Err(DaemonError::Settings { what: format!("version {} is not known here", read.version) });
        }
        read.members()?;
        Ok(read)
    }

    /// The file's text.
    pub fn to_text(&self) -> Result<String, DaemonError> {
        toml::to_string(self).map_err(|error| DaemonError::Settings { what: error.to_string() })
    }

    /// Where other members listened when this one joined.
    pub fn members(&self) -> Result<BTreeMap<MemberId, String>, DaemonError> {
        let member = |(id, address): (&String, &String)| match id.parse() {
            Ok(id) => Ok((id, address.clone())),
            Err(_) => Err(DaemonError::Settings { what: format!("{id} is no member's id") }),
        };
        self.known.iter().map(member).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut settings = Settings::new("m1", "here", "0.0.0.0:7411", "m1.example:7411");
        settings.health = Some("127.0.0.1:7412".into());
        settings.known.insert("00000000000000ff".into(), "m2.example:7411".into());
        settings.routes.insert("m2.example:7411".into(), "127.0.0.1:9".into());
        assert_eq!(Settings::parse(&settings.to_text().unwrap()).unwrap(), settings);
    }

    #[test]
    fn an_unknown_key_and_an_unknown_version_are_errors() {
        let text = Settings::new("m1", "here", "a:1", "a:1").to_text().unwrap();
        let unknown = Settings::parse(&format!("{text}\nlisten_to = \"x\"\n")).unwrap_err();
        assert!(unknown.to_string().contains("listen_to"), "{unknown}");
        let later = Settings::parse(&text.replace("version = 1", "version = 2")).unwrap_err();
        assert!(later.to_string().contains("version 2"), "{later}");
        assert!(Settings::parse(&format!("{text}\n[known]\nx = \"a:1\"\n")).is_err());
    }
}
