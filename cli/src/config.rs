//! The configuration file: what an operator need not repeat on every command line.
//!
//! Flags beat the environment, and both beat the file. An unknown key is an error that names it.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use strongroom_core::error::Code;

use crate::failure::{Attempt as _, Failure};

/// The keys of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The room.
    pub(crate) room: Option<PathBuf>,
    /// A file that holds the passphrase of the key file.
    pub(crate) passphrase_file: Option<PathBuf>,
    /// A command that prints it.
    pub(crate) passphrase_command: Option<String>,
    /// Connections that read a source side by side.
    pub(crate) readers: Option<usize>,
    /// Where members of a group listen.
    #[serde(default)]
    pub(crate) endpoint: Vec<String>,
    /// The folder of the operator's identity.
    pub(crate) identity: Option<PathBuf>,
}

impl Config {
    /// Reads a file; without one, nothing is set.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text =
            std::fs::read_to_string(path).attempt(|| format!("can't read the configuration {}", path.display()))?;
        toml::from_str(&text)
            .map_err(|error| Failure::because(Code::Usage, format!("{} is no configuration", path.display()), error))
    }
}
