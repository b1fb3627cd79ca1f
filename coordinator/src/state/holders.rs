//! Who holds certificates: how many each may get, which are forgotten, and whose are all denied at once.
//!
//! ```text
//!   IssueCertificate ─► held ──(a day of accrued time)──► counts no more ──(fifteen days)──► forgotten
//!                         │
//!   back with a new key ──┴─► denied, and none of before is renewed
//! ```
//!
//! Owns the bound on certificates of one name, and the end of what is known of each. All of it goes by accrued time,
//! which is never ahead of a clock on the wall: so a certificate is counted, and remembered, for at least as long as it
//! is good for anything.

use serde::{Deserialize, Serialize};
use strongroom_core::id::CertificateSerial;

use super::certificates::Certificates;
use super::context::Context;
use super::denials::{Denial, deny, refuse_denied};
use super::identities;
use super::outcome::{Fault, Refusal, Thing, require};
use super::rows::{Rows, Unreadable};
use super::tables::tables;
use super::text::Subject;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Most certificates that one name gets within a day of accrued time, the life of the longest. Half of that is one for
/// each quarter of a life of twelve hours; the other half is for those that were lost on their way, or asked for by
/// processes that started anew.
pub const CERTIFICATES_PER_DAY_MAX: usize = 8;

/// How long a certificate is remembered: a day of life, seven of grace, and as long again.
pub const CERTIFICATE_KEPT_MS: u64 = 15 * DAY_MS;

/// Most certificates that are forgotten when one is issued: more than one, so that their number falls once it was high.
const FORGOTTEN_PER_ENTRY_MAX: usize = 2;

tables! {
    /// Who holds certificates.
    Holders = HOLDERS: Subject => HolderRow;
    /// Certificates that are remembered, in the order in which they were issued: place in the log to serial number.
    CertificateOrder = CERTIFICATE_ORDER: u64 => CertificateSerial;
}

/// Somebody who holds certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderRow {
    /// Only certificates that were issued after this place in the log may be renewed.
    pub since: u64,
    /// Those of the last day, the oldest first.
    pub newest: Vec<Held>,
}

/// A certificate of the last day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its number.
    pub serial: CertificateSerial,
    /// Accrued time at which it was issued.
    pub issued_ms: u64,
}

impl HolderRow {
    /// How many count at an accrued time; the others are left out from here on.
    fn count(&mut self, now_ms: u64) -> usize {
        self.newest.retain(|held| now_ms.saturating_sub(held.issued_ms) < DAY_MS);
        self.newest.len()
    }
}

/// Why a name would get no certificate, as far as these rows know: for whoever asks before anything is proposed.
pub fn refused(rows: &Rows, subject: &Subject, now_ms: u64) -> Result<Option<Refusal>, Unreadable> {
    if let Some(refusal) = identities::absence(rows, subject)? {
        return Ok(Some(refusal));
    }
    let held = rows.get::<Holders>(subject)?.unwrap_or_default().count(now_ms);
    Ok((held >= CERTIFICATES_PER_DAY_MAX).then_some(Refusal::TooMany(Thing::Certificate)))
}

/// Counts a certificate that is being issued, and refuses one too many.
pub(in crate::state) fn hold(
    cx: &mut Context<'_>,
    subject: &Subject,
    serial: CertificateSerial,
    renewed_index: Option<u64>,
) -> Result<(), Fault> {
    let mut row = cx.change.get::<Holders>(subject)?.unwrap_or_default();
    require(renewed_index.is_none_or(|index| index > row.since), Refusal::Denied)?;
    require(row.count(cx.now_ms) < CERTIFICATES_PER_DAY_MAX, Refusal::TooMany(Thing::Certificate))?;
    row.newest.push(Held { serial, issued_ms: cx.now_ms });
    cx.put::<Holders>(subject, &row)?;
    let place = cx.at.index.0;
    cx.put::<CertificateOrder>(&place, &serial)
}

/// The place in the log at which the certificates of a name were last denied all at once; 0 if they never were.
pub(in crate::state) fn turned_over_at(cx: &Context<'_>, subject: &Subject) -> Result<u64, Fault> {
    Ok(cx.change.get::<Holders>(subject)?.unwrap_or_default().since)
}

/// Denies all certificates of a name that may be good yet, and lets none of them be renewed. The name itself stays.
pub(in crate::state) fn turn_over(cx: &mut Context<'_>, subject: &Subject) -> Result<(), Fault> {
    refuse_denied(cx, &Denial::Identity(subject.clone()))?;
    let mut row = cx.change.get::<Holders>(subject)?.unwrap_or_default();
    row.count(cx.now_ms);
    for held in row.newest {
        deny(cx, &Denial::Serial(held.serial))?;
    }
    let since = cx.at.index.0;
    cx.put::<Holders>(subject, &HolderRow { since, newest: Vec::new() })
}

/// Forgets a few certificates that have long been over.
pub(in crate::state) fn forget(cx: &mut Context<'_>) -> Result<(), Fault> {
    for (place, serial) in cx.change.list_before::<CertificateOrder>(&[], None, FORGOTTEN_PER_ENTRY_MAX)? {
        let row = cx.change.get::<Certificates>(&serial)?;
        if row.is_some_and(|row| cx.now_ms.saturating_sub(row.issued_ms) < CERTIFICATE_KEPT_MS) {
            return Ok(());
        }
        cx.change.remove::<Certificates>(&serial);
        cx.change.remove::<CertificateOrder>(&place);
    }
    Ok(())
}
