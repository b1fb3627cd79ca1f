//! The group of a room, which has one member: what it is asked, and how its answers are read.
//!
//! ```text
//!   group    opened to be written, under a lock that it has for itself      everything that was answered is durable
//!   look     read over its folder, under a lock that readers share          nothing is written, so no sync is needed
//! ```
//!
//! Owns the way to the member. It is opened for moments, and processes wait for each other, for a bounded time. Nobody
//! holds it while a source is read.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::sync::Arc;

use strongroom_coordinator::server::{LocalError, LocalMember, LocalView};
use strongroom_coordinator::state::query::{self, PAGE_ROWS_MAX, Page};
use strongroom_coordinator::state::sources::SourceRow;
use strongroom_coordinator::state::text::SourceName;
use strongroom_coordinator::state::{Answer, Command, Rows, Unreadable};
use strongroom_core::error::Code;
use strongroom_core::id::{SnapshotId, SourceId};
use strongroom_core::seal::VerifyingKey;
use strongroom_platform::disk::Disk;

use super::kept::RegisteredSource;
use super::locks::{self, Held, Shared};
use super::{Room, founding, paths};
use crate::failure::{Attempt as _, Failure};

/// A member, as far as its rows are read.
pub(crate) trait Member {
    /// The state as it is.
    fn rows(&self) -> &Rows;
}

impl Member for LocalMember {
    fn rows(&self) -> &Rows {
        Self::rows(self)
    }
}

impl Member for LocalView {
    fn rows(&self) -> &Rows {
        Self::rows(self)
    }
}

/// What processes wait for.
const COORDINATOR: Shared = Shared { name: "the room's coordinator" };

/// The group, while no other process has its member.
pub(crate) struct Group<'r, M = LocalMember> {
    room: &'r Room,
    pub(super) local: M,
    pub(super) held: Option<Held>,
}

/// The group, while no other process changes it.
pub(crate) type Look<'r> = Group<'r, LocalView>;

impl Room {
    /// The group, for a moment: others wait for it.
    pub(crate) fn group(&self) -> Result<Group<'_>, Failure> {
        let held = self.lock_member()?;
        Group::open_in(self, paths::MEMBER, Some(held))
    }

    /// The group, to be read: those who change it wait.
    pub(crate) fn look(&self) -> Result<Look<'_>, Failure> {
        let held = self.share_member()?;
        let what = || format!("can't read the room's coordinator in {}", paths::MEMBER);
        let local = LocalView::look(self.member_disk()?, Arc::clone(self.clock()), self.entropy()).attempt(what)?;
        Ok(Group { room: self, local, held })
    }

    /// The member's folder as a volume of its own.
    pub(super) fn member_disk(&self) -> Result<Arc<dyn Disk>, Failure> {
        self.disk_of(paths::MEMBER)
    }

    /// The right to open the member, or to put another in its place.
    pub(super) fn lock_member(&self) -> Result<Held, Failure> {
        locks::alone(&self.root().join(paths::MEMBER_LOCK), &COORDINATOR, self.clock().as_ref())
    }

    /// The right to read the member; nothing where no process could write.
    pub(super) fn share_member(&self) -> Result<Option<Held>, Failure> {
        locks::shared(&self.root().join(paths::MEMBER_LOCK), &COORDINATOR, self.clock().as_ref())
    }
}

impl<'r> Group<'r> {
    /// Opens the member in a folder of the room, whose lock the caller holds.
    pub(super) fn open_in(room: &'r Room, folder: &str, held: Option<Held>) -> Result<Self, Failure> {
        let what = || format!("can't open the room's coordinator in {folder}");
        let disk = room.disk_of(folder)?;
        let actor = founding::operator(room.settings())?;
        let local = LocalMember::open(&disk, Arc::clone(room.clock()), room.entropy(), actor).attempt(what)?;
        Ok(Self { room, local, held })
    }

    /// Has commands agreed on in their order; `what` can't be done if one is rejected.
    pub(crate) fn submit<W: Into<String>>(
        &mut self,
        commands: Vec<Command>,
        what: impl FnOnce() -> W,
    ) -> Result<Vec<Answer>, Failure> {
        self.local.submit_all(commands).attempt(what)
    }
}

impl<'r, M: Member> Group<'r, M> {
    /// The room.
    pub(crate) const fn room(&self) -> &'r Room {
        self.room
    }

    /// The member.
    pub(crate) const fn member(&self) -> &M {
        &self.local
    }

    /// The state as it is.
    pub(crate) fn rows(&self) -> &Rows {
        self.local.rows()
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

    /// The source with a name, as the group knows it.
    pub(crate) fn source_id(&self, name: &str) -> Result<Option<SourceId>, Failure> {
        let Ok(name) = SourceName::new(name) else { return Ok(None) };
        Ok(query::source_named(self.rows(), &name).attempt(unread)?.map(|(id, _)| id))
    }

    /// What the agent keeps of a source that the group knows under a name.
    pub(crate) fn kept(&self, name: &str, id: SourceId) -> Result<RegisteredSource, Failure> {
        let again = "or forget the source with `source rm`";
        let kept = self.room.kept(id).map_err(|failure| {
            let dir = Room::agent_dir(id);
            Failure::because(
                failure.code(),
                format!("what this host keeps of the source {name} can't be used"),
                failure,
            )
            .advise(format!("Put {dir} and state/host.key back from a copy, {again}."))
        })?;
        let kept = kept.map(|kept| RegisteredSource { name: name.to_owned(), ..kept });
        kept.ok_or_else(|| {
            if self.room.is_set_aside(id) {
                return Failure::new(Code::Damaged, format!("somebody began to forget the source {name}"))
                    .advise(format!("Run `strongroom source rm {name}` to its end."));
            }
            Failure::new(Code::Damaged, format!("this host has lost what it keeps of the source {name}"))
                .advise(format!("Put {} back from a copy, {again}.", Room::agent_dir(id)))
        })
    }

    /// A source by its URL, and what is wrong with those of which no URL is known.
    pub(crate) fn source_at(&self, url: &str) -> Result<(Option<RegisteredSource>, Vec<Failure>), Failure> {
        let mut broken = Vec::new();
        for (name, (id, _)) in self.sources()? {
            match self.kept(&name, id) {
                Ok(found) if *found.secrets.url == url => return Ok((Some(found), Vec::new())),
                Ok(_) => {}
                Err(failure) => broken.push(failure),
            }
        }
        Ok((None, broken))
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

/// Whether it is known that the group did nothing of what failed.
pub(crate) fn is_undone(failure: &Failure) -> bool {
    let error = failure.source().and_then(|error| error.downcast_ref::<LocalError>());
    matches!(error, Some(LocalError::Rejected(_) | LocalError::TooLong | LocalError::NoSpace | LocalError::NotAlone))
}

/// What can't be done if a row can't be read.
pub(crate) fn unread() -> String {
    "the room's coordinator can't read its state".to_owned()
}
