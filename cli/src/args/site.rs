//! `site …`: where things may lie.

use clap::{Args, Subcommand};

use super::coordinator::Cluster;
use super::operator::Asked;

/// `site …`.
#[derive(Debug, Subcommand)]
pub(crate) enum SiteVerb {
    /// Found a site, with its region and jurisdiction where they are not known yet
    Add(SiteAdd),
    /// List the sites of a group, with the law that each lies under
    Ls(Cluster),
    /// Give up a site that nothing lies at
    Rm(SiteRm),
}

/// `site add`.
#[derive(Debug, Args)]
pub(crate) struct SiteAdd {
    /// The name: small letters, digits and hyphens
    pub(crate) name: String,
    /// The region that it lies in
    #[arg(long, value_name = "NAME", env = "STRONGROOM_REGION")]
    pub(crate) region: String,
    /// The law that the region lies under: an ISO 3166 code, or a group's name; needed for a new region
    #[arg(long, value_name = "CC", env = "STRONGROOM_JURISDICTION")]
    pub(crate) jurisdiction: Option<String>,
    /// The countries of a new group: ISO 3166 codes, parted by commas
    #[arg(long, value_name = "CC", value_delimiter = ',', requires = "jurisdiction", env = "STRONGROOM_COVERS")]
    pub(crate) covers: Vec<String>,
    /// How it is asked.
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// `site rm`.
#[derive(Debug, Args)]
pub(crate) struct SiteRm {
    /// The site
    pub(crate) name: String,
    /// Don't ask
    #[arg(long, env = "STRONGROOM_YES")]
    pub(crate) yes: bool,
    /// How it is asked.
    #[command(flatten)]
    pub(crate) asked: Asked,
}
