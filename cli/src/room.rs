//! The room: the state of one installation, which is one site with one depot and one agent, and a group of one member.
//!
//! ```text
//!   ROOM/depot/     packs, manifests, keyring, format       nothing else lies there; or all of it in an object store
//!   ROOM/keys/      room.key                                the key service of this room
//!   ROOM/state/     room.toml, host.key, depot.key, locks
//!     coordinator/    the group's member: sources by id and name, runs, heads, receipts; no URL, no name below a source
//!     agent/<source>/ source (URL, keys; sealed), runs, ledger
//!     restores/       safety copies
//!   ROOM/cache/     <source>/ (index, image), depot-index   can be thrown away
//!   ROOM/spool/     what runs need while they run
//!   ROOM/logs/
//! ```
//!
//! Backups need the state alone: they seal to the domain's public key and open nothing. Whatever reads needs the key
//! file, through the [`custodian`]. `state/room.toml` is written last, so a room that was not made to its end is none.
//! The member can be lost: it is built anew from the depot's heads and what the agent keeps ([`rebuild`]). Whatever only
//! reads does so over the member's folder ([`group::Look`]), so that it works where nothing can be written.

pub(crate) mod create;
pub(crate) mod custodian;
pub(crate) mod founding;
pub(crate) mod group;
pub(crate) mod heads;
pub(crate) mod kept;
pub(crate) mod locks;
pub(crate) mod manifests;
pub(crate) mod place;
pub(crate) mod rebuild;
mod receipts;
pub(crate) mod repository;
pub(crate) mod runs;
pub(crate) mod selector;
pub(crate) mod service;
pub(crate) mod settings;
mod upgrade;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use strongroom_core::entropy::Entropy;
use strongroom_core::error::Code;
use strongroom_core::id::SourceId;
use strongroom_core::seal::{HostKey, Scope};
use strongroom_depot::Depot;
use strongroom_depot::backend::Backend;
use strongroom_depot::backend::object::ObjectBackend;
use strongroom_platform::clock::Clock;
use strongroom_platform::disk::{Disk, RealDisk};

use crate::failure::{Attempt as _, Failure};
use place::DepotPlace;
use settings::{Found, Settings};

/// Paths below a room, as its disk knows them.
pub(crate) mod paths {
    /// The depot's folder.
    pub(crate) const DEPOT: &str = "depot";
    /// The key file.
    pub(crate) const KEY_FILE: &str = "keys/room.key";
    /// What the room is.
    pub(crate) const SETTINGS: &str = "state/room.toml";
    /// Says that the room is being made: what is there may be removed by the next attempt.
    pub(crate) const MAKING: &str = "state/making";
    /// The key of this host.
    pub(crate) const HOST_KEY: &str = "state/host.key";
    /// The key that the depot's receipts are signed with.
    pub(crate) const DEPOT_KEY: &str = "state/depot.key";
    /// The folder of the group's member.
    pub(crate) const MEMBER: &str = "state/coordinator";
    /// Where a member is built before it takes its place.
    pub(crate) const MEMBER_NEW: &str = "state/coordinator.new";
    /// Held while the member is open.
    pub(crate) const MEMBER_LOCK: &str = "state/coordinator.lock";
    /// The folder of what only this room's own processes need.
    pub(crate) const STATE: &str = "state";
    /// The derived index of the depot.
    pub(crate) const DEPOT_INDEX: &str = "cache/depot-index.redb";
    /// Safety copies of partial restores.
    pub(crate) const RESTORES: &str = "state/restores";
    /// Where spills of restores go.
    pub(crate) const SPOOL: &str = "spool";
    /// Every folder that a room has.
    pub(crate) const FOLDERS: [&str; 6] = [DEPOT, "keys", "state", "cache", SPOOL, "logs"];
}

/// What a room needs of the machine.
#[derive(Clone)]
pub(crate) struct Machine {
    /// Its clocks.
    pub(crate) clock: Arc<dyn Clock>,
    /// Its randomness.
    pub(crate) entropy: Arc<dyn Entropy>,
}

/// An open room.
pub(crate) struct Room {
    machine: Machine,
    notices: Vec<String>,
    root: PathBuf,
    disk: Arc<dyn Disk>,
    settings: Settings,
    host: HostKey,
    depot: Depot,
    place: DepotPlace,
}

impl Room {
    /// Opens the room in a folder. One of the first version is brought to the present one, and a member that is gone is
    /// built anew; [`Self::notices`] says so.
    pub(crate) fn open(root: &Path, machine: &Machine) -> Result<Self, Failure> {
        let no_room = || Failure::new(Code::NoRoom, format!("there is no room in {}", root.display()));
        let root = std::path::absolute(root).map_err(|_| no_room())?;
        if !root.join(paths::SETTINGS).exists() {
            return Err(no_room());
        }
        let what = || format!("can't open the room {}", root.display());
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(&root).attempt(what)?);
        let mut opened = match Settings::read(disk.as_ref())? {
            Found::Current(settings) => Self::assemble(root, disk, settings, machine)?,
            Found::First(first) => upgrade::upgrade(root, &disk, &first, machine)?,
        };
        let rebuilt = opened.ensure_member()?;
        opened.notices.extend(rebuilt);
        tracing::info!(room = %opened.root.display(), site = opened.settings.site, "room opened");
        Ok(opened)
    }

    /// Puts a room together whose files are there, but for the member, perhaps.
    fn assemble(root: PathBuf, disk: Arc<dyn Disk>, settings: Settings, machine: &Machine) -> Result<Self, Failure> {
        let host =
            HostKey::new(settings.profile, *receipts::read_key(disk.as_ref(), paths::HOST_KEY, "this host's key")?);
        let place = DepotPlace::open(&root, settings.depot.as_deref())?;
        let opened = Depot::open(Arc::clone(&place.backend));
        let depot = opened.attempt(|| format!("can't open the depot of {}", root.display()))?;
        if depot.domain() != settings.domain || depot.profile() != settings.profile {
            let what = format!("the depot {} is that of another room", place.name);
            return Err(Failure::new(Code::Damaged, what).advise("Put this room's own depot back."));
        }
        Ok(Self { machine: machine.clone(), notices: Vec::new(), root, disk, settings, host, depot, place })
    }

    /// What the operator should hear about how the room was opened.
    pub(crate) fn notices(&self) -> &[String] {
        &self.notices
    }

    /// The folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder as a volume.
    pub(crate) const fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// What the room is.
    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// This host's key.
    pub(crate) const fn host(&self) -> &HostKey {
        &self.host
    }

    /// The depot.
    pub(crate) const fn depot(&self) -> &Depot {
        &self.depot
    }

    /// The depot's files.
    pub(crate) const fn backend(&self) -> &Arc<dyn Backend> {
        &self.place.backend
    }

    /// The depot's files, if they lie in an object store.
    pub(crate) const fn store(&self) -> Option<&Arc<ObjectBackend>> {
        self.place.store.as_ref()
    }

    /// Where the depot lies: a path or a URL.
    pub(crate) fn depot_name(&self) -> &str {
        &self.place.name
    }

    /// What everything sealed in this room is bound to.
    pub(crate) fn scope(&self) -> Scope {
        let settings = &self.settings;
        Scope::new(settings.profile, settings.domain, &settings.environment, &settings.jurisdiction)
    }

    /// The clocks.
    pub(crate) const fn clock(&self) -> &Arc<dyn Clock> {
        &self.machine.clock
    }

    /// Randomness.
    pub(crate) fn entropy(&self) -> &dyn Entropy {
        self.machine.entropy.as_ref()
    }

    /// A folder of the room as a volume of its own.
    fn disk_of(&self, folder: &str) -> Result<Arc<dyn Disk>, Failure> {
        let disk = RealDisk::open(self.root.join(folder)).attempt(|| format!("can't open {folder}"))?;
        Ok(Arc::new(disk))
    }

    /// Where the agent keeps what belongs to a source.
    pub(crate) fn agent_dir(source: SourceId) -> String {
        format!("{}/{source}", kept::AGENT_DIR)
    }

    /// Where the cache of a source lies.
    pub(crate) fn cache_dir(source: SourceId) -> String {
        format!("cache/{source}")
    }
}

/// The name of this host.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
