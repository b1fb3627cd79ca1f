//! The room: the state of one installation, which is one site with one depot and one agent.
//!
//! ```text
//!   ROOM/depot/     packs, manifests, keyring, format       nothing else lies there; or all of it in an object store
//!   ROOM/keys/      room.key                                the key service of this room
//!   ROOM/state/     room.toml, host.key, catalog.redb, locks; agent/<source>/ledger; restores/ (safety copies)
//!   ROOM/cache/     <source>/ (index, image), depot-index   can be thrown away
//!   ROOM/spool/     what runs need while they run
//!   ROOM/logs/
//! ```
//!
//! Backups need the state alone: they seal to the domain's public key and open nothing. Whatever reads needs the key
//! file, through the [`custodian`]. `state/room.toml` is written last, so a room that was not made to its end is none.

pub(crate) mod catalog;
pub(crate) mod create;
pub(crate) mod custodian;
pub(crate) mod locks;
pub(crate) mod manifests;
pub(crate) mod place;
pub(crate) mod repository;
pub(crate) mod selector;
pub(crate) mod settings;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use strongroom_core::error::Code;
use strongroom_core::id::SourceId;
use strongroom_core::seal::{HostKey, Scope};
use strongroom_depot::Depot;
use strongroom_depot::backend::Backend;
use strongroom_depot::backend::object::ObjectBackend;
use strongroom_platform::disk::{Disk, RealDisk};
use zeroize::Zeroizing;

use crate::failure::{Attempt as _, Failure};
use catalog::Catalog;
use place::DepotPlace;
use settings::Settings;

/// Paths below a room, as its disk knows them.
pub(crate) mod paths {
    /// The depot's folder.
    pub(crate) const DEPOT: &str = "depot";
    /// The key file.
    pub(crate) const KEY_FILE: &str = "keys/room.key";
    /// What the room is.
    pub(crate) const SETTINGS: &str = "state/room.toml";
    /// The key of this host.
    pub(crate) const HOST_KEY: &str = "state/host.key";
    /// The catalog of sources.
    pub(crate) const CATALOG: &str = "state/catalog.redb";
    /// The derived index of the depot.
    pub(crate) const DEPOT_INDEX: &str = "cache/depot-index.redb";
    /// Safety copies of partial restores.
    pub(crate) const RESTORES: &str = "state/restores";
    /// Where spills of restores go.
    pub(crate) const SPOOL: &str = "spool";
    /// Every folder that a room has.
    pub(crate) const FOLDERS: [&str; 6] = [DEPOT, "keys", "state", "cache", SPOOL, "logs"];
}

/// A key file's text: 64 hexadecimal digits and the end of the line.
const HOST_KEY_BYTES_MAX: u64 = 80;
/// The file `room.toml` has a few hundred bytes.
const SETTINGS_BYTES_MAX: u64 = 64 * 1024;

/// An open room.
pub(crate) struct Room {
    root: PathBuf,
    disk: Arc<dyn Disk>,
    settings: Settings,
    host: HostKey,
    depot: Depot,
    place: DepotPlace,
}

impl Room {
    /// Opens the room in a folder.
    pub(crate) fn open(root: &Path) -> Result<Self, Failure> {
        let no_room = || Failure::new(Code::NoRoom, format!("there is no room in {}", root.display()));
        let root = std::path::absolute(root).map_err(|_| no_room())?;
        if !root.join(paths::SETTINGS).exists() {
            return Err(no_room());
        }
        let what = || format!("can't open the room {}", root.display());
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(&root).attempt(what)?);
        let settings = Settings::parse(&disk.read(paths::SETTINGS, SETTINGS_BYTES_MAX).attempt(what)?)?;
        let host = read_host_key(disk.as_ref(), &settings)?;
        let place = DepotPlace::open(&root, settings.depot.as_deref())?;
        let opened = Depot::open(Arc::clone(&place.backend));
        let depot = opened.attempt(|| format!("can't open the depot of {}", root.display()))?;
        if depot.domain() != settings.domain || depot.profile() != settings.profile {
            let what = format!("the depot {} is that of another room", place.name);
            return Err(Failure::new(Code::Damaged, what).advise("Put this room's own depot back."));
        }
        tracing::info!(room = %root.display(), site = settings.site, "room opened");
        Ok(Self { root, disk, settings, host, depot, place })
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

    /// The catalog of sources, for a moment: others wait for it.
    pub(crate) fn catalog(&self) -> Result<Catalog, Failure> {
        Catalog::open(&self.root.join(paths::CATALOG), self.host.clone())
    }

    /// Where the ledger of a source lies.
    pub(crate) fn agent_dir(source: SourceId) -> String {
        format!("state/agent/{source}")
    }

    /// Where the cache of a source lies.
    pub(crate) fn cache_dir(source: SourceId) -> String {
        format!("cache/{source}")
    }
}

fn read_host_key(disk: &dyn Disk, settings: &Settings) -> Result<HostKey, Failure> {
    let text = disk.read(paths::HOST_KEY, HOST_KEY_BYTES_MAX).attempt(|| "can't read this host's key")?;
    let text = Zeroizing::new(String::from_utf8(text).unwrap_or_default());
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim_end(), &mut *bytes)
        .map_err(|_| Failure::new(Code::Damaged, format!("{} is no key", paths::HOST_KEY)))?;
    Ok(HostKey::new(settings.profile, *bytes))
}

/// The name of this host.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
