//! What a bucket promises: read from its own description, before a depot relies on it.

use http::Method;

use super::error::StoreError;
use super::location::{Retention, RetentionMode};
use super::s3::S3Bucket;

const DAYS_OF_A_YEAR: u32 = 365;

/// What a depot relies upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreFacts {
    /// Whether a put that must be the first is refused if it is not. Without that, two writers can lose snapshots.
    pub conditional_puts: bool,
    /// What is locked.
    pub lock: BucketLock,
}

/// Whether a bucket locks what is put into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketLock {
    /// The service has no such question, or these credentials may not ask it.
    Unknown,
    /// No object can be locked.
    Off,
    /// Objects can be locked, and are for so long if a put does not say otherwise.
    On {
        /// What a put gets that says nothing.
        default: Option<Retention>,
    },
}

impl S3Bucket {
    /// Whether the bucket has Object Lock, and what its default is.
    pub(super) async fn lock(&self) -> Result<BucketLock, StoreError> {
        let asked = self.ask(Method::GET, "", "object-lock=").await;
        let (status, body) = asked.map_err(|error| StoreError::classify(&self.name, "", error))?;
        Ok(match status {
            200 => parse(&body),
            404 if element(&body, "Code") == Some("ObjectLockConfigurationNotFoundError") => BucketLock::Off,
            _ => BucketLock::Unknown,
        })
    }
}

fn parse(body: &str) -> BucketLock {
    if element(body, "ObjectLockEnabled") != Some("Enabled") {
        return BucketLock::Off;
    }
    let mode = match element(body, "Mode") {
        Some("GOVERNANCE") => Some(RetentionMode::Governance),
        Some("COMPLIANCE") => Some(RetentionMode::Compliance),
        _ => None,
    };
    let number = |name| element(body, name).and_then(|text| text.parse::<u32>().ok());
    let days = number("Days").or_else(|| number("Years").map(|years| years.saturating_mul(DAYS_OF_A_YEAR)));
    let default = mode.zip(days).map(|(mode, days)| Retention { mode, days });
    BucketLock::On { default }
}

/// The text of the first element with a name. The document is flat enough for that.
fn element<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(text, _)| text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_says_what_it_locks() {
        let rule = |period: &str| {
            format!(
                "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>\
                 <Mode>COMPLIANCE</Mode>{period}</DefaultRetention></Rule></ObjectLockConfiguration>"
            )
        };
        let on = |days| BucketLock::On { default: Some(Retention { mode: RetentionMode::Compliance, days }) };
        assert_eq!(parse(&rule("<Days>14</Days>")), on(14));
        assert_eq!(parse(&rule("<Years>2</Years>")), on(730));
        assert_eq!(parse("<O><ObjectLockEnabled>Enabled</ObjectLockEnabled></O>"), BucketLock::On { default: None });
        assert_eq!(parse("<O/>"), BucketLock::Off);
    }
}
