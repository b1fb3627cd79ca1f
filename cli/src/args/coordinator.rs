//! `coordinator …`, and the options of all verbs that ask a group.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use strongroom_coordinator::daemon;

use super::recovery::{BackupState, Recover};

/// Which group is asked, and by whom.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Cluster {
    /// Where members listen; one is enough, the leader is found from there
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', env = "STRONGROOM_ENDPOINT")]
    pub(crate) endpoint: Vec<String>,
    /// The folder of the operator's identity
    #[arg(long, value_name = "DIR", env = "STRONGROOM_IDENTITY")]
    pub(crate) identity: Option<PathBuf>,
    /// How long to wait for the group
    #[arg(long, value_name = "SECONDS", default_value_t = 30, env = "STRONGROOM_PATIENCE")]
    pub(crate) patience: u64,
}

/// `coordinator …`.
#[derive(Debug, Subcommand)]
pub(crate) enum CoordinatorVerb {
    /// What the daemon does by itself.
    #[command(flatten)]
    Daemon(daemon::Verb),
    /// List the members of a group, and who leads
    Members(Cluster),
    /// Ask the leader to hand over to another voter
    Transfer(Transfer),
    /// Take a member out of the group, for good
    Remove(Remove),
    /// Keep a copy of the group's whole state in a file or a depot
    Backup(BackupState),
    /// Found a group anew that lost most of its members, or all: show what is left, and go on with it
    Recover(Recover),
}

/// `coordinator transfer`.
#[derive(Debug, Args)]
pub(crate) struct Transfer {
    /// The member that is to lead: its id or its name
    pub(crate) member: String,
    /// The group.
    #[command(flatten)]
    pub(crate) cluster: Cluster,
}

/// `coordinator remove`.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The member: its id or its name
    pub(crate) member: String,
    /// Show what would change, and change nothing
    #[arg(long, visible_alias = "dry-run", env = "STRONGROOM_PLAN")]
    pub(crate) plan: bool,
    /// Don't ask
    #[arg(long, env = "STRONGROOM_YES")]
    pub(crate) yes: bool,
    /// The group.
    #[command(flatten)]
    pub(crate) cluster: Cluster,
}
