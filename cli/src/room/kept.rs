//! What the agent keeps of each source, and tells nobody: where it is reached, as whom, and its keys.
//!
//! ```text
//!   state/agent/<source>/source    URL, password, id key, signing seed, profile, name; sealed under the host's key
//!   state/agent/<source>/retired   the same, of a source that is being forgotten
//!   state/agent/<source>/runs      bytes and time of the newest runs
//! ```
//!
//! Owns these two files. The group knows a source by its id and its name, and nothing of what stands here. A file is
//! replaced whole. The keyring in the depot has the id keys as well, so a restore needs none of it; the next snapshot
//! does.
//!
//! A source that is to be forgotten is set aside before the group hears of it: whatever dies then, a group that is built
//! anew does not take it for one that still lives. One file that can't be opened is that source's trouble alone.

use serde::{Deserialize, Serialize};
use strongroom_core::digest::{IdKey, Profile};
use strongroom_core::entropy::{Entropy, random_array};
use strongroom_core::error::Code;
use strongroom_core::id::{SnapshotId, SourceId};
use strongroom_core::seal::{HostKey, SealError, SigningKey};
use strongroom_core::time::WallTime;
use strongroom_platform::disk::{DiskError, durable_replace};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Room;
use crate::failure::{Attempt as _, Failure};
use crate::passphrase::Secret;

/// Bound to every seal, with the source's id.
const CONTEXT: &[u8] = b"strongroom v2 source of an agent";
/// A URL and a password have some kilobytes at most.
const SOURCE_BYTES_MAX: u64 = 1 << 20;
/// Runs that are remembered for lists: more than a year of several a day. Lists do without older ones.
const RUNS_KEPT_MAX: usize = 4_096;
/// So many runs take some 150 bytes each.
const RUNS_BYTES_MAX: u64 = 4 << 20;

/// What the operator of this host may see of a source.
#[derive(Clone, Debug)]
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

/// What the agent of a source keeps to itself.
pub(crate) struct SourceSecrets {
    /// Its URL.
    pub(crate) url: Secret,
    /// Its password, if that does not stand in the URL.
    pub(crate) password: Option<Secret>,
    id_key: Zeroizing<[u8; 32]>,
    signing_seed: Zeroizing<[u8; 32]>,
}

/// A source as its agent knows it.
pub(crate) struct RegisteredSource {
    /// Its name.
    pub(crate) name: String,
    /// What may be seen.
    pub(crate) facts: SourceFacts,
    /// What may not.
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

/// The sealed document.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Document {
    name: String,
    shown: String,
    profile: String,
    added: i64,
    url: String,
    password: Option<String>,
    id_key: String,
    signing_seed: String,
}

/// The file with the runs.
#[derive(Default, Serialize, Deserialize)]
struct Runs {
    runs: Vec<(SnapshotId, RunFacts)>,
}

impl SourceSecrets {
    /// New keys for a source.
    pub(crate) fn generate(url: &str, password: Option<Secret>, entropy: &dyn Entropy) -> Result<Self, Failure> {
        let draw = || random_array(entropy).map(Zeroizing::new).attempt(|| "can't make the source's keys");
        Ok(Self { url: Zeroizing::new(url.to_owned()), password, id_key: draw()?, signing_seed: draw()? })
    }

    /// The secrets that an earlier release kept, its keys in hexadecimal digits.
    pub(super) fn from_parts(
        url: &str,
        password: Option<&str>,
        id_key: &str,
        signing_seed: &str,
    ) -> Result<Self, SealError> {
        Ok(Self {
            url: Zeroizing::new(url.to_owned()),
            password: password.map(|text| Zeroizing::new(text.to_owned())),
            id_key: key(id_key)?,
            signing_seed: key(signing_seed)?,
        })
    }

    /// The key of its ids.
    pub(crate) fn id_key(&self) -> IdKey {
        IdKey::from_bytes(*self.id_key)
    }

    /// The key that signs its heads.
    pub(crate) fn signer(&self, profile: Profile) -> Result<SigningKey, Failure> {
        SigningKey::from_seed(profile, &self.signing_seed).attempt(|| "the source's signing key can't be used")
    }
}

fn key(digits: &str) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let mut bytes = Zeroizing::new([0; 32]);
    let decoded = hex::decode_to_slice(digits, &mut *bytes);
    decoded.map_err(|_| SealError::BadKey { what: "a source's secret" })?;
    Ok(bytes)
}

impl RegisteredSource {
    fn seal(&self, host: &HostKey, entropy: &dyn Entropy) -> Result<Vec<u8>, Failure> {
        let secrets = &self.secrets;
        let document = Document {
            name: self.name.clone(),
            shown: self.facts.url.clone(),
            profile: self.facts.profile.clone(),
            added: self.facts.added.0,
            url: secrets.url.to_string(),
            password: secrets.password.as_ref().map(|password| password.to_string()),
            id_key: hex::encode(*secrets.id_key),
            signing_seed: hex::encode(*secrets.signing_seed),
        };
        let what = || "what this host keeps of the source can't be sealed";
        let json = Zeroizing::new(serde_json::to_vec(&document).attempt(what)?);
        host.wrap(&context(self.facts.id), &json, entropy).attempt(what)
    }

    fn open(id: SourceId, sealed: &[u8], host: &HostKey) -> Result<Self, Failure> {
        let what = || format!("what this host keeps of source {id} does not open under its key");
        let json = host.unwrap(&context(id), sealed).attempt(what)?;
        let document: Document = serde_json::from_slice(&json).attempt(what)?;
        let password = document.password.as_deref();
        let secrets = SourceSecrets::from_parts(&document.url, password, &document.id_key, &document.signing_seed)
            .attempt(what)?;
        let (url, profile) = (document.shown.clone(), document.profile.clone());
        let facts = SourceFacts { id, url, profile, added: WallTime(document.added) };
        Ok(Self { name: document.name.clone(), facts, secrets })
    }
}

fn context(source: SourceId) -> Vec<u8> {
    [CONTEXT, source.as_bytes()].concat()
}

impl Room {
    /// Writes down what the agent keeps of a source.
    pub(crate) fn keep(&self, source: &RegisteredSource) -> Result<(), Failure> {
        let what = || format!("can't write down the source {}", source.name);
        let sealed = source.seal(self.host(), self.entropy())?;
        self.disk().create_dir_all(&Self::agent_dir(source.facts.id)).attempt(what)?;
        durable_replace(self.disk(), &source_file(source.facts.id), hex::encode(&sealed).as_bytes()).attempt(what)
    }

    /// What the agent keeps of a source; nothing if this host has none of it.
    pub(crate) fn kept(&self, id: SourceId) -> Result<Option<RegisteredSource>, Failure> {
        let text = match self.disk().read(&source_file(id), SOURCE_BYTES_MAX) {
            Err(DiskError::NotFound { .. }) => return Ok(None),
            read => read.attempt(|| format!("can't read what this host keeps of source {id}"))?,
        };
        let damaged = |_| Failure::new(Code::Damaged, format!("{} is not what was written", source_file(id)));
        let sealed = hex::decode(&text).map_err(damaged)?;
        RegisteredSource::open(id, &sealed, self.host()).map(Some)
    }

    /// Sets aside what the agent keeps of a source that is to be forgotten; nothing, if there is none.
    pub(crate) fn set_aside(&self, id: SourceId) -> Result<(), Failure> {
        self.move_kept(id, &source_file(id), &retired_file(id))
    }

    /// Takes back that a source is to be forgotten.
    pub(crate) fn put_back(&self, id: SourceId) -> Result<(), Failure> {
        self.move_kept(id, &retired_file(id), &source_file(id))
    }

    fn move_kept(&self, id: SourceId, from: &str, to: &str) -> Result<(), Failure> {
        let what = || format!("can't set aside what this host keeps of source {id}");
        if self.disk().exists(from).attempt(what)? {
            self.disk().rename_replace(from, to).attempt(what)?;
            self.disk().sync_dir(&Self::agent_dir(id)).attempt(what)?;
        }
        Ok(())
    }

    /// Whether what the agent keeps of a source is set aside: somebody began to forget it.
    pub(crate) fn is_set_aside(&self, id: SourceId) -> bool {
        self.disk().exists(&retired_file(id)).unwrap_or_default()
    }

    /// The sources of which this host has a folder with what the agent keeps.
    pub(crate) fn kept_ids(&self) -> Result<Vec<SourceId>, Failure> {
        let what = || "can't list what this host keeps of its sources";
        if !self.disk().exists(AGENT_DIR).attempt(what)? {
            return Ok(Vec::new());
        }
        let entries = self.disk().list(AGENT_DIR).attempt(what)?;
        let ids = entries.iter().filter(|entry| entry.is_dir).filter_map(|entry| entry.name.parse().ok());
        let mut kept = Vec::new();
        for id in ids {
            if self.disk().exists(&source_file(id)).attempt(what)? {
                kept.push(id);
            }
        }
        Ok(kept)
    }

    /// Remembers a run.
    pub(crate) fn add_run(&self, source: SourceId, snapshot: SnapshotId, facts: RunFacts) -> Result<(), Failure> {
        let mut all = Runs { runs: self.runs_of(source) };
        all.runs.push((snapshot, facts));
        self.put_runs(source, all.runs)
    }

    /// Replaces the runs of a source that are remembered, the oldest first.
    pub(crate) fn put_runs(&self, source: SourceId, mut runs: Vec<(SnapshotId, RunFacts)>) -> Result<(), Failure> {
        let what = || "the run can't be written down";
        runs.drain(..runs.len().saturating_sub(RUNS_KEPT_MAX));
        let json = serde_json::to_vec(&Runs { runs }).attempt(what)?;
        durable_replace(self.disk(), &runs_file(source), &json).attempt(what)
    }

    /// The runs of a source that are remembered. What can't be read is not worth a failure: lists do without it.
    pub(crate) fn runs_of(&self, source: SourceId) -> Vec<(SnapshotId, RunFacts)> {
        let read = self.disk().read(&runs_file(source), RUNS_BYTES_MAX).ok();
        read.and_then(|json| serde_json::from_slice::<Runs>(&json).ok()).unwrap_or_default().runs
    }
}

/// Where the folders of all sources lie.
pub(super) const AGENT_DIR: &str = "state/agent";

fn source_file(source: SourceId) -> String {
    format!("{}/source", Room::agent_dir(source))
}

fn retired_file(source: SourceId) -> String {
    format!("{}/retired", Room::agent_dir(source))
}

fn runs_file(source: SourceId) -> String {
    format!("{}/runs", Room::agent_dir(source))
}
