//! `show`: all that a snapshot's manifest says.

use std::collections::BTreeMap;

use serde::Serialize;
use strongroom_core::id::{ClassRoot, HeadHash};
use strongroom_core::manifest::{BlobEntry, ClassEntry, Finding, IntegrationState, ManifestBody, Severity};

use super::shapes::SnapshotFacts;
use crate::app::App;
use crate::args::Show;
use crate::failure::{Exit, Failure};
use crate::render::json::Schema;
use crate::render::table::Table;
use crate::render::{Output, text};
use crate::room::custodian::Custodian;

#[derive(Serialize)]
struct Manifest<'a> {
    #[serde(flatten)]
    facts: SnapshotFacts,
    head_hash: HeadHash,
    engine: &'a str,
    engine_version: &'a str,
    product: &'a Option<String>,
    profile: &'a Option<String>,
    application_versions: &'a BTreeMap<String, String>,
    integrations: &'a [IntegrationState],
    environment: &'a BTreeMap<String, String>,
    position: &'a BTreeMap<String, String>,
    host: &'a str,
    tags: &'a [String],
    packs_needed: Option<u64>,
    packs_needed_bytes: Option<u64>,
    class_list: Vec<Class<'a>>,
    blobs: &'a [BlobEntry],
    findings: &'a [Finding],
}

#[derive(Serialize)]
struct Class<'a> {
    #[serde(rename = "class")]
    name: &'a str,
    records: u64,
    expected: Option<u64>,
    captured: bool,
    reason: &'a Option<String>,
    root: Option<ClassRoot>,
}

impl<'a> From<&'a ClassEntry> for Class<'a> {
    fn from(entry: &'a ClassEntry) -> Self {
        Self {
            name: &entry.name,
            records: entry.records,
            expected: entry.expected,
            captured: entry.captured,
            reason: &entry.reason,
            root: entry.captured.then_some(entry.root),
        }
    }
}

/// Shows a snapshot.
pub(super) fn run(options: &Show, app: &App) -> Result<Exit, Failure> {
    let room = app.room()?;
    let manifests = room.manifests()?;
    let manifest = manifests.select(&options.snapshot)?;
    let body = Custodian::open(&room, app)?.body(manifest)?;
    let packs = manifests.needed_packs(manifest.head());
    let document = Manifest {
        facts: SnapshotFacts::new(&manifests, manifest, &room.settings().site),
        head_hash: manifest.hash(),
        engine: &body.engine,
        engine_version: &body.engine_version,
        product: &body.product,
        profile: &body.profile,
        application_versions: &body.application_versions,
        integrations: &body.integrations,
        environment: &body.environment,
        position: &body.source_position,
        host: &body.host,
        tags: &body.tags,
        packs_needed: packs.as_ref().map(|packs| packs.packs().len() as u64),
        packs_needed_bytes: packs
            .as_ref()
            .map(|packs| packs.packs().map(|pack| pack.bytes).fold(0, u64::saturating_add)),
        class_list: body.classes.iter().map(Class::from).collect(),
        blobs: &body.blobs,
        findings: &body.findings,
    };
    show(&app.output, &document, &body);
    app.output.document(Schema::Manifest, &document);
    Ok(Exit::Done)
}

fn show(output: &Output, manifest: &Manifest<'_>, body: &ManifestBody) {
    let facts = &manifest.facts;
    output.result(format!("Snapshot {} of {}", facts.snapshot, text::shown(&facts.source)));
    let state = if facts.complete { "complete" } else { "INCOMPLETE" };
    let places = facts.places.join(", ");
    let mut lines = vec![
        ("taken", format!("{} to {}", facts.started, facts.finished)),
        ("state", format!("{state}, number {} of its source", facts.sequence)),
        ("root", facts.root.to_string()),
        ("engine", format!("{} {}", body.engine, body.engine_version)),
        ("product", product(body)),
        ("host", body.host.clone()),
        ("lies at", places),
        ("stored", text::size(facts.bytes_stored)),
    ];
    if let (Some(packs), Some(bytes)) = (manifest.packs_needed, manifest.packs_needed_bytes) {
        lines.push(("needs", format!("{}, {}", text::plural(packs, "pack", "packs"), text::size(bytes))));
    }
    if !body.tags.is_empty() {
        lines.push(("tags", body.tags.join(", ")));
    }
    lines.extend(body.source_position.iter().map(|(name, value)| (name.as_str(), value.clone())));
    for (name, value) in lines {
        output.result(format!("  {:<18} {}", text::shown(name), text::shown(&value)));
    }
    show_state(output, body);
    let mut table = Table::new(&["class", "#records", "captured"]);
    for class in &manifest.class_list {
        let captured = match (class.captured, class.reason) {
            (true, None) => "yes".to_owned(),
            (true, Some(reason)) => format!("in part: {reason}"),
            (false, reason) => format!("no: {}", reason.as_deref().unwrap_or("no reason was given")),
        };
        table.row([class.name.to_owned(), text::count(class.records), captured]);
    }
    output.table(&table);
    for finding in manifest.findings {
        let word = match finding.severity {
            Severity::Info => "note",
            Severity::Warning => "warning",
            Severity::Error => "INCOMPLETE",
        };
        output.say(format!("  {word}: {}: {}", text::shown(&finding.subject), text::shown(&finding.message)));
    }
}

/// The product, and how it was known.
fn product(body: &ManifestBody) -> String {
    match (&body.product, &body.profile) {
        (Some(product), Some(profile)) => format!("{product}, by the profile {profile}"),
        (Some(product), None) => product.clone(),
        _ => "none known".to_owned(),
    }
}

/// Versions, environment, and what connected the system with others.
fn show_state(output: &Output, body: &ManifestBody) {
    let lines = |what: &str, values: &BTreeMap<String, String>| {
        if !values.is_empty() {
            output.result(format!("  {what}"));
        }
        for (name, value) in values {
            output.result(format!("    {:<24} {}", text::shown(name), text::shown(value)));
        }
    };
    lines("environment", &body.environment);
    lines("versions", &body.application_versions);
    for state in body.integrations.iter().filter(|state| !state.values.is_empty()) {
        output.result(format!("  {} ({})", text::shown(&state.name), text::shown(&state.class)));
        for row in &state.values {
            let row: Vec<String> =
                row.iter().map(|value| value.as_deref().map_or_else(|| "NULL".to_owned(), text::shown)).collect();
            output.result(format!("    {}", row.join(", ")));
        }
        if state.is_cut {
            output.result("    … and more");
        }
    }
}
