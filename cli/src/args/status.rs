//! `status`.

use clap::Args;

use super::coordinator::Cluster;

/// `status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The group.
    #[command(flatten)]
    pub(crate) cluster: Cluster,
}
