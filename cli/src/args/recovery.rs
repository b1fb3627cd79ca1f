//! `coordinator backup` and `coordinator recover`.

use std::path::PathBuf;

use clap::Args;

use super::coordinator::Cluster;

/// `coordinator backup`.
#[derive(Debug, Args)]
pub(crate) struct BackupState {
    /// The file to write, which must be new
    #[arg(long, short, value_name = "FILE", required_unless_present = "depot", env = "STRONGROOM_OUT")]
    pub(crate) out: Option<PathBuf>,
    /// The folder of a depot or of a room, which keeps the copy under the group's id
    #[arg(long, value_name = "DIR", conflicts_with = "out", env = "STRONGROOM_DEPOT")]
    pub(crate) depot: Option<PathBuf>,
    /// The group.
    #[command(flatten)]
    pub(crate) cluster: Cluster,
}

/// `coordinator recover`.
#[derive(Debug, Args)]
pub(crate) struct Recover {
    /// The folder of the new member, which must be empty
    #[arg(required_unless_present = "plan")]
    pub(crate) folder: Option<PathBuf>,
    /// The folder of a member that is left; may be given more than once. It is only read
    #[arg(long, value_name = "DIR", env = "STRONGROOM_SURVIVOR")]
    pub(crate) survivor: Vec<PathBuf>,
    /// A backup of the group's state, where no member is left
    #[arg(long, value_name = "FILE", conflicts_with = "survivor", env = "STRONGROOM_BACKUP")]
    pub(crate) backup: Option<PathBuf>,
    /// The folder of a depot or of a room: its newest backup is used where nothing else is given, and its snapshots are
    /// compared with the catalogue. It is only read
    #[arg(long, value_name = "DIR", env = "STRONGROOM_DEPOT")]
    pub(crate) depot: Option<PathBuf>,
    /// The new member's name, of small letters, digits and hyphens
    #[arg(long, required_unless_present = "plan", env = "STRONGROOM_NAME")]
    pub(crate) name: Option<String>,
    /// Where it listens to members and clients: an address of this machine and a port
    #[arg(long, value_name = "ADDRESS:PORT", required_unless_present = "plan", env = "STRONGROOM_LISTEN")]
    pub(crate) listen: Option<String>,
    /// Where the others reach it [default: where it listens]
    #[arg(long, value_name = "HOST:PORT", env = "STRONGROOM_ADVERTISE")]
    pub(crate) advertise: Option<String>,
    /// Where it answers for its health, in plain HTTP [default: nowhere]
    #[arg(long, value_name = "ADDRESS:PORT", env = "STRONGROOM_HEALTH")]
    pub(crate) health: Option<String>,
    /// Members that are up to 200 ms apart; all of a group are made with it, or none
    #[arg(long, env = "STRONGROOM_WAN")]
    pub(crate) wan: bool,
    /// The region that the member stands in [default: that of the survivor]
    #[arg(long, env = "STRONGROOM_REGION")]
    pub(crate) region: Option<String>,
    /// The file that holds the root's certificate and key
    #[arg(long, value_name = "FILE", required_unless_present = "plan", env = "STRONGROOM_ROOT_KEY")]
    pub(crate) root_key: Option<PathBuf>,
    /// A registered operator, who gets a new certificate [default: the only one]
    #[arg(long, value_name = "NAME", env = "STRONGROOM_OPERATOR")]
    pub(crate) operator: Option<String>,
    /// Show what is left and what would be lost, and do nothing
    #[arg(long, visible_alias = "dry-run", env = "STRONGROOM_PLAN")]
    pub(crate) plan: bool,
    /// Consent to the plan of this digest, and don't ask
    #[arg(long, value_name = "DIGEST", env = "STRONGROOM_YES")]
    pub(crate) yes: Option<String>,
}
