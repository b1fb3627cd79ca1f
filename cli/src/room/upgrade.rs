//! Rooms of the first version, which had a catalog of sources in one file and no group.
//!
//! ```text
//!   catalog.redb ─► state/agent/<source>/source ─► member built from the depot ─► room.toml, version 2 ─► catalog gone
//! ```
//!
//! Owns the way to the present version. Until `room.toml` says version 2, all of it is done again from the start, since
//! the catalog is read and not changed; the ids of the room's parts are then drawn anew.

mod catalog;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use strongroom_coordinator::state::query;
use strongroom_core::id::{SnapshotId, SourceId};
use strongroom_platform::disk::{Disk, durable_replace};

use super::group::unread;
use super::kept::{RegisteredSource, RunFacts};
use super::rebuild::{free_name, remove_folder};
use super::settings::{FirstSettings, Found, Parts, Settings};
use super::{Machine, Room, locks, paths};
use crate::failure::{Attempt as _, Failure};
use catalog::Catalog;

/// The catalog of a room of the first version, and its lock.
const CATALOG: &str = "state/catalog.redb";
const CATALOG_LOCK: &str = "state/catalog.lock";

/// Brings a room to the present version, unless another process has done so meanwhile.
pub(super) fn upgrade(
    root: PathBuf,
    disk: &Arc<dyn Disk>,
    first: &FirstSettings,
    machine: &Machine,
) -> Result<Room, Failure> {
    let what = || "can't bring the room to this release's version";
    // A process of the earlier release may be at work in the catalog; one of this release holds the member's lock.
    let _catalog = locks::wait_for(&root.join(CATALOG_LOCK))?;
    let mut upgraded =
        Room::assemble(root, Arc::clone(disk), first.with(Parts::mint(machine.entropy.as_ref())?)?, machine)?;
    let held = upgraded.lock_member()?;
    if let Found::Current(settings) = Settings::read(disk.as_ref())? {
        upgraded.settings = settings;
        return Ok(upgraded);
    }
    remove_folder(&upgraded.root().join(paths::MEMBER))?;
    let (renamed, runs) = upgraded.keep_all(disk.exists(CATALOG).attempt(what)?)?;
    let rebuilt = upgraded.rebuild()?;
    drop(held);
    upgraded.sort_runs(&runs)?;
    durable_replace(disk, paths::SETTINGS, upgraded.settings.to_toml()?.as_bytes()).attempt(what)?;
    for left in [CATALOG, CATALOG_LOCK] {
        if disk.exists(left).attempt(what)? {
            disk.remove(left).attempt(what)?;
        }
    }
    upgraded.notices.push("the room was brought to version 2: earlier releases can't open it any more".to_owned());
    upgraded.notices.extend(rebuilt);
    upgraded.notices.extend(renamed);
    Ok(upgraded)
}

impl Room {
    /// Writes what the catalog holds into the agent's files; gives what is to be told of it, and the runs.
    fn keep_all(&self, is_there: bool) -> Result<(Vec<String>, BTreeMap<SnapshotId, RunFacts>), Failure> {
        if !is_there {
            return Ok((Vec::new(), BTreeMap::new()));
        }
        let catalog = Catalog::open(&self.root().join(CATALOG), self.host().clone())?;
        let (mut names, mut renamed) = (BTreeSet::new(), Vec::new());
        for source in catalog.sources()? {
            let name = free_name(&source.name, &names);
            if name != source.name {
                renamed.push(format!("the source {} is called {name} now", source.name));
            }
            names.insert(name.clone());
            self.keep(&RegisteredSource { name, ..source })?;
        }
        Ok((renamed, catalog.runs()?))
    }

    /// Writes the runs of each source beside it.
    fn sort_runs(&self, runs: &BTreeMap<SnapshotId, RunFacts>) -> Result<(), Failure> {
        let mut sorted: BTreeMap<SourceId, Vec<_>> = BTreeMap::new();
        let group = self.group()?;
        for (snapshot, facts) in runs {
            if let Some(row) = query::snapshot(group.rows(), snapshot).attempt(unread)? {
                sorted.entry(row.source).or_default().push((row.facts.sequence, *snapshot, *facts));
            }
        }
        drop(group);
        let kept: BTreeSet<SourceId> = self.kept_ids()?.into_iter().collect();
        for (source, mut runs) in sorted {
            runs.sort_by_key(|(sequence, ..)| *sequence);
            if kept.contains(&source) {
                self.put_runs(source, runs.into_iter().map(|(_, snapshot, facts)| (snapshot, facts)).collect())?;
            }
        }
        Ok(())
    }
}
