//! `source add`, `source ls`, `source rm`, `source inspect`.

mod rm;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use strongroom_agent::profile::{AppliedProfile, ProfiledSource};
use strongroom_agent::source::{CaptureOptions, CutClass, Finding, Source as _};
use strongroom_core::id::SourceId;
use strongroom_core::record::{ClassSchema, KeySpec};

use super::registered::{self, Listed, NewSource};
use super::shapes;
use crate::app::App;
use crate::args::{SourceAdd, SourceInspect};
use crate::failure::{Attempt as _, Exit, Failure};
use crate::passphrase::first_line_of_file;
use crate::render::json::Schema;
use crate::render::table::Table;
use crate::render::text;
use crate::room::kept::{RegisteredSource, SourceFacts};
use crate::{profiles, sources};

pub(super) use rm::rm;

#[derive(Serialize)]
struct SourceDocument {
    source: String,
    id: SourceId,
    /// Without secrets. This and what follows is nothing where this host's file can't be used.
    url: Option<String>,
    profile: Option<String>,
    added: Option<String>,
    /// What is wrong with this host's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<String>,
}

impl SourceDocument {
    fn new(name: &str, facts: &SourceFacts) -> Self {
        Self {
            source: name.to_owned(),
            id: facts.id,
            url: Some(facts.url.clone()),
            profile: Some(facts.profile.clone()),
            added: Some(facts.added.to_rfc3339()),
            broken: None,
        }
    }

    fn of(listed: &Listed) -> Self {
        match &listed.kept {
            Ok(kept) => Self::new(&listed.name, &kept.facts),
            Err(failure) => {
                let (source, broken) = (listed.name.clone(), Some(failure.chain().join(": ")));
                Self { source, id: listed.id, url: None, profile: None, added: None, broken }
            }
        }
    }
}

/// Registers a source.
pub(super) fn add(options: &SourceAdd, app: &App) -> Result<Exit, Failure> {
    let room = app.room()?;
    let new = NewSource {
        name: Some(&options.name),
        url: &options.url,
        password_file: options.password_file.as_deref(),
        profile: &options.profile,
    };
    let source = registered::register(&room, app, &new)?;
    app.output.say(format!("Registered {} as {}.", source.facts.url, source.name));
    if let Some(file) = sources::missing_file(&source.facts.url) {
        app.output.warn(format!("{} is not there; backups fail until it is", file.display()));
    }
    app.output.say(format!("Next: strongroom backup {}", source.name));
    app.output.document(Schema::Source, &SourceDocument::new(&source.name, &source.facts));
    Ok(Exit::Done)
}

/// Lists the sources.
pub(super) fn ls(app: &App) -> Result<Exit, Failure> {
    let sources = registered::all(&app.room()?)?;
    let mut table = Table::new(&["name", "url", "profile", "added"]);
    for Listed { name, kept, .. } in &sources {
        match kept {
            Ok(RegisteredSource { facts, .. }) => {
                table.row([name.as_str(), &facts.url, &facts.profile, &text::time(facts.added)]);
            }
            Err(_) => table.row([name.as_str(), "(broken)", "", ""]),
        }
    }
    if table.is_empty() {
        app.output.say("No sources yet. Register one: strongroom source add NAME URL");
    } else {
        app.output.table(&table);
    }
    for failure in sources.iter().filter_map(|source| source.kept.as_ref().err()) {
        app.output.warn(format!("{}. {}", failure.chain().join(": "), failure.next()));
    }
    let documents: Vec<_> = sources.iter().map(SourceDocument::of).collect();
    app.output.documents(Schema::Source, &documents);
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Inspection<'a> {
    engine: &'a str,
    engine_version: &'a str,
    database: &'a str,
    product: Option<&'a str>,
    profile: Option<&'a str>,
    position: &'a BTreeMap<String, String>,
    settings: &'a BTreeMap<String, String>,
    classes: Vec<InspectedClass>,
    findings: &'a [Finding],
}

#[derive(Serialize)]
struct InspectedClass {
    class: String,
    records_estimate: u64,
    bytes_estimate: u64,
    key: Vec<String>,
    references: Vec<String>,
    captured: bool,
    reason: Option<String>,
    tier: Option<u8>,
    role: Option<&'static str>,
    label: Option<String>,
}

impl InspectedClass {
    fn new(class: &CutClass, profile: Option<&AppliedProfile>) -> Self {
        let facts = profile.and_then(|profile| Some(&profile.selection().class(&class.schema.name)?.facts));
        let mut references: Vec<String> = class.schema.references.iter().map(|to| to.class.clone()).collect();
        references.sort();
        references.dedup();
        Self {
            class: class.schema.name.clone(),
            records_estimate: class.records_estimate,
            bytes_estimate: class.bytes_estimate,
            key: key_names(&class.schema),
            references,
            captured: class.skipped.is_none(),
            reason: class.skipped.clone(),
            tier: facts.map(|facts| facts.tier.into()),
            role: facts.map(|facts| facts.role.word()),
            label: facts.and_then(|facts| facts.label.clone()),
        }
    }
}

/// The names of a key's columns; none for a keyless class.
fn key_names(schema: &ClassSchema) -> Vec<String> {
    let KeySpec::Columns(ids) = &schema.key else { return Vec::new() };
    ids.iter().filter_map(|id| schema.column(*id)).map(|column| column.name.clone()).collect()
}

/// Shows what a source is.
pub(super) fn inspect(options: &SourceInspect, app: &App) -> Result<Exit, Failure> {
    let given = options.password_file.as_deref().map(first_line_of_file).transpose()?;
    let (url, password, profile) = if sources::is_url(&options.source) {
        (sources::absolute(&options.source)?.into(), given, profiles::AUTO.to_owned())
    } else {
        let known = registered::named(&app.room()?, &options.source)?;
        (known.secrets.url, given.or(known.secrets.password), known.facts.profile)
    };
    let choice = profiles::choice(options.profile.as_ref().unwrap_or(&profile))?;
    let source = sources::source(&url, password.as_ref().map(|text| text.as_str()), &app.clock)?;
    let source = ProfiledSource::new(source, choice);
    let what = || format!("can't inspect {}", sources::shown(&url));
    let cut =
        source.open(&CaptureOptions { readers: 1, records_only: true, ..CaptureOptions::default() }).attempt(what)?;
    let (facts, classes, profile) = (cut.facts().clone(), cut.classes().to_vec(), cut.profile().map(Arc::clone));
    let profile = profile.as_deref();
    let mut findings = facts.findings.clone();
    findings.extend(cut.close().attempt(what)?);
    let output = &app.output;
    output.result(format!("{} {}, database {}", facts.engine, facts.engine_version, text::shown(&facts.database)));
    if let Some(profile) = profile.map(AppliedProfile::profile) {
        output.say(format!("  product: {}, by the profile {}", profile.product, profile.name));
    }
    for (name, value) in &facts.settings {
        output.say(format!("  {name}: {}", text::shown(value)));
    }
    let mut table = Table::new(&["class", "#records (about)", "#size (about)", "key", "refers to", "tier", "captured"]);
    let classes: Vec<InspectedClass> = classes.iter().map(|class| InspectedClass::new(class, profile)).collect();
    for class in &classes {
        table.row([
            class.class.clone(),
            text::count(class.records_estimate),
            text::size(class.bytes_estimate),
            if class.key.is_empty() { "(none)".to_owned() } else { class.key.join(", ") },
            class.references.join(", "),
            class.tier.map_or_else(String::new, |tier| tier.to_string()),
            class.reason.clone().map_or_else(|| "yes".to_owned(), |why| format!("no: {why}")),
        ]);
    }
    output.table(&table);
    shapes::show_findings(output, &findings, true);
    output.document(
        Schema::Inspection,
        &Inspection {
            engine: &facts.engine,
            engine_version: &facts.engine_version,
            database: &facts.database,
            product: profile.map(|profile| profile.profile().product.as_str()),
            profile: profile.map(|profile| profile.profile().name.as_str()),
            position: &facts.position,
            settings: &facts.settings,
            classes,
            findings: &findings,
        },
    );
    Ok(Exit::Done)
}
