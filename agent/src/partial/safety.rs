//! The safety copy: what a restore overwrites, deletes and makes, durable before it takes effect.
//!
//! ```text
//!  DIR/<restore>.copy      sealed under the host's key: what was there, what was written, where
//!  DIR/<restore>.outcome   what became of it: committed, or gone
//! ```
//!
//! A copy without an outcome is of a run that died around its COMMIT: the next one finds out (see [`super::settle`]).
//! Nothing here removes a copy.
//!
//! ```text
//!  copy    = bytes(sealed place)  bytes(sealed content)
//!  content = bytes(description, JSON)  record*
//!  record  = varint(class)  bytes(key)  bytes(key text)  state(before)  state(after)
//!  state   = 00 not there · 01 bytes(row)
//! ```

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use strongroom_core::codec::{Malformed, Reader, put_bytes, put_varint};
use strongroom_core::entropy::Entropy;
use strongroom_core::id::{RestoreId, SnapshotId};
use strongroom_core::record::ClassSchema;
use strongroom_core::seal::HostKey;
use strongroom_platform::disk::{Disk, DiskError, durable, durable_write};

use super::ask::ROW_BYTES_MAX;
use super::error::PartialError;
use super::row::Row;
use crate::live::TransactionMark;

const VERSION: u32 = 1;
const CONTEXT: &[u8] = b"strongroom v1 safety copy";
/// The place stands apart, so that damage to a copy is no business of restores into other targets.
const PLACE_CONTEXT: &[u8] = b"strongroom v1 safety copy place";
/// Rows before and after, and what describes them.
const COPY_BYTES_MAX: u64 = 3 * ROW_BYTES_MAX as u64;
const OUTCOME_BYTES_MAX: u64 = 4096;

/// What is said of a restore beside its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Description {
    version: u32,
    snapshot: SnapshotId,
    source: String,
    place: String,
    mark: Option<TransactionMark>,
    undoes: Option<RestoreId>,
    classes: Vec<ClassSchema>,
    records: u64,
}

/// One record before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedRecord {
    /// The position of its class.
    pub class: usize,
    /// Its encoded key.
    pub key: Vec<u8>,
    /// The same as people write it.
    pub key_text: String,
    /// As it was, all columns of the target; nothing if it was not there.
    pub before: Option<Row>,
    /// As it was written.
    pub after: Option<Row>,
}

/// What a restore overwrites, deletes and makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafetyCopy {
    /// The restore.
    pub restore: RestoreId,
    /// The snapshot that it is from.
    pub snapshot: SnapshotId,
    /// The source of that.
    pub source: String,
    /// The target, as [`crate::live::LiveTarget::place`] names it.
    pub place: String,
    /// By what the target knows the transaction again.
    pub mark: Option<TransactionMark>,
    /// The restore that this one undoes.
    pub undoes: Option<RestoreId>,
    /// The classes, as the target had them.
    pub classes: Vec<ClassSchema>,
    /// The records.
    pub records: Vec<SavedRecord>,
}

/// What became of a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It took effect.
    Committed,
    /// It did not.
    Gone,
}

#[derive(Serialize, Deserialize)]
struct OutcomeDocument {
    version: u32,
    outcome: Outcome,
}

impl SafetyCopy {
    fn to_bytes(&self) -> Result<Vec<u8>, PartialError> {
        let description = Description {
            version: VERSION,
            snapshot: self.snapshot,
            source: self.source.clone(),
            place: self.place.clone(),
            mark: self.mark.clone(),
            undoes: self.undoes,
            classes: self.classes.clone(),
            records: self.records.len() as u64,
        };
        let mut out = Vec::new();
        put_bytes(&mut out, &serde_json::to_vec(&description).map_err(PartialError::SafetyCopy)?);
        for record in &self.records {
            put_varint(&mut out, record.class as u64);
            put_bytes(&mut out, &record.key);
            put_bytes(&mut out, record.key_text.as_bytes());
            for state in [&record.before, &record.after] {
                out.push(u8::from(state.is_some()));
                if let Some(row) = state {
                    put_bytes(&mut out, row.as_bytes());
                }
            }
        }
        Ok(out)
    }

    fn from_bytes(restore: RestoreId, bytes: &[u8]) -> Result<Self, PartialError> {
        let mut reader = Reader::new(bytes, "safety copy");
        let description: Description = serde_json::from_slice(reader.bytes()?).map_err(PartialError::SafetyCopy)?;
        if description.version != VERSION {
            return Err(Malformed::new("safety copy of a version that this program does not know").into());
        }
        let mut records = Vec::new();
        for _ in 0..description.records {
            let class = reader.bounded(description.classes.len() as u64)?;
            let key = reader.bytes()?.to_vec();
            let key_text = String::from_utf8_lossy(reader.bytes()?).into_owned();
            let mut state = || match reader.u8()? {
                0 => Ok(None),
                1 => Row::from_bytes(reader.bytes()?).map(Some),
                _ => Err(reader.malformed()),
            };
            records.push(SavedRecord { class, key, key_text, before: state()?, after: state()? });
        }
        reader.finish()?;
        let Description { snapshot, source, place, mark, undoes, classes, .. } = description;
        Ok(Self { restore, snapshot, source, place, mark, undoes, classes, records })
    }
}

/// Where safety copies lie.
pub struct SafetyVault<'a> {
    disk: Arc<dyn Disk>,
    dir: String,
    host: HostKey,
    entropy: &'a dyn Entropy,
}

impl<'a> SafetyVault<'a> {
    /// The vault in a folder, which is made if it is not there.
    pub fn open(disk: Arc<dyn Disk>, dir: &str, host: HostKey, entropy: &'a dyn Entropy) -> Result<Self, PartialError> {
        disk.create_dir_all(dir).map_err(PartialError::NotKept)?;
        Ok(Self { disk, dir: dir.to_owned(), host, entropy })
    }

    fn path(&self, restore: &str, kind: &str) -> String {
        format!("{}/{restore}.{kind}", self.dir)
    }

    /// Keeps a copy. When this returns it is durable.
    pub fn keep(&self, copy: &SafetyCopy) -> Result<(), PartialError> {
        let mut sealed = Vec::new();
        for (what, content) in [(PLACE_CONTEXT, copy.place.as_bytes()), (CONTEXT, &copy.to_bytes()?)] {
            let part = self.host.wrap(&context(what, copy.restore), content, self.entropy);
            put_bytes(&mut sealed, &part.map_err(PartialError::Seal)?);
        }
        let path = self.path(&copy.restore.to_string(), "copy");
        durable_write(&self.disk, &path, &sealed).map_err(PartialError::NotKept)
    }

    /// The copy of a restore, by its id or enough of its beginning.
    pub fn load(&self, restore: &str) -> Result<SafetyCopy, PartialError> {
        self.open_copy(self.named(restore)?)
    }

    fn open_copy(&self, restore: RestoreId) -> Result<SafetyCopy, PartialError> {
        let bytes = self.read(restore)?;
        let mut parts = Reader::new(&bytes, "safety copy");
        let place = self.open_part(PLACE_CONTEXT, restore, parts.bytes()?)?;
        let content = self.open_part(CONTEXT, restore, parts.bytes()?)?;
        parts.finish()?;
        let copy = SafetyCopy::from_bytes(restore, &content)?;
        let is_whole = copy.place.as_bytes() == place.as_slice();
        if is_whole { Ok(copy) } else { Err(Malformed::new("safety copy of two places").into()) }
    }

    /// The copy of a restore, if it went into this place.
    pub(super) fn open_copy_of(&self, place: &str, restore: RestoreId) -> Result<Option<SafetyCopy>, PartialError> {
        let bytes = self.read(restore)?;
        let went = self.open_part(PLACE_CONTEXT, restore, Reader::new(&bytes, "safety copy").bytes()?)?;
        if went.as_slice() == place.as_bytes() { self.open_copy(restore).map(Some) } else { Ok(None) }
    }

    fn read(&self, restore: RestoreId) -> Result<Vec<u8>, PartialError> {
        self.disk.read(&self.path(&restore.to_string(), "copy"), COPY_BYTES_MAX).map_err(PartialError::NotKept)
    }

    fn open_part(
        &self,
        what: &[u8],
        restore: RestoreId,
        sealed: &[u8],
    ) -> Result<impl Deref<Target = Vec<u8>> + use<>, PartialError> {
        self.host.unwrap(&context(what, restore), sealed).map_err(PartialError::Seal)
    }

    fn named(&self, text: &str) -> Result<RestoreId, PartialError> {
        let missing = || PartialError::NoSafetyCopy { restore: text.to_owned() };
        let mut fitting = self.list()?.into_iter().filter(|id| !text.is_empty() && id.to_string().starts_with(text));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(missing()),
        }
    }

    /// The restores that have a copy. What became of one is told by [`SafetyVault::outcome`].
    pub fn list(&self) -> Result<BTreeSet<RestoreId>, PartialError> {
        let entries = self.disk.list(&self.dir).map_err(PartialError::NotKept)?;
        let copies = entries.iter().filter(|entry| !durable::is_temporary(&entry.name));
        Ok(copies.filter_map(|entry| entry.name.strip_suffix(".copy")?.parse().ok()).collect())
    }

    /// Notes what became of a restore. Told again it stays the same; told otherwise it fails.
    pub fn note(&self, restore: RestoreId, outcome: Outcome) -> Result<(), PartialError> {
        let document = OutcomeDocument { version: VERSION, outcome };
        let json = serde_json::to_vec(&document).map_err(PartialError::SafetyCopy)?;
        match durable_write(&self.disk, &self.path(&restore.to_string(), "outcome"), &json) {
            Ok(()) => Ok(()),
            Err(DiskError::AlreadyExists { .. }) if self.outcome(restore)? == Some(outcome) => Ok(()),
            Err(DiskError::AlreadyExists { .. }) => Err(PartialError::NotedOtherwise { restore }),
            Err(error) => Err(PartialError::NotKept(error)),
        }
    }

    /// What is noted of a restore.
    pub fn outcome(&self, restore: RestoreId) -> Result<Option<Outcome>, PartialError> {
        let path = self.path(&restore.to_string(), "outcome");
        let json = self.disk.read_if_there(&path, OUTCOME_BYTES_MAX).map_err(PartialError::NotKept)?;
        let document: Option<OutcomeDocument> =
            json.map(|json| serde_json::from_slice(&json).map_err(PartialError::SafetyCopy)).transpose()?;
        Ok(document.map(|document| document.outcome))
    }
}

fn context(what: &[u8], restore: RestoreId) -> Vec<u8> {
    [what, restore.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use strongroom_core::digest::Profile;
    use strongroom_core::record::{Cell, CellKind, ColumnId, KeySpec, put_cell};
    use strongroom_platform::disk::SimDisk;
    use strongroom_platform::rng::SystemEntropy;

    use super::*;

    fn row(bytes: &[u8]) -> Row {
        let mut out = Vec::new();
        put_cell(&mut out, ColumnId(0), Cell { column: ColumnId(1), kind: CellKind::Canonical, bytes });
        Row::from_bytes(&out).unwrap()
    }

    fn copy(records: Vec<SavedRecord>) -> SafetyCopy {
        let class = ClassSchema {
            name: "t".into(),
            columns: Vec::new(),
            key: KeySpec::Keyless,
            references: Vec::new(),
            dropped_id_max: 0,
        };
        SafetyCopy {
            restore: RestoreId([1; 16]),
            snapshot: SnapshotId([2; 16]),
            source: "cmdb".into(),
            place: "sqlite:a".into(),
            mark: Some(TransactionMark("7".into())),
            undoes: None,
            classes: vec![class],
            records,
        }
    }

    fn vault(disk: &Arc<dyn Disk>, key: u8) -> SafetyVault<'static> {
        let host = HostKey::new(Profile::Blake3, [key; 32]);
        SafetyVault::open(Arc::clone(disk), "restores", host, &SystemEntropy).unwrap()
    }

    proptest! {
        #[test]
        fn what_was_kept_is_given_back(
            states in prop::collection::vec((any::<Vec<u8>>(), any::<Option<Vec<u8>>>(), any::<Option<Vec<u8>>>()), 0..8),
        ) {
            let record = |(key, before, after): (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>)| SavedRecord {
                class: 0, key, key_text: "k".into(),
                before: before.map(|bytes| row(&bytes)), after: after.map(|bytes| row(&bytes)),
            };
            let kept = copy(states.into_iter().map(record).collect());
            let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
            vault(&disk, 1).keep(&kept).unwrap();
            prop_assert_eq!(vault(&disk, 1).load("01").unwrap(), kept);
        }
    }

    #[test]
    fn a_copy_opens_under_the_hosts_key_alone_and_damage_is_seen() {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
        vault(&disk, 1).keep(&copy(Vec::new())).unwrap();
        assert!(matches!(vault(&disk, 2).load("01"), Err(PartialError::Seal(_))));
        assert!(matches!(vault(&disk, 1).load("02"), Err(PartialError::NoSafetyCopy { .. })));
        let sealed = disk.read("restores/01010101010101010101010101010101.copy", 1 << 20).unwrap();
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            let other: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
            let vault = vault(&other, 1);
            durable_write(&other, "restores/01010101010101010101010101010101.copy", &damaged).unwrap();
            assert!(vault.load("01").is_err(), "byte {at}");
        }
    }

    #[test]
    fn an_outcome_is_noted_once() {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
        let vault = vault(&disk, 1);
        let id = RestoreId([1; 16]);
        vault.keep(&copy(Vec::new())).unwrap();
        assert_eq!((vault.list().unwrap(), vault.outcome(id).unwrap()), (BTreeSet::from([id]), None));
        vault.note(id, Outcome::Committed).unwrap();
        vault.note(id, Outcome::Committed).unwrap();
        assert!(
            matches!(vault.note(id, Outcome::Gone), Err(PartialError::NotedOtherwise { restore }) if restore == id)
        );
        assert_eq!(vault.outcome(id).unwrap(), Some(Outcome::Committed));
    }
}
