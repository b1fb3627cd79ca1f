//! The catalog: the sources of a room by name, with what their agent must keep secret, and facts of past runs.
//!
//! Secrets (the URL, which may hold a password; the id key; the signing seed) are sealed under the host's key. The
//! catalog is opened for moments, and processes wait for each other. What it holds is not needed to restore: the keyring
//! in the depot has the id keys as well.

use std::collections::BTreeMap;
use std::path::Path;

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::{Deserialize, Serialize};
use strongroom_core::codec::Hex;
use strongroom_core::digest::{IdKey, Profile};
use strongroom_core::entropy::{Entropy, random_array};
use strongroom_core::error::Code;
use strongroom_core::id::{SnapshotId, SourceId};
use strongroom_core::seal::{HostKey, SealError, SigningKey};
use strongroom_core::time::WallTime;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::locks::{self, Held};
use crate::failure::{Attempt as _, Failure};
use crate::passphrase::Secret;

const SOURCES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("sources");
const RUNS: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("runs");
const CONTEXT: &[u8] = b"strongroom v1 source secrets";

/// What everybody may know of a source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SourceFacts {
    /// Its id.
    pub(crate) id: SourceId,
    /// Its URL without secrets.
    pub(crate) url: String,
    /// The profile.
    pub(crate) profile: String,
    /// When it was registered.
    pub(crate) added: WallTime,
}

#[derive(Serialize, Deserialize)]
struct SourceRecord {
    #[serde(flatten)]
    facts: SourceFacts,
    sealed: Hex,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct SecretDocument {
    url: String,
    password: Option<String>,
    id_key: String,
    signing_seed: String,
}

/// What the agent of a source keeps.
pub(crate) struct SourceSecrets {
    /// Its URL.
    pub(crate) url: Secret,
    /// Its password, if that does not stand in the URL.
    pub(crate) password: Option<Secret>,
    id_key: Zeroizing<[u8; 32]>,
    signing_seed: Zeroizing<[u8; 32]>,
}

impl SourceSecrets {
    /// New keys for a source.
    pub(crate) fn generate(url: &str, password: Option<Secret>, entropy: &dyn Entropy) -> Result<Self, Failure> {
        let draw = || random_array(entropy).map(Zeroizing::new).attempt(|| "can't make the source's keys");
        Ok(Self { url: Zeroizing::new(url.to_owned()), password, id_key: draw()?, signing_seed: draw()? })
    }

    /// The key of its ids.
    pub(crate) fn id_key(&self) -> IdKey {
        IdKey::from_bytes(*self.id_key)
    }

    /// The key that signs its heads.
    pub(crate) fn signer(&self, profile: Profile) -> Result<SigningKey, Failure> {
        SigningKey::from_seed(profile, &self.signing_seed).attempt(|| "the source's signing key can't be used")
    }

    fn seal(&self, source: SourceId, host: &HostKey, entropy: &dyn Entropy) -> Result<Hex, Failure> {
        let document = SecretDocument {
            url: self.url.to_string(),
            password: self.password.as_ref().map(|password| password.to_string()),
            id_key: hex::encode(*self.id_key),
            signing_seed: hex::encode(*self.signing_seed),
        };
        let what = || "the source's secrets can't be sealed";
        let json = Zeroizing::new(serde_json::to_vec(&document).attempt(what)?);
        Ok(Hex(host.wrap(&context(source), &json, entropy).attempt(what)?))
    }

    fn open(source: SourceId, host: &HostKey, sealed: &Hex) -> Result<Self, Failure> {
        let what = || "the source's secrets don't open under this host's key";
        let json = host.unwrap(&context(source), &sealed.0).attempt(what)?;
        let document: SecretDocument = serde_json::from_slice(&json).attempt(what)?;
        let key = |digits: &str| {
            let mut bytes = Zeroizing::new([0; 32]);
            let decoded = hex::decode_to_slice(digits, &mut *bytes);
            decoded.map_err(|_| SealError::BadKey { what: "a source's secret" }).attempt(what)?;
            Ok::<_, Failure>(bytes)
        };
        Ok(Self {
            id_key: key(&document.id_key)?,
            signing_seed: key(&document.signing_seed)?,
            url: Zeroizing::new(document.url.clone()),
            password: document.password.clone().map(Zeroizing::new),
        })
    }
}

/// A source with its secrets.
pub(crate) struct RegisteredSource {
    /// Its name.
    pub(crate) name: String,
    /// What everybody may know.
    pub(crate) facts: SourceFacts,
    /// What its agent keeps.
    pub(crate) secrets: SourceSecrets,
}

/// What a backup leaves for later lists.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct RunFacts {
    /// Bytes read from the source.
    pub(crate) bytes_read: u64,
    /// Bytes that reached the depot, overhead included.
    pub(crate) bytes_stored: u64,
    /// From the start of the command to the commit.
    pub(crate) duration_ms: u64,
}

/// The catalog, while nobody else has it.
pub(crate) struct Catalog {
    database: Database,
    host: HostKey,
    _held: Held,
}

impl Catalog {
    /// Opens the catalog, making it where there is none.
    pub(crate) fn open(path: &Path, host: HostKey) -> Result<Self, Failure> {
        let held = locks::wait_for(&path.with_extension("lock"))?;
        let database = Database::create(path).map_err(failed)?;
        let write = database.begin_write().map_err(failed)?;
        write.open_table(SOURCES).map_err(failed)?;
        write.open_table(RUNS).map_err(failed)?;
        write.commit().map_err(failed)?;
        Ok(Self { database, host, _held: held })
    }

    /// The sources by name.
    pub(crate) fn sources(&self) -> Result<BTreeMap<String, SourceFacts>, Failure> {
        let read = self.database.begin_read().map_err(failed)?;
        let mut sources = BTreeMap::new();
        for entry in read.open_table(SOURCES).map_err(failed)?.iter().map_err(failed)? {
            let (name, value) = entry.map_err(failed)?;
            sources.insert(name.value().to_owned(), record(value.value())?.facts);
        }
        Ok(sources)
    }

    /// A source by its name.
    pub(crate) fn source(&self, name: &str) -> Result<Option<RegisteredSource>, Failure> {
        let read = self.database.begin_read().map_err(failed)?;
        let sources = read.open_table(SOURCES).map_err(failed)?;
        let Some(value) = sources.get(name).map_err(failed)? else { return Ok(None) };
        let SourceRecord { facts, sealed } = record(value.value())?;
        let secrets = SourceSecrets::open(facts.id, &self.host, &sealed)?;
        Ok(Some(RegisteredSource { name: name.to_owned(), facts, secrets }))
    }

    /// A source by its URL.
    pub(crate) fn source_at(&self, url: &str) -> Result<Option<RegisteredSource>, Failure> {
        for name in self.sources()?.keys() {
            let found = self.source(name)?.filter(|source| *source.secrets.url == url);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Enters a source under a name that is free.
    pub(crate) fn add(&self, source: &RegisteredSource, entropy: &dyn Entropy) -> Result<(), Failure> {
        let sealed = source.secrets.seal(source.facts.id, &self.host, entropy)?;
        let record = SourceRecord { facts: source.facts.clone(), sealed };
        let json = serde_json::to_vec(&record).attempt(|| "the source can't be written down")?;
        let write = self.database.begin_write().map_err(failed)?;
        {
            let mut sources = write.open_table(SOURCES).map_err(failed)?;
            sources.insert(source.name.as_str(), json.as_slice()).map_err(failed)?;
        }
        write.commit().map_err(failed)
    }

    /// Forgets a source, its secrets included.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Failure> {
        let write = self.database.begin_write().map_err(failed)?;
        write.open_table(SOURCES).map_err(failed)?.remove(name).map_err(failed)?;
        write.commit().map_err(failed)
    }

    /// Remembers a run.
    pub(crate) fn add_run(&self, snapshot: SnapshotId, facts: RunFacts) -> Result<(), Failure> {
        let json = serde_json::to_vec(&facts).attempt(|| "the run can't be written down")?;
        let write = self.database.begin_write().map_err(failed)?;
        {
            let mut runs = write.open_table(RUNS).map_err(failed)?;
            runs.insert(snapshot.as_bytes(), json.as_slice()).map_err(failed)?;
        }
        write.commit().map_err(failed)
    }

    /// All runs that are remembered.
    pub(crate) fn runs(&self) -> Result<BTreeMap<SnapshotId, RunFacts>, Failure> {
        let read = self.database.begin_read().map_err(failed)?;
        let mut runs = BTreeMap::new();
        for entry in read.open_table(RUNS).map_err(failed)?.iter().map_err(failed)? {
            let (snapshot, value) = entry.map_err(failed)?;
            // Facts that another release wrote in another form are not worth a failure: lists do without them.
            if let Ok(facts) = serde_json::from_slice(value.value()) {
                runs.insert(SnapshotId(*snapshot.value()), facts);
            }
        }
        Ok(runs)
    }
}

fn context(source: SourceId) -> Vec<u8> {
    [CONTEXT, source.as_bytes()].concat()
}

fn record(value: &[u8]) -> Result<SourceRecord, Failure> {
    let record = serde_json::from_slice(value).attempt(|| "the catalog of sources is damaged");
    record.map_err(|failure| failure.advise("Put state/catalog.redb back from a copy; the depot is not concerned."))
}

fn failed(error: impl Into<redb::Error>) -> Failure {
    let error: redb::Error = error.into();
    let code = match &error {
        redb::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => Code::NoSpace,
        redb::Error::Corrupted(_) => Code::Damaged,
        _ => Code::VolumeFailed,
    };
    Failure::because(code, "the catalog of sources can't be used", error)
}
