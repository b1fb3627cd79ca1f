//! The packs that a snapshot needs: the fold of additions and drops along the chain of heads.

use std::collections::BTreeMap;

use super::ManifestError;
use super::head::{ManifestHead, PackRef};
use crate::id::PackId;

/// All packs that the newest head of a fold needs, delta bases included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NeededPacks(BTreeMap<PackId, PackRef>);

impl NeededPacks {
    /// Before the first head.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next head of the chain; one that does not fit changes nothing.
    pub fn apply(&mut self, head: &ManifestHead) -> Result<(), ManifestError> {
        let broken = |pack| Err(ManifestError::BrokenPackList { pack });
        let is_known = |pack: &PackId| !head.restarts_packs && self.0.contains_key(pack);
        if let Some(pack) = head.packs_dropped.iter().find(|pack| !is_known(pack)) {
            return broken(*pack);
        }
        let is_dropped = |pack: &PackId| head.packs_dropped.binary_search(pack).is_ok();
        if let Some(pack) = head.packs_added.iter().find(|new| is_known(&new.pack) && !is_dropped(&new.pack)) {
            return broken(pack.pack);
        }
        if head.restarts_packs {
            self.0.clear();
        }
        for pack in &head.packs_dropped {
            self.0.remove(pack);
        }
        self.0.extend(head.packs_added.iter().map(|pack| (pack.pack, *pack)));
        Ok(())
    }

    /// What a next head has to state, so that the fold yields `needed`: packs added and packs dropped.
    pub fn difference(&self, needed: &[PackRef]) -> (Vec<PackRef>, Vec<PackId>) {
        let needed: BTreeMap<PackId, PackRef> = needed.iter().map(|pack| (pack.pack, *pack)).collect();
        let added = needed.values().filter(|pack| !self.0.contains_key(&pack.pack)).copied().collect();
        let dropped = self.0.keys().filter(|pack| !needed.contains_key(pack)).copied().collect();
        (added, dropped)
    }

    /// The packs, ascending by id.
    pub fn packs(&self) -> impl ExactSizeIterator<Item = &PackRef> {
        self.0.values()
    }

    /// Whether a pack is needed.
    pub fn contains(&self, pack: PackId) -> bool {
        self.0.contains_key(&pack)
    }
}
