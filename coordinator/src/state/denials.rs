//! The deny-list: who is shut out before their certificate ends.
//!
//! ```text
//!   Deny ─► listed, under the next version ──(nothing that it shuts out could be used any more)──► off the list
//!             │                                                                                        │
//!             └─ whoever is named gets no certificate ─────────────────────────────────────────────────┘ for ever
//! ```
//!
//! Owns what is denied since which version, and the bound on it. The version only grows. A denial is never lifted: an
//! identity that was denied gets no certificate ever again, and whoever is let in again joins under a new one. What leaves
//! the list is what every handshake has to look through: an entry goes once the last certificate that it could shut out
//! is over, its grace included, by accrued time, which is never ahead of a clock on the wall. An issuer's name stays: its
//! certificates come from the root, of which the group knows nothing. So the list has room, and a denial that would not
//! fit is refused and told; none is ever taken and not enforced.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use strongroom_core::id::CertificateSerial;
use strongroom_platform::tls::denylist::DENIED_MAX;
use strongroom_platform::tls::identity::RENEWAL_GRACE;
use strongroom_platform::tls::{Role, SpiffeId};

use super::certificates::Certificates;
use super::command::{Audited, Effect, Retry};
use super::context::Context;
use super::counters::Counter;
use super::outcome::{Answer, Effected, Fault, Refusal, require};
use super::rows::Key;
use super::tables::tables;
use super::text::Subject;

/// Most entries of the list: what a process holds of it.
pub const DENIALS_MAX: u64 = DENIED_MAX as u64;
/// Entries that one entry of the log takes off the list at most.
const SWEPT_PER_ENTRY_MAX: usize = 2;
/// What a clock may be off by, and the rounding up to whole days.
const SLACK: Duration = Duration::from_hours(48);

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

tables! {
    /// Denials in the order in which they were made: version to what is denied.
    Denials = DENIALS: u64 => Denial;
    /// What is denied, and since which version.
    Denied = DENIED: Denial => u64;
    /// Entries of the list by the day of accrued time on which they leave it, and their version.
    DenialEnds = DENIAL_ENDS: (u64, u64) => ();
}

/// What is denied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Denial {
    /// One certificate.
    Serial(CertificateSerial),
    /// An identity, whatever certificate it shows.
    Identity(Subject),
}

impl Key for Denial {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Serial(serial) => {
                out.push(0);
                serial.encode(out);
            }
            Self::Identity(subject) => {
                out.push(1);
                subject.encode(out);
            }
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (0, serial) => CertificateSerial::decode(serial).map(Self::Serial),
            (1, subject) => Subject::decode(subject).map(Self::Identity),
            _ => None,
        }
    }
}

/// Days and versions, in this order.
impl Key for (u64, u64) {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
        self.1.encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (day, version) = bytes.split_at_checked(size_of::<u64>())?;
        Some((Key::decode(day)?, Key::decode(version)?))
    }
}

/// Denies a certificate or an identity from now on. Denied twice is denied since the first time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deny {
    /// What is denied.
    pub denial: Denial,
}

impl Effect for Deny {
    fn audited(&self) -> Option<Audited> {
        match &self.denial {
            Denial::Serial(serial) => Some(Audited::new("certificate.revoke", serial)),
            Denial::Identity(subject) => Some(Audited::new("identity.revoke", subject)),
        }
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        deny(cx, &self.denial).map(Answer::DenyVersion)
    }
}

/// Puts something on the deny-list, and gives the version since which it is there. Denied twice is denied since the
/// first time.
pub(in crate::state) fn deny(cx: &mut Context<'_>, denial: &Denial) -> Result<u64, Fault> {
    if let Some(version) = cx.change.get::<Denied>(denial)? {
        return Ok(version);
    }
    let life = life(cx, denial)?;
    require(cx.count(Counter::Denials)? < DENIALS_MAX, Refusal::DenyListFull)?;
    cx.count_up(Counter::Denials)?;
    let version = cx.count_up(Counter::DenyVersion)?;
    cx.put::<Denials>(&version, denial)?;
    cx.put::<Denied>(denial, &version)?;
    if let Some(life) = life {
        let life_ms = u64::try_from((life + RENEWAL_GRACE + SLACK).as_millis()).unwrap_or(u64::MAX);
        cx.put::<DenialEnds>(&(cx.now_ms.saturating_add(life_ms) / DAY_MS, version), &())?;
    }
    Ok(version)
}

/// For how long a certificate may yet be good that is shut out; nothing if there may always be another one.
fn life(cx: &Context<'_>, denial: &Denial) -> Result<Option<Duration>, Fault> {
    let role_of = |subject: &Subject| subject.as_str().parse::<SpiffeId>().map(|id| id.role);
    Ok(match denial {
        Denial::Identity(subject) => match role_of(subject).map_err(|_| Refusal::NotAnIdentity)? {
            Role::Issuer => None,
            role => Some(role.certificate_ttl()),
        },
        // One that the group does not know may be an issuer's.
        Denial::Serial(serial) => {
            let role = cx.change.get::<Certificates>(serial)?.and_then(|row| role_of(&row.subject).ok());
            Some(role.unwrap_or(Role::Issuer).certificate_ttl())
        }
    })
}

/// Takes a few entries off the list whose time is over. Once none is left, nothing is looked at until the next day.
pub(in crate::state) fn sweep(cx: &mut Context<'_>) -> Result<(), Fault> {
    let today = cx.now_ms / DAY_MS;
    if cx.count(Counter::DenialsSweptDay)? >= today {
        return Ok(());
    }
    let oldest = cx.change.list_before::<DenialEnds>(&[], None, SWEPT_PER_ENTRY_MAX)?;
    let is_done = oldest.len() < SWEPT_PER_ENTRY_MAX || oldest.iter().any(|((day, _), ())| *day > today);
    for ((day, version), ()) in oldest.into_iter().filter(|((day, _), ())| *day <= today) {
        if let Some(denial @ Denial::Serial(_)) = cx.change.get::<Denials>(&version)? {
            // No number is given twice, so that nothing is let in by forgetting it.
            cx.change.remove::<Denied>(&denial);
        }
        cx.change.remove::<Denials>(&version);
        cx.change.remove::<DenialEnds>(&(day, version));
        cx.count_down(Counter::Denials)?;
        cx.count_up(Counter::DenialsEnded)?;
    }
    if is_done {
        cx.set_count(Counter::DenialsSweptDay, today)?;
    }
    Ok(())
}

/// Refuses what is denied.
pub(in crate::state) fn refuse_denied(cx: &Context<'_>, denial: &Denial) -> Result<(), Fault> {
    Ok(require(cx.change.get::<Denied>(denial)?.is_none(), Refusal::Denied)?)
}
