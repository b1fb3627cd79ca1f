//! `operator …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::coordinator::Cluster;

/// `operator …`.
#[derive(Debug, Subcommand)]
pub(crate) enum OperatorVerb {
    /// Register a colleague
    Add(OperatorAdd),
    /// List who may do what
    Ls(Cluster),
    /// Give a colleague other roles
    Roles(OperatorRoles),
    /// Take a colleague out
    Rm(OperatorRm),
    /// Make a token with which a registered colleague gets a certificate, once; older ones are denied
    Token(OperatorToken),
    /// Make a key here, and have it certified by a token
    Enrol(OperatorEnrol),
}

/// What an operator may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Changes the installation, and reads all of it
    Operator,
    /// Reads all of it, and changes nothing
    Auditor,
}

/// `operator add`.
#[derive(Debug, Args)]
pub(crate) struct OperatorAdd {
    /// The name: small letters, digits and hyphens
    pub(crate) name: String,
    /// The identity in the colleague's certificate: a SPIFFE id [default: a new one in your own region]
    #[arg(value_name = "SPIFFE_ID")]
    pub(crate) subject: Option<String>,
    /// What the colleague may do; may be given more than once
    #[arg(long, value_name = "ROLE", required = true, value_delimiter = ',', env = "STRONGROOM_ROLE")]
    pub(crate) role: Vec<Role>,
    /// How it is asked.
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// `operator roles`.
#[derive(Debug, Args)]
pub(crate) struct OperatorRoles {
    /// The name
    pub(crate) name: String,
    /// All roles that the colleague is to have
    #[arg(long, value_name = "ROLE", required = true, value_delimiter = ',', env = "STRONGROOM_ROLE")]
    pub(crate) role: Vec<Role>,
    /// How it is asked.
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// `operator rm`.
#[derive(Debug, Args)]
pub(crate) struct OperatorRm {
    /// The name
    pub(crate) name: String,
    /// Don't ask
    #[arg(long, env = "STRONGROOM_YES")]
    pub(crate) yes: bool,
    /// How it is asked.
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// `operator token`.
#[derive(Debug, Args)]
pub(crate) struct OperatorToken {
    /// The name, as it was registered
    pub(crate) name: String,
    /// How long it is good, in minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=60), env = "STRONGROOM_LIFE")]
    pub(crate) life: u64,
    /// How it is asked.
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// `operator enrol`.
#[derive(Debug, Args)]
pub(crate) struct OperatorEnrol {
    /// The folder to make for the identity
    pub(crate) folder: PathBuf,
    /// A file that holds the token; `-` for standard input
    #[arg(long, value_name = "FILE", env = "STRONGROOM_TOKEN_FILE")]
    pub(crate) token_file: PathBuf,
    /// Where members listen
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', env = "STRONGROOM_ENDPOINT")]
    pub(crate) endpoint: Vec<String>,
}

/// Options of all that change something.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// Show what would change, and change nothing
    #[arg(long, visible_alias = "dry-run", env = "STRONGROOM_PLAN")]
    pub(crate) plan: bool,
    /// The group.
    #[command(flatten)]
    pub(crate) cluster: Cluster,
}
