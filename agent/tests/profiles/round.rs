//! One round: a profiled backup of a database, its restore under another name, and what is known of both.

use std::sync::Arc;

use strongroom_agent::backup::BackupOutcome;
use strongroom_agent::capture::{Progress, Spool};
use strongroom_agent::postgres::{PostgresOptions, PostgresSource, PostgresTarget};
use strongroom_agent::profile::{ProfileChoice, ProfiledSource, Recovery, profile_of};
use strongroom_agent::restore::{RestoreJob, RestoreOutcome, Verdict, VerdictJob, restore, verdict};
use strongroom_agent::source::{CaptureOptions, Cut, Finding, Source};
use strongroom_agent::view::SnapshotView;
use strongroom_core::manifest::{ClassTags, ManifestBody};
use strongroom_core::profile::Profile;
use strongroom_platform::rng::SystemEntropy;

use crate::depot::Opened;
use crate::host::Host;

pub(crate) fn plain(url: &str) -> PostgresSource {
    PostgresSource::new(url, PostgresOptions::default()).unwrap()
}

pub(crate) fn profiled(url: &str, choice: ProfileChoice) -> ProfiledSource {
    ProfiledSource::new(Box::new(plain(url)), choice)
}

pub(crate) fn open(source: &dyn Source) -> Box<dyn Cut> {
    source.open(&CaptureOptions { readers: 1, records_only: true, ..CaptureOptions::default() }).unwrap()
}

/// The tags of a class in the head of a snapshot.
pub(crate) fn tags(host: &Host, sequence: u64, class: &str) -> ClassTags {
    let body = host.body(sequence);
    let id = body.classes.iter().find(|entry| entry.name == class).unwrap().id;
    let manifest = host.verified(sequence);
    manifest.head().classes.iter().find(|head| head.class == id).unwrap().tags
}

pub(crate) fn about<'a>(findings: &'a [Finding], subject: &str) -> Vec<&'a Finding> {
    findings.iter().filter(|finding| finding.subject == subject).collect()
}

pub(crate) fn left_out(body: &ManifestBody) -> Vec<&str> {
    body.classes.iter().filter(|entry| !entry.captured).map(|entry| entry.name.as_str()).collect()
}

/// A snapshot brought into a database, judged and published.
pub(crate) fn bring_back(host: &Host, outcome: &BackupOutcome, url: &str) -> RestoreOutcome {
    with_view(host, outcome, |view| {
        let spool = Arc::new(Spool::new(host.disk(), "verdict", &SystemEntropy).unwrap());
        let target = PostgresTarget::new(url, PostgresOptions::default()).unwrap();
        restore(&RestoreJob {
            view,
            target: &target,
            over: false,
            token: "t0ken",
            loaders: 2,
            spool: &spool,
            progress: &Progress::default(),
        })
        .unwrap()
    })
}

/// What a verdict says of a database that was not restored.
pub(crate) fn judge(host: &Host, outcome: &BackupOutcome, source: &dyn Source) -> Verdict {
    with_view(host, outcome, |view| {
        let spool = Arc::new(Spool::new(host.disk(), "verdict", &SystemEntropy).unwrap());
        let progress = Progress::default();
        let job = VerdictJob { view, source, spool: &spool, readers: 2, progress: &progress };
        verdict(&job, &view.native_blobs().unwrap()).unwrap()
    })
}

pub(crate) fn recovery(host: &Host, outcome: &BackupOutcome) -> (Recovery, Option<Profile>) {
    with_view(host, outcome, |view| (Recovery::of(view).unwrap(), profile_of(view).unwrap()))
}

fn with_view<T>(host: &Host, outcome: &BackupOutcome, work: impl FnOnce(&SnapshotView<'_, Opened>) -> T) -> T {
    let (opened, body) = (Opened::new(&host.depot, &host.epoch), host.body(outcome.sequence));
    work(&SnapshotView::new(&opened, &host.ids, &body).unwrap())
}
