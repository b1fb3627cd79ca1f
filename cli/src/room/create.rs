//! Making a room: key, keyring, depot, host key, the group with its member, and the settings at the very end.

use std::path::Path;
use std::sync::Arc;

use strongroom_core::digest::Profile;
use strongroom_core::entropy::random_array;
use strongroom_core::error::Code;
use strongroom_core::id::DomainId;
use strongroom_core::seal::{Keyring, PassphraseCost, Recovery};
use strongroom_depot::backend::{Backend as _, DirectoryBackend};
use strongroom_depot::{Depot, DepotFormat};
use strongroom_platform::disk::{Disk, RealDisk, durable_write};
use strongroom_platform::keys::KeyFile;
use zeroize::Zeroizing;

use super::place::DepotPlace;
use super::rebuild::remove_folder;
use super::settings::{Parts, Settings};
use super::{Machine, Room, paths};
use crate::failure::{Attempt as _, Failure};
use crate::passphrase::Secret;

/// What a new room is to be.
pub(crate) struct NewRoom {
    /// Where the data may lie.
    pub(crate) jurisdiction: String,
    /// The algorithms.
    pub(crate) profile: Profile,
    /// The URL of an object store for the depot; without one it lies in the room.
    pub(crate) depot: Option<String>,
    /// Protects the key file.
    pub(crate) passphrase: Option<Secret>,
}

impl NewRoom {
    /// Makes the room in a folder that is empty or missing.
    pub(crate) fn create(self, root: &Path, machine: &Machine) -> Result<Room, Failure> {
        let entropy = &machine.entropy;
        let what = || format!("can't make a room in {}", root.display());
        // A URL that means nothing leaves no folder behind.
        let store = self.depot.as_deref().map(|url| DepotPlace::open(root, Some(url))).transpose()?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::create(root).attempt(what)?);
        clear(root, disk.as_ref())?;
        for folder in paths::FOLDERS.iter().filter(|folder| store.is_none() || **folder != paths::DEPOT) {
            disk.create_dir_all(folder).attempt(what)?;
        }
        durable_write(&disk, paths::MAKING, b"").attempt(what)?;
        let domain = DomainId(random_array(entropy.as_ref()).attempt(what)?);
        let cost = PassphraseCost::standard(self.profile);
        let passphrase = self.passphrase.as_ref().map(|text| (text.as_bytes(), cost));
        let key =
            KeyFile::create(&disk, paths::KEY_FILE, self.profile, passphrase, Arc::clone(entropy)).attempt(what)?;
        let recovery = Recovery { jurisdiction: &self.jurisdiction, service: &key };
        let keyring = Keyring::create(self.profile, domain, &[recovery], entropy.as_ref()).attempt(what)?;
        let place = store.map_or_else(|| DepotPlace::open(root, None), Ok)?;
        let format = DepotFormat { profile: self.profile, domain };
        let what = || format!("can't make a depot in {}", place.name);
        let depot = Depot::create(Arc::clone(&place.backend), format).attempt(what)?;
        place.check()?;
        depot.put_keyring(&keyring).attempt(what)?;
        let epoch = keyring.newest_epoch().cloned();
        let settings = Settings {
            site: "local".into(),
            jurisdiction: self.jurisdiction.clone(),
            environment: "production".into(),
            domain,
            profile: self.profile,
            epoch: epoch.ok_or_else(|| Failure::new(Code::Internal, "the new keyring has no epoch"))?,
            depot: self.depot.clone(),
            parts: Parts::mint(entropy.as_ref())?,
        };
        let host: Zeroizing<[u8; 32]> = Zeroizing::new(random_array(entropy.as_ref()).attempt(what)?);
        let host = Zeroizing::new(format!("{}\n", hex::encode(*host)));
        durable_write(&disk, paths::HOST_KEY, host.as_bytes()).attempt(what)?;
        let content = settings.to_toml()?;
        let path = std::path::absolute(root).attempt(what)?;
        let made = Room::assemble(path, Arc::clone(&disk), settings, machine)?;
        made.ensure_member()?;
        durable_write(&disk, paths::SETTINGS, content.as_bytes()).attempt(what)?;
        disk.remove(paths::MAKING).attempt(what)?;
        Ok(made)
    }
}

/// Refuses a folder that is in use; removes what an attempt left behind that did not come to its end.
fn clear(root: &Path, disk: &dyn Disk) -> Result<(), Failure> {
    let what = || format!("can't look into {}", root.display());
    if disk.exists(paths::SETTINGS).attempt(what)? {
        return Err(Failure::new(Code::RoomExists, format!("there is a room in {} already", root.display())));
    }
    let entries = disk.list("").attempt(what)?;
    if let Some(foreign) = entries.iter().find(|entry| !paths::FOLDERS.contains(&entry.name.as_str())) {
        let what = format!("the folder {} is not empty: it holds {}", root.display(), foreign.name);
        return Err(Failure::new(Code::RoomExists, what).advise("Choose an empty or new folder."));
    }
    // Packs may be sealed to a key whose room was made to its end, wherever its depot is now.
    if disk.exists(paths::KEY_FILE).attempt(what)? && !disk.exists(paths::MAKING).attempt(what)? {
        let what = format!("{} holds a room's key, and the room's settings are gone", root.display());
        return Err(Failure::new(Code::RoomExists, what)
            .advise("Put state/room.toml back from a copy, or choose another folder."));
    }
    if disk.exists(paths::DEPOT).attempt(what)? {
        let depot = RealDisk::open(root.join(paths::DEPOT)).attempt(what)?;
        let backend = DirectoryBackend::new(Arc::new(depot));
        let packs = backend.list_packs().attempt(what)?.items;
        let manifests = backend.list_manifests().attempt(what)?.items;
        if !packs.is_empty() || !manifests.is_empty() {
            let what = format!("the depot in {} holds packs, and its room's settings are gone", root.display());
            return Err(Failure::new(Code::RoomExists, what)
                .advise("Put state/room.toml and state/host.key back from a copy, or choose another folder."));
        }
        remove_files(disk, paths::DEPOT)?;
    }
    // No pack was ever sealed for this key.
    remove_files(disk, "keys")?;
    for folder in [paths::MEMBER, paths::MEMBER_NEW] {
        remove_folder(&root.join(folder))?;
    }
    remove_files(disk, "state")
}

fn remove_files(disk: &dyn Disk, dir: &str) -> Result<(), Failure> {
    let what = || format!("can't clear {dir}, which an unfinished attempt left behind");
    if !disk.exists(dir).attempt(what)? {
        return Ok(());
    }
    for entry in disk.list(dir).attempt(what)? {
        let path = format!("{dir}/{}", entry.name);
        if entry.is_dir {
            remove_files(disk, &path)?;
        } else {
            disk.remove(&path).attempt(what)?;
        }
    }
    Ok(())
}
