//! A base in memory: the twin of the database for simulations, benches and tests.
//!
//! Owns flushed rows and nothing more. It is as durable as the process.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use super::layer::Layer;
use super::rows::{Base, RawRows, Unreadable};

/// Flushed rows in memory.
#[derive(Debug, Default)]
pub struct MemoryBase {
    rows: RwLock<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl MemoryBase {
    /// Takes a frozen layer in, whole.
    pub fn flush(&self, layer: &Layer) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in layer.iter() {
            match value {
                Some(value) => drop(rows.insert(key.to_vec(), value.to_vec())),
                None => drop(rows.remove(key)),
            }
        }
    }
}

impl Base for MemoryBase {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        Ok(self.rows.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<RawRows, Unreadable> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let found = rows.range(from.to_vec()..).take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}
