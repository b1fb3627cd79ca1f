//! The deny-list of the state, as handshakes and open connections consult it.
//!
//! ```text
//!   rows ──(each second: what is new)──► sets in memory ──► DenyWatch ──► handshakes
//!     │                                        ▲                └───────► connections that are open: closed
//!     └──(entries have left the list)─ anew ───┘
//!   can't be followed ──► the watch is closed: nobody comes in, nobody stays
//! ```
//!
//! Owns the way from the rows of this member to its [`DenyWatch`]. A member follows its own state and asks nobody: one
//! that is cut off knows what it knew, and lets in nobody whom it knew to be denied. Nothing is kept besides the rows, so
//! that a member which starts fetches the whole list before it listens. A member that can't follow the list closes: who
//! would be let in by mistake is not known.

use std::collections::BTreeSet;
use std::sync::Arc;

use strongroom_platform::tls::{DenyList, DenyVersion, DenyWatch, Serial, SpiffeId};

use super::engine::{Engine, EngineError};
use super::open::{OpenConnections, SWEEP};
use super::pause::pause;
use crate::state::counters::{Counter, count};
use crate::state::denials::Denial;
use crate::state::query::{self, PAGE_ROWS_MAX};
use crate::state::{Rows, Unreadable};

/// Looks in a row that a member may have too much to do for; then the list is as good as lost. With the rest of the way
/// that leaves half of the minute within which a revocation is to hold.
const MISSED_MAX: u32 = 30;

/// Why the list can't be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotFollowed {
    /// The member has too much to do.
    #[error("the member has too much to do")]
    Busy,
    /// The rows can't be read, or are no list.
    #[error("the deny-list can't be read")]
    Unreadable,
    /// The member has ended.
    #[error("the member has ended")]
    Ended,
}

impl From<EngineError> for NotFollowed {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Overloaded => Self::Busy,
            EngineError::Ended => Self::Ended,
        }
    }
}

impl From<Unreadable> for NotFollowed {
    fn from(_: Unreadable) -> Self {
        Self::Unreadable
    }
}

/// What was denied up to some version.
pub(super) struct Denials {
    watch: Arc<DenyWatch>,
    /// The last entry that was taken over.
    after: u64,
    /// Entries that had left the list when it was begun.
    ended: u64,
    is_told: bool,
    is_closed: bool,
    ids: BTreeSet<SpiffeId>,
    serials: BTreeSet<Serial>,
}

/// What the rows say behind a version.
struct News {
    entries: Vec<(u64, Denial)>,
    version: u64,
    ended: u64,
}

impl Denials {
    pub(super) fn new(watch: Arc<DenyWatch>) -> Self {
        let (ids, serials) = (BTreeSet::new(), BTreeSet::new());
        Self { watch, after: 0, ended: 0, is_told: false, is_closed: false, ids, serials }
    }

    /// Takes over what the state denies by now.
    pub(super) async fn follow(&mut self, engine: &Engine) -> Result<(), NotFollowed> {
        loop {
            let after = self.after;
            let news = engine.inspect(move |member| news(member.machine().rows(), after)).await??;
            if news.ended != self.ended {
                // What was handed out stays as it is until the list has been read anew.
                let (is_closed, watch) = (self.is_closed, Arc::clone(&self.watch));
                *self = Self { ended: news.ended, is_closed, ..Self::new(watch) };
                continue;
            }
            let is_last = news.entries.len() < PAGE_ROWS_MAX;
            self.note(news.entries)?;
            if is_last {
                return self.tell(news.version);
            }
        }
    }

    fn note(&mut self, entries: Vec<(u64, Denial)>) -> Result<(), NotFollowed> {
        for (version, denial) in entries {
            match denial {
                Denial::Serial(serial) => {
                    self.serials.insert(Serial::from_bytes(serial.as_bytes()).ok_or(NotFollowed::Unreadable)?);
                }
                Denial::Identity(subject) => {
                    self.ids.insert(subject.as_str().parse().map_err(|_| NotFollowed::Unreadable)?);
                }
            }
            self.after = version;
            self.is_told = false;
        }
        Ok(())
    }

    /// Hands the list out, if it is another one than before.
    fn tell(&mut self, version: u64) -> Result<(), NotFollowed> {
        if self.is_told {
            return Ok(());
        }
        let list = DenyList::new(DenyVersion(version), self.ids.clone(), self.serials.clone());
        let taken = list.and_then(|list| self.watch.replace(list));
        taken.map_err(|error| {
            tracing::error!(%error, "the deny-list was not taken");
            NotFollowed::Unreadable
        })?;
        tracing::info!(version, entries = self.ids.len() + self.serials.len(), "the deny-list is held");
        (self.is_told, self.is_closed) = (true, false);
        Ok(())
    }

    /// Shuts everybody out until the list can be followed again.
    fn close(&mut self, why: NotFollowed) {
        if !std::mem::replace(&mut self.is_closed, true) {
            tracing::error!(%why, "who is denied is not known any more: all connections are closed, and none is taken");
            self.watch.close();
            self.is_told = false;
        }
    }
}

fn news(rows: &Rows, after: u64) -> Result<News, Unreadable> {
    let entries = query::denials(rows, Some(&after), PAGE_ROWS_MAX)?.rows;
    Ok(News { entries, version: count(rows, Counter::DenyVersion)?, ended: count(rows, Counter::DenialsEnded)? })
}

/// Takes the list over for the first time, before anybody is let in. Says whether the member is still there.
pub(super) async fn begin(engine: &Engine, denials: &mut Denials) -> bool {
    let mut is_told = false;
    loop {
        match denials.follow(engine).await {
            Ok(()) => return true,
            Err(NotFollowed::Ended) => return false,
            Err(why) if !is_told => {
                tracing::error!(%why, "this member does not listen yet: who is denied is not known");
                is_told = true;
            }
            Err(_) => {}
        }
        pause(SWEEP).await;
    }
}

/// Follows the deny-list, and closes the connections of those who may not stay, until the member ends.
pub(super) async fn keep(engine: Engine, mut denials: Denials, open: Arc<OpenConnections>) {
    let mut missed = 0;
    loop {
        match denials.follow(&engine).await {
            Ok(()) => missed = 0,
            Err(NotFollowed::Ended) => return,
            Err(NotFollowed::Busy) if missed < MISSED_MAX => missed += 1,
            Err(why) => denials.close(why),
        }
        let closed = open.sweep();
        if closed > 0 {
            tracing::info!(closed, "connections were closed whose peers may not stay");
        }
        pause(SWEEP).await;
    }
}

#[cfg(test)]
mod tests {
    use strongroom_core::id::CertificateSerial;

    use super::*;
    use crate::state::text::Subject;

    const AGENT: &str = "spiffe://acme/eu/agent/000102030405060708090a0b0c0d0e0f";

    fn denials() -> (Arc<DenyWatch>, Denials) {
        let watch = Arc::new(DenyWatch::default());
        (Arc::clone(&watch), Denials::new(watch))
    }

    fn identity(text: &str) -> Denial {
        Denial::Identity(Subject::new(text).unwrap())
    }

    #[test]
    fn a_list_that_is_lost_shuts_everybody_out_until_it_is_followed_again() {
        let (watch, mut denials) = denials();
        let other: SpiffeId = AGENT.replace("agent", "depot").parse().unwrap();
        let serial = Serial::from_bytes(&[1]).unwrap();
        denials.note(vec![(1, identity(AGENT)), (2, Denial::Serial(CertificateSerial([7; 16])))]).unwrap();
        denials.tell(2).unwrap();
        assert!(!watch.current().is_denied(&other, &serial));
        denials.close(NotFollowed::Busy);
        assert!(watch.current().is_denied(&other, &serial));
        // The next look finds nothing new, and opens all the same.
        denials.note(Vec::new()).unwrap();
        denials.tell(2).unwrap();
        assert!(!watch.current().is_denied(&other, &serial));
        assert!(watch.current().is_denied(&AGENT.parse().unwrap(), &serial));
    }

    #[test]
    fn an_entry_that_names_nobody_is_not_passed_over() {
        let (_, mut denials) = denials();
        assert_eq!(denials.note(vec![(1, identity("spiffe://acme/eu/agent"))]), Err(NotFollowed::Unreadable));
    }
}
