//! Certificates that were issued, and the deny-list.
//!
//! Owns which serial belongs to which identity, and what is denied since which version. The version only grows, and a
//! denial is never lifted: whoever is let in again joins under a new identity. Expiry is checked where a certificate is
//! presented; the time kept here is for people. A certificate is for somebody who is registered, and how many anybody
//! gets is bounded (`holders`).

use serde::{Deserialize, Serialize};
use strongroom_core::id::CertificateSerial;
use strongroom_core::time::WallTime;

use super::command::{Audited, Effect};
use super::context::Context;
use super::counters::Counter;
use super::outcome::{Answer, Effected, Fault, Refusal, Thing, require};
use super::rows::Key;
use super::tables::tables;
use super::text::Subject;
use super::{holders, identities};

tables! {
    /// Certificates by serial number.
    Certificates = CERTIFICATES: CertificateSerial => CertificateRow;
    /// Denials in the order in which they were made: version to what is denied.
    Denials = DENIALS: u64 => Denial;
    /// What is denied, and since which version.
    Denied = DENIED: Denial => u64;
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRow {
    /// Whose it is.
    pub subject: Subject,
    /// When it ends, by the wall clock.
    pub not_after: WallTime,
    /// The place in the log at which it was issued.
    pub log_index: u64,
    /// Accrued time at which it was issued.
    pub issued_ms: u64,
    /// The certificate that it follows.
    pub renews: Option<CertificateSerial>,
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

/// Notes a certificate before it is handed out, the first of its identity or one that follows another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueCertificate {
    /// Its serial number.
    pub serial: CertificateSerial,
    /// Whose it is.
    pub subject: Subject,
    /// When it ends, by the wall clock.
    pub not_after: WallTime,
    /// The certificate that it follows; that one must be of the same identity and not denied.
    pub renews: Option<CertificateSerial>,
}

/// Denies a certificate or an identity from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deny {
    /// What is denied.
    pub denial: Denial,
}

impl Effect for IssueCertificate {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new(if self.renews.is_some() { "certificate.renew" } else { "certificate.issue" }, &self.serial))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        cx.need_none::<Certificates>(&self.serial, Thing::Certificate)?;
        refuse_denied(cx, &Denial::Identity(self.subject.clone()))?;
        refuse_denied(cx, &Denial::Serial(self.serial))?;
        identities::require_registered(cx, &self.subject)?;
        let mut renewed_index = None;
        if let Some(old) = self.renews {
            let row = cx.need::<Certificates>(&old, Thing::Certificate)?;
            require(row.subject == self.subject, Refusal::Changed(Thing::Certificate))?;
            refuse_denied(cx, &Denial::Serial(old))?;
            renewed_index = Some(row.log_index);
        }
        holders::hold(cx, &self.subject, self.serial, renewed_index)?;
        holders::forget(cx)?;
        cx.count_up(Counter::Certificates)?;
        let (subject, not_after, log_index) = (self.subject.clone(), self.not_after, cx.at.index.0);
        let row = CertificateRow { subject, not_after, log_index, issued_ms: cx.now_ms, renews: self.renews };
        cx.put::<Certificates>(&self.serial, &row)?;
        Ok(Answer::Applied)
    }
}

impl Effect for Deny {
    fn audited(&self) -> Option<Audited> {
        match &self.denial {
            Denial::Serial(serial) => Some(Audited::new("certificate.revoke", serial)),
            Denial::Identity(subject) => Some(Audited::new("identity.revoke", subject)),
        }
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
    let version = cx.count_up(Counter::DenyVersion)?;
    cx.put::<Denials>(&version, denial)?;
    cx.put::<Denied>(denial, &version)?;
    Ok(version)
}

/// Refuses what is on the deny-list.
pub(in crate::state) fn refuse_denied(cx: &Context<'_>, denial: &Denial) -> Result<(), Fault> {
    Ok(require(cx.change.get::<Denied>(denial)?.is_none(), Refusal::Denied)?)
}
