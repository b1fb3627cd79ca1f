//! `schedule …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::coordinator::Cluster;
use super::operator::Asked;

/// `schedule …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleVerb {
    /// Promise something else for a source: what is not named stays as it is
    Set(Box<ScheduleSet>),
    /// Show the contract of a source, and where it stands
    Show(ScheduleShow),
    /// List the contracts of all sources
    Ls(Cluster),
    /// List the runs that come next, and what holds the others up
    Next(Cluster),
    /// Ask for a run now
    Run(ScheduleRun),
    /// Call a run off, one that waits or one that is under way
    Stop(ScheduleStop),
    /// Let a source run by hand only
    Pause(ScheduleOne),
    /// Let a source run by its contract again
    Resume(ScheduleOne),
    /// Say how many runs the hosts of a source bear at once
    Cap(ScheduleCap),
}

/// `schedule set`.
#[derive(Debug, Args)]
pub(crate) struct ScheduleSet {
    /// The source: its name or id
    pub(crate) source: String,
    /// The whole contract, in TOML as `schedule show --toml` prints it
    #[arg(long, value_name = "FILE", env = "STRONGROOM_FILE", conflicts_with = "terms")]
    pub(crate) file: Option<PathBuf>,
    /// What is promised.
    #[command(flatten)]
    pub(crate) terms: Terms,
    /// How it is asked.
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// Parts of a contract.
#[derive(Debug, Default, Args)]
#[group(id = "terms", multiple = true)]
pub(crate) struct Terms {
    /// The changes that a disaster may cost: 90s, 15m, 4h, 1d
    #[arg(long, value_name = "TIME", env = "STRONGROOM_RPO")]
    pub(crate) rpo: Option<String>,
    /// How long a restore may take
    #[arg(long, value_name = "TIME", env = "STRONGROOM_RTO")]
    pub(crate) rto: Option<String>,
    /// What is kept: `daily=14,weekly=8,monthly=12,yearly=7,days_min=30`
    #[arg(long, value_name = "COUNTS", env = "STRONGROOM_KEEP")]
    pub(crate) keep: Option<String>,
    /// Where copies may lie: ISO 3166 codes in capitals, names of groups in small letters
    #[arg(long, value_name = "NAME", value_delimiter = ',', env = "STRONGROOM_JURISDICTIONS")]
    pub(crate) jurisdictions: Vec<String>,
    /// Copies of each pack
    #[arg(long, value_name = "N", env = "STRONGROOM_COPIES")]
    pub(crate) copies: Option<u8>,
    /// Regions over which the copies are spread
    #[arg(long, value_name = "N", env = "STRONGROOM_REGIONS")]
    pub(crate) regions: Option<u8>,
    /// Run at equal distances, in whole minutes: 30m, 4h
    #[arg(long, value_name = "TIME", env = "STRONGROOM_EVERY", conflicts_with = "at")]
    pub(crate) every: Option<String>,
    /// Run at times of the day, on some days, in a zone; days and zone may be left out: mon-fri 01:30,13:30 Europe/Berlin
    #[arg(long, value_name = "WHEN", env = "STRONGROOM_AT")]
    pub(crate) at: Option<String>,
    /// When runs may start, as sat,sun 22:00-06:00 Europe/Berlin; may be repeated, and takes the place of all windows; `none`
    #[arg(long, value_name = "WHEN", env = "STRONGROOM_WINDOW")]
    pub(crate) window: Vec<String>,
    /// When none may: like a window, or "TIME..TIME" of RFC 3339; may be repeated, and takes the place of all; `none`
    #[arg(long, value_name = "WHEN", env = "STRONGROOM_BLACKOUT")]
    pub(crate) blackout: Vec<String>,
    /// A run that takes longer is told, and goes on; in whole minutes
    #[arg(long, value_name = "TIME", env = "STRONGROOM_RUN_MAX")]
    pub(crate) run_max: Option<String>,
    /// Starts are spread over so much time after a slot
    #[arg(long, value_name = "TIME", env = "STRONGROOM_JITTER")]
    pub(crate) jitter: Option<String>,
    /// Who goes first among sources in equal debt: 0 to 100
    #[arg(long, value_name = "N", env = "STRONGROOM_PRIORITY")]
    pub(crate) priority: Option<u8>,
    /// Starts of one period at most
    #[arg(long, value_name = "N", env = "STRONGROOM_ATTEMPTS")]
    pub(crate) attempts: Option<u32>,
}

/// `schedule show`.
#[derive(Debug, Args)]
pub(crate) struct ScheduleShow {
    /// The source: its name or id
    pub(crate) source: String,
    /// Print the contract in TOML, as `schedule set --file` takes it
    #[arg(long, env = "STRONGROOM_TOML")]
    pub(crate) toml: bool,
    /// The group.
    #[command(flatten)]
    pub(crate) cluster: Cluster,
}

/// `schedule run`.
#[derive(Debug, Args)]
pub(crate) struct ScheduleRun {
    /// The source: its name or id
    pub(crate) source: String,
    /// Go before blackouts and caps; the audit log tells of it
    #[arg(long, env = "STRONGROOM_FORCE")]
    pub(crate) force: bool,
    /// How it is asked.
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// `schedule stop`.
#[derive(Debug, Args)]
pub(crate) struct ScheduleStop {
    /// The source: its name or id
    pub(crate) source: String,
    /// How it is asked.
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// `schedule pause` and `schedule resume`.
#[derive(Debug, Args)]
pub(crate) struct ScheduleOne {
    /// The source: its name or id
    pub(crate) source: String,
    /// How it is asked.
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// `schedule cap`.
#[derive(Debug, Args)]
pub(crate) struct ScheduleCap {
    /// The source: its name or id
    pub(crate) source: String,
    /// Runs at once
    #[arg(value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) cap: u16,
    /// How it is asked.
    #[command(flatten)]
    pub(crate) asked: Asked,
}
