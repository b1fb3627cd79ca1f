//! `agent …`: who may join, and who did.

use clap::{Args, Subcommand, ValueEnum};

use super::coordinator::Cluster;
use super::operator::Asked;

/// `agent …`.
#[derive(Debug, Subcommand)]
pub(crate) enum AgentVerb {
    /// Make a token with which one host can join, once
    Token(AgentToken),
    /// List the agents of a group
    Ls(Cluster),
    /// Take back what was given: a token, or the identity of an agent
    Revoke(AgentRevoke),
}

/// What a token lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Joins {
    /// An agent
    Agent,
    /// A depot
    Depot,
    /// A member of the coordinator
    Member,
}

/// `agent token`.
#[derive(Debug, Args)]
pub(crate) struct AgentToken {
    /// What may join
    #[arg(long = "for", value_name = "ROLE", default_value = "agent", env = "STRONGROOM_FOR")]
    pub(crate) joins: Joins,
    /// The region that it is for
    #[arg(long, value_name = "NAME", required_unless_present = "renew", env = "STRONGROOM_REGION")]
    pub(crate) region: Option<String>,
    /// The site that it is for; agents and depots need one
    #[arg(long, value_name = "NAME", env = "STRONGROOM_SITE")]
    pub(crate) site: Option<String>,
    /// Let an agent or a depot come back that has lost its key or rested for too long; what it had is denied
    #[arg(long, value_name = "NAME", conflicts_with_all = ["region", "site", "name"], env = "STRONGROOM_RENEW")]
    pub(crate) renew: Option<String>,
    /// The name that whoever joins must bear
    #[arg(long, value_name = "NAME", env = "STRONGROOM_NAME")]
    pub(crate) name: Option<String>,
    /// How long it is good, in minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=60), env = "STRONGROOM_LIFE")]
    pub(crate) life: u64,
    /// How it is asked.
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// `agent revoke`.
#[derive(Debug, Args)]
pub(crate) struct AgentRevoke {
    /// An agent's name or id, or a token's id
    pub(crate) what: String,
    /// Don't ask
    #[arg(long, env = "STRONGROOM_YES")]
    pub(crate) yes: bool,
    /// How it is asked.
    #[command(flatten)]
    pub(crate) asked: Asked,
}
