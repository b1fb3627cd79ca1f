//! What can be said of a backup before any row is read, from what the catalog, the ledger and the volume tell.
//!
//! Told before the capture, and kept in the manifest with what the source itself has to say. Nearly nothing stops a
//! backup: a snapshot of a system in trouble is worth having. Only where it could not even be finished, since the room's
//! volume has no space for its notes, the source is not read in vain.

use std::collections::BTreeSet;
use std::sync::Arc;

use strongroom_core::record::ClassSchema;
use strongroom_core::time::WallTime;

use super::job::{BackupError, BackupJob};
use crate::ledger::Ledger;
use crate::profile::AppliedProfile;
use crate::source::{Cut, CutClass, Finding, Severity};

/// Free bytes without which no backup comes to its end: room for index, ledger and a first spill.
const ROOM_BYTES_MIN: u64 = 16 << 20;

/// Classes of a kind that are named one by one.
const NAMED_MAX: usize = 20;

const MICROS_PER_DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// A snapshot older than this many days is worth a word.
const AGE_DAYS_MAX: i64 = 7;

/// What is known before a capture.
pub(super) struct Outlook<'a> {
    /// The preceding snapshot.
    pub before: Option<&'a Ledger>,
    /// The classes that the source has now.
    pub classes: &'a [CutClass],
    /// What names the classes.
    pub profile: Option<&'a AppliedProfile>,
    /// The host's time.
    pub now: WallTime,
    /// Free bytes of the room's volume, where the volume says it.
    pub room_bytes_free: Option<u64>,
}

/// What there is to say before any row is read. A backup that could not be finished ends here.
pub(super) fn look_ahead(
    job: &BackupJob<'_>,
    cut: &dyn Cut,
    before: Option<&Ledger>,
    now: WallTime,
) -> Result<Vec<Finding>, BackupError> {
    let volume = rustix::fs::statvfs(job.cache_path).ok();
    let outlook = Outlook {
        before,
        classes: cut.classes(),
        profile: cut.profile().map(Arc::as_ref),
        now,
        room_bytes_free: volume.map(|volume| volume.f_bavail.saturating_mul(volume.f_frsize)),
    };
    if let Some(bytes_free) = outlook.too_few_bytes() {
        return Err(BackupError::NoRoom { bytes_free });
    }
    let mut findings = cut.facts().findings.clone();
    findings.extend(outlook.findings());
    Ok(findings)
}

impl Outlook<'_> {
    /// What a person should know.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = self.gone();
        findings.extend(self.reshaped());
        findings.extend(self.age());
        findings.extend(self.space());
        findings
    }

    /// The free bytes, if there are too few for any backup.
    pub(super) fn too_few_bytes(&self) -> Option<u64> {
        self.room_bytes_free.filter(|free| *free < ROOM_BYTES_MIN)
    }

    /// Classes of the preceding snapshot that the source does not have any more.
    fn gone(&self) -> Vec<Finding> {
        let Some(before) = self.before else { return Vec::new() };
        let there: BTreeSet<&String> = self.classes.iter().map(|class| &class.schema.name).collect();
        let had = || before.classes.iter().filter(|(name, _)| !before.gone.contains(*name));
        let gone: Vec<_> = had().filter(|(name, _)| !there.contains(name)).collect();
        let message = |records: u64| {
            format!(
                "is gone; the preceding snapshot has {records} records of it. Check that it was meant to go before older \
                 snapshots do"
            )
        };
        let named = gone.iter().take(NAMED_MAX);
        let mut findings: Vec<Finding> =
            named.map(|(name, class)| warning(self.called(name), message(class.records))).collect();
        if let Some(more) = gone.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
            findings.push(warning(format!("{more} more classes"), "are gone since the preceding snapshot".into()));
        }
        if !gone.is_empty() && gone.len() == had().count() {
            let message = "has none of the classes of the preceding snapshot: is this the system that was protected?";
            findings.insert(0, warning("the source".into(), message.into()));
        }
        findings
    }

    /// Classes whose shape is another than in the preceding snapshot.
    fn reshaped(&self) -> Vec<Finding> {
        let Some(before) = self.before else { return Vec::new() };
        let pairs = self.classes.iter().filter_map(|class| Some((class, before.classes.get(&class.schema.name)?)));
        let told = pairs.filter_map(|(class, then)| {
            let message = reshaped(&then.schema, &class.schema)?;
            Some(Finding { severity: Severity::Info, subject: self.called(&class.schema.name), message })
        });
        told.collect()
    }

    /// How long ago the preceding snapshot was taken.
    fn age(&self) -> Option<Finding> {
        let taken = self.before?.finished?;
        let subject = "the preceding snapshot".to_owned();
        if taken > self.now {
            let message = format!("was taken at {taken}, which this host's clock has not reached yet: check the clock");
            return Some(warning(subject, message));
        }
        let days = self.now.0.saturating_sub(taken.0) / MICROS_PER_DAY;
        let message = format!("was taken {days} days ago");
        (days > AGE_DAYS_MAX).then_some(Finding { severity: Severity::Info, subject, message })
    }

    /// Whether the room has space for what is stored whole: what no snapshot has yet.
    fn space(&self) -> Option<Finding> {
        let free = self.room_bytes_free?;
        let known =
            |class: &&CutClass| self.before.is_some_and(|before| before.classes.contains_key(&class.schema.name));
        let new = self.classes.iter().filter(|class| class.skipped.is_none() && !known(class));
        let expected: u64 = new.map(|class| class.bytes_estimate).fold(0, u64::saturating_add);
        let message = format!(
            "its volume has {} MiB left, and what is captured for the first time is about {} MiB before compression",
            free >> 20,
            expected >> 20
        );
        (expected > free).then(|| warning("the room".into(), message))
    }

    /// What people call a class, be it there or gone.
    fn called(&self, name: &str) -> String {
        self.profile.map_or_else(|| name.to_owned(), |profile| profile.profile().facts(name).called(name))
    }
}

fn warning(subject: String, message: String) -> Finding {
    Finding { severity: Severity::Warning, subject, message }
}

/// What became of a class's shape, in a sentence; nothing if it is the same.
fn reshaped(then: &ClassSchema, now: &ClassSchema) -> Option<String> {
    let lacks = |of: &ClassSchema, in_: &ClassSchema| -> Vec<String> {
        let missing = of.columns.iter().filter(|column| in_.column_named(&column.name).is_none());
        missing.map(|column| column.name.clone()).collect()
    };
    let retyped = now.columns.iter().filter_map(|column| {
        let earlier = then.column_named(&column.name)?;
        let (was, is) = (&earlier.source_type, &column.source_type);
        (was != is).then(|| format!("{} from {was} to {is}", column.name))
    });
    let list = |what: &str, names: Vec<String>| (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")));
    let changes = [
        list("lost the columns", lacks(then, now)),
        list("has the new columns", lacks(now, then)),
        list("changed the type of", retyped.collect()),
        (then.key != now.key).then(|| "has another key, so it is stored anew".to_owned()),
    ];
    let changes: Vec<String> = changes.into_iter().flatten().collect();
    (!changes.is_empty()).then(|| format!("since the preceding snapshot it {}", changes.join("; it ")))
}

#[cfg(test)]
mod tests;
