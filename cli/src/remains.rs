//! What is left when all else is lost: a depot's folder and a key file.
//!
//! Owns the way from these two to an opened depot, without a room. The folder is only read: the derived index, and what
//! a restore sorts, lie in a scratch folder that goes when this is dropped. Heads are checked against the signing keys
//! in the depot's own keyring, which nothing vouches for: `docs/rescue.md` says what follows from that.

pub(crate) mod survey;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use strongroom_core::error::Code;
use strongroom_core::id::{DomainId, SourceId};
use strongroom_core::seal::Keyring;
use strongroom_depot::backend::{Backend, DirectoryBackend, KEYS, keyring_domain, keyring_path};
use strongroom_depot::index::Index;
use strongroom_depot::{Depot, DepotError, DepotFormat, FormatError};
use strongroom_platform::disk::{Disk, RealDisk};
use tempfile::TempDir;

use crate::app::App;
use crate::failure::{Attempt as _, Failure};
use crate::room::custodian::{Custodian, open_key_file};
use crate::room::manifests::{Manifests, Signers};
use crate::room::paths;

/// The file of the index in the scratch folder.
const INDEX: &str = "depot-index.redb";

/// A depot that was opened with a key file and nothing else.
pub(crate) struct Remains {
    depot: Depot,
    custodian: Custodian,
    manifests: Manifests,
    scratch: TempDir,
}

impl Remains {
    /// Opens a depot's keyring with a key file, reads all heads and the directory of every pack.
    pub(crate) fn open(depot: &Path, key: &Path, scratch: Option<&Path>, app: &App) -> Result<Self, Failure> {
        let (disk, folder) = open_depot_folder(depot)?;
        let scratch = make_scratch(scratch, &folder)?;
        let backend: Arc<dyn Backend> = Arc::new(DirectoryBackend::new(Arc::clone(&disk)));
        let depot = open_depot(&backend, disk.as_ref(), &folder, app)?;
        let keyring = depot.read_keyring().attempt(|| format!("can't read the keyring of {}", folder.display()));
        let missing = || Failure::new(Code::WrongKey, format!("the depot {} has no keyring", folder.display()));
        let keyring = keyring.and_then(|found| found.ok_or_else(missing)).map_err(|failure| {
            let path = keyring_path(depot.domain());
            failure.advise(format!("Bring {path} back from another copy of the depot: no key opens a pack without it."))
        })?;
        let key_disk = RealDisk::open(parent(key)).attempt(|| format!("can't read the key file {}", key.display()))?;
        let name = key.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let opened = open_key_file(&key_disk, name, &format!("can't open the key file {}", key.display()), app)?;
        let keys = keyring.open(&opened);
        let keys = keys.attempt(|| format!("the key file {} does not open the depot's keyring", key.display()))?;
        let signers = Signers::of_keyring(&keyring);
        let index = Index::open(&scratch.path().join(INDEX)).attempt(|| "can't make an index in the scratch folder")?;
        let custodian = Custodian::over(backend, keyring, keys, index)?;
        let mut manifests = Manifests::read(&depot, &signers)?;
        manifests.call(names(&manifests, &custodian));
        Ok(Self { depot, custodian, manifests, scratch })
    }

    /// The depot.
    pub(crate) const fn depot(&self) -> &Depot {
        &self.depot
    }

    /// Who opens what was sealed.
    pub(crate) const fn custodian(&self) -> &Custodian {
        &self.custodian
    }

    /// The snapshots.
    pub(crate) const fn manifests(&self) -> &Manifests {
        &self.manifests
    }

    /// A folder for what is needed meanwhile.
    pub(crate) fn scratch(&self) -> Result<Arc<dyn Disk>, Failure> {
        let disk = RealDisk::open(self.scratch.path()).attempt(|| "can't use the scratch folder")?;
        Ok(Arc::new(disk))
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn no_depot(folder: &Path) -> Failure {
    let failure = Failure::new(Code::NoRoom, format!("there is no depot in {}", folder.display()));
    let within = folder.join(paths::DEPOT);
    if within.join(KEYS).is_dir() {
        return failure.advise(format!("This is a room; give --depot {}.", within.display()));
    }
    failure.advise("Give --depot the folder that holds `packs`, `manifests` and `keys`.")
}

fn open_depot_folder(depot: &Path) -> Result<(Arc<dyn Disk>, PathBuf), Failure> {
    let folder = depot.canonicalize().map_err(|_| no_depot(depot))?;
    let disk = RealDisk::open(&folder).map_err(|_| no_depot(&folder))?;
    Ok((Arc::new(disk), folder))
}

/// The scratch folder, which must not lie in the depot: nothing is written there.
fn make_scratch(chosen: Option<&Path>, depot: &Path) -> Result<TempDir, Failure> {
    let place = chosen.map_or_else(std::env::temp_dir, Path::to_path_buf);
    let what = || format!("can't use {} for what is needed meanwhile", place.display());
    let place =
        place.canonicalize().attempt(what).map_err(|failure| failure.advise("Name a folder with --scratch."))?;
    if place.starts_with(depot) {
        let what = format!("the scratch folder {} lies in the depot, which is only read", place.display());
        return Err(Failure::new(Code::Usage, what).advise("Name another folder with --scratch."));
    }
    let made = tempfile::Builder::new()
        .prefix("strongroom-rescue-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(&place);
    made.attempt(what).map_err(|failure| failure.advise("Name a folder with room to write in with --scratch."))
}

/// The depot by its file `format`; where that is lost, by its one keyring, which says the same.
fn open_depot(backend: &Arc<dyn Backend>, disk: &dyn Disk, folder: &Path, app: &App) -> Result<Depot, Failure> {
    let lost = match Depot::open(Arc::clone(backend)) {
        Err(DepotError::Format(error @ (FormatError::NoDepot | FormatError::NotADepot | FormatError::Damaged))) => {
            error
        }
        opened => return opened.attempt(|| format!("can't open the depot {}", folder.display())),
    };
    let entries = disk.list(KEYS).unwrap_or_default();
    let domains: Vec<DomainId> = entries.iter().filter_map(|entry| keyring_domain(&entry.name)).collect();
    let [domain] = domains[..] else {
        return Err(match lost {
            FormatError::NoDepot => no_depot(folder),
            lost => Failure::because(lost.code(), format!("can't open the depot {}", folder.display()), lost),
        });
    };
    let json = backend.read_keyring(domain).attempt(|| format!("can't read the keyring of {}", folder.display()))?;
    let keyring = Keyring::from_json(&json.unwrap_or_default()).attempt(|| "can't read the depot's keyring")?;
    app.output.warn(format!("the depot's file `format` can't be used ({lost}); going by its keyring"));
    Ok(Depot::open_as(Arc::clone(backend), DepotFormat { profile: keyring.profile(), domain }))
}

/// What each source is called, by its newest manifest that opens. Where several have one name, it goes with the
/// beginning of their ids.
fn names(manifests: &Manifests, custodian: &Custodian) -> BTreeMap<SourceId, String> {
    let mut names = BTreeMap::new();
    for source in manifests.sources() {
        let of_source: Vec<_> = manifests.of_source(source).collect();
        if let Some(body) = of_source.iter().rev().find_map(|manifest| custodian.body(manifest).ok()) {
            names.insert(source, body.source_name);
        }
    }
    let often: Vec<String> = names.values().cloned().collect();
    for (source, name) in &mut names {
        if often.iter().filter(|other| *other == name).count() > 1 {
            *name = format!("{name}-{}", crate::render::text::short(*source));
        }
    }
    names
}
