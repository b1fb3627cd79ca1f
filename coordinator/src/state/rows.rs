//! Rows by table: how they are named, read through the layers, and changed by one command.
//!
//! Owns the order of reading (change, overlay, frozen layer, base) and the digest that follows each change. A table is a
//! tag of one byte; a row's key is the tag and the bytes of its typed key, a row's value the postcard form of its typed
//! value. Tags are never given anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::digest::StateDigest;
use super::layer::Layer;
use super::tables::is_digested;

/// One kind of row.
pub trait Table {
    /// The first byte of each key. No two tables share one, and a tag whose table is gone is not used again.
    const TAG: u8;
    /// What names a row.
    type Key: Key;
    /// What a row holds.
    type Value: Serialize + DeserializeOwned;
}

/// A typed key whose bytes sort as the rows are to be listed.
pub trait Key: Sized {
    /// Appends the key's bytes.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads the key back; nothing if the bytes are those of no key.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

/// Rows as bytes, in key order: key, value.
pub type RawRows = Vec<(Vec<u8>, Vec<u8>)>;

/// The rows below the layers, as they were flushed.
pub trait Base: Send + Sync {
    /// The value of a row.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unreadable>;

    /// At most `limit` rows with keys from `from` on that begin with `prefix`, in key order.
    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<RawRows, Unreadable>;
}

/// A row that can't be read. The member must stop: it can't say any more what the state is.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The rows below can't be reached.
    #[error("the state's database can't be read")]
    Base(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A row's bytes are not those of its table.
    #[error("a row of table {table} is no row of that table")]
    Malformed {
        /// The table's tag.
        table: u8,
    },
}

/// All rows of the state.
pub struct Rows {
    base: Arc<dyn Base>,
    frozen: Option<Arc<Layer>>,
    overlay: Layer,
    digest: StateDigest,
}

impl Rows {
    /// The rows of a base whose digest is known.
    pub fn over(base: Arc<dyn Base>, digest: StateDigest) -> Self {
        Self { base, frozen: None, overlay: Layer::default(), digest }
    }

    /// The digest over all rows.
    pub const fn digest(&self) -> StateDigest {
        self.digest
    }

    /// Number of rows that changed since the last freeze.
    pub fn changed(&self) -> usize {
        self.overlay.len()
    }

    /// Takes what changed, for the base; nothing while an earlier layer is still on its way.
    pub fn freeze(&mut self) -> Option<Arc<Layer>> {
        if self.frozen.is_some() {
            return None;
        }
        let layer = Arc::new(std::mem::take(&mut self.overlay));
        self.frozen = Some(Arc::clone(&layer));
        Some(layer)
    }

    /// The frozen layer is in the base now.
    pub fn thaw(&mut self) {
        self.frozen = None;
    }

    /// The value of a row.
    pub fn get<T: Table>(&self, key: &T::Key) -> Result<Option<T::Value>, Unreadable> {
        self.bytes(&row_key::<T>(key))?.map(|bytes| decode::<T>(&bytes)).transpose()
    }

    /// At most `limit` rows of a table whose keys begin with `prefix` (bytes behind the tag), after the row `after`.
    pub fn list<T: Table>(&self, prefix: &[u8], after: Option<&T::Key>, limit: usize) -> Listed<T> {
        let rows = self.scan(&tagged::<T>(prefix), after.map(row_key::<T>), limit)?;
        rows.iter().map(|(key, value)| Ok((decode_key::<T>(key)?, decode::<T>(value)?))).collect()
    }

    /// Sets a row of the machine's own notes, which the digest leaves out.
    pub(super) fn note<T: Table>(&mut self, key: &T::Key, value: &T::Value) -> Result<(), Unreadable> {
        debug_assert!(!is_digested::<T>(), "only the machine's own notes stay out of the digest");
        let bytes = postcard::to_stdvec(value).map_err(|_| Unreadable::Malformed { table: T::TAG })?;
        self.overlay.set(row_key::<T>(key), Some(bytes));
        Ok(())
    }

    /// Whether a layer is on its way to the base.
    pub(super) const fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// The digest of all rows, counted anew: for a state that came from elsewhere. Reads `rows_at_once` at a time.
    pub fn count_digest(&self, rows_at_once: usize) -> Result<StateDigest, Unreadable> {
        let mut digest = StateDigest::default();
        for rows in self.pages(rows_at_once) {
            count_rows(&mut digest, &rows?);
        }
        Ok(digest)
    }

    /// All rows in key order, the machine's notes among them, `rows_at_once` at a time.
    pub fn pages(&self, rows_at_once: usize) -> impl Iterator<Item = Result<RawRows, Unreadable>> {
        let mut after = Some(None);
        std::iter::from_fn(move || {
            let rows = match self.scan(&[], after.take()?, rows_at_once) {
                Ok(rows) => rows,
                Err(error) => return Some(Err(error)),
            };
            after = Some(Some(rows.last()?.0.clone()));
            Some(Ok(rows))
        })
    }

    /// Begins the change of one command.
    pub fn change(&mut self) -> Change<'_> {
        Change { rows: self, writes: BTreeMap::new() }
    }

    fn bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        let layers = [Some(&self.overlay), self.frozen.as_deref()];
        match layers.into_iter().flatten().find_map(|layer| layer.get(key)) {
            Some(value) => Ok(value.map(<[u8]>::to_vec)),
            None => self.base.get(key),
        }
    }

    fn scan(&self, prefix: &[u8], after: Option<Vec<u8>>, limit: usize) -> Result<RawRows, Unreadable> {
        let mut from = after.map_or_else(|| prefix.to_vec(), successor);
        let mut found = Vec::new();
        while found.len() < limit {
            // The base may give rows that a layer takes away: ask until there are enough, or no more.
            let wanted = limit - found.len();
            let base = self.base.scan(prefix, &from, wanted)?;
            let until = if base.len() < wanted { None } else { base.last().map(|(key, _)| successor(key.clone())) };
            let mut merged: BTreeMap<Vec<u8>, Option<Vec<u8>>> =
                base.into_iter().map(|(key, value)| (key, Some(value))).collect();
            for layer in [self.frozen.as_deref(), Some(&self.overlay)].into_iter().flatten() {
                let rows = layer.range(&from).take_while(|(key, _)| key.starts_with(prefix));
                let rows = rows.take_while(|(key, _)| until.as_ref().is_none_or(|until| *key < until));
                merged.extend(rows.map(|(key, value)| (key.clone(), value.clone())));
            }
            found.extend(merged.into_iter().filter_map(|(key, value)| Some((key, value?))));
            match until {
                Some(until) => from = until,
                None => break,
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    fn commit(&mut self, writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Result<(), Unreadable> {
        for (key, value) in writes {
            let old = self.bytes(&key)?;
            if old == value {
                continue;
            }
            if let Some(old) = &old {
                self.digest.remove(&key, old);
            }
            if let Some(new) = &value {
                self.digest.add(&key, new);
            }
            self.overlay.set(key, value);
        }
        Ok(())
    }
}

/// Rows of one table, in key order.
pub type Listed<T> = Result<Vec<(<T as Table>::Key, <T as Table>::Value)>, Unreadable>;

/// What one command reads and writes; nothing of it is seen by others until it is committed.
pub struct Change<'a> {
    rows: &'a mut Rows,
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Change<'_> {
    /// The value of a row, as this command has left it.
    pub fn get<T: Table>(&self, key: &T::Key) -> Result<Option<T::Value>, Unreadable> {
        let key = row_key::<T>(key);
        let bytes = match self.writes.get(&key) {
            Some(value) => value.clone(),
            None => self.rows.bytes(&key)?,
        };
        bytes.map(|bytes| decode::<T>(&bytes)).transpose()
    }

    /// At most `limit` rows as they were before this command; see [`Rows::list`].
    pub fn list_before<T: Table>(&self, prefix: &[u8], after: Option<&T::Key>, limit: usize) -> Listed<T> {
        self.rows.list::<T>(prefix, after, limit)
    }

    /// Number of rows written so far.
    pub(super) fn written(&self) -> usize {
        self.writes.len()
    }

    /// Forgets all that was written: the command was rejected.
    pub(super) fn forget(&mut self) {
        self.writes.clear();
    }

    /// Sets a row.
    pub fn put<T: Table>(&mut self, key: &T::Key, value: &T::Value) -> Result<(), Unreadable> {
        let bytes = postcard::to_stdvec(value).map_err(|_| Unreadable::Malformed { table: T::TAG })?;
        self.writes.insert(row_key::<T>(key), Some(bytes));
        Ok(())
    }

    /// Takes a row away.
    pub fn remove<T: Table>(&mut self, key: &T::Key) {
        self.writes.insert(row_key::<T>(key), None);
    }

    /// Makes the writes part of the state. A change that is dropped instead leaves nothing.
    pub fn commit(self) -> Result<(), Unreadable> {
        self.rows.commit(self.writes)
    }
}

/// Takes rows into a digest, except for the machine's own notes, which are no part of it.
pub fn count_rows(digest: &mut StateDigest, rows: &RawRows) {
    for (key, value) in rows.iter().filter(|(key, _)| key.first() != Some(&super::tables::META)) {
        digest.add(key, value);
    }
}

fn tagged<T: Table>(prefix: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + prefix.len());
    bytes.push(T::TAG);
    bytes.extend_from_slice(prefix);
    bytes
}

fn row_key<T: Table>(key: &T::Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(33);
    bytes.push(T::TAG);
    key.encode(&mut bytes);
    bytes
}

fn decode_key<T: Table>(key: &[u8]) -> Result<T::Key, Unreadable> {
    let malformed = Unreadable::Malformed { table: T::TAG };
    key.split_first().and_then(|(_, key)| T::Key::decode(key)).ok_or(malformed)
}

fn decode<T: Table>(bytes: &[u8]) -> Result<T::Value, Unreadable> {
    let malformed = || Unreadable::Malformed { table: T::TAG };
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|_| malformed())?;
    if rest.is_empty() { Ok(value) } else { Err(malformed()) }
}

/// The smallest key behind one.
fn successor(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

#[cfg(test)]
mod tests;
