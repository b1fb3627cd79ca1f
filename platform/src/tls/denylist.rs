//! Who is shut out before their certificate ends.
//!
//! The coordinator's log decides who is denied and pushes the whole list; a process holds the newest one in a
//! [`DenyWatch`]. Handshakes consult it by themselves. Connections that are open do not: whoever serves them compares
//! [`DenyWatch::version`] with the version that it last saw, and closes those of denied peers, so that a revocation
//! holds for them too.
//!
//! Denying an issuer denies all that it signed. An entry may leave the list once nothing that it shuts out could be used
//! any more, which is seven days after the last such certificate ended; that no new one is issued meanwhile is the
//! coordinator's to see to. A list never gives way to an older one. Nothing here survives a restart: a process that
//! starts takes no connections before it has fetched the list, or has read the one that it kept. One that can't follow the
//! list any more shuts everybody out until it can ([`DenyWatch::close`]).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use thiserror::Error;

use super::name::Serial;
use super::spiffe::SpiffeId;

/// No list has more entries: some 10 MB in each process. Entries leave the list in time, so that one of this length means
/// that issuers should be denied instead.
pub const DENIED_MAX: usize = 65_536;

/// The number of a list; each change of it gives a higher one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DenyVersion(pub u64);

impl fmt::Display for DenyVersion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// A list that is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DenyError {
    /// More entries than a process holds.
    #[error("a deny-list has at most {DENIED_MAX} entries, and this one has {found}")]
    TooLong {
        /// Entries found.
        found: usize,
    },
    /// The list is older than the one that is held; taking it could let somebody in again.
    #[error("deny-list {offered} is older than {held}")]
    Older {
        /// Version of the list that is held.
        held: DenyVersion,
        /// Version of the list that was offered.
        offered: DenyVersion,
    },
}

/// Who was denied at one version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DenyList {
    version: DenyVersion,
    ids: BTreeSet<SpiffeId>,
    serials: BTreeSet<Serial>,
    /// Nobody knows who is denied, so everybody is.
    is_closed: bool,
}

impl DenyList {
    /// A list with these entries.
    pub fn new(version: DenyVersion, ids: BTreeSet<SpiffeId>, serials: BTreeSet<Serial>) -> Result<Self, DenyError> {
        let found = ids.len().saturating_add(serials.len());
        if found > DENIED_MAX {
            return Err(DenyError::TooLong { found });
        }
        Ok(Self { version, ids, serials, is_closed: false })
    }

    /// The list's number.
    pub const fn version(&self) -> DenyVersion {
        self.version
    }

    /// Says whether a certificate with this name and number is refused.
    pub fn is_denied(&self, id: &SpiffeId, serial: &Serial) -> bool {
        self.is_closed || self.ids.contains(id) || self.serials.contains(serial)
    }
}

/// The newest list of a process.
#[derive(Debug, Default)]
pub struct DenyWatch {
    current: RwLock<Arc<DenyList>>,
}

impl DenyWatch {
    /// Begins with a list.
    pub fn new(list: DenyList) -> Self {
        Self { current: RwLock::new(Arc::new(list)) }
    }

    /// The newest list.
    pub fn current(&self) -> Arc<DenyList> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The number of the newest list.
    pub fn version(&self) -> DenyVersion {
        self.current().version()
    }

    /// Takes a list, if it is not older than the one that is held.
    pub fn replace(&self, list: DenyList) -> Result<(), DenyError> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let (held, offered) = (current.version(), list.version());
        if offered < held {
            return Err(DenyError::Older { held, offered });
        }
        *current = Arc::new(list);
        Ok(())
    }

    /// Shuts everybody out until a list is taken: who is denied is not known any more.
    pub fn close(&self) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(DenyList { version: current.version(), is_closed: true, ..DenyList::default() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(subject: &str) -> SpiffeId {
        format!("spiffe://acme/eu/agent/{subject:0>32}").parse().unwrap()
    }

    fn serial(byte: u8) -> Serial {
        Serial::from_bytes(&[byte]).unwrap()
    }

    fn list(version: u64, ids: &[SpiffeId], serials: &[Serial]) -> DenyList {
        let (ids, serials) = (ids.iter().cloned().collect(), serials.iter().cloned().collect());
        DenyList::new(DenyVersion(version), ids, serials).unwrap()
    }

    #[test]
    fn a_name_or_a_number_is_enough_to_be_denied() {
        let list = list(1, &[id("a")], &[serial(7)]);
        assert!(list.is_denied(&id("a"), &serial(1)));
        assert!(list.is_denied(&id("b"), &serial(7)));
        assert!(!list.is_denied(&id("b"), &serial(1)));
    }

    #[test]
    fn a_list_never_gives_way_to_an_older_one() {
        let watch = DenyWatch::default();
        watch.replace(list(5, &[id("a")], &[])).unwrap();
        let (held, offered) = (DenyVersion(5), DenyVersion(4));
        assert_eq!(watch.replace(list(4, &[], &[])), Err(DenyError::Older { held, offered }));
        assert_eq!(watch.version(), held);
        assert!(watch.current().is_denied(&id("a"), &serial(1)));
    }

    #[test]
    fn whoever_has_lost_the_list_shuts_everybody_out_until_it_has_one() {
        let watch = DenyWatch::default();
        watch.replace(list(5, &[id("a")], &[])).unwrap();
        watch.close();
        assert!(watch.current().is_denied(&id("b"), &serial(1)));
        assert!(watch.replace(list(4, &[], &[])).is_err(), "closing forgot which list was held");
        watch.replace(list(5, &[id("a")], &[])).unwrap();
        assert!(!watch.current().is_denied(&id("b"), &serial(1)));
        assert!(watch.current().is_denied(&id("a"), &serial(1)));
    }

    #[test]
    fn a_list_without_end_is_refused() {
        let number = |at: usize| Serial::from_bytes(&at.to_be_bytes()).unwrap();
        let serials: BTreeSet<Serial> = (0..=DENIED_MAX).map(number).collect();
        let found = DENIED_MAX + 1;
        assert_eq!(DenyList::new(DenyVersion(1), BTreeSet::new(), serials), Err(DenyError::TooLong { found }));
    }
}
