//! Certificates that were issued.
//!
//! Owns which serial belongs to which identity. Nobody who is denied ([`super::denials`]) gets another one. Expiry is
//! checked where a certificate is presented; the time kept here is for people.

use serde::{Deserialize, Serialize};
use strongroom_core::id::CertificateSerial;
use strongroom_core::time::WallTime;

use super::command::{Audited, Effect};
use super::context::Context;
use super::counters::Counter;
pub(in crate::state) use super::denials::refuse_denied;
pub use super::denials::{Denial, Deny};
use super::outcome::{Answer, Effected, Refusal, Thing, require};
use super::tables::tables;
use super::text::Subject;

tables! {
    /// Certificates by serial number.
    Certificates = CERTIFICATES: CertificateSerial => CertificateRow;
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
    /// The certificate that it follows.
    pub renews: Option<CertificateSerial>,
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

impl Effect for IssueCertificate {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new(if self.renews.is_some() { "certificate.renew" } else { "certificate.issue" }, &self.serial))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        cx.need_none::<Certificates>(&self.serial, Thing::Certificate)?;
        refuse_denied(cx, &Denial::Identity(self.subject.clone()))?;
        refuse_denied(cx, &Denial::Serial(self.serial))?;
        if let Some(old) = self.renews {
            let row = cx.need::<Certificates>(&old, Thing::Certificate)?;
            require(row.subject == self.subject, Refusal::Changed(Thing::Certificate))?;
            refuse_denied(cx, &Denial::Serial(old))?;
        }
        cx.count_up(Counter::Certificates)?;
        let (subject, not_after, log_index) = (self.subject.clone(), self.not_after, cx.at.index.0);
        let row = CertificateRow { subject, not_after, log_index, renews: self.renews };
        cx.put::<Certificates>(&self.serial, &row)?;
        Ok(Answer::Applied)
    }
}
