//! Building the group's member anew: at `init` from nothing, later from the depot's heads and what the agent keeps.
//!
//! ```text
//!   state/coordinator.new ─ create ─ found ─ register sources ─ commit heads ─► rename ─► state/coordinator
//! ```
//!
//! Owns the order: a member takes its place only when it is whole, so that whatever dies on the way leaves none, and the
//! next command begins again. What only the lost member knew is gone: runs, uploads, who asked for what. Nothing that a
//! restore needs is among it. A source of which the agent keeps nothing any more was retired, or is lost to this host:
//! its heads are committed under its id, and it is retired. One whose file can't be used lives on under its id. Both are
//! told, and so is whatever of the depot can't be committed; none of it stops the rest.

use std::collections::BTreeSet;
use std::path::Path;

use strongroom_coordinator::server::LocalMember;
use strongroom_coordinator::state::query;
use strongroom_coordinator::state::retired::RetireSource;
use strongroom_coordinator::state::sources::Engine;
use strongroom_coordinator::state::text::SourceName;
use strongroom_core::error::Code;
use strongroom_core::id::SourceId;
use strongroom_core::seal::VerifyingKey;
use strongroom_depot::backend::StoredManifest;

use super::group::{Group, unread};
use super::heads::Gap;
use super::kept::RegisteredSource;
use super::{Room, founding, paths};
use crate::failure::{Attempt as _, Failure};
use crate::render::text;
use crate::sources;

/// A source to be entered into a new group.
struct Known {
    id: SourceId,
    name: String,
    engine: Engine,
    signer: VerifyingKey,
    is_retired: bool,
}

impl Room {
    /// Makes the member if there is none; what to tell about it, unless the room is new.
    pub(super) fn ensure_member(&self) -> Result<Vec<String>, Failure> {
        if self.has_member()? {
            return Ok(Vec::new());
        }
        let _held = self.lock_member()?;
        // Another process may have made it meanwhile.
        if self.has_member()? { Ok(Vec::new()) } else { self.rebuild() }
    }

    fn has_member(&self) -> Result<bool, Failure> {
        let what = || format!("can't look into {}", paths::MEMBER);
        if !self.disk().exists(paths::MEMBER).attempt(what)? {
            return Ok(false);
        }
        let disk = self.disk_of(paths::MEMBER)?;
        if LocalMember::exists(disk.as_ref()).attempt(what)? {
            return Ok(true);
        }
        if disk.list("").attempt(what)?.is_empty() {
            return Ok(false);
        }
        Err(Failure::new(Code::MemberUnusable, format!("{} lacks a part of what a member is", paths::MEMBER)))
    }

    /// Builds the member; the caller holds its lock, and there is none.
    pub(super) fn rebuild(&self) -> Result<Vec<String>, Failure> {
        let what = || "can't make the room's coordinator";
        if !self.disk().exists(paths::DEPOT_KEY).attempt(what)? {
            self.make_depot_key()?;
        }
        remove_folder(&self.root().join(paths::MEMBER_NEW))?;
        self.disk().create_dir_all(paths::MEMBER_NEW).attempt(what)?;
        LocalMember::create(&self.disk_of(paths::MEMBER_NEW)?, self.entropy()).attempt(what)?;
        let mut group = Group::open_in(self, paths::MEMBER_NEW, None)?;
        let key = self.depot_key()?;
        let (member, now_ms) = (group.member().member(), group.member().accrued_ms());
        let founding = founding::founding(self.settings(), member, key.verifying_key(), now_ms, self.entropy())?;
        group.submit(founding, what)?;
        let manifests = self.backend().list_manifests().attempt(|| "can't read the depot")?.items;
        let mut told = Vec::new();
        let known = self.known_sources(&manifests, &mut told)?;
        let mut committed = 0;
        for source in &known {
            committed += self.enter(&mut group, source, &manifests, &mut told)?;
        }
        drop(group);
        std::fs::rename(self.root().join(paths::MEMBER_NEW), self.root().join(paths::MEMBER)).attempt(what)?;
        self.disk().sync_dir(paths::STATE).attempt(what)?;
        if !known.is_empty() {
            let counts = [("source", known.len() as u64), ("snapshot", committed)]
                .map(|(word, count)| text::plural(count, word, &format!("{word}s")));
            let built = "the room's coordinator was built anew from the depot and this host's files";
            told.insert(0, format!("{built}: {}", counts.join(", ")));
        }
        Ok(told)
    }

    /// Enters a source and its heads; gives the number of snapshots.
    fn enter(
        &self,
        group: &mut Group<'_>,
        source: &Known,
        manifests: &[StoredManifest],
        told: &mut Vec<String>,
    ) -> Result<u64, Failure> {
        let what = || format!("can't enter the source {} into the room's coordinator", source.name);
        let name = SourceName::new(&source.name).map_err(|error| Failure::because(Code::Internal, what(), error))?;
        let register = founding::registration(self.settings(), source.id, name, source.engine, &source.signer)?;
        let upload = group.open_upload(source.id, None, vec![register.into()])?;
        let is_bad = match group.commit_heads(&upload) {
            Err(failure) if is_of_depot(failure.code()) => {
                told.push(failure.chain().join(": "));
                true
            }
            committed => committed.map(|()| false)?,
        };
        let newest = query::head(group.rows(), &source.id).attempt(unread)?.map_or(0, |head| head.sequence);
        let ours = manifests.iter().filter(|manifest| manifest.source == source.id);
        let gap = Gap::from(newest.saturating_add(1), ours.map(|manifest| manifest.sequence));
        if let Some(gap) = gap.filter(|_| !is_bad) {
            told.push(gap.told(&source.name).to_string());
        }
        let mut ends = vec![upload.closing()];
        if source.is_retired {
            ends.push(RetireSource { source: source.id }.into());
        }
        group.submit(ends, what)?;
        Ok(newest)
    }

    /// The sources that the agent keeps, and those that only the depot knows.
    fn known_sources(&self, manifests: &[StoredManifest], told: &mut Vec<String>) -> Result<Vec<Known>, Failure> {
        let mut chains: BTreeSet<SourceId> = manifests.iter().map(|manifest| manifest.source).collect();
        let (mut kept, mut broken) = (Vec::new(), Vec::new());
        for id in self.kept_ids()? {
            match self.kept_to_sign(id) {
                Ok(found) => kept.extend(found),
                Err(failure) => {
                    broken.push(id);
                    told.push(failure.chain().join(": "));
                }
            }
        }
        // Of two under one name, the one that has snapshots was registered to its end.
        kept.sort_by_key(|(source, _)| (!chains.contains(&source.facts.id), source.facts.added));
        let mut known = Vec::new();
        let mut names = BTreeSet::new();
        for (RegisteredSource { name, facts, secrets }, signer) in kept {
            let has_snapshots = chains.remove(&facts.id);
            if names.contains(&name) && !has_snapshots {
                continue;
            }
            let name = free_name(&name, &names);
            names.insert(name.clone());
            let engine = sources::Engine::of(&secrets.url).map_or(Engine::Service, sources::Engine::of_group);
            known.push(Known { id: facts.id, name, engine, signer, is_retired: false });
        }
        let keyring = self.depot().read_keyring().attempt(|| "can't read the room's keyring")?;
        chains.retain(|id| !broken.contains(id));
        for (id, is_retired) in broken.into_iter().map(|id| (id, false)).chain(chains.into_iter().map(|id| (id, true)))
        {
            told.push(told_of(id, is_retired));
            let signer = keyring.as_ref().and_then(|keyring| keyring.signers(id).last());
            // Whose signer nobody knows, nobody can check.
            if let Some(signer) = signer.cloned() {
                known.push(Known { id, name: id.to_string(), engine: Engine::Service, signer, is_retired });
            }
        }
        Ok(known)
    }

    /// What the agent keeps of a source, and the key that signs its heads.
    fn kept_to_sign(&self, id: SourceId) -> Result<Option<(RegisteredSource, VerifyingKey)>, Failure> {
        let Some(source) = self.kept(id)? else { return Ok(None) };
        let signer = source.secrets.signer(self.settings().profile)?.verifying_key().clone();
        Ok(Some((source, signer)))
    }
}

/// What is to be told of a source that this host has nothing of, or nothing that can be used.
fn told_of(id: SourceId, is_retired: bool) -> String {
    let dir = Room::agent_dir(id);
    if is_retired {
        format!(
            "this host keeps nothing of source {id}: it is taken for one that was forgotten. If it was not, put {dir} \
             back from a copy, move {} elsewhere and run the command again",
            paths::MEMBER
        )
    } else {
        format!("source {id} goes by its id: put {dir} back from a copy, or forget it with `strongroom source rm {id}`")
    }
}

/// Whether a failure is about what lies in the depot, so that the rest can still be built.
const fn is_of_depot(code: Code) -> bool {
    matches!(code, Code::Damaged | Code::NotFound | Code::WrongKey | Code::UnknownFormat | Code::Internal)
}

/// A name that the group takes and nobody bears, as like as possible to another one.
pub(crate) fn free_name(wanted: &str, taken: &BTreeSet<String>) -> String {
    /// So much room is left for a number.
    const NUMBER_CHARS: usize = 10;
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let base: String = wanted.chars().map(plain).take(SourceName::BYTES_MAX - NUMBER_CHARS).collect();
    let is_free = |name: &String| !taken.contains(name) && SourceName::new(name).is_ok();
    let numbered = (2..).map(|number| format!("{base}-{number}"));
    let exact = SourceName::new(wanted).is_ok().then(|| wanted.to_owned());
    let mut names = exact.into_iter().chain([base.clone()]).chain(numbered);
    names.find(is_free).unwrap_or_else(|| base.clone())
}

/// Removes a folder that may be gone already.
pub(super) fn remove_folder(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).attempt(|| format!("can't remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_free_and_fits_is_kept_and_any_other_becomes_like_it() {
        let taken = BTreeSet::from(["cmdb".to_owned(), "it-top".to_owned()]);
        for (wanted, found) in [
            ("netbox", "netbox"),
            ("cmdb", "cmdb-2"),
            ("it top", "it-top-2"),
            ("größe", "gr--e"),
            ("latest", "latest-2"),
            ("", "-2"),
        ] {
            assert_eq!(free_name(wanted, &taken), found);
        }
        assert!(SourceName::new(&free_name(&"é".repeat(300), &taken)).is_ok());
    }
}
