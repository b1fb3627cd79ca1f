//! Selectors: the ways to name a snapshot.
//!
//! ```text
//!   latest            the newest of the room             NAME@latest   the newest of a source
//!   3f9c…             an id, or enough of its beginning  NAME@TIME     the newest of a source that began by then
//! ```

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use strongroom_core::error::Code;
use strongroom_core::manifest::VerifiedManifest;
use strongroom_core::time::WallTime;

use super::manifests::Manifests;
use crate::failure::Failure;

impl Manifests {
    /// The snapshot that a selector names.
    pub(crate) fn select(&self, selector: &str) -> Result<&VerifiedManifest, Failure> {
        if selector == "latest" {
            return self.by_time().pop().ok_or_else(|| self.none_yet("there are no snapshots yet".to_owned()));
        }
        if let Some((name, at)) = selector.rsplit_once('@') {
            return self.select_of_source(name, at);
        }
        let is_prefix = |manifest: &&VerifiedManifest| {
            !selector.is_empty() && manifest.head().snapshot.to_string().starts_with(&selector.to_ascii_lowercase())
        };
        let mut fitting = self.by_time().into_iter().filter(is_prefix);
        match (fitting.next(), fitting.count()) {
            (Some(only), 0) => Ok(only),
            (Some(_), more) => {
                let what = format!("{} snapshots have ids that begin with {selector}", more + 1);
                Err(Failure::new(Code::Ambiguous, what))
            }
            (None, _) if self.source_named(selector).is_some() => {
                Err(Failure::new(Code::NotFound, format!("{selector} is a source, not a snapshot"))
                    .advise(format!("Name one of its snapshots, for example {selector}@latest.")))
            }
            (None, _) => Err(self.or_unreadable(
                Failure::new(Code::NotFound, format!("there is no snapshot {selector}"))
                    .advise("List them with `strongroom snapshots`; the newest is `latest`."),
            )),
        }
    }

    fn select_of_source(&self, name: &str, at: &str) -> Result<&VerifiedManifest, Failure> {
        let unknown = || {
            let known: Vec<String> = self.sources().into_iter().map(|source| self.name(source)).collect();
            let failure = Failure::new(Code::NotFound, format!("there is no source {name} with snapshots"));
            if known.is_empty() { failure } else { failure.advise(format!("There are some of: {}.", known.join(", "))) }
        };
        let source = self.source_named(name).ok_or_else(unknown)?;
        let newest = |by: WallTime| {
            let earlier = self.of_source(source).filter(|manifest| manifest.head().started <= by);
            earlier.max_by_key(|manifest| (manifest.head().started, manifest.head().sequence))
        };
        if at == "latest" {
            return newest(WallTime(i64::MAX))
                .ok_or_else(|| self.none_yet(format!("the source {name} has no snapshots yet")));
        }
        let time = parse_time(at).ok_or_else(|| {
            Failure::new(Code::Usage, format!("{at} is no time"))
                .advise("Write it as 2026-11-20T10:00Z, 2026-11-20T10:00+01:00, 2026-11-20T10:00 or 2026-11-20.")
        })?;
        newest(time).ok_or_else(|| self.none(format!("the source {name} has no snapshot from before {at}")))
    }

    fn none_yet(&self, what: String) -> Failure {
        self.or_unreadable(Failure::new(Code::NotFound, what).advise("Take one with `strongroom backup NAME`."))
    }

    fn none(&self, what: String) -> Failure {
        self.or_unreadable(Failure::new(Code::NotFound, what))
    }

    fn or_unreadable(&self, failure: Failure) -> Failure {
        if self.findings().iter().any(strongroom_depot::verify::Finding::is_fault) {
            failure.advise("Some manifests could not be read: run `strongroom verify`.")
        } else {
            failure
        }
    }
}

/// A time with its offset or zone; without one, in the zone of this host. A date alone is its end.
fn parse_time(text: &str) -> Option<WallTime> {
    let zoned = |time: DateTime| Some(time.to_zoned(TimeZone::system()).ok()?.timestamp());
    let stamp = if let Ok(stamp) = text.parse::<Timestamp>() {
        stamp
    } else if text.contains(['T', ' ', ':']) {
        zoned(text.parse::<DateTime>().ok()?)?
    } else {
        zoned(text.parse::<Date>().ok()?.at(23, 59, 59, 999_999_999))?
    };
    Some(WallTime(stamp.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_seconds() {
        let at = |text: &str| parse_time(text).map(WallTime::to_rfc3339);
        assert_eq!(at("2026-11-20T10:00Z").as_deref(), Some("2026-11-20T10:00:00.000000+00:00"));
        assert_eq!(at("2026-11-20T10:00:30+01:00").as_deref(), Some("2026-11-20T09:00:30.000000+00:00"));
        assert!(at("2026-11-20").is_some() && at("2026-11-20T10:00").is_some());
        assert!(at("yesterday").is_none() && at("2026-13-01").is_none());
    }
}
