//! The deny-list of the state, as handshakes and open connections consult it.
//!
//! Owns the way from the rows of this member to its [`DenyWatch`]. A member follows its own state and asks nobody: one
//! that is cut off knows what it knew, and lets in nobody whom it knew to be denied. Nothing is kept besides the rows, so
//! that a member which starts fetches the whole list before it listens.

use std::collections::BTreeSet;
use std::sync::Arc;

use strongroom_platform::tls::denylist::DenyError;
use strongroom_platform::tls::{DenyList, DenyVersion, DenyWatch, Serial, SpiffeId};

use super::engine::{Engine, EngineError};
use super::open::{OpenConnections, SWEEP};
use super::pause::pause;
use crate::state::certificates::Denial;
use crate::state::query::{self, PAGE_ROWS_MAX};
use crate::state::{Rows, Unreadable};

/// What was denied up to some version.
pub(super) struct Denials {
    watch: Arc<DenyWatch>,
    version: u64,
    ids: BTreeSet<SpiffeId>,
    serials: BTreeSet<Serial>,
}

impl Denials {
    pub(super) fn new(watch: Arc<DenyWatch>) -> Self {
        Self { watch, version: 0, ids: BTreeSet::new(), serials: BTreeSet::new() }
    }

    /// Takes over what the state denies by now. Under overload, that comes the next time.
    pub(super) async fn follow(&mut self, engine: &Engine) -> Result<(), EngineError> {
        loop {
            let after = self.version;
            let page = match engine.inspect(move |member| news(member.machine().rows(), after)).await {
                Ok(Ok(page)) => page,
                // The member ends by itself over a row that it can't read.
                Ok(Err(_)) | Err(EngineError::Overloaded) => return Ok(()),
                Err(EngineError::Ended) => return Err(EngineError::Ended),
            };
            let is_last = page.len() < PAGE_ROWS_MAX;
            self.take(page);
            if is_last {
                return Ok(());
            }
        }
    }

    fn take(&mut self, page: Vec<(u64, Denial)>) {
        let Some((version, _)) = page.last() else { return };
        self.version = *version;
        for (_, denial) in page {
            match denial {
                Denial::Serial(serial) => self.serials.extend(Serial::from_bytes(serial.as_bytes())),
                Denial::Identity(subject) => self.ids.extend(subject.as_str().parse::<SpiffeId>().ok()),
            }
        }
        let list = DenyList::new(DenyVersion(self.version), self.ids.clone(), self.serials.clone());
        let taken: Result<(), DenyError> = list.and_then(|list| self.watch.replace(list));
        match taken {
            Ok(()) => tracing::info!(version = self.version, "the deny-list has grown"),
            Err(error) => tracing::error!(%error, "the deny-list is not enforced any further"),
        }
    }
}

fn news(rows: &Rows, after: u64) -> Result<Vec<(u64, Denial)>, Unreadable> {
    Ok(query::denials(rows, Some(&after), PAGE_ROWS_MAX)?.rows)
}

/// Follows the deny-list, and closes the connections of those who may not stay, until the member ends.
pub(super) async fn keep(engine: Engine, mut denials: Denials, open: Arc<OpenConnections>) {
    while denials.follow(&engine).await.is_ok() {
        let closed = open.sweep();
        if closed > 0 {
            tracing::info!(closed, "connections were closed whose peers may not stay");
        }
        pause(SWEEP).await;
    }
}
