//! `audit …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::coordinator::Cluster;

/// `audit …`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditVerb {
    /// Check an export of the audit log, or the proof of one event, with nothing else at hand
    Verify(AuditVerify),
    /// Print the proof that an event is in the audit log
    Prove(AuditProve),
    /// Write the audit log, up to its newest checkpoint
    Export(AuditExport),
}

/// `audit verify`.
#[derive(Debug, Args)]
pub(crate) struct AuditVerify {
    /// The export or the proof
    pub(crate) file: PathBuf,
    /// A key that you trust, as NAME+ID+BASE64; each member of a group has its own
    #[arg(long, value_name = "KEY", required = true, env = "STRONGROOM_AUDIT_KEY", value_delimiter = ',')]
    pub(crate) key: Vec<String>,
    /// A checkpoint that was kept from before: the log must go on from there
    #[arg(long, value_name = "FILE", env = "STRONGROOM_AUDIT_EARLIER")]
    pub(crate) earlier: Option<PathBuf>,
}

/// `audit prove`.
#[derive(Debug, Args)]
pub(crate) struct AuditProve {
    /// The event's place in the audit log, from 0
    pub(crate) leaf: u64,
    /// The group.
    #[command(flatten)]
    pub(crate) cluster: Cluster,
}

/// `audit export`.
#[derive(Debug, Args)]
pub(crate) struct AuditExport {
    /// The file to write, which must not be there yet [default: standard output]
    #[arg(long, short, value_name = "FILE", env = "STRONGROOM_OUTPUT")]
    pub(crate) output: Option<PathBuf>,
    /// The group.
    #[command(flatten)]
    pub(crate) cluster: Cluster,
}
