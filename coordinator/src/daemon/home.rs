//! The folder of a member: where its files are, and how they are written.
//!
//! Every file is written whole or not at all, readable by its owner alone. Certificates and the key that belongs to them
//! are one file, so that a crash never leaves a key with another one's certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use strongroom_platform::disk::{Disk, DiskError, RealDisk, durable_replace};
use strongroom_platform::tls::{Identity, Issuer, PendingIdentity, SpiffeId, TrustBundle};
use zeroize::Zeroizing;

use super::DaemonError;
use super::settings::Settings;

/// The roots.
pub const ROOT: &str = "root.pem";
/// Certificates and key of an identity.
pub const IDENTITY: &str = "identity.pem";
/// The folder of a member's identity.
pub const OWN: &str = "identity";
/// Certificate and key of a member's issuer, in the folder of its identity.
pub const ISSUER: &str = "identity/issuer.pem";
/// The folder of the first operator's identity.
pub const OPERATOR: &str = "operator";
/// The root's key.
pub const ROOT_KEY: &str = "root/root-key.pem";
/// A key that waits for its certificate.
const PENDING: &str = "pending.pem";
/// Whose that certificate will be.
const PENDING_NAME: &str = "pending-name";
const SETTINGS: &str = "config.toml";
const DATA: &str = "data";

/// No file of these is longer.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// A member's folder, or the folder of an operator's identity.
#[derive(Clone)]
pub struct Home {
    path: PathBuf,
    disk: Arc<dyn Disk>,
}

impl Home {
    /// A folder that is there.
    pub fn open(path: &Path) -> Result<Self, DaemonError> {
        match RealDisk::open(path) {
            Ok(disk) => Ok(Self { path: path.to_owned(), disk: Arc::new(disk) }),
            Err(DiskError::NotFound { .. }) => Err(DaemonError::NoMember { path: path.to_owned() }),
            Err(source) => Err(DaemonError::Disk { what: "the folder can't be used", source }),
        }
    }

    /// A folder that is made where it is missing.
    pub fn create(path: &Path) -> Result<Self, DaemonError> {
        let disk = RealDisk::create(path);
        let disk = disk.map_err(|source| DaemonError::Disk { what: "the folder can't be made", source })?;
        Ok(Self { path: path.to_owned(), disk: Arc::new(disk) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the member itself, made where it is missing.
    pub fn data(&self) -> Result<Arc<dyn Disk>, DaemonError> {
        let disk = RealDisk::create(self.path.join(DATA));
        let disk =
            disk.map_err(|source| DaemonError::Disk { what: "the folder of the member can't be made", source })?;
        Ok(Arc::new(disk))
    }

    /// Refuses unless the folder is empty: for what is made anew.
    pub fn require_empty(&self) -> Result<(), DaemonError> {
        let entries = self.disk.list("");
        let entries = entries.map_err(|source| DaemonError::Disk { what: "the folder can't be read", source })?;
        if entries.is_empty() { Ok(()) } else { Err(DaemonError::MemberExists { path: self.path.clone() }) }
    }

    /// Whether the folder was finished.
    pub fn is_finished(&self) -> Result<bool, DaemonError> {
        self.read_if_there(SETTINGS).map(|text| text.is_some())
    }

    /// What the member is called and where it listens.
    pub fn settings(&self) -> Result<Settings, DaemonError> {
        let text = self.read_if_there(SETTINGS)?;
        Settings::parse(&text.ok_or_else(|| DaemonError::NoMember { path: self.path.clone() })?)
    }

    /// Writes the settings: the last step of making a member.
    pub fn write_settings(&self, settings: &Settings) -> Result<(), DaemonError> {
        self.write(SETTINGS, &settings.to_text()?)
    }

    /// The identity in a folder of this one; the empty name is this one itself.
    pub fn identity(&self, folder: &str) -> Result<Identity, DaemonError> {
        let text = Zeroizing::new(self.read(&join(folder, IDENTITY))?);
        let path = self.path.join(folder);
        Identity::from_pem(&text, &text).map_err(|source| DaemonError::Identity { path, source })
    }

    /// Writes an identity into a folder of this one.
    pub fn write_identity(&self, folder: &str, identity: &Identity) -> Result<(), DaemonError> {
        let key = identity.key_pem();
        self.write(&join(folder, IDENTITY), &Zeroizing::new([&identity.chain_pem(), key.as_str()].concat()))
    }

    /// Whether there is an identity in a folder of this one.
    pub fn has_identity(&self, folder: &str) -> Result<bool, DaemonError> {
        let exists = self.disk.exists(&join(folder, IDENTITY));
        exists.map_err(|source| DaemonError::Disk { what: "the folder can't be read", source })
    }

    /// The key that waits for a certificate of this name: the one that was put aside, or a new one that is. So whoever
    /// asks again after a crash is known by its key.
    pub fn pending(&self, folder: &str, id: SpiffeId) -> Result<PendingIdentity, DaemonError> {
        let path = join(folder, PENDING);
        let pending = match self.read_if_there(&path)?.map(Zeroizing::new) {
            Some(key) => PendingIdentity::resume(id, &key),
            None => PendingIdentity::new(id),
        };
        let pending = pending.map_err(DaemonError::Request)?;
        self.write(&join(folder, PENDING_NAME), &pending.id().to_string())?;
        self.write(&path, &pending.key_pem())?;
        Ok(pending)
    }

    /// Whose certificate the key that was put aside waits for.
    pub fn pending_name(&self, folder: &str) -> Result<Option<SpiffeId>, DaemonError> {
        let name = self.read_if_there(&join(folder, PENDING_NAME))?;
        Ok(name.and_then(|name| name.trim().parse().ok()))
    }

    /// Takes away what was put aside: the certificate is there.
    pub fn forget_pending(&self, folder: &str) -> Result<(), DaemonError> {
        for name in [PENDING, PENDING_NAME] {
            match self.disk.remove(&join(folder, name)) {
                Ok(()) | Err(DiskError::NotFound { .. }) => {}
                Err(source) => return Err(DaemonError::Disk { what: "a file can't be removed", source }),
            }
        }
        Ok(())
    }

    /// The roots in a folder of this one.
    pub fn roots(&self, folder: &str) -> Result<TrustBundle, DaemonError> {
        TrustBundle::from_pem(&self.read(&join(folder, ROOT))?).map_err(DaemonError::Roots)
    }

    /// Writes the roots into a folder of this one.
    pub fn write_roots(&self, folder: &str, roots_pem: &str) -> Result<(), DaemonError> {
        self.write(&join(folder, ROOT), roots_pem)
    }

    /// The member's issuer, if it has one.
    pub fn issuer(&self) -> Result<Option<Issuer>, DaemonError> {
        let Some(text) = self.read_if_there(ISSUER)?.map(Zeroizing::new) else { return Ok(None) };
        Issuer::from_pem(&text, &text).map(Some).map_err(DaemonError::Authority)
    }

    /// Writes the member's issuer.
    pub fn write_issuer(&self, issuer: &Issuer) -> Result<(), DaemonError> {
        let key = issuer.key_pem();
        self.write(ISSUER, &Zeroizing::new([&issuer.certificate_pem(), key.as_str()].concat()))
    }

    /// Writes a file whole, in place of the one that was there.
    pub fn write(&self, path: &str, text: &str) -> Result<(), DaemonError> {
        let written = (|| {
            if let Some((folder, _)) = path.rsplit_once('/') {
                self.disk.create_dir_all(folder)?;
            }
            durable_replace(&self.disk, path, text.as_bytes())
        })();
        written.map_err(|source| DaemonError::Disk { what: "a file of the member can't be written", source })
    }

    /// Reads a file that must be there.
    pub fn read(&self, path: &str) -> Result<String, DaemonError> {
        let bytes = self.disk.read(path, FILE_BYTES_MAX);
        let bytes = bytes.map_err(|source| DaemonError::Disk { what: "a file of the member can't be read", source })?;
        String::from_utf8(bytes).map_err(|_| DaemonError::Settings { what: format!("{path} is no text") })
    }

    fn read_if_there(&self, path: &str) -> Result<Option<String>, DaemonError> {
        match self.read(path) {
            Err(DaemonError::Disk { source: DiskError::NotFound { .. }, .. }) => Ok(None),
            read => read.map(Some),
        }
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
