//! When a snapshot is protected, by the plainest means: all packs that it needs, every copy, every depot.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_core::id::{PackId, SnapshotId, SourceId};

use super::world::World;
use crate::state::depots::DepotState;
use crate::state::placement::PackCopies;
use crate::state::text::{CountryCode, JurisdictionName, Name};
use crate::state::{Rows, query};

const ALL: usize = 1_000;

/// The packs that a snapshot needs: the fold of the differences up to it.
pub(super) fn packs_of(rows: &Rows, source: SourceId, sequence: u64) -> BTreeSet<PackId> {
    let mut fold = BTreeSet::new();
    for (snapshot, row) in query::snapshots(rows, source, None, ALL).unwrap().rows.iter().rev() {
        if row.facts.sequence > sequence {
            break;
        }
        let difference = query::snapshot_packs(rows, snapshot).unwrap().unwrap();
        if difference.restarts {
            fold.clear();
        }
        fold.retain(|pack| !difference.dropped.contains(pack));
        fold.extend(difference.added.iter().map(|added| added.pack));
    }
    fold
}

fn covered(rows: &Rows, jurisdictions: impl IntoIterator<Item = JurisdictionName>) -> BTreeSet<CountryCode> {
    let rows = jurisdictions.into_iter().map(|name| query::jurisdiction(rows, &name).unwrap().unwrap());
    rows.flat_map(|row| row.codes).collect()
}

/// Whether enough lawful copies of a pack lie in enough regions.
fn is_placed(rows: &Rows, source: SourceId, pack: PackId) -> bool {
    let terms = query::source(rows, &source).unwrap().unwrap().terms;
    let allowed = covered(rows, terms.jurisdictions);
    let mut regions = Vec::new();
    for ((_, depot), copy) in rows.list::<PackCopies>(pack.as_bytes(), None, ALL).unwrap() {
        let depot = query::depot(rows, &depot).unwrap().unwrap();
        let region = query::site(rows, &depot.site).unwrap().unwrap().region;
        let jurisdiction = query::region(rows, &region).unwrap().unwrap().jurisdiction;
        let is_lawful = covered(rows, [jurisdiction]).is_subset(&allowed);
        if depot.state != DepotState::Lost && depot.generation == copy.generation && is_lawful {
            regions.push(region);
        }
    }
    let copies = regions.len();
    let regions: BTreeSet<Name> = regions.into_iter().collect();
    copies >= usize::from(terms.copies) && regions.len() >= usize::from(terms.regions)
}

/// Whether all that a snapshot needs lies where it should.
pub(super) fn is_whole(rows: &Rows, source: SourceId, sequence: u64) -> bool {
    packs_of(rows, source, sequence).into_iter().all(|pack| is_placed(rows, source, pack))
}

/// Which snapshots are protected.
pub(super) fn protected(world: &World, source: SourceId) -> BTreeMap<SnapshotId, u64> {
    let listed = query::snapshots(world.machine.rows(), source, None, ALL).unwrap().rows;
    let protected = listed.into_iter().filter(|(_, row)| row.protected_ms.is_some());
    protected.map(|(snapshot, row)| (snapshot, row.facts.sequence)).collect()
}
