//! The daemon as a process: its runtime, its signals, and what it says when a verb is done.
//!
//! Owns the rule that a panic is never survived: whatever thread it happens on, the process ends at once, and the member
//! is opened from its disk by the next one.

use std::io::Read as _;
use std::path::Path;

use strongroom_platform::tls::JoinToken;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use super::arguments::{Init, Issuer, Join, Verb};
use super::found::{Beginning, found};
use super::join::{Joining, join};
use super::notify::Notify;
use super::{DaemonError, Machine, ceremony, home, run};

/// No token's file is longer.
const TOKEN_FILE_BYTES_MAX: u64 = 4_096;

/// What a verb has done, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Sentences.
    pub lines: Vec<String>,
    /// The group that the member belongs to, where one was made or joined.
    pub cluster: Option<String>,
    /// The member.
    pub member: Option<String>,
    /// The first operator.
    pub operator: Option<String>,
}

/// Runs a verb to its end.
pub fn run_verb(verb: &Verb, machine: &Machine, notify: &Notify) -> Result<Done, DaemonError> {
    match verb {
        Verb::Init(options) => runtime()?.block_on(init(options, machine)),
        Verb::Join(options) => runtime()?.block_on(join_group(options, machine)),
        Verb::Run(options) => {
            abort_on_panic();
            let runtime = runtime()?;
            runtime.block_on(run::run(&options.folder, machine, notify, told_to_stop()))?;
            Ok(Done::default())
        }
        Verb::Issuer(verb) => issuer(verb, machine),
    }
}

/// Lets no thread end alone.
pub fn abort_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!(%panic, "a defect: this process ends");
        before(panic);
        std::process::abort();
    }));
}

fn runtime() -> Result<tokio::runtime::Runtime, DaemonError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(DaemonError::Runtime)
}

/// Resolves when the process is told to stop.
async fn told_to_stop() {
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    match (terminate, interrupt) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        // Without a handler, the signal's own effect is to end the process.
        _ => std::future::pending().await,
    }
}

async fn init(options: &Init, machine: &Machine) -> Result<Done, DaemonError> {
    let settings = options.place.settings(&options.region);
    let beginning = Beginning {
        trust_domain: options.trust_domain.clone(),
        jurisdiction: options.jurisdiction.clone(),
        countries: options.countries.clone(),
        operator: options.operator.clone(),
        settings,
    };
    let folder = &options.place.folder;
    let founded = found(folder, &beginning, machine).await?;
    let lines = vec![
        format!("{} holds the first member, {}, of a new group.", folder.display(), founded.identity.member),
        format!(
            "The root's key is {}. Take it to a place without a network, and leave no copy here.",
            folder.join(home::ROOT_KEY).display()
        ),
        format!(
            "{} is the identity of operator {}. It may be moved; whoever has it may operate the group.",
            folder.join(home::OPERATOR).display(),
            options.operator
        ),
    ];
    Ok(Done {
        lines,
        cluster: Some(founded.identity.cluster.to_string()),
        member: Some(founded.identity.member.to_string()),
        operator: Some(founded.operator.to_string()),
    })
}

async fn join_group(options: &Join, machine: &Machine) -> Result<Done, DaemonError> {
    let token = read_token(&options.token_file)?;
    let settings = options.place.settings("");
    let endpoints = options.endpoint.clone();
    let folder = &options.place.folder;
    let identity = join(folder, Joining { token, endpoints, settings }, machine).await?;
    let lines = vec![
        format!("{} holds member {}, which the group has let in.", folder.display(), identity.member),
        "It becomes part of the group once it runs, and votes when it has caught up.".to_owned(),
    ];
    let (cluster, member) = (Some(identity.cluster.to_string()), Some(identity.member.to_string()));
    Ok(Done { lines, cluster, member, operator: None })
}

/// The join token in a file; `-` for standard input.
pub fn read_token(path: &Path) -> Result<JoinToken, DaemonError> {
    let mut text = Zeroizing::new(String::new());
    let read = if path.as_os_str() == "-" {
        std::io::stdin().take(TOKEN_FILE_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(TOKEN_FILE_BYTES_MAX).read_to_string(&mut text))
    };
    match read {
        Ok(_) => JoinToken::from_text(&text).map_err(DaemonError::Token),
        Err(error) => Err(DaemonError::Option { option: "--token-file", what: error.to_string() }),
    }
}

fn issuer(verb: &Issuer, machine: &Machine) -> Result<Done, DaemonError> {
    let read = |path: &Path| {
        let text = std::fs::read_to_string(path);
        text.map_err(|error| DaemonError::Option { option: "FILE", what: format!("{}: {error}", path.display()) })
    };
    let write = |path: &Path, text: &str| {
        let written = std::fs::write(path, text);
        written
            .map_err(|error| DaemonError::Option { option: "--output", what: format!("{}: {error}", path.display()) })
    };
    let line = match verb {
        Issuer::Request { folder, output } => {
            let (id, request) = ceremony::request(folder)?;
            write(output, &request)?;
            format!("{} is to be signed beside the root's key, for {id}", output.display())
        }
        Issuer::Sign { issuer, request, root_key, output } => {
            let id = issuer.parse().map_err(|source| DaemonError::Name { option: "ISSUER", source })?;
            let certificate = ceremony::sign(&Zeroizing::new(read(root_key)?), &read(request)?, &id, machine)?;
            write(output, &certificate)?;
            format!("{} certifies {id} for 90 days.", output.display())
        }
        Issuer::Install { folder, certificate } => {
            ceremony::install(folder, &read(certificate)?)?;
            "The member uses its issuer from its next start on.".to_owned()
        }
        Issuer::Operator { subject, root_key, output } => {
            let id = subject.parse().map_err(|source| DaemonError::Name { option: "SUBJECT", source })?;
            ceremony::operator_folder(output, &Zeroizing::new(read(root_key)?), &id, machine)?;
            format!("{} is the identity of {id} for 12 hours. Whoever has it may operate the group.", output.display())
        }
    };
    Ok(Done { lines: vec![line], ..Done::default() })
}
