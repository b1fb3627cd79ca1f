//! The command line.
//!
//! A verb appears here when it works. Flags beat the environment (`STRONGROOM_` and the option's name in capitals), and
//! both beat the configuration file.

pub(crate) mod agent;
pub(crate) mod audit;
pub(crate) mod coordinator;
pub(crate) mod operator;
pub(crate) mod recovery;
pub(crate) mod site;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Record-level backup, comparison and restore of CMDBs.
#[derive(Debug, Parser)]
#[command(name = "strongroom", version, about, propagate_version = true, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// Options that all verbs share.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options that all verbs share.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The room: the folder with depot, key and state [default: this user's data folder]
    #[arg(long, global = true, value_name = "DIR", env = "STRONGROOM_ROOM")]
    pub(crate) room: Option<PathBuf>,
    /// A configuration file in TOML
    #[arg(long, global = true, value_name = "FILE", env = "STRONGROOM_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Print documents for programs
    #[arg(long, global = true, env = "STRONGROOM_JSON")]
    pub(crate) json: bool,
    /// Print results and errors only
    #[arg(long, short, global = true, env = "STRONGROOM_QUIET")]
    pub(crate) quiet: bool,
    /// Log what is done, to stderr; more of it when repeated
    #[arg(long, short, global = true, action = ArgAction::Count, env = "STRONGROOM_VERBOSE")]
    pub(crate) verbose: u8,
    /// A file whose first line is the passphrase of the room's key
    #[arg(long, global = true, value_name = "FILE", env = "STRONGROOM_PASSPHRASE_FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// A command that prints the passphrase of the room's key
    #[arg(long, global = true, value_name = "COMMAND", env = "STRONGROOM_PASSPHRASE_COMMAND")]
    pub(crate) passphrase_command: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a room: a site with a depot, a key and a policy of one copy
    Init(Init),
    /// Register and inspect sources
    #[command(subcommand)]
    Source(SourceVerb),
    /// List and print what is known of products
    #[command(subcommand)]
    Profile(ProfileVerb),
    /// Take a snapshot of a source now
    Backup(Backup),
    /// List snapshots
    Snapshots(Snapshots),
    /// Show one snapshot: counts, completeness, findings
    Show(Show),
    /// List the classes of a snapshot, or the records of a class
    Ls(Ls),
    /// Look records up by their keys
    Find(Find),
    /// Show what differs between two snapshots
    Diff(Diff),
    /// Show what differs between a source and its newest snapshot
    Drift(Drift),
    /// Restore a snapshot into a database, and prove it
    Restore(Restore),
    /// Restore with nothing else alive: from a depot's folder and a key file
    Rescue(Rescue),
    /// Write a snapshot in a form that other tools read
    Export(Export),
    /// Check snapshots: signatures, packs, and every part recomputed
    Verify(Verify),
    /// Check the room, its surroundings and the way to the sources
    Doctor,
    /// Print the completions of a shell
    Completion(Completion),
    /// Print the version
    Version,
    /// Show all of it on a sample CMDB: backup, a day of changes, damage, restore, proof
    Demo(Demo),
    /// Run and administer the group that decides
    #[command(subcommand)]
    Coordinator(coordinator::CoordinatorVerb),
    /// Let agents and members join, and take that back
    #[command(subcommand)]
    Agent(agent::AgentVerb),
    /// Register people, and say what each may do
    #[command(subcommand)]
    Operator(operator::OperatorVerb),
    /// Verify, prove and export the log of what was asked for
    #[command(subcommand)]
    Audit(audit::AuditVerb),
    /// Found sites, and list where things may lie
    #[command(subcommand)]
    Site(site::SiteVerb),
}

/// `init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where the data may lie: an ISO 3166 code, or the group `local`
    #[arg(long, value_name = "CC", default_value = "local", env = "STRONGROOM_JURISDICTION")]
    pub(crate) jurisdiction: String,
    /// The object store that the depot goes to: s3:, gs: or az: URLs with bucket and prefix [default: the room's folder]
    #[arg(long, value_name = "URL", env = "STRONGROOM_DEPOT")]
    pub(crate) depot: Option<String>,
    /// Use the algorithms that FIPS 140-3 allows, throughout and for good
    #[arg(long, env = "STRONGROOM_FIPS")]
    pub(crate) fips: bool,
}

/// `source …`.
#[derive(Debug, Subcommand)]
pub(crate) enum SourceVerb {
    #[command(about = "Register a source: postgres://…, sqlite:PATH, file:PATH")]
    Add(SourceAdd),
    /// List the sources
    Ls,
    /// Forget a source; its snapshots stay
    Rm(SourceRm),
    /// Show what a source is and what would be captured of it
    Inspect(SourceInspect),
}

/// `source add`.
#[derive(Debug, Args)]
pub(crate) struct SourceAdd {
    /// The name that the source gets
    pub(crate) name: String,
    /// Where it is
    pub(crate) url: String,
    /// A file whose first line is the source's password
    #[arg(long, value_name = "FILE", env = "STRONGROOM_PASSWORD_FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// What is known of the product: a profile's name, a file, `auto` to recognise it, `none` to go by the catalog
    #[arg(long, value_name = "NAME|PATH", default_value = "auto", env = "STRONGROOM_PROFILE")]
    pub(crate) profile: String,
}

/// `source rm`.
#[derive(Debug, Args)]
pub(crate) struct SourceRm {
    /// The source's name
    pub(crate) name: String,
    /// Show what would be done, and do nothing
    #[arg(long, visible_alias = "dry-run", env = "STRONGROOM_PLAN")]
    pub(crate) plan: bool,
    /// Ask nothing
    #[arg(long, short, env = "STRONGROOM_YES")]
    pub(crate) yes: bool,
}

/// `source inspect`.
#[derive(Debug, Args)]
pub(crate) struct SourceInspect {
    /// A source's name, or a URL
    pub(crate) source: String,
    /// A profile's name, a file, `auto` or `none` [default: what the source was registered with, else `auto`]
    #[arg(long, value_name = "NAME|PATH", env = "STRONGROOM_PROFILE")]
    pub(crate) profile: Option<String>,
    /// A file whose first line is the source's password
    #[arg(long, value_name = "FILE", env = "STRONGROOM_PASSWORD_FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

/// `profile …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ProfileVerb {
    /// List the profiles that come with the program
    Ls,
    /// Print a profile, to be changed and given as a file
    Show(ProfileShow),
}

/// `profile show`.
#[derive(Debug, Args)]
pub(crate) struct ProfileShow {
    /// A profile's name, or a file
    #[arg(value_name = "NAME|PATH")]
    pub(crate) profile: String,
}

/// `backup`.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// A source's name, or a URL, which is registered if it is new
    pub(crate) source: String,
    /// For this snapshot: a profile's name, a file, `auto` or `none` [default: what the source was registered with]
    #[arg(long, value_name = "NAME|PATH", env = "STRONGROOM_PROFILE")]
    pub(crate) profile: Option<String>,
    /// A word to remember the snapshot by; may be repeated
    #[arg(long = "tag", value_name = "TAG", env = "STRONGROOM_TAG")]
    pub(crate) tags: Vec<String>,
    /// A file whose first line is the password of a new source
    #[arg(long, value_name = "FILE", env = "STRONGROOM_PASSWORD_FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Connections that read side by side
    #[arg(long, value_name = "N", env = "STRONGROOM_READERS")]
    pub(crate) readers: Option<usize>,
}

/// `snapshots`.
#[derive(Debug, Args)]
pub(crate) struct Snapshots {
    /// A source's name
    pub(crate) source: Option<String>,
}

/// `show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// An id or its beginning, `latest`, NAME@latest or NAME@TIME
    pub(crate) snapshot: String,
}

/// `ls`.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// An id or its beginning, `latest`, NAME@latest or NAME@TIME
    pub(crate) snapshot: String,
    /// A class whose records are wanted
    pub(crate) class: Option<String>,
    /// Records at most; 0 for all
    #[arg(long, value_name = "N", default_value_t = 1000, env = "STRONGROOM_LIMIT")]
    pub(crate) limit: u64,
}

/// `find`.
#[derive(Debug, Args)]
pub(crate) struct Find {
    /// An id or its beginning, `latest`, NAME@latest or NAME@TIME
    pub(crate) snapshot: String,
    /// CLASS:KEY, the values of the key percent-encoded and joined by commas
    #[arg(required = true, value_name = "CLASS:KEY")]
    pub(crate) records: Vec<String>,
    /// Show the record through all snapshots of its source
    #[arg(long, env = "STRONGROOM_HISTORY")]
    pub(crate) history: bool,
    /// Forget what was read before each record
    #[arg(long, env = "STRONGROOM_COLD")]
    pub(crate) cold: bool,
}

/// `diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The earlier snapshot
    pub(crate) before: String,
    /// The later snapshot
    pub(crate) after: String,
    /// One class only
    #[arg(long, env = "STRONGROOM_CLASS")]
    pub(crate) class: Option<String>,
    /// Show the records, too
    #[arg(long, env = "STRONGROOM_RECORDS")]
    pub(crate) records: bool,
}

/// `drift`.
#[derive(Debug, Args)]
pub(crate) struct Drift {
    /// A source's name
    pub(crate) source: String,
    /// Connections that read side by side
    #[arg(long, value_name = "N", env = "STRONGROOM_READERS")]
    pub(crate) readers: Option<usize>,
}

/// `restore`.
#[derive(Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Restore {
    /// An id or its beginning, `latest`, NAME@latest or NAME@TIME
    #[arg(required_unless_present = "undo", conflicts_with = "undo")]
    pub(crate) snapshot: Option<String>,
    /// The database that it goes into
    #[arg(long, value_name = "URL", env = "STRONGROOM_TO")]
    pub(crate) to: String,
    /// A file whose first line is the target's password
    #[arg(long, value_name = "FILE", env = "STRONGROOM_PASSWORD_FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Show what would be done, and do nothing
    #[arg(long, visible_alias = "dry-run", env = "STRONGROOM_PLAN")]
    pub(crate) plan: bool,
    /// Replace a database that holds data; it is kept under another name
    #[arg(long, env = "STRONGROOM_OVER", conflicts_with_all = ["classes", "records", "undo"])]
    pub(crate) over: bool,
    /// Ask nothing
    #[arg(long, short, env = "STRONGROOM_YES")]
    pub(crate) yes: bool,
    /// Connections that load side by side
    #[arg(long, value_name = "N", env = "STRONGROOM_LOADERS")]
    pub(crate) loaders: Option<usize>,
    /// One class only, into the database in use; may be repeated
    #[arg(long = "class", value_name = "CLASS", env = "STRONGROOM_CLASS", conflicts_with = "undo")]
    pub(crate) classes: Vec<String>,
    /// One record only, into the database in use; may be repeated
    #[arg(long = "record", value_name = "CLASS:KEY", env = "STRONGROOM_RECORD", conflicts_with = "undo")]
    pub(crate) records: Vec<String>,
    /// Bring along what the records refer to, where the target lacks it
    #[arg(long, env = "STRONGROOM_WITH_REFERENCES", conflicts_with = "undo")]
    pub(crate) with_references: bool,
    /// Bring along what belongs to the records, where the target lacks it
    #[arg(long, env = "STRONGROOM_WITH_OWNED", conflicts_with = "undo")]
    pub(crate) with_owned: bool,
    /// Put back what is brought along where the target has it otherwise, too
    #[arg(long, env = "STRONGROOM_OVERWRITE_REFERENCES", requires = "with_references")]
    pub(crate) overwrite_references: bool,
    /// Delete records of the classes that the snapshot does not have
    #[arg(long, env = "STRONGROOM_DELETE_EXTRA", requires = "classes")]
    pub(crate) delete_extra: bool,
    /// What becomes of records that were changed since, or that can't be written [default: as --yes says, stop]
    #[arg(long, value_enum, value_name = "WHAT", env = "STRONGROOM_ON_CONFLICT")]
    pub(crate) on_conflict: Option<ConflictRule>,
    /// Undo an earlier restore of classes or records
    #[arg(long, value_name = "RESTORE", env = "STRONGROOM_UNDO")]
    pub(crate) undo: Option<String>,
}

/// What becomes of records with conflicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConflictRule {
    /// Nothing is restored
    Stop,
    /// They are left as they are
    Skip,
    /// Those that were changed since are overwritten; those that can't be written stop the restore
    Overwrite,
}

/// `rescue`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are the flags of one command line, each independent")]
pub(crate) struct Rescue {
    /// The depot's folder, which is only read
    #[arg(long, value_name = "DIR", env = "STRONGROOM_DEPOT")]
    pub(crate) depot: PathBuf,
    /// The key file that opens the depot's keyring
    #[arg(long, value_name = "FILE", env = "STRONGROOM_KEY")]
    pub(crate) key: PathBuf,
    /// List the snapshots, and which of them can still be restored
    #[arg(long, env = "STRONGROOM_LS")]
    pub(crate) ls: bool,
    /// The database that a snapshot goes into
    #[arg(long, value_name = "URL", env = "STRONGROOM_TO")]
    pub(crate) to: Option<String>,
    /// Write a snapshot in this form instead
    #[arg(long, value_enum, env = "STRONGROOM_FORMAT")]
    pub(crate) format: Option<ExportFormat>,
    /// An id or its beginning, NAME@latest or NAME@TIME [default: the newest of the one source]
    #[arg(long, value_name = "SNAPSHOT", env = "STRONGROOM_SNAPSHOT")]
    pub(crate) snapshot: Option<String>,
    /// A source by its name or id, where the depot has several
    #[arg(long, value_name = "NAME", env = "STRONGROOM_SOURCE")]
    pub(crate) source: Option<String>,
    /// The snapshot with this root and no other; one that was written down when it was taken
    #[arg(long, value_name = "HEX", env = "STRONGROOM_EXPECT_ROOT")]
    pub(crate) expect_root: Option<String>,
    /// With --ls: read every part of every snapshot, too
    #[arg(long, env = "STRONGROOM_READ_DATA")]
    pub(crate) read_data: bool,
    /// With --to: show what would be done, and do nothing
    #[arg(long, visible_alias = "dry-run", env = "STRONGROOM_PLAN")]
    pub(crate) plan: bool,
    /// With --to: replace a database that holds data; it is kept under another name
    #[arg(long, env = "STRONGROOM_OVER")]
    pub(crate) over: bool,
    /// Ask nothing
    #[arg(long, short, env = "STRONGROOM_YES")]
    pub(crate) yes: bool,
    /// A file whose first line is the target's password
    #[arg(long, value_name = "FILE", env = "STRONGROOM_PASSWORD_FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// With --to: connections that load side by side
    #[arg(long, value_name = "N", env = "STRONGROOM_LOADERS")]
    pub(crate) loaders: Option<usize>,
    /// With --format: one class only
    #[arg(long, env = "STRONGROOM_CLASS")]
    pub(crate) class: Option<String>,
    /// With --format: the file to write, which must be new [default: standard output]
    #[arg(long, short, value_name = "FILE", env = "STRONGROOM_OUTPUT")]
    pub(crate) output: Option<PathBuf>,
    /// Where to put what is needed meanwhile: an index, and what is sorted [default: the system's temporary folder]
    #[arg(long, value_name = "DIR", env = "STRONGROOM_SCRATCH")]
    pub(crate) scratch: Option<PathBuf>,
}

/// The forms of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// A dump that the engine's own shell loads
    Sql,
    /// One JSON object a record
    Jsonl,
}

/// `export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// An id or its beginning, `latest`, NAME@latest or NAME@TIME
    pub(crate) snapshot: String,
    /// The form
    #[arg(long, value_enum, env = "STRONGROOM_FORMAT")]
    pub(crate) format: ExportFormat,
    /// One class only
    #[arg(long, env = "STRONGROOM_CLASS")]
    pub(crate) class: Option<String>,
    /// The file to write, which must be new [default: standard output]
    #[arg(long, short, value_name = "FILE", env = "STRONGROOM_OUTPUT")]
    pub(crate) output: Option<PathBuf>,
}

/// `verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// One snapshot only
    pub(crate) snapshot: Option<String>,
    /// Check the references of a live source instead: its name, or a URL
    #[arg(long, value_name = "SOURCE", conflicts_with_all = ["snapshot", "read_data"], env = "STRONGROOM_LIVE")]
    pub(crate) live: Option<String>,
    /// Say which violations of references this snapshot does not have, and fail on them
    #[arg(long, value_name = "SNAPSHOT", env = "STRONGROOM_AGAINST")]
    pub(crate) against: Option<String>,
    /// A file whose table of references says what is known beside the declared ones
    #[arg(long, value_name = "FILE", env = "STRONGROOM_RULES")]
    pub(crate) rules: Option<PathBuf>,
    /// Examples of each kind of violation
    #[arg(long, value_name = "N", default_value_t = 3, env = "STRONGROOM_EXAMPLES")]
    pub(crate) examples: usize,
    /// A file whose first line is the live source's password
    #[arg(long, value_name = "FILE", requires = "live", env = "STRONGROOM_PASSWORD_FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Connections that read a live source side by side
    #[arg(long, value_name = "N", requires = "live", env = "STRONGROOM_READERS")]
    pub(crate) readers: Option<usize>,
    /// Read every byte of every pack, too
    #[arg(long, env = "STRONGROOM_READ_DATA")]
    pub(crate) read_data: bool,
}

/// `completion`.
#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// The shell
    pub(crate) shell: Shell,
}

/// `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Use a PostgreSQL server of its own instead of SQLite
    #[arg(long, env = "STRONGROOM_POSTGRES")]
    pub(crate) postgres: bool,
    /// Work in this new folder and leave everything there
    #[arg(long, value_name = "DIR", env = "STRONGROOM_KEEP")]
    pub(crate) keep: Option<PathBuf>,
}
