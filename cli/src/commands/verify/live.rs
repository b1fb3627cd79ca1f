//! `verify --live`: the references of a source as it is now.
//!
//! One cut is opened, read as a backup reads it, and given back; nothing is stored and nothing written to the source.

use std::sync::Arc;

use strongroom_agent::capture::Progress;
use strongroom_agent::profile::ProfiledSource;
use strongroom_agent::source::{CaptureOptions, Source as _};
use strongroom_core::digest::{IdFunctions, IdKey};
use strongroom_core::entropy::random_array;

use super::Summary;
use super::references::References;
use crate::app::App;
use crate::args::Verify;
use crate::commands::registered;
use crate::failure::{Attempt as _, Failure};
use crate::passphrase::first_line_of_file;
use crate::render::text;
use crate::room::Room;
use crate::room::custodian::Custodian;
use crate::{profiles, sources};

/// Checks the references of a live source.
pub(super) fn check(
    options: &Verify,
    app: &App,
    room: &Room,
    name: &str,
    progress: &Arc<Progress>,
) -> Result<Summary, Failure> {
    let given = options.password_file.as_deref().map(first_line_of_file).transpose()?;
    let (url, password, profile) = if sources::is_url(name) {
        (sources::absolute(name)?.into(), given, profiles::AUTO.to_owned())
    } else {
        let known = registered::named(room, name)?;
        (known.secrets.url, given.or(known.secrets.password), known.facts.profile)
    };
    let references = References::new(options, app, room, progress)?;
    let mut against = None;
    let mut baseline = None;
    if let Some(selector) = &options.against {
        let manifests = room.manifests()?;
        let manifest = manifests.select(selector)?;
        let custodian = Custodian::open(room, app)?;
        baseline = Some(references.baseline(&custodian, &manifests, manifest)?);
        against = Some(manifest.head().snapshot.to_string());
    }
    let source = sources::source(&url, password.as_ref().map(|text| text.as_str()), &app.clock)?;
    let source = ProfiledSource::new(source, profiles::choice(&profile)?);
    let readers = options.readers.unwrap_or(app.readers).max(1);
    let what = || format!("can't read {}", sources::shown(&url));
    // Records are compared with nothing that is stored, so any key does for their ids.
    let key = random_array(app.entropy.as_ref()).attempt(|| "can't make a key for the check")?;
    let ids = IdFunctions::new(room.settings().profile, &IdKey::from_bytes(key));
    let cut =
        source.open(&CaptureOptions { readers, records_only: true, ..CaptureOptions::default() }).attempt(what)?;
    let shown = sources::shown_word(name);
    let checked = references
        .timed(shown.clone(), against, || references.of_cut(cut.as_ref(), &ids, readers, baseline.as_ref(), &shown));
    let closed = cut.close().attempt(what);
    let checked = checked?;
    closed?;
    let mut summary = Summary { records: checked.records, ..Summary::default() };
    summary.add(checked);
    Ok(summary)
}

/// The line that a check of a live source ends with.
pub(super) fn line(summary: &Summary) -> String {
    let checked = summary.references.first();
    format!(
        "Checked {} of {}: {}, in {}.",
        text::plural(checked.map_or(0, |checked| checked.references), "reference", "references"),
        checked.map_or("", |checked| checked.of.as_str()),
        text::plural(summary.records, "record", "records"),
        text::span(std::time::Duration::from_millis(summary.duration_ms)),
    )
}
