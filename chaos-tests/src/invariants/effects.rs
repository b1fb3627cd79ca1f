//! A request of a session takes effect once, however often it is sent, and one that was acknowledged did (Ongaro,
//! "Consensus: Bridging Theory and Practice", 2014, §6.3). The audit log is the witness: it has an event for each effect.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_coordinator::member::Member;
use strongroom_coordinator::state::audit::AuditEvents;
use strongroom_core::audit::AuditEvent;

use super::Broken;

/// Events that are read at once.
const EVENTS_AT_ONCE: usize = 4_096;

/// What clients asked for, by the digest of the command; no two of them ask for the same.
#[derive(Default)]
pub(crate) struct Effects {
    asked: BTreeMap<[u8; 32], u64>,
    acknowledged: BTreeSet<u64>,
    refused: BTreeSet<u64>,
}

impl Effects {
    pub(crate) fn asked(&mut self, command: [u8; 32], value: u64) {
        self.asked.insert(command, value);
    }

    pub(crate) fn acknowledged(&mut self, value: u64) {
        self.acknowledged.insert(value);
    }

    pub(crate) fn refused(&mut self, value: u64) {
        self.refused.insert(value);
    }

    /// Compares with a member that has applied everything.
    pub(crate) fn settled(&self, member: &Member) -> Result<(), Broken> {
        let broken = |seen| Broken::new("effects", seen);
        let mut missing = self.acknowledged.clone();
        let mut done = BTreeSet::new();
        let mut after = None;
        loop {
            let rows = member.machine().rows().list::<AuditEvents>(&[], after.as_ref(), EVENTS_AT_ONCE);
            let rows = rows.map_err(|error| broken(format!("the audit log can't be read: {error:?}")))?;
            for (number, bytes) in &rows {
                let event =
                    AuditEvent::decode(bytes).map_err(|_| broken(format!("event {} can't be read", number.0)))?;
                let Some(value) = self.asked.get(&event.request.0).filter(|_| event.result.as_str().is_empty()) else {
                    continue;
                };
                missing.remove(value);
                if self.refused.contains(value) {
                    return Err(broken(format!(
                        "the write of {value} was refused, and took effect at event {}",
                        number.0
                    )));
                }
                if !done.insert(*value) {
                    return Err(broken(format!("the write of {value} took effect twice, again at event {}", number.0)));
                }
            }
            match rows.last() {
                Some((last, _)) => after = Some(*last),
                None if missing.is_empty() => return Ok(()),
                None => return Err(broken(format!("acknowledged and without effect: {missing:?}"))),
            }
        }
    }
}
