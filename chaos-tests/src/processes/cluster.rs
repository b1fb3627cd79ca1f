//! A group of processes: its members' folders, the links between them, and the operator who looks after it.
//!
//! Places for all members that a run may have are laid out when it begins, each with an address of its own and a link to
//! and from every other, so that a member which joins later is reached like the first.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use strongroom_coordinator::daemon::transport::Transport;
use strongroom_coordinator::daemon::{DaemonError, Home, home};
use strongroom_coordinator::id::MemberId;
use strongroom_platform::clock::{Clock as _, SystemClock, WallTime};
use strongroom_platform::rng::{SystemEntropy, random_array};
use strongroom_platform::tls::{HotIdentity, JoinToken, Role, TokenBinding};
use strongroom_proto::client::{AskError, Client, Dial as _};
use strongroom_proto::operators::v1::change_members_request::Change;
use strongroom_proto::operators::v1::execute_request::Command;
use strongroom_proto::operators::v1::operators_client::OperatorsClient;
use strongroom_proto::operators::v1::{MintToken, RemoveMember, StatusReply, StatusRequest};

use super::link::Link;
use super::port;
use super::program::{self, Process, ProgramError};
use super::wait::{TooLate, until};

/// Members that a run may have, one after the other.
pub const PLACES: usize = 6;
/// The one region of the group.
const REGION: &str = "here";
/// How long the group may take for anything, on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// How long one member may take to say what it is.
const STATUS_TIME_MAX: Duration = Duration::from_secs(1);
/// How long tokens of a run are good; a run lasts a few minutes.
const TOKEN_LIFE_MS: u64 = 50 * 60 * 1_000;

/// What can go wrong with a group of processes, apart from what it is tested for.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A process does not do what it is told.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// Something did not come to be in time.
    #[error(transparent)]
    TooLate(#[from] TooLate),
    /// A folder can't be used.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// Files or sockets fail.
    #[error("the machine refuses")]
    Io(#[source] io::Error),
    /// The group does not do what its operator asks.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// No token can be had.
    #[error("no join token is to be had: {0}")]
    Token(String),
    /// A member ended by itself.
    #[error("member {place} ended by itself with {status}")]
    Ended {
        /// Which.
        place: usize,
        /// How.
        status: std::process::ExitStatus,
    },
    /// There is no place left for another member.
    #[error("there is no place left")]
    Full,
}

impl From<io::Error> for ClusterError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Where a member is, was, or may be.
struct Place {
    folder: PathBuf,
    log: PathBuf,
    address: String,
    process: Option<Process>,
    member: Option<MemberId>,
}

/// A group of processes.
pub struct Cluster {
    root: PathBuf,
    places: Vec<Place>,
    links: BTreeMap<(usize, usize), Link>,
}

impl Cluster {
    /// Founds a group of one below a folder.
    pub async fn found(root: PathBuf) -> Result<Self, ClusterError> {
        let place = |number: usize| {
            let listener = port::hold()?;
            let address = listener.local_addr()?.to_string();
            let (folder, log) = (root.join(format!("m{number}")), root.join(format!("m{number}.log")));
            Ok::<_, io::Error>((listener, Place { folder, log, address, process: None, member: None }))
        };
        // All are held until all are chosen, so that no address is given twice.
        let held = (0..PLACES).map(place).collect::<Result<Vec<_>, _>>()?;
        let places: Vec<Place> = held.into_iter().map(|(_, place)| place).collect();
        let mut links = BTreeMap::new();
        for from in 0..PLACES {
            for (to, place) in places.iter().enumerate().filter(|(to, _)| *to != from) {
                links.insert((from, to), Link::new(&place.address).await?);
            }
        }
        let mut cluster = Self { root, places, links };
        let first = cluster.place(0)?;
        let (folder, address) = (first.folder.to_string_lossy().into_owned(), first.address.clone());
        let words = ["init", &folder, "--name", "m0", "--listen", &address, "--region", REGION];
        let more = ["--jurisdiction", "DE", "--trust-domain", "chaos.example"];
        tokio::task::block_in_place(|| program::run(&[&words[..], &more].concat()))?;
        // Neither the operator nor the root's key stays on a member, which may lose its disk.
        for part in [home::OPERATOR, "root"] {
            std::fs::rename(cluster.place(0)?.folder.join(part), cluster.root.join(part))?;
        }
        cluster.route(0)?;
        cluster.start(0)?;
        cluster.note_member(0).await?;
        Ok(cluster)
    }

    /// Has the next free place join, runs it, and waits until it votes. Gives its number.
    pub async fn join(&mut self) -> Result<usize, ClusterError> {
        let free = self.places.iter().position(|place| place.member.is_none() && !place.folder.exists());
        let number = free.ok_or(ClusterError::Full)?;
        let token = self.mint().await?;
        let place = self.place(number)?;
        let (folder, address) = (place.folder.to_string_lossy().into_owned(), place.address.clone());
        let file = self.root.join(format!("token-{number}"));
        std::fs::write(&file, token)?;
        let (name, file) = (format!("m{number}"), file.to_string_lossy().into_owned());
        let endpoints = self.addresses().join(",");
        let words = ["join", &folder, "--name", &name, "--listen", &address, "--token-file", &file];
        tokio::task::block_in_place(|| program::run(&[&words[..], &["--endpoint", &endpoints]].concat()))?;
        self.route(number)?;
        tokio::task::block_in_place(|| self.certify(&folder))?;
        self.start(number)?;
        self.note_member(number).await?;
        let member = self.member(number);
        until(PATIENCE, async || {
            let status = self.leader_status().await.ok_or("nobody leads")?;
            let part = status.members.iter().find(|it| Some(&it.member) == member.as_ref()).map(|it| it.part.clone());
            if part.as_deref() == Some("voter") { Ok(()) } else { Err(format!("m{number} is {part:?}")) }
        })
        .await?;
        Ok(number)
    }

    /// Takes a member out of the group, and ends its process.
    pub async fn remove(&mut self, number: usize) -> Result<(), ClusterError> {
        let Some(member) = self.member(number) else { return Ok(()) };
        let change = Change::Remove(RemoveMember { member: member.clone() });
        let mut client = self.client()?;
        match client.change(change, PATIENCE).await {
            // Whether it was done is for the list of members to tell.
            Ok(_) | Err(AskError::Unknown { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        until(PATIENCE, async || {
            let status = self.leader_status().await.ok_or("nobody leads")?;
            let is_gone = status.members.iter().all(|it| it.member != member);
            if is_gone { Ok(()) } else { Err(format!("m{number} is not removed")) }
        })
        .await?;
        if let Some(mut process) = self.place_mut(number)?.process.take() {
            process.kill()?;
        }
        self.place_mut(number)?.member = None;
        Ok(())
    }

    /// Loses a member's disk: its process is killed, and its folder is gone.
    pub fn wipe(&mut self, number: usize) -> Result<(), ClusterError> {
        self.kill(number)?;
        let data = self.place(number)?.folder.join("data");
        std::fs::remove_dir_all(data)?;
        Ok(())
    }

    /// Runs the member of a place.
    pub fn start(&mut self, number: usize) -> Result<(), ClusterError> {
        let place = self.place_mut(number)?;
        place.process = Some(Process::start(&place.folder, &place.log)?);
        Ok(())
    }

    /// Kills a member as a power cut would.
    pub fn kill(&mut self, number: usize) -> Result<(), ClusterError> {
        match self.place_mut(number)?.process.take() {
            Some(mut process) => Ok(process.kill()?),
            None => Ok(()),
        }
    }

    /// Lets a member stand still, or go on.
    pub fn set_paused(&self, number: usize, is_paused: bool) -> Result<(), ClusterError> {
        match &self.place(number)?.process {
            Some(process) if is_paused => Ok(process.pause()?),
            Some(process) => Ok(process.resume()?),
            None => Ok(()),
        }
    }

    /// Cuts or mends the link from one member to another.
    pub fn set_link(&self, from: usize, to: usize, is_open: bool) {
        if let Some(link) = self.links.get(&(from, to)) {
            link.set(is_open);
        }
    }

    /// Mends all links.
    pub fn mend(&self) {
        self.links.values().for_each(|link| link.set(true));
    }

    /// The places whose member belongs to the group.
    pub fn members(&self) -> Vec<usize> {
        (0..PLACES).filter(|number| self.member(*number).is_some()).collect()
    }

    /// The place of the leader, if there is one that says so.
    pub async fn leader(&self) -> Option<usize> {
        let leader = self.leader_status().await?.member;
        (0..PLACES).find(|number| self.member(*number).as_ref() == Some(&leader))
    }

    /// Fails if a process that should run has ended by itself.
    pub fn require_alive(&mut self) -> Result<(), ClusterError> {
        for (place, it) in self.places.iter_mut().enumerate() {
            if let Some(process) = &mut it.process
                && let Some(status) = process.ended()?
            {
                return Err(ClusterError::Ended { place, status });
            }
        }
        Ok(())
    }

    /// Waits until all members have applied the same, and have the same digest.
    pub async fn require_equal(&self) -> Result<(), ClusterError> {
        until(PATIENCE, async || {
            let mut seen = Vec::new();
            for number in self.members() {
                let status = self.status(number).await.ok_or_else(|| format!("m{number} does not answer"))?;
                seen.push((status.applied, status.state_digest));
            }
            let is_equal = seen.windows(2).all(|pair| pair.first() == pair.last());
            if is_equal { Ok(()) } else { Err(format!("the states differ: {seen:?}")) }
        })
        .await?;
        Ok(())
    }

    /// A client that acts for the operator.
    pub fn client(&self) -> Result<Client<Transport>, ClusterError> {
        let session = random_array(&SystemEntropy).map_err(|error| ClusterError::Token(error.to_string()))?;
        Ok(Client::new(self.operator()?, self.addresses(), session))
    }

    fn addresses(&self) -> Vec<String> {
        self.places.iter().filter(|it| it.member.is_some()).map(|it| it.address.clone()).collect()
    }

    fn operator(&self) -> Result<Transport, ClusterError> {
        transport(&Home::open(&self.root.join(home::OPERATOR))?, "")
    }

    async fn status(&self, number: usize) -> Option<StatusReply> {
        let place = self.places.get(number).filter(|place| place.process.is_some())?;
        let asked = async {
            let channel = self.operator().ok()?.dial(&place.address).await.ok()?;
            OperatorsClient::new(channel).status(StatusRequest {}).await.ok()
        };
        tokio::time::timeout(STATUS_TIME_MAX, asked).await.ok()?.map(tonic::Response::into_inner)
    }

    /// What the leader says; of two that believe to lead, the one of the later term.
    async fn leader_status(&self) -> Option<StatusReply> {
        let mut found: Option<StatusReply> = None;
        let term = |status: &StatusReply| status.standing.as_ref().map_or(0, |standing| standing.term);
        for number in self.members() {
            if let Some(status) = self.status(number).await
                && status.standing.as_ref().is_some_and(|standing| standing.leader == status.member)
                && found.as_ref().is_none_or(|other| term(other) < term(&status))
            {
                found = Some(status);
            }
        }
        found
    }

    async fn note_member(&mut self, number: usize) -> Result<(), ClusterError> {
        let home = self.place(number)?.folder.join("data").join("member.json");
        let text = std::fs::read_to_string(home)?;
        // The file is ours, and its form is fixed; the id is what follows its name.
        let id = text.split("\"member\"").nth(1).and_then(|rest| rest.split('"').nth(1)).and_then(|id| id.parse().ok());
        self.place_mut(number)?.member = id;
        until(PATIENCE, async || self.status(number).await.ok_or_else(|| format!("m{number} does not answer"))).await?;
        Ok(())
    }

    /// Has the group keep a new token.
    async fn mint(&self) -> Result<String, ClusterError> {
        let refused = |what: &dyn ToString| ClusterError::Token(what.to_string());
        let region = REGION.parse().map_err(|error| refused(&error))?;
        let now = SystemClock.wall();
        let expires = WallTime(now.0 + 50 * 60 * 1_000_000);
        let binding = TokenBinding { role: Role::Coordinator, region, host: None, expires };
        let bundle = Home::open(&self.root.join(home::OPERATOR))?.roots("")?;
        let root = bundle.certificates().first().ok_or_else(|| refused(&"there is no root"))?;
        let (token, record) = JoinToken::mint(binding, root, now, &SystemEntropy).map_err(|error| refused(&error))?;
        let mint = MintToken {
            token: record.id.0.to_vec(),
            secret_sha256: record.secret_hash.to_vec(),
            role: "member".to_owned(),
            region: REGION.to_owned(),
            life_ms: TOKEN_LIFE_MS,
            ..MintToken::default()
        };
        let minted = self.client()?.execute(Command::MintToken(mint), PATIENCE).await;
        minted.map_err(|error| refused(&error))?;
        Ok(token.to_text().to_string())
    }

    /// Gives a member an issuer, so that others can join when all that had one are gone.
    fn certify(&self, folder: &str) -> Result<(), ClusterError> {
        let path = |name: &str| self.root.join(name).to_string_lossy().into_owned();
        let (request, certificate, key) = (path("request.pem"), path("issuer.pem"), path(home::ROOT_KEY));
        let said = program::run(&["issuer", "request", folder, "--output", &request])?;
        let issuer = said.split_whitespace().next_back().unwrap_or_default();
        program::run(&["issuer", "sign", issuer, &request, "--root-key", &key, "--output", &certificate])?;
        program::run(&["issuer", "install", folder, &certificate])?;
        Ok(())
    }

    /// Lets a member reach the others by its own links.
    fn route(&self, number: usize) -> Result<(), ClusterError> {
        let home = Home::open(&self.place(number)?.folder)?;
        let mut settings = home.settings()?;
        for (to, place) in self.places.iter().enumerate() {
            if let Some(link) = self.links.get(&(number, to)) {
                settings.routes.insert(place.address.clone(), link.address.clone());
            }
        }
        Ok(home.write_settings(&settings)?)
    }

    fn member(&self, number: usize) -> Option<String> {
        self.places.get(number).and_then(|place| place.member).map(|id| id.to_string())
    }

    fn place(&self, number: usize) -> Result<&Place, ClusterError> {
        self.places.get(number).ok_or(ClusterError::Full)
    }

    fn place_mut(&mut self, number: usize) -> Result<&mut Place, ClusterError> {
        self.places.get_mut(number).ok_or(ClusterError::Full)
    }
}

fn transport(home: &Home, folder: &str) -> Result<Transport, ClusterError> {
    let own = Arc::new(HotIdentity::new(home.identity(folder)?));
    Ok(Transport::new(own, home.roots(folder)?, Arc::new(SystemClock)))
}
