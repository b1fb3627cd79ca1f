//! A key file: the master key of a one-process room, or an escrow key on a stick.
//!
//! Owns reading and writing the file; what it says is the core's ([`MasterKey`]). The file is written once, readable by
//! its owner alone, and never changed in place.

use std::sync::Arc;

use strongroom_core::digest::Profile;
use strongroom_core::entropy::Entropy;
use strongroom_core::seal::{KeyFileError, KeyService, KeyServiceError, MasterKey, PassphraseCost, ServiceKind};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::disk::{Disk, DiskError, durable_write};

/// No key file is longer.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// A key file can't be opened or made.
#[derive(Debug, Error)]
pub enum OpenKeyFileError {
    /// The document is foreign, damaged, or needs another passphrase.
    #[error(transparent)]
    Document(#[from] KeyFileError),
    /// The file can't be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// A key service over a key file.
pub struct KeyFile {
    master: MasterKey,
    entropy: Arc<dyn Entropy>,
}

impl KeyFile {
    /// Makes a new key and its file, whose folder must exist; [`DiskError::AlreadyExists`] if the name is taken.
    pub fn create(
        disk: &Arc<dyn Disk>,
        path: &str,
        profile: Profile,
        passphrase: Option<(&[u8], PassphraseCost)>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, OpenKeyFileError> {
        let master = MasterKey::generate(profile, entropy.as_ref())?;
        durable_write(disk, path, &master.to_json(passphrase, entropy.as_ref())?)?;
        Ok(Self { master, entropy })
    }

    /// Opens a key file.
    pub fn open(
        disk: &dyn Disk,
        path: &str,
        passphrase: Option<&[u8]>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, OpenKeyFileError> {
        let json = Zeroizing::new(disk.read(path, KEY_FILE_BYTES_MAX)?);
        Ok(Self { master: MasterKey::from_json(&json, passphrase)?, entropy })
    }

    fn damaged(&self) -> KeyServiceError {
        KeyServiceError::Damaged { kind: self.kind(), id: self.id() }
    }
}

impl KeyService for KeyFile {
    fn kind(&self) -> ServiceKind {
        ServiceKind::key_file()
    }

    fn id(&self) -> String {
        self.master.key().id().to_string()
    }

    fn wrap(&self, context: &[u8], secret: &[u8]) -> Result<Vec<u8>, KeyServiceError> {
        let wrapped = self.master.key().wrap(context, secret, self.entropy.as_ref());
        wrapped.map_err(|source| KeyServiceError::Refused {
            kind: self.kind(),
            id: self.id(),
            source: Box::new(source),
        })
    }

    fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyServiceError> {
        self.master.key().unwrap(context, wrapped).map_err(|_| self.damaged())
    }
}

#[cfg(test)]
mod tests {
    use strongroom_core::id::DomainId;
    use strongroom_core::seal::{Keyring, KeyringError, Recovery};

    use super::*;
    use crate::disk::SimDisk;
    use crate::rng::SimEntropy;

    fn entropy(seed: u64) -> Arc<dyn Entropy> {
        Arc::new(SimEntropy::from_seed(seed))
    }

    #[test]
    fn opens_a_keyring_that_it_wrapped_and_no_other() {
        for profile in [Profile::Blake3, Profile::Fips] {
            let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
            let passphrase = Some((&b"open sesame"[..], PassphraseCost::for_tests(profile)));
            let made = KeyFile::create(&disk, "room.key", profile, passphrase, entropy(1)).unwrap();
            let recovery = Recovery { jurisdiction: "DE", service: &made };
            let ring = Keyring::create(profile, DomainId([1; 16]), &[recovery], &SimEntropy::from_seed(2)).unwrap();
            let opened = KeyFile::open(disk.as_ref(), "room.key", Some(b"open sesame"), entropy(3)).unwrap();
            assert!(ring.open(&opened).is_ok());

            let other = KeyFile::create(&disk, "other.key", profile, None, entropy(4)).unwrap();
            assert!(matches!(ring.open(&other), Err(KeyringError::WrongKey { .. })));
            let wrong = KeyFile::open(disk.as_ref(), "room.key", Some(b"open says me"), entropy(5));
            assert!(matches!(wrong, Err(OpenKeyFileError::Document(KeyFileError::WrongPassphrase))));
        }
    }

    #[test]
    fn never_writes_over_a_key() {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
        let make = || KeyFile::create(&disk, "room.key", Profile::Blake3, None, entropy(1));
        make().unwrap();
        assert!(matches!(make(), Err(OpenKeyFileError::Disk(DiskError::AlreadyExists { .. }))));
    }
}
