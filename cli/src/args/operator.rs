//! `operator …`.

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
    /// The identity in the colleague's certificate: a SPIFFE id
    #[arg(value_name = "SPIFFE_ID")]
    pub(crate) subject: String,
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
