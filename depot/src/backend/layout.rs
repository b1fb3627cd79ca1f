//! Under which names a depot's files lie, whatever holds them: the paths of the repository format.
//!
//! Owns names and size limits alone, and touches no store. A name that it does not give is foreign.

use strongroom_core::id::{DomainId, PackId, SourceId};

use super::{StateName, StoredManifest, StoredPack, StoredState};

/// The file that says what the depot is.
pub(super) const FORMAT: &str = "format";
/// The folder of packs.
pub(super) const PACKS: &str = "packs";
/// The folder of manifests.
pub(super) const MANIFESTS: &str = "manifests";
/// The folder of keyrings.
pub const KEYS: &str = "keys";
/// The folder of coordinators' states.
pub(super) const STATES: &str = "states";
const STATE_SUFFIX: &str = ".state";
const PACK_SUFFIX: &str = ".pack";
const MANIFEST_SUFFIX: &str = ".manifest";
const KEYRING_SUFFIX: &str = ".keyring";
/// The file that says what the depot is has a few hundred bytes.
pub(super) const FORMAT_BYTES_MAX: u64 = 64 * 1024;
/// A keyring holds a few hundred bytes a source and epoch.
pub(super) const KEYRING_BYTES_MAX: u64 = 64 << 20;
/// A manifest's body is bounded; its head lists packs and classes.
pub(super) const MANIFEST_BYTES_MAX: u64 = 256 << 20;

/// The folder of a pack.
pub(super) fn pack_dir(pack: PackId) -> String {
    let [first, ..] = pack.0;
    format!("{PACKS}/{first:02x}")
}

/// The path of a pack.
pub(super) fn pack_path(pack: PackId) -> String {
    format!("{}/{pack}{PACK_SUFFIX}", pack_dir(pack))
}

/// The folder of a source's manifests.
pub(super) fn manifest_dir(source: SourceId) -> String {
    format!("{MANIFESTS}/{source}")
}

/// The path of a manifest.
pub(super) fn manifest_path(source: SourceId, sequence: u64) -> String {
    format!("{}/{sequence:020}{MANIFEST_SUFFIX}", manifest_dir(source))
}

/// The folder of a group's states.
pub(super) fn state_dir(state: StateName) -> String {
    format!("{STATES}/{}", hex::encode(state.cluster))
}

/// The path of a state.
pub(super) fn state_path(state: StateName) -> String {
    format!("{STATES}/{state}{STATE_SUFFIX}")
}

/// The state that has a path, if it is a state's.
pub(super) fn stored_state(path: &str, bytes: u64) -> Option<StoredState> {
    let (folder, name) = path.rsplit_once('/')?;
    let mut cluster = [0; 16];
    hex::decode_to_slice(folder.rsplit('/').next()?, &mut cluster).ok()?;
    let (epoch, index) = name.strip_suffix(STATE_SUFFIX)?.split_once('-')?;
    let state = StateName { cluster, epoch: epoch.parse().ok()?, index: index.parse().ok()? };
    (state_path(state) == path).then_some(StoredState { state, bytes })
}

/// The path of a domain's keyring.
pub fn keyring_path(domain: DomainId) -> String {
    format!("{KEYS}/{domain}{KEYRING_SUFFIX}")
}

/// The domain whose keyring has a name within its folder, if it is a keyring's.
pub fn keyring_domain(name: &str) -> Option<DomainId> {
    name.strip_suffix(KEYRING_SUFFIX)?.parse().ok()
}

/// The pack that has a path, if it is a pack's.
pub(super) fn stored_pack(path: &str, bytes: u64) -> Option<StoredPack> {
    let (_, name) = path.rsplit_once('/')?;
    let pack: PackId = name.strip_suffix(PACK_SUFFIX)?.parse().ok()?;
    (pack_path(pack) == path).then_some(StoredPack { pack, bytes })
}

/// The manifest that has a path, if it is a manifest's.
pub(super) fn stored_manifest(path: &str) -> Option<StoredManifest> {
    let (folder, name) = path.rsplit_once('/')?;
    let source: SourceId = folder.rsplit('/').next()?.parse().ok()?;
    let sequence = name.strip_suffix(MANIFEST_SUFFIX)?.parse().ok()?;
    (manifest_path(source, sequence) == path).then_some(StoredManifest { source, sequence })
}
