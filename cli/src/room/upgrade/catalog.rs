//! The catalog of a room of the first version: sources by name, with sealed secrets, and facts of past runs.
//!
//! It is only read. The secrets were sealed under the host's key, as the agent's files are today.

use std::collections::BTreeMap;
use std::path::Path;

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError};
use serde::Deserialize;
use strongroom_core::codec::Hex;
use strongroom_core::error::Code;
use strongroom_core::id::{SnapshotId, SourceId};
use strongroom_core::seal::HostKey;
use strongroom_core::time::WallTime;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::failure::{Attempt as _, Failure};
use crate::room::kept::{RegisteredSource, RunFacts, SourceFacts, SourceSecrets};

const SOURCES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("sources");
const RUNS: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("runs");
const CONTEXT: &[u8] = b"strongroom v1 source secrets";

#[derive(Deserialize)]
struct SourceRecord {
    id: SourceId,
    url: String,
    profile: String,
    added: WallTime,
    sealed: Hex,
}

#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
struct SecretDocument {
    url: String,
    password: Option<String>,
    id_key: String,
    signing_seed: String,
}

/// The catalog, while nobody else has it.
pub(super) struct Catalog {
    database: Database,
    host: HostKey,
}

impl Catalog {
    /// Opens a catalog that is there.
    pub(super) fn open(path: &Path, host: HostKey) -> Result<Self, Failure> {
        Ok(Self { database: Database::open(path).map_err(failed)?, host })
    }

    /// The sources.
    pub(super) fn sources(&self) -> Result<Vec<RegisteredSource>, Failure> {
        let read = self.database.begin_read().map_err(failed)?;
        let table = match read.open_table(SOURCES) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            table => table.map_err(failed)?,
        };
        let mut sources = Vec::new();
        for entry in table.iter().map_err(failed)? {
            let (name, value) = entry.map_err(failed)?;
            sources.push(self.source(name.value(), value.value())?);
        }
        Ok(sources)
    }

    fn source(&self, name: &str, record: &[u8]) -> Result<RegisteredSource, Failure> {
        let what = || format!("the catalog's record of the source {name} can't be read");
        let SourceRecord { id, url, profile, added, sealed } = serde_json::from_slice(record).attempt(what)?;
        let json = self.host.unwrap(&[CONTEXT, id.as_bytes()].concat(), &sealed.0).attempt(what)?;
        let document: SecretDocument = serde_json::from_slice(&json).attempt(what)?;
        let password = document.password.as_deref();
        let secrets = SourceSecrets::from_parts(&document.url, password, &document.id_key, &document.signing_seed);
        let facts = SourceFacts { id, url, profile, added };
        Ok(RegisteredSource { name: name.to_owned(), facts, secrets: secrets.attempt(what)? })
    }

    /// All runs that are remembered.
    pub(super) fn runs(&self) -> Result<BTreeMap<SnapshotId, RunFacts>, Failure> {
        let read = self.database.begin_read().map_err(failed)?;
        let table = match read.open_table(RUNS) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(BTreeMap::new()),
            table => table.map_err(failed)?,
        };
        let mut runs = BTreeMap::new();
        for entry in table.iter().map_err(failed)? {
            let (snapshot, value) = entry.map_err(failed)?;
            // Facts in another form are not worth a failure: lists do without them.
            if let Ok(facts) = serde_json::from_slice(value.value()) {
                runs.insert(SnapshotId(*snapshot.value()), facts);
            }
        }
        Ok(runs)
    }
}

fn failed(error: impl Into<redb::Error>) -> Failure {
    let error: redb::Error = error.into();
    let code = match &error {
        redb::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => Code::NoSpace,
        redb::Error::Corrupted(_) => Code::Damaged,
        _ => Code::VolumeFailed,
    };
    Failure::because(code, "the catalog of sources can't be read", error)
}
