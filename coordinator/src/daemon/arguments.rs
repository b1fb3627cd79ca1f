//! The command line of the daemon, which the operator's command shares.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::settings::{Settings, Timing};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a group of one member in an empty folder, with its root and its first operator
    Init(Init),
    /// Make a member in an empty folder, and have a group let it in by a token
    Join(Join),
    /// Run the member of a folder until it is stopped
    Run(Run),
    /// Certify a member's issuer with a root whose key lies elsewhere
    #[command(subcommand)]
    Issuer(Issuer),
}

/// What a member is called, and where it listens.
#[derive(Debug, Args)]
pub struct Place {
    /// The member's folder
    pub folder: PathBuf,
    /// The member's name, of small letters, digits and hyphens
    #[arg(long, env = "STRONGROOM_NAME")]
    pub name: String,
    /// Where it listens to members and clients: an address of this machine and a port
    #[arg(long, value_name = "ADDRESS:PORT", env = "STRONGROOM_LISTEN")]
    pub listen: String,
    /// Where the others reach it [default: where it listens]
    #[arg(long, value_name = "HOST:PORT", env = "STRONGROOM_ADVERTISE")]
    pub advertise: Option<String>,
    /// Where it answers for its health, in plain HTTP [default: nowhere]
    #[arg(long, value_name = "ADDRESS:PORT", env = "STRONGROOM_HEALTH")]
    pub health: Option<String>,
    /// Members that are up to 200 ms apart; all of a group are made with it, or none
    #[arg(long, env = "STRONGROOM_WAN")]
    pub wan: bool,
}

/// `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Names and addresses.
    #[command(flatten)]
    pub place: Place,
    /// The failure domain that the member stands in
    #[arg(long, env = "STRONGROOM_REGION")]
    pub region: String,
    /// The law that the region is under: an ISO 3166 code, or the name of a group of countries
    #[arg(long, value_name = "CC", env = "STRONGROOM_JURISDICTION")]
    pub jurisdiction: String,
    /// The countries of that group
    #[arg(long, value_name = "CC", value_delimiter = ',', env = "STRONGROOM_COUNTRIES")]
    pub countries: Vec<String>,
    /// The organisation within which all names of this installation mean something, such as acme.example
    #[arg(long, value_name = "DOMAIN", env = "STRONGROOM_TRUST_DOMAIN")]
    pub trust_domain: String,
    /// The first operator's name
    #[arg(long, value_name = "NAME", default_value = "admin", env = "STRONGROOM_OPERATOR")]
    pub operator: String,
}

/// `join`.
#[derive(Debug, Args)]
pub struct Join {
    /// Names and addresses.
    #[command(flatten)]
    pub place: Place,
    /// A file that holds the join token; `-` for standard input
    #[arg(long, value_name = "FILE", env = "STRONGROOM_TOKEN_FILE")]
    pub token_file: PathBuf,
    /// Where a member of the group listens; may be given more than once
    #[arg(long, value_name = "HOST:PORT", required = true, value_delimiter = ',', env = "STRONGROOM_ENDPOINT")]
    pub endpoint: Vec<String>,
}

/// `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The member's folder
    #[arg(env = "STRONGROOM_MEMBER")]
    pub folder: PathBuf,
}

/// `issuer …`.
#[derive(Debug, Subcommand)]
pub enum Issuer {
    /// Make a key for the issuer of a member, and write the request that the root is to sign
    Request {
        /// The member's folder
        folder: PathBuf,
        /// The file to write
        #[arg(long, short, value_name = "FILE", env = "STRONGROOM_OUTPUT")]
        output: PathBuf,
    },
    /// Sign a request, beside the root's key
    Sign {
        /// The issuer's name, as `issuer request` said it on the member: a SPIFFE id
        issuer: String,
        /// The request
        request: PathBuf,
        /// The file that holds the root's certificate and key
        #[arg(long, value_name = "FILE", env = "STRONGROOM_ROOT_KEY")]
        root_key: PathBuf,
        /// The file to write
        #[arg(long, short, value_name = "FILE", env = "STRONGROOM_OUTPUT")]
        output: PathBuf,
    },
    /// Put the certificate that came back together with the key
    Install {
        /// The member's folder
        folder: PathBuf,
        /// The certificate
        certificate: PathBuf,
    },
    /// Certify an operator whom the group has registered, when nobody can log in any more
    Operator {
        /// The operator's SPIFFE id, as it was registered
        subject: String,
        /// The file that holds the root's certificate and key
        #[arg(long, value_name = "FILE", env = "STRONGROOM_ROOT_KEY")]
        root_key: PathBuf,
        /// The folder to make for the operator's identity
        #[arg(long, short, value_name = "DIR", env = "STRONGROOM_OUTPUT")]
        output: PathBuf,
    },
}

impl Place {
    /// The settings that are written for this member.
    pub fn settings(&self, region: &str) -> Settings {
        let advertise = self.advertise.as_deref().unwrap_or(&self.listen);
        let mut settings = Settings::new(&self.name, region, &self.listen, advertise);
        settings.health.clone_from(&self.health);
        settings.timing = if self.wan { Timing::Wan } else { Timing::Lan };
        settings
    }
}
