//! The group of a room, which has one member: what it is asked, and how its answers are read.
//!
//! Owns the way to the member. It is opened for moments, under a lock for which processes wait, and everything that was
//! answered is durable. Nobody holds it while a source is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use strongroom_coordinator::server::LocalMember;
use strongroom_coordinator::state::query::{self, PAGE_ROWS_MAX, Page};
use strongroom_coordinator::state::sources::SourceRow;
use strongroom_coordinator::state::text::SourceName;
use strongroom_coordinator::state::{Answer, Command, Rows, Unreadable};
use strongroom_core::error::Code;
use strongroom_core::id::{SnapshotId, SourceId};
use strongroom_core::seal::VerifyingKey;

use super::kept::RegisteredSource;
use super::locks::{self, Held};
use super::{Room, founding, paths};
use crate::failure::{Attempt as _, Failure};

/// The group, while no other process has its member.
pub(crate) struct Group<'r> {
    room: &'r Room,
    local: LocalMember,
    _held: Option<Held>,
}

impl Room {
    /// The group, for a moment: others wait for it.
    pub(crate) fn group(&self) -> Result<Group<'_>, Failure> {
        let held = self.lock_member()?;
        Group::open_in(self, paths::MEMBER, Some(held))
    }

    /// The right to open the member, or to put another in its place.
    pub(super) fn lock_member(&self) -> Result<Held, Failure> {
        locks::wait_for(&self.root().join(paths::MEMBER_LOCK))
    }
}

impl<'r> Group<'r> {
    /// Opens the member in a folder of the room, whose lock the caller holds.
    pub(super) fn open_in(room: &'r Room, folder: &str, held: Option<Held>) -> Result<Self, Failure> {
        let what = || format!("can't open the room's coordinator in {folder}");
        let disk = room.disk_of(folder)?;
        let actor = founding::operator(room.settings())?;
        let local = LocalMember::open(&disk, Arc::clone(room.clock()), room.entropy(), actor).attempt(what)?;
        Ok(Self { room, local, _held: held })
    }

    /// The room.
    pub(crate) const fn room(&self) -> &'r Room {
        self.room
    }

    /// The member.
    pub(crate) const fn member(&self) -> &LocalMember {
        &self.local
    }

    /// The state as it is.
    pub(crate) fn rows(&self) -> &Rows {
        self.local.rows()
    }

    /// Has commands agreed on in their order; `what` can't be done if one is rejected.
    pub(crate) fn submit<W: Into<String>>(
        &mut self,
        commands: Vec<Command>,
        what: impl FnOnce() -> W,
    ) -> Result<Vec<Answer>, Failure> {
        self.local.submit_all(commands).attempt(what)
    }

    /// The sources by their names.
    pub(crate) fn sources(&self) -> Result<BTreeMap<String, (SourceId, SourceRow)>, Failure> {
        let mut sources = BTreeMap::new();
        all(
            |after| query::sources(self.rows(), after, PAGE_ROWS_MAX),
            |id, row| {
                sources.insert(row.facts.name.to_string(), (id, row));
            },
        )?;
        Ok(sources)
    }

    /// A source by its name, with what the agent keeps of it.
    pub(crate) fn source(&self, name: &str) -> Result<Option<RegisteredSource>, Failure> {
        let Ok(name) = SourceName::new(name) else { return Ok(None) };
        let Some((id, _)) = query::source_named(self.rows(), &name).attempt(unread)? else { return Ok(None) };
        self.kept(name.as_str(), id).map(Some)
    }

    /// What the agent keeps of a source that the group knows under a name.
    pub(crate) fn kept(&self, name: &str, id: SourceId) -> Result<RegisteredSource, Failure> {
        let kept = self.room.kept(id)?.map(|kept| RegisteredSource { name: name.to_owned(), ..kept });
        kept.ok_or_else(|| {
            Failure::new(Code::Damaged, format!("this host has lost what it keeps of the source {name}"))
                .advise(format!("Put {} back from a copy, or forget the source with `source rm`.", Room::agent_dir(id)))
        })
    }

    /// A source by its URL.
    pub(crate) fn source_at(&self, url: &str) -> Result<Option<RegisteredSource>, Failure> {
        for (name, (id, _)) in self.sources()? {
            let found = self.kept(&name, id)?;
            if *found.secrets.url == url {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The key that signs the heads of each source, those of retired sources too.
    pub(crate) fn signers(&self) -> Result<BTreeMap<SourceId, VerifyingKey>, Failure> {
        let mut keys = Vec::new();
        all(|after| query::sources(self.rows(), after, PAGE_ROWS_MAX), |id, row| keys.push((id, row.facts.signer)))?;
        all(
            |after| query::retired_sources(self.rows(), after, PAGE_ROWS_MAX),
            |id, row| keys.push((id, row.facts.signer)),
        )?;
        let profile = self.room.settings().profile;
        let key = |bytes: &[u8]| VerifyingKey::new(profile, bytes.to_vec()).attempt(|| "a source's key can't be used");
        keys.into_iter().map(|(id, bytes)| Ok((id, key(bytes.as_bytes())?))).collect()
    }

    /// The snapshots that have the copies that their contracts ask for.
    pub(crate) fn protected(&self) -> Result<BTreeSet<SnapshotId>, Failure> {
        let mut sources = Vec::new();
        all(|after| query::heads(self.rows(), after, PAGE_ROWS_MAX), |source, _| sources.push(source))?;
        let mut found = BTreeSet::new();
        for source in sources {
            let mut after = None;
            loop {
                let page = query::snapshots(self.rows(), source, after, PAGE_ROWS_MAX).attempt(unread)?;
                let protected = page.rows.iter().filter(|(_, row)| row.protected_ms.is_some());
                found.extend(protected.map(|(snapshot, _)| *snapshot));
                match page.rows.last() {
                    Some((_, last)) if page.has_more => after = Some(last.facts.sequence),
                    _ => break,
                }
            }
        }
        Ok(found)
    }
}

/// Visits all rows of a listing, page by page.
pub(crate) fn all<K: Clone, V>(
    page: impl Fn(Option<&K>) -> Result<Page<K, V>, Unreadable>,
    mut visit: impl FnMut(K, V),
) -> Result<(), Failure> {
    let mut after: Option<K> = None;
    loop {
        let Page { rows, has_more } = page(after.as_ref()).attempt(unread)?;
        after = rows.last().map(|(key, _)| key.clone());
        for (key, row) in rows {
            visit(key, row);
        }
        if !has_more {
            return Ok(());
        }
    }
}

/// What can't be done if a row can't be read.
pub(crate) fn unread() -> String {
    "the room's coordinator can't read its state".to_owned()
}
